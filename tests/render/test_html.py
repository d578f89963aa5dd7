"""The page as text: nothing comes from elsewhere, nothing from outside is markup, and it stays bounded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections import Counter
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from builders import judged, skipped
from msgspec.structs import replace
from render_builders import HOSTILE_NAMES, LOGO, local, mixed_run, shown
from samples import TESTS, async_outcome, post_outcome, vendor_outcome

from moderate_cli.common.installation import install_command
from moderate_cli.common.text import visible_text
from moderate_cli.models import (
    Frame,
    ImageUrl,
    Item,
    Label,
    LocalFile,
    Outcome,
    Post,
    QueuedTask,
    RiskLevel,
    SavedFrame,
)
from moderate_cli.render import Format
from moderate_cli.render import html as module
from moderate_cli.render.originals import Originals
from moderate_cli.results import GatePolicy, RunSummary

PICTURE = str(TESTS / "data" / "poster-qr.png")
_EMPTY = {"meta", "link", "img", "input", "br", "wbr"}


class _Page(HTMLParser):
    """The elements of a page, and the text of each kind of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    @property
    def index(self) -> list[dict[str, Any]]:
        """What the script finds cards by."""
        return json.loads(self.texts["script"][0])

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = attributes.items()
        return [found for name, found in self.elements if name == tag and wanted <= found.items()]


def _page(*outcomes: Outcome, **options: object) -> _Page:
    return _Page(shown(Format.HTML, outcomes, **options))


def _policy(page: _Page) -> dict[str, str]:
    [meta] = [found for found in page.all("meta") if found.get("http-equiv") == "Content-Security-Policy"]
    rules = (rule.split(maxsplit=1) for rule in (meta["content"] or "").split(";"))
    return {name: value.strip() for name, value in rules}


