"""How one item becomes an outcome: read, check, upload, call."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

from moderate_cli.client import AsyncOptions, GreenClient
from moderate_cli.client.failover import with_failover
from moderate_cli.client.operations import Operation
from moderate_cli.errors import InputError, ModerateError, RefusedError, ServiceError
from moderate_cli.preflight import check_file
from moderate_cli.verdicts import (
    Failed,
    ImageUrl,
    Item,
    Judged,
    LocalFile,
    OssObject,
    Outcome,
    Pending,
    RemoteImage,
    Skipped,
    Submission,
    Verdict,
)

# What is sent about an image that the service can read: the verdict, or the id under which it is queued.
Ask = Callable[[GreenClient, Outcome, RemoteImage], Verdict | Submission]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageJudge:
    """Judges or queues images by one call each; many threads may call it at once.

    `ask` makes the call, with the first client, and with each further one where the service of the one before fails.
    """

    clients: Sequence[GreenClient]
    operation: Operation
    services: tuple[str, ...]
    ask: Ask
    preflight: bool = True

    def __call__(self, item: Item) -> Outcome:
        """Return the outcome of one item; what goes wrong with it is an outcome too."""
        known = Outcome(item=item, call=self.clients[0].call(self.operation, self.services))
        image = item.image
        try:
            if isinstance(image, LocalFile):
                with open_file(image.path) as file:
                    known = replace(known, size=os.fstat(file.fileno()).st_size)
                    if self.preflight:
                        check_file(file, known.size or 0)
                    known = replace(known, sha256=sha256(file))
                    return answered(known, self._upload_and_ask(known, image, file))
            if isinstance(image, ImageUrl | OssObject):
                return answered(known, with_failover(self.clients, lambda client: self.ask(client, known, image)))
            raise InputError("not an image", code="not_an_image")
        except ModerateError as error:
            return without_verdict(known, error)

    def _upload_and_ask(self, known: Outcome, image: LocalFile, file: BufferedReader) -> Verdict | Submission:
        def upload_and_ask(client: GreenClient) -> Verdict | Submission:
            uploaded = client.upload(file, extension=image.path.suffix.lower(), sha256=known.sha256)
            return self.ask(client, known, uploaded)

        return with_failover(self.clients, upload_and_ask)


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
        return Judged(item=known.item, call=answer.call, sha256=known.sha256, size=known.size, verdict=answer)
    return Pending(
        item=known.item,
        call=answer.call,
        sha256=known.sha256,
        size=known.size,
        req_id=answer.req_id,
        request_id=answer.request_id,
        data_id=answer.data_id,
    )


def without_verdict(known: Outcome, error: ModerateError) -> Skipped | Failed:
    """Return the outcome of an item that an error left without an answer."""
    kind = Skipped if isinstance(error, RefusedError) else Failed
    attempts = error.attempts if isinstance(error, ServiceError) else 0
    call = replace(known.call, attempts=attempts)
    return kind(item=known.item, call=call, sha256=known.sha256, size=known.size, error=error)


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading; raises InputError where that cannot be done."""
    with _reading():
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("not a file", code="not_a_file", hint="give files, folders or http(s) URLs")
        return path.open("rb")


def sha256(file: BufferedReader) -> str:
    """Return the SHA-256 of an open file in hexadecimal; raises InputError where it cannot be read to its end."""
    with _reading():
        return hashlib.file_digest(file, "sha256").hexdigest()


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
