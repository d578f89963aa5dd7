"""The page in a browser: nothing to complain of, nothing asked of the network, and it does what it says."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Page, open_page
from builders import failed
from msgspec.structs import replace
from PIL import Image
from render_builders import HOSTILE_NAMES, local, mixed_run, shown

from moderate_cli.common.text import safe_text
from moderate_cli.models import Item, LocalFile, Outcome, RiskLevel
from moderate_cli.render import Format
from moderate_cli.results import GatePolicy

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

_COUNT = "document.querySelectorAll('.card:not([hidden])').length"
_FIRST = "document.querySelector('button.picture')"
_BLUR = f"getComputedStyle({_FIRST}.firstElementChild).filter"


def _outcomes(folder: Path) -> list[Outcome]:
    found: list[Outcome] = [*mixed_run(), failed("missing.png")]
    for number, name in enumerate(HOSTILE_NAMES):
        path = folder / f"{number}.png"
        Image.effect_noise((320, 200), 90).save(path)
        outcome = local("high" if number % 2 else "none", *["violent_smoke"] * (number % 2), source=name)
        found.append(replace(outcome, item=Item(name, LocalFile(path))))
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_page(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page, tmp_path: Path) -> Iterator[Page]:
    """The report of a run with everything, open at the width of a desk; it ends without complaints and requests."""
    path = tmp_path / "report.html"
    text = shown(Format.HTML, _outcomes(tmp_path), policy=GatePolicy(RiskLevel.HIGH))
    path.write_text(text, encoding="utf-8", newline="\n")
    browser.look(width=1280, height=900)
    browser.requests.clear()
    browser.problems.clear()
    browser.open(path)
    yield browser
    assert browser.run("document.readyState") == "complete"
    assert browser.problems == []
    assert {request for request in browser.requests if not request.startswith("data:")} == {path.as_uri()}


def test_every_picture_and_every_name_is_there(page: Page) -> None:
    pictures = page.run(
        "(async () => { const all = [...document.images]; all.forEach((i) => { i.loading = 'eager'; });"
        " await Promise.all(all.map((i) => i.decode())); return all.map((i) => i.naturalWidth); })()"
    )
    assert pictures == [160] * len(HOSTILE_NAMES)
    names = page.run("[...document.querySelectorAll('h3')].map((h) => h.textContent)")
    assert {safe_text(name) for name in HOSTILE_NAMES} <= set(names)
    assert page.run("document.scripts.length") == 1


def test_a_flagged_picture_is_blurred_until_it_is_clicked(page: Page) -> None:
    assert "blur" in page.run(_BLUR)
    page.run(f"{_FIRST}.click()")
    assert page.run(_BLUR) == "none"
    assert page.run(f"{_FIRST}.getAttribute('aria-pressed')") == "true"
    page.run(f"{_FIRST}.click()")
    assert "blur" in page.run(_BLUR)
    assert page.run("getComputedStyle(document.querySelector('div.picture img')).filter") == "none"


@pytest.mark.parametrize(("key", "code", "text"), [("Enter", 13, "\r"), (" ", 32, " ")], ids=["enter", "space"])
def test_a_key_shows_it_too(page: Page, key: str, code: int, text: str) -> None:
    page.run(f"{_FIRST}.focus()")
    page.press(key, code, text)
    assert page.run(_BLUR) == "none"


def test_everything_that_works_is_reached_by_tab(page: Page) -> None:
    reached = set()
    for _ in range(60):
        page.press("Tab", 9)
        reached.add(page.run("document.activeElement.id || document.activeElement.className"))
    assert {"words", "level", "label", "tile-0", "picture flagged", "frames"} <= reached


def test_print_is_blurred_whatever_was_clicked(page: Page) -> None:
    page.run(f"{_FIRST}.click()")
    page.look(width=1280, height=900, media="print")
    assert "blur" in page.run(_BLUR)
    assert page.run("getComputedStyle(document.getElementById('filters')).display") == "none"


def test_filters_narrow_the_gallery_and_are_cleared(page: Page) -> None:
    def choose(name: str, value: str) -> int:
        script = f"{{ const f = document.getElementById('{name}'); f.value = {value!r};"
        page.run(script + " f.dispatchEvent(new Event('input', { bubbles: true })); }")
        assert page.run("Number(document.getElementById('shown').textContent)") == page.run(_COUNT)
        return int(page.run(_COUNT))

    everything = page.run(_COUNT)
    assert choose("level", "medium") == 1
    assert choose("level", "failed") == 2
    assert choose("words", "GONE") == 1
    assert choose("words", "no such name") == 0
    page.run("document.querySelector('#filters [type=reset]').click()")
    assert page.run(f"new Promise((done) => setTimeout(() => done({_COUNT}), 50))") == everything
    assert choose("label", "violent_burning") == 1
    assert choose("label", "") == everything
    assert choose("words", "<script>") == 1


def test_a_tile_chooses_its_label(page: Page) -> None:
    tile = "document.querySelector('[data-label=violent_burning]')"
    page.run(f"{tile}.click()")
    assert page.run("document.getElementById('label').value") == "violent_burning"
    assert (page.run(_COUNT), page.run(f"{tile}.getAttribute('aria-pressed')")) == (1, "true")
    page.run(f"{tile}.click()")
    assert page.run(_COUNT) > 1


@pytest.mark.parametrize("width", [400, 768, 1280])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.look(width=width, height=900)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_light_and_dark_differ_and_both_can_be_read(page: Page) -> None:
    for dark in (False, True):
        page.look(width=1280, height=900, dark=dark)
        for selector in ("body", ".quiet", *(f".level.{word}" for word in ("high", "medium", "low", "none", "failed"))):
            assert page.run(_CONTRAST.replace("SELECTOR", selector)) >= 4.5, (dark, selector)
        assert (page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)") is dark


def test_tiles_can_be_read(page: Page) -> None:
    assert page.run("Math.min(...[...document.querySelectorAll('.tile')].map((e) => " + _RATIO + "))") >= 4.5


def test_a_screenshot_shows_something(page: Page) -> None:
    with Image.open(io.BytesIO(page.screenshot())) as image:
        assert image.size == (1280, 900)
        colours = image.convert("RGB").getcolors(maxcolors=1_000_000)
    assert colours
    assert len(colours) > 100


# The contrast of an element's text with the first background behind it (WCAG 2, relative luminance).
_RATIO = """(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => { const [r, g, b] = parts(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let behind = e;
  while (parts(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const [a, b] = [light(getComputedStyle(e).color), light(getComputedStyle(behind).backgroundColor)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
})()"""
_CONTRAST = "{ const e = document.querySelector('SELECTOR'); " + _RATIO + " }"
