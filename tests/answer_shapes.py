"""Shapes of answers, and what each of them means to whoever asked: clean, found, failed, incomplete or pending.

A shape is made of the clean answer of each way to ask, changed at the places that its name tells; the rows are those
of the list of faults that the strict reader mends. What it means was worked out by hand from the vendor's pages and
from the rules of that list, and not from what the program does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from faults import Answer
from samples import REPLIES, vendor_post, vendor_reply

Channel = Literal["sync", "batch", "image", "post", "listen"]
"""The ways to ask: `sync`, `batch`, `poll` for an image and for a post, and a callback that `listen` receives."""
CHANNELS: tuple[Channel, ...] = get_args(Channel)

SERVICES = ("baselineCheck", "tonalityImprove")
DATA_ID = "id-1"
POST = {
    "mainData": {"mainContent": "a post"},
    "commentDatas": [{"content": "a comment", "commentDatas": [{"content": "a reply"}]}, {"content": "another one"}],
}
NOTHING = {"Label": "nonLabel", "Description": "nothing found"}
EXEMPT = {"Label": "nonLabel_lib", "Confidence": 83.0, "Description": "in a library of exemptions"}
RISKY = {"Label": "violent_explosion", "Confidence": 81.5, "Description": "fireworks"}
OTHER = {"Label": "contraband_gamble", "Confidence": 90}
HIT = {"CustomImage": [{"ImageId": "12345", "LibId": "L", "LibName": "a library of risks"}]}
GONE = object()
"""A field that is left out."""

Make = Callable[[Channel], Answer]
Change = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class Want:
    """What an answer means: a status, the level of the record, and the exit code under `--fail-on low`.

    `refusal` is the HTTP status with which `listen` turns a callback away, None where it takes it. `holds` is what
    stands in the record besides. Only what is rightly `clean` may pass the gate. What was not read whole is asked
    `again` for the next time.
    """

    status: str
    level: str | None
    code: int
    clean: bool = False
    again: bool = False
    refusal: int | None = None
    holds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """An answer for each way to ask, and what it means there; ways that cannot have it are left out.

    `sent` is the id that was sent with the input, `sent_post` the post; `suppressed` are labels that a file suppresses.
    """

    row: str
    name: str
    make: Make
    wants: Mapping[Channel, Want]
    sent: str | None = DATA_ID
    sent_post: Mapping[str, Any] = field(default_factory=lambda: POST)
    suppressed: tuple[str, ...] = ()


SHAPES: list[Shape] = []


def clean(level: str = "none", **holds: Any) -> Want:
    """Every part was read and nothing that counts was found."""
    return Want("judged", level, 0, clean=True, holds=holds)


def found(level: str, **holds: Any) -> Want:
    """Every part was read, and this is the highest level."""
    return Want("judged", level, 1, holds=holds)


def misread(level: str = "high", **holds: Any) -> Want:
    """A level is no known word, and counts as high because there are findings."""
    return Want("judged", level, 1, again=True, holds=holds)


def partial(level: str = "none", **holds: Any) -> Want:
    """What was answered can be read, and a part was not answered."""
    return Want("judged", level, 3, again=True, holds=holds)


def failed(level: str | None = None, *, refusal: int = 503, code: int = 3, **holds: Any) -> Want:
    """The answer cannot be read; where a level is given, the record keeps that."""
    return Want("failed", level, code, again=True, refusal=refusal, holds=holds)


def pending() -> Want:
    """The task is still running."""
    return Want("pending", None, 5, refusal=503)


def add(row: str, name: str, make: Make, want: Want, *, skip: str = "", **others: Any) -> None:
    """Add a shape; `others` are what it means to single channels, or options of `Shape`."""
    options = {key: others.pop(key) for key in ("sent", "sent_post", "suppressed") if key in others}
    unknown = set(others) - set(CHANNELS)
    assert not unknown, f"no channel is called {unknown}"
    wants = {channel: others.get(channel, want) for channel in CHANNELS if channel not in skip.split()}
    SHAPES.append(Shape(row, name, make, wants, **options))


# Building answers


def service(name: str, **changes: Any) -> dict[str, Any]:
    """The clean answer of one service of a batch, with changes."""
    return changed({"Service": name, "RiskLevel": "none", "Result": [NOTHING]}, changes)


def part(**changes: Any) -> dict[str, Any]:
    """The clean answer about one part of a post, with changes."""
    return changed({"Result": [NOTHING]}, changes)


def frame(**changes: Any) -> dict[str, Any]:
    """The clean answer about one frame, with changes."""
    return changed({"Result": [NOTHING], "TempUrl": "http://127.0.0.1/frame.jpg"}, changes)


def changed(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with others in their place, and without those that are gone."""
    return {name: value for name, value in {**fields, **changes}.items() if value is not GONE}


def clean_data(channel: Channel) -> dict[str, Any]:
    """The `Data` of a clean answer."""
    common = {"DataId": DATA_ID, "RiskLevel": "none"}
    if channel == "post":
        comments = [part(CommentDatas=[part()]), part()]
        return {**common, "MainData": part(), "CommentDatas": comments}
    whole = {**common, "Result": [NOTHING]}
    return {**whole, "Results": [service(name) for name in SERVICES]} if channel == "batch" else whole


def clean_body(channel: Channel) -> dict[str, Any]:
    """The body of a clean answer."""
    return {"Code": 200, "Msg": "OK", "RequestId": "R", "Data": clean_data(channel)}


def data(changes: Mapping[str, Any] | None = None, **more: Any) -> Make:
    """A clean answer with changes in its `Data`."""
    wanted = {**(changes or {}), **more}
    return lambda channel: as_json({**clean_body(channel), "Data": changed(clean_data(channel), wanted)})


def body(changes: Mapping[str, Any] | None = None, **more: Any) -> Make:
    """A clean answer with changes in its body."""
    wanted = {**(changes or {}), **more}
    return lambda channel: as_json(changed(clean_body(channel), wanted))


def edited(change: Change) -> Make:
    """A clean answer of which a function changes the `Data` in place."""

    def make(channel: Channel) -> Answer:
        content = clean_body(channel)
        change(content["Data"])
        return as_json(content)

    return make


def services(*entries: Any, **changes: Any) -> Make:
    """A clean answer with these services, the second of which answers where only one is given."""
    listed = [*entries, service(SERVICES[1])] if len(entries) == 1 else list(entries)
    return data(Results=listed, **changes)


def frames(*entries: Any, number: Any = None, text: Callable[[Any], Any] = json.dumps, **changes: Any) -> Make:
    """A clean answer with these frames, as JSON text inside the JSON."""
    count = len(entries) if number is None else number
    return data(Frame=text(list(entries)), FrameNum=count, **changes)


def main_data(*values: Any, **changes: Any) -> Make:
    """A clean answer with this about the main part of a post: a value, or changes in a clean one."""
    return data(MainData=values[0] if values else part(**changes))


