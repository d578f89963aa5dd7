"""Polling queued tasks: those that were submitted earlier are asked about at once."""

from __future__ import annotations

from collections.abc import Callable

from actions import service
from builders import call, pending, sources_of
from faults import body
from invocation import Result

from moderate_cli.app.collect import SubmitAndWait
from moderate_cli.common.errors import ExitCode, ServiceError
from moderate_cli.models import Failed, ImageUrl, Item, Outcome, Pending
from moderate_cli.scanning import Executor
from moderate_cli.scanning.polling import Polling, PollSchedule


def test_a_task_of_earlier_is_polled_at_once(moderate: Callable[..., Result]) -> None:
    done = body(200, {"RiskLevel": "none", "Result": [{"Label": "nonLabel"}], "ReqId": "R-1"})
    with service(DescribeImageModerationResult=done) as served:
        arguments = ["poll", "R-1", "--kind", "image", "--wait", "--poll-interval", "3000", "-f", "jsonl"]
        result = moderate(*arguments, variables=served.variables)  # an hour, if it waited first
    assert result.code == ExitCode.OK, result.stderr
    assert [record["status"] for record in result.records] == ["judged"]


def test_a_wait_that_finds_no_connection_stops_and_keeps_each_task() -> None:
    """The tasks are paid for: those that were not asked after are told as pending (faults.md, R5)."""
    names = [f"{number:02}.gif" for number in range(40)]
    refused = ServiceError("refused", code="connection_failed", retryable=True)

    def submit(item: Item) -> Pending:
        return pending(item.source, item=item, req_id=item.source, call=call(attempts=1))

    def refuse(item: Item) -> Outcome:
        return Failed(item=item, call=call(attempts=4), error=refused)

    scan = Executor([Item(name, ImageUrl(f"https://example.com/{name}")) for name in names], submit, jobs=1)
    schedule = PollSchedule(first=0, timeout=3600)
    work = SubmitAndWait(scan, lambda tasks: Polling(tasks, refuse, jobs=1, schedule=schedule), lambda _task: None)
    outcomes = list(work)
    assert sorted(sources_of(outcomes)) == names  # type: ignore[arg-type]
    assert {type(outcome) for outcome in outcomes} == {Failed, Pending}
    assert (work.is_unreachable, work.not_tried) == (True, 0)
