"""Polling queued tasks: those that were submitted earlier are asked about at once."""

from __future__ import annotations

from collections.abc import Callable

from actions import service
from faults import body
from invocation import Result

from moderate_cli.common.errors import ExitCode


def test_a_task_of_earlier_is_polled_at_once(moderate: Callable[..., Result]) -> None:
    done = body(200, {"RiskLevel": "none", "Result": [{"Label": "nonLabel"}], "ReqId": "R-1"})
    with service(DescribeImageModerationResult=done) as served:
        arguments = ["poll", "R-1", "--kind", "image", "--wait", "--poll-interval", "3000", "-f", "jsonl"]
        result = moderate(*arguments, variables=served.variables)  # an hour, if it waited first
    assert result.code == ExitCode.OK, result.stderr
    assert [record["status"] for record in result.records] == ["judged"]
