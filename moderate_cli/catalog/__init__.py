"""What is known of the service without asking it: JSON files of facts, each with its source and date."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct


class Origin(Struct, frozen=True):
    """Where the facts of a data file come from, and the day on which they were compiled (ISO 8601)."""

    source: str
    date: str


@cache
def load_data(name: str) -> Any:
    """Return the content of a JSON file beside this module; it is shared, and must not be changed."""
    return json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def data_origin(name: str) -> Origin:
    """Return the origin of a JSON file beside this module."""
    content = load_data(name)
    return Origin(content["source"], content["date"])
