"""How one item becomes an outcome: read, check, hash, remember or else upload and call."""

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
from io import BufferedReader
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from moderate_cli.client import AsyncOptions, GreenClient
from moderate_cli.client.client import with_failover
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
    Item,
    Judged,
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


class _Turn(Struct):
    """Whose turn it is with some content, and how many want it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


class KeyedLock:
    """Holds one turn for each content that is being judged; memory does not grow with what was judged before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    @contextmanager
    def hold(self, content: str | None) -> Iterator[None]:
        """Let one thread at a time work on some content; None is never the same content."""
        if content is None:
            yield
            return
        with self._lock:
            turn = self._turns.setdefault(content, _Turn())
            turn.wanted += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.wanted -= 1
                if not turn.wanted:
                    del self._turns[content]


class CallBudget:
    """Counts billed calls before they are made; many threads use it at once."""

    def __init__(self, cap: int | None = None) -> None:
        self._cap = cap
        self._taken = 0
        self._lock = threading.Lock()

    def take(self, calls: int) -> None:
        """Count some calls that are about to be made; raises CallCapError, and counts none, where that is too many."""
        with self._lock:
            if self._cap is not None and self._taken + calls > self._cap:
                raise CallCapError
            self._taken += calls

    def give_back(self, calls: int) -> None:
        """Take some calls out of the count that were not made after all."""
        with self._lock:
            self._taken -= calls