def comments(*entries: Any) -> Make:
    """A clean answer with these comments, of which the first has a clean reply unless it is said."""
    return data(CommentDatas=list(entries))


def reply(*values: Any, **changes: Any) -> Make:
    """A clean answer with this about the one reply."""
    return comments(part(CommentDatas=[values[0] if values else part(**changes)]), part())


def bare(**fields: Any) -> Make:
    """A result without a body around it, as a callback may bring it."""
    return lambda _: as_json(fields)


def raw(content: bytes | str, status: int = 200, **headers: str) -> Make:
    """Bytes with a status."""
    return lambda _: Answer(status, content if isinstance(content, bytes) else content.encode(), headers)


def rewritten(change: Callable[[str], str]) -> Make:
    """A clean answer whose JSON text was changed."""
    return lambda channel: Answer(200, change(as_json(clean_body(channel)).body.decode()).encode())


def under_status(status: int, make: Make | None = None, **headers: str) -> Make:
    """A readable answer under another HTTP status."""
    return lambda channel: Answer(status, (make or body())(channel).body, headers)


def as_json(content: Any) -> Answer:
    """An answer with a body."""
    return Answer(200, json.dumps(content).encode())


def renamed(change: Callable[[str], str], make: Make | None = None) -> Make:
    """An answer whose names are written in another way, at every depth."""

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {change(name): rename(content) for name, content in value.items()}
        return [rename(content) for content in value] if isinstance(value, list) else value

    return lambda channel: as_json(rename(json.loads((make or body())(channel).body)))


def nested(depth: int, inside: Any = 0) -> Any:
    """A value inside so many lists."""
    for _ in range(depth):
        inside = [inside]
    return inside


def quoted_json(value: Any) -> str:
    """JSON text in JSON text."""
    return json.dumps(json.dumps(value))


# What a level or a list of labels may look like, wherever it stands

KNOWN_LEVELS = {
    "HIGH ": "high",
    " high": "high",
    "\tHigh\u3000": "high",
    "MEDIUM": "medium",
    "Low": "low",
    "SAFE": "none",
    "None\n": "none",
}
UNREADABLE_LEVELS: list[Any] = [
    *("critical", "3", "no", "null", "none,high", "高", "high\u200b", "n\u043ene", "x" * 5000, "\ud800", '["high"]'),
    *(3, 0, 1.5, math.nan, math.inf, True, False, ["high"], ["none"], [], {}, {"Level": "none"}),
]
UNREADABLE_LABELS: dict[str, Any] = {
    "JSON text": json.dumps([NOTHING]),
    "text": "nonLabel",
    "empty text": "",
    "text of an empty list": "[]",
    "an object": dict(NOTHING),
    "an empty object": {},
    "an object of labels": {"0": dict(NOTHING)},
    "1": 1,
    "false": False,
    "NaN": math.nan,
    "a list of texts": ["violent_explosion"],
    "a list of nonLabel": ["nonLabel"],
    "a list of null": [None],
    "a list of lists": [[dict(NOTHING)]],
    "an empty label": [{}],
    "no Label": [{"Confidence": 99.0}],
    "only a level": [{"RiskLevel": "high"}],
    "Label null": [{"Label": None}],
    "Label empty": [{"Label": ""}],
    "Label blank": [{"Label": " \t"}],
    "Label 0": [{"Label": 0}],
    "Label a list": [{"Label": ["nonLabel"]}],
    "Label an object": [{"Label": {"Name": "nonLabel"}}],
    "beside readable ones: null": [NOTHING, None],
    "beside readable ones: text": [NOTHING, "violent_explosion"],
    "beside readable ones: an empty label": [NOTHING, {}],
}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 30 else f"{text[:12]}...({len(text)})"


def _everywhere(row: str, name: str, changes: Mapping[str, Any], want: Want) -> None:
    """Add the same change at a service, a frame, the main part, a comment and a reply, for those who have them."""
    add(row, f"service: {name}", services(service(SERVICES[0], **changes)), want, skip="image post listen")
    add(row, f"frame: {name}", frames(frame(), frame(**changes)), want, skip="sync batch post")
    add(row, f"main part: {name}", main_data(**changes), want, skip="batch image listen")
    add(
        row,
        f"comment: {name}",
        comments(part(CommentDatas=[part()]), part(**changes)),
        want,
        skip="sync batch image listen",
    )
    add(row, f"reply: {name}", reply(**changes), want, skip="sync batch image listen")


# The shapes


def _clean_ones() -> None:
    add("clean", "the plain answer", body(), clean(labels=[]))
    add("clean", "names in lower case", renamed(str.lower), clean())
    add("clean", "names in upper case", renamed(str.upper), clean())
    add("clean", "names in camel case", renamed(lambda name: name[:1].lower() + name[1:]), clean())
    add("clean", "white space around the JSON", rewritten(lambda text: f"\r\n \t{text}\n\n "), clean())
    add("clean", "a byte order mark", rewritten(lambda text: f"\ufeff{text}"), clean(), listen=failed(refusal=400))
    add("clean", "unknown fields", data(New={"A": [1, None]}, More=None, VlContent="x"), clean())
    add("clean", "unknown fields in the body", body(Success=True, HostId="h", AccessDeniedDetail=None), clean())
    add("clean", "no message", body(Msg=GONE), clean())
    add("clean", "a message of an error", body(Msg="failed", Message="no"), clean())
    add("clean", "nested but not deep", data(More=nested(20)), clean())
    add("clean", "no level beside nonLabel", data(RiskLevel=GONE, Result=[NOTHING]), clean())
    add("clean", "no labels beside a level", data(Result=GONE), clean())
    add("clean", "null for labels beside a level", data(Result=None), clean())
    add("clean", "no label in the list beside a level", data(Result=[]), clean())
    add("clean", "Results for Result", data(Result=GONE, Results=[NOTHING]), clean(), batch=failed())
    add("clean", "a confidence that is no number", data(Result=[{**NOTHING, "Confidence": "n/a"}]), clean())
    add("clean", "a confidence that is text", data(Result=[{**NOTHING, "Confidence": "81.5"}]), clean())
    add("clean", "a confidence beyond numbers", data(Result=[{**NOTHING, "Confidence": math.inf}]), clean())
    add("clean", "a description that is an object", data(Result=[{**NOTHING, "Description": {"en": "x"}}]), clean())
    add("clean", "usage that is no object", data(Usage="many"), clean())
    add("clean", "auxiliary information as text", data(Ext="{}"), clean())
    add("clean", "auxiliary information of other types", data(Ext={"TextInImage": "x", "LogoData": 3}), clean())
    add("clean", "auxiliary information beyond numbers", data(Ext={"CustomImage": [], "Score": math.inf}), clean())
    add("clean", "auxiliary information with NaN", data(Ext={"LogoData": [{"X": math.nan}]}), clean())
    add("clean", "text that is no UTF-8", data(Result=[{**NOTHING, "Description": "\ud800 x \x00"}]), clean())
    for name in ("image_moderation", "image_batch_moderation", "describe_image_moderation_result"):
        _samples(name)
    _post_samples()


