"""Which types do settings have? Each parses text, checks a value, and shows it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.catalog.services import endpoint as region_endpoint
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import any_of, shortened, suggestion
from moderate_cli.settings.resolved import CredentialsChoice, CredentialsSource, QuotaAddress

if TYPE_CHECKING:
    from moderate_cli.catalog.prices import Price, Prices

INFO_TYPES = ("customImage", "textInImage", "publicFigure", "logoData")
"""What a response can contain beside its verdict (the vendor's page of the sync operation, parameter infoType)."""

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_AGE = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_QUOTA = re.compile(r"file:[^\x00-\x1f]*|rediss?://[^\s/][^\s]*")
_QUOTA_HINT = "file: is a file of this host in the state folder"
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}  # seconds
_PRICE_KEYS = ("amount", "currency", "per")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MAX_PRICE = 1_000_000  # of an amount of money, and of the calls that it is for


def _unchanged(value: Any) -> Any:
    return value


class SettingType(Struct, frozen=True):
    """The type of a setting's value.

    `check` takes a value as YAML has it and returns it as the program uses it; it raises ValueError, or UsageError with
    its own explanation. `parse` turns the text of an option or a variable into what `check` takes, and `show` undoes
    `check`. `expected` completes the sentence "it must be ..."; `low`, `high` and `choices` are the same for help
    texts. `keys` are the keys of a value that may be a mapping, or, with `by_name`, of each mapping inside it. With
    `may_be_empty` an empty text is a value, and not the same as none.
    """

    expected: str
    check: Callable[[object], Any]
    parse: Callable[[str], object] = _unchanged
    show: Callable[[Any], Any] = _unchanged
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    by_name: bool = False
    may_be_empty: bool = False


def whole_number(low: int, high: int | None = None) -> SettingType:
    """Return the type of whole numbers from `low`, and up to `high` unless that is None."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < low or (high is not None and value > high):
            raise ValueError
        return value

    expected = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
    return SettingType(expected, check, parse=int, low=low, high=high)


def number(low: float, high: float) -> SettingType:
    """Return the type of numbers from `low` to `high`."""

    def check(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError
        return float(value)

    return SettingType(f"a number from {low:g} to {high:g}", check, parse=float, low=low, high=high)


def rate(low: float, high: float) -> SettingType:
    """Return the type of calls a second from `low` to `high`, which are infinite for `auto`."""
    plain = number(low, high)

    def check(value: object) -> float:
        return math.inf if value == "auto" else float(plain.check(value))

    def parse(text: str) -> object:
        return text if text.strip() == "auto" else float(text)

    def show(value: float | None) -> float | str | None:
        return "auto" if value == math.inf else value

    return replace(plain, expected=f"{plain.expected}, or auto", check=check, parse=parse, show=show)


def quota() -> SettingType:
    """Return the type of places of a shared quota."""

    def check(value: object) -> QuotaAddress:
        if not isinstance(value, str) or not _QUOTA.fullmatch(value):
            raise UsageError("must be file:PATH, file: or redis://HOST:PORT/DB", hint=_QUOTA_HINT)  # it may be secret
        return QuotaAddress(value)

    return SettingType("file:PATH, file: or redis://HOST:PORT/DB", check, show=lambda value: value and str(value))


def flag() -> SettingType:
    """Return the type of true and false."""

    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError  # noqa: TRY004 - the same error for every wrong value
        return value

    def parse(text: str) -> bool:
        if text.strip().lower() not in _TRUE | _FALSE:
            raise ValueError
        return text.strip().lower() in _TRUE

    return SettingType("true or false", check, parse)


def choice(words: type[StrEnum]) -> SettingType:
    """Return the type of one word of an enumeration."""

    def check(value: object) -> StrEnum:
        if not isinstance(value, str):
            raise ValueError  # noqa: TRY004
        return words(value)

    return SettingType(any_of(words), check, show=str, choices=tuple(words))


def names(*, at_least: int) -> SettingType:
    """Return the type of lists of names, which may be a text with commas."""

    def check(value: object) -> tuple[str, ...]:
        found = _split(value)
        if len(found) < at_least or not all(map(is_name, found)):
            raise ValueError
        return found

    expected = "a list of names, or names separated by commas"
    return SettingType(expected, check, parse=str.split, show=list, may_be_empty=not at_least)


def info_types() -> SettingType:
    """Return the type of lists of info types, in any case."""
    several = names(at_least=0)
    by_folded = {name.casefold(): name for name in INFO_TYPES}

    def known(name: str) -> str:
        if name.casefold() in by_folded:
            return by_folded[name.casefold()]
        near = suggestion(name, INFO_TYPES)
        raise UsageError(f"unknown info type {shortened(name)!r}{near}", hint=f"one of {', '.join(INFO_TYPES)}")

    def check(value: object) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(known, several.check(value))))

    return replace(several, check=check)


def patterns() -> SettingType:
    """Return the type of lists of file patterns, which may contain commas."""

    def check(value: object) -> tuple[str, ...]:
        parts = [value] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(map(_is_plain, parts)):
            raise ValueError
        return tuple(parts)

    return SettingType("a pattern or a list of patterns", check, parse=str.split, show=list)


def path() -> SettingType:
    """Return the type of file paths."""

    def check(value: object) -> Path:
        if isinstance(value, str) and _is_plain(value):
            return Path(value)
        if not isinstance(value, Path):
            raise ValueError  # noqa: TRY004
        return value

    return SettingType("a file path", check, show=lambda value: None if value is None else str(value))


def region() -> SettingType:
    """Return the type of region ids, known or not."""
    return SettingType("a region id", _check_region)


def regions() -> SettingType:
    """Return the type of lists of region ids."""

    def check(value: object) -> tuple[str, ...]:
        return tuple(_check_region(part) for part in _split(value))

    return SettingType("a list of region ids, or region ids separated by commas", check, parse=str.split, show=list)


def address() -> SettingType:
    """Return the type of endpoints."""

    def check(value: object) -> str:
        from moderate_cli.client.parameters import Endpoint  # loads the client, which `config show` can do without

        if not isinstance(value, str):
            raise ValueError  # noqa: TRY004
        Endpoint.parse(value)
        return value

    return SettingType("HOST, HOST:PORT or https://HOST", check)


def age() -> SettingType:
    """Return the type of ages, which are seconds: infinite for `forever`, None for `never`."""

    def check(value: object) -> float | None:
        if not isinstance(value, str):
            raise ValueError  # noqa: TRY004
        if value in {"forever", "never"}:
            return math.inf if value == "forever" else None
        found = _AGE.fullmatch(value)
        if found is None:
            raise ValueError
        return float(int(found[1]) * _UNITS[found[2]])

    return SettingType("an age such as 30m, 12h or 7d, forever or never", check, show=_show_age)


def credentials() -> SettingType:
    """Return the type of sources of credentials."""

    def check(value: object) -> CredentialsChoice:
        asked = value if isinstance(value, dict) else {"source": value}
        source, profile = asked.get("source"), asked.get("profile")
        if not isinstance(source, str | None) or not isinstance(profile, str | None):
            raise ValueError  # noqa: TRY004
        if profile is not None and not _is_profile(profile):
            raise ValueError
        return CredentialsChoice(CredentialsSource(source or "auto"), profile)

    def show(value: CredentialsChoice) -> str | dict[str, str]:
        source = value.source.value
        return {"source": source, "profile": value.profile} if value.profile else source

    expected = f"{any_of(CredentialsSource)}, or a mapping with source and profile"
    return SettingType(expected, check, show=show, keys=("source", "profile"))


def profile() -> SettingType:
    """Return the type of names of profiles of the aliyun CLI."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not _is_profile(value):
            raise ValueError
        return value

    return SettingType("the name of a profile of the aliyun CLI", check)


