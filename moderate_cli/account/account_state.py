"""What does the account have now? Services, image libraries and keyword libraries, as they are read from the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from moderate_cli.client import ManagementClient
from moderate_cli.common.errors import ModerateError

FREE_OPERATIONS = ("GetServiceConfig", "GetImageSceneLabelListConf")
"""The operations whose answers about a service have no documented shape, as `raw` of a rules file names them."""

_TYPED = ("KeywordFilterLibs", "KeywordHitLibs")  # of CustomServiceConf, which the rest of a rules file says
_PREPROCESSING = "PreprocessList"  # of a keyword library


class AmbiguousError(ModerateError):
    """Two things of the account have one name, by which a rules file could mean either."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(
            f"the account has several {what} called {name}",
            code="ambiguous",
            hint="rename all but one in the vendor's console",
        )


class ImageLibraryState(Struct, frozen=True):
    """An image library; `images` are the addresses by their ids, None where these were not read."""

    id: str
    name: str
    comment: str
    count: int
    images: Mapping[str, str | None] | None = None


class KeywordLibraryState(Struct, frozen=True):
    """A keyword library; `words` are the keywords by their ids, None where these were not read."""

    id: str
    name: str
    count: int
    services: tuple[str, ...] = ()
    words: Mapping[str, str] | None = None
    raw: Mapping[str, Any] = {}


class ServiceState(Struct, frozen=True):
    """A service: what it is a copy of, what it is called, and the names of the libraries that it uses.

    `raw` holds what no page documents, by operation.
    """

    code: str
    title: str
    description: str
    copy_of: str | None
    exempt: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()
    raw: Mapping[str, Any] = {}


class Account(Struct, frozen=True):
    """The account: services by their codes, of which those that were looked at have libraries, and all libraries."""

    services: Mapping[str, ServiceState] = {}
    image_libraries: tuple[ImageLibraryState, ...] = ()
    keyword_libraries: tuple[KeywordLibraryState, ...] = ()

    def image_library(self, name: str) -> ImageLibraryState | None:
        """Return the image library of a name, None without one; raises AmbiguousError for several."""
        return only_library(self.image_libraries, name, "image libraries")

    def keyword_library(self, name: str) -> KeywordLibraryState | None:
        """Return the keyword library of a name, None without one; raises AmbiguousError for several."""
        return only_library(self.keyword_libraries, name, "keyword libraries")

    def copy(self, source: str, title: str, code: str | None) -> ServiceState | None:
        """Return the copy of a service that is called so, and of several the one with this code; None without one.

        The API does not tell the code of a new copy, so that its title is what it is known by. Raises AmbiguousError
        where several are called so and none has the code.
        """
        called = {each.code: each for each in self.services.values() if (each.copy_of, each.title) == (source, title)}
        if len(called) > 1 and code not in called:
            raise AmbiguousError(f"copies of {source}", title)
        return called.get(code or "") or next(iter(called.values()), None)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=_Named)


def only_library(libraries: Iterable[T], name: str, what: str) -> T | None:
    """Return what is called so, None without one; raises AmbiguousError for several."""
    found = [each for each in libraries if each.name == name]
    if len(found) > 1:
        raise AmbiguousError(what, name)
    return found[0] if found else None


def read_account(
    client: ManagementClient,
    *,
    images_of: Callable[[str], bool],
    words_of: Callable[[str], bool],
    looks_at: Callable[[ServiceState], bool],
) -> Account:
    """Read the account: the content of the libraries of some names, and the settings of some services.

    Raises ServiceError, and AmbiguousError for a library of such a name that there is several times.
    """
    keyword_libraries = tuple(
        KeywordLibraryState(
            each.id,
            each.name,
            each.keywords,
            tuple(each.services),
            {word.id: word.word for word in client.keywords(each.id)} if words_of(each.name) else None,
            {_PREPROCESSING: each.raw[_PREPROCESSING]} if each.raw.get(_PREPROCESSING) else {},
        )
        for each in client.keyword_libraries()
    )
    image_libraries = tuple(
        ImageLibraryState(
            each.id,
            each.name,
            each.comment,
            each.images,
            {image.id: image.url for image in client.library_images(each.id)} if images_of(each.name) else None,
        )
        for each in client.image_libraries()
    )
    plain = [service_state(each) for each in client.services()]
    names = {each.id: each.name for each in keyword_libraries}
    services = {each.code: _looked_at(client, each, names) if looks_at(each) else each for each in plain}
    return Account(services, image_libraries, keyword_libraries)


def service_state(listed: Any) -> ServiceState:
    """Return what the list of services says of one."""
    return ServiceState(listed.code, listed.name, listed.description, listed.copy_of or None)


def _looked_at(client: ManagementClient, service: ServiceState, names: Mapping[str, str]) -> ServiceState:
    bound = client.service(service.code)
    custom = bound.raw.get("CustomServiceConf")
    rest = {key: value for key, value in custom.items() if key not in _TYPED} if isinstance(custom, dict) else {}
    labels = client.scene_labels(service.code)
    raw = {name: part for name, part in zip(FREE_OPERATIONS, (rest, labels), strict=True) if part}
    return ServiceState(
        service.code,
        service.title,
        service.description,
        service.copy_of,
        frozenset(each.name for each in client.image_libraries(service.code) if each.exempt),
        _names(bound.ignored, names),
        _names(bound.flagged, names),
        raw,
    )


def _names(ids: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of libraries; one that is gone, or of another account, is called by its id."""
    return tuple(names.get(each, each) for each in ids)
