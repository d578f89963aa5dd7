"""The page as text: nothing comes from elsewhere, nothing from outside is markup, and it stays bounded."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections import Counter
from html import escape
from html.parser import HTMLParser

import pytest
from builders import judged, skipped
from msgspec.structs import replace
from render_builders import HOSTILE_NAMES, LOGO, local, mixed_run, shown
from samples import TESTS, async_outcome

from moderate_cli.common.installation import install_command
from moderate_cli.common.text import safe_text
from moderate_cli.models import Frame, Label, Outcome, RiskLevel
from moderate_cli.render import Format
from moderate_cli.render import html as module
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
    for tag in ("style", "script"):
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
                assert value.startswith("data:"), tag


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_text_from_outside_is_text(name: str) -> None:
    ext = {"public_figure": [{"figure_name": name}]}
    frames = (Frame(0, name, None, (Label(name),), {}),)
    label = Label(name, 50, name, service=name, where=name)
    outcome = judged("high", label, source=name, ext=ext, frames=frames)
    page = _page(outcome, local("low", label, source=name), skipped(name))
    assert safe_text(name) in page.texts["bdi"]
    assert Counter(tag for tag, _ in page.elements)["script"] == 1
    [option] = [found for found in page.all("option") if found["value"] == safe_text(name)]
    assert option
    assert page.all("article")[0]["data-labels"] == safe_text(name)


def test_flagged_pictures_are_behind_a_button_and_others_are_not() -> None:
    suppressed = local("high", LOGO.label, source=PICTURE)
    page = _page(local("low", "x", source=PICTURE), local("none", source=PICTURE), suppressed, suppressions=[LOGO])
    assert len(page.all("img")) == 3
    buttons = [found for found in page.all("button") if "picture" in (found.get("class") or "")]
    assert len(buttons) == 2
    assert {button["aria-pressed"] for button in buttons} == {"false"}
    assert buttons[0]["aria-label"] == f"Show the picture {PICTURE}, low"


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
    tiles = {found["data-label"]: found["class"] for found in page.all("button") if "data-label" in found}
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
    assert text.count('<span class="level low">') == 1 + 1 + 1 + 100  # the totals, the chart, the legend, the strip
    assert "<li>and 30 more</li>" in text


def test_the_worst_are_shown_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CARDS", 2)
    outcomes = [judged("none", source="a"), judged("low", "x", source="b"), judged("high", "x", source="c")]
    page = _page(*outcomes)
    assert [found["data-level"] for found in page.all("article")] == ["high", "low"]
    assert "and 1 more, not shown here; -f jsonl lists all" in page.texts["p"]


def test_missing_pillow_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    text = shown(Format.HTML, [local("low", "x", source=PICTURE)] * 3)
    assert text.count(escape(install_command("local"))) == 1
    assert text.count("no preview<") == 3


def test_a_label_is_chosen_by_the_name_that_the_cards_have() -> None:
    page = _page(judged("high", "b", "a"), judged("high", "a", source="c.png"))
    assert [found["value"] for found in page.all("option")][-2:] == ["a", "b"]


def test_details_of_services_are_there() -> None:
    outcome = judged("high", "x", ext={"public_figure": [{"figure_name": "Yang San"}]})
    assert "Yang San" in _page(replace(outcome)).texts["bdi"]


def test_pictures_that_were_left_out_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderate_cli.render.html.thumbnails.MAX_THUMBNAILS", 1)
    page = _page(*[local("low", "x", source=PICTURE)] * 3)
    assert len(page.all("img")) == 1
    assert "only the first previews are included, to keep this page small" in page.texts["p"]


def test_the_local_engine_is_no_cloud_verdict() -> None:
    assert "there is no cloud verdict" in shown(Format.HTML, [judged("none", engine="local")])
