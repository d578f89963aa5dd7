"""The places beside `Format` that name each format: options, README and manual."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from formats import FORMATS, FURTHER

from moderate_cli.app.spec import OutputOptions

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_each_format_that_makes_a_file_has_an_option() -> None:
    options = [name.removesuffix("_output") for name in OutputOptions.__struct_fields__ if name.endswith("_output")]
    assert options == sorted(FURTHER), "OutputOptions, app/spec.py"


def test_the_readme_names_each_format() -> None:
    [listed] = re.findall(r"`-f` knows ((?:`\w+`(?:,\s|\sand\s)?)+)", README)
    assert re.findall(r"\w+(?=`)", listed) == list(FORMATS), "README.md"


def test_the_manual_has_a_row_for_each_format() -> None:
    page = files("moderate_cli").joinpath("help", "formats.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `-f (\w+)` \|", page, re.MULTILINE) == list(FORMATS), "help/formats.md"
