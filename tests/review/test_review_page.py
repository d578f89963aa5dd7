"""The page of a review, driven by keys in a headless Chromium: what is decided there, and that everybody can use it."""

from __future__ import annotations

import csv
import io
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Page, axe_core, open_page
from review_builders import add_animation, add_post, fill, found, reviewing
from rule_builders import GUN, laying_down

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import AccessKey, Emulator, Fetch
from moderate_cli.gate.suppressions import parse_suppressions
from moderate_cli.rules import FixedVerdict
from moderate_cli.store import Store

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

_SOURCE = "document.getElementById('source').textContent"
_IS_READY = "!document.getElementById('item').hidden"
_IS_DONE = "!document.getElementById('done').hidden"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_page(tmp_path_factory.mktemp("browser")) as page:
        yield page


def _open(page: Page, url: str) -> None:
    page.look(width=1280, height=900)
    page.requests.clear()
    page.problems.clear()
    page.open_url(url)
    page.wait(f"{_IS_READY} || {_IS_DONE}")


def _press(page: Page, key: str) -> None:
    page.press(key, ord(key.upper()), key)


def _go_on(page: Page, key: str) -> None:
    """Press a key that decides, and wait for the next result, or for the end."""
    before = page.run(_SOURCE)
    _press(page, key)
    page.wait(f"{_SOURCE} !== {json.dumps(before)} || {_IS_DONE}")


def _suppress(page: Page, reason: str, day: str = "") -> None:
    """Suppress with a reason, and maybe a last day, as MMDDYYYY; all of it by keys."""
    before = page.run(_SOURCE)
    _press(page, "s")
    page.wait("document.activeElement.id === 'note'")
    page.call("Input.insertText", text=reason)
    if day:
        page.press("Tab", 9)
        for digit in day:
            page.press(digit, ord(digit), digit)
    page.press("Enter", 13, "\r")
    page.wait(f"{_SOURCE} !== {json.dumps(before)} || {_IS_DONE}")


def test_fifty_mediums_are_decided_by_keys_alone(
    moderate: Callable, browser: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, store = tmp_path / "images", tmp_path / "store.db"
    images.mkdir()
    monkeypatch.chdir(tmp_path)
    for number in range(50):
        found(images / f"{number:02d}.png", number)
    with Emulator(fetch=Fetch.PRIVATE, rules=laying_down(FixedVerdict([GUN], name="*"))) as emulator:
        emulator.add_key(AccessKey("LTAIreview", "0123456789abcdefghijklmnopqrst"))
        variables = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIreview",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "0123456789abcdefghijklmnopqrst",
            "MODERATE_ENDPOINT": emulator.endpoint,
        }
        scan = ("sync", "images", "--fail-on", "medium", "--data-id-from", "name", "-q", "--store", store)
        first = moderate(*scan, variables=variables)
        assert first.code == ExitCode.FOUND
        options = ("--write-suppressions", "--export", "decided.csv")
        with reviewing(store, *options, folder=tmp_path) as (process, url):
            _open(browser, url)
            assert browser.run("document.getElementById('progress').textContent").startswith("0 decided · 50 left")
            first_source = browser.run(_SOURCE)
            _go_on(browser, "c")
            _go_on(browser, "u")
            assert browser.run(_SOURCE) == first_source
            with open_page(tmp_path / "second") as second:
                _open(second, url)
                assert second.run(_SOURCE) not in {first_source, browser.run("items[1].facts.source")}
                theirs = second.run("items.map((each) => each.facts.source)")
                for number in range(48):
                    _suppress(browser, f"a toy {number}", "12312999" if number == 0 else "")
                assert browser.run(_IS_DONE)
                for number in (48, 49):
                    assert second.run(_SOURCE) in theirs
                    _suppress(second, f"a toy {number}")
                assert second.run(_IS_DONE)
                assert second.problems == []
            assert browser.problems == []
            assert {each.split("/")[2] for each in browser.requests if not each.startswith("data:")} == {
                url.split("/")[2]
            }
            process.send_signal(signal.SIGINT)
            assert process.stderr
            said = process.stderr.read()
            assert process.wait(timeout=60) == 0
        assert "moderate: 50 decided" in said
        assert "50 suppressed" in said
        assert "0 skipped, 1 undone, 0 left" in said
        rows = list(csv.DictReader(io.StringIO(moderate("history", "-f", "csv", "--store", store).stdout)))
        assert {row["decision"] for row in rows} == {"suppressed"}
        assert {row["decided_by"] for row in rows} == {"mo"}
        assert all(row["decided_at"].endswith("Z") for row in rows)
        assert {row["decision_note"] for row in rows} == {f"a toy {number}" for number in range(50)}
        exported = list(csv.DictReader(io.StringIO((tmp_path / "decided.csv").read_text(encoding="utf-8"))))
        assert sorted(row["source"] for row in exported) == sorted(row["source"] for row in rows)
        path = tmp_path / ".moderate-suppressions.yaml"
        entries = parse_suppressions(path.read_text(encoding="utf-8"), path.name)
        assert len(entries) == 50
        assert [str(entry.expires) for entry in entries if entry.expires] == ["2999-12-31"]
        assert "  # images/" in path.read_text(encoding="utf-8")
        again = moderate(*scan, variables=variables)
        assert again.code == ExitCode.OK
        with Store.open(store) as opened:
            [entry] = opened.find_results(first_source, limit=10)[1:]
            assert [(said.value, said.undone_at is not None) for said in entry.decisions] == [
                ("confirmed", True),
                ("suppressed", False),
            ]


