"""The ledger of a run whose store may be given up by any of its threads."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from builders import (
    call,
    failed,
    fatal_error,
    item,
    judged,
    pending,
    service_error,
    skipped,
    unreadable_answer,
    verdict,
)
from msgspec.structs import replace

from moderate_cli.app.cache import RunRecorder, as_item, is_answer
from moderate_cli.client.responses import UnreadableResponseError
from moderate_cli.client.verdicts import read_submission, read_verdict
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, ServiceError
from moderate_cli.models import (
    Coverage,
    Extent,
    Failed,
    Item,
    Judged,
    Known,
    Outcome,
    QueuedTask,
    RiskLevel,
    Submission,
)
from moderate_cli.records import to_outcome, to_record
from moderate_cli.results import RunSummary
from moderate_cli.scanning.image_judge import judged as judged_as
from moderate_cli.scanning.image_judge import without_verdict
from moderate_cli.store import Filters, Store


class _GivenUp(RunRecorder):
    """Its store is given up by another thread right after each look at it."""

    _store: Store | None = None

    @property
    def store(self) -> Store | None:  # type: ignore[override]
        seen, self._store = self._store, None
        return seen

    @store.setter
    def store(self, store: Store | None) -> None:
        self._store = store


def test_work_on_a_store_that_is_given_up_meanwhile_still_has_it(tmp_path: Path) -> None:
    environment: Any = None  # nothing is said
    with Store.open(tmp_path / "history.db") as store:
        recorder = _GivenUp(store, "sync", environment)
        assert recorder.attempt(lambda store: store.path) == tmp_path / "history.db"
        assert recorder.attempt(lambda store: store.path) is None


def _verdict(
    data: dict[str, Any], *, operation: str = "ImageModeration", services: tuple[str, ...] = ("s",)
) -> Outcome:
    """What becomes of an image about which the service says this."""
    asked = call(operation=operation, services=services)
    known = Known(item=item(), call=asked)
    try:
        return judged_as(known, read_verdict({"Code": 200, "Data": data}, asked))
    except UnreadableResponseError as error:
        return without_verdict(known, error)


FRAME = {"Result": [{"Label": "nonLabel"}]}
BATCH = {"operation": "ImageBatchModeration", "services": ("a", "b")}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        # read whole
        (judged(), True),
        (judged("high", "weapon"), True),
        (_verdict({"RiskLevel": "none"}), True),
        (_verdict({"RiskLevel": "HIGH ", "Result": [{"Label": "weapon"}]}), True),
        (_verdict({"Result": [{"Label": "nonLabel"}]}), True),
        (_verdict({"RiskLevel": "none", "Result": [{"Label": "nonLabel_lib"}]}), True),
        (_verdict({"RiskLevel": "none", "FrameNum": 1, "Frame": [FRAME]}), True),
        (_verdict({"RiskLevel": "none", "FrameNum": 2, "Frame": [FRAME] * 2}), True),
        (_verdict({"RiskLevel": "none", "Result": [{"Label": "weapon", "RiskLevel": "high"}]}), True),  # contradicts
        # of which more was not looked at, as the operation has it
        (judged(coverage=(Coverage("frames", 1, 3),)), True),
        # judged, but not read whole
        (_verdict({"RiskLevel": "critical", "Result": [{"Label": "weapon"}]}), False),
        (_verdict({"RiskLevel": "low", "Result": [{"Label": "weapon", "RiskLevel": 3}]}), False),
        (_verdict({"RiskLevel": "none", "FrameNum": 3, "Frame": [FRAME]}), False),
        (_verdict({"Ext": {"CustomImage": [{"LibId": "l"}]}}), False),
        # no verdict
        (_verdict({}), False),
        (_verdict({"RiskLevel": "critical"}), False),
        (_verdict({"RiskLevel": "none", "Result": "x"}), False),
        (_verdict({"RiskLevel": "none", "Results": [{"Service": "a", "RiskLevel": "none"}]}, **BATCH), False),
        (failed(error=unreadable_answer(), verdict=verdict()), False),
        (failed(), False),
        (skipped(), False),
        (pending(), False),
    ],
)
def test_only_what_was_read_whole_answers_for_a_second_time(outcome: Outcome, expected: bool) -> None:
    assert is_answer(outcome) is expected


class Client:
    """What a task is submitted with."""

    endpoint, region = "green-cip.ap-southeast-1.aliyuncs.com", "ap-southeast-1"


@pytest.fixture
def environment() -> Environment:
    return Environment(stderr=io.StringIO(), clock=lambda: 1_000_000.0)


@pytest.fixture
def store(tmp_path: Path, environment: Environment) -> Iterator[Store]:
    with Store.open(tmp_path / "history.db", clock=environment.clock) as store:
        yield store


def _ledger(store: Store, environment: Environment) -> RunRecorder:
    recorder = RunRecorder(store, "poll", environment)
    recorder.begin()
    return recorder


def _submitted(recorder: RunRecorder, known: Known, req_id: str = "Q1", **options: Any) -> Item:
    submission = Submission(call=known.call, req_id=req_id, data_id=None, request_id="R")
    recorder.submit("image", known, Client(), lambda: submission, **options)  # type: ignore[arg-type]
    assert recorder.store
    task = recorder.store.find_task(req_id)
    assert task
    return as_item(task)


def test_a_task_comes_back_with_all_that_its_answer_is_held_against(store: Store, environment: Environment) -> None:
    extents = (Extent("frames", 300, 1, 100), Extent("slices", None))
    asked = call(operation="ImageAsyncModeration", services=("a", "b"))
    known = Known(item=item("a.gif", data_id="d"), call=asked, sha256="ab" * 32, size=7, extents=extents)
    post = {"mainData": {"mainContent": "x"}, "commentDatas": [{"content": "c"}], "dataId": "p"}
    found = _submitted(_ledger(store, environment), known, post=post, question="q")
    assert (found.source, found.data_id) == ("a.gif", "d")
    assert isinstance(found.image, QueuedTask)
    assert (found.image.extents, found.image.services, found.image.post) == (extents, ("a", "b"), post)
    assert (found.image.sha256, found.image.size, found.image.data_id) == ("ab" * 32, 7, "d")
    assert found.image.expires_at == 1_000_000.0 + 3 * 86_400


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (service_error(code="read_timeout", api_code=None), True),
        (service_error(code="connection_lost", api_code=None), True),
        (unreadable_answer("the service queued the task and named no id for it"), True),
        (service_error(code="connection_failed", api_code=None), False),
        (service_error(api_code=405), False),
        (fatal_error(), False),
    ],
)
@pytest.mark.parametrize("repeated", [True, False])
def test_a_submission_that_may_have_been_taken_is_not_forgotten(
    store: Store, environment: Environment, error: ServiceError, is_kept: bool, repeated: bool
) -> None:
    def fail() -> Submission:
        error.repeated = repeated
        raise error

    known = Known(item=item("a.gif"), call=call())
    with pytest.raises(ServiceError):
        _ledger(store, environment).submit("image", known, Client(), fail)  # type: ignore[arg-type]
    lost = store.close_lost(older_than=0)
    assert [task.source for task in lost.first] == (["a.gif"] if is_kept or repeated else [])


def test_a_task_whose_id_is_all_that_could_be_read_is_asked_about(store: Store, environment: Environment) -> None:
    known = Known(item=item("a.gif"), call=call(operation="ImageAsyncModeration"))

    def ask() -> Submission:
        return read_submission({"Code": 200, "RequestId": {"a": 1}, "Data": {"ReqId": "T9"}}, known.call)

    with pytest.raises(UnreadableResponseError, match="RequestId is") as caught:
        _ledger(store, environment).submit("image", known, Client(), ask)  # type: ignore[arg-type]
    assert [task.req_id for task in store.pending_tasks()] == ["T9"]
    record = to_record(without_verdict(known, caught.value))
    assert (record["status"], record["req_id"], record["billed_calls"]) == ("failed", "T9", None)
    assert to_record(to_outcome(record))["req_id"] == "T9"


def _outcome(one: Item, level: str = "high") -> Judged:
    return Judged(item=one, call=call(), verdict=verdict(level, "weapon", req_id=cast(QueuedTask, one.image).req_id))


def _untold(recorder: RunRecorder) -> list[tuple[str, RiskLevel | None]]:
    outcomes = list(recorder.untold())
    assert all(isinstance(outcome, Judged) for outcome in outcomes)
    return [(outcome.item.source, outcome.verdict.risk_level) for outcome in outcomes]  # type: ignore[union-attr]


def test_what_no_finished_run_has_told_is_told_by_the_next(store: Store, environment: Environment) -> None:
    first = _ledger(store, environment)
    one = _submitted(first, Known(item=item("a.gif", data_id="d"), call=call()))
    assert first.keep_task(cast(QueuedTask, one.image), _outcome(one))
    second = _ledger(store, environment)  # the first was killed before it had shown anything
    assert _untold(second) == [("a.gif", RiskLevel.HIGH)]
    third = _ledger(store, environment)  # and so was the second
    [outcome] = third.untold()
    assert (outcome.item.data_id, outcome.at) == ("d", 1_000_000.0)
    third.finish(RunSummary(), ExitCode.OK)
    assert _untold(_ledger(store, environment)) == []


def test_a_task_that_another_run_has_collected_is_told_by_whoever_claims_it(
    store: Store, environment: Environment
) -> None:
    first = _ledger(store, environment)
    one = _submitted(first, Known(item=item("a.gif"), call=call()))
    assert first.keep_task(cast(QueuedTask, one.image), _outcome(one))
    second = _ledger(store, environment)
    assert not second.keep_task(cast(QueuedTask, one.image), _outcome(one, "low"))
    second.finish(RunSummary(), ExitCode.OK)  # it left that to the first, which it took to be still at work
    third = _ledger(store, environment)
    assert not third.keep_task(cast(QueuedTask, one.image), _outcome(one, "low"))
    third.take_over("Q1")
    third.finish(RunSummary(), ExitCode.OK)
    assert _untold(_ledger(store, environment)) == []


def test_an_answer_that_cannot_be_read_leaves_its_task_pending_and_is_kept_for_people(
    store: Store, environment: Environment, tmp_path: Path
) -> None:
    recorder = _ledger(store, environment)
    one = _submitted(recorder, Known(item=item("a.gif"), call=call()), question="q")
    read = Failed(item=one, call=call(), error=unreadable_answer(), verdict=verdict("medium", "smoke"))
    assert recorder.keep_task(cast(QueuedTask, one.image), read)
    assert [task.req_id for task in store.pending_tasks()] == ["Q1"]
    [entry] = store.history(Filters())
    assert (entry.record["status"], entry.record["risk_level"]) == ("failed", "medium")
    assert recorder.keep_task(cast(QueuedTask, one.image), _outcome(one))
    assert list(store.pending_tasks()) == []


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_result_that_was_not_read_whole_is_final_and_no_answer(
    store: Store, environment: Environment, is_whole: bool
) -> None:
    recorder = _ledger(store, environment)
    one = _submitted(recorder, Known(item=item("a.gif"), call=call(), sha256="ab" * 32), question="q")
    outcome = _outcome(one)
    outcome = replace(outcome, sha256="ab" * 32, verdict=replace(outcome.verdict, complete=is_whole))
    assert recorder.keep_task(cast(QueuedTask, one.image), outcome)
    assert list(store.pending_tasks()) == []
    assert (store.find_answer("ab" * 32, "q", since=0.0) is not None) is is_whole


def test_a_stored_result_that_nobody_can_read_does_not_hold_the_others_up(
    store: Store, environment: Environment
) -> None:
    first = _ledger(store, environment)
    for req_id in ("Q1", "Q2", "Q3"):
        one = _submitted(first, Known(item=item(f"{req_id}.gif"), call=call()), req_id)
        first.keep_task(cast(QueuedTask, one.image), _outcome(one))
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("""UPDATE results SET record = '{"schema": 9}' WHERE finishes = 'Q2'""")
    one, two, three = _ledger(store, environment).untold()
    assert [type(each) for each in (one, two, three)] == [Judged, Failed, Judged]
    assert isinstance(two, Failed)
    assert (two.item.source, two.error.code) == ("Q2.gif", "unreadable_record")


def test_a_result_is_dated_when_it_becomes_known(store: Store, environment: Environment) -> None:
    recorder = _ledger(store, environment)
    recorder.keep(judged())
    recorder.keep(replace(judged(source="b.png"), at=5.0))
    assert [entry.record["judged_at"] for entry in store.history(Filters())] == [
        "1970-01-01T00:00:05Z",
        "1970-01-12T13:46:40Z",
    ]
