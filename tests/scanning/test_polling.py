"""Asking after tasks: when, how often, and what is reported; nothing here sleeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from builders import call, verdict

from moderate_cli.client import GreenClient
from moderate_cli.errors import ModerateError, RefusedError, ServiceError
from moderate_cli.scanning.polling import Patience, Polling, TaskJudge, is_final
from moderate_cli.verdicts import Failed, Item, Judged, Outcome, Pending, QueuedTask, Verdict


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


def _polling(judge: Callable[[Item], Outcome], clock: Clock, *names: str, **patience: float) -> Polling:
    return Polling(
        iter(_tasks(*names)),
        judge,
        jobs=1,
        patience=Patience(**patience),
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


class Client(GreenClient):
    """Answers without a network."""

    def __init__(self, answer: Verdict | ServiceError | None) -> None:
        self.answer = answer
        self.region = "cn-shanghai"
        self.asked: list[str] = []

    @property
    def endpoint(self) -> str:
        return "host"

    def describe_image_moderation_result(self, req_id: str) -> Verdict | None:
        self.asked.append(f"image {req_id}")
        if isinstance(self.answer, ServiceError):
            raise self.answer
        return self.answer

    def describe_multimodal_moderation_result(self, req_id: str) -> Verdict | None:
        self.asked.append(f"post {req_id}")
        return None


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
    outcome = TaskJudge(lambda _task: Client(LASTING[0]))(Item("a.gif", TASK))
    assert isinstance(outcome, Failed)
    assert outcome.error is LASTING[0]


def test_the_kind_decides_what_is_asked() -> None:
    client = Client(None)
    for kind in ("image", "multimodal"):
        TaskJudge(lambda _task: client)(Item("x", QueuedTask("T", kind)))  # type: ignore[arg-type]
    assert client.asked == ["image T", "post T"]


def test_what_is_no_task_is_a_bug() -> None:
    from moderate_cli.verdicts import ImageUrl

    with pytest.raises(TypeError):
        TaskJudge(lambda _task: Client(None))(Item("x", ImageUrl("https://example.com/")))