def test_each_key_does_what_it_says(browser: Page, moderate: Callable, tmp_path: Path) -> None:
    fill(tmp_path / "store.db", tmp_path / "images", "hmmmmm")
    with reviewing(tmp_path / "store.db") as (_, url):
        _open(browser, url)
        first = browser.run(_SOURCE)
        assert first.endswith("000-h.png")
        blur = "getComputedStyle(document.querySelector('#picture img')).filter"
        assert "blur" in browser.run(blur)
        _press(browser, "v")
        assert browser.run(blur) == "none"
        _press(browser, "n")
        browser.call("Input.insertText", text="<b>&")
        browser.press("Enter", 13, "\r")
        for key in "cfmek":
            _go_on(browser, key)
        assert browser.run("document.getElementById('progress').textContent").startswith("4 decided · 2 left")
        _press(browser, "s")
        browser.wait("document.getElementById('ask').open")
        browser.press("Escape", 27)
        browser.wait("!document.getElementById('ask').open")
        _press(browser, "q")
        browser.wait(f"{_IS_DONE} && isOver")
        assert browser.problems == []
    rows = list(csv.DictReader(io.StringIO(moderate("history", "-f", "csv", "--store", tmp_path / "store.db").stdout)))
    said = [(row["decision"], row["decision_note"]) for row in sorted(rows, key=lambda row: row["source"])]
    assert said[0] == ("confirmed", "<b>&")
    assert sorted(word for word, _ in said[1:]) == ["", "", "escalated", "false-positive", "missed"]


def test_the_picture_is_there_and_the_next_one_is_fetched_meanwhile(browser: Page, tmp_path: Path) -> None:
    fill(tmp_path / "store.db", tmp_path / "images", "mm")
    with reviewing(tmp_path / "store.db") as (_, url):
        _open(browser, url)
        images = "[...stages.values()].map((stage) => stage.querySelector('img'))"
        wait = f"Promise.all({images}.map((image) => image.decode())).then(() => {images}"
        assert browser.run(f"{wait}.map((image) => image.naturalWidth))") == [320, 320]
        asked = [each for each in browser.requests if "/picture/" in each]
        assert len(asked) == 2
        _go_on(browser, "c")
        assert browser.run("document.querySelector('#picture img').naturalWidth") == 320
        assert len([each for each in browser.requests if "/picture/" in each]) == 2


_LOADED = "[...document.images].every((image) => image.complete)"


def _pictures(page: Page, within: str) -> list[int]:
    """How wide the pictures in a part of the page are."""
    page.wait(_LOADED)
    return page.run(f"[...document.querySelectorAll('{within} img')].map((image) => image.naturalWidth)")


def _lines(page: Page, parts: str) -> list[list[str]]:
    """The lines of text in parts of the page."""
    texts = page.run(f"[...document.querySelectorAll('{parts}')].map((part) => part.innerText)")
    return [list(filter(None, text.split("\n"))) for text in texts]


