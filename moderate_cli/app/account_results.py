"""What did the account judge of late? Its results page by page, with those of our own store, by their request ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.client import ManagementClient
from moderate_cli.client.management_calls import date_seconds
from moderate_cli.client.responses import UnreadableResponseError, parse_json
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
    service, request_id = str(item.get("ServiceCode") or ""), str(item["RequestId"])
    url = str(item.get("ImageUrl") or "")
    source = urlsplit(url)._replace(query="", fragment="").geturl() or request_id  # the rest is a signature
    call = Call(
        operation=OPERATION,
        services=(service,) if service else (),
        region=client.region,
        endpoint=client.endpoint,
    )
    known = Item(source, ImageUrl(url), data_id=str(item.get("DataId") or "") or None)
    try:
        at = date_seconds(str(item.get("RequestTime") or item.get("GmtCreate")))
        call = replace(call, answered_at=at)
        verdict = read_verdict(_body(item), call, data_id=known.data_id)
    except UnreadableResponseError as error:
        error.request_id = error.request_id or request_id
        return FoundResult(Failed(item=known, call=call, error=error, verdict=error.verdict), call.answered_at or 0.0)
    except ValueError:  # a time, an Ext or a confidence in another form
        broken = UnreadableResponseError("a result whose time, Ext or confidence cannot be read")
        broken.request_id = request_id
        return FoundResult(Failed(item=known, call=call, error=broken), 0.0)
    return FoundResult(Judged(item=known, call=call, verdict=replace(verdict, raw=item), at=at), at)


def _body(item: Json) -> dict[str, Any]:
    """Return a result in the shape of the answer that it was; there confidences are numbers, and Ext is an object."""
    data: dict[str, Any] = {"DataId": item.get("DataId") or None, "RiskLevel": item.get("RiskLevel") or None}
    results = item.get("Result")
    if isinstance(results, list):
        data["Result"] = [_with_number(each) if isinstance(each, dict) else each for each in results]
    ext = item.get("Ext")
    if isinstance(ext, str) and ext.strip():
        data["Ext"] = parse_json(ext)
    return {"Code": 200, "Msg": "OK", "RequestId": item["RequestId"], "Data": data}


def _with_number(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a finding with its confidence, a text here, as a number; without one it has none."""
    fields, confidence = dict(result), result.get("Confidence")
    if isinstance(confidence, str):
        fields["Confidence"] = float(confidence) if confidence.strip() else None
    return fields


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
