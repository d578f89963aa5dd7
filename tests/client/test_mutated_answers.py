"""Whatever becomes of the vendor's sample replies: a verdict is never lower than what can be read, and never half read.

What can be read is worked out a second time here, by a walk of its own over the places that the vendor's pages name.
`HYPOTHESIS_PROFILE=thorough` takes 100,000 examples in place of 200.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from samples import REPLIES, vendor_post, vendor_reply

from moderate_cli.client.responses import IN_PROGRESS, Response, UnreadableResponseError, read_body
from moderate_cli.client.verdicts import read_verdict
from moderate_cli.common.errors import ExitCode, ServiceError
from moderate_cli.models import Call, ImageUrl, Item, Json, Known, Outcome, RiskLevel, Verdict
from moderate_cli.records import record_schema, to_outcome, to_record
from moderate_cli.render.json import dump
from moderate_cli.results import GatePolicy, RunSummary
from moderate_cli.scanning.image_judge import judged, without_verdict

EXAMPLES = max(200, settings.default.max_examples)
VALIDATOR = Draft202012Validator(json.loads(record_schema()))
POLICY = GatePolicy(fail_on=RiskLevel.LOW)
BATCH, POSTS = "ImageBatchModeration", "DescribeMultimodalModerationResult"
SERVICES = {
    "ImageModeration": ("baselineCheck_global",),
    BATCH: ("baselineCheck", "tonalityImprove"),
    "DescribeImageModerationResult": ("baselineCheck_global",),
    POSTS: ("post_text_image_detection",),
}
# The post whose parts are those of the sample replies; the vendor's sample request has seven comments.
POST: Json = {**vendor_post(), "commentDatas": vendor_post()["commentDatas"][:3]}


class Sample(NamedTuple):
    """A sample reply: of which operation, and the file's name."""

    folder: str
    name: str

    @property
    def operation(self) -> str:
        return "".join(map(str.capitalize, self.folder.split("_")))

    @property
    def call(self) -> Call:
        return Call(operation=self.operation, services=SERVICES[self.operation], region=None, endpoint="e")

    @property
    def post(self) -> Json | None:
        return POST if self.operation == POSTS else None

    @property
    def reply(self) -> dict[str, Any]:
        return vendor_reply(self.folder, self.name)


SAMPLES = [
    Sample(path.parent.name, path.stem)
    for path in sorted(REPLIES.glob("*/*.json"))
    if path.stem != "submitted"  # it holds no verdict
]

# What the samples mean, by hand: the level, and the findings of the whole with the places of those that have one.
EXPECTED: dict[tuple[str, str], tuple[str, list[str]]] = {
    ("describe_image_moderation_result", "allowlist"): ("none", ["nonLabel_lib"]),
    ("describe_image_moderation_result", "none"): ("none", []),
    ("describe_image_moderation_result", "risk"): (
        "high",
        [
            *("pornographic_adultContent", "sexual_partialNudity", "violent_explosion", "violent_explosion_lib"),
            "contraband_gamble $.frames[0]",  # V22: of a frame alone
        ],
    ),
    ("describe_multimodal_moderation_result", "none"): ("none", []),
    ("describe_multimodal_moderation_result", "risk"): (
        "high",
        [
            "violent_explosion $.mainData",
            "sexual_partialNudity $.mainData",
            "violent_explosion $.commentDatas[0]",
            "sexual_partialNudity $.commentDatas[0]",
            "violent_explosion $.commentDatas[0].commentDatas[0]",
            "violent_explosion $.commentDatas[0].commentDatas[0]",
            "violent_explosion $.commentDatas[1]",
        ],
    ),
    # V21: a label of two services stands there once for each
    ("image_batch_moderation", "allowlist"): ("none", ["nonLabel_lib", "nonLabel_lib"]),
    ("image_batch_moderation", "none"): ("none", []),
    ("image_batch_moderation", "risk"): ("high", ["violent_explosion", "sexual_partialNudity", "pt_programCode"]),
    ("image_moderation", "allowlist"): ("none", ["nonLabel_lib"]),
    ("image_moderation", "custom_image"): ("high", ["pornographic_adultContent_lib"]),
    ("image_moderation", "custom_keyword"): ("high", ["pornographic_adultContent_tii_lib"]),
    ("image_moderation", "logo"): ("high", ["pt_logotoSocialNetwork"]),
    ("image_moderation", "none"): ("none", []),
    ("image_moderation", "person"): ("high", ["political_politicalFigure_3"]),
    ("image_moderation", "risk"): (
        "high",
        ["pornographic_adultContent", "sexual_partialNudity", "violent_explosion", "violent_explosion_lib"],
    ),
    ("image_moderation", "text_risk"): ("high", ["political_politicalFigure_name_tii"]),
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.folder}-{sample.name}")
def test_each_sample_means_what_it_meant(sample: Sample) -> None:
    content = json.dumps(sample.reply).encode()
    code, body = read_body(Response(200, {}, content, 0.0))
    verdict = read_verdict(body, sample.call, data_id=sample.reply["Data"]["DataId"], post=sample.post)
    labels = [" ".join(filter(None, (label.label, label.where))) for label in verdict.labels]
    assert (verdict.risk_level, labels) == EXPECTED[sample]
    assert (code, verdict.reported_level) == (200, sample.reply["Data"]["RiskLevel"])
    assert verdict.complete
    assert not verdict.coverage
    assert not verdict.notes
    clean = verdict.risk_level is RiskLevel.NONE
    assert _exit_code(judged(_known(sample), verdict)) == (ExitCode.OK if clean else ExitCode.FOUND)