def _samples(operation: str) -> None:
    channels = {"image_moderation": "sync listen image", "image_batch_moderation": "batch"}.get(
        operation, "image listen"
    )
    skipped = " ".join(channel for channel in CHANNELS if channel not in channels.split())
    for path in sorted((REPLIES / operation).glob("*.json")):
        reply_of = vendor_reply(operation, path.stem)
        is_clean = reply_of["Data"]["RiskLevel"] == "none"
        want = clean() if is_clean else found("high")
        add("sample", f"{operation} {path.stem}", lambda _, it=reply_of: as_json(it), want, sent=None, skip=skipped)


def _post_samples() -> None:
    others = "sync batch image listen"
    post = {name: value for name, value in vendor_post().items() if name != "dataId"}
    answered = {"coverage": [("parts", 6, 10)]}
    for name, want in (("none", partial(**answered)), ("risk", partial("high", **answered))):
        whole = vendor_reply("describe_multimodal_moderation_result", name)
        make: Make = lambda _, it=whole: as_json(it)  # noqa: E731
        add("V10", f"the vendor's post with seven comments, {name}", make, want, sent=None, sent_post=post, skip=others)
    smaller = {**post, "commentDatas": post["commentDatas"][:3]}
    whole = vendor_reply("describe_multimodal_moderation_result", "none")
    add("sample", "a post, none", lambda _: as_json(whole), clean(), sent=None, sent_post=smaller, skip=others)


def _found_ones() -> None:
    for level in ("low", "medium", "high"):
        add("found", f"{level} with a label", data(RiskLevel=level, Result=[RISKY]), found(level))
        add("found", f"{level} without labels", data(RiskLevel=level, Result=[]), found(level))
    _everywhere("found", "a level of medium", {"RiskLevel": "medium"}, found("medium"))
    add("found", "a label that nobody knows", data(RiskLevel="high", Result=[{"Label": "brand_new"}]), found("high"))
    names = renamed(str.lower, data(RiskLevel="high", Result=[RISKY]))
    add("found", "names in lower case", names, found("high", labels=["violent_explosion"]))
    add("found", "nonLabel in another case", data(Result=[{"Label": "NONLABEL"}]), found("low"))
    add("found", "nonLabel with white space", data(Result=[{"Label": " nonLabel "}]), found("low"))
    add("found", "a label with half a character", data(RiskLevel="high", Result=[{"Label": "\ud83dx"}]), found("high"))
    add(
        "found", "a label of 100,000 characters", data(RiskLevel="high", Result=[{"Label": "x" * 10**5}]), found("high")
    )
    add("found", "labels beyond number", data(RiskLevel="high", Result=[RISKY] * 2000), found("high"))
    # Findings of one part are findings of the answer.
    add(
        "V22", "a label in one frame alone", frames(frame(), frame(Result=[RISKY])), found("low", where=["$.frames[1]"])
    )
    both = services(service(SERVICES[0], Result=[RISKY]), service(SERVICES[1], Result=[RISKY]), RiskLevel="high")
    add("V21", "a label of two services", both, found("high", of=list(SERVICES)))
    named = services(
        service(SERVICES[0], Result=[RISKY]), service(SERVICES[1], Result=[RISKY]), RiskLevel="high", Result=[RISKY]
    )
    add("V21", "a label of two services and of the whole", named, found("high", of=list(SERVICES)))


def _data_shapes() -> None:
    """V1: there is no result where it should be."""
    whole = {"RiskLevel": "none", "Result": [NOTHING]}
    add("V1", "no Data", body(Data=GONE), failed())
    for name, value in {
        **{_short(value): value for value in (None, {}, [], "", "OK", True, 0, math.nan, [None])},
        "a list of a result": [whole],
        "JSON text": json.dumps(whole),
        "JSON text in JSON text": quoted_json(whole),
        "a result one level deeper": {"Data": whole},
        "a result under another name": {"Result": None, "Output": whole},
        "only DataId": {"DataId": DATA_ID},
        "only Usage": {"Usage": {"Total_tokens": 3}},
        "only Ext": {"Ext": {"TextInImage": {"OcrResult": [{"Text": "x"}]}}},
        "only a frame number": {"FrameNum": 1},
        "snake case": {"risk_level": "none"},
        "another word for the level": {"Level": "none"},
        "empty fields": {"RiskLevel": "", "Result": [], "Results": [], "Frame": "", "MainData": None},
    }.items():
        add("V1", f"Data {name}", body(Data=value), failed())
    add("V1", "the result at the top level", bare(Code=200, RequestId="R", **whole), failed(), listen=clean())
    add("V1", "no Code around a result", bare(**whole), failed(), listen=clean())
    add("V1", "a result at the top level beside Data", body(RiskLevel="high", Result=[RISKY]), failed())
    add("V1", "a list of answers", lambda channel: as_json([clean_body(channel)]), failed(), listen=failed(refusal=400))
    for name, text in {
        "nothing": "",
        "white space": " \n",
        "null": "null",
        "text": '"OK"',
        "a number": "200",
        "HTML": "<html>Sign in</html>",
        "JSON that is cut off": '{"Code": 200, "Data": {"RiskLevel": "none", "Result": [{"La',
        "two documents": '{"Code": 200, "Data": {"RiskLevel": "none"}}{"Code": 200}',
        "comments": '{"Code": 200, /* x */ "Data": {"RiskLevel": "none"}}',
        "single quotes": "{'Code': 200, 'Data': {'RiskLevel': 'none'}}",
        "a trailing comma": '{"Code": 200, "Data": {"RiskLevel": "none"},}',
        "nested too deep": '{"Code": 200, "Data": ' + "[" * 100_000 + "]" * 100_000 + "}",
    }.items():
        add("V1", f"a body of {name}", raw(text), failed(), listen=failed(refusal=400))
    add("V1", "a body that is no UTF-8", raw(b'{"Code": 200, "Data": "\xff\xfe"}'), failed(), skip="listen")
    for name, deep in {
        "an unknown field": data(More=nested(150)),
        "auxiliary information": data(Ext={"CustomImage": nested(400)}),
        "the labels": data(Result=nested(400)),
        "a level": data(RiskLevel=nested(900)),
    }.items():
        add("R1", f"{name} nested deep", deep, failed(), listen=failed(refusal=400))
    deep_comments = lambda channel: _deep_comments(channel, 300)  # noqa: E731
    add("R1", "comments nested 300 deep", deep_comments, failed(), listen=failed(refusal=400))
    add("R1", "a frame nested 400 deep", frames(frame(More=nested(400))), failed())
    twice = lambda text: text.replace('"RiskLevel":', '"RiskLevel": "high", "RiskLevel":', 1)  # noqa: E731
    add("V8", "a level twice under one name", rewritten(twice), failed(), listen=failed(refusal=400))
    data_twice = lambda text: text.replace('"Data":', '"Data": {"RiskLevel": "high"}, "Data":', 1)  # noqa: E731
    add("V8", "Data twice under one name", rewritten(data_twice), failed(), listen=failed(refusal=400))
    add("V8", "Data in two cases", body(data={"RiskLevel": "high", "Result": [RISKY]}), failed())
    add("V8", "Data in two cases, one null", body(data=None), clean())


