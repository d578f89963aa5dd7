"""Many inputs at once: worker threads pull from one shared iterator, outcomes come out as they finish."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue

from moderate_cli.errors import ExitCode
from moderate_cli.verdicts import Failed, Item, Outcome

_PATIENCE = 0.1  # seconds between two looks at whether the consumer is still there

Judge = Callable[[Item], Outcome]


class Scan:
    """Judges items with a bounded number of threads, and holds no more than three outcomes for each of them.

    Iterating yields outcomes in the order in which they finish. A fatal failure, or `stop`, ends the run early: calls
    that are on their way are finished and their outcomes still come out.
    """

    def __init__(self, items: Iterable[Item], judge: Judge, *, jobs: int) -> None:
        self._items = iter(items)
        self._judge = judge
        self._jobs = jobs
        self._pull = threading.Lock()
        # Plain flags, not events: a signal handler may set them while this thread holds an event's lock.
        self._stopping = False
        self._abandoned = False
        self._done: Queue[Outcome | BaseException | None] = Queue(maxsize=2 * jobs)

    def stop(self) -> None:
        """Start no further item."""
        self._stopping = True

    def __iter__(self) -> Iterator[Outcome]:
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(self._jobs)]
        for worker in workers:
            worker.start()
        running = len(workers)
        try:
            while running:
                done = self._done.get()
                if done is None:
                    running -= 1
                elif isinstance(done, BaseException):
                    raise done
                else:
                    yield done
        finally:
            self.stop()
            self._abandoned = True

    def _work(self) -> None:
        try:
            while (item := self._next()) is not None:
                outcome = self._judge(item)
                if isinstance(outcome, Failed) and outcome.error.exit_code == ExitCode.FATAL:
                    self.stop()
                self._put(outcome)
        except BaseException as error:  # noqa: BLE001 - carried to the consumer's thread and raised there
            self._put(error)
        finally:
            self._put(None)

    def _put(self, done: Outcome | BaseException | None) -> None:
        """Hand something over, unless nobody is there any more to take it."""
        while not self._abandoned:
            with suppress(Full):
                self._done.put(done, timeout=_PATIENCE)
                return

    def _next(self) -> Item | None:
        with self._pull:
            if self._stopping:
                return None
            return next(self._items, None)
