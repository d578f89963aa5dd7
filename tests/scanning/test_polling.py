"""Asking after tasks: when, how often, and what is reported; nothing here sleeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from builders import call, unreadable_answer, verdict
from msgspec.structs import replace

from moderate_cli.client import GreenClient
from moderate_cli.client.parameters import Operation
from moderate_cli.client.verdicts import read_verdict
from moderate_cli.common.errors import ExitCode, ModerateError, RefusedError, ServiceError
from moderate_cli.models import (
    Coverage,
    Extent,
    Failed,
    Item,
    Json,
    Judged,
    Outcome,
    Pending,
    QueuedTask,
    TaskKind,
    Verdict,
)
from moderate_cli.scanning.polling import Polling, PollSchedule, TaskJudge, is_final, sent_data_id


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Service:
    """Answers for each task after so many questions; remembers when it was asked."""

    def __init__(self, clock: Clock, **questions: int) -> None:
        self.clock = clock
        self.left = dict(questions)
        self.asked: list[tuple[float, str]] = []

    def __call__(self, item: Item) -> Outcome:
        self.asked.append((round(self.clock.now, 1), item.source))
        self.left[item.source] -= 1
        if self.left[item.source] <= 0:
            return Judged(item=item, call=call(), verdict=verdict())
        return Pending(item=item, call=call(), req_id=item.source)


def _tasks(*names: str) -> list[Item]:
    return [Item(name, QueuedTask(name, "image")) for name in names]


def _polling(judge: Callable[[Item], Outcome], clock: Clock, *names: str, **schedule: float) -> Polling:
    return Polling(
        iter(_tasks(*names)),
        judge,
        jobs=1,
        schedule=PollSchedule(**schedule),
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


def _words(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.item.source, type(outcome).__name__) for outcome in outcomes]


def test_without_waiting_each_task_is_asked_after_once_and_at_once() -> None:
    clock = Clock()
    service = Service(clock, a=1, b=2)
    assert _words(list(_polling(service, clock, "a", "b"))) == [("a", "Judged"), ("b", "Pending")]
    assert service.asked == [(0.0, "a"), (0.0, "b")]


def test_waiting_asks_after_30_seconds_and_then_every_30() -> None:
    clock = Clock()
    service = Service(clock, a=1, b=3)
    assert _words(list(_polling(service, clock, "a", "b", timeout=600))) == [("a", "Judged"), ("b", "Judged")]
    assert service.asked == [(30.0, "a"), (30.0, "b"), (60.0, "b"), (90.0, "b")]


def test_what_is_pending_at_the_deadline_is_reported_as_pending() -> None:
    clock = Clock()
    service = Service(clock, a=99)
    assert _words(list(_polling(service, clock, "a", timeout=70))) == [("a", "Pending")]
    assert [when for when, _ in service.asked] == [30.0, 60.0, 70.0]


def test_a_deadline_before_the_first_question_is_the_first_question() -> None:
    clock = Clock()
    service = Service(clock, a=1)
    assert _words(list(_polling(service, clock, "a", timeout=5))) == [("a", "Judged")]
    assert service.asked == [(5.0, "a")]


def test_stopping_ends_the_wait() -> None:
    clock = Clock()
    polling = _polling(Service(clock, a=99), clock, "a", timeout=1e9)

    def judge(item: Item) -> Outcome:
        polling.stop()
        return Pending(item=item, call=call(), req_id=item.source)

    polling._judge = judge
    assert _words(list(polling)) == [("a", "Pending")]
    assert clock.now == pytest.approx(30)


PASSING = [
    ServiceError("x", code="connection_failed", retryable=True),
    ServiceError("x", code="rate_limited", api_code=403, retryable=True, throttled=True),
    ServiceError("x", code="service_failed", api_code=500, retryable=True),
]
LASTING = [
    ServiceError("x", code="download_failed", api_code=404, retryable=True),
    ServiceError("x", code="download_timeout", api_code=405, retryable=True),
    ServiceError("x", code="too_large", api_code=406),
]


def _failed(error: ModerateError) -> Failed:
    return Failed(item=_tasks("a")[0], call=call(), error=error)


@pytest.mark.parametrize("error", PASSING, ids=lambda error: error.code)
def test_a_question_that_failed_is_asked_again(error: ServiceError) -> None:
    clock = Clock()
    answers: list[Outcome] = [_failed(error), Judged(item=_tasks("a")[0], call=call(), verdict=verdict())]
    polling = _polling(lambda _item: answers.pop(0), clock, "a", timeout=600)
    assert _words(list(polling)) == [("a", "Judged")]
    assert not is_final(_failed(error))


@pytest.mark.parametrize("error", LASTING, ids=lambda error: error.code)
def test_a_task_that_failed_is_not_asked_after_again(error: ServiceError) -> None:
    clock = Clock()
    polling = _polling(lambda _item: _failed(error), clock, "a", timeout=600)
    assert _words(list(polling)) == [("a", "Failed")]
    assert clock.now == pytest.approx(30)
    assert is_final(_failed(error))


@pytest.mark.parametrize(
    "error",
    [
        ServiceError("x", code="Forbidden", http_status=403),
        ServiceError("x", code="not_permitted", api_code=408, fatal=True),
        ServiceError("x", code="parameter_invalid", api_code=401),  # what a service says that has another's task
        RefusedError("x", code="c", api_code=1),
    ],
)
def test_an_answer_that_is_not_about_the_task_is_not_final(error: ModerateError) -> None:
    assert not is_final(_failed(error))


def test_a_fatal_answer_ends_the_wait_and_hides_no_task() -> None:
    clock = Clock()
    fatal = ServiceError("x", code="not_permitted", api_code=408, fatal=True)

    def judge(item: Item) -> Outcome:
        if item.source == "b":
            return Failed(item=item, call=call(), error=fatal)
        return Pending(item=item, call=call(), req_id=item.source)

    outcomes = list(_polling(judge, clock, "a", "b", "c", "d", timeout=3600))
    assert sorted(_words(outcomes)) == [("a", "Pending"), ("b", "Failed"), ("c", "Pending"), ("d", "Pending")]
    assert clock.now == pytest.approx(30)


def test_stopping_before_the_first_question_hides_no_task() -> None:
    clock = Clock()
    service = Service(clock, a=1, b=1)
    polling = _polling(service, clock, "a", "b", timeout=3600)
    polling.stop()
    assert _words(list(polling)) == [("a", "Pending"), ("b", "Pending")]
    assert service.asked == []


def test_nothing_to_ask_after_is_no_reason_to_wait() -> None:
    clock = Clock()
    assert list(_polling(Service(clock), clock, timeout=3600)) == []
    assert clock.now == 0


NO_CONNECTION = ServiceError("refused", code="connection_failed", retryable=True)


def _refuse(item: Item) -> Outcome:
    return Failed(item=item, call=call(attempts=4), error=NO_CONNECTION)


@pytest.mark.parametrize("timeout", [0, 3600])
def test_enough_tasks_without_a_connection_end_it_and_hide_no_task(timeout: int) -> None:
    """The rest is pending, for the next poll to ask after (faults.md, R5)."""
    clock = Clock()
    names = [f"t{number:02}" for number in range(40)]
    polling = _polling(_refuse, clock, *names, timeout=timeout)
    outcomes = list(polling)
    assert sorted(outcome.item.source for outcome in outcomes) == names
    kinds = [type(outcome) for outcome in outcomes]
    assert 8 <= kinds.count(Failed) < 40  # more than 8 only where a worker was quicker than the count
    assert kinds.count(Failed) + kinds.count(Pending) == 40
    assert polling.is_unreachable
    assert clock.now == (30 if timeout else 0)


def test_a_task_without_a_connection_is_told_at_once_where_no_other_poll_follows() -> None:
    first = next(iter(_polling(_refuse, Clock(), "a", "b", "c")))
    assert isinstance(first, Failed)


def test_the_same_few_tasks_are_polled_again_however_often_they_find_no_connection() -> None:
    clock = Clock()
    polling = _polling(_refuse, clock, "a", "b", "c", timeout=300)
    assert _words(list(polling)) == [("a", "Failed"), ("b", "Failed"), ("c", "Failed")]
    assert not polling.is_unreachable
    assert clock.now == pytest.approx(300)


def test_a_connection_that_breaks_down_later_is_waited_for() -> None:
    clock = Clock()
    names = [f"t{number:02}" for number in range(20)]

    def judge(item: Item) -> Outcome:
        if clock.now < 50:
            return Pending(item=item, call=call(attempts=1), req_id=item.source)
        return _refuse(item) if clock.now < 100 else Judged(item=item, call=call(), verdict=verdict())

    polling = _polling(judge, clock, *names, timeout=600)
    assert {word for _, word in _words(list(polling))} == {"Judged"}
    assert not polling.is_unreachable


class Client(GreenClient):
    """Answers without a network."""

    def __init__(self, answer: Verdict | Exception | None) -> None:
        self.answer = answer
        self.region = "cn-shanghai"
        self.asked: list[str] = []
        self.told: list[dict[str, Any]] = []

    @property
    def endpoint(self) -> str:
        return "host"

    def describe_image_moderation_result(
        self, req_id: str, *, services: Sequence[str] = (), data_id: str | None = None
    ) -> Verdict | None:
        self.told.append({"services": services, "data_id": data_id})
        return self._said(f"image {req_id}", services)

    def describe_multimodal_moderation_result(
        self, req_id: str, *, services: Sequence[str] = (), data_id: str | None = None, post: Json | None = None
    ) -> Verdict | None:
        self.told.append({"services": services, "data_id": data_id, "post": post})
        return self._said(f"post {req_id}", services)

    def _said(self, question: str, services: Sequence[str]) -> Verdict | None:
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer and replace(self.answer, call=replace(self.answer.call, services=tuple(services)))


TASK = QueuedTask("T", "image", services=("s",), sha256="a" * 64, size=7, expires_at=99.0)


def test_a_verdict_is_told_with_what_was_known_of_the_task() -> None:
    outcome = TaskJudge(lambda _task: Client(verdict()))(Item("a.gif", TASK))
    assert isinstance(outcome, Judged)
    assert (outcome.call.services, outcome.sha256, outcome.size, outcome.verdict.req_id) == (("s",), "a" * 64, 7, "T")


def test_no_verdict_is_pending() -> None:
    outcome = TaskJudge(lambda _task: Client(None))(Item("a.gif", TASK, data_id="d"))
    assert isinstance(outcome, Pending)
    assert (outcome.req_id, outcome.data_id, outcome.expires_at) == ("T", "d", 99.0)


def test_an_error_is_a_failure() -> None:
    outcome = TaskJudge(lambda _task: Client(LASTING[0]), lambda: 98.0)(Item("a.gif", TASK))
    assert isinstance(outcome, Failed)
    assert outcome.error is LASTING[0]


def test_a_task_is_over_only_once_the_service_says_so() -> None:
    """A clock that is ahead makes every task look forgotten (faults.md, R13)."""
    judged = TaskJudge(lambda _task: Client(verdict()), lambda: 1e9)(Item("a.gif", TASK))
    assert isinstance(judged, Judged)
    assert isinstance(TaskJudge(lambda _task: Client(None), lambda: 1e9)(Item("a.gif", TASK)), Pending)
    refused = TaskJudge(lambda _task: Client(LASTING[0]), lambda: 1e9)(Item("a.gif", TASK))
    assert isinstance(refused, Failed)
    assert refused.error.code == "expired"


def test_what_could_be_read_of_an_answer_is_kept_and_the_task_is_not_over() -> None:
    said = verdict("medium", "smoke")
    outcome = TaskJudge(lambda _task: Client(unreadable_answer("a label is 3", said)))(Item("a.gif", TASK))
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.verdict) == ("unreadable_answer", said)
    assert not is_final(outcome)


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), ValueError("x")])
def test_an_error_that_nobody_foresaw_is_that_tasks_failure(error: Exception) -> None:
    def client_for(task: QueuedTask) -> GreenClient:
        return Client(error if task.req_id == "T2" else verdict())

    judge, clock = TaskJudge(client_for), Clock()
    outcomes = list(_polling(judge, clock, "T1", "T2", "T3"))
    assert sorted(_words(outcomes)) == [("T1", "Judged"), ("T2", "Failed"), ("T3", "Judged")]
    [bug] = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert (bug.error.code, bug.error.exit_code) == ("bug", ExitCode.BUG)
    assert not is_final(bug)


def test_no_client_for_a_task_is_that_tasks_failure_too() -> None:
    def client_for(task: QueuedTask) -> GreenClient:
        raise KeyError("endpoint")

    outcome = TaskJudge(client_for)(Item("a.gif", TASK))
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "bug"


POST = {"mainData": {"mainContent": "text"}, "dataId": "its-own"}


@pytest.mark.parametrize(
    ("task", "sent"),
    [
        (replace(TASK, data_id="d"), "d"),
        (TASK, None),
        (replace(TASK, kind="multimodal", data_id="d"), "d"),
        (replace(TASK, kind="multimodal", post=POST), "its-own"),
        (replace(TASK, kind="multimodal", post=POST, data_id="d"), "its-own"),
        (replace(TASK, kind="multimodal", post=POST | {"dataId": None}, data_id="d"), "d"),
        (replace(TASK, kind="multimodal", post=POST | {"dataId": 7}), "7"),
    ],
)
def test_the_id_that_was_sent_is_the_tasks_or_the_posts_own(task: QueuedTask, sent: str | None) -> None:
    client = Client(verdict())
    TaskJudge(lambda _task: client)(Item("a", task, data_id="of an image with the same content"))
    assert sent_data_id(task) == sent
    [told] = client.told
    assert (told["data_id"], told["services"]) == (sent, ("s",))
    assert told.get("post", task.post) == task.post


def _describing(data: dict[str, Any]) -> TaskJudge:
    """Ask a client that reads such an answer."""

    class Reading(Client):
        def describe_image_moderation_result(
            self, req_id: str, *, services: Sequence[str] = (), data_id: str | None = None
        ) -> Verdict | None:
            asked = self.call(Operation.DESCRIBE_IMAGE_MODERATION_RESULT, tuple(services))
            return read_verdict({"Code": 200, "Data": data}, asked, data_id=data_id)

        def describe_multimodal_moderation_result(
            self, req_id: str, *, services: Sequence[str] = (), data_id: str | None = None, post: Json | None = None
        ) -> Verdict | None:
            asked = self.call(Operation.DESCRIBE_MULTIMODAL_MODERATION_RESULT, tuple(services))
            return read_verdict({"Code": 200, "Data": data}, asked, data_id=data_id, post=post)

    return TaskJudge(lambda _task: Reading(None))


@pytest.mark.parametrize(
    ("asked", "answered", "is_right"),
    [("d", "d", True), ("d", None, True), ("d", "", True), (None, "x", True), ("d", "x", False), ("7", 7, True)],
)
@pytest.mark.parametrize("kind", ["image", "multimodal"])
def test_an_answer_about_another_object_is_a_failure(
    asked: str | None, answered: object, is_right: bool, kind: TaskKind
) -> None:
    data = {"RiskLevel": "none", "DataId": answered, "MainData": {"Result": [{"Label": "nonLabel"}]}}
    outcome = _describing(data)(Item("a", replace(TASK, kind=kind, data_id=asked), data_id="another"))
    assert isinstance(outcome, Judged if is_right else Failed)
    if isinstance(outcome, Failed):
        assert outcome.error.message.endswith("it is about another object: its DataId is 'x'")


def test_the_parts_of_a_post_that_are_not_answered_are_known_by_the_post_that_was_sent() -> None:
    replies = [{"content": "r"}, {"content": "r"}]
    comments = [{"content": "c", "commentDatas": replies}, *({"content": "c"} for _ in range(6))]
    task = replace(TASK, kind="multimodal", post={"mainData": {"mainContent": "text"}, "commentDatas": comments})
    clean = {"Result": [{"Label": "nonLabel"}]}
    said = [clean | {"CommentDatas": [clean, clean]}, clean, clean]
    data = {"RiskLevel": "none", "MainData": clean, "CommentDatas": said}
    outcome = _describing(data)(Item("post.yaml", task))
    assert isinstance(outcome, Judged)
    assert outcome.verdict.coverage == (Coverage("parts", 6, 10, unanswered=True),)
    assert outcome.verdict.is_unanswered
    [note] = outcome.verdict.notes
    assert note == "not answered: $.commentDatas[3], $.commentDatas[4], $.commentDatas[5], $.commentDatas[6]"
    assert outcome.verdict.billed_calls == 1


@pytest.mark.parametrize(
    ("extents", "frames", "expected"),
    [
        ((), 0, ()),
        ((Extent("frames", 3),), 0, (Coverage("frames", 1, 3),)),
        ((Extent("frames", 3, 1, 10),), 3, ()),
        ((Extent("frames", 300, 1, 100),), 100, (Coverage("frames", 100, 300),)),
    ],
)
def test_what_an_image_consists_of_is_known_from_its_submission(
    extents: tuple[Extent, ...], frames: int, expected: tuple[Coverage, ...]
) -> None:
    found = [{"Result": [{"Label": "nonLabel"}]}] * frames
    outcome = _describing({"RiskLevel": "none", "FrameNum": frames or 1, "Frame": found})(
        Item("a.gif", replace(TASK, extents=extents))
    )
    assert isinstance(outcome, Judged)
    assert (outcome.extents, outcome.verdict.coverage) == (extents, expected)


def test_fewer_frames_than_announced_were_not_answered() -> None:
    data = {"RiskLevel": "none", "FrameNum": 30, "Frame": [{"Result": [{"Label": "nonLabel"}]}] * 2}
    for extents in ((), (Extent("frames", 30),), (Extent("frames", 30, 1, 100),)):
        outcome = _describing(data)(Item("a.gif", replace(TASK, extents=extents)))
        assert isinstance(outcome, Judged)
        assert outcome.verdict.coverage == (Coverage("frames", 2, 30, unanswered=True),)


def test_a_task_that_is_pending_keeps_what_its_image_consists_of() -> None:
    extents = (Extent("frames", 3, 1, 10),)
    outcome = TaskJudge(lambda _task: Client(None))(Item("a.gif", replace(TASK, extents=extents)))
    assert isinstance(outcome, Pending)
    assert outcome.extents == extents


def test_polling_leaves_no_task_out_that_it_could_count() -> None:
    polling = _polling(Service(Clock(), a=1), Clock(), "a")
    assert len(list(polling)) == 1
    assert (polling.not_tried, polling.at_least) == (0, False)


def test_the_kind_decides_what_is_asked() -> None:
    client = Client(None)
    for kind in ("image", "multimodal"):
        TaskJudge(lambda _task: client)(Item("x", QueuedTask("T", kind)))  # type: ignore[arg-type]
    assert client.asked == ["image T", "post T"]


def test_what_is_no_task_is_a_bug() -> None:
    from moderate_cli.models import ImageUrl

    with pytest.raises(TypeError):
        TaskJudge(lambda _task: Client(None))(Item("x", ImageUrl("https://example.com/")))
