"""The page in a browser: nothing to complain of, nothing asked of the network, and it does what it says."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Page, open_page
from builders import failed, judged
from msgspec.structs import replace
from PIL import Image
from render_builders import HOSTILE_NAMES, local, mixed_run, shown
from samples import vendor_outcome

from moderate_cli.common.text import visible_text
from moderate_cli.models import Item, LocalFile, Outcome, RiskLevel
from moderate_cli.render import Format
from moderate_cli.results import GatePolicy

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

_COUNT = "document.querySelectorAll('.card:not([hidden])').length"
_NAMES = "[...document.querySelectorAll('.card h3')].map((h) => h.textContent)"
_FIRST = "document.querySelector('.flagged button.picture:has(img), button.picture')"
_BLUR = "getComputedStyle(document.querySelector('.flagged img')).filter"
_ENLARGED_BLUR = "getComputedStyle(document.querySelector('#enlarged img')).filter"
_AXE = "axe-core@4"


def _outcomes(folder: Path) -> list[Outcome]:
    found: list[Outcome] = [*mixed_run(), failed("missing.png")]
    for number, name in enumerate(HOSTILE_NAMES):
        path = folder / f"{number}.png"
        Image.effect_noise((320, 200), 90).save(path)
        outcome = local("high" if number % 2 else "none", *["violent_smoke"] * (number % 2), source=name)
        found.append(replace(outcome, item=Item(name, LocalFile(path))))
    logo = {"logo": [{"name": "CCTV"}], "location": {"x": 32, "y": 20, "w": 160, "h": 100}}
    boxed = local("high", "x", source="boxed.png", ext={"logo_data": [logo]})
    found.append(replace(boxed, item=Item("boxed.png", LocalFile(path))))
    return [*found, vendor_outcome("text_risk")]


def _choose(page: Page, name: str, value: str) -> None:
    script = f"{{ const f = document.getElementById('{name}'); f.value = {value!r};"
    page.run(script + " f.dispatchEvent(new Event('input', { bubbles: true })); }")


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
    assert pictures == [320] * (len(HOSTILE_NAMES) + 1)
    names = page.run("[...document.querySelectorAll('h3')].map((h) => h.textContent)")
    assert {visible_text(name) for name in HOSTILE_NAMES} <= set(names)
    assert page.run("[...document.scripts].map((s) => s.type)") == ["application/json", ""]


def test_a_flagged_picture_is_blurred_until_it_is_shown_enlarged(page: Page) -> None:
    assert "blur(16px)" in page.run(_BLUR)
    page.run(f"{_FIRST}.click()")
    assert page.run("document.getElementById('viewer').open")
    assert "blur(32px)" in page.run(_ENLARGED_BLUR)
    page.run("document.querySelector('#enlarged .picture').click()")
    assert page.run(_ENLARGED_BLUR) == "blur(0px) saturate(1)"
    assert page.run("document.getElementById('show').getAttribute('aria-pressed')") == "true"
    page.run("document.getElementById('next').click()")
    assert "blur(32px)" in page.run(_ENLARGED_BLUR)
    page.run("document.getElementById('close').click()")
    assert "blur(16px)" in page.run(_BLUR)
    assert page.run("getComputedStyle(document.querySelector('.card:not(.flagged) img')).filter") == "none"


def test_keys_walk_enlarge_and_close(page: Page) -> None:
    page.press("j", 74, "j")
    page.press("j", 74, "j")
    second = page.run("document.activeElement.closest('.card').id")
    assert second == page.run("document.querySelectorAll('.card')[1].id")
    page.press("Enter", 13, "\r")
    assert page.run("document.getElementById('viewer').open")
    assert page.run("location.hash") == f"#item={second.removeprefix('item-')}"
    page.press("j", 74, "j")
    page.press("k", 75, "k")
    page.press("ArrowRight", 39)
    third = page.run("document.querySelectorAll('.card')[2].id")
    assert page.run("location.hash") == f"#item={third.removeprefix('item-')}"
    page.press("Escape", 27)
    assert not page.run("document.getElementById('viewer').open")
    page.wait(f"document.activeElement.closest('.card')?.id === {third!r}")  # a dialog tells later that it was closed
    page.press("k", 75, "k")
    assert page.run("document.activeElement.closest('.card').id") == second
    page.press("/", 191, "/")
    assert page.run("document.activeElement.id") == "words"


def test_the_address_holds_what_is_chosen(page: Page, tmp_path: Path) -> None:
    _choose(page, "level", "high")
    _choose(page, "sort", "name")
    _choose(page, "blur", "soft")
    page.run("document.getElementById('gray').click()")
    names = page.run(_NAMES)
    address = page.run("location.hash")
    assert address == "#level=high&sort=name&blur=soft&gray=1"
    page.run("location.hash = '#level=none&sort=unheard-of'")
    page.wait(f"{_COUNT} < {len(HOSTILE_NAMES)}")
    assert page.run("document.getElementById('sort').value") == ""
    page.run(f"location.hash = '{address}'")
    page.wait(f"JSON.stringify({_NAMES}) === JSON.stringify({json.dumps(names)})")
    assert page.run(_BLUR) == "blur(5px) grayscale(1)"
    assert "grayscale(1)" in page.run("getComputedStyle(document.querySelector('.card img')).filter")


@pytest.mark.parametrize("order", ["newest", "name", "label", "confidence"])
def test_cards_are_sorted_and_go_back(page: Page, order: str) -> None:
    before = page.run(_NAMES)
    _choose(page, "sort", order)
    after = page.run(_NAMES)
    assert sorted(after) == sorted(before)
    if order == "name":
        assert after != before
    _choose(page, "sort", "")
    assert page.run(_NAMES) == before


def test_a_level_and_a_label_choose(page: Page) -> None:
    page.run("document.querySelector('.bars [data-level=medium]').click()")
    assert (page.run(_COUNT), page.run("document.getElementById('level').value")) == (1, "medium")
    page.run("document.querySelector('.bars [data-level=medium]').click()")
    page.run("document.querySelector('.card button.label').click()")
    label = page.run("document.getElementById('label').value")
    assert label
    assert page.run("[...document.querySelectorAll('.card')].every((c) => c.querySelector('button.label'))")


def test_text_in_images_is_found(page: Page) -> None:
    _choose(page, "words", "RISK CONTENT")
    assert page.run(_COUNT) == 1
    page.run(f"{_FIRST}.click()")
    assert "Text line 3 with risk content" in page.run("document.getElementById('enlarged').textContent")


def test_boxes_lie_on_the_picture_where_they_were_found(page: Page) -> None:
    _choose(page, "words", "boxed.png")
    page.run(f"{_FIRST}.click()")
    got = page.run(
        "(() => { const p = document.querySelector('#enlarged .picture').getBoundingClientRect();"
        " const r = document.querySelector('#enlarged rect').getBoundingClientRect();"
        " const scale = Math.min(p.width / 320, p.height / 200);"
        " return [r.x - p.x - (p.width - 320 * scale) / 2, r.y - p.y - (p.height - 200 * scale) / 2,"
        " r.width, r.height].map((v) => v / scale); })()"
    )
    assert got == pytest.approx([32, 20, 160, 100], abs=2)


def test_many_cards_are_made_where_somebody_looks(browser: Page, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    outcomes = [judged("none", source=f"{number:04}.png") for number in range(1_000)]
    path.write_text(shown(Format.HTML, outcomes), encoding="utf-8", newline="\n")
    browser.look(width=1280, height=900)
    browser.open(path)
    assert browser.run(_COUNT) < 400
    browser.run("scrollTo(0, document.documentElement.scrollHeight)")
    browser.run(
        "new Promise((done) => { const wait = () => document.getElementById('item-1000') ? done() :"
        " (scrollTo(0, document.documentElement.scrollHeight), requestAnimationFrame(wait)); wait(); })"
    )
    assert browser.run(_COUNT) < 1_000
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(_COUNT) == 1_000
    _choose(browser, "words", "0999")
    assert browser.run(_NAMES) == ["0999.png"]


def test_without_scripts_all_can_be_read(browser: Page, tmp_path: Path) -> None:
    path = tmp_path / "plain.html"
    path.write_text(shown(Format.HTML, _outcomes(tmp_path)), encoding="utf-8", newline="\n")
    browser.look(width=1280, height=900)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(path)
        assert browser.run("document.querySelectorAll('.card').length") > len(HOSTILE_NAMES)
        assert browser.run("document.querySelector('.card').getBoundingClientRect().height") > 100
        assert browser.run("document.getElementById('filters').hidden")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, which npm brings into a temporary folder."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--prefix", str(folder), "--prefer-offline", "--no-audit", "--no-fund", _AXE]
    if subprocess.run(command, capture_output=True, check=False, timeout=120).returncode:
        pytest.skip("npm cannot bring axe-core")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("is_enlarged", [False, True], ids=["gallery", "enlarged"])
def test_axe_finds_nothing(page: Page, axe: str, dark: bool, is_enlarged: bool) -> None:
    page.look(width=1280, height=2_000, dark=dark)
    if is_enlarged:
        _choose(page, "words", "posts/" if dark else "boxed.png")
        page.run("document.querySelector('.card button').click()")
        assert page.run("document.getElementById('viewer').open")
    page.run(f"{{ {axe} }} void 0")
    found = page.run("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 200))]))")
    assert found == []


def test_everything_that_works_is_reached_by_tab(page: Page) -> None:
    reached = set()
    for _ in range(200):
        page.press("Tab", 9)
        reached.add(page.run("document.activeElement.id || document.activeElement.className"))
    assert {"words", "level", "label", "sort", "blur", "gray", "tile-0", "picture", "frames", "post"} <= reached


def test_print_has_all_cards_and_no_pictures(page: Page) -> None:
    page.run(f"{_FIRST}.click()")
    page.look(width=1280, height=900, media="print")
    assert page.run("[...document.images].every((i) => !i.checkVisibility())")
    assert not page.run("document.getElementById('viewer').checkVisibility()")
    assert page.run("getComputedStyle(document.getElementById('filters')).display") == "none"
    assert page.run("[...document.querySelectorAll('.card h3')].every((h) => h.checkVisibility())")


def test_filters_narrow_the_gallery_and_are_cleared(page: Page) -> None:
    def choose(name: str, value: str) -> int:
        _choose(page, name, value)
        assert page.run("Number(document.getElementById('shown').textContent)") == page.run(_COUNT)
        return int(page.run(_COUNT))

    everything = page.run(_COUNT)
    assert choose("level", "medium") == 1
    assert choose("level", "failed") == 2
    assert choose("words", "GONE") == 1
    assert choose("words", "no such name") == 0
    page.run("document.querySelector('#filters [type=reset]').click()")
    page.wait(f"{_COUNT} === {everything}")
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
