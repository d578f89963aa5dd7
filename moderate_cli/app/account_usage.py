"""How much did the account judge? Its statistics, asked for in spans that the service takes, and put together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from moderate_cli.client import ManagementClient
from moderate_cli.client.responses import UnreadableResponseError, quoted
from moderate_cli.models import EXEMPT, NO_FINDING, Json
from moderate_cli.store import Usage

# "You can query data spanning up to two months", kept for a year (the vendor's console guide, 4 December 2025).
_SPAN = timedelta(days=60)
_MONTHS = 2
_SECOND = timedelta(seconds=1)  # both ends count
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
_MONTH = re.compile(r"(\d{4})-?(\d{2})")


class AccountUsage(Struct, frozen=True):
    """Calls and hits by day or month and service, the calls that found each label, and the account's ids.

    Of `Usage.billed` the account says nothing; it is 0.
    """

    used: list[Usage]
    labels: Counter[str]
    uids: tuple[str, ...]
    raw: tuple[Json, ...]


def account_usage(
    client: ManagementClient, *, since: datetime, until: datetime, by_month: bool, services: Sequence[str]
) -> AccountUsage:
    """Return the usage of a time, of some services or of all; raises ServiceError."""
    calls: Counter[tuple[str, str]] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    labels: Counter[str] = Counter()
    uids: dict[str, None] = {}
    answers = []
    for first, last in _spans(since, until, by_month=by_month):
        for service in services or (None,):
            data = client.usage(since=first, until=last, by_month=by_month, service=service)
            answers.append(data)
            _add_series(calls, data, "Y", services, by_month=by_month)
            _add_series(hits, data, "Z", services, by_month=by_month)
            labels += _labels(data, services)
            uids |= dict.fromkeys(map(str, _list(data, "Uids")))
    used = [Usage(period, name, calls[period, name], hits[period, name], 0) for period, name in sorted(calls)]
    return AccountUsage([each for each in used if each.calls], labels, tuple(uids), tuple(answers))


def _spans(since: datetime, until: datetime, *, by_month: bool) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of a time for which the service answers at once."""
    begin = since
    while begin < until:
        if by_month:
            month = begin.month - 1 + _MONTHS
            end = datetime(begin.year + month // 12, month % 12 + 1, 1, tzinfo=begin.tzinfo)
        else:
            end = begin + _SPAN
        yield begin, min(end - _SECOND, until)
        begin = end


def _add_series(
    counts: Counter[tuple[str, str]], data: Json, key: str, services: Sequence[str], *, by_month: bool
) -> None:
    """Add the numbers of `Y` (calls) or `Z` (hits): one list a service, with a number for each date in `X`.

    By the vendor's SDK 1.13.5 the names of Z are services; that those of Y are the same ones is uncertain.
    """
    dates = [_date(text, by_month=by_month) for text in _list(data, "X", is_needed=True)]
    for series in _list(data, key, is_needed=key == "Y"):
        if not isinstance(series, Mapping):
            raise UnreadableResponseError(f"{key} has {quoted(series)}")
        name, numbers = str(series.get("Name") or ""), _list(series, "Data")
        if len(numbers) != len(dates):
            raise UnreadableResponseError(f"{key} has {len(numbers)} numbers for {len(dates)} dates")
        if services and name not in services:
            continue
        for date, number in zip(dates, numbers, strict=True):
            counts[date, name] += _number(number)


def _labels(data: Json, services: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for chart in _list(data, "LabelStatChart"):
        if not isinstance(chart, Mapping):
            raise UnreadableResponseError(f"LabelStatChart has {quoted(chart)}")
        if services and chart.get("ServiceCode") not in services:
            continue
        for part in _list(chart, "TreeChart"):
            if not isinstance(part, Mapping):
                raise UnreadableResponseError(f"TreeChart has {quoted(part)}")
            name = part.get("Name")
            if name not in (None, "", NO_FINDING, EXEMPT):
                counts[str(name)] += _label_calls(part.get("Value"), chart.get("TotalCount"))
    return counts


def _label_calls(value: Any, total: Any) -> int:
    """Return how many calls found a label.

    The SDK calls Value a score in one place and a proportion in another: a whole number is taken for calls, anything
    with a point or in percent for a share of the total.
    """
    text = str(value).strip()
    try:
        if text.isdecimal():
            return int(text)
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise UnreadableResponseError(f"Value of a label is {quoted(value)}") from None
    if not 0 <= share <= 1:
        raise UnreadableResponseError(f"Value of a label is {quoted(value)}")
    return round(share * _number(total))


def _date(text: Any, *, by_month: bool) -> str:
    found = (_MONTH if by_month else _DAY).match(str(text))
    if found is None:
        raise UnreadableResponseError(f"a date in X is {quoted(text)}")
    return "-".join(found.groups())


def _list(data: Json, key: str, *, is_needed: bool = False) -> list[Any]:
    value = data.get(key)
    if value is None and not is_needed:
        return []
    if not isinstance(value, list):
        raise UnreadableResponseError(f"{key} is {quoted(value)}, not a list")
    return value


def _number(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise UnreadableResponseError(f"a number of calls is {quoted(value)}")
