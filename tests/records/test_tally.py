"""Counting outcomes, and the exit code of a run."""

from __future__ import annotations

import pytest
from builders import failed, fatal_error, judged, skipped

from moderate_cli.errors import CredentialsError, ExitCode
from moderate_cli.records import Tally
from moderate_cli.verdicts import Label, Outcome, RiskLevel

FATAL = failed(error=fatal_error())


def _tally(*outcomes: Outcome) -> Tally:
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)
    return tally


def test_outcomes_are_counted_by_status_level_and_label() -> None:
    tally = _tally(
        judged("high", "weapon", "weapon", "smoke"), judged("high", "smoke"), judged(), skipped(), failed(), failed()
    )
    assert (tally.judged, tally.skipped, tally.failed, tally.inputs) == (3, 1, 2, 6)
    assert tally.levels == {RiskLevel.HIGH: 2, RiskLevel.NONE: 1}
    assert tally.labels == {"smoke": 2, "weapon": 1}
    assert (tally.local, tally.fatal) == (False, False)


def test_one_verdict_of_the_local_engine_marks_the_run() -> None:
    assert _tally(judged(), judged(engine="local"), judged()).local


@pytest.mark.parametrize("error", [fatal_error(), CredentialsError("no credentials")])
def test_an_error_with_the_fatal_exit_code_is_fatal(error: Exception) -> None:
    tally = _tally(failed(error=error), judged())
    assert tally.fatal


@pytest.mark.parametrize(("level", "expected"), [("none", 4), ("low", 3), ("medium", 2), ("high", 1)])
def test_levels_are_counted_from_one_upwards(level: str, expected: int) -> None:
    assert _tally(*(judged(found) for found in RiskLevel)).at_or_above(RiskLevel(level)) == expected


@pytest.mark.parametrize(
    ("fail_on", "expected"),
    [("high", ExitCode.OK), ("medium", ExitCode.FOUND), ("low", ExitCode.FOUND), (None, ExitCode.OK)],
)
def test_the_gate_is_set_by_fail_on(fail_on: str | None, expected: ExitCode) -> None:
    tally = _tally(judged(), judged("medium", "weapon"))
    level = RiskLevel(fail_on) if fail_on else None
    assert tally.exit_code(fail_on=level, allow_empty=False) is expected


@pytest.mark.parametrize(
    ("outcomes", "stopped_by", "allow_empty", "expected"),
    [
        ([judged("high"), skipped(), FATAL], ExitCode.INTERRUPTED, False, 130),
        ([judged("high"), skipped(), FATAL], ExitCode.BROKEN_PIPE, False, 141),
        ([], ExitCode.INTERRUPTED, True, 130),
        ([judged("high"), skipped(), FATAL], None, False, 4),
        ([FATAL], None, True, 4),
        ([judged("high"), skipped()], None, False, 3),
        ([judged("high"), failed()], None, False, 3),
        ([skipped()], None, True, 3),
        ([judged("high")], None, False, 1),
        ([judged("none"), judged("high")], None, True, 1),
        ([judged("none")], None, False, 0),
        ([], None, False, 6),
        ([], None, True, 0),
    ],
)
def test_the_worst_of_several_exit_codes_wins(
    outcomes: list[Outcome], stopped_by: ExitCode | None, allow_empty: bool, expected: int
) -> None:
    tally = _tally(*outcomes)
    tally.stopped_by = stopped_by
    assert tally.exit_code(fail_on=RiskLevel.LOW, allow_empty=allow_empty) == expected


def test_files_that_were_passed_over_are_no_inputs() -> None:
    tally = Tally(passed_over=5)
    assert tally.inputs == 0
    assert tally.exit_code(fail_on=None, allow_empty=False) is ExitCode.NO_INPUT


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (judged("low", Label("a", risk_level=RiskLevel.HIGH)), "low"),
        (judged(None, Label("a", risk_level=RiskLevel.LOW), Label("b", risk_level=RiskLevel.MEDIUM)), "medium"),
        (judged(None, Label("a", risk_level=RiskLevel.LOW), "b"), "high"),
        (judged(None, "a"), "high"),
        (judged(None), "none"),
    ],
)
def test_the_level_that_decides_is_the_verdicts_or_else_read_off_its_labels(outcome: Outcome, expected: str) -> None:
    assert _tally(outcome).levels == {RiskLevel(expected): 1}


def test_every_exit_code_has_a_meaning() -> None:
    assert {code.value for code in ExitCode} == {0, 1, 2, 3, 4, 5, 6, 70, 130, 141}
    assert len({code.meaning for code in ExitCode}) == len(ExitCode)
