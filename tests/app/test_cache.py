"""The store as the memory of a scan: what is an answer for a second time, and how it is told."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from builders import SHA256, call, failed, item, judged, pending, schema_1, skipped, unreadable_answer, verdict
from msgspec.structs import replace

from moderate_cli.app.cache import ResultCache, RunRecorder
from moderate_cli.app.collect import as_task
from moderate_cli.common.environment import Environment
from moderate_cli.models import (
    Coverage,
    Decision,
    Engine,
    Extent,
    FileStat,
    ImageUrl,
    Judged,
    Known,
    Label,
    LocalFile,
    Outcome,
    Pending,
    QueuedTask,
    RiskLevel,
    Submission,
)
from moderate_cli.records import to_record
from moderate_cli.results import is_clean, notes
from moderate_cli.store import Filters, Store

NOW = 1_000_000_000.0
LOOK = FileStat(7, 1, 1)
FRAMES = Coverage("frames", 1, 3)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[ResultCache]:
    environment = Environment(stderr=io.StringIO(), clock=lambda: NOW)
    with Store.open(tmp_path / "history.db", clock=environment.clock) as store:
        yield ResultCache(RunRecorder(store, "sync", environment), "question", since=0.0)


def _known(path: Path = Path("a.gif"), **changes: object) -> Outcome:
    return Known(item=item(image=LocalFile(path)), call=call(), sha256=SHA256, size=7, **changes)  # type: ignore[arg-type]


def _judged(outcome: Judged) -> Judged:
    return replace(outcome, item=_known().item, sha256=SHA256, size=7)


@pytest.mark.parametrize(
    ("outcome", "is_answer"),
    [
        (judged("high", "weapon"), True),
        (judged(coverage=(FRAMES,)), True),
        (judged("high", "weapon", complete=False), False),
        (failed(error=unreadable_answer(), verdict=verdict()), False),
        (failed(), False),
        (skipped(), False),
    ],
)
def test_only_a_whole_answer_is_recalled(memory: ResultCache, outcome: Outcome, is_answer: bool) -> None:
    kept = replace(outcome, item=_known().item, sha256=SHA256)
    memory.put(kept, LOOK)
    recalled = memory.get(_known(), LOOK)
    assert (recalled is not None) is is_answer
    store = memory.recorder.store
    assert store
    assert len(list(store.history(Filters()))) == 1  # whatever it is, people can look it up
    folder = str(Path.cwd())
    assert [seen[0] for seen in memory.seen_in(folder, None).values()] == (["a.gif"] if is_answer else [])


def test_what_is_pending_is_no_result(memory: ResultCache) -> None:
    memory.put(pending(), None)
    assert memory.recorder.store
    assert list(memory.recorder.store.history(Filters())) == []


@pytest.mark.parametrize("total", [3, None])
def test_an_earlier_answer_tells_again_what_it_was_about(memory: ResultCache, total: int | None) -> None:
    coverage = (Coverage("frames", 1, total),)
    first = replace(
        _judged(judged("high", "weapon", coverage=coverage, notes=("odd",), billed_calls=1)), notes=("first assumed",)
    )
    memory.put(first, LOOK)
    again = memory.get(_known(notes=("first assumed",), extents=(Extent("frames", total),)), LOOK)
    assert isinstance(again, Judged)
    assert (again.reused, again.call.attempts, again.verdict.coverage) == (True, 0, coverage)
    assert (again.verdict.risk_level, notes(again)) == (RiskLevel.HIGH, ("first assumed", "odd"))
    by_its_look = memory.get(_known(), LOOK)  # of a file that was not opened nothing more is known
    assert isinstance(by_its_look, Judged)
    assert by_its_look.verdict.coverage == coverage


def test_an_answer_of_0_1_0_does_not_hide_what_was_not_looked_at(memory: ResultCache) -> None:
    store = memory.recorder.store
    assert store
    store.add_result(None, schema_1(_judged(judged("medium", "weapon"))), question="question")
    still = memory.get(_known(), LOOK)
    assert isinstance(still, Judged)
    assert still.verdict.coverage == ()
    moving = memory.get(_known(extents=(Extent("frames", 3),)), LOOK)
    assert isinstance(moving, Judged)
    assert moving.verdict.coverage == (FRAMES,)


@pytest.mark.parametrize("record", ["{", "5", "[]", "{}", '{"schema": 2, "reused": "x"}', "[" * 100_000])
def test_an_answer_that_cannot_be_read_is_asked_for_again(memory: ResultCache, record: str) -> None:
    memory.put(_judged(judged("high", "weapon")), LOOK)
    store = memory.recorder.store
    assert store
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("UPDATE results SET record = ?", (record,))
        connection.commit()
    assert memory.get(_known(), LOOK) is None
    address = item("https://example.com/a.gif", image=ImageUrl("https://example.com/a.gif"))
    store.add_result(None, to_record(judged(source=address.source)) | {"error": 5}, question="question")
    assert replace(memory, addresses=True).get(Known(item=address, call=call()), None) is None
    assert [entry.record.get("source") for entry in store.history(Filters())] == [address.source, None]
    memory.put(_judged(judged("high", "weapon")), LOOK)
    assert isinstance(memory.get(_known(), LOOK), Judged)


@pytest.mark.parametrize("is_opened", [True, False])
def test_a_task_that_is_pending_tells_what_its_image_consists_of(memory: ResultCache, is_opened: bool) -> None:
    recorder, extents = memory.recorder, (Extent("frames", 3, 1, 10),)
    first = Known(item=item("a.gif", data_id="a"), call=call(services=("s",)), sha256=SHA256, extents=extents)
    submission = Submission(call=first.call, req_id="Q1", data_id="a", request_id=None)
    recorder.submit("image", first, Client(), lambda: submission, question="question")  # type: ignore[arg-type]
    known = _known(extents=extents if is_opened else ())
    again = replace(memory, queued=True).get(replace(known, item=replace(known.item, data_id="b")), LOOK)
    assert isinstance(again, Pending)
    assert (again.reused, again.req_id, again.extents) == (True, "Q1", extents)
    assert memory.get(known, LOOK) is None
    task = as_task(again)
    assert isinstance(task.image, QueuedTask)
    assert (task.data_id, task.image.data_id, task.image.extents) == ("b", None, extents)


class Client:
    """What a task is submitted with."""

    endpoint, region = "green-cip.ap-southeast-1.aliyuncs.com", "ap-southeast-1"


@pytest.mark.parametrize("engine", ["cloud", "local"])
def test_a_file_is_clean_if_the_expected_engine_judged_it(memory: ResultCache, engine: Engine) -> None:
    expecting = replace(memory, engine=engine)
    expecting.put(_judged(judged()), LOOK)
    clean = expecting.clean_in(str(Path.cwd()), [], whole=True)
    assert clean == ([("a.gif", *LOOK)] if engine == "cloud" else [])
    assert replace(expecting, since=None).clean_in(str(Path.cwd()), [], whole=True) == []


@pytest.mark.parametrize(
    "outcome",
    [
        judged("high", "weapon"),
        judged(coverage=(FRAMES,)),
        judged(notes=("odd",)),
        judged("none", "nonLabel_lib"),
        judged(complete=False),
        failed(error=unreadable_answer(), verdict=verdict()),
        failed(),
        skipped(),
    ],
)
def test_what_there_is_something_to_say_of_is_not_clean(memory: ResultCache, outcome: Outcome) -> None:
    memory.put(replace(outcome, item=_known().item, sha256=SHA256), LOOK)
    assert memory.clean_in(str(Path.cwd()), [], whole=True) == []


@pytest.mark.parametrize(
    ("outcome", "clean"),
    [
        (judged(), True),
        (judged("low", "smoke"), False),
        (judged("none", Label("smoke", risk_level=RiskLevel.NONE)), False),
        (judged("none", "nonLabel_lib"), False),
        (judged(None), False),
        (judged(coverage=(FRAMES,)), False),
        (judged(complete=False), False),
        (failed(), False),
        (judged(notes=("odd",)), False),
        (replace(judged(), notes=("smaller than the service likes",)), False),
        (replace(judged(), call=call(repeated=True)), False),
    ],
)
def test_nobody_needs_to_hear_of_an_image_about_which_there_is_nothing_to_say(outcome: Outcome, clean: bool) -> None:
    assert is_clean(outcome) is clean


def test_a_decision_about_an_answer_comes_with_it(memory: ResultCache) -> None:
    outcome = _judged(judged("high", "weapon", request_id="R9"))
    memory.put(outcome, LOOK)
    said = Decision("confirmed", "mo", NOW, "look")
    store = memory.recorder.attempt(lambda store: store)
    assert store is not None
    store.decide([("R9", said)])
    found = memory.get(_known(), None)
    assert found is not None
    assert found.decision == said
