"""What did the account judge of late? Its results page by page, with those of our own store, by their request ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.client import ManagementClient
from moderate_cli.client.management_calls import date_seconds
from moderate_cli.client.responses import UnreadableResponseError, field_of, parse_json, quoted
from moderate_cli.client.verdicts import read_verdict
from moderate_cli.models import NO_FINDING, Call, Failed, ImageUrl, Item, Json, Judged, Outcome
from moderate_cli.records import UNREADABLE, request_id_of, to_outcome
from moderate_cli.results import all_labels, verdict_of
from moderate_cli.store import Entry, Filters, Store, StoredDecision

KEPT_FOR = 30 * 86_400.0
"""Seconds for which the account keeps results: "the last 30 days" (the vendor's console guide, 4 December 2025)."""

OPERATION = "GetScanResult"

# The names in a query. None is documented: these are the fields of the results, by which the console filters too.
_REQUEST_ID, _DATA_ID, _SERVICE, _LABELS = "RequestId", "DataId", "ServiceCode", "Labels"

# The fields of a result that decide, in lower case; what stands beside them does not.
_DECISIVE = frozenset({"code", "dataid", "risklevel", "result", "results", "ext", "frame", "frames", "framenum"})

_BOTH = "known from the account and from this machine"
_ACCOUNT = "known from the account only"
_HERE = "known from this machine only"


class FoundResult(Struct, frozen=True):
    """A result, when it was stored or requested (Unix seconds), what people here said of it, and who knows it."""

    outcome: Outcome
    at: float
    decisions: tuple[StoredDecision, ...] = ()
    origin: str = ""


def query_of(filters: Filters, more: Mapping[str, str]) -> dict[str, str]:
    """Return what the account is asked for; filters that it cannot be told are left to `find_results`."""
    query = {}
    if filters.request_id is not None:
        query[_REQUEST_ID] = filters.request_id
    if filters.data_id is not None:
        query[_DATA_ID] = filters.data_id
    if len(filters.services) == 1:
        query[_SERVICE] = filters.services[0]
    if filters.labels and not filters.without_labels:
        query[_LABELS] = ",".join(filters.labels)
    if len(filters.without_labels) == 1 and not filters.labels:
        query[_LABELS] = f"!={filters.without_labels[0]}"
    return {**query, **more}


def find_results(
    client: ManagementClient,
    store: Store | None,
    filters: Filters,
    more: Mapping[str, str],
    *,
    now: float,
    note: Callable[[str], None],
) -> Iterator[FoundResult]:
    """Yield the results of the account, the newest first, and then those that only this machine knows.

    A result that both know is as this machine stored it; `origin` says of each where it is known from.
    `more` are further parts of the query, which only the account understands: with these the store has nothing of its
    own. `note` is told that the account has more results than it lists. Raises ServiceError and StoreError.
    """
    since = filters.since if filters.since is not None else now - KEPT_FOR
    until = filters.until if filters.until is not None else now
    told: set[str] = set()
    listed = total = 0
    pages = client.results(
        since=datetime.fromtimestamp(since, UTC),
        until=datetime.fromtimestamp(until, UTC),
        query=query_of(filters, more),
    )
    for page in pages:
        listed, total = listed + len(page.items), page.total
        for item in page.items:
            found = _account_result(item, client)
            request_id = request_id_of(found.outcome)
            told.add(request_id or "")
            if not _matches(found.outcome, filters):
                continue
            own = _own(store, request_id) if store is not None and request_id else None
            yield replace(found, origin=_ACCOUNT) if own is None else replace(own, origin=_BOTH)
    if listed < total:
        note(f"the account lists {listed:,} of {total:,} results; a shorter time or a filter shows the others")
    if store is not None and not more:
        for entry in store.history(replace(filters, since=since, until=until, limit=None)):
            own = _of_entry(entry)
            if own is not None and request_id_of(own.outcome) not in told and _is_from_cloud(own.outcome):
                yield replace(own, origin=_HERE)


def _own(store: Store, request_id: str) -> FoundResult | None:
    entries = store.history(Filters(request_id=request_id, latest=False, limit=1))
    return next((found for entry in entries if (found := _of_entry(entry)) is not None), None)


def _of_entry(entry: Entry) -> FoundResult | None:
    """Return a stored result; None for one of another version, which `history` counts."""
    try:
        return FoundResult(to_outcome(entry.record), entry.judged_at, entry.decisions)
    except UNREADABLE:
        return None


def _is_from_cloud(outcome: Outcome) -> bool:
    verdict = verdict_of(outcome)
    return verdict is not None and verdict.engine == "cloud" and bool(outcome.call.endpoint)


def _account_result(item: Json, client: ManagementClient) -> FoundResult:
    """Return a result of the account; one that cannot be read is a failure."""
    named = (field_of(item, name) for name in ("ServiceCode", "RequestId", "ImageUrl", "DataId"))
    service, request_id, url, data_id = (value if isinstance(value, str) else "" for value in named)
    call = Call(
        operation=OPERATION,
        services=(service,) if service else (),
        region=client.region,
        endpoint=client.endpoint,
    )
    known = Item(_without_signature(url) or request_id or "?", ImageUrl(url), data_id=data_id or None)
    try:
        at = date_seconds(str(field_of(item, "RequestTime", "GmtCreate")))
        call = replace(call, answered_at=at)
        verdict = read_verdict(_body(item, request_id), call, data_id=known.data_id)
    except UnreadableResponseError as error:
        error.request_id = error.request_id or request_id or None
        return FoundResult(Failed(item=known, call=call, error=error, verdict=error.verdict), call.answered_at or 0.0)
    except ValueError:  # a time or an Ext in another form
        broken = UnreadableResponseError("a result whose time or Ext cannot be read")
        broken.request_id = request_id or None
        return FoundResult(Failed(item=known, call=call, error=broken), 0.0)
    return FoundResult(Judged(item=known, call=call, verdict=replace(verdict, raw=item), at=at), at)


def _without_signature(url: str) -> str:
    """Return an address without its query, which is a signature."""
    return url.partition("#")[0].partition("?")[0]


def _body(item: Json, request_id: str) -> dict[str, Any]:
    """Return the answer that a result was; raises UnreadableResponseError, also without an id, and ValueError."""
    if not request_id:
        raise UnreadableResponseError(f"RequestId is {quoted(field_of(item, 'RequestId'))}")
    return {"Code": 200, "Msg": "OK", "RequestId": request_id, "Data": _data(item)}


def _data(item: Json) -> dict[str, Any]:
    """Return a result in the shape of the answer that it was: there Ext is an object, and labels are in one place."""
    data: dict[str, Any] = {}
    found: list[object] = []
    named: list[str] = []
    for name, value in item.items():
        match name.strip().lower():
            case "labels" | "label":
                named += _label_names(value)
            case "result" | "results" if isinstance(value, list):
                found += value
            case "ext" if isinstance(value, str):
                data[name] = parse_json(value) if value.strip() else None
            case one if one in _DECISIVE and value != "":
                data[name] = value
    listed = {str(field_of(each, "Label")) for each in found if isinstance(each, Mapping)}
    found += [{"Label": name} for name in dict.fromkeys(named) if name not in listed]
    return data | {"Result": found} if found else data


def _label_names(value: object) -> list[str]:
    """Return the names in `Labels`, a text with commas, which repeats those of the findings."""
    if value is not None and not isinstance(value, str):
        raise UnreadableResponseError(f"Labels is {quoted(value)}, not a text")
    return [name for each in (value or "").split(",") if (name := each.strip())]


def _matches(outcome: Outcome, filters: Filters) -> bool:
    """Tell whether a result is meant: the account may not have understood the query, whose names are not documented.

    One that cannot be read is told whatever its labels are.
    """
    verdict = verdict_of(outcome)
    if filters.request_id not in (None, request_id_of(outcome)):
        return False
    if filters.data_id not in (None, outcome.item.data_id):
        return False
    if filters.services and not set(filters.services) & set(outcome.call.services):
        return False
    if verdict is None:
        return True
    labels = {label.label for label in all_labels(verdict)} or {NO_FINDING}
    wanted = not filters.labels or bool(labels.intersection(filters.labels))
    return wanted and not labels.intersection(filters.without_labels)
