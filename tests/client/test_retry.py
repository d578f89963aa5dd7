"""The decision to try again as a table, and the loop around it; nothing here sleeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from moderate_cli.client.retry import Retrier, RetryPolicy, decide
from moderate_cli.errors import ServiceError

POLICY = RetryPolicy(retries=3, first_wait=0.5, longest_wait=20, longest_asked_wait=120)


def _error(code: str = "service_failed", *, retryable: bool = True, **facts: object) -> ServiceError:
    return ServiceError("it failed", code=code, retryable=retryable, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "attempts", "chance", "wait"),
    [
        # exponential, with full jitter
        (_error(), 1, 1.0, 0.5),
        (_error(), 2, 1.0, 1.0),
        (_error(), 3, 1.0, 2.0),
        (_error(), 1, 0.5, 0.25),
        (_error(), 3, 0.0, 0.0),
        # the count
        (_error(), 4, 0.5, None),
        (_error(max_attempts=2), 1, 1.0, 0.5),
        (_error(max_attempts=2), 2, 1.0, None),
        (_error(max_attempts=9), 4, 1.0, None),
        # what would not help
        (_error(retryable=False), 1, 1.0, None),
        (_error(retryable=False, retry_after=1.0), 1, 1.0, None),
        # what the service asks for
        (_error(retry_after=0.08), 1, 1.0, 0.08),
        (_error(retry_after=2.0), 3, 0.0, 2.0),
        (_error(retry_after=9999.0), 1, 0.5, 120.0),
        (_error(retry_after=1.0), 4, 0.5, None),
    ],
)
def test_the_decision(error: ServiceError, attempts: int, chance: float, wait: float | None) -> None:
    assert decide(POLICY, error, attempts, chance) == wait


def test_waits_grow_to_a_bound() -> None:
    patient = RetryPolicy(retries=50)
    assert [decide(patient, _error(), attempts, 1.0) for attempts in (6, 7, 49)] == [16.0, 20.0, 20.0]


def test_no_retries_is_one_attempt() -> None:
    assert decide(RetryPolicy(retries=0), _error(), 1, 0.5) is None


class Attempts:
    """An attempt that raises some errors before it succeeds."""

    def __init__(self, *errors: ServiceError) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "verdict"


def _run(*errors: ServiceError, mend: Callable[[ServiceError], bool] | None = None) -> tuple[object, list[float]]:
    waits: list[float] = []
    retrier = Retrier(POLICY, sleep=waits.append, chance=lambda: 1.0)
    try:
        return retrier.run(Attempts(*errors), mend=mend), waits
    except ServiceError as error:
        return error, waits


def test_a_success_tells_its_attempts() -> None:
    assert _run() == (("verdict", 1), [])
    assert _run(_error(), _error()) == (("verdict", 3), [0.5, 1.0])


def test_the_last_error_tells_its_attempts() -> None:
    error, waits = _run(*[_error() for _ in range(9)])
    assert isinstance(error, ServiceError)
    assert error.attempts == 4
    assert waits == [0.5, 1.0, 2.0]


def test_a_cause_that_was_mended_is_tried_at_once_and_does_not_count() -> None:
    clock = _error("InvalidTimeStamp.Expired", retryable=False)
    assert _run(clock, _error(), _error(), _error(), mend=lambda error: "Time" in error.code) == (
        ("verdict", 5),
        [0.5, 1.0, 2.0],
    )


def test_the_same_cause_is_mended_once() -> None:
    error, waits = _run(
        *[_error("InvalidTimeStamp.Expired", retryable=False) for _ in range(3)], mend=lambda _error: True
    )
    assert isinstance(error, ServiceError)
    assert (error.attempts, waits) == (2, [])


def test_another_error_passes_through() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Retrier(POLICY).run(broken)