class Cache(Protocol):
    """Knows earlier outcomes by the content of their images; many threads use it at once."""

    def get(self, known: Outcome, fingerprint: FileStat | None) -> Outcome | None:
        """Return what is known about the content of an image, as the outcome of this one.

        `look` is how its file looked while it was read, or None where it did not keep still.
        """

    def keep(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        """Remember an outcome that is new."""


class NullCache:
    """Remembers nothing."""

    def get(self, known: Outcome, fingerprint: FileStat | None) -> None:
        """Know nothing."""

    def keep(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        """Forget an outcome."""


def cache_key(operation: str, services: Sequence[str], info_types: Sequence[str], **more: object) -> str:
    """Return the key of a question; `more` is all else that can change the verdict, such as region and profile."""
    parts = {"operation": operation, "services": sorted(set(services)), "info_types": sorted(set(info_types)), **more}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


_ANIMATED = (".gif", ".webp", ".apng")  # suffixes of images that can move, and that only the service can open

_QUERY = re.compile("[?#]")

_NOT_DOWNLOADED = 404  # the code in a body that says that the service could not fetch the image

log = logging.getLogger(__name__)

# What is sent about an image that the service can read: the verdict, or the id under which it is queued.
Ask = Callable[[GreenClient, Outcome, RemoteImage], Verdict | Submission]
# What is done about an image that is fit to be sent: its file if it is one of this machine, and its billed calls.
Send = Callable[[Outcome, BufferedReader | None, int], Outcome]
# The data id of an image, by what is known of it once it was read.
Identify = Callable[[Outcome], str]
# How many billed calls an image takes, by what is known of it once it was read.
Cost = Callable[[Outcome], int]


class Sampling(Struct, frozen=True):
    """Which of the frames or slices of an image are asked for: every `interval`-th, and `most` of them at most."""

    interval: int
    most: int


def one_call(known: Outcome) -> int:
    """Return the cost of an image that one service judges."""
    return 1


class ImageJudge(Struct, frozen=True, kw_only=True):
    """Judges, queues or plans images one by one; many threads may call it at once.

    `call` describes a call that was not sent yet. What `memory` knows is not sent, images with the same content are
    sent one after the other, so that it knows the second one, and it is told of each outcome before anybody else.
    `identify` makes the data id of an image that has none, and `sampling` says which frames are asked for.
    """

    call: Call
    send: Send
    cost: Cost = one_call
    preflight: bool = True
    identify: Identify | None = None
    sampling: Sampling | None = None
    memory: Cache = field(default_factory=NullCache)
    in_flight: KeyedLock = field(default_factory=KeyedLock)

    def __call__(self, item: Item) -> Outcome:
        """Return the outcome of one item; what goes wrong with it is an outcome too."""
        known = Outcome(item=item, call=self.call)
        try:
            try:
                return self._judged(known, is_last=False)
            except FileChangedError:  # once more, from the beginning: another content needs another hash
                return self._judged(known, is_last=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other items shall have their outcomes
            return self._kept(without_verdict(known, unforeseen(known, error)), None)

    def _judged(self, known: Outcome, *, is_last: bool) -> Outcome:
        fingerprint: FileStat | None = None
        image = known.item.image
        try:
            if isinstance(image, LocalFile) and image.sha256 and image.stat:
                fingerprint = image.stat
                known = self._identified(replace(known, sha256=image.sha256, size=fingerprint.size))
                remembered = self.memory.get(known, fingerprint)
                if remembered is not None:
                    return remembered
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
                    remembered = self.memory.get(known, fingerprint)
                    if remembered is not None:
                        return remembered
                    outcome = self.send(known, file, self.cost(known))
                    return self._kept(outcome, fingerprint if file is None or file_stat(file) == fingerprint else None)
        except NotTriedError:
            return NotTried(item=known.item, call=known.call)
        except ModerateError as error:
            if isinstance(error, FileChangedError) and not is_last:
                raise
            return self._kept(without_verdict(known, error), fingerprint)

    def _read(self, known: Outcome, file: BufferedReader, size: int) -> Outcome:
        """Return what is known of a file once all of it was read."""
        checked = checked_file(file, size) if self.preflight else None
        with _reading():
            extents, notes = extents_of(file, size, checked)
        notes = (checked.notes if checked else ()) + (() if self.sampling else notes)
        return replace(known, sha256=sha256(file), notes=notes, extents=self._sampled(extents))

    def _sampled(self, extents: tuple[Extent, ...]) -> tuple[Extent, ...]:
        sampling = self.sampling
        if sampling is None:
            return extents
        return tuple(replace(extent, interval=sampling.interval, most=sampling.most) for extent in extents)

    def _identified(self, known: Outcome) -> Outcome:
        if self.identify is None or known.item.data_id is not None:
            return known
        return replace(known, item=replace(known.item, data_id=self.identify(known)))

    def _kept(self, outcome: Outcome, fingerprint: FileStat | None) -> Outcome:
        self.memory.keep(outcome, fingerprint)
        return outcome


class Sender(Struct, frozen=True, kw_only=True):
    """Uploads what is not in the cloud yet, and asks about it.

    It asks with the first client, and with each further one where the service of the one before fails.
    """

    clients: Sequence[GreenClient]
    ask: Ask
    budget: CallBudget = field(default_factory=CallBudget)

    def __call__(self, known: Outcome, file: BufferedReader | None, calls: int) -> Judged | Pending:
        """Return the answer; raises ModerateError where there is none, and CallCapError before a call too many."""
        self.budget.take(calls)
        image = known.item.image

        def place_and_ask(client: GreenClient) -> Verdict | Submission:
            if file is not None and isinstance(image, LocalFile):
                return self.ask(client, known, _uploaded(client, file, image, known))
            if isinstance(image, ImageUrl):
                return self.ask(client, known, image)
            if isinstance(image, OssObject):
                return _asked_about_object(self.ask, client, known, image)
            raise InputError("not an image", code="not_an_image")

        try:
            return answered(known, with_failover(self.clients, place_and_ask))
        except FileChangedError:
            self.budget.give_back(calls)  # nothing was asked
            raise


def _asked_about_object(ask: Ask, client: GreenClient, known: Outcome, image: OssObject) -> Verdict | Submission:
    """Ask about an object of the account's own, which is in the region of the call unless its user says otherwise."""
    try:
        return ask(client, known, image if image.region else replace(image, region=client.region))
    except ServiceError as error:
        if error.api_code == _NOT_DOWNLOADED:
            error.hint = (
                "check the bucket, the key and its region; the service reads it by the role AliyunCIPScanOSSRole"
            )
        raise


def plan(known: Outcome, file: BufferedReader | None, calls: int) -> Planned:
    """Return what would be sent, in place of sending it."""
    return Planned(item=known.item, call=known.call, sha256=known.sha256, size=known.size, calls=calls)


def ask_sync(service: str, info_types: Sequence[str]) -> Ask:
    """Return what asks ImageModeration."""
    return lambda client, known, image: client.image_moderation(
        service, image, info_types=info_types, data_id=known.item.data_id, referer=known.item.referer
    )


def ask_batch(services: Sequence[str], info_types: Sequence[str]) -> Ask:
    """Return what asks ImageBatchModeration."""
    return lambda client, known, image: client.image_batch_moderation(
        services, image, info_types=info_types, data_id=known.item.data_id, referer=known.item.referer
    )


def ask_async(service: str, info_types: Sequence[str], options: AsyncOptions) -> Ask:
    """Return what queues an image by ImageAsyncModeration."""
    return lambda client, known, image: client.image_async_moderation(
        service, image, info_types=info_types, data_id=known.item.data_id, referer=known.item.referer, options=options
    )


def answered(known: Outcome, answer: Verdict | Submission) -> Judged | Pending:
    """Return the outcome of an item about which the service said something."""
    if isinstance(answer, Verdict):
        return judged(known, answer)
    return Pending(
        **_about(known, answer.call),
        req_id=answer.req_id,
        request_id=answer.request_id,
        data_id=answer.data_id,
    )


def judged(known: Outcome, verdict: Verdict) -> Judged:
    """Return the outcome of an item that has a verdict, and how much of the item that is about."""
    return Judged(**_about(known, verdict.call), verdict=replace(verdict, coverage=covered(verdict, known.extents)))


def covered(verdict: Verdict, extents: Sequence[Extent]) -> tuple[Coverage, ...]:
    """Return what of an input was not looked at: what its verdict leaves out, and what its images have beside it."""
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
    """Return how much of two images was looked at."""
    total = None if one.total is None or other.total is None else one.total + other.total
    return Coverage(one.kind, one.judged + other.judged, total)


def _is_full(extent: Extent, judged: int) -> bool:
    """Tell whether all that an image consists of was judged, or as much of it as was asked for."""
    if extent.interval is not None:
        return _is_sampled(extent, judged)
    return extent.total is not None and judged >= extent.total


def _is_sampled(extent: Extent, judged: int) -> bool:
    """Tell whether as many frames were judged as the interval asks for; the maximum may cut off the rest."""
    if extent.total is None:
        return extent.most is not None and 1 < judged < extent.most
    # How the service rounds is documented nowhere: where the interval leaves a rest, either count will do.
    return judged >= max(1, extent.total // (extent.interval or 1))


def without_verdict(known: Outcome, error: ModerateError) -> Skipped | Failed:
    """Return the outcome of an item that an error left without an answer, with what could be read of one."""
    attempts = error.attempts if isinstance(error, ServiceError) else 0
    repeated = isinstance(error, ServiceError) and error.repeated
    verdict = error.verdict if isinstance(error, UnreadableResponseError) else None
    call = replace(verdict.call if verdict else known.call, attempts=attempts, repeated=repeated)
    if isinstance(error, RefusedError):
        return Skipped(**_about(known, call), error=error)
    return Failed(**_about(known, call), error=error, verdict=verdict)


def _about(known: Outcome, call: Call) -> dict[str, Any]:
    """Return what every outcome of an item says of it."""
    return {
        "item": known.item,
        "call": call,
        "sha256": known.sha256,
        "size": known.size,
        "notes": known.notes,
        "extents": known.extents,
    }


def unforeseen(known: Outcome, error: Exception) -> BugError:
    """Return what an error that nobody foresaw says of an item; the log has the traceback."""
    log.debug("%s: an error that nobody foresaw", known.item.source, exc_info=error)
    return BugError(error)


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading; raises InputError where that cannot be done."""
    with _reading():
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("not a file", code="not_a_file", hint="give files, folders or http(s) URLs")
        return path.open("rb")


def checked_file(file: BufferedReader, size: int) -> Checked:
    """Return what the preflight says about an open file; raises InputError where it refuses it or cannot read it."""
    with _reading():
        return check_file(file, size)


def file_stat(file: BufferedReader) -> FileStat:
    """Return what tells whether an open file has changed."""
    status = os.fstat(file.fileno())
    return FileStat(status.st_size, status.st_mtime_ns, status.st_ino)


def sha256(file: BufferedReader) -> str:
    """Return the SHA-256 of an open file in hexadecimal; raises InputError where it cannot be read to its end."""
    with _reading():
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _opened(image: object) -> Iterator[BufferedReader | None]:
    """Give the open file of an image of this machine, and nothing for one that the service fetches by itself."""
    if isinstance(image, BrokenInput):
        raise image.error
    with open_file(image.path) if isinstance(image, LocalFile) else nullcontext() as file:
        yield file


def unseen_extents(image: object) -> tuple[Extent, ...]:
    """Return what an image may consist of that only the service can open: the suffix is all that tells."""
    if isinstance(image, ImageUrl):
        name = _QUERY.split(image.url, maxsplit=1)[0]  # what is no address at all is refused later
    elif isinstance(image, OssObject):
        name = image.key
    else:
        return ()
    return (Extent("frames", None),) if name.lower().endswith(_ANIMATED) else ()


def _uploaded(client: GreenClient, file: BufferedReader, image: LocalFile, known: Outcome) -> OssObject:
    return client.upload(file, extension=image.path.suffix.lower(), sha256=known.sha256)


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