def test_a_post_is_shown_with_its_pictures_and_each_finding_at_its_part(browser: Page, tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        add_post(store, tmp_path)
    with reviewing(tmp_path / "store.db", folder=tmp_path / "..") as (_, url):
        _open(browser, url)
        assert _pictures(browser, "#picture section") == [320] * 3
        said = _lines(browser, ".post section")
        assert said[:2] == [["title", "A title"], ["text", "two", "lines"]]
        assert said[2][0] == "4 images"
        assert said[2][1:3] == ["https://example.com/boat.jpg", "oss://bucket/a.png"]
        assert said[2][-1].startswith("high ad 90.00")
        assert said[3][:2] == ["comment 1 (1 image)", "me too"]
        assert said[3][-1].startswith("high ad 90.00")
        assert said[4] == ["reply 1.1", "and me", "nothing found"]
        assert browser.run("document.getElementById('findings').hidden")
        assert "blur" in browser.run("getComputedStyle(document.querySelectorAll('#picture img')[2]).filter")
        browser.run("document.querySelector('.pictures button').focus()")
        narrow = browser.run("document.querySelector('.pictures img').width")
        browser.press("Enter", 13, "\r")
        assert browser.run("document.activeElement.ariaPressed") == "true"
        assert browser.run("document.querySelector('.pictures img').width") > narrow
        assert {each.split("/")[2] for each in browser.requests} == {url.split("/")[2]}
        assert browser.problems == []


def test_frames_have_their_pictures_levels_labels_and_times(browser: Page, tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        paths = add_animation(store, tmp_path)
    paths[1].unlink()
    with reviewing(tmp_path / "store.db") as (_, url):
        _open(browser, url)
        browser.wait("document.querySelectorAll('.frames img').length === 1")
        assert _pictures(browser, ".frames") == [320]
        said = _lines(browser, ".frames li")
        assert said[0] == ["none frame 1", "at 0.00 s"]
        assert said[1][0].startswith("no preview: the file is not here")
        assert said[1][1:] == ["high frame 2", "at 0.40 s", "ad 90.00"]
        assert said[2] == ["none frame 3", "at 0.70 s"]
        whole = browser.run("document.querySelector('.large img').src")
        for shown in (f"{whole}/0", whole):
            browser.run("document.querySelector('.frames button').click()")
            assert browser.run("document.querySelector('.large img').src") == shown
        assert {each.split("/")[2] for each in browser.requests} == {url.split("/")[2]}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (400, False), (400, True)])
@pytest.mark.parametrize("what", ["image", "post", "animation"])
def test_it_fits_and_can_be_read(browser: Page, tmp_path: Path, what: str, width: int, dark: bool) -> None:
    with Store.open(tmp_path / "store.db") as store:
        if what == "image":
            fill(tmp_path / "store.db", tmp_path / "images", "hm")
        else:
            (add_post if what == "post" else add_animation)(store, tmp_path)
    with reviewing(tmp_path / "store.db") as (_, url):
        _open(browser, url)
        browser.look(width=width, height=900, dark=dark)
        assert browser.run("document.documentElement.scrollWidth") <= width
        axe = axe_core()
        if axe is None:
            pytest.skip("no axe-core here: npm i axe-core")
        for key in ("", "s"):
            if key:
                _press(browser, key)
                browser.wait("document.getElementById('ask').open")
            browser.run(f"{axe}; true")
            assert browser.run("axe.run().then((said) => said.violations.map((each) => JSON.stringify(each)))") == []


def test_all_of_it_is_reached_by_tab(browser: Page, tmp_path: Path) -> None:
    fill(tmp_path / "store.db", tmp_path / "images", "m")
    with reviewing(tmp_path / "store.db") as (_, url):
        _open(browser, url)
        reached = set()
        for _ in range(20):
            browser.press("Tab", 9)
            reached.add(browser.run("document.activeElement.dataset.key || document.activeElement.id"))
        assert set("cfmsekunvq") | {"keys", "blur", "gray"} <= reached
        browser.run("document.querySelector('[data-key=f]').focus()")
        browser.press("Enter", 13, "\r")
        browser.wait(_IS_DONE)
        assert browser.run("document.activeElement.id") == "done"
