"""How one image becomes an outcome: read, checked, hashed, then found in the cache or else uploaded and judged."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from moderate_cli.client import AsyncOptions, GreenClient
from moderate_cli.client.client import with_failover
from moderate_cli.client.parameters import Operation
from moderate_cli.client.responses import UnreadableResponseError
from moderate_cli.client.upload import FileChangedError
from moderate_cli.common.errors import (
    BugError,
    CallCapError,
    InputError,
    ModerateError,
    NotTriedError,
    RefusedError,
    ServiceError,
)
from moderate_cli.models import (
    BrokenInput,
    Call,
    Coverage,
    Extent,
    Failed,
    FileStat,
    ImageUrl,
    InlineImage,
    Item,
    Judged,
    Known,
    LocalFile,
    NotTried,
    OssObject,
    Outcome,
    Pending,
    Planned,
    RemoteImage,
    Skipped,
    Submission,
    Verdict,
)
from moderate_cli.preflight import Checked, check_file, extents_of

_ANIMATED = (".gif", ".webp", ".apng")  # suffixes of images that can move, and that only the service can open
_NOT_DOWNLOADED = frozenset({"download_failed", "download_timeout"})  # the service could not fetch the image
_QUERY = re.compile("[?#]")

log = logging.getLogger(__name__)

# Makes one call about an image that the service can read: the verdict, or the id under which the image is queued.
Ask = Callable[[GreenClient, Known, RemoteImage], Verdict | Submission]
# Handles an image that may be sent: what is known of it, its open file if it is a local one, and its billed calls.
Send = Callable[[Known, BufferedReader | None, int], Outcome]
# The data id of an image, by what is known of it once it was read.
Identify = Callable[[Known], str]
# An answer to an image that need not be sent: what is known of it, and its open file if it is a local one.
Prescreen = Callable[[Known, BufferedReader | None], Judged | None]
# How many billed calls an image takes, by what is known of it once it was read.
Cost = Callable[[Known], int]


class _Turn(Struct):
    """The lock of one key, and how many threads hold it or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class KeyedLock:
    """One lock for each key that is in use; memory does not grow with the keys that were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        """Hold the lock of a key in the `with` block; None never waits."""
        if key is None:
            yield
            return
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            turn.users += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.users -= 1
                if not turn.users:
                    del self._turns[key]


class CallBudget:
    """Counts billed calls before they are made, up to a cap; safe to share between threads."""

    def __init__(self, cap: int | None = None) -> None:
        self._cap = cap
        self._taken = 0
        self._lock = threading.Lock()

    def take(self, calls: int) -> None:
        """Count calls that are about to be made; raises CallCapError, and counts none, if they exceed the cap."""
        with self._lock:
            if self._cap is not None and self._taken + calls > self._cap:
                raise CallCapError
            self._taken += calls

    def give_back(self, calls: int) -> None:
        """Uncount calls that were not made after all."""
        with self._lock:
            self._taken -= calls


class Cache(Protocol):
    """Earlier outcomes by the content of their images; safe to share between threads."""

    def get(self, known: Known, fingerprint: FileStat | None) -> Outcome | None:
        """Return an earlier outcome of the same content, as the outcome of this image, or None.

        `fingerprint` is that of its file while it was read, None if the file changed meanwhile or there is none.
        """

    def put(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        """Store a new outcome."""


class NullCache:
    """A cache that is always empty."""

    def get(self, known: Known, fingerprint: FileStat | None) -> None:
        """Return None."""

    def put(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        """No-op."""


def cache_key(operation: str, services: Sequence[str], info_types: Sequence[str], **more: object) -> str:
    """Return the cache key of what is asked; `more` is all else that can change the verdict, such as the region."""
    parts = {"operation": operation, "services": sorted(set(services)), "info_types": sorted(set(info_types)), **more}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


class Sampling(Struct, frozen=True):
    """Which frames or slices of an image are judged: every `interval`-th, at most `most` of them."""

    interval: int
    most: int


def one_call(known: Known) -> int:
    """Return 1, the cost of an image that one service judges."""
    return 1


class ImageJudge(Struct, frozen=True, kw_only=True):
    """Judges, queues or plans images one by one; safe to share between threads.

    `call` describes the call before it is sent. An image that `cache` knows is not sent; images with the same content
    are sent one after the other, so that it knows the second one; and each outcome is stored there before it is
    returned. What `prescreen` answers is not sent either. `identify` makes the data id of an image without one, and
    `sampling` says which frames are judged.
    """

    call: Call
    send: Send
    cost: Cost = one_call
    preflight: bool = True
    identify: Identify | None = None
    sampling: Sampling | None = None
    cache: Cache = field(default_factory=NullCache)
    prescreen: Prescreen | None = None
    in_flight: KeyedLock = field(default_factory=KeyedLock)

    def __call__(self, item: Item) -> Outcome:
        """Return the outcome of one item; raises nothing, for an error is an outcome too."""
        known = Known(item=item, call=self.call)
        try:
            try:
                return self._judged(known, is_last=False)
            except FileChangedError:  # once more from the start: changed content has another hash
                return self._judged(known, is_last=True)
        except Exception as error:  # noqa: BLE001 - the other items must still get their outcomes
            return self._stored(without_verdict(known, unforeseen(known, error)), None)

    def _judged(self, known: Known, *, is_last: bool) -> Outcome:
        fingerprint: FileStat | None = None
        image = known.item.image
        try:
            if isinstance(image, LocalFile) and image.sha256 and image.stat:  # unchanged since it was hashed
                fingerprint = image.stat
                known = self._identified(replace(known, sha256=image.sha256, size=fingerprint.size))
                if (cached := self.cache.get(known, fingerprint)) is not None:
                    return cached
            with _opened(image) as file:
                if file is None:
                    known = replace(known, extents=self._sampled(unseen_extents(image)))
                else:
                    fingerprint = file_stat(file)
                    known = replace(known, size=fingerprint.size)
                    known = self._read(known, file, fingerprint.size)
                    fingerprint = fingerprint if file_stat(file) == fingerprint else None
                known = self._identified(known)
                with self.in_flight.hold(known.sha256):
                    if (cached := self.cache.get(known, fingerprint)) is not None:
                        return cached
                    if self.prescreen is not None and (answer := self.prescreen(known, file)) is not None:
                        return self._stored(answer, fingerprint)
                    outcome = self.send(known, file, self.cost(known))
                    if file is not None and file_stat(file) != fingerprint:
                        fingerprint = None
                    return self._stored(outcome, fingerprint)
        except NotTriedError:
            return NotTried(item=known.item, call=known.call)
        except ModerateError as error:
            if isinstance(error, FileChangedError) and not is_last:
                raise
            return self._stored(without_verdict(known, error), fingerprint)

    def _read(self, known: Known, file: BufferedReader, size: int) -> Known:
        """Return what is known of a file once it was checked and hashed."""
        checked = checked_file(file, size) if self.preflight else None
        with _reading():
            extents, notes = extents_of(file, size, checked, sampled=self.sampling is not None)
        notes = (checked.notes if checked else ()) + (() if self.sampling else notes)
        return replace(known, sha256=sha256(file), notes=notes, extents=self._sampled(extents))

    def _sampled(self, extents: tuple[Extent, ...]) -> tuple[Extent, ...]:
        sampling = self.sampling
        if sampling is None:
            return extents
        return tuple(replace(extent, interval=sampling.interval, most=sampling.most) for extent in extents)

    def _identified(self, known: Known) -> Known:
        if self.identify is None or known.item.data_id is not None:
            return known
        return replace(known, item=replace(known.item, data_id=self.identify(known)))

    def _stored(self, outcome: Outcome, fingerprint: FileStat | None) -> Outcome:
        self.cache.put(outcome, fingerprint)
        return outcome


class Sender(Struct, frozen=True, kw_only=True):
    """Uploads local images, and makes the call.

    It uses the first client, and each further one if the service of the one before fails.
    """

    clients: Sequence[GreenClient]
    ask: Ask
    budget: CallBudget = field(default_factory=CallBudget)

    def __call__(self, known: Known, file: BufferedReader | None, calls: int) -> Judged | Pending:
        """Return the outcome; raises ModerateError if there is none, and CallCapError before a call over the cap."""
        self.budget.take(calls)
        try:
            return answered(known, with_failover(self.clients, partial(self._upload_and_ask, known, file)))
        except ServiceError as error:
            error.hint = _download_hint(known.item.image, error) or error.hint
            raise
        except FileChangedError:
            self.budget.give_back(calls)  # no call was made
            raise

    def _upload_and_ask(self, known: Known, file: BufferedReader | None, client: GreenClient) -> Verdict | Submission:
        image = known.item.image
        if file is not None:
            uploaded = client.upload(file, extension=_extension(image), sha256=known.sha256)
            return self.ask(client, known, uploaded)
        if isinstance(image, ImageUrl):
            return self.ask(client, known, image)
        if isinstance(image, OssObject):
            # It is the account's own; its region is the client's unless the user gave one.
            return self.ask(client, known, image if image.region else replace(image, region=client.region))
        raise InputError("not an image", code="not_an_image")


def _download_hint(image: object, error: ServiceError) -> str | None:
    """Return what to do where the service could not fetch an image that has no address of its own; None for others."""
    if error.code not in _NOT_DOWNLOADED:
        return None
    if isinstance(image, LocalFile):
        return "it was uploaded and could not be read back: try again with --retry-failed, or check --vpc and --region"
    if isinstance(image, OssObject):
        return "check the bucket, the key and its region; the service reads it by the role AliyunCIPScanOSSRole"
    return None


def _extension(image: object) -> str:
    """Return the extension under which a file is uploaded; the content decides what it is, here and there."""
    return image.path.suffix.lower() if isinstance(image, LocalFile) else ""


class ImageCall(Struct, frozen=True):
    """Asks about images by the operation and with the services of their calls; `options` are for the async one."""

    info_types: Sequence[str] = ()
    options: AsyncOptions | None = None

    def __call__(self, client: GreenClient, known: Known, image: RemoteImage) -> Verdict | Submission:
        """Make the call; raises ModerateError as the client's methods do."""
        services, item = known.call.services, known.item
        if known.call.operation == Operation.IMAGE_BATCH_MODERATION:
            return client.image_batch_moderation(
                services, image, info_types=self.info_types, data_id=item.data_id, referer=item.referer
            )
        if known.call.operation == Operation.IMAGE_ASYNC_MODERATION:
            return client.image_async_moderation(
                services[0],
                image,
                info_types=self.info_types,
                data_id=item.data_id,
                referer=item.referer,
                options=self.options,
            )
        return client.image_moderation(
            services[0], image, info_types=self.info_types, data_id=item.data_id, referer=item.referer
        )