def test_the_policy_allows_the_style_the_script_and_pictures_inside_and_nothing_else() -> None:
    text = shown(Format.HTML, mixed_run())
    page = _Page(text)
    hashes = {}
    for tag in ("style", "script"):  # the other script is data, which nothing runs
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashes[tag] = f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    assert _policy(page) == {
        "default-src": "'none'",
        "style-src": hashes["style"],
        "script-src": hashes["script"],
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_nothing_comes_from_elsewhere() -> None:
    page = _page(*mixed_run(), local("high", "x", source=PICTURE))
    for tag, attributes in page.elements:
        assert not {"style", "onclick", "onerror", "srcset", "action"} & set(attributes)
        for name in ("src", "href"):
            if value := attributes.get(name):
                assert value.startswith("data:") or tag == "a", tag
    links = [attributes for tag, attributes in page.elements if tag == "a"]
    assert all((link["href"] or "").startswith(("https://example.com/", "file:///")) for link in links)
    assert {link["rel"] for link in links} == {"noopener noreferrer"}


def test_no_address_on_a_page_grants_access() -> None:
    address = "https://user:CANARY@example.com/a.png?auth_key=CANARY"
    named = "https://***@example.com/a.png?auth_key=***"
    image = replace(judged("high", "x"), item=Item(named, ImageUrl(address)))
    written = {"mainData": {"mainContent": "x", "mainImages": [{"imageUrl": address}]}}
    post = replace(post_outcome("risk"), item=Item("post", Post(written)))
    page = _page(image, post)
    assert named in [link["href"] for link in page.all("a")]
    assert page.texts["bdi"].count(named) >= 2
    assert "CANARY" not in f"{page.texts} {page.elements} {page.index}"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_text_from_outside_is_text(name: str) -> None:
    place = {"x": 1, "y": 1, "w": 2, "h": 2}
    ext = {
        "public_figure": [{"figure_name": name, "location": [place]}],
        "text_in_image": {"ocr_result": [{"text": f"x {name} y"}], "risk_word": [name, "x"], "custom_text": []},
    }
    frames = (Frame(0, name, None, (Label(name),), ext),)
    label = Label(name, 50, name, service=name, where=name)
    outcome = judged("high", label, source=name, ext=ext, frames=frames, data_id=name, request_id=name)
    comment = {"content": name, "images": [{"imageUrl": name}, {"file": name}, name]}
    written = {"mainData": {"mainTitle": name, "mainContent": name}, "commentDatas": [comment, name]}
    post = replace(post_outcome("risk"), item=Item(name, Post(written)))
    pictured = replace(local("low", label, source=name, ext=ext), item=Item(name, LocalFile(Path(PICTURE))))
    page = _page(outcome, pictured, post, skipped(name))
    assert visible_text(name) in page.texts["bdi"]
    assert Counter(tag for tag, _ in page.elements)["script"] == 2
    [option] = [found for found in page.all("option") if found["value"] == visible_text(name)]
    assert option
    assert page.index[0]["labels"] == [visible_text(name)]
    assert {visible_text(name), "x"} <= set(page.texts["mark"])
    assert page.texts["text"] == [visible_text(name)]


def test_flagged_pictures_are_blurred_and_others_are_not() -> None:
    suppressed = local("high", LOGO.label, source=PICTURE)
    page = _page(local("low", "x", source=PICTURE), local("none", source=PICTURE), suppressed, suppressions=[LOGO])
    assert len(page.all("img")) == 3
    assert sorted(str(found["class"]) for found in page.all("article")) == ["card", "card flagged", "card flagged"]
    assert page.all("button", **{"class": "picture"})[0]["aria-label"] == f"Enlarge {PICTURE}, low"


def test_the_counts_the_gate_and_the_day_stand_on_top() -> None:
    text = shown(Format.HTML, mixed_run(), policy=GatePolicy(RiskLevel.MEDIUM))
    assert "2026-01-01 00:00 UTC" in text
    assert "The gate is at medium: <b>7</b> at or above it." in text
    assert "<b>13</b> inputs" in text
    assert '<b>6</b> <span class="level high">high</span>' in text


def test_bars_are_as_long_as_the_counts() -> None:
    text = shown(Format.HTML, [judged("high", "x"), *[judged("none")] * 4])
    assert "#bar-high{width:25.00%}" in text
    assert "#bar-none{width:100.00%}" in text
    assert "20.0 %" in text


def test_labels_that_begin_alike_have_one_colour() -> None:
    outcomes = [judged("high", "violent_smoke", "violent_fire", "sexual_kiss"), judged("high", "violent_smoke")]
    page = _page(*outcomes)
    tiles = {
        found["data-label"]: found["class"] for found in page.all("button") if "tile" in (found.get("class") or "")
    }
    assert tiles["violent_smoke"] == tiles["violent_fire"] != tiles["sexual_kiss"]
    assert list(tiles) == ["violent_smoke", "violent_fire", "sexual_kiss"]


def test_rare_labels_are_one_tile() -> None:
    summary = RunSummary(judged=60)
    summary.labels.update({f"label{number}": 1 for number in range(60)})
    text = shown(Format.HTML, [], summary=summary)
    assert text.count('class="tile prefix-') == 40
    assert '<div id="tile-40" class="tile">other labels<b>20</b></div>' in text
    assert text.count("#tile-") == 41


def test_frames_stand_in_a_strip() -> None:
    page = _page(async_outcome("risk"))
    assert len(page.all("ol", tabindex="0")) == 1
    assert "contraband_gamble" in page.texts["bdi"]


def test_many_frames_are_counted() -> None:
    frames = tuple(Frame(index, None, RiskLevel.LOW, (Label("x"),), {}) for index in range(130))
    text = shown(Format.HTML, [judged("low", "x", frames=frames)])
    assert text.count('<span class="level low">') == 1 + 1 + 100  # the totals, the legend, the strip
    assert "<li>and 30 more</li>" in text


def test_the_worst_are_shown_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CARDS", 2)
    outcomes = [judged("none", source="a"), judged("low", "x", source="b"), judged("high", "x", source="c")]
    page = _page(*outcomes)
    assert [found["level"] for found in page.index] == ["high", "low"]
    assert "and 1 more, not shown here; -f jsonl lists all" in page.texts["p"]


def test_missing_pillow_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    text = shown(Format.HTML, [local("low", "x", source=PICTURE)] * 3)
    assert text.count(escape(install_command("local"))) == 1
    assert text.count("no preview<") == 3


def test_a_label_is_chosen_by_the_name_that_the_cards_have() -> None:
    page = _page(judged("high", "b", "a"), judged("high", "a", source="c.png"))
    values = [found["value"] for found in page.all("option")]
    assert values.index("a") + 1 == values.index("b")


def test_details_of_services_are_there() -> None:
    outcome = judged("high", "x", ext={"public_figure": [{"figure_name": "Yang San"}]})
    assert "Yang San" in _page(replace(outcome)).texts["bdi"]


def test_pictures_that_were_left_out_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderate_cli.render.html.thumbnails.MAX_CHARACTERS", 1)
    page = _page(*[local("low", "x", source=PICTURE)] * 3)
    assert len(page.all("img")) == 1
    assert "only the first previews are included, to keep this page small" in page.texts["p"]


def test_the_local_engine_is_no_cloud_verdict() -> None:
    assert "there is no cloud verdict" in shown(Format.HTML, [judged("none", engine="local")])


def test_a_post_reads_as_it_was_written_with_each_finding_at_its_part() -> None:
    text = shown(Format.HTML, [post_outcome("risk")])
    order = [
        "This is a title or user profile",
        "This is the main text or user nickname",
        "https://aliyun.com/240308/test001.jpg",
        'data-label="violent_explosion"',
        "Comment 1",
        "Reply 1 to Comment 1",
        "Reply 2 to Comment 1",
        "nothing found",
        "Comment 7",
        "not answered",
    ]
    begin = text.index('<div class="post"')
    for words in order:
        begin = text.index(words, begin)


def test_lines_of_a_post_stay_lines() -> None:
    text = shown(Format.HTML, [post_outcome("risk", {"mainData": {"mainContent": "one\ntwo"}})])
    assert '<bdi dir="auto">one</bdi><br><bdi dir="auto">two</bdi>' in text


def test_replies_without_end_are_cut() -> None:
    post: dict[str, Any] = {"content": "the last"}
    for _ in range(200):
        post = {"content": "x", "commentDatas": [post]}
    page = _page(post_outcome("risk", {"mainData": {"mainTitle": "t"}, "commentDatas": [post]}))
    assert "further replies are not shown; -f jsonl has what was found" in page.texts["p"]


@pytest.mark.parametrize(
    ("sample", "known"),
    [("logo", "CCTV 96.15: 45, 30, 100 \u00d7 44 pixels"), ("person", "Yang San: 14, 999, 13 \u00d7 520 pixels")],
)
def test_where_logos_and_figures_are_is_told(sample: str, known: str) -> None:
    assert known in _page(vendor_outcome(sample)).texts["bdi"]


def test_boxes_are_drawn_inside_of_the_picture_only() -> None:
    inside, outside = ({"x": 10, "y": 20, "w": 30, "h": side} for side in (40, 4_000))
    logos = [{"logo": [{"name": name}], "location": place} for name, place in (("in", inside), ("out", outside))]
    odd = [
        {"x": 1, "y": 1, "w": 10**400, "h": 1},
        {"x": "1", "y": 1, "w": 1, "h": 1},
        {"x": 1},
        {"x": 1, "y": 1, "w": 0, "h": 1},
        7,
    ]
    ext = {"logo_data": logos, "public_figure": [{"figure_id": "f", "location": odd}]}
    page = _page(local("high", "x", source=PICTURE, ext=ext))
    assert page.texts["text"] == ["in"]
    [_, box] = page.all("rect")
    assert [box[side] for side in ("x", "y", "width", "height")] == ["10", "20", "30", "40"]


def test_the_text_of_an_image_is_shown_and_searched() -> None:
    page = _page(vendor_outcome("text_risk"))
    assert {"Text line 1", "Text line 3 with risk content"} <= set(page.texts["bdi"])
    assert "text line 2" in page.index[0]["words"]


def test_flagged_words_are_marked_in_any_case() -> None:
    text_in_image = {
        "ocr_result": [{"text": "Join the CASINO, get a bonus"}],
        "risk_word": ["casino"],
        "custom_text": [{"key_words": "free,bonus", "lib_name": "Gambling words"}],
    }
    page = _page(judged("high", "x", ext={"text_in_image": text_in_image}))
    assert page.texts["mark"] == ["CASINO", "bonus"]
    assert "free,bonus, in Gambling words" in page.texts["bdi"]


def test_all_that_is_known_is_in_the_details() -> None:
    page = _page(replace(judged("high", "x", request_id="R-77", data_id="D-5"), at=1_767_225_600.0, sha256="ab" * 32))
    assert {"R-77", "D-5", "ab" * 32} <= set(page.texts["bdi"])
    assert "2026-01-01 00:00:00 UTC" in page.texts["dd"]
    [link] = page.all("a")
    assert link["href"] == "https://example.com/a.png"
    assert {"r-77", "d-5"} <= set(page.index[0]["words"].split("\n"))


class _Remembered(Originals):
    """A store that knows one post."""

    def post(self, req_id: str) -> dict[str, Any]:
        return {"mainData": {"mainTitle": f"the post of {req_id}"}}


def test_a_post_comes_from_where_it_was_kept() -> None:
    task = Item("p.yaml", QueuedTask("T1", "multimodal"))
    post = replace(post_outcome("risk"), item=task)
    page = _page(post, async_outcome("risk"), originals=_Remembered())
    assert "the post of T1" in page.texts["bdi"]
    assert len(page.all("img")) == 0


@pytest.mark.parametrize(
    ("file", "content", "shown"),
    [(PICTURE, Path(PICTURE).read_bytes(), 1), (PICTURE, b"another", 0), ("no such frame", b"", 0)],
)
def test_a_frame_has_its_picture_where_it_was_saved_and_is_the_same(file: str, content: bytes, shown: int) -> None:
    outcome = async_outcome("risk")
    saved = SavedFrame(file, hashlib.sha256(content).hexdigest())
    frames = tuple(replace(frame, saved=saved if frame.index else None) for frame in outcome.verdict.frames)
    page = _page(replace(outcome, verdict=replace(outcome.verdict, frames=frames)))
    assert len(page.all("img")) == shown


def test_cards_are_text_until_a_script_makes_elements_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    text = shown(Format.HTML, [judged("none", source=f"{n}.png") for n in range(5)])
    batches = re.findall(r'<div class="batch"><noscript>(.*?)</noscript></div>', text, re.DOTALL)
    assert [batch.count("<article ") for batch in batches] == [2, 2, 1]
