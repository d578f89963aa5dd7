"""Lines for people, on stderr."""

from __future__ import annotations

from contextlib import suppress

from moderate_cli.environment import Environment
from moderate_cli.errors import ModerateError
from moderate_cli.render.safe import safe_text

_LONGEST_LINE = 2_000
"""Characters: a path may have 1,000, and a value of somebody's settings file a million."""


def say(environment: Environment, text: str) -> None:
    """Write one line for people; where nobody can read it, because stderr is full or gone, the run goes on."""
    if len(text) > _LONGEST_LINE:
        text = f"{text[: _LONGEST_LINE - 500]} ... {text[-500:]}"  # what to do stands at the end
    with suppress(OSError):
        environment.stderr.write(f"moderate: {safe_text(text)}\n")
        environment.stderr.flush()


def with_hint(error: ModerateError, more: str = "") -> str:
    """Return what an error says, something more about it, and what to do."""
    return f"{error.message}{more}" + (f" ({error.hint})" if error.hint else "")