def test_each_sample_is_expected() -> None:
    assert set(EXPECTED) == set(SAMPLES)


# JSON that can be changed in ways that Python's objects cannot hold


class Fields(list[tuple[str, Any]]):
    """An object, in which a name may stand twice."""


class Text(list[Any]):
    """JSON text inside the JSON; it holds one value."""


def as_tree(value: Any) -> Any:
    """Return JSON as something to change; a frame's text is opened."""
    if isinstance(value, dict):
        return Fields(
            (name, Text([as_tree(json.loads(part))]) if name == "Frame" else as_tree(part))
            for name, part in value.items()
        )
    return [as_tree(part) for part in value] if isinstance(value, list) else value


def encoded(tree: Any) -> str:
    """Return the JSON text of a tree."""
    if isinstance(tree, Text):
        return json.dumps(encoded(tree[0]))
    if isinstance(tree, Fields):
        return "{" + ",".join(f"{json.dumps(name)}:{encoded(value)}" for name, value in tree) + "}"
    return f"[{','.join(map(encoded, tree))}]" if isinstance(tree, list) else json.dumps(tree)


class Slot(NamedTuple):
    """A place in a tree."""

    holder: list[Any]
    index: int

    @property
    def value(self) -> Any:
        held = self.holder[self.index]
        return held[1] if isinstance(self.holder, Fields) else held

    def put(self, value: Any) -> None:
        held = self.holder[self.index]
        self.holder[self.index] = (held[0], value) if isinstance(self.holder, Fields) else value


def slots(tree: Any) -> Iterator[Slot]:
    """Yield each place in a tree."""
    for index in range(len(tree) if isinstance(tree, list) else 0):
        slot = Slot(tree, index)
        yield slot
        yield from slots(slot.value)


NAMES = ["RiskLevel", "Result", "Results", "Label", "Labels", "Service", "Frame", "Frames", "FrameNum", "MainData"]
NAMES += ["CommentDatas", "Data", "DataId", "Code", "RequestId", "Ext", "CustomImage", "Level", "x"]
VALUES: list[Any] = [None, True, False, 0, 1, 3, -1, 1.5, float("nan"), float("inf"), "", " ", "none", "low", "medium"]
VALUES += ["high", "HIGH ", "safe", "critical", "nonLabel", "nonLabel_lib", "violent_explosion", "200", 200, 280, "[]"]
VALUES += ["baselineCheck", "{}", "null", [], Fields(), ["high"], Fields([("Label", "nonLabel")]), [Fields()], [None]]
VALUES += [Fields([("RiskLevel", "none")]), [Fields([("Label", "violent_explosion")])], Fields([("RiskLevel", "high")])]
CASES: list[Callable[[str], str]] = [str.lower, str.upper, str.swapcase, str.title, "{} ".format, " {}".format]


def drop(slot: Slot, _: int) -> None:
    if isinstance(slot.holder, Text):
        slot.put(None)
    else:
        del slot.holder[slot.index]


def retype(slot: Slot, choice: int) -> None:
    slot.put(deepcopy(VALUES[choice % len(VALUES)]))


def rename(slot: Slot, choice: int) -> None:
    if isinstance(slot.holder, Fields):
        slot.holder[slot.index] = (NAMES[choice % len(NAMES)], slot.value)


def recase(slot: Slot, choice: int) -> None:
    change = CASES[choice % len(CASES)]
    if isinstance(slot.holder, Fields) and choice % 5:
        slot.holder[slot.index] = (change(slot.holder[slot.index][0]), slot.value)
    elif isinstance(slot.value, str):
        slot.put(change(slot.value))


def nest(slot: Slot, choice: int) -> None:
    value = slot.value
    slot.put([[value], Text([value]), Fields([("Data", value)]), Fields([("Result", value)]), [[value]]][choice % 5])


