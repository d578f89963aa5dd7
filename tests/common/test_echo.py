"""Lines for people, on stderr."""

from __future__ import annotations

import io

from moderate_cli.common.environment import Environment
from moderate_cli.common.text import echo


class _Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_note_is_one_line_without_control_characters() -> None:
    stderr = io.StringIO()
    echo(Environment(stderr=stderr), "a\nb\x1b[31m")
    assert stderr.getvalue() == "moderate: a\\x0ab\\x1b[31m\n"


def test_a_note_that_cannot_be_written_ends_nothing() -> None:
    echo(Environment(stderr=_Full()), "for nobody")


def test_a_value_of_a_megabyte_is_no_line_of_a_megabyte() -> None:
    stderr = io.StringIO()
    echo(Environment(stderr=stderr), f"region: {'a' * 1_000_000} (choose one with --region)")
    (line,) = stderr.getvalue().splitlines()
    assert len(line) < 2_100
    assert line.startswith("moderate: region: aaa")
    assert line.endswith("aaa (choose one with --region)")