def _deep_comments(channel: Channel, depth: int) -> Answer:
    comment = part()
    for _ in range(depth):
        comment = part(CommentDatas=[comment])
    return as_json({**clean_body(channel), "Data": changed(clean_data(channel), {"CommentDatas": [comment]})})


def _code_shapes() -> None:
    """V2, V25 and the table of codes: what is no 200 is no verdict."""
    running = {"image": pending(), "post": pending()}
    for code in (280, "280", "280 ", " 280", 280.0):
        add("V2", f"Code {code!r}", body(Code=code), failed(), **running)
    add("V2", "Code 280 without Data", body(Code=280, Data=GONE), failed(), **running)
    add("V2", "code 280", body(Code=GONE, code=280), failed(), **running)
    add("V2", "CODE 280", body(Code=GONE, CODE="280"), failed(), **running)
    for code in ("200", "200 ", " 200\n", 200.0):
        add("V2", f"Code {code!r}", body(Code=code), clean())
    add("V2", "code 200", body(Code=GONE, code=200), clean())
    add("V2", "Code and code 200", body(code="200"), clean())
    without_code = {"listen": clean()}  # what a callback holds may be Data alone
    add("V2", "no Code", body(Code=GONE), failed(), **without_code)
    add("V2", "Code null", body(Code=None), failed(), **without_code)
    for code in ("", "OK", "200.5", "200 OK", "2_00", "２００", True, 200.5, [200], {"Code": 200}):
        add("V26", f"Code {_short(code)}", body(Code=code), failed())
    add("V26", "Code NaN", body(Code=math.nan), failed())
    add("V26", "Code Infinity", body(Code=math.inf), failed())
    add("V26", "Code of 5,000 digits", rewritten(lambda t: t.replace("200", "2" * 5000, 1)), failed(), skip="listen")
    add("V2", "Code 200 and code 500", body(code=500), failed())
    add("V2", "Code 200 and code 280", body(code=280), failed())
    add("V2", "Code 200 and code OK", body(code="OK"), failed())
    for code in (0, -1, 20, 199, 201, 400, 401, 402, 403, 500, 588, 999, 2000):
        add("3.2", f"Code {code}", body(Code=code), failed())
    final = {"listen": Want("failed", None, 3)}  # it is about the image, and pushing it again changes nothing
    for code in (404, 405, 406, 407, 594):
        add("3.2", f"Code {code}", body(Code=code), failed(), **final)
    for code in (408, 596):
        add("3.2", f"Code {code}", body(Code=code), failed(code=4), listen=failed())
    for status in (201, 202, 204, 206, 226, 302, 304):
        add("V25", f"HTTP {status} with a readable body", under_status(status), failed(), skip="listen")
    risky = data(RiskLevel="high", Result=[RISKY])
    add("V25", "HTTP 206 with findings", under_status(206, risky), failed(), skip="listen")
    moved = under_status(302, Location="http://127.0.0.1:9/")
    add("V25", "HTTP 302 to another place", moved, failed(), skip="listen")
    for status in (400, 404, 429, 500, 503):
        add("V25", f"HTTP {status} with a readable body", under_status(status), failed(), skip="listen")
    for status in (201, 302, 403, 414, 502):
        add("V25", f"HTTP {status} with HTML", raw("<html>no</html>", status), failed(), skip="listen")


def _level_shapes() -> None:
    """V3 and V13: levels in every writing."""
    for word, level in KNOWN_LEVELS.items():
        want = clean() if level == "none" else found(level, reported_level=word)
        add("V3", f"RiskLevel {word!r}", data(RiskLevel=word), want)
    for value in UNREADABLE_LEVELS:
        name = _short(value)
        add("V3", f"RiskLevel {name} beside nonLabel", data(RiskLevel=value, Result=[NOTHING]), failed())
    for value in ("critical", 3, ["high"], {}, math.nan, "x" * 5000):
        name = _short(value)
        add("V3", f"RiskLevel {name} alone", data(RiskLevel=value, Result=GONE), failed())
        word = value if isinstance(value, str) else None if value is math.nan else json.dumps(value)
        holds = {"reported_level": word[:200]} if word else {}
        labelled = data(RiskLevel=value, Result=[RISKY])
        add("V13", f"RiskLevel {name} beside a label", labelled, misread(labels=["violent_explosion"], **holds))
    for value in ("critical", 3, []):
        _everywhere("V3", f"RiskLevel {_short(value)} beside nonLabel", {"RiskLevel": value}, failed())
    _everywhere("V13", "critical beside a label", {"RiskLevel": "critical", "Result": [RISKY]}, misread())
    in_part = {"MainData": part(Result=[RISKY])}
    add("V13", "critical above a label in the main part", data(RiskLevel="critical", **in_part), misread())
    in_service = services(service(SERVICES[0], Result=[RISKY]), RiskLevel="critical", Result=GONE)
    add("V13", "critical above a label of a service", in_service, misread())
    in_frame = frames(frame(), frame(Result=[RISKY]), RiskLevel="critical", Result=GONE)
    add("V13", "critical above a label in a frame", in_frame, misread())
    for name, value in {"no": GONE, "null": None, "empty": "", "blank": " \t"}.items():
        add("V3", f"{name} RiskLevel beside nonLabel", data(RiskLevel=value, Result=[NOTHING]), clean())
        add("V3", f"{name} RiskLevel alone", data(RiskLevel=value, Result=GONE), failed())
        add("V3", f"{name} RiskLevel and no label", data(RiskLevel=value, Result=[]), failed())
        add("V3", f"{name} RiskLevel beside a label", data(RiskLevel=value, Result=[RISKY]), found("high"))
    add("V3", "a label at critical", data(Result=[{**RISKY, "RiskLevel": "critical"}]), misread())
    add("V3", "a label at [none]", data(Result=[{**RISKY, "RiskLevel": ["none"]}]), misread())
    add("V3", "nonLabel at critical", data(Result=[{**NOTHING, "RiskLevel": "critical"}]), failed())
    add("V3", "nonLabel_lib at 3", data(Result=[{**EXEMPT, "RiskLevel": 3}]), failed())
    add("V3", "a label at HIGH", data(Result=[{**RISKY, "RiskLevel": "HIGH "}]), found("high"))
    for other in ("riskLevel", "risklevel", "RISKLEVEL", "RiskLEVEL", " RiskLevel "):
        add("V8", f"none, and {other} high", data({other: "high"}), found("high"))
    add("V8", "high, and riskLevel none", data({"riskLevel": "none"}, RiskLevel="high"), found("high"))
    add("V8", "none, and riskLevel critical", data({"riskLevel": "critical"}), failed())
    add("V8", "none, and riskLevel null", data({"riskLevel": None}), clean())
    add("V3", "riskLevel alone", data({"riskLevel": "high"}, RiskLevel=GONE), found("high"))
    add("V3", "RISKLEVEL alone", data({"RISKLEVEL": "none"}, RiskLevel=GONE), clean())


