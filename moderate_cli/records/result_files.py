"""What did earlier runs write? Their jsonl, or the document of `-f json`, read one record at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

import msgspec
from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.models import Outcome
from moderate_cli.records.reading import UNREADABLE, suppressions_of, to_outcome
from moderate_cli.records.record import SCHEMAS, from_json
from moderate_cli.results import Suppression

MAX_BYTES = 256_000_000
"""Of one line, and of a document that is not laid out as moderate writes it; memory is the same for any other."""

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_DOCUMENT = re.compile(rb'\s*\{\s*(?:"schema"\s*:\s*\d+\s*,\s*)?"results"\s*:\s*\[')
_FIRST_LINE = re.compile(rb'\{"schema":\d+,"results":\[\r?\n')
_BEGIN = b'{"schema":'  # of each record


class EarlierResult(Struct, frozen=True):
    """A record of an earlier run, and what it describes."""

    record: Mapping[str, Any]
    outcome: Outcome

    @property
    def suppressions(self) -> tuple[Suppression, ...]:
        """What suppressed its findings then."""
        return suppressions_of(self.record)


class _Document(Struct):
    results: list[msgspec.Raw]
    summary: dict[str, Any] | None = None


class ResultFile:
    """The results in a file, in their order; raises UsageError, with the line, for what is not one.

    `summary` is that of a document, once all of it was read. The end of a file may be missing, because the run that
    wrote it was killed: `cut_off_at` is then the line that is not whole.
    """

    def __init__(self, file: IO[bytes], name: str, *, hint: str) -> None:
        """Read a file from where it stands; errors give its `name`, and `hint` as what to do."""
        self._file = file
        self._name = name
        self._hint = hint
        self._line = 0
        self.summary: Mapping[str, Any] | None = None
        self.cut_off_at: int | None = None

    def __iter__(self) -> Iterator[EarlierResult]:
        first = self._next_line().removeprefix(_BOM)
        while first and first.isspace():
            first = self._next_line()
        if first.startswith(_GZIP):
            raise UsageError(f"{self._name} is compressed", hint="gunzip -c FILE | moderate convert -")
        if first.startswith(_UTF_16) and len(first) > len(_UTF_16[0]):
            raise UsageError(f"{self._name} is UTF-16, as PowerShell writes it", hint="let moderate write it: -o FILE")
        if _FIRST_LINE.fullmatch(first):
            yield from self._document()
        elif _DOCUMENT.match(first) or first.strip() == b"{":
            yield from self._reformatted(first)
        else:
            yield from self._lines(first)

    def _next_line(self) -> bytes:
        line = self._file.readline(MAX_BYTES + 1)
        self._line += 1
        if len(line) > MAX_BYTES:
            raise self._error(f"longer than {MAX_BYTES // 1_000_000} MB")
        return line

    def _lines(self, line: bytes) -> Iterator[EarlierResult]:
        while line:
            if not line.isspace():
                record = self._parsed(line)
                if self.cut_off_at is not None:
                    return
                yield self._result(record)
            line = self._next_line()

    def _document(self) -> Iterator[EarlierResult]:
        """Yield the results of a document in the layout of `-f json`: one a line, then the summary."""
        while line := self._next_line():
            if line.startswith(b"]"):
                end = self._parsed(b'{"results":[' + line, line)
                self.summary = end.get("summary") if self.cut_off_at is None else None
                if self._next_line():
                    raise self._error("something follows the document")
                return
            record = self._parsed(line.rstrip().removesuffix(b","), line)
            if self.cut_off_at is not None:
                return
            yield self._result(record)
        self.cut_off_at = self._line

    def _reformatted(self, first: bytes) -> Iterator[EarlierResult]:
        """Yield the results of a document in another layout, as jq writes it, which is held as a whole."""
        data = first + self._file.read(MAX_BYTES + 1 - len(first))
        if len(data) > MAX_BYTES:
            message = f"{self._name}: a document in this layout must not be larger than {MAX_BYTES // 1_000_000} MB"
            raise UsageError(message, hint="make jsonl of it: jq -c '.results[]'")
        if not _DOCUMENT.match(data):
            raise self._error("not a record on one line")
        try:
            document = msgspec.json.decode(data, type=_Document)
        except ValueError as error:
            self._line = 1
            raise self._error("broken JSON") from error
        for number, part in enumerate(document.results, start=1):
            self._line = number
            yield self._result(from_json(bytes(part)), f"{self._name}, result {number}")
        self.summary = document.summary

    def _parsed(self, text: bytes, line: bytes | None = None) -> Any:
        """Return the value of a line; a last one that is cut off sets `cut_off_at`, another raises UsageError."""
        line = text if line is None else line
        try:
            return from_json(text)
        except (ValueError, RecursionError) as error:
            begins_well = line.startswith((_BEGIN, b"]")) or _BEGIN.startswith(line)
            if not line.endswith(b"\n") and begins_well:
                self.cut_off_at = self._line
                return None
            raise self._error("broken JSON") from error

    def _result(self, record: Any, place: str | None = None) -> EarlierResult:
        schema = record.get("schema") if isinstance(record, dict) else None
        if type(schema) is not int or schema not in SCHEMAS:
            readable = " and ".join(map(str, SCHEMAS))
            is_other = type(schema) is int  # no boolean
            what = f"a record of schema {schema}, and this version reads {readable}" if is_other else "not a record"
            raise self._error(what, place)
        try:
            return EarlierResult(record, to_outcome(record))
        except UNREADABLE as error:
            raise self._error("not a whole record", place) from error

    def _error(self, what: str, place: str | None = None) -> UsageError:
        return UsageError(f"{place or f'{self._name}:{self._line}'}: {what}", code="unreadable_record", hint=self._hint)
