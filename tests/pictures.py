"""Draw the pictures of the README: `python tests/pictures.py` writes them into `.github/pictures/`.

The table is an SVG by Rich, of the README's first command. The HTML page is a PNG by a headless Chromium, of the sample
images and variants of them, about which the emulator says what the rules below lay down.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from browser import CHROMIUM, open_page
from emulating import emulating
from PIL import Image, ImageOps
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
PICTURES = ROOT / ".github" / "pictures"
COMMAND = ("sync", "tests/data", "--profile", "local", "--fail-on", "high")
COLUMNS = 80  # of the table
PAGE = (960, 1075)  # pixels of the HTML page that are shown
# Rich's own template loads its font from somebody's server.
_SVG = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace"
)
RULES = """\
images:
  - {name: "poster*", findings: [{label: QRCode, confidence: 100, level: high}]}
  - name: "market*"
    findings: [{label: violent_weapon, confidence: 61.5}, {label: QRCode, confidence: 88, level: medium}]
  - {name: "depot*", findings: [{label: contraband_drug, confidence: 72.25}]}
  - {name: "still*", findings: [{label: ad_qrCode_tii, confidence: 52, level: low}]}
  - {name: "*", findings: []}
"""


def run(*arguments: str, folder: Path, variables: Mapping[str, str], home: str) -> tuple[str, str]:
    """Run a command line with a gate in a folder, and return what a terminal would show of its two streams."""
    folders = dict.fromkeys(("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"), home)
    done = subprocess.run(
        [Path(sys.executable).with_name("moderate"), *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "COLUMNS": str(COLUMNS), **folders, **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout, done.stderr


def table(home: str) -> str:
    """Return the table as an SVG, and below it what the command says on standard error."""
    options = ("--format", "table", "--color", "always", "--no-progress", "--ordered")
    shown = run(*COMMAND, *options, folder=ROOT, variables={}, home=home)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="standard", force_terminal=True)
    console.print(Text.from_ansi("\n".join(shown)), end="")
    title = f"moderate {' '.join(COMMAND)}"
    return console.export_svg(title=title, theme=MONOKAI, code_format=_SVG, unique_id="table")


def page(home: str) -> bytes:
    """Return the upper part of the HTML page as a PNG of few colours."""
    folder = Path(home) / "assets"
    _draw_variants(folder)
    rules, report = Path(home) / "rules.yaml", Path(home) / "report.html"
    rules.write_text(RULES, encoding="utf-8")
    options = ("--data-id-from", "name", "--fail-on", "high", "--ordered", "--html-output", str(report))
    with emulating("--rules", str(rules)) as emulator:
        run("sync", ".", *options, folder=folder, variables=emulator.variables, home=home)
    with open_page(Path(home) / "browser") as browser:
        width, height = PAGE
        browser.look(width=width, height=height)
        browser.open(report)
        picture = Image.open(io.BytesIO(browser.screenshot()))
    drawn = io.BytesIO()
    picture.convert("RGB").quantize(128).save(drawn, "PNG", optimize=True)
    return drawn.getvalue()


def _draw_variants(folder: Path) -> None:
    """Write the sample images and variants of them, each under a name that a rule fits."""
    folder.mkdir()
    landscape, poster, still = (
        Image.open(DATA / name).convert("RGB") for name in ("landscape.jpg", "poster-qr.png", "still-life.webp")
    )
    pictures = {
        "poster": poster,
        "market": ImageOps.mirror(landscape),
        "depot": ImageOps.invert(still),
        "still-life": still,
        "landscape": landscape,
        "evening": ImageOps.posterize(landscape, 2),
    }
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")


def main() -> None:
    """Write both, or the table only where there is no browser."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        (PICTURES / "table.svg").write_text(table(home), encoding="utf-8", newline="\n")
        if CHROMIUM:
            (PICTURES / "page.png").write_bytes(page(home))


if __name__ == "__main__":
    main()
