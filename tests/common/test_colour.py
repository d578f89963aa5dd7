"""When a stream has colour: the option, then what the environment says, then whether it is a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from invocation import Terminal

from moderate_cli.common.environment import Environment


@pytest.mark.parametrize(
    ("variables", "in_pipe", "on_terminal"),
    [
        ({}, False, True),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "3"}, True, True),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, False, True),
        ({"FORCE_COLOR": ""}, False, True),
        ({"CLICOLOR": "0"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_what_the_environment_says(variables: dict[str, str], in_pipe: bool, on_terminal: bool) -> None:
    environment = Environment(variables=variables)
    assert environment.wants_color("auto", io.StringIO()) is in_pipe
    assert environment.wants_color("auto", Terminal()) is on_terminal
    assert environment.wants_color("always", io.StringIO()) is True
    assert environment.wants_color("never", Terminal()) is False


@pytest.mark.parametrize(
    "words",
    [
        ["labels", "--match", "violent_gun", "-f", "table"],
        ["services", "-f", "table"],
        ["regions", "-f", "table"],
        ["help"],
        ["help", "exit-codes"],
        ["doctor", "-p", "local"],
        ["sync", "broken.png", "-f", "table", "-p", "local"],
    ],
    ids=" ".join,
)
def test_each_command_asks(moderate: Callable, words: list[str]) -> None:
    assert "\x1b[" in moderate(*words, variables={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[" not in moderate(*words, variables={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout
    assert "\x1b[" not in moderate(*words, "--color", "never", variables={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[" in moderate(*words, "--color", "always", variables={"NO_COLOR": "1", "TERM": "dumb"}).stdout


def test_the_option_wins_over_what_rich_would_read(moderate: Callable) -> None:
    shown = moderate("sync", "gone.png", "-f", "table", "-p", "local", "--color", "always", variables={"NO_COLOR": "1"})
    assert "\x1b[1;35mfailed" in shown.stdout
