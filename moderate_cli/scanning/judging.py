"""How one item becomes an outcome: read, check, hash, remember or else upload and call."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path

from moderate_cli.client import AsyncOptions, GreenClient
from moderate_cli.client.failover import with_failover
from moderate_cli.errors import CallCapError, InputError, ModerateError, RefusedError, ServiceError
from moderate_cli.preflight import Checked, check_file
from moderate_cli.scanning.budget import Budget
from moderate_cli.scanning.in_flight import InFlight
from moderate_cli.scanning.memory import Memory, Nothing
from moderate_cli.verdicts import (
    BrokenInput,
    Call,
    Failed,
    FileStat,
    ImageUrl,
    Item,
    Judged,
    LocalFile,
    OssObject,
    Outcome,
    Pending,
    Planned,
    RemoteImage,
    Skipped,
    Submission,
    Verdict,
)

# What is sent about an image that the service can read: the verdict, or the id under which it is queued.
Ask = Callable[[GreenClient, Outcome, RemoteImage], Verdict | Submission]
# What is done about an image that is fit to be sent: its file if it is one of this machine, and its billed calls.
Send = Callable[[Outcome, BufferedReader | None, int], Outcome]
# The data id of an image, by what is known of it once it was read.
Identify = Callable[[Outcome], str]
# How many billed calls an image takes, by what the preflight knows of it.
Cost = Callable[[Checked | None], int]


def one_call(checked: Checked | None) -> int:
    """Return the cost of an image that one service judges."""
    return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageJudge:
    """Judges, queues or plans images one by one; many threads may call it at once.

    `call` describes a call that was not sent yet. What `memory` knows is not sent, images with the same content are
    sent one after the other, so that it knows the second one, and it is told of each outcome before anybody else.
    `identify` makes the data id of an image that has none.
    """

    call: Call
    send: Send
    cost: Cost = one_call
    preflight: bool = True
    identify: Identify | None = None
    memory: Memory = field(default_factory=Nothing)
    in_flight: InFlight = field(default_factory=InFlight)

    def __call__(self, item: Item) -> Outcome:
        """Return the outcome of one item; what goes wrong with it is an outcome too."""
        known = Outcome(item=item, call=self.call)
        look: FileStat | None = None
        try:
            if isinstance(item.image, LocalFile) and item.image.sha256 and item.image.stat:
                look = item.image.stat
                known = self._identified(replace(known, sha256=item.image.sha256, size=look.size))
                remembered = self.memory.recall(known, look)
                if remembered is not None:
                    return remembered
            with _opened(item.image) as file:
                checked = None
                if file is not None:
                    look = file_stat(file)
                    known = replace(known, size=look.size)
                    checked = checked_file(file, look.size) if self.preflight else None
                    known = replace(known, sha256=sha256(file), notes=checked.notes if checked else ())
                    look = look if file_stat(file) == look else None
                known = self._identified(known)
                with self.in_flight.alone(known.sha256):
                    remembered = self.memory.recall(known, look)
                    if remembered is not None:
                        return remembered
                    return self._kept(self.send(known, file, self.cost(checked)), look)
        except ModerateError as error:
            return self._kept(without_verdict(known, error), look)

    def _identified(self, known: Outcome) -> Outcome:
        if self.identify is None or known.item.data_id is not None:
            return known
        return replace(known, item=replace(known.item, data_id=self.identify(known)))

    def _kept(self, outcome: Outcome, look: FileStat | None) -> Outcome:
        self.memory.keep(outcome, look)
        return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Uploads what is not in the cloud yet, and asks about it.

    It asks with the first client, and with each further one where the service of the one before fails.
    """

    clients: Sequence[GreenClient]
    ask: Ask
    budget: Budget = field(default_factory=Budget)

    def __call__(self, known: Outcome, file: BufferedReader | None, calls: int) -> Judged | Pending:
        """Return the answer; raises ModerateError where there is none, and CallCapError before a call too many."""
        self.budget.take(calls)
        image = known.item.image

        def place_and_ask(client: GreenClient) -> Verdict | Submission:
            if file is not None and isinstance(image, LocalFile):
                return self.ask(client, known, _uploaded(client, file, image, known))
            if isinstance(image, ImageUrl | OssObject):
                return self.ask(client, known, image)
            raise InputError("not an image", code="not_an_image")

        return answered(known, with_failover(self.clients, place_and_ask))


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
        return Judged(
            item=known.item, call=answer.call, sha256=known.sha256, size=known.size, notes=known.notes, verdict=answer
        )
    return Pending(
        item=known.item,
        call=answer.call,
        sha256=known.sha256,
        size=known.size,
        notes=known.notes,
        req_id=answer.req_id,
        request_id=answer.request_id,
        data_id=answer.data_id,
    )


def without_verdict(known: Outcome, error: ModerateError) -> Skipped | Failed:
    """Return the outcome of an item that an error left without an answer."""
    kind = Skipped if isinstance(error, RefusedError | CallCapError) else Failed
    attempts = error.attempts if isinstance(error, ServiceError) else 0
    call = replace(known.call, attempts=attempts)
    return kind(item=known.item, call=call, sha256=known.sha256, size=known.size, notes=known.notes, error=error)


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
