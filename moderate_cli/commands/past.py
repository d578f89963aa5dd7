"""What the commands about the past share: a span of time, lists of names, and the store that is asked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from moderate_cli.commands.options import Color, ColorChoice, Debug, OutputFile, StoreFile
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.render.notes import say
from moderate_cli.settings import resolve
from moderate_cli.settings.kinds import age
from moderate_cli.store import Store, default_path

_DAY = 86_400.0  # seconds; those of UTC are all as long


def filter_option(text: str, *flags: str, **more: Any) -> Any:
    """Return an option that says what is meant, with its help.

    It has no variable: MODERATE_SERVICE, which says what to ask, shall not hide a part of the past.
    """
    return typer.Option(*flags, help=text, rich_help_panel="Filters", **more)


@dataclass(frozen=True, slots=True)
class SpanOptions:
    """A span of time."""

    since: Annotated[
        str | None,
        filter_option(
            "From here on: a day (2026-11-01), a time (2026-11-01T09), or an age (7d). In UTC.",
            metavar="TIME",
        ),
    ] = None
    until: Annotated[
        str | None, filter_option("Until the end of a day, or until a time or an age.", metavar="TIME")
    ] = None

    def begin_and_end(self, now: float) -> tuple[float | None, float | None]:
        """Return the first moment of the span and the first after it (Unix seconds); raises UsageError."""
        since = _read_time("--since", self.since, now) if self.since is not None else None
        until = _read_time("--until", self.until, now, after_day=True) if self.until is not None else None
        if since is not None and until is not None and since >= until:
            raise UsageError(f"--since {self.since} is not before --until {self.until}")
        return since, until


@dataclass(frozen=True, slots=True)
class PastOutputOptions:
    """What is asked, and where and how the answer is shown."""

    output: OutputFile = None
    store: StoreFile = None
    color: ColorChoice = Color.AUTO
    debug: Debug = False


def open_store(path: Path | None, environment: Environment) -> Store:
    """Open the store, or the usual one; raises UsageError where one that is named does not exist.

    Asking makes no store: a name with a mistake in it would be an empty past.
    """
    path = named_store(path, environment)
    if path is not None and not path.exists():
        raise UsageError(f"there is no store {path}", code="no_store", hint="a command that judges makes one")
    store = Store.open(path or default_path(), clock=environment.clock)
    say_dropped(store, environment)
    return store


def named_store(path: Path | None, environment: Environment) -> Path | None:
    """Return the store that the option, or else the setting, names; None for the usual one."""
    return path or resolve({}, environment, with_account=False).store


def say_dropped(store: Store, environment: Environment) -> None:
    """Say how many answers of an earlier version count no longer, to whoever is the first to open their store."""
    if store.dropped:
        reason = "they cannot be told from misread answers"
        say(environment, f"{store.dropped:,} verdicts of none by an earlier version will not be reused: {reason}")


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
