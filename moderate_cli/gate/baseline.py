"""The findings of an earlier run, which are no news."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from operator import attrgetter
from typing import IO

from moderate_cli.errors import UsageError
from moderate_cli.records import SCHEMA, SCHEMAS, to_outcome
from moderate_cli.settings.files import Location
from moderate_cli.verdicts import Judged, Label, Outcome, Verdict

_HINT = "give what an earlier run with -f jsonl wrote"


class Baseline:
    """The findings that a jsonl output holds, as one short key each.

    A finding is known again by the image's SHA-256, or by its name where that is not known, the label and the service.
    """

    def __init__(self, location: Location) -> None:
        """Read a file; raises UsageError with the line of what is no record."""
        self.name = location.name
        self._keys: set[bytes] = set()
        self._has_former_records = False
        for schema, outcome in _outcomes(location):
            self._has_former_records |= schema != SCHEMA
            self._keys.update(_keys_of(outcome))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the file: whether it holds records of an earlier schema."""
        if not self._has_former_records:
            return ()
        return (f"{self.name} has records of schema 1, which is deprecated: write it again, in schema {SCHEMA}",)

    def knows(self, outcome: Outcome, label: str, services: Iterable[str | None]) -> bool:
        """Tell whether the earlier run had a label too, of each service that gives it now."""
        return all(_key(outcome, label, service) in self._keys for service in services)


def services_by_label(verdict: Verdict) -> dict[str, set[str | None]]:
    """Return the labels of a verdict, its services' and its frames' too, each with the services that gave it."""
    services = verdict.call.services
    only = services[0] if len(services) == 1 else None
    parts: list[tuple[str | None, Iterable[Label]]] = [(only, verdict.labels)]
    parts += [(part.service, part.labels) for part in verdict.per_service]
    parts += [(only, frame.labels) for frame in verdict.frames]
    found: dict[str, set[str | None]] = {}
    for service, labels in parts:
        for label in filter(attrgetter("is_finding"), labels):
            found.setdefault(label.label, set()).add(label.service or service)
    return found


def _outcomes(location: Location) -> Iterator[tuple[int, Outcome]]:
    """Yield each outcome of a file with the schema of its record; raises UsageError."""
    name = location.name
    try:
        with location.open() as file:
            for number, line in _lines(file):
                yield _outcome(line, f"{name}:{number}")
    except FileNotFoundError as error:
        raise UsageError(f"there is no baseline {name}", hint=location.how_to_name or _HINT) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise UsageError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if text.strip():
            yield number, text


def _keys_of(outcome: Outcome) -> Iterator[bytes]:
    if isinstance(outcome, Judged):
        for label, services in services_by_label(outcome.verdict).items():
            yield from (_key(outcome, label, service) for service in services)


def _outcome(line: bytes, where: str) -> tuple[int, Outcome]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: broken JSON", hint=_HINT) from error
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema not in SCHEMAS:
        readable = " and ".join(map(str, SCHEMAS))
        is_other = isinstance(schema, int)
        what = f"a record of schema {schema}, and this version reads {readable}" if is_other else "not a record"
        raise UsageError(f"{where}: {what}", hint=_HINT)
    try:
        return schema, to_outcome(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{where}: not a whole record", hint=_HINT) from error


def _key(outcome: Outcome, label: str, service: str | None) -> bytes:
    image = ("sha256", outcome.sha256) if outcome.sha256 else ("source", outcome.item.source)
    return blake2b(repr((*image, label, service)).encode(), digest_size=16).digest()
