"""What do the operations about results do? They search what was answered, take feedback on it, and count it.

Each takes a call and returns the body of its answer, in the shapes of the vendor's SDK alibabacloud-green20220926
1.13.5.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moderate_cli.common.text import shortened
from moderate_cli.emulator.green import Call, Operation, Service
from moderate_cli.emulator.management_parameters import (
    MAX_COMMENT,
    MAX_NAME,
    REFUSED,
    check_resource,
    in_words,
    is_descending,
    read_json,
    read_page,
    read_switch,
    read_text,
    read_time,
)
from moderate_cli.emulator.messages import BodyError
from moderate_cli.emulator.scan_results import COUNTED, LIFETIME, ScanResult
from moderate_cli.models import RiskLevel

MAX_SPAN = 62 * 24 * 60 * 60
"""Seconds of a query of the usage: "data spanning up to two months" (vendor's console guide, December 2025)."""

_NOT = "!="  # before a label that is not looked for (the same guide)


def get_scan_result(service: Service, call: Call) -> Mapping[str, Any]:
    """Return a page of the results that a query fits, the newest first."""
    check_resource(call.parameters)
    filters = [
        _filter(name, text) for name, text in (read_json(call.parameters, "Query", dict[str, str]) or {}).items()
    ]
    first, last = read_time(call.parameters, "StartDate"), read_time(call.parameters, "EndDate")
    kept = service.results.between(first, last, LIFETIME)
    found = [result for result in kept if all(fits(result) for fits in filters)] if filters else kept
    page = read_page(call.parameters)
    shown = page.of(found[::-1] if is_descending(call.parameters) else found)
    return {"Data": {"Items": [result.described() for result in shown], **page.described(len(found))}}


def _filter(name: str, text: str) -> Callable[[ScanResult], bool]:
    """Return what a part of a query asks for; the keys are those of the results, which is not documented."""
    match name[:1].upper() + name[1:]:
        case "RequestId":
            return lambda result: result.request_id == text
        case "DataId":
            return lambda result: result.data_id == text
        case "ServiceCode":
            return lambda result: result.service == text
        case "Labels" | "Label":
            return _label_filter([label.strip() for label in text.split(",") if label.strip()])
        case "RiskLevel":
            return lambda result: result.level == text
    known = "RequestId, DataId, ServiceCode, Labels and RiskLevel"
    raise BodyError(REFUSED, f"Query: the emulator knows {known}, not {shortened(name)}")


def _label_filter(labels: Iterable[str]) -> Callable[[ScanResult], bool]:
    wanted = {label for label in labels if not label.startswith(_NOT)}
    unwanted = {label.removeprefix(_NOT) for label in labels if label.startswith(_NOT)}
    return lambda result: (not wanted or not wanted.isdisjoint(result.labels)) and unwanted.isdisjoint(result.labels)


def update_scan_result_feedback(service: Service, call: Call) -> Mapping[str, Any]:
    """Keep what somebody says of a result; the values of Feedback are not documented, so any is taken."""
    check_resource(call.parameters)
    request_id = read_text(call.parameters, "QueryRequestId", MAX_NAME)
    said = {"Feedback": read_text(call.parameters, "Feedback", MAX_NAME)}
    for name in ("Labels", "RiskLevel"):
        if text := read_text(call.parameters, name, MAX_COMMENT, required=False):
            said[name] = text
    service.results.give_feedback(request_id, json.dumps(said))
    return {"Data": True}


def get_cip_stats(service: Service, call: Call) -> Mapping[str, Any]:
    """Count the results of a time: calls by service and day or month, or by level, and the labels of each service."""
    check_resource(call.parameters)
    kind, code = call.parameters.get("Type", "cip"), call.parameters.get("ServiceCode")
    if kind not in _GROUPS:
        raise BodyError(REFUSED, f"Type: the emulator counts {' and '.join(_GROUPS)}")
    results = [result for result in _in_span(service, call) if not code or result.service in code.split(",")]
    length = len("YYYY-MM") if read_switch(call.parameters, "ByMonth") else len("YYYY-MM-DD")
    dates = sorted({_date(result, length) for result in results})
    groups = _GROUPS[kind]
    names = sorted({groups(result) for result in results})
    codes = sorted({result.service for result in results})
    return {
        "Data": {
            "TotalStat": _shares(Counter(map(groups, results))),
            "Uids": [service.account_id],
            "X": dates,
            "Y": [_series(name, dates, [each for each in results if groups(each) == name]) for name in names],
            "Z": [
                _series(name, dates, [each for each in results if groups(each) == name and each.is_hit])
                for name in names
            ],
            "LabelStatChart": [
                _chart(name, [each for each in results if each.service == name], length) for name in codes
            ],
        }
    }


_GROUPS: Mapping[str, Callable[[ScanResult], str]] = {
    "cip": lambda result: result.service,
    "risk_level": lambda result: result.level or RiskLevel.NONE.value,
}
"""What each Type of the statistics that are about images counts by; that of risk levels is our reading."""


def _in_span(service: Service, call: Call) -> list[ScanResult]:
    first, last = read_time(call.parameters, "StartDate"), read_time(call.parameters, "EndDate")
    if first is None or last is None:
        raise BodyError(REFUSED, "StartDate and EndDate are needed")
    if not 0 <= last - first <= MAX_SPAN:
        raise BodyError(REFUSED, "StartDate and EndDate must be two months apart at most")
    return service.results.between(first, last, COUNTED)


def _shares(counts: Counter[str]) -> dict[str, dict[str, Any]]:
    """Return how many there are of each name, and which share that is; the SDK names the two Total and Share."""
    total = counts.total()
    return {name: {"Total": count, "Share": f"{100 * count / total:.2f}%"} for name, count in sorted(counts.items())}


def _date(result: ScanResult, length: int) -> str:
    return in_words(result.at)[:length]


def _series(name: str, dates: list[str], results: list[ScanResult]) -> dict[str, Any]:
    length = len(dates[0]) if dates else 0
    counts = Counter(_date(result, length) for result in results)
    return {"Name": name, "Data": [counts[date] for date in dates]}


def _chart(service: str, results: list[ScanResult], length: int) -> dict[str, Any]:
    """Describe the labels of a service, and on which days it found some."""
    dates = sorted({_date(result, length) for result in results})
    hits = [result for result in results if result.is_hit]
    clean = [result for result in results if not result.is_hit]
    described = {label: text for result in results for label, _, text in result.found}
    labels = Counter(label for result in results for label in dict.fromkeys(result.labels))
    return {
        "ServiceCode": service,
        "TotalCount": len(results),
        "TreeChart": [
            {"Name": label, "Value": str(count), "Description": described[label]}
            for label, count in labels.most_common()
        ],
        "X": dates,
        "Y": [_series("hit", dates, hits), _series("nonLabel", dates, clean)],
    }


OPERATIONS: Mapping[str, Operation] = {
    "GetCipStats": get_cip_stats,
    "GetScanResult": get_scan_result,
    "UpdateScanResultFeedback": update_scan_result_feedback,
}
