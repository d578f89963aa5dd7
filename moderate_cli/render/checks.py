"""One line a check, for `moderate doctor`; plain escape codes, since Rich would take longer than most checks."""

from __future__ import annotations

from moderate_cli.render.safe import safe_text

_COLORS = {"ok": 32, "failed": 31, "skipped": 35}


def check_line(name: str, status: str, detail: str, hint: str | None, *, color: bool) -> str:
    """Return a line with the check's name, its outcome and what was found, and a second one that says what to do."""
    word = f"\x1b[{_COLORS[status]}m{status:<8}\x1b[0m" if color else f"{status:<8}"
    line = f"{word}{name:<13}{safe_text(detail)}\n"
    return line + (f"{'':<21}{safe_text(hint)}\n" if hint and status == "failed" else "")
