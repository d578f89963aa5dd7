"""`moderate help` from the outside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from golden import check_golden
from invocation import Result

from moderate_cli.cli.help import topics
from moderate_cli.settings import SETTINGS

Moderate = Callable[..., Result]

each_topic = pytest.mark.parametrize("topic", topics())
MAX_LINE_LENGTH = 60


def test_the_list_for_programs_has_a_line_a_topic(moderate: Moderate) -> None:
    done = moderate("help")
    assert (done.code, done.stderr) == (0, "")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [name for name, _ in rows] == sorted(topics())
    assert all(summary and len(summary) <= 72 and not summary.endswith(".") for _, summary in rows)


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("color", ["never", "always"])
def test_a_page_on_a_terminal(moderate: Moderate, width: int, color: str) -> None:
    done = moderate("help", "exit-codes", "--color", color, terminal=True, columns=width)
    assert (done.code, done.stderr) == (0, "")
    check_golden(f"manual/exit-codes-{width}{'-color' if color == 'always' else ''}.txt", done.stdout)


@pytest.mark.parametrize("width", [60, 80])
def test_the_list_on_a_terminal(moderate: Moderate, width: int) -> None:
    done = moderate("help", "--color", "never", terminal=True, columns=width)
    assert max(map(len, done.stdout.splitlines())) <= width
    for name in topics():
        assert f"\n{name} " in f"\n{done.stdout}"


@each_topic
def test_a_pipe_gets_the_page_as_it_is(moderate: Moderate, topic: str) -> None:
    done = moderate("help", topic)
    assert (done.code, done.stdout, done.stderr) == (0, topics()[topic].text, "")


@each_topic
def test_a_page_is_one_heading_a_sentence_and_text(topic: str) -> None:
    heading, blank, first, *_ = topics()[topic].text.splitlines()
    assert heading.startswith("# ")
    assert (blank, first != "") == ("", True)
    assert topics()[topic].text.endswith("\n")
    assert not [line for line in topics()[topic].text.splitlines()[1:] if line.startswith("# ")]


@each_topic
def test_a_page_reads_well_on_a_narrow_terminal(moderate: Moderate, topic: str) -> None:
    """No line is cut, and no command is broken, which nobody could copy."""
    shown = moderate("help", topic, "--color", "never", terminal=True, columns=MAX_LINE_LENGTH).stdout
    lines = [line.rstrip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= MAX_LINE_LENGTH
    assert shown.count("…") == topics()[topic].text.count("…")
    for block in topics()[topic].text.split("```console\n")[1:]:
        for line in block.split("```")[0].splitlines():
            assert f"  {line}" in lines


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("exitcodes", "did you mean exit-codes?"),
        ("setings", "did you mean settings?"),
        ("sync", "did you mean `moderate sync --help`?"),
        ("xyzzy", "`moderate help` lists the topics"),
    ],
)
def test_an_unknown_topic_is_one_error(moderate: Moderate, name: str, hint: str) -> None:
    done = moderate("help", name)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == f"moderate: unknown help topic {name} ({hint})\n"


def test_a_topic_is_found_in_any_case(moderate: Moderate) -> None:
    assert moderate("help", "CI").stdout == topics()["ci"].text


def test_topics_complete(moderate: Moderate) -> None:
    done = moderate("completion", "bash", "--", "help", "ex")
    assert done.stdout == "exit-codes\n"
    assert "ci\tGate a pull request" in moderate("completion", "fish", "--", "help", "").stdout


def test_colour_in_a_pipe_is_laid_out_too(moderate: Moderate) -> None:
    assert "\x1b[1m" in moderate("help", "ci", "--color", "always").stdout


def test_a_pipe_needs_no_rich() -> None:
    code = (
        "import sys; from moderate_cli.common.environment import Environment; from moderate_cli.main import run;"
        "run(['help', 'ci'], Environment()); sys.exit('rich.markdown' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True, timeout=60)


def test_the_topic_of_settings_names_them_all() -> None:
    text = topics()["settings"].text
    assert [name for name in SETTINGS if f"`{name}`" not in text] == []
