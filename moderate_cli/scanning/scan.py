"""Many inputs at once: worker threads pull from one shared iterator, outcomes come out as they finish."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Queue

from moderate_cli.errors import ExitCode
from moderate_cli.verdicts import Failed, Item, Outcome

Judge = Callable[[Item], Outcome]


class Scan:
    """Judges items with a bounded number of threads; no more than that many items are ever held.

    Iterating yields outcomes in the order in which they finish. A fatal failure, or `stop`, ends the run early: calls
    that are on their way are finished and their outcomes still come out.
    """

    def __init__(self, items: Iterable[Item], judge: Judge, *, jobs: int) -> None:
        self._items = iter(items)
        self._judge = judge
        self._jobs = jobs
        self._pull = threading.Lock()
        self._stopping = threading.Event()
        self._done: Queue[Outcome | BaseException | None] = Queue(maxsize=2 * jobs)

    def stop(self) -> None:
        """Start no further item."""
        self._stopping.set()

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

    def _work(self) -> None:
        try:
            while (item := self._next()) is not None:
                outcome = self._judge(item)
                if isinstance(outcome, Failed) and outcome.error.exit_code == ExitCode.FATAL:
                    self.stop()
                self._done.put(outcome)
        except BaseException as error:  # noqa: BLE001 - carried to the consumer's thread and raised there
            self._done.put(error)
        finally:
            self._done.put(None)

    def _next(self) -> Item | None:
        with self._pull:
            if self._stopping.is_set():
                return None
            return next(self._items, None)
