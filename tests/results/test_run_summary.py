"""Counting outcomes, and the exit code of a run."""

from __future__ import annotations

import pytest
from builders import call, failed, fatal_error, item, judged, pending, skipped, unreadable_answer, verdict
from msgspec.structs import replace

from moderate_cli.client.verdicts import read_verdict
from moderate_cli.common.errors import BugError, CredentialsError, ExitCode
from moderate_cli.models import Coverage, Json, Judged, Label, Outcome, RiskLevel
from moderate_cli.results import GatePolicy, Looked, RunSummary, Suppression

FATAL = failed(error=fatal_error())
BUG = failed(error=BugError(ZeroDivisionError("x")))
PARTIAL = judged(coverage=(Coverage("parts", 1, 2, unanswered=True),))


def _summary(*outcomes: Outcome, fail_on: str | None = None, **policy: bool) -> RunSummary:
    summary = RunSummary(policy=GatePolicy(RiskLevel(fail_on) if fail_on else None, **policy))
    for outcome in outcomes:
        summary.add(outcome)
    return summary


def test_outcomes_are_counted_by_status_level_and_label() -> None:
    summary = _summary(
        judged("high", "weapon", "weapon", "smoke"), judged("high", "smoke"), judged(), skipped(), failed(), failed()
    )
    assert (summary.judged, summary.skipped, summary.failed, summary.inputs) == (3, 1, 2, 6)
    assert summary.levels == {RiskLevel.HIGH: 2, RiskLevel.NONE: 1}
    assert summary.labels == {"smoke": 2, "weapon": 1}
    assert (summary.local, summary.fatal) == (False, False)


def test_one_verdict_of_the_local_engine_marks_the_run() -> None:
    assert _summary(judged(), judged(engine="local"), judged()).local


@pytest.mark.parametrize("error", [fatal_error(), CredentialsError("no credentials")])
def test_an_error_with_the_fatal_exit_code_is_fatal(error: Exception) -> None:
    summary = _summary(failed(error=error), judged())
    assert summary.fatal


@pytest.mark.parametrize(("level", "expected"), [("none", 4), ("low", 3), ("medium", 2), ("high", 1)])
def test_levels_are_counted_from_one_upwards(level: str, expected: int) -> None:
    assert _summary(*(judged(found) for found in RiskLevel)).at_or_above(RiskLevel(level)) == expected


@pytest.mark.parametrize(
    ("fail_on", "expected"),
    [("high", ExitCode.OK), ("medium", ExitCode.FOUND), ("low", ExitCode.FOUND), (None, ExitCode.OK)],
)
def test_the_gate_is_set_by_fail_on(fail_on: str | None, expected: ExitCode) -> None:
    summary = _summary(judged(), judged("medium", "weapon"), fail_on=fail_on)
    assert summary.exit_code(allow_empty=False) is expected


@pytest.mark.parametrize(
    ("outcomes", "stopped_by", "allow_empty", "expected"),
    [
        ([judged("high"), skipped(), FATAL, BUG], ExitCode.INTERRUPTED, False, 130),
        ([judged("high"), skipped(), FATAL, BUG], ExitCode.BROKEN_PIPE, False, 141),
        ([], ExitCode.INTERRUPTED, True, 130),
        ([judged("high"), skipped(), FATAL, BUG], None, False, 70),
        ([judged(), BUG], None, True, 70),
        ([judged("high"), skipped(), FATAL], None, False, 4),
        ([FATAL], None, True, 4),
        ([judged("high"), skipped()], None, False, 3),
        ([judged("high"), failed()], None, False, 3),
        ([skipped()], None, True, 3),
        ([judged("high")], None, False, 1),
        ([judged("none"), judged("high")], None, True, 1),
        ([judged("high"), PARTIAL], None, False, 3),
        ([PARTIAL], None, True, 3),
        ([judged("none")], None, False, 0),
        ([pending()], None, False, 0),
        ([], None, False, 6),
        ([], None, True, 0),
    ],
)
def test_the_worst_of_several_exit_codes_wins(
    outcomes: list[Outcome], stopped_by: ExitCode | None, allow_empty: bool, expected: int
) -> None:
    summary = _summary(*outcomes, fail_on="low")
    summary.stopped_by = stopped_by
    assert summary.exit_code(allow_empty=allow_empty) == expected


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], ExitCode.INCOMPLETE),
        ([judged()], ExitCode.INCOMPLETE),
        ([judged("high")], ExitCode.INCOMPLETE),
        ([FATAL], ExitCode.FATAL),
        ([BUG], ExitCode.BUG),
    ],
)
def test_inputs_that_were_not_tried_make_a_run_incomplete(outcomes: list[Outcome], expected: ExitCode) -> None:
    summary = _summary(*outcomes, fail_on="high")
    assert not summary.is_cut_off or outcomes == [FATAL]
    summary.not_tried = 7
    assert summary.is_cut_off
    assert summary.inputs == len(outcomes)
    assert summary.exit_code(allow_empty=True) is expected
    summary.stopped_by = ExitCode.INTERRUPTED
    assert summary.exit_code(allow_empty=True) is ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("outcomes", "awaited", "expected"),
    [
        ([pending()], True, ExitCode.PENDING),
        ([pending()], False, ExitCode.OK),
        ([pending(), judged("high")], True, ExitCode.PENDING),
        ([pending(), PARTIAL], True, ExitCode.INCOMPLETE),
    ],
)
def test_tasks_that_are_pending_after_a_wait(outcomes: list[Outcome], awaited: bool, expected: ExitCode) -> None:
    summary = _summary(*outcomes, fail_on="high")
    summary.awaited = awaited
    assert summary.exit_code(allow_empty=False) is expected


