"""A verdict that was read back from its record decides as it did, whatever labels are suppressed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from answer_shapes import SERVICES, cells
from builders import call, item

from moderate_cli.client.responses import UnreadableResponseError
from moderate_cli.client.verdicts import read_verdict
from moderate_cli.models import Judged, RiskLevel, Verdict, highest
from moderate_cli.records import to_outcome, to_record
from moderate_cli.results import Suppression, counted_level, findings

OPERATIONS = {
    "sync": "ImageModeration",
    "batch": "ImageBatchModeration",
    "image": "DescribeImageModerationResult",
    "post": "DescribeMultimodalModerationResult",
}
NAMES = ("X", "Y")
NONE, LOW, HIGH = RiskLevel.NONE, RiskLevel.LOW, RiskLevel.HIGH


def _verdict(body: Mapping[str, Any], channel: str) -> Verdict | None:
    """Return the verdict in an answer, None where it is not one."""
    services = SERVICES if channel == "batch" else SERVICES[:1]
    try:
        return read_verdict(body, call(operation=OPERATIONS[channel], services=services))
    except UnreadableResponseError:
        return None


def _read_back(verdict: Verdict) -> Verdict:
    record = to_record(Judged(item=item(), call=verdict.call, verdict=verdict))
    outcome = to_outcome(json.loads(json.dumps(record)))
    assert isinstance(outcome, Judged)
    return outcome.verdict


def _suppressions(verdict: Verdict) -> Iterator[tuple[Suppression, ...]]:
    """Yield nothing, each of some labels, also of each service, all others, and all."""
    found = [label for label in verdict.labels if label.is_finding]
    each = list(dict.fromkeys(Suppression(label.label, None, "known", "F:1") for label in found))
    yield ()
    yield from ((one,) for one in each[:4])
    yield from ((Suppression(label.label, label.service, "known", "F:1"),) for label in found[:4])
    yield from (tuple(other for other in each if other is not one) for one in each[:4])
    yield tuple(each)


def _check(verdict: Verdict) -> None:
    again = _read_back(verdict)
    assert counted_level(verdict, ()) == highest(each.level for each in findings(verdict, with_none=True)) or NONE
    for suppressions in _suppressions(verdict):
        assert counted_level(again, suppressions) == counted_level(verdict, suppressions), suppressions


def test_each_known_shape() -> None:
    checked = 0
    for shape, channel in cells():
        if channel in OPERATIONS and shape.wants[channel].status == "judged":
            verdict = _verdict(json.loads(shape.make(channel).body), channel)
            if verdict is not None:  # an answer about another post is not read here
                checked += 1
                _check(verdict)
    assert checked > 900


# ------------------------------------------------------------------------------------- answers made at random


def _random_part(chance: random.Random, *, quiet: bool = False) -> dict[str, Any]:
    """Return a part with a level that may be missing or unknown, and labels that may have one of their own."""
    levels = [None, "none", "low", "medium", "high", *([] if quiet else ["critical"])]
    names = [name for name in NAMES if chance.random() < 0.5]
    labels: list[dict[str, Any]] = [{"Label": name} for name in names]
    if not labels or chance.random() < 0.1:
        labels.append({"Label": "nonLabel"})
    for label in labels:
        if chance.random() < 0.25:
            label["RiskLevel"] = chance.choice(levels[1:5])
    level = chance.choice(levels)
    return {"Result": labels} | ({} if level is None else {"RiskLevel": level})


def _random_data(chance: random.Random, channel: str) -> dict[str, Any]:
    data = _random_part(chance)
    parts = [_random_part(chance) for _ in range(chance.choice([1, 2, 3]))]
    match channel:
        case "batch":
            services = [*SERVICES, chance.choice(SERVICES)]
            data["Results"] = [
                {"Service": name, **part} for name, part in zip(services, [*parts, *parts], strict=False)
            ]
        case "image":
            data["Frame"] = json.dumps(parts)
        case "post":
            data["MainData"], data["CommentDatas"] = parts[0], parts[1:]
    return data


def _stated(part: Mapping[str, Any]) -> RiskLevel | None:
    word = part.get("RiskLevel")
    return HIGH if word == "critical" else RiskLevel(word) if word else None


def _most(levels: list[RiskLevel]) -> RiskLevel:
    return highest(levels) or NONE


def _counted(data: Mapping[str, Any], parts: list[dict[str, Any]], suppressed: set[str], *, batch: bool) -> RiskLevel:
    """Work out what counts from the rules alone: each label at its own level or that of the nearest part, and each
    part at its own unless a label in it explains that.
    """

    def level_of(label: Mapping[str, Any], *around: RiskLevel | None) -> RiskLevel:
        nearest = next((level for level in (_stated(label), *around) if level is not None), HIGH)
        return LOW if nearest is NONE and _stated(label) is None else nearest

    whole = _stated(data)
    counted: list[RiskLevel] = []
    inside: list[tuple[str, RiskLevel]] = []
    claims = []
    for part in parts:
        found = [
            (label["Label"], level_of(label, _stated(part), whole))
            for label in part["Result"]
            if label["Label"] != "nonLabel"
        ]
        inside += found
        claims.append((part, found))
    own = []
    for label in data["Result"]:
        if label["Label"] == "nonLabel":
            continue
        copies = [level for name, level in inside if name == label["Label"]]
        is_copy = batch and copies and _stated(label) is None
        own.append((label["Label"], _most(copies) if is_copy else level_of(label, whole)))
    for part, found in [*claims, (data, [*inside, *own])]:
        level = _stated(part) or NONE
        if part.get("RiskLevel") == "critical" or level.rank > _most([each for _, each in found]).rank:
            counted.append(level)
        counted += [_stated(label) or NONE for label in part["Result"] if label["Label"] == "nonLabel"]
    return _most([*counted, *(level for name, level in [*inside, *own] if name not in suppressed)])


@pytest.mark.parametrize("channel", OPERATIONS)
def test_answers_made_at_random(channel: str) -> None:
    chance = random.Random(channel)
    checked = 0
    for _ in range(2_000):
        data = _random_data(chance, channel)
        verdict = _verdict({"Code": 200, "RequestId": "R", "Data": data}, channel)
        if verdict is None:
            continue
        checked += 1
        _check(verdict)
        frames = json.loads(data.get("Frame", "[]"))
        main = [data["MainData"]] if "MainData" in data else []
        parts = [*data.get("Results", []), *frames, *main, *data.get("CommentDatas", [])]
        for names in ((), ("X",), ("Y",), NAMES):
            suppressions = [Suppression(name, None, "known", "F:1") for name in names]
            expected = _counted(data, parts, set(names), batch=channel == "batch")
            counted = counted_level(verdict, suppressions)
            # Of a service that is listed twice the labels count at the higher level.
            assert counted == expected or (len(data.get("Results", [])) == 3 and counted.rank > expected.rank), data
    assert checked > 900
