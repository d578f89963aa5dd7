"""How is the emulated account set up? Services, image and keyword libraries, and the rules that they amount to.

It begins with the rules of a file, whose libraries have their names as ids, and changes with the management API of
version 2022-09-26. Verdicts follow at once; the vendor's console names 2 to 5 minutes.

Which label a library stands for is opaque in the API. So a scene has a part of our own, LocalEngine, beside whatever a
caller keeps in it: the switches and scores of its labels, and the libraries that give them, as a rules file has them.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from moderate_cli.catalog.labels import labels
from moderate_cli.catalog.services import services
from moderate_cli.emulator.engine.image_library import ImageIndex
from moderate_cli.emulator.image_libraries import ImageLibraries, Place
from moderate_cli.emulator.keyword_libraries import KeywordLibraries
from moderate_cli.emulator.management_parameters import REFUSED, unknown
from moderate_cli.emulator.messages import BodyError
from moderate_cli.rules import ImageLibrary, Rules, ServiceRules
from moderate_cli.rules.model import LabelScope, RulesFile, Switch

UNBOUND_WORDS = "contraband_drug_tii"
"""The label of words whose library is flagged for a service, and stands for no label.

KeywordHitLibs names no label, and no page tells which one the service gives. This is the label of the one example in
the vendor's console guide (December 2025): a hit is contraband_drug_tii_lib.
"""

OWN_PART = "LocalEngine"
"""The part of a scene's configuration that is ours; answers have one of this name too."""

_MAX_COPIES = 99  # of a service, whose code ends with two digits
_MAX_SCENES = 100  # of a service that are kept; a limit of this emulator


class Scope(Struct, frozen=True, forbid_unknown_fields=True):
    """Our part of a scene: what a rules file says of its labels; libraries are named by their ids."""

    labels: Mapping[str, Switch | LabelScope] = {}
    image_libraries: Mapping[str, list[str]] = {}
    keyword_libraries: Mapping[str, list[str]] = {}

    def of(self, fits: Callable[[str], bool]) -> Scope:
        """Return what it says of some labels."""
        parts = ({k: v for k, v in part.items() if fits(k)} for part in self.parts)
        return Scope(*parts)  # type: ignore[arg-type]  # each part keeps its type

    @property
    def parts(self) -> tuple[Mapping[str, Any], Mapping[str, list[str]], Mapping[str, list[str]]]:
        """All that it says, by label."""
        return self.labels, self.image_libraries, self.keyword_libraries


class ServiceConfig(Struct):
    """What is set for a service: `flagged` and `ignored` are keyword libraries, `exempt` image libraries.

    `scope` is that of all its labels; `scenes` has what was put for each scene, as it came, and `opaque` what else was.
    """

    code: str
    name: str
    description: str
    modified_at: float
    copy_of: str = ""
    scope: Scope = Scope()
    flagged: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    exempt: dict[str, bool] = field(default_factory=dict)
    scenes: dict[str, dict[str, Any]] = field(default_factory=dict)
    opaque: dict[str, dict[str, Any]] = field(default_factory=dict)

    def scope_of(self, scene: str) -> Scope:
        """Return the part of the scope that is about the labels of a scene."""
        return self.scope.of(lambda label: scene_of(label) == scene)

    def put_scope(self, scene: str, scope: Scope) -> None:
        """Set the scope of a scene's labels; words are flagged, or no more, as their libraries are bound."""
        before = {name for names in self.scope_of(scene).keyword_libraries.values() for name in names}
        now = dict.fromkeys(name for names in scope.keyword_libraries.values() for name in names)
        rest = self.scope.of(lambda label: scene_of(label) != scene)
        self.scope = Scope(
            {**rest.labels, **scope.labels},
            {**rest.image_libraries, **scope.image_libraries},
            {**rest.keyword_libraries, **scope.keyword_libraries},
        )
        kept = [name for name in self.flagged if name not in before or name in now]
        self.flagged = list(dict.fromkeys([*kept, *now]))


class Settings(Struct, frozen=True):
    """The account as verdicts follow from it: rules by the ids of libraries, with what these are called.

    `held` are the image libraries whose images are not in the place that the rules name.
    """

    rules: Rules
    held: Mapping[str, ImageIndex] = {}
    names: Mapping[str, str] = {}


