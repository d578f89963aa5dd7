"""What do the parameters of a management call say? Numbers, pages, times and JSON, checked, or a BodyError."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from moderate_cli.common.text import shortened
from moderate_cli.emulator.messages import BodyError

REFUSED, NOT_FOUND = 400, 404
"""The codes of refusals: "consistent with the HTTP status code" is all that the SDK says of codes here."""

ZONE = timezone(timedelta(hours=8))
"""That of the times in the management API: no page tells it, and the vendor's console counts in that of China."""

DEFAULT_PAGE, MAX_PAGE = 10, 1000
"""Items of a page; neither is documented."""

MAX_NAME = 100  # characters of a name, which is not documented
MAX_COMMENT = 1000  # characters, not documented either
MAX_OPAQUE = 1024 * 1024  # characters of JSON that is kept as it came; a limit of this emulator
_MAX_DEPTH = 100  # of JSON that is kept; a limit of this emulator
RESOURCE = "image"
"""The ResourceType of this product."""

_TIME = "%Y-%m-%d %H:%M:%S"
_SORT_KEYS = ("GmtCreate", "GmtModified", "RequestTime")
_T = TypeVar("_T")


class Page(Struct, frozen=True):
    """A part of a list: its number, which begins at 1, and how many items it has at most."""

    number: int
    size: int

    def of(self, items: Sequence[_T]) -> Sequence[_T]:
        """Return the items of this page."""
        return items[(self.number - 1) * self.size : self.number * self.size]

    def described(self, total: int) -> dict[str, int]:
        """Describe the page as answers do."""
        return {"CurrentPage": self.number, "PageSize": self.size, "TotalCount": total}


def read_text(parameters: Mapping[str, str], name: str, longest: int, *, required: bool = True) -> str:
    """Return a text of limited length."""
    text = parameters.get(name, "").strip()
    if required and not text:
        raise BodyError(REFUSED, f"{name} is empty")
    if len(text) > longest:
        raise BodyError(REFUSED, f"{name} is longer than {longest} characters")
    return text


def read_page(parameters: Mapping[str, str]) -> Page:
    """Return which page is asked for."""
    return Page(
        _number(parameters, "CurrentPage", 1, 1_000_000), _number(parameters, "PageSize", DEFAULT_PAGE, MAX_PAGE)
    )


def _number(parameters: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise BodyError(REFUSED, f"{name} is not a number from 1 to {most}")
    return int(text)


def read_switch(parameters: Mapping[str, str], name: str) -> bool | None:
    """Return whether something is switched on, None where nothing is said; the SDK writes True and False."""
    text = parameters.get(name, "").lower()
    if text not in ("", "true", "false", "1", "0"):
        raise BodyError(REFUSED, f"{name} is neither true nor false")
    return text in ("true", "1") if text else None


def read_time(parameters: Mapping[str, str], name: str) -> float | None:
    """Return a time in Unix seconds, None where none is given."""
    text = parameters.get(name, "")
    if not text:
        return None
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=ZONE).timestamp()
    except ValueError:
        raise BodyError(REFUSED, f"{name} does not have the form YYYY-MM-DD HH:mm:ss") from None


def in_words(seconds: float) -> str:
    """Return a time as answers have it."""
    return datetime.fromtimestamp(seconds, ZONE).strftime(_TIME)


def read_json(parameters: Mapping[str, str], name: str, kind: Any) -> Any:
    """Return a value of a type from its JSON, None where it is not given; an empty text is an empty value."""
    text = parameters.get(name)
    if text is None:
        return None
    if len(text) > MAX_OPAQUE:
        raise BodyError(REFUSED, f"{name} is longer than {MAX_OPAQUE} characters")
    if not text:
        return kind()
    try:
        value = msgspec.json.decode(text, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise BodyError(REFUSED, f"{name} is not the JSON that is expected: {error}") from None
    _check_depth(name, value)
    return value


def _check_depth(name: str, value: Any) -> None:
    """Raise BodyError for what is nested so deep that Python might not write it again."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise BodyError(REFUSED, f"{name} is nested in more than {_MAX_DEPTH} levels")
        parts = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for part in parts for each in part]


def read_ids(parameters: Mapping[str, str], *names: str) -> list[str]:
    """Return the ids in a JSON array of numbers or texts, which one of some parameters has."""
    for name in names:
        if parameters.get(name):
            return [str(each) for each in read_json(parameters, name, list[int | str])]
    raise BodyError(REFUSED, f"{names[0]} is empty")


def is_descending(parameters: Mapping[str, str]) -> bool:
    """Tell whether the newest item comes first, as it does unless Sort says otherwise.

    The keys of Sort are not documented. All lists here are in the order of time, so the names of times are taken.
    """
    sort: dict[str, str] = read_json(parameters, "Sort", dict[str, str]) or {}
    for key, direction in sort.items():
        if key not in _SORT_KEYS or direction.lower() not in ("asc", "desc"):
            raise BodyError(REFUSED, f"the emulator sorts by {', '.join(_SORT_KEYS)}: asc or desc")
        return direction.lower() == "desc"
    return True


def check_resource(parameters: Mapping[str, str]) -> None:
    """Raise BodyError for resources other than images."""
    if parameters.get("ResourceType", RESOURCE) != RESOURCE:
        raise BodyError(REFUSED, f"the emulator has the ResourceType {RESOURCE} alone")


def unknown(what: str, name: str, known: Collection[str] = ()) -> BodyError:
    """Return the error for something that is not there."""
    near = f"; there is {', '.join(sorted(known)[:3])}" if known else ""
    return BodyError(NOT_FOUND, f"there is no {what} {shortened(name)!r}{near}")
