"""How is a plan carried out? Step by step, each of which reads the account first, so that nothing is done twice.

A run may be cut off anywhere, and repeated: what is there already is not made again. The same goes for a call whose
answer was lost, after which its step begins once more with what the account has by then.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from moderate_cli.account.account_state import Account, ServiceState, only_library, service_state
from moderate_cli.account.lock import LibraryLock, read_lock, write_lock
from moderate_cli.account.own_images import OwnImage
from moderate_cli.account.steps import (
    AddImages,
    AddKeywords,
    CopyService,
    CreateImageLibrary,
    CreateKeywordLibrary,
    DeleteKeywordLibrary,
    DescribeImageLibrary,
    RemoveImages,
    RemoveKeywords,
    RenameService,
    ServiceName,
    SetExemptions,
    SetFlaggedKeywords,
    SetIgnoredKeywords,
    Step,
)
from moderate_cli.client import ImageLibrary, KeywordLibrary, ManagementClient, OutcomeUnknownError
from moderate_cli.common.errors import ModerateError
from moderate_cli.common.text import counted, shortened

_TRIES = 3  # of a step whose answers are lost
# Seconds between looks for a new copy, which the vendor's guide says can be called after 1 to 2 minutes.
_LOOKS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_NAMED = 3  # words that are named of those that were refused

Progress = Callable[[int], None]
"""Is told how many more images are in the account."""


class Applied(Struct, frozen=True):
    """A step that was carried out, with what somebody should know of it, and how many words were `refused`."""

    step: Step
    remark: str | None = None
    refused: int = 0


class VanishedError(ModerateError):
    """What a step is about is no longer in the account."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the account has no {what} any more", code="vanished", hint="look at the plan again")


class ChangedError(ModerateError):
    """What would be deleted is no longer what somebody agreed to: it is used, or has other content."""

    def __init__(self, what: str) -> None:
        message = f"{what} was changed since the plan, and is not deleted"
        super().__init__(message, code="changed", hint="look at the plan again")


def apply_steps(
    steps: Sequence[Step],
    client: ManagementClient,
    lock: Path,
    *,
    progress: Progress,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Applied]:
    """Carry out steps in their order, and yield each once it is done.

    The lock file is written after each image. Raises ServiceError, UsageError for a file that was changed meanwhile,
    and ModerateError where an image cannot be told apart or the lock file cannot be written.
    """
    applier = _Applier(client, lock, progress, sleep)
    for step in steps:
        yield applier.carry_out(step)


