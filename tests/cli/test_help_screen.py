"""`-h` on one screen, `--help` with everything, and what `moderate` alone says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from moderate_cli.cli import COMMANDS, load
from moderate_cli.cli.short_help import SHORT_HELP

SCREEN = 23  # lines of the smallest terminal that is usual, without that of the prompt
MANY = 15  # options, from which a command needs a short help


@pytest.fixture
def shown(moderate: Callable, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what a command line prints; Typer writes help to the streams of the process."""

    def shown(*words: str, columns: int = 100) -> str:
        assert moderate(*words, columns=columns).code == 0
        return capsys.readouterr().out

    return shown


each_short = pytest.mark.parametrize("name", SHORT_HELP)
each_width = pytest.mark.parametrize("columns", [60, 80, 100, 120])


def _options(command: Any) -> list[Any]:
    return [each for each in getattr(command, "params", []) if not getattr(each, "hidden", False)]


def test_each_command_with_many_options_has_a_short_help() -> None:
    many = {entry.name for entry in COMMANDS if len(_options(load(entry.name))) > MANY}
    assert many <= set(SHORT_HELP)


@each_short
def test_a_short_help_has_three_examples_and_ten_options(name: str) -> None:
    short = SHORT_HELP[name]
    assert (len(short.examples), len(set(short.options))) == (3, 10)
    assert set(short.options) <= {each.name for each in _options(load(name))}


@each_short
def test_the_examples_can_be_parsed(name: str) -> None:
    command = load(name)
    for example in SHORT_HELP[name].examples:
        words = shlex.split(example)
        context = command.make_context(name, words, resilient_parsing=True)
        given = [word for word in words if word.startswith("-")]
        known = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
        assert set(given) <= known
        assert not context.args


@each_short
def test_a_short_help_is_one_screen(name: str, shown: Callable) -> None:
    short = shown(name, "-h", columns=80)
    assert len(short.splitlines()) <= SCREEN
    assert short.startswith(f"Usage: moderate {name} [OPTIONS]")
    assert short.count(f"\n  moderate {name}") == 3
    assert f"moderate {name} --help lists all options." in short
    whole = shown(name, "--help", columns=80)
    assert len(whole.splitlines()) > len(short.splitlines())


@each_width
@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_no_line_is_wider_than_the_terminal(entry: Any, flag: str, columns: int, shown: Callable) -> None:
    for line in shown(entry.name, flag, columns=columns).splitlines():
        assert len(line) <= columns, line


@each_width
def test_no_choice_is_broken(columns: int, shown: Callable) -> None:
    text = shown("sync", "--help", columns=columns)
    choices = re.search(r"--format <(.+?)>", text, re.DOTALL)
    assert choices
    names = re.sub(r"\n *", "", choices[1]).split("|")
    assert names == ["auto", "table", "jsonl", "json", "csv", "markdown", "sarif", "junit", "github", "html"]
    assert all(name in text for name in names)


@pytest.mark.parametrize("name", ["sync", "batch", "async-submit", "poll", "multimodal"])
def test_gate_and_output_come_first(name: str, shown: Callable) -> None:
    titles = re.findall(r"^(\w[\w ]*):$", shown(name, "--help"), re.MULTILINE)
    first = ["Gate", "Output", "Sources", "Service"] if "Sources" in titles else ["Gate", "Output", "Service"]
    assert titles[: len(first)] == first
    assert len(titles) == len(set(titles))


def test_all_options_are_in_the_whole_help(shown: Callable) -> None:
    text = shown("sync", "--help")
    for option in _options(load("sync")):
        assert all(flag in text for flag in option.opts if flag.startswith("-"))


def test_moderate_alone_says_what_to_type_first(moderate: Callable) -> None:
    alone = moderate()
    assert (alone.code, alone.stdout) == (2, "")
    lines = [line for line in alone.stderr.splitlines() if line.startswith("  moderate ")]
    assert len(lines) == 3
    assert len(alone.stderr.splitlines()) <= 6
    assert "-p local" in lines[0]


def test_the_help_of_one_thing_is_not_looked_for_in_its_values(shown: Callable) -> None:
    assert shown("sync", "a.png", "-qh").startswith("Usage: moderate sync")
