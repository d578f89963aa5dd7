"""The page of statistics: what it says, that names stay text, and how it looks in a browser."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from browser import CHROMIUM, Page, open_page
from render_builders import HOSTILE_NAMES

from moderate_cli.common.text import visible_text
from moderate_cli.render.html.usage_page import UsagePage, columns, stats_page
from moderate_cli.render.usage import Count, Grouping

DAYS = [Count("2025-11-30", 100, 40, 190), Count("2025-12-01", 50, 0, 50), Count("2025-12-05", 3, 3, 3)]
SERVICES = [Count("baselineCheck_global", 150, 43, 240), Count("tonalityImprove", 3, 0, 3)]
LABELS = Counter({"violent_gun": 30, "violent_knives": 10, "contraband_drug": 3, "tiny_label": 1})


def _page(**changes: Any) -> str:
    facts: dict[str, Any] = {
        "by": Grouping.DAY,
        "periods": DAYS,
        "services": SERVICES,
        "labels": LABELS,
        "limits": [],
        "written_at": 1_767_225_600.0,
    }
    return stats_page(UsagePage(**facts | changes))


def _columns(counts: Sequence[Count]) -> list[list[dict[str, str]]]:
    [drawing] = re.findall(r"<svg.+?</svg>", columns(counts, "Day"), re.DOTALL)
    return [[part.attrib for part in group.iter("rect")] for group in ElementTree.fromstring(drawing).iter("g")]


def test_the_numbers_are_there() -> None:
    page = _page(limits=["since 2025-11-30", "service a&b"])
    assert "2026-01-01 00:00 UTC" in page
    assert "<b>153</b> calls" in page
    assert "<b>43</b> with a finding, 28.1 %" in page
    assert "a&amp;b" in page
    assert "150 calls, <span" in page
    assert "43 hits, 28.7 %; 240 billed" in page
    assert "<b>243</b> billed" in page
    cells = "".join(f'<td class="number">{cell}</td>' for cell in ("50", "0", "0.0 %", "50"))
    assert f"<td>2025-12-01</td>{cells}</tr>" in page


def test_what_was_billed_and_not_judged_is_there_too() -> None:
    page = _page(periods=[Count("2025-12-01", 0, 0, 2)], services=[Count(None, 0, 0, 2)], labels=Counter())
    assert '<bdi dir="auto">unknown</bdi></b> 0 calls' in page
    assert "<b>2</b> billed" in page
    assert "0 hits, 0.0 %; 2 billed" in page


def test_columns_stand_where_their_days_are_and_are_as_high_as_their_calls() -> None:
    first, second, third = _columns(DAYS)
    assert [part["class"] for part in first] == ["rest", "hits"]
    assert [float(part["height"]) for part in first] == [60, 40]
    assert [float(part["y"]) for part in first] == [0, 60]
    assert [part["class"] for part in second] == ["rest"]
    assert (float(second[0]["y"]), float(second[0]["height"])) == (50, 50)
    assert [part["class"] for part in third] == ["hits"]
    assert [float(column[0]["x"]) - 0.1 for column in (first, second, third)] == pytest.approx([0, 1, 5])


def test_months_follow_each_other_over_the_year() -> None:
    shown = _columns([Count("2025-11", 1, 0), Count("2025-12", 1, 0), Count("2026-02", 1, 0)])
    assert [float(column[0]["x"]) - 0.1 for column in shown] == pytest.approx([0, 1, 3])


def test_labels_that_begin_alike_have_one_colour() -> None:
    classes = {label: kind for kind, label in re.findall(r'class="tile (prefix-\d+)" data-label="(\w+)"', _page())}
    assert classes["violent_gun"] == classes["violent_knives"] != classes["contraband_drug"]
    assert "<button" not in _page()


def test_it_runs_no_script_and_loads_nothing() -> None:
    page = _page()
    assert "<script" not in page
    assert "style=" not in page
    assert "http" not in page.replace("http-equiv", "")
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy


def test_nothing_was_called() -> None:
    page = _page(periods=[], services=[], labels=Counter())
    assert "There are no calls." in page
    assert "<svg" not in page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_page(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_has_nothing_to_complain_of(browser: Page, tmp_path: Path, width: int, dark: bool) -> None:
    path = tmp_path / "usage.html"
    names = Counter({f"{name}_x": number for number, name in enumerate(HOSTILE_NAMES, 1)})
    services = [Count(name, number, 1) for number, name in enumerate(HOSTILE_NAMES, 1)]
    path.write_text(_page(labels=names, services=services, limits=HOSTILE_NAMES), encoding="utf-8", newline="\n")
    browser.look(width=width, height=900, dark=dark)
    browser.requests.clear()
    browser.problems.clear()
    browser.open(path)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.scripts.length") == 0
    services_shown = browser.run("[...document.querySelectorAll('.services b')].map((b) => b.textContent)")
    assert services_shown == [visible_text(name) for name in HOSTILE_NAMES]
    heights = browser.run(
        "[...document.querySelectorAll('.period rect.hits')].map((r) => r.getBoundingClientRect().height)"
    )
    assert max(heights) > 50
    assert browser.run("getComputedStyle(document.querySelector('rect.hits')).fill") != browser.run(
        "getComputedStyle(document.querySelector('rect.rest')).fill"
    )
    assert browser.problems == []
    assert {request for request in browser.requests if not request.startswith("data:")} == {path.as_uri()}
