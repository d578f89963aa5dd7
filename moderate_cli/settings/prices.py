"""The setting `prices`: what the user pays, where that is not the list price."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from moderate_cli.errors import UsageError
from moderate_cli.settings.kinds import Kind, is_name

if TYPE_CHECKING:
    from moderate_cli.catalogue.prices import Price, Prices

_KEYS = ("amount", "currency", "per")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST = 1_000_000


def prices() -> Kind:
    """Return the kind of prices by the name of a service or of a billing type."""
    expected = f"services or billing types, each with {', '.join(_KEYS)}"
    return Kind(expected, _check, parse=json.loads, show=_show, keys=_KEYS, by_name=True)


def _check(value: object) -> Prices:
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - the same error for every wrong value
    return {name: _price(name, facts) for name, facts in value.items()}


def _price(name: str, facts: object) -> Price:
    from decimal import Decimal

    from moderate_cli.catalogue.prices import Price, billing_types  # not needed by runs without prices of their own

    if not is_name(name):
        raise UsageError("a name has 1 to 64 letters, digits, dots, dashes and underscores")
    types = billing_types(name)
    if types and len(types.names) > 1:
        hint = f"give the prices of {' and '.join(types.names.values())}"
        raise UsageError(f"{name} is billed by image and by text", hint=hint)
    if not isinstance(facts, dict) or set(facts) != set(_KEYS):
        raise UsageError(f"{name} needs {', '.join(_KEYS[:-1])} and {_KEYS[-1]}, and nothing else")
    amount, currency, per = (facts[key] for key in _KEYS)
    if not isinstance(amount, int | float) or isinstance(amount, bool) or not 0 <= amount <= _MOST:
        raise UsageError(f"the amount of {name} must be a number from 0 to {_MOST}")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise UsageError(f"the currency of {name} must be three capital letters, such as USD or CNY")
    if not isinstance(per, int) or isinstance(per, bool) or not 1 <= per <= _MOST:
        raise UsageError(f"per of {name} must be a whole number from 1 to {_MOST}")
    return Price(amount=Decimal(str(amount)), currency=currency, per=per, source="the setting prices")


def _show(value: Prices) -> dict[str, dict[str, Any]] | None:
    shown = {
        name: {"amount": float(price.amount), "currency": price.currency, "per": price.per}
        for name, price in value.items()
    }
    return shown or None