class Account:
    """An account. Whoever reads or changes anything but `settings` holds the `lock`, and calls `changed` in the end."""

    def __init__(self, rules: Rules, clock: Callable[[], float]) -> None:
        self._first = rules
        self._clock = clock
        self.lock = threading.RLock()
        self.secret = secrets.token_bytes(32)  # signs the addresses of images
        self._settings: Settings | None = Settings(rules)

    # Made when something asks for them: most emulators only judge, and 100,000 words take a while.

    @cached_property
    def images(self) -> ImageLibraries:
        """The image libraries."""
        libraries = self._first.file.image_libraries
        places = {
            name: Place(self._first.images_of(name), library.comment or "") for name, library in libraries.items()
        }
        return ImageLibraries(places, self._clock)

    @cached_property
    def words(self) -> KeywordLibraries:
        """The keyword libraries."""
        return KeywordLibraries(self._first.words, self._clock)

    @cached_property
    def services(self) -> dict[str, ServiceConfig]:
        """The services by code: those of the catalog, and those of the rules."""
        known = {name: service.description or "" for name, service in services().items()}
        found = {name: ServiceConfig(name, name, text, self._clock()) for name, text in known.items()}
        return found | {name: self._from_rules(name, known.get(name, "")) for name in self._first.file.services}

    def _from_rules(self, code: str, description: str) -> ServiceConfig:
        own, rules = self._first.file.services[code], self._first.service(code)
        words = rules.keyword_libraries or {}
        return ServiceConfig(
            code,
            own.title or code,
            description,
            self._clock(),
            own.copy_of or "",
            Scope(dict(rules.labels or {}), dict(rules.image_libraries or {}), dict(words)),
            list(dict.fromkeys(name for names in words.values() for name in names)),
            list(rules.ignored_keywords or ()),
            dict.fromkeys(rules.exempt or (), True),
        )

    def counts(self) -> dict[str, int]:
        """Return how many copied services, libraries, images and words there are."""
        with self.lock:
            return {
                "copies": sum(bool(service.copy_of) for service in self.services.values()),
                "image_libraries": len(self.images.all),
                "images": self.images.count,
                "keyword_libraries": len(self.words.all),
                "keywords": self.words.count,
            }

    def reset(self) -> None:
        """Go back to the rules of the beginning."""
        with self.lock:
            self.close()
            for name in ("images", "words", "services"):
                self.__dict__.pop(name, None)
            self._settings = Settings(self._first)

    def close(self) -> None:
        """Delete what is on disk."""
        if "images" in self.__dict__:
            self.images.close()

    @property
    def settings(self) -> Settings:
        """What verdicts follow from, which is another object after each change."""
        settings = self._settings
        if settings is None:
            with self.lock:
                settings = self._settings = self._settings or self._put_together()
        return settings

    def changed(self) -> None:
        """Let verdicts follow what was changed."""
        self._settings = None

    def _put_together(self) -> Settings:
        named = {each.id: ImageLibrary("") for each in self.images.all.values()} | self._first.file.image_libraries
        rules = Rules(
            RulesFile(
                version=1,
                services={code: self._rules_of(service) for code, service in self.services.items()},
                image_libraries=named,
                verdicts=list(self._first.file.verdicts),
            ),
            {each.id: tuple(each.words) for each in self.words.all.values()},
            self._first.old,
            self._first.folder,
        )
        names = {each.id: each.name for each in self.images.all.values()}
        names |= {each.id: each.name for each in self.words.all.values()}
        return Settings(rules, self.images.changed(), names)

    def _rules_of(self, service: ServiceConfig) -> ServiceRules:
        words = {
            label: [name for name in names if name in service.flagged]
            for label, names in service.scope.keyword_libraries.items()
        }
        bound = {name for names in words.values() for name in names}
        if unbound := [name for name in service.flagged if name not in bound]:
            words[UNBOUND_WORDS] = [*words.get(UNBOUND_WORDS, ()), *unbound]
        return ServiceRules(
            labels=dict(service.scope.labels),
            exempt=[name for name in self.images.all if self.is_exempt(name, service)],
            image_libraries=dict(service.scope.image_libraries),
            keyword_libraries=words,
            ignored_keywords=list(service.ignored),
        )

    def is_exempt(self, library: str, service: ServiceConfig | None) -> bool:
        """Tell whether a service takes the images of a library as harmless: as it says, else as the library does."""
        by_itself = self.images.get(library).is_exempt
        return service.exempt.get(library, by_itself) if service else by_itself

    def service(self, code: str) -> ServiceConfig:
        """Return what is set for a service; raises BodyError for one that is not there."""
        if code not in self.services:
            raise unknown("service", code)
        return self.services[code]

    def copy(self, code: str, name: str, description: str) -> str:
        """Copy a service with all that is set for it, and return the code of the copy; raises BodyError."""
        source = self.service(code)
        root = source.copy_of or code  # how the copy of a copy is called is not documented
        codes = (f"{root}_{number:02}" for number in range(1, _MAX_COPIES + 1))
        free = next((each for each in codes if each not in self.services), None)
        if free is None:
            raise BodyError(REFUSED, f"there are {_MAX_COPIES} copies of {root}, which is all that fit into two digits")
        copied: ServiceConfig = msgspec.msgpack.decode(msgspec.msgpack.encode(source), type=ServiceConfig)
        copied.code, copied.name, copied.description, copied.copy_of = free, name, description, code
        copied.modified_at = self._clock()
        self.services[free] = copied
        return free

    def scene(self, service: ServiceConfig, scene: str, *, by_default: bool = False) -> dict[str, Any]:
        """Return the configuration of a scene: as it was put, but for our part, which is as it is now.

        Where nothing was put that part is all. Without a scene it is the configuration of the whole service.
        """
        kept = service.scenes.get(scene)
        if kept is not None and OWN_PART not in kept and not by_default:
            return kept
        scope = service.scope_of(scene)
        known = {label: LabelScope() for label in self.labels_of(service) if scene_of(label) == scene}
        scope = Scope(known) if by_default else replace(scope, labels={**known, **scope.labels})
        return {**({} if by_default else kept or {}), OWN_PART: msgspec.to_builtins(scope)}

    def read_scene(self, service: ServiceConfig, scene: str, content: Mapping[str, Any]) -> Scope | None:
        """Return our part of a configuration that is to be put, None where it has none; raises BodyError."""
        if scene not in service.scenes and len(service.scenes) >= _MAX_SCENES:
            raise BodyError(REFUSED, f"the emulator keeps {_MAX_SCENES} scenes of a service")
        if OWN_PART not in content:
            return None
        try:
            scope: Scope = msgspec.convert(content[OWN_PART], Scope)
        except msgspec.ValidationError as error:
            raise BodyError(REFUSED, f"{OWN_PART} of SceneConfig: {error}") from None
        for label in {label for part in scope.parts for label in part}:
            if scene_of(label) != scene:
                raise BodyError(REFUSED, f"{OWN_PART} of SceneConfig: {label} is no label of the scene {scene}")
        for label, scores in scope.labels.items():
            if isinstance(scores, LabelScope) and scores.medium > scores.high:
                raise BodyError(REFUSED, f"{OWN_PART} of SceneConfig: {label} has a medium score above the high one")
        self.images.check_all(name for names in scope.image_libraries.values() for name in names)
        self.words.check_all(name for names in scope.keyword_libraries.values() for name in names)
        return scope

    @staticmethod
    def labels_of(service: ServiceConfig) -> dict[str, str]:
        """Return the labels of a service that the catalog knows, with what they mean."""
        return {known.label: known.meaning for known in labels(service.copy_of or service.code)}

    def unbind(self, library: str) -> None:
        """Forget for which labels a keyword library stands."""
        for service in self.services.values():
            words = service.scope.keyword_libraries
            left = {label: [name for name in names if name != library] for label, names in words.items()}
            service.scope = replace(service.scope, keyword_libraries={k: v for k, v in left.items() if v})

    def using(self, library: str) -> Iterator[str]:
        """Yield the services that flag or ignore the words of a library."""
        for code, service in self.services.items():
            if library in service.flagged or library in service.ignored:
                yield code


def scene_of(label: str) -> str:
    """Return the scene of a label: the API's own example, pornographic, is how labels of that kind begin."""
    return label.partition("_")[0]
