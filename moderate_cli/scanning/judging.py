"""How one item becomes an outcome: read, check, upload, call."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

from moderate_cli.client import GreenClient
from moderate_cli.client.failover import with_failover
from moderate_cli.client.operations import Operation
from moderate_cli.errors import InputError, ModerateError, RefusedError, ServiceError
from moderate_cli.preflight import check_file
from moderate_cli.verdicts import Failed, Item, Judged, LocalFile, Outcome, RemoteImage, Skipped, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageJudge:
    """Judges images with one service through ImageModeration; many threads may call it at once.

    The first client is asked, and each further one where the service of the one before fails.
    """

    clients: Sequence[GreenClient]
    service: str
    info_types: Sequence[str] = ()
    preflight: bool = True

    def __call__(self, item: Item) -> Outcome:
        """Return the outcome of one item; what goes wrong with it is an outcome too."""
        known = Outcome(item=item, call=self.clients[0].call(Operation.IMAGE_MODERATION, (self.service,)))
        image = item.image
        try:
            if isinstance(image, LocalFile):
                with open_file(image.path) as file:
                    known = replace(known, size=os.fstat(file.fileno()).st_size)
                    if self.preflight:
                        check_file(file, known.size or 0)
                    known = replace(known, sha256=sha256(file))
                    verdict = self._judge_file(item, image, file, known.sha256)
            else:
                verdict = with_failover(self.clients, lambda client: self._judge(client, item, image))
        except ModerateError as error:
            return _without_verdict(known, error)
        return Judged(item=item, call=verdict.call, sha256=known.sha256, size=known.size, verdict=verdict)

    def _judge_file(self, item: Item, image: LocalFile, file: BufferedReader, digest: str | None) -> Verdict:
        def upload_and_judge(client: GreenClient) -> Verdict:
            uploaded = client.upload(file, extension=image.path.suffix.lower(), sha256=digest)
            return self._judge(client, item, uploaded)

        return with_failover(self.clients, upload_and_judge)

    def _judge(self, client: GreenClient, item: Item, image: RemoteImage) -> Verdict:
        return client.image_moderation(
            self.service, image, info_types=self.info_types, data_id=item.data_id, referer=item.referer
        )


def _without_verdict(known: Outcome, error: ModerateError) -> Outcome:
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
