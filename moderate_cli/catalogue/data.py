"""Reading the catalogue's data files, which live beside the code."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def load(name: str) -> Any:
    """Return the content of a JSON data file of this room."""
    return json.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))
