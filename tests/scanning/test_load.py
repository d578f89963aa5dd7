"""When the processors are used so well that another thread would only be in the way."""

from __future__ import annotations

import pytest

from moderate_cli.scanning.load import Load


class Times:
    """A process with two processors: what it used, and what time it is."""

    def __init__(self) -> None:
        self.used = self.now = 100.0

    def load(self, processors: int = 2) -> Load:
        return Load(processors=processors, process_time=lambda: self.used, monotonic=lambda: self.now)


@pytest.mark.parametrize(
    ("share", "threads", "processors", "is_full"),
    [
        (0.3, 8, 2, False),  # they wait for the network
        (1.0, 1, 2, False),  # one thread computes, and another could as well
        (1.0, 2, 2, True),  # two threads take turns
        (1.9, 2, 2, True),  # both processors are used
        (1.0, 1, 1, True),
        (4.0, 5, 16, False),  # five threads compute outside of Python
        (1.1, 5, 16, True),
    ],
)
def test_threads_that_compute_are_enough(share: float, threads: int, processors: int, is_full: bool) -> None:
    times = Times()
    load = times.load(processors)
    times.used += share * 5
    times.now += 5
    assert load.is_full(threads) is is_full


def test_only_what_was_used_since_the_last_look_counts() -> None:
    times = Times()
    load = times.load()
    times.used, times.now = 110.0, 110.0
    assert load.is_full(4)
    times.now = 120.0
    assert not load.is_full(4)
    assert not load.is_full(4)
