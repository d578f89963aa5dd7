"""Forgetting what is old, once somebody has agreed to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.render.notes import say
from moderate_cli.render.safe import safe_text
from moderate_cli.store import Pruned, Store

_WORDS = {
    "results": ("result", "results"),
    "runs": ("run", "runs"),
    "tasks": ("finished task", "finished tasks"),
    "files": ("seen file", "seen files"),
    "feedback": ("feedback", "feedbacks"),
}


def prune(store: Store, environment: Environment, *, older_than: float, agreed: bool) -> None:
    """Forget what is older than so many seconds, and say how much it was.

    Whoever sits at a terminal is asked first, unless that is `agreed` already; raises UsageError where nobody can be.
    """
    if not agreed and not _agree(store, environment, older_than):
        say(environment, "nothing was forgotten")
        return
    say(environment, f"forgot {', '.join(_counts(store.prune(older_than=older_than)))}")


def _agree(store: Store, environment: Environment, older_than: float) -> bool:
    if not environment.stdin.isatty():
        raise UsageError("--prune needs --yes where nobody can be asked")
    moment = datetime.fromtimestamp(max(0.0, environment.clock() - older_than), UTC).strftime("%Y-%m-%d %H:%M UTC")
    environment.stderr.write(safe_text(f"forget all results in {store.path} from before {moment}? [y/N] "))
    environment.stderr.flush()
    return environment.stdin.readline().strip().lower() in {"y", "yes"}


def _counts(pruned: Pruned) -> Iterator[str]:
    for name, count in asdict(pruned).items():
        yield f"{count:,} {_WORDS[name][count != 1]}"
