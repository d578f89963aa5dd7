"""What the operations work with, and what they are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from moderate_cli.emulator.background import Background
from moderate_cli.emulator.engine import LocalEngine
from moderate_cli.emulator.keywords import Keyword
from moderate_cli.emulator.rules import ImageRule
from moderate_cli.emulator.state import State


@dataclass(frozen=True, slots=True)
class Service:
    """The emulated service: its memory, its engine and the account that it serves."""

    state: State
    engine: LocalEngine
    background: Background
    endpoint: str
    keywords: tuple[Keyword, ...]
    image_rules: tuple[ImageRule, ...]
    account_id: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its parameters, from the URL and from the body, and the id of its answer."""

    parameters: Mapping[str, str]
    request_id: str