def _label_shapes() -> None:
    """V4: labels in every shape."""
    for name, value in UNREADABLE_LABELS.items():
        add("V4", f"Result: {name}, beside a level", data(Result=value), failed())
    for name in ("JSON text", "a list of texts", "no Label", "Label null", "an object"):
        value = UNREADABLE_LABELS[name]
        add("V4", f"Result: {name}, without a level", data(Result=value, RiskLevel=GONE), failed())
        add("V4", f"Result: {name}, under high", data(Result=value, RiskLevel="high"), failed("high"))
    for name in ("JSON text", "no Label"):
        _everywhere("V4", f"Result: {name}", {"Result": UNREADABLE_LABELS[name]}, failed())
    for name, value in {"null": None, "text": "x", "Label 0": {"Label": 0}}.items():
        kept = failed("high", labels=["violent_explosion"])
        risky = [{**RISKY, "RiskLevel": "high"}, value]
        add("V4", f"a finding beside {name}", data(Result=risky), kept)
    add("V4", "Labels for Result", data(Result=GONE, Labels=[RISKY]), failed())
    add("V4", "Labels for Result, without a level", data(Result=GONE, RiskLevel=GONE, Labels=[RISKY]), failed())
    add("V4", "Labels beside Result", data(Labels=[RISKY]), failed())
    add("V4", "labels beside Result", data(labels=["violent_explosion"]), failed())
    add("V4", "Label for Result", data(Result=GONE, Label="violent_explosion"), failed())
    add("V4", "Labels for Result as text", data(Result=GONE, Labels="violent_explosion"), failed())
    _everywhere("V4", "Labels for Result", {"Result": GONE, "Labels": [RISKY], "RiskLevel": "none"}, failed())
    add("V8", "Result and result", data(result=[RISKY]), found("low"))
    add("V8", "Result and RESULT as text", data(RESULT="x"), failed())
    add("V8", "Label and label", data(Result=[{**NOTHING, "label": "violent_explosion"}]), failed())
    add("V8", "Label and label null", data(Result=[{**NOTHING, "label": None}]), clean())
    add("V26", "Label a list, under high", data(RiskLevel="high", Result=[{"Label": ["x"]}]), failed("high"))


def _post_shapes() -> None:
    """V5 and V10: the parts of a post."""
    lone = {"RiskLevel": GONE, "Result": GONE}
    for level in ("low", "high"):
        want = found(level)
        add("V5", f"{level} at the main part alone", data(MainData={"RiskLevel": level}, **lone), want, batch=want)
        first = {"RiskLevel": level, "CommentDatas": [part()]}
        add("V5", f"{level} at a comment alone", data(CommentDatas=[first, part()], **lone), want)
        deep = part(CommentDatas=[{"RiskLevel": level}])
        add("V5", f"{level} at a reply alone", data(CommentDatas=[deep, part()], **lone), want)
    add("V5", "none at the main part alone", data(MainData={"RiskLevel": "none"}, **lone), failed())
    for name, value in {
        "text": "nonLabel",
        "JSON text": json.dumps(part()),
        "a number": 3,
        "a list of text": ["nonLabel"],
    }.items():
        add("V5", f"MainData {name}", main_data(value), failed())
        add("V5", f"a comment that is {name}", comments(value, part()), failed())
        add("V5", f"a reply that is {name}", reply(value), failed())
    add("V5", "MainData false", main_data(False), failed())
    add("V5", "MainData as a list", main_data([part()]), clean())
    add("V5", "MainData as a list with a finding", main_data([part(RiskLevel="high")]), found("high"))
    add("V8", "MainData as a list: high, then clean", main_data([part(RiskLevel="high"), part()]), found("high"))
    add("V8", "MainData as a list: clean, then high", main_data([part(), part(RiskLevel="high")]), found("high"))
    add("V8", "MainData and mainData", data({"MainData": part(), "mainData": part(RiskLevel="high")}), found("high"))
    add("V8", "mainData and MainData", data({"mainData": part(RiskLevel="high"), "MainData": part()}), found("high"))
    add("V8", "MainData and mainData with labels", data(mainData=part(Result=[RISKY])), found("low"))
    for value in ("text", "[]", 3, True, {}, {"0": part()}):
        add("V5", f"CommentDatas {_short(value)}", data(CommentDatas=value), failed())
    # An unanswered part leaves an answer incomplete; where nobody knows the post, only what is there can be missed.
    unknown = {"sync": clean(), "batch": clean(), "image": clean(), "listen": clean()}
    of_post = {"coverage": [("parts", 3, 4)]}
    for name, value in {"no": GONE, "null": None}.items():
        add("V10", f"{name} MainData", data(MainData=value), partial(**of_post), **unknown)
        add("V10", f"{name} CommentDatas", data(CommentDatas=value), partial(coverage=[("parts", 1, 4)]), **unknown)
    add("V10", "no comment in the list", comments(), partial(coverage=[("parts", 1, 4)]), **unknown)
    add("V10", "the last comment is missing", comments(part(CommentDatas=[part()])), partial(**of_post), **unknown)
    add("V10", "the reply is missing", comments(part(), part()), partial(**of_post), **unknown)
    add("V10", "the replies are null", comments(part(CommentDatas=None), part()), partial(**of_post), **unknown)
    for name, value in {"null": None, "{}": {}, "no label": {"Result": []}, "Ext": {"Ext": {}}}.items():
        add("V10", f"a comment that is {name}", comments(part(CommentDatas=[part()]), value), partial())
        add("V10", f"a reply that is {name}", reply(value), partial())
        if value is not None:
            add("V10", f"MainData that is {name}", main_data(value), partial())
    high = comments(part(RiskLevel="high"), None)
    add("V10", "high beside a comment that is null", high, partial("high"))
    add(
        "V10",
        "the whole high, a comment missing",
        data(RiskLevel="high", CommentDatas=[part()]),
        partial("high"),
        **{channel: found("high") for channel in ("sync", "batch", "image", "listen")},
    )
    further = comments(part(CommentDatas=[part(CommentDatas=[part()])]), part(), part())
    add("V10", "more parts than were sent", further, clean())
    deeper = comments(part(CommentDatas=[part(CommentDatas=[part(RiskLevel="high")])]), part())
    add("V10", "high at a part that was not sent", deeper, found("high"))
    add("V10", "text at a part that was not sent", comments(part(CommentDatas=[part()]), part(), "x"), failed())


