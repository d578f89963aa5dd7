"""Opening the store that somebody names, and telling what an earlier version's answers are no longer good for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import echo
from moderate_cli.settings import resolve
from moderate_cli.store import Store, default_path, is_read_only


def open_store(path: Path | None, environment: Environment, *, writes: bool = False) -> Store:
    """Open the store, or the usual one; raises UsageError where one that is named does not exist.

    Asking makes no store: a name with a mistake in it would be an empty past. One that may only be read is asked all
    the same, unless the command `writes`.
    """
    path = named_store(path, environment)
    if path is not None and not path.exists():
        raise UsageError(f"no such store: {path}", code="no_store", hint="judging commands create it")
    path = path or default_path()
    if not writes and is_read_only(path):
        return Store.open_read_only(path, clock=environment.clock)
    store = Store.open(path, clock=environment.clock)
    say_dropped(store, environment)
    return store


def named_store(path: Path | None, environment: Environment) -> Path | None:
    """Return the store that the option, or else the setting, names; None for the usual one."""
    return path or resolve({}, environment, with_account=False).store


def store_state(path: Path) -> Literal["there", "read-only", "missing"]:
    """Return whether there is a store, and whether results can be kept in it."""
    if not path.exists():
        return "missing"
    return "read-only" if is_read_only(path) else "there"


def say_dropped(store: Store, environment: Environment) -> None:
    """Say how many answers of an earlier version count no longer, to whoever is the first to open their store."""
    if store.dropped:
        reason = "they cannot be told apart from misread answers"
        echo(environment, f"{store.dropped:,} 'none' verdicts of an earlier version will not be reused: {reason}")
