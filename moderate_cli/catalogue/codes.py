"""What the service's codes mean, what to do about them, and whether trying again helps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from moderate_cli.catalogue import data


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFacts:
    """What is known about one code.

    `max_attempts` is how many attempts of one call may end so, where that is less than the policy's number of attempts;
    `fatal` codes end the run, since every further call would end alike.
    """

    name: str
    meaning: str
    remedy: str | None
    retryable: bool
    fatal: bool
    billed: bool = False
    max_attempts: int | None = None


@cache
def _table(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = data.load("codes.json")[name]
    return entries


@cache
def body_code(code: int) -> CodeFacts:
    """Return what a code inside an answer's body means; an unknown one from 500 up is worth another try."""
    for entry in _table("body"):
        if entry["code"] == code:
            return CodeFacts(**{key: value for key, value in entry.items() if key != "code"})
    remedy = "see the vendor's table of codes"
    return CodeFacts(
        name=f"api_{code}", meaning=f"unknown code {code}", remedy=remedy, retryable=code >= 500, fatal=False
    )


@cache
def gateway_code(code: str, http_status: int) -> CodeFacts:
    """Return what a code of the gateway means; unknown ones are judged by their status.

    408 (the request arrived too slowly), 429 and 5xx are worth another try. The status 408 is not the body's code 408.
    """
    for entry in _table("gateway"):
        if code.startswith(entry["prefix"]):
            return CodeFacts(name=code, **{key: value for key, value in entry.items() if key != "prefix"})
    retryable = http_status in {408, 429} or http_status >= 500
    return CodeFacts(name=code, meaning=f"HTTP {http_status}", remedy=None, retryable=retryable, fatal=False)