def truncate(slot: Slot, choice: int) -> None:
    value = slot.value
    if isinstance(value, Text):
        value = encoded(value[0])
    if isinstance(value, str | list):
        slot.put(value[: choice % (len(value) + 1)])


def duplicate(slot: Slot, choice: int) -> None:
    value = slot.value if choice % 2 else VALUES[choice // 2 % len(VALUES)]
    if isinstance(slot.holder, Fields):
        name = slot.holder[slot.index][0]
        again = name if choice % 7 == 0 else CASES[choice % len(CASES)](name)
        slot.holder.insert(slot.index + choice % 3 // 2, (again, deepcopy(value)))
    elif not isinstance(slot.holder, Text):
        slot.holder.insert(slot.index, deepcopy(value))


def misplace(slot: Slot, choice: int) -> None:
    if isinstance(slot.holder, Fields):
        slot.holder.append((NAMES[choice % len(NAMES)], deepcopy(VALUES[choice // len(NAMES) % len(VALUES)])))


MUTATIONS = [drop, retype, rename, recase, nest, truncate, duplicate, misplace]
mutations = st.lists(
    st.tuples(st.sampled_from(MUTATIONS), st.integers(0, 4999), st.integers(0, 4999)), min_size=1, max_size=4
)


# What can be read, a second time


class Pairs(list[tuple[str, Any]]):
    """An object as it was written."""

    def all(self, *names: str) -> list[Any]:
        return [value for name, value in self if name.strip().lower() in names and value is not None]


RANKS = {"none": 0, "safe": 0, "low": 1, "medium": 2, "high": 3}


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


@dataclass
class Look:
    """What a walk over the documented places of an answer sees: the highest level there, and whether all was there."""

    call: Call
    highest: int = 0
    is_whole: bool = True
    is_twofold: bool = False
    services: set[str] = field(default_factory=set)
    frames: int = 0
    parts: dict[str, bool] = field(default_factory=dict)

    def see(self, body: Any, data_id: str | None, post: Json | None) -> None:
        """Look at a body."""
        found = body.all("data") if isinstance(body, Pairs) else []
        self.is_twofold = len(found) != 1
        self.need(not self.is_twofold and isinstance(found[0], Pairs))
        if not self.is_whole:
            return
        data = found[0]
        self.need(self.part(data, is_top=True))
        for value in data.all("frame", "frames"):
            self.see_frames(value)
        announced = [self.number(value) for value in data.all("framenum") if not _is_blank(value)]
        self.need(self.frames >= max([*announced, 0]) or max(announced) == 1)
        self.see_post(data, "$")
        wanted = list(self.parts) if post is None else list(self.paths(post, "$"))
        self.need(all(self.parts.get(path, False) for path in wanted))
        if self.call.operation == BATCH:
            self.need(self.services >= {name.lower() for name in self.call.services})
        for value in data.all("dataid"):
            self.need(isinstance(value, str | int | float) and (_is_blank(value) or str(value) == data_id))

    def need(self, is_there: bool) -> None:
        self.is_whole = self.is_whole and is_there

    def number(self, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            self.need(False)
            return 0

    def levels(self, part: Pairs) -> list[int]:
        words = [word for word in part.all("risklevel") if not _is_blank(word)]
        ranks = [RANKS.get(word.strip().lower()) if isinstance(word, str) else None for word in words]
        self.need(None not in ranks)
        return [rank for rank in ranks if rank is not None]

    def part(self, part: Pairs, *, is_top: bool = False) -> bool:
        """Look at the level and the labels of a part, and tell whether it has any."""
        levels = self.levels(part)
        self.highest = max([self.highest, *levels])
        self.need(all(str(code).strip() == "200" for code in part.all("code")))
        is_read = bool(levels)
        for name in ("result", "results"):
            for listed in part.all(name):
                self.need(type(listed) is list)
                for entry in listed if type(listed) is list else ():
                    is_service = name == "results" if self.call.operation == BATCH else _is_service(entry)
                    if is_top and is_service:
                        self.see_service(entry)
                    else:
                        is_read = self.label(entry) or is_read
        return is_read

    def see_service(self, entry: Any) -> None:
        is_read = isinstance(entry, Pairs) and self.part(entry)
        self.need(is_read)
        if is_read:
            self.services |= {str(name).strip().lower() for name in entry.all("service")}

    def label(self, entry: Any) -> bool:
        words = entry.all("label") if isinstance(entry, Pairs) else []
        if len(words) != 1 or not isinstance(words[0], str) or _is_blank(words[0]):
            self.need(False)
            return False
        levels = self.levels(entry)
        if words[0] != "nonLabel_lib":
            self.highest = max([self.highest, *(levels or [int(words[0] != "nonLabel")])])
        return True

    def see_frames(self, value: Any) -> None:
        for _ in range(3):
            if isinstance(value, str) and value.strip():
                try:
                    is_twofold, value = _has_name_twice(value), json.loads(value, object_pairs_hook=Pairs)
                except ValueError:
                    break
                if is_twofold:
                    self.need(False)
                    return
        if value is None or _is_blank(value):
            return
        self.need(type(value) is list)
        for frame in value if type(value) is list else ():
            is_read = isinstance(frame, Pairs) and self.part(frame)
            self.need(is_read)
            self.frames += is_read

    def see_post(self, above: Pairs, path: str) -> None:
        for main in above.all("maindata"):
            for each in main if type(main) is list else [main]:
                self.see_part(each, f"{path}.mainData")
        comments = [each for listed in above.all("commentdatas") if type(listed) is list for each in listed]
        self.need(all(type(listed) is list for listed in above.all("commentdatas")))
        for index, comment in enumerate(comments):
            where = f"{path}.commentDatas[{index}]"
            self.see_part(comment, where)
            if isinstance(comment, Pairs):
                self.see_post(comment, where)

    def see_part(self, part: Any, path: str) -> None:
        self.need(part is None or isinstance(part, Pairs))
        is_read = isinstance(part, Pairs) and self.part(part)
        self.parts[path] = is_read and self.parts.get(path, True)

    def paths(self, post: Json, path: str) -> Iterator[str]:
        """Yield the parts of the post that was sent."""
        if path == "$":
            yield "$.mainData"
        for index, comment in enumerate(post.get("commentDatas") or ()):
            yield f"{path}.commentDatas[{index}]"
            yield from self.paths(comment, f"{path}.commentDatas[{index}]")


def _is_service(entry: Any) -> bool:
    return isinstance(entry, Pairs) and bool(entry.all("service")) and not entry.all("label")


def _has_name_twice(text: str) -> bool:
    found = False

    def look(pairs: list[tuple[str, Any]]) -> Pairs:
        nonlocal found
        found |= len(dict(pairs)) < len(pairs)
        return Pairs(pairs)

    json.loads(text, object_pairs_hook=look)
    return found


# The program's side


def _known(sample: Sample) -> Outcome:
    return Known(item=Item("https://example.com/a.png", ImageUrl("https://example.com/a.png")), call=sample.call)


def _outcome(sample: Sample, content: bytes) -> tuple[Outcome, Verdict | None]:
    """Return what becomes of an answer, and what of it was read."""
    try:
        code, body = read_body(Response(200, {}, content, 0.0))
        if code == IN_PROGRESS:  # pending, or an error: no verdict in any case
            return without_verdict(_known(sample), ServiceError("still running", code="in_progress")), None
        verdict = read_verdict(body, sample.call, data_id=sample.reply["Data"]["DataId"], post=sample.post)
    except UnreadableResponseError as error:
        return without_verdict(_known(sample), error), error.verdict
    except ServiceError as error:
        return without_verdict(_known(sample), error), None
    return judged(_known(sample), verdict), verdict


def _exit_code(outcome: Outcome) -> ExitCode:
    summary = RunSummary(policy=POLICY)
    summary.add(outcome)
    return summary.exit_code(allow_empty=False)


@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == 200,  # a test that fails does so on every machine; the thorough one looks for news
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(sample=st.sampled_from(SAMPLES), changes=mutations)
def test_no_mutated_reply_passes_that_was_not_read_whole(sample: Sample, changes: list[tuple[Any, int, int]]) -> None:
    body = Fields([("body", as_tree(sample.reply))])
    for change, place, choice in changes:
        places = list(slots(body))
        change(places[place % len(places)] if places else Slot([None], 0), choice)
    text = encoded(body[0][1] if body else None)
    look = Look(sample.call)
    look.see(json.loads(text, object_pairs_hook=Pairs), sample.reply["Data"]["DataId"] or None, sample.post)

    outcome, verdict = _outcome(sample, text.encode())
    code = _exit_code(outcome)
    event(code.name)
    if code == ExitCode.OK:
        assert look.is_whole
        assert not look.highest
        assert not _has_name_twice(text)
    if verdict is not None and not look.is_twofold:
        assert (verdict.risk_level or RiskLevel.NONE).rank >= look.highest

    record = to_record(outcome, policy=POLICY)
    VALIDATOR.validate(json.loads(dump(record)))
    again = to_outcome(record)  # as `poll`, `--reuse` and `history` do
    assert _exit_code(again) == code
    if code != ExitCode.INCOMPLETE:
        assert to_record(again)["risk_level"] == record["risk_level"]
