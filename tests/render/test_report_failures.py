"""What could be read of an answer that failed stands under the error."""

from __future__ import annotations

import json
from html import unescape
from xml.etree import ElementTree

import pytest
from builders import failed, verdict
from msgspec.structs import replace
from render_builders import shown
from samples import TESTS, shown_table

from moderate_cli.common.errors import ServiceError
from moderate_cli.models import Failed, Item, Label, LocalFile, Verdict
from moderate_cli.render import Format
from moderate_cli.render.wording import read_words

_PICTURE = TESTS / "data" / "poster-qr.png"
_ERROR = ServiceError("no answer of tonalityImprove", code="unreadable_answer", hint="try again")


def _failed(read: Verdict | None) -> Failed:
    return failed("half.png", error=_ERROR, verdict=read)


_HIGH = _failed(verdict("high", Label("weapon", 91.0), "smoke"))


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (None, ""),
        (verdict(None), ""),
        (verdict("none"), "the level none was read"),
        (verdict("high"), "high was read: unlabelled"),
        (verdict("low", "weapon"), "low was read: weapon"),
        (verdict("high", "weapon", "weapon", "smoke"), "high was read: weapon, smoke"),
        (verdict("none", Label("nonLabel_lib", 83.0)), "the level none was read"),
    ],
)
def test_the_words(read: Verdict | None, words: str) -> None:
    assert read_words(_failed(read)) == words


@pytest.mark.parametrize("choice", [Format.TABLE, Format.MARKDOWN, Format.HTML, Format.JUNIT, Format.CSV])
def test_level_and_labels_stand_under_the_error(choice: Format) -> None:
    text = unescape(shown(choice, [_HIGH]))
    for words in ("unreadable_answer", "no answer of tonalityImprove", "high", "weapon", "91.00", "smoke", "81.22"):
        assert words in text.split("\n</style>")[-1]


def test_the_table_as_it_is() -> None:
    lines = [line.rstrip() for line in shown_table(_HIGH, width=60).splitlines()]
    assert lines[2:] == [
        "failed    half.png",
        "          unreadable_answer  no answer of tonalityImprove;",
        "          try again",
        "          could be read  high",
        "            weapon  91.00",
        "            smoke  81.22",
    ]


def test_a_notification_and_an_annotation_say_it_in_a_line() -> None:
    words = "no answer of tonalityImprove: high was read: weapon, smoke; try again"
    [run] = json.loads(shown(Format.SARIF, [_HIGH]))["runs"]
    [note] = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == words
    assert run["results"] == []
    assert shown(Format.GITHUB, [_HIGH]).endswith(f"::half.png: {words}\n")


def test_a_case_is_an_error_whatever_was_read() -> None:
    [[case]] = ElementTree.fromstring(shown(Format.JUNIT, [_HIGH]))
    assert case[0].tag == "error"
    assert (case[0].text or "").splitlines()[1:] == ["high: weapon 91.00", "high: smoke 81.22"]


@pytest.mark.parametrize(("level", "flagged"), [("high", True), ("low", True), (None, True), ("none", False)])
def test_its_picture_is_flagged_as_what_was_read(level: str | None, flagged: bool) -> None:
    item = Item(str(_PICTURE), LocalFile(_PICTURE))
    text = shown(Format.HTML, [replace(_failed(verdict(level)), item=item)])
    assert 'data-level="failed"' in text
    assert ('class="card flagged"' in text) is flagged


def test_an_answer_of_which_nothing_could_be_read_is_the_error_alone() -> None:
    for choice in (Format.TABLE, Format.MARKDOWN, Format.HTML, Format.JUNIT):
        text = shown(choice, [_failed(verdict(None))])
        assert "could be read" not in text
        assert "unlabelled" not in text