class _Applier:
    def __init__(
        self, client: ManagementClient, lock: Path, progress: Progress, sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._path = lock
        self._lock = read_lock(lock)
        self._progress = progress
        self._sleep = sleep

    def carry_out(self, step: Step) -> Applied:
        """Carry out a step, and once more from what is there then where an answer was lost."""
        for _ in range(_TRIES - 1):
            try:
                return self._carry_out(step)
            except OutcomeUnknownError:
                continue
        return self._carry_out(step)

    def _carry_out(self, step: Step) -> Applied:
        match step:
            case CopyService(service):
                code = self._copy(service)
                return Applied(step, None if code == service.code else f"the account numbers it {code}")
            case RenameService(service):
                found = self._service(service)
                self._client.rename_service(found.code, str(service.title), found.description)
            case SetExemptions(service, libraries):
                self._exempt(self._service(service).code, libraries)
            case SetIgnoredKeywords(service, libraries):
                self._set_keywords(self._service(service).code, ignored=libraries)
            case SetFlaggedKeywords(service, libraries):
                self._set_keywords(self._service(service).code, flagged=libraries)
            case CreateImageLibrary() | DescribeImageLibrary() | AddImages() | RemoveImages():
                self._change_images(step)
            case _:
                return self._change_keywords(step)
        return Applied(step)

    def _change_images(self, step: CreateImageLibrary | DescribeImageLibrary | AddImages | RemoveImages) -> None:
        match step:
            case CreateImageLibrary(name, comment):
                if only_library(self._client.image_libraries(), name, _IMAGES) is None:
                    self._client.create_image_library(name, comment)
            case DescribeImageLibrary(name, _, comment):
                self._client.update_image_library(self._image_library(name).id, name=name, comment=comment)
            case AddImages(name, images):
                self._add_images(name, images)
            case RemoveImages(name, ids):
                self._remove_images(name, ids)

    def _change_keywords(
        self, step: CreateKeywordLibrary | AddKeywords | RemoveKeywords | DeleteKeywordLibrary
    ) -> Applied:
        match step:
            case CreateKeywordLibrary(name):
                if only_library(self._client.keyword_libraries(), name, _KEYWORDS) is None:
                    self._client.create_keyword_library(name)
            case AddKeywords(name, words):
                return self._add_keywords(step, name, words)
            case RemoveKeywords(name, words):
                library, gone = self._keyword_library(name), set(words)
                ids = [each.id for each in self._client.keywords(library.id) if each.word in gone]
                self._client.remove_keywords(library.id, ids)
            case DeleteKeywordLibrary(name, count):
                found = only_library(self._client.keyword_libraries(), name, _KEYWORDS)
                if found is not None:
                    if found.services or found.keywords != count:
                        raise ChangedError(f"keyword library {name}")
                    self._client.delete_keyword_library(found.id)
        return Applied(step)

    # ------------------------------------------------------------------------------------------------------- services

    def _copy(self, service: ServiceName) -> str:
        """Copy a service unless there is such a copy, and return its code.

        A copy whose answer was lost is looked for as long as any other: the list may lag behind, and the API cannot
        delete a second one.
        """
        found = self._find(service)
        if found is not None:
            return found.code
        source = self._services().get(str(service.copy_of))
        if source is None:
            raise VanishedError(f"service {service.copy_of}")
        lost: OutcomeUnknownError | None = None
        try:
            self._client.copy_service(source.code, str(service.title), source.description)
        except OutcomeUnknownError as error:
            lost = error
        for seconds in _LOOKS:
            if seconds:
                self._sleep(seconds)
            found = self._find(service)
            if found is not None:
                return found.code
        raise ModerateError(
            f"the account does not list the copy {service} of {service.copy_of} yet",
            code="copy_not_listed",
            hint="apply again in some minutes: the API cannot delete a second copy",
        ) from lost

    def _service(self, service: ServiceName) -> ServiceState:
        found = self._find(service)
        if found is None:
            raise VanishedError(f"service {service}")
        return found

    def _find(self, service: ServiceName) -> ServiceState | None:
        services = self._services()
        called = None
        if service.copy_of is not None and service.title is not None:
            called = Account(services).copy(service.copy_of, service.title, service.known_as)
        return called or services.get(service.known_as or "")

    def _services(self) -> Mapping[str, ServiceState]:
        return {each.code: service_state(each) for each in self._client.services()}

    def _exempt(self, code: str, names: Sequence[str]) -> None:
        libraries = self._client.image_libraries(code)
        for name in names:
            if only_library(libraries, name, _IMAGES) is None:
                raise VanishedError(f"image library {name}")
        changes = {each.id: each.name in names for each in libraries if bool(each.exempt) != (each.name in names)}
        if changes:
            self._client.set_exemptions(code, changes)

    def _set_keywords(
        self, code: str, *, ignored: Sequence[str] | None = None, flagged: Sequence[str] | None = None
    ) -> None:
        ids = [self._keyword_library(name).id for name in ignored or flagged or ()]
        self._client.update_service(
            code, ignored=None if ignored is None else ids, flagged=None if flagged is None else ids
        )

    # --------------------------------------------------------------------------------------------------------- images

    def _image_library(self, name: str) -> ImageLibrary:
        found = only_library(self._client.image_libraries(), name, _IMAGES)
        if found is None:
            raise VanishedError(f"image library {name}")
        return found

    def _add_images(self, name: str, images: Sequence[OwnImage]) -> None:
        """Upload images that the lock file does not have, and note each there before and after."""
        library = self._image_library(name).id
        known = self._settled(name, library)
        missing = [image for image in images if image.sha256 not in known.images]
        self._progress(len(images) - len(missing))
        for image in missing:
            content = image.read()
            known = LibraryLock(known.images, known.others, image.sha256)
            self._write(name, known)
            added = self._client.add_image(library, io.BytesIO(content), image.path.name)
            known = LibraryLock({**known.images, image.sha256: added}, known.others)
            self._progress(1)
        self._write(name, known)

    def _remove_images(self, name: str, ids: Sequence[str]) -> None:
        library = self._image_library(name).id
        known = self._settled(name, library)
        there = {image.id for image in self._client.library_images(library)}
        self._client.remove_images(library, [each for each in ids if each in there])
        if name in self._lock.image_libraries:
            gone = set(ids)
            images = {sha256: each for sha256, each in known.images.items() if each not in gone}
            self._write(name, LibraryLock(images, tuple(each for each in known.others if each not in gone)))

    def _settled(self, name: str, library: str) -> LibraryLock:
        """Return what is known of a library's images, by what the account has now."""
        ids = [image.id for image in self._client.library_images(library)]
        return self._lock.image_libraries.get(name, LibraryLock()).settled(name, ids)

    def _write(self, name: str, library: LibraryLock) -> None:
        self._lock = self._lock.with_library(name, library)
        write_lock(self._path, self._lock)

    # ------------------------------------------------------------------------------------------------------- keywords

    def _keyword_library(self, name: str) -> KeywordLibrary:
        found = only_library(self._client.keyword_libraries(), name, _KEYWORDS)
        if found is None:
            raise VanishedError(f"keyword library {name}")
        return found

    def _add_keywords(self, step: AddKeywords, name: str, words: Sequence[str]) -> Applied:
        library = self._keyword_library(name).id
        has = {each.word for each in self._client.keywords(library)}
        result = self._client.add_keywords(library, [word for word in words if word not in has])
        if not result.refused:
            return Applied(step)
        named = [shortened(word) for word in (*result.invalid, *result.wrong_length)[:_NAMED]]
        more = ["..."] if result.refused > len(named) else []
        remark = f"the service refused {counted(result.refused, 'keyword')}: {', '.join([*named, *more])}"
        return Applied(step, remark, result.refused)


_IMAGES, _KEYWORDS = "image libraries", "keyword libraries"