def prices() -> SettingType:
    """Return the type of prices by service or billing type."""
    expected = f"services or billing types, each with {', '.join(_PRICE_KEYS)}"
    return SettingType(expected, _check_prices, parse=json.loads, show=_show_prices, keys=_PRICE_KEYS, by_name=True)


def is_name(value: object) -> bool:
    """Tell whether a value can name a profile or a service."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_profile(name: str) -> bool:
    return name.isprintable() and 0 < len(name) <= 64


def _is_plain(value: object) -> bool:
    """Tell whether a value is text that is not blank and has no control characters."""
    return isinstance(value, str) and bool(value.strip()) and not _CONTROL.search(value)


def _split(value: object) -> tuple[str, ...]:
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError
    return tuple(dict.fromkeys(word.strip() for part in parts for word in part.split(",") if word.strip()))


def _check_region(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004
    region_endpoint(value)
    return value


def _show_age(seconds: float | None) -> str:
    if seconds is None or math.isinf(seconds):
        return "never" if seconds is None else "forever"
    unit = next(unit for unit, length in _UNITS.items() if not seconds % length)
    return f"{seconds / _UNITS[unit]:.0f}{unit}"


def _check_prices(value: object) -> Prices:
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - the same error for every wrong value
    return {name: _check_price(name, facts) for name, facts in value.items()}


def _check_price(name: str, facts: object) -> Price:
    from decimal import Decimal

    from moderate_cli.catalog.prices import Price, billing_types  # not needed by runs without prices of their own

    if not is_name(name):
        raise UsageError("a name must have 1 to 64 letters, digits, dots, dashes and underscores")
    types = billing_types(name)
    if types and len(types.names) > 1:
        hint = f"give the prices of {' and '.join(types.names.values())}"
        raise UsageError(f"{name} is billed by image and by text", hint=hint)
    if not isinstance(facts, dict) or set(facts) != set(_PRICE_KEYS):
        raise UsageError(f"{name} needs {', '.join(_PRICE_KEYS[:-1])} and {_PRICE_KEYS[-1]}, and nothing else")
    amount, currency, per = (facts[key] for key in _PRICE_KEYS)
    if not isinstance(amount, int | float) or isinstance(amount, bool) or not 0 <= amount <= _MAX_PRICE:
        raise UsageError(f"the amount of {name} must be a number from 0 to {_MAX_PRICE}")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise UsageError(f"the currency of {name} must be three capital letters, such as USD or CNY")
    if not isinstance(per, int) or isinstance(per, bool) or not 1 <= per <= _MAX_PRICE:
        raise UsageError(f"per of {name} must be a whole number from 1 to {_MAX_PRICE}")
    return Price(amount=Decimal(str(amount)), currency=currency, per=per, source="the setting prices")


def _show_prices(value: Prices) -> dict[str, dict[str, Any]] | None:
    shown = {
        name: {"amount": float(price.amount), "currency": price.currency, "per": price.per}
        for name, price in value.items()
    }
    return shown or None
