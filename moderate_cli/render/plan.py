"""What a run would do, one line an input as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TextIO

from moderate_cli.render.json import dump
from moderate_cli.render.notes import with_hint
from moderate_cli.render.safe import safe_text
from moderate_cli.verdicts import Failed, Outcome, Planned, Skipped


def plan_renderer(stream: TextIO, *, as_json: bool) -> Callable[[Outcome], None]:
    """Return what writes one line for an outcome: for people, or as JSON."""
    write = _json if as_json else _words

    def add(outcome: Outcome) -> None:
        stream.write(write(outcome) + "\n")
        stream.flush()

    return add


def _action(outcome: Outcome) -> str:
    match outcome:
        case Planned(calls=0):
            return "once"
        case Planned():
            return "send"
        case Skipped():
            return "skip"
        case Failed():
            return "fail"
        case _:
            return "reuse"


def _words(outcome: Outcome) -> str:
    reason = f": {with_hint(outcome.error)}" if isinstance(outcome, Skipped | Failed) else ""
    more = " (the same content as another)" if isinstance(outcome, Planned) and not outcome.calls else ""
    return safe_text(f"{_action(outcome):<6}{outcome.item.source}{reason}{more}")


def _json(outcome: Outcome) -> str:
    error = outcome.error if isinstance(outcome, Skipped | Failed) else None
    data: dict[str, Any] = {
        "source": outcome.item.source,
        "action": _action(outcome),
        "calls": outcome.calls if isinstance(outcome, Planned) else 0,
        "sha256": outcome.sha256,
        "bytes": outcome.size,
        "operation": outcome.call.operation,
        "services": list(outcome.call.services),
        "error": None
        if error is None
        else {
            "code": error.code,
            "api_code": getattr(error, "api_code", None),
            "message": error.message,
            "hint": error.hint,
        },
    }
    return dump(data)