def _frame_shapes() -> None:
    """V6 and V23: the frames of an animation."""
    two = (frame(), frame())
    of_two = {"billed_calls": 2}
    add("V6", "two frames as text", frames(*two), clean(), image=clean(**of_two), listen=clean(**of_two))
    add("V6", "two frames as a list", frames(*two, text=list), clean())
    add("V6", "two frames in JSON text in JSON text", frames(*two, text=quoted_json), clean())
    add("V6", "a number of frames as text", frames(*two, number="2"), clean())
    add("V6", "no number of frames", frames(*two, number=GONE), clean())
    add("V6", "more frames than their number", frames(*two, number=1), clean())
    add("V6", "frames in lower case", renamed(str.lower, frames(*two)), clean())
    as_go = json.dumps([{"result": [{"confidence": 81.22, "label": "x"}], "tepmUrl": "u"}] * 2)
    add("V6", "the page's frames in lower case", data(Frame=as_go, FrameNum=2), found("low"))
    for number in (GONE, None, "", 0, 1, "1"):
        for value in (GONE, None, "", [], "[]"):
            name = ["no" if each is GONE else _short(each) for each in (number, value)]
            if number == 1 or value in (GONE, ""):
                add("V6", f"{name[0]} FrameNum, {name[1]} Frame", data(FrameNum=number, Frame=value), clean())
    for name, value in {
        "cut off": json.dumps([frame(), frame()])[:-20],
        "text": "three",
        "an object of frames": json.dumps({"Frames": [frame()]}),
        "an object without frames": json.dumps({"Frames": []}),
        "an object": {"Frames": [frame()]},
        "a frame and no list": json.dumps(frame()),
        "a number": 3,
        "true": True,
        "false": False,
        "JSON text of a number": "3",
        "JSON text four times": json.dumps(json.dumps(json.dumps(json.dumps([frame()])))),
        "two documents": "[] []",
        "nested too deep": "[" * 100_000,
        "names twice": '[{"RiskLevel": "high", "RiskLevel": "none"}]',
        "text in a list": json.dumps(["nonLabel"]),
        "null in a list": json.dumps([frame(), None]),
        "JSON text in a list": json.dumps([json.dumps(frame())]),
        "a list in a list": json.dumps([[frame()]]),
    }.items():
        add("V6", f"Frame {name}", data(Frame=value, FrameNum=1), failed())
        if name in {"cut off", "text", "an object of frames", "text in a list"}:
            add("V6", f"Frame {name}, under high", data(Frame=value, FrameNum=3, RiskLevel="high"), failed("high"))
    for value in (GONE, None, "", "[]"):
        name = "no" if value is GONE else _short(value)
        add("V6", f"FrameNum 3, {name} Frame", data(FrameNum=3, Frame=value), failed())
    short = {"coverage": [("frames", 2, 30)]}
    add("V6", "2 frames of 30", frames(*two, number=30), partial(**short), image=partial(**short, billed_calls=30))
    add("V6", "2 frames of 30, one high", frames(frame(), frame(RiskLevel="high"), number=30), partial("high", **short))
    add("V6", "1 frame of 2", frames(frame(), number=2), partial(coverage=[("frames", 1, 2)]))
    add("V6", "FrameNum 2, frameNum 30", data(Frame=[*two], FrameNum=2, frameNum=30), partial(**short))
    add("V6", "Frame and frame", data(Frame=[*two], FrameNum=2, frame=[frame(RiskLevel="high")]), found("high"))
    add("V6", "Frame and frame as text", data(Frame=[*two], FrameNum=2, frame="x"), failed())
    add("V6", "Frames for Frame", data(Frames=[frame(), frame(RiskLevel="high")], FrameNum=2), found("high"))
    for number in ("three", -1, 1.5, True, [], {}, math.nan, math.inf, 10**30):
        add("V6", f"FrameNum {_short(number)}", data(FrameNum=number), failed())
    for name, changes in {
        "nothing": {},
        "only an address": {"TempUrl": "u"},
        "no label": {"Result": []},
        "only text in it": {"TextInImage": {"OcrResult": [{"Text": "x"}]}},
        "an error code": {"RiskLevel": "none", "Code": 500},
    }.items():
        add("V6", f"a frame with {name}", frames(frame(), {**changes}), failed())
    add("V6", "a frame with a level alone", frames(frame(), {"RiskLevel": "none"}), clean())
    add("V6", "frames without a level at the whole", frames(*two, RiskLevel=GONE, Result=GONE), failed())
    hit = frames(frame(), {**HIT, "TempUrl": "u"})
    add("V7", "a library hit in a frame", hit, found("high"))
    add("V26", "an address that is an object", frames(frame(TempUrl={"a": 1}), frame()), failed())


def _library_shapes() -> None:
    """V7 and V11: libraries of the account's own."""
    lone = {"RiskLevel": GONE, "Result": GONE}
    text_hit = {"TextInImage": {"CustomText": [{"KeyWords": "k", "LibId": "L"}], "RiskWord": None}}
    add("V7", "only a hit in a library of images", data(Ext=HIT, **lone), found("high"))
    add("V7", "only a hit in a library of texts", data(Ext=text_hit, **lone), found("high"))
    add("V7", "a hit, null and no labels", data(Ext=HIT, RiskLevel=None, Result=[]), found("high"))
    add("V7", "a hit beside an empty level", data(Ext=HIT, RiskLevel=" ", Result=None), found("high"))
    add("V7", "a hit in lower case", renamed(str.lower, data(Ext=HIT, **lone)), found("high"))
    add("V7", "a hit beside a level of none", data(Ext=HIT, Result=[]), clean())
    add("V7", "a hit beside nonLabel_lib", data(Ext=HIT, RiskLevel=GONE, Result=[EXEMPT]), clean())
    add("V7", "a hit beside an unreadable level", data(Ext=HIT, RiskLevel="critical", Result=GONE), failed())
    for value in (None, []):
        add("V7", f"CustomImage {_short(value)} alone", data(Ext={"CustomImage": value}, **lone), failed())
    _everywhere("V7", "only a hit in a library", {"Ext": HIT, "Result": GONE, "RiskLevel": GONE}, found("high"))
    exempt = clean(labels=["nonLabel_lib"])
    add("V11", "nonLabel_lib without a level", data(RiskLevel=GONE, Result=[EXEMPT]), exempt)
    add("V11", "nonLabel_lib at none", data(Result=[EXEMPT]), exempt)
    add("V8", "nonLabel_lib at high by itself", data(Result=[{**EXEMPT, "RiskLevel": "high"}]), exempt)
    add("V8", "high beside nonLabel_lib", data(RiskLevel="high", Result=[EXEMPT]), found("high"))
    add("V8", "nonLabel_lib beside a label", data(Result=[EXEMPT, RISKY]), found("low"))
    add(
        "V8", "nonLabel_lib beside a label without a level", data(RiskLevel=GONE, Result=[EXEMPT, RISKY]), found("high")
    )
    _everywhere("V11", "nonLabel_lib without a level", {"Result": [EXEMPT], "RiskLevel": GONE}, clean())