FRAMES = Coverage("frames", 1, 3)
ANNOUNCED = Coverage("frames", 2, 3, unanswered=True)
PARTS = Coverage("parts", 6, 10, unanswered=True)
UNKNOWN = Coverage("frames", 1, None)


@pytest.mark.parametrize(
    ("coverage", "fail_on", "policy", "is_incomplete"),
    [
        # all was looked at
        ((), None, {}, False),
        ((), "high", {}, False),
        ((), "low", {"require_full": True}, False),
        ((), None, {"require_full": True}, False),
        # what the operation does not look at is told, and no more
        ((FRAMES,), None, {}, False),
        ((FRAMES,), "high", {}, False),
        ((FRAMES,), "low", {"allow_partial": True}, False),
        ((UNKNOWN,), "low", {}, False),
        # with require_full it is too little, with a gate or without, whatever else is suppressed
        ((FRAMES,), None, {"require_full": True}, True),
        ((FRAMES,), "high", {"require_full": True}, True),
        ((FRAMES,), "high", {"require_full": True, "allow_partial": True}, True),
        ((UNKNOWN,), None, {"require_full": True}, True),
        # what was asked about and not answered is too little under a gate
        ((ANNOUNCED,), None, {}, False),
        ((ANNOUNCED,), "high", {}, True),
        ((ANNOUNCED,), "low", {"allow_partial": True}, False),
        ((ANNOUNCED,), None, {"require_full": True}, True),
        ((PARTS,), None, {}, False),
        ((PARTS,), None, {"allow_partial": True}, False),
        ((PARTS,), "low", {}, True),
        ((PARTS,), "high", {"allow_partial": True}, False),
        ((PARTS,), "high", {"allow_partial": True, "require_full": True}, True),
        ((FRAMES, PARTS), "high", {}, True),
        ((FRAMES, PARTS), "high", {"allow_partial": True}, False),
    ],
)
@pytest.mark.parametrize("level", ["none", "high"])
def test_the_policy_about_what_was_not_looked_at(
    level: str,
    coverage: tuple[Coverage, ...],
    fail_on: str | None,
    policy: dict[str, bool],
    is_incomplete: bool,
) -> None:
    outcome = judged(level, coverage=coverage)
    summary = _summary(outcome, fail_on=fail_on, **policy)
    assert summary.policy.is_incomplete(outcome) is is_incomplete
    assert (summary.incomplete, summary.judged) == (int(is_incomplete), 1)
    is_found = fail_on is not None and level == "high"
    found = ExitCode.FOUND if is_found else ExitCode.OK
    assert summary.exit_code(allow_empty=False) is (ExitCode.INCOMPLETE if is_incomplete else found)
    passes = None if fail_on is None else not is_incomplete and not is_found
    assert summary.policy.passes(outcome, ()) is passes


