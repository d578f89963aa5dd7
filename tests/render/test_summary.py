"""The counts of a run on one line."""

from __future__ import annotations

import pytest
from builders import failed, judged, skipped

from moderate_cli.catalog.prices import Estimate
from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Outcome
from moderate_cli.render.summary import summary_lines
from moderate_cli.results import RunSummary


@pytest.mark.parametrize(
    ("outcomes", "changes", "expected"),
    [
        ([], {}, "no image found"),
        ([], {"non_images": 1}, "no image found, 1 non-image file skipped"),
        ([], {"non_images": 3}, "no image found, 3 non-image files skipped"),
        ([judged()], {}, "1 judged (1 none) in 1.5 s"),
        (
            [judged(), judged("low"), judged("high"), judged("high"), judged("medium")],
            {},
            "5 judged (2 high, 1 medium, 1 low, 1 none) in 1.5 s",
        ),
        (
            [judged("high"), skipped(), failed(), failed()],
            {"non_images": 1},
            "1 judged (1 high), 1 skipped, 2 failed, 1 non-image file skipped in 1.5 s",
        ),
        ([failed()], {}, "0 judged, 1 failed in 1.5 s"),
        (
            [judged(engine="local"), skipped()],
            {},
            "1 judged (1 none), 1 skipped in 1.5 s, by the local engine (no cloud verdict)",
        ),
        ([judged()], {"stopped_by": ExitCode.INTERRUPTED}, "interrupted: 1 judged (1 none) in 1.5 s"),
        ([], {"stopped_by": ExitCode.INTERRUPTED}, "interrupted: 0 judged in 1.5 s"),
        (
            [judged()],
            {"stopped_by": ExitCode.BROKEN_PIPE},
            "broken pipe: 1 judged (1 none) in 1.5 s",
        ),
    ],
)
def test_the_line_tells_what_was_judged_and_what_was_not(
    outcomes: list[Outcome], changes: dict[str, object], expected: str
) -> None:
    summary = RunSummary(**changes)
    for outcome in outcomes:
        summary.add(outcome)
    assert next(summary_lines(summary, Estimate(), 1.4999)) == expected