def _contradictions() -> None:
    """V8: what contradicts itself counts at its highest, and is told."""
    said = {"notes": "contradicts itself"}
    add("V8", "none beside a label", data(Result=[RISKY]), found("low", **said))
    for level in ("low", "high"):
        add("V8", f"none beside a label at {level}", data(Result=[{**RISKY, "RiskLevel": level}]), found(level, **said))
        _everywhere("V8", f"{level}, the whole none", {"RiskLevel": level, "Result": [RISKY]}, found(level, **said))
    low = data(RiskLevel="low", Result=[{**RISKY, "RiskLevel": "high"}])
    add("V8", "low beside a label at high", low, found("high", **said))
    add(
        "V8",
        "high beside a label at low",
        data(RiskLevel="high", Result=[{**RISKY, "RiskLevel": "low"}]),
        found("high"),
    )
    add("V8", "high beside nonLabel", data(RiskLevel="high"), found("high"))
    add("V8", "none beside nonLabel at high", data(Result=[{**NOTHING, "RiskLevel": "high"}]), found("high", **said))
    add(
        "V8",
        "no level beside nonLabel at low",
        data(RiskLevel=GONE, Result=[{**NOTHING, "RiskLevel": "low"}]),
        found("low"),
    )
    add("V8", "nonLabel beside a label", data(Result=[NOTHING, RISKY]), found("low"))
    at_none = data(Result=[{**RISKY, "RiskLevel": "none"}])
    add("V8", "none beside a label at none", at_none, clean(notes=""))
    add("V8", "no level beside a label at none", data(RiskLevel=GONE, Result=[{**RISKY, "RiskLevel": "safe"}]), clean())
    add(
        "V8",
        "high beside a label at none",
        data(RiskLevel="high", Result=[{**RISKY, "RiskLevel": "none"}]),
        found("high"),
    )
    _everywhere("V8", "a label, the whole none", {"Result": [RISKY], "RiskLevel": GONE}, found("low"))
    blank = {"RiskLevel": GONE}
    in_frame = frames(frame(), frame(Result=[RISKY]), RiskLevel=GONE)
    add("V8", "a label in a frame, no level anywhere", in_frame, found("high"))
    in_main = data(MainData=part(Result=[RISKY]), **blank)
    add("V8", "a label in the main part, no level anywhere", in_main, found("high"))
    medium = data(RiskLevel="medium", MainData=part(Result=[RISKY]))
    add("V8", "a label in the main part, the whole medium", medium, found("medium"))
    nearest = frames(frame(), frame(RiskLevel="low", Result=[RISKY]), RiskLevel="none")
    add("V8", "a label in a frame at low", nearest, found("low"))


def _batch_shapes() -> None:
    """V9: the services of a batch; in other answers they are a surplus that counts."""
    kept = {"sync": clean(), "image": clean(), "post": clean(), "listen": clean()}
    first, second = (service(name) for name in SERVICES)
    missing = failed("none", error=SERVICES[1], coverage=[("services", 1, 2)], services=[SERVICES[0]])
    add("V9", "the second service is missing", data(Results=[first]), missing, **kept)
    risky = data(Results=[service(SERVICES[0], RiskLevel="high", Result=[RISKY])])
    high = {channel: found("high") for channel in kept}
    add("V9", "one high, the second missing", risky, failed("high", labels=["violent_explosion"]), **high)
    for name, value in {"no": GONE, "null": None, "empty": []}.items():
        add("V9", f"{name} Results", data(Results=value), failed("none", error=SERVICES[0]), **kept)
    for name, value in {
        "text": "[]",
        "JSON text": json.dumps([first, second]),
        "an object": {SERVICES[0]: first, SERVICES[1]: second},
        "a list of texts": list(SERVICES),
        "a list with null": [first, second, None],
        "a list of lists": [[first, second]],
    }.items():
        add("V9", f"Results: {name}", data(Results=value), failed())
    add("V9", "Results: labels", data(Results=[NOTHING]), failed(), **kept)
    for code in (500, "Throttling", {"a": 1}):
        broken = {"Service": SERVICES[1], "Code": code, "Msg": "failed"}
        add("V9", f"a service with the code {_short(code)}", services(first, broken), failed(error=SERVICES[1]))
        silent = service(SERVICES[1], Code=code)
        add("V9", f"a clean service with the code {_short(code)}", services(first, silent), failed(error=SERVICES[1]))
    add("V9", "services with the code 200", services(service(SERVICES[0], Code=200, Msg="OK"), second), clean())
    add("V9", "another service than asked", services(first, service("aigcCheck")), failed(error=SERVICES[1]), **kept)
    add("V9", "one service twice, the other missing", services(first, first), failed(error=SERVICES[1]), **kept)
    further = services(first, second, service("aigcCheck"))
    add("V9", "a further service", further, clean(notes="aigcCheck"))
    add(
        "V9",
        "a further service at high",
        services(first, second, service("aigcCheck", RiskLevel="high")),
        found("high"),
    )
    add("V9", "a further service without a level", services(first, second, {"Service": "aigcCheck"}), failed())
    add(
        "V9",
        "a service twice, high once",
        services(first, second, service(SERVICES[0], RiskLevel="high")),
        found("high"),
    )
    add("V9", "names in upper case", services(*(service(name.upper()) for name in SERVICES)), clean())
    add("V9", "names with white space", services(*(service(f" {name}\n") for name in SERVICES)), clean())
    add("V9", "an empty service", services(first, {"Service": SERVICES[1]}), failed())
    add("V9", "a service with an empty list", services(first, {"Service": SERVICES[1], "Result": []}), failed())
    add("V9", "a service with a level alone", services(first, {"Service": SERVICES[1], "RiskLevel": "none"}), clean())
    add("V9", "a service with nonLabel alone", services(first, {"Service": SERVICES[1], "Result": [NOTHING]}), clean())
    add("V9", "a service without a name", services(first, service(SERVICES[1], Service=GONE)), failed())
    for value in ("", " ", {}, ["a"], True):
        named = service(SERVICES[1], Service=value)
        add("V26", f"Service {_short(value)}", services(first, named), failed())
    add("V26", "Service 3", services(first, service(SERVICES[1], Service=3)), failed(error=SERVICES[1]), **kept)
    add("V8", "Service and service", services(first, service(SERVICES[1], service="other")), failed())
    add(
        "V9",
        "services without a level at the whole",
        data(RiskLevel=GONE, Result=GONE, Results=[first, second]),
        failed(),
    )
    for code in (500, "Error"):
        add("V9", f"Data with the code {code}", data(Code=code), failed())
    _everywhere("V9", "the code 500", {"Code": 500, "RiskLevel": "none"}, failed())
    billed = body()
    add("V23", "a plain answer is billed", billed, clean(billed_calls=1), batch=clean(billed_calls=2), post=clean())


