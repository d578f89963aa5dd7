"""The rules of a SARIF run: each label that was found, with what the catalogue knows of it."""

from __future__ import annotations

import shlex
from typing import Any

from moderate_cli.render.safe import safe_text
from moderate_cli.render.words import known_meaning, meaning
from moderate_cli.verdicts import Label

_HELP_URI = "https://www.alibabacloud.com/help/en/content-moderation"
_LONGEST = 1_000  # characters; GitHub shows 1,024 of a description
# What SARIF reads as a placeholder or a link in a plain text (3.11.5 and 3.11.6), and how it is written instead.
_SPECIAL = str.maketrans({"{": "{{", "}": "}}", "[": r"\[", "]": r"\]", "\\": r"\\"})


class Rules:
    """The rules in the order in which their labels were found first."""

    def __init__(self) -> None:
        self._labels: dict[str, tuple[int, Label]] = {}

    def index(self, label: Label) -> int:
        """Return the place of a label's rule."""
        return self._labels.setdefault(label.label, (len(self._labels), label))[0]

    def listed(self) -> list[dict[str, Any]]:
        """Return the rules."""
        return [_rule(label) for _, label in self._labels.values()]


def plain(text: str) -> dict[str, str]:
    """Return a message whose text is shown as it is."""
    return {"text": text.translate(_SPECIAL)}


def _rule(label: Label) -> dict[str, Any]:
    name = safe_text(label.label)
    words = safe_text(known_meaning(label.label, label.service) or meaning(label))[:_LONGEST]
    found = f"{name}: {words}" if words else name
    by = f" by {safe_text(label.service)}" if label.service else ""
    todo = "Look at what was found. Replace it, or suppress the finding and say why:"
    command = f"moderate allow IMAGE --label {shlex.quote(name)} --reason REASON"
    return {
        "id": name,
        "shortDescription": plain(found),
        "fullDescription": plain(f"{found} (found{by}; the risk level is the service's)"),
        "help": {**plain(f"{found}. {todo} {command}"), "markdown": f"{todo}\n\n```\n{command}\n```\n"},
        "helpUri": _HELP_URI,
        "properties": {"tags": ["content-moderation"]},
    }
