"""The same content is worked on by one thread at a time, any other at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from moderate_cli.scanning.image_judge import KeyedLock

PATIENCE = 10.0  # seconds: far more than any step here takes


def _in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_the_same_content_waits_and_another_does_not() -> None:
    in_flight, began = KeyedLock(), []
    release = threading.Event()
    first_is_in = threading.Event()

    def first() -> None:
        with in_flight.hold("a"):
            first_is_in.set()
            assert release.wait(PATIENCE)
            began.append("first is out")

    def second() -> None:
        with in_flight.hold("a"):
            began.append("second")

    threads = [_in_thread(first)]
    assert first_is_in.wait(PATIENCE)
    threads.append(_in_thread(second))
    with in_flight.hold("b"), in_flight.hold(None), in_flight.hold(None):
        began.append("others")
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert began == ["others", "first is out", "second"]


def test_nothing_is_left_of_what_is_done() -> None:
    in_flight = KeyedLock()
    for content in map(str, range(100)):
        with in_flight.hold(content):
            assert len(in_flight._turns) == 1
    assert in_flight._turns == {}


def test_an_error_lets_the_next_one_in() -> None:
    in_flight = KeyedLock()
    with pytest.raises(ValueError, match="wrong"), in_flight.hold("a"):
        raise ValueError("wrong")
    with in_flight.hold("a"):
        assert list(in_flight._turns) == ["a"]