def plan(known: Known, file: BufferedReader | None, calls: int) -> Planned:
    """Return what would be sent, without sending it."""
    return Planned(item=known.item, call=known.call, sha256=known.sha256, size=known.size, calls=calls)


def answered(known: Known, response: Verdict | Submission) -> Judged | Pending:
    """Return the outcome of an item with a verdict, or one that was queued."""
    if isinstance(response, Verdict):
        return judged(known, response)
    return Pending(
        **_common_fields(known, response.call),
        req_id=response.req_id,
        request_id=response.request_id,
        data_id=response.data_id,
    )


def judged(known: Known, verdict: Verdict) -> Judged:
    """Return the outcome of an item with a verdict, which tells how much of the item it covers."""
    if known.extents:
        verdict = replace(verdict, coverage=covered(verdict, known.extents))
    return Judged(**_common_fields(known, verdict.call), verdict=verdict)


def covered(verdict: Verdict, extents: Sequence[Extent]) -> tuple[Coverage, ...]:
    """Return what of an input was not judged: what its verdict leaves out, and what else its images consist of."""
    unanswered = {part.kind: part for part in verdict.coverage}
    found = dict(unanswered)
    judged = max(len(verdict.frames), 1)
    for extent in extents:
        missing, before = unanswered.get(extent.kind), found.get(extent.kind)
        if missing is not None:  # frames that were announced and are not there
            found[extent.kind] = replace(missing, total=max(extent.total or 0, missing.total or 0))
        elif not _is_full(extent, judged):
            part = Coverage(extent.kind, judged, extent.total)
            found[extent.kind] = part if before is None else _together(before, part)
    return tuple(found.values())


