"""Reading the catalogue's data files, which live beside the code."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct


class Origin(Struct, frozen=True):
    """Where a data file's facts come from, and the day on which they were put together (ISO 8601)."""

    source: str
    date: str


@cache
def load_data(name: str) -> Any:
    """Return the content of a JSON data file of this room; it is shared, so nobody changes it."""
    return json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def data_origin(name: str) -> Origin:
    """Return the origin of a JSON data file of this room."""
    content = load_data(name)
    return Origin(content["source"], content["date"])
