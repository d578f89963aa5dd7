"""Which outcomes are a run's to tell: its own, and those of runs that were cut off before they told of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from builders import call, judged, sources_of, verdict

from moderate_cli.app.run import Run, Worst
from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Item, Judged, Outcome, QueuedTask, RiskLevel
from moderate_cli.results import GatePolicy


class Kept:
    """A ledger that another process has filled with the results of some tasks."""

    def __init__(self, *elsewhere: str) -> None:
        self.elsewhere = elsewhere
        self.taken: list[str] = []

    def dated(self, outcome: Outcome) -> Outcome:
        return outcome

    def keep_task(self, task: QueuedTask, outcome: Outcome) -> bool:
        return task.req_id not in self.elsewhere

    def take_over(self, req_id: str) -> None:
        self.taken.append(req_id)


def _run(recorder: Kept, **changes: Any) -> Run:
    nothing: dict[str, Any] = dict.fromkeys(("environment", "settings", "gate_options", "output", "gate", "estimate"))
    return Run(**nothing, recorder=recorder, **changes)  # type: ignore[arg-type]


def _task(name: str) -> Judged:
    return Judged(item=Item(name, QueuedTask(name, "image")), call=call(), verdict=verdict())


def test_what_was_not_told_comes_first() -> None:
    recorder = Kept()
    run = _run(recorder, untold=[_task("x"), _task("y")], shares_tasks=True)
    assert sources_of(run._new([_task("a"), judged(source="b")])) == ["x", "y", "a", "b"]  # type: ignore[arg-type]
    assert (run.summary.elsewhere, recorder.taken) == (0, [])


@pytest.mark.parametrize("shares_tasks", [True, False])
def test_what_another_process_collected_is_told_by_that_one_unless_it_was_asked_for(shares_tasks: bool) -> None:
    recorder = Kept("b")
    run = _run(recorder, shares_tasks=shares_tasks)
    told = sources_of(run._new([_task("a"), _task("b"), _task("c")]))  # type: ignore[arg-type]
    if shares_tasks:  # it may still be at work; what it does not tell is left for the next run
        assert (told, run.summary.elsewhere, recorder.taken) == (["a", "c"], 1, [])
    else:
        assert (told, run.summary.elsewhere, recorder.taken) == (["a", "b", "c"], 0, ["b"])


def test_a_stop_takes_no_more_of_what_was_not_told_than_it_tells() -> None:
    taken: list[str] = []

    def untold() -> Iterator[Outcome]:
        for name in "xyz":
            taken.append(name)  # from here on it belongs to this run, and is told with its end
            yield _task(name)

    run = _run(Kept(), untold=untold())
    told = []
    for outcome in run._new([]):  # type: ignore[arg-type]
        told.append(outcome.item.source)
        if outcome.item.source == "y":
            run.summary.stopped_by = ExitCode.INTERRUPTED
    assert told == taken == ["x", "y"]


@pytest.mark.parametrize(("labels", "is_allowable"), [(("weapon",), True), ((), False)])
def test_only_what_a_label_names_can_be_accepted_by_it(labels: tuple[str, ...], is_allowable: bool) -> None:
    worst = Worst()
    worst.add(judged("high", *labels, source="https://example.com/a.png"), (), GatePolicy(fail_on=RiskLevel.LOW))
    assert (worst.level, worst.is_allowable) == (RiskLevel.HIGH, is_allowable)