def _together(one: Coverage, other: Coverage) -> Coverage:
    """Return how much of two images together was judged."""
    total = None if one.total is None or other.total is None else one.total + other.total
    return Coverage(one.kind, one.judged + other.judged, total)


def _is_full(extent: Extent, judged: int) -> bool:
    """Tell whether all parts of an image were judged, or as many as were asked for."""
    if extent.interval is not None:
        return _is_sampled(extent, judged)
    return extent.total is not None and judged >= extent.total


def _is_sampled(extent: Extent, judged: int) -> bool:
    """Tell whether as many frames were judged as the interval asks for, up to the maximum."""
    if extent.total is None:  # a single slice is an image that is not long, a single frame may be the first of many
        least = 0 if extent.kind == "slices" else 1
        return extent.most is not None and least < judged < extent.most
    # How the service rounds is not documented: where the interval leaves a remainder, either count will do.
    return judged >= max(1, extent.total // (extent.interval or 1))


def without_verdict(known: Known, error: ModerateError) -> Skipped | Failed:
    """Return the outcome of an item without a verdict because of an error, with what could be read of a response."""
    attempts = error.attempts if isinstance(error, ServiceError) else 0
    repeated = isinstance(error, ServiceError) and error.repeated
    verdict = error.verdict if isinstance(error, UnreadableResponseError) else None
    call = replace(verdict.call if verdict else known.call, attempts=attempts, repeated=repeated)
    if isinstance(error, RefusedError):
        return Skipped(**_common_fields(known, call), error=error)
    return Failed(**_common_fields(known, call), error=error, verdict=verdict)


def _common_fields(known: Known, call: Call) -> dict[str, Any]:
    """Return the fields that every outcome of an item has."""
    return {
        "item": known.item,
        "call": call,
        "sha256": known.sha256,
        "size": known.size,
        "notes": known.notes,
        "extents": known.extents,
    }


def unforeseen(known: Known, error: Exception) -> BugError:
    """Return the error of an item for an unexpected exception; the log has its traceback."""
    log.debug("%s: unexpected error", known.item.source, exc_info=error)
    return BugError(error)


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading; raises InputError if it is not one, or cannot be read."""
    with _reading():
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("not a file", code="not_a_file", hint="give files, folders or http(s) URLs")
        return path.open("rb")


def checked_file(file: BufferedReader, size: int) -> Checked:
    """Return what the preflight found in an open file; raises InputError if it refuses the file or cannot read it."""
    with _reading():
        return check_file(file, size)


def file_stat(file: BufferedReader) -> FileStat:
    """Return the fingerprint of an open file, by which a change is noticed; raises OSError."""
    status = os.fstat(file.fileno())
    return FileStat(status.st_size, status.st_mtime_ns, status.st_ino)


def sha256(file: BufferedReader) -> str:
    """Return the SHA-256 of an open file in hexadecimal; raises InputError if it cannot be read."""
    with _reading():
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _opened(image: object) -> Iterator[BufferedReader | None]:
    """Yield the open file of a local image, and None for one that the service fetches itself; raises InputError."""
    if isinstance(image, BrokenInput):
        raise image.error
    if isinstance(image, InlineImage):
        with TemporaryFile() as held:  # what has a number can be sent like any other file
            held.write(image.content)
            held.seek(0)
            with open(held.fileno(), "rb", closefd=False) as file:
                yield file
        return
    with open_file(image.path) if isinstance(image, LocalFile) else nullcontext() as opened:
        yield opened


def unseen_extents(image: object) -> tuple[Extent, ...]:
    """Return what an image that only the service can open may consist of, by its suffix alone."""
    if isinstance(image, ImageUrl):
        name = _QUERY.split(image.url, maxsplit=1)[0]  # what is not a URL is refused later
    elif isinstance(image, OssObject):
        name = image.key
    else:
        return ()
    return (Extent("frames", None),) if name.lower().endswith(_ANIMATED) else ()


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError("no such file", code="not_found", hint="check the name") from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", code="unreadable") from error
    except ValueError as error:  # a NUL byte in the name
        raise InputError(f"cannot be read: {error}", code="unreadable") from error
