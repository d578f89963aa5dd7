"""Lines for people, on stderr."""

from __future__ import annotations

from contextlib import suppress

from moderate_cli.environment import Environment
from moderate_cli.errors import ModerateError
from moderate_cli.render.safe import safe_text


def say(environment: Environment, text: str) -> None:
    """Write one line for people; where nobody can read it, because stderr is full or gone, the run goes on."""
    with suppress(OSError):
        environment.stderr.write(f"moderate: {safe_text(text)}\n")
        environment.stderr.flush()


def with_hint(error: ModerateError, more: str = "") -> str:
    """Return what an error says, something more about it, and what to do."""
    return f"{error.message}{more}" + (f" ({error.hint})" if error.hint else "")