def _ids() -> None:
    """V14 and V26: whom an answer is about."""
    for value in ("other", f" {DATA_ID}", DATA_ID.upper(), 7, "null"):
        add("V14", f"DataId {value!r}", data(DataId=value), failed())
    add("V14", "another DataId beside high", data(DataId="other", RiskLevel="high", Result=[RISKY]), failed("high"))
    add("V14", "another dataId", data({"dataId": "other"}, DataId=GONE), failed())
    add("V14", "DataId and another dataid", data(dataid="other"), failed())
    for name, value in {"no": GONE, "null": None, "empty": ""}.items():
        add("V14", f"{name} DataId", data(DataId=value), clean())
    add("V14", "a DataId where none was sent", data(DataId="other"), clean(), sent=None)
    asked = {"skip": "sync batch listen"}
    add("V14", "another ReqId", data(ReqId="other"), failed("none"), **asked)
    add("V14", "another taskid beside high", data(taskid="other", RiskLevel="high"), failed("high"), **asked)
    add("V14", "two ReqIds", data({"ReqId": "a", "reqId": "b"}), failed("none"), **asked)
    for value in ({"a": 1}, [DATA_ID], True, ["x" * 5000]):
        add("V26", f"DataId {_short(value)}", data(DataId=value), failed())
        add("V26", f"RequestId {_short(value)}", body(RequestId=value), failed())
    add("V26", "ReqId an object", data(ReqId={"a": 1}), failed())
    add("V26", "a number for RequestId", body(RequestId=7), clean(request_id="7"))
    add("V26", "RequestId null", body(RequestId=None), clean(request_id=None))


def _allowed_ones() -> None:
    """V15: a suppression takes away what it names, and nothing else."""
    both = {"suppressed": ("violent_explosion",), "skip": "listen"}
    add("V15", "a suppressed label explains the level", data(RiskLevel="high", Result=[RISKY]), clean("high"), **both)
    add("V15", "a suppressed label beside none", data(Result=[RISKY]), clean("low"), **both)
    add("V15", "a suppressed label, critical", data(RiskLevel="critical", Result=[RISKY]), misread(), **both)
    medium = data(RiskLevel="high", Result=[{**RISKY, "RiskLevel": "medium"}])
    add("V15", "a suppressed label below the level", medium, found("high"), **both)
    add(
        "V15",
        "a suppressed label beside another",
        data(RiskLevel="high", Result=[RISKY, OTHER]),
        found("high"),
        **both,
    )
    at_none = data(RiskLevel="high", Result=[RISKY, {**NOTHING, "RiskLevel": "high"}])
    add("V15", "a suppressed label beside nonLabel at high", at_none, found("high"), **both)
    unlabelled = frames(frame(), {"RiskLevel": "high"}, Result=[RISKY])
    add("V15", "a suppressed label beside a frame at high", unlabelled, found("high"), **both)
    named = services(service(SERVICES[0], RiskLevel="high", Result=[]), Result=[RISKY], RiskLevel="high")
    add("V15", "a suppressed label beside a service at high", named, found("high"), **both)
    add(
        "V15",
        "a suppressed label beside MainData at high",
        data(RiskLevel="high", Result=[RISKY], MainData={"RiskLevel": "high"}),
        found("high"),
        **both,
    )
    unread = data(RiskLevel="high", Result=[RISKY, {"Label": ""}])
    add("V15", "a suppressed label beside an unreadable one", unread, failed("high"), **both)
    hit = frames(frame(), HIT, RiskLevel="high", Result=[RISKY])
    add("V15", "a suppressed label beside a library hit", hit, found("high"), **both)
    unknown = frames(frame(), frame(RiskLevel="critical", Result=[RISKY]), RiskLevel="high", Result=[RISKY])
    add("V15", "a suppressed label in a frame at critical", unknown, misread(), **both)
    worse = data(RiskLevel="high", Result=[{**RISKY, "RiskLevel": "critical"}])
    itself = Want("judged", "high", 0, clean=True, again=True)
    add("V15", "a suppressed label that is itself at critical", worse, itself, **both)
    listed = {"RiskLevel": "high", "Result": [RISKY, OTHER]}
    lower = services(service(SERVICES[0], RiskLevel="low", Result=[RISKY, OTHER]), **listed)
    add("V15", "a suppressed label, a service below the whole", lower, found("high"), **both)
    stated = {"RiskLevel": "high", "Result": [RISKY, {**OTHER, "RiskLevel": "high"}]}
    raised = services(service(SERVICES[0], RiskLevel="low", Result=[RISKY, OTHER]), **stated)
    add("V15", "a suppressed label beside one that the whole puts higher", raised, found("high"), **both)
    other = service(SERVICES[0], RiskLevel="high", Result=[OTHER])
    twice = services(service(SERVICES[0]), other, service(SERVICES[1], RiskLevel="high", Result=[RISKY]), **listed)
    add("V15", "a suppressed label, a service listed twice", twice, found("high"), **both)
    partly = frames(frame(Result=[RISKY]), number=3, RiskLevel="high", Result=[RISKY])
    add("V15", "a suppressed label, frames missing", partly, partial("high"), **both)


def _callbacks() -> None:
    """V17: what is pushed without a body around it; anywhere else it is a result at the top level."""
    risky = {"RiskLevel": "high", "Result": [RISKY]}
    add("V17", "a bare result at high", bare(**risky), failed(), listen=found("high"))
    add("V17", "a bare result, none", bare(RiskLevel="none"), failed(), listen=clean())
    for name, content in {
        "no label": {"Result": []},
        "a broken frame": {"Frame": "[{broken"},
        "an empty main part": {"MainData": {}},
        "critical": {"RiskLevel": "critical"},
        "critical beside nonLabel": {"RiskLevel": "critical", "Result": [NOTHING]},
        "nothing": {},
        "a code alone": {"Code": 200},
        "only usage": {"Usage": {}},
        "JSON text": {"Result": json.dumps([RISKY])},
        "empty comments": {"CommentDatas": []},
        "frames without a level": {"Frames": [{}]},
    }.items():
        add("V17", f"a bare result: {name}", bare(**content), failed(), listen=failed())
    add("V17", "critical beside a label", bare(RiskLevel="critical", Result=[RISKY]), failed(), listen=misread())


def _all() -> Iterator[Callable[[], None]]:
    yield from (_clean_ones, _found_ones, _data_shapes, _code_shapes, _level_shapes, _label_shapes, _post_shapes)
    yield from (_frame_shapes, _library_shapes, _contradictions, _batch_shapes, _ids, _allowed_ones, _callbacks)


for _add_shapes in _all():
    _add_shapes()


def cells(shapes: Sequence[Shape] = tuple(SHAPES)) -> Iterator[tuple[Shape, Channel]]:
    """Yield each shape with each way to ask that can have it."""
    for shape in shapes:
        for channel in shape.wants:
            yield shape, channel