@pytest.mark.parametrize("fail_on", [None, "none", "high"])
@pytest.mark.parametrize(
    ("outcome", "passes"), [(failed(), False), (skipped(), False), (FATAL, False), (BUG, False), (pending(), None)]
)
def test_an_input_without_a_verdict_passes_no_gate(outcome: Outcome, passes: bool | None, fail_on: str | None) -> None:
    policy = GatePolicy(RiskLevel(fail_on) if fail_on else None, require_full=True)
    assert policy.passes(outcome, ()) is (None if fail_on is None else passes)
    assert not policy.is_incomplete(outcome)


def test_the_gate_looks_at_what_is_left_after_suppression() -> None:
    outcome = judged("high", Label("a", risk_level=RiskLevel.HIGH), Label("b", risk_level=RiskLevel.LOW))
    suppressed = [Suppression("a", None, "ours", "a file")]
    assert GatePolicy(RiskLevel.MEDIUM).passes(outcome, ()) is False
    assert GatePolicy(RiskLevel.MEDIUM).passes(outcome, suppressed) is True
    assert GatePolicy(RiskLevel.LOW).passes(outcome, suppressed) is False


def test_what_was_not_looked_at_is_summed_up_for_each_kind() -> None:
    summary = _summary(
        judged(coverage=(FRAMES,)),
        judged(coverage=(ANNOUNCED, PARTS)),
        judged(coverage=(Coverage("slices", 1, None),)),
        judged(coverage=(Coverage("slices", 1, 4),)),
        judged(),
        failed(error=unreadable_answer(), verdict=verdict("low", coverage=(PARTS,))),
    )
    assert summary.coverage == {
        "frames": Looked(inputs=2, judged=3, total=6, unanswered=1),
        "parts": Looked(inputs=1, judged=6, total=10, unanswered=1),
        "slices": Looked(inputs=2, judged=2, total=None, unanswered=0),
    }


def test_notes_are_counted_whatever_became_of_the_input() -> None:
    again = replace(failed(), notes=("a remark",), call=call(repeated=True))
    summary = _summary(
        judged(notes=("a remark", "odd")), again, failed(error=unreadable_answer(), verdict=verdict(notes=("odd",)))
    )
    assert (summary.notes["a remark"], summary.notes["odd"], len(summary.notes)) == (2, 2, 3)


def test_what_could_be_read_of_a_failed_answer_counts_as_no_verdict() -> None:
    summary = _summary(failed(error=unreadable_answer(), verdict=verdict("high", "weapon")), fail_on="high")
    assert (summary.judged, summary.failed, summary.levels, summary.labels) == (0, 1, {}, {})
    assert summary.exit_code(allow_empty=False) is ExitCode.INCOMPLETE


def test_an_exemption_is_counted_as_no_label() -> None:
    assert _summary(judged("none", "nonLabel_lib")).labels == {}


def test_files_that_were_passed_over_are_no_inputs() -> None:
    summary = RunSummary(non_images=5)
    assert summary.inputs == 0
    assert summary.exit_code(allow_empty=False) is ExitCode.NO_INPUT


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"RiskLevel": "low", "Result": [{"Label": "a", "RiskLevel": "high"}]}, "high"),
        ({"Result": [{"Label": "a", "RiskLevel": "low"}, {"Label": "b", "RiskLevel": "medium"}]}, "medium"),
        ({"Result": [{"Label": "a", "RiskLevel": "low"}, {"Label": "b"}]}, "high"),
        ({"Result": [{"Label": "a"}]}, "high"),
        ({"Result": [{"Label": "nonLabel"}]}, "none"),
    ],
)
def test_the_level_that_decides_is_the_highest_of_the_answer_and_its_labels(data: Json, expected: str) -> None:
    answered = Judged(item=item(), call=call(), verdict=read_verdict({"Code": 200, "Data": data}, call()))
    assert _summary(answered).levels == {RiskLevel(expected): 1}


def test_a_level_that_nobody_knows_is_high() -> None:
    assert _summary(judged(None)).levels == {RiskLevel.HIGH: 1}


def test_every_exit_code_has_a_meaning() -> None:
    assert {code.value for code in ExitCode} == {0, 1, 2, 3, 4, 5, 6, 70, 130, 141}
    assert len({code.meaning for code in ExitCode}) == len(ExitCode)
