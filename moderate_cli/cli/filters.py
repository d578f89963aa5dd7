"""Which results of the past are meant, and where are they shown? The options of the commands about the past."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.catalog.labels import label_meaning, labels
from moderate_cli.catalog.services import find_service, services
from moderate_cli.cli.flatten import ColorChoice, Debug, FormerName
from moderate_cli.cli.options import OutputFile, StoreFile
from moderate_cli.cli.reference import nearest
from moderate_cli.common.environment import Color
from moderate_cli.common.errors import UsageError
from moderate_cli.models import NO_FINDING, DecisionWord, RiskLevel
from moderate_cli.settings.value_types import age
from moderate_cli.store import DecisionFilter, Filters

_DAY = 86_400.0  # seconds; those of UTC are all as long
_MAX_TEXT = 1_000  # characters; SQLite refuses patterns of 50,000 bytes
_HASH = re.compile(r"[0-9a-fA-F]{64}")


def filter_option(text: str, *flags: str, **more: Any) -> Any:
    """Return an option that says what is meant, with its help.

    It has no variable: MODERATE_SERVICE, which says what to ask, shall not hide a part of the past.
    """
    return typer.Option(*flags, help=text, rich_help_panel="Filters", **more)


class PastOutputOptions(Struct, frozen=True):
    """What is asked, and where and how the answer is shown."""

    output: OutputFile = None
    store: StoreFile = None
    color: ColorChoice = Color.AUTO
    debug: Debug = False


NoPager = Annotated[
    bool, typer.Option("--no-pager", help="Do not use a pager ($MODERATE_PAGER, $PAGER).", rich_help_panel="Output")
]


class SpanOptions(Struct, frozen=True):
    """A span of time."""

    since: Annotated[
        str | None,
        filter_option(
            "From TIME on: a day (2026-11-01), a time (2026-11-01T09) or an age (7d), in UTC.",
            metavar="TIME",
        ),
    ] = None
    until: Annotated[str | None, filter_option("Up to the end of a day, a time or an age.", metavar="TIME")] = None

    def begin_and_end(self, now: float) -> tuple[float | None, float | None]:
        """Return the first moment of the span and the first after it (Unix seconds); raises UsageError."""
        since = _read_time("--since", self.since, now) if self.since is not None else None
        until = _read_time("--until", self.until, now, after_day=True) if self.until is not None else None
        if since is not None and until is not None and since >= until:
            raise UsageError(f"--since {self.since} is not before --until {self.until}")
        return since, until


def several(name: str, values: Iterable[str] | None) -> tuple[str, ...]:
    """Return the words of an option that may be given again and takes commas; raises UsageError for one without any."""
    words = [[word.strip() for word in value.split(",") if word.strip()] for value in values or ()]
    if not all(words):
        raise UsageError(f"{name} is empty")
    return tuple(dict.fromkeys(word for part in words for word in part))


def read_age(name: str, text: str) -> float:
    """Return an age in seconds; raises UsageError."""
    with suppress(ValueError):
        seconds = age().check(text)
        if seconds is not None and math.isfinite(seconds):
            return float(seconds)
    raise UsageError(f"{name} must be an age such as 30m, 12h or 90d, not {text!r}")


def _read_time(name: str, text: str, now: float, *, after_day: bool = False) -> float:
    """Return a time in Unix seconds; a day is its first moment in UTC, or the first after it."""
    with suppress(ValueError):
        day = date.fromisoformat(text)
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        return begin + _DAY if after_day else begin
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    with suppress(UsageError):
        return now - read_age(name, text)
    raise UsageError(f"{name} must be a date, a date with a time, or an age such as 7d, not {text!r}")


_NOT = "!="  # before a list of labels, as in the vendor's console


class Status(StrEnum):
    """What became of an input."""

    JUDGED = "judged"
    SKIPPED = "skipped"
    FAILED = "failed"


class Decided(StrEnum):
    """What was decided last about a verdict."""

    NONE = "none"
    ANY = "any"
    CONFIRMED = DecisionWord.CONFIRMED.value
    FALSE_POSITIVE = DecisionWord.FALSE_POSITIVE.value
    MISSED = DecisionWord.MISSED.value
    SUPPRESSED = DecisionWord.SUPPRESSED.value
    ESCALATED = DecisionWord.ESCALATED.value

    @property
    def meant(self) -> DecisionFilter:
        """The same as the store takes it."""
        match self:
            case Decided.NONE:
                return "none"
            case Decided.ANY:
                return "any"
        return DecisionWord(self.value)


class ResultOptions(Struct, frozen=True):
    """Which results are meant: each option that is given must hold."""

    span: SpanOptions
    label: Annotated[
        list[str] | None,
        filter_option(
            "Any of these labels; '!=A,B' for none of them, '!=nonLabel' for any finding (repeatable).",
            metavar="NAME,...",
        ),
    ] = None
    risk: Annotated[
        list[str] | None,
        filter_option("Any of these risk levels: high, medium, low, none (repeatable).", metavar="LEVEL,..."),
    ] = None
    service: Annotated[
        list[str] | None,
        filter_option("Any of these services (repeatable).", "-s", "--service", metavar="NAME,..."),
    ] = None
    source: Annotated[
        str | None,
        filter_option("Source as given on the command line; * matches slashes too.", metavar="GLOB"),
    ] = None
    text: Annotated[
        str | None,
        filter_option(
            "Part of the text in the image, or of a keyword that matched; case does not matter.", metavar="WORD"
        ),
    ] = None
    sha256: Annotated[
        str | None, filter_option("SHA-256 of the image, or an image file.", "--sha256", metavar="HASH|FILE")
    ] = None
    request_id: Annotated[str | None, filter_option("Request ID of the service.", metavar="ID")] = None
    data_id: Annotated[str | None, filter_option("Your own ID of the input.", metavar="ID")] = None
    status: Annotated[Status | None, filter_option("Status of the input.")] = None
    decision: Annotated[
        Decided | None,
        filter_option("Latest decision of `moderate review` or `feedback`."),
        FormerName("--feedback", has_variable=False),
    ] = None
    runs: Annotated[bool, filter_option("Each result, not only the latest of each image and service.", "--runs")] = (
        False
    )

    def meant(self, now: float) -> Filters:
        """Return the filters of the store; raises UsageError."""
        wanted, unwanted = _labels(self.label or ())
        since, until = self.span.begin_and_end(now)
        return Filters(
            labels=wanted,
            without_labels=unwanted,
            risk_levels=_levels(several("--risk", self.risk)),
            services=several("--service", self.service),
            source=_word("--source", self.source),
            text=_text(self.text),
            sha256=_sha256(self.sha256),
            request_id=_word("--request-id", self.request_id),
            data_id=_word("--data-id", self.data_id),
            since=since,
            until=until,
            status=self.status,
            decision=self.decision.meant if self.decision else None,
            latest=self.is_latest,
        )

    @property
    def is_latest(self) -> bool:
        """Whether only the latest result of each image is meant: not where a certain one is, or what was decided."""
        is_about_certain = self.request_id is not None or self.decision not in {None, Decided.NONE}
        return not self.runs and not is_about_certain


class FilterOptions(ResultOptions, frozen=True):
    """The same, and how many of them."""

    limit: Annotated[
        int | None,
        filter_option(
            "At most N results, newest first.", min=0, metavar="N", show_default="50 on a terminal, else all"
        ),
    ] = None
    everything: Annotated[bool, filter_option("No limit on a terminal either.", "--all")] = False

    def meant(self, now: float) -> Filters:
        """Return the filters of the store; raises UsageError."""
        if self.everything and self.limit is not None:
            raise UsageError("--all and --limit contradict each other")
        return replace(ResultOptions.meant(self, now), limit=self.limit)


def _word(name: str, text: str | None) -> str | None:
    """Return what an option was given; raises UsageError for nothing, as a variable that is not set in a script."""
    if text is not None and not text.strip():
        raise UsageError(f"{name} is empty")
    return text


def _text(text: str | None) -> str | None:
    if _word("--text", text) is not None and len(str(text)) > _MAX_TEXT:
        raise UsageError(f"--text takes {_MAX_TEXT} characters at most")
    return text


def _sha256(text: str | None) -> str | None:
    """Return the hash that is given, or that of the file; raises UsageError."""
    if _word("--sha256", text) is None or text is None:
        return None
    if _HASH.fullmatch(text):
        return text.lower()
    try:
        with Path(text).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--sha256 takes 64 hexadecimal digits or a file, and {text!r} is neither: {reason}"
        ) from error


def unknown_names(asked_labels: Sequence[str], asked_services: Sequence[str]) -> Iterator[str]:
    """Yield what to say of each label and service that is not known here, where nothing was found.

    They are no errors: the vendor adds new ones before this program knows them.
    """
    for label in asked_labels:
        if label != NO_FINDING and label_meaning(label) is None:
            hint = nearest(label, "labels", {known.label for known in labels()})
            yield f"unknown label {label} ({hint})"
    for service in asked_services:
        if find_service(service) is None:
            yield f"unknown service {service} ({nearest(service, 'services', services())})"


def _labels(values: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels that are asked for, and those that are refused."""
    texts = [value.strip() for value in values]
    wanted = several("--label", [text for text in texts if not text.startswith(_NOT)])
    unwanted = several("--label", [text.removeprefix(_NOT) for text in texts if text.startswith(_NOT)])
    for label in (*wanted, *unwanted):
        if label.startswith("!"):
            raise UsageError(f"--label {label!r} is not a label", hint=f"{_NOT} stands once, before the whole list")
    return wanted, unwanted


def _levels(words: Sequence[str]) -> tuple[str, ...]:
    levels = [(word, RiskLevel.parse(word)) for word in words]
    for word, level in levels:
        if level is None:
            known = ", ".join(reversed(RiskLevel))
            raise UsageError(f"--risk {word!r} is not a risk level", hint=f"they are {known}")
    return tuple(level.value for _, level in levels if level is not None)
