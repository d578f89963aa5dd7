"""How many inputs are judged at once: worker threads take items from one bounded queue, and yield outcomes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from queue import Empty, SimpleQueue

from moderate_cli.models import Failed, Item, NotTried, Outcome
from moderate_cli.scanning.unreachable import Unreachable

_PATIENCE = 0.1  # seconds between two checks of whether the consumer is still there
_PACE = 0.01  # seconds after which a new worker begins: the interval of calls at the quota of 100 calls/s
_SILENCE = 1.0  # seconds without a new item, after which items are no longer waited for just to count them
_AHEAD = 2  # outcomes per worker that may wait for the consumer
_AHEAD_IN_ORDER = 16  # the same where a slow one delays those behind it

log = logging.getLogger(__name__)

Judge = Callable[[Item], Outcome]
_Numbered = tuple[int, Outcome]
_OUTCOME = itemgetter(1)


def always() -> bool:
    """Return True: each further worker is wanted."""
    return True


class Executor:
    """Judges items with up to `jobs` threads, and holds a bounded number of outcomes for each of them.

    Iterating yields outcomes as they finish, or in input order if `ordered`. There is one worker at first; each that
    takes an item starts another, one at a time, while `wants_more` returns True. After `stop`, a failure that ends the
    run, or enough that find no connection, no further item starts: those in progress are finished and their outcomes
    yielded, and those in the queue are left. From the first item that is not tried on, the rest is only counted.
    """

    def __init__(
        self,
        items: Iterable[Item],
        judge: Judge,
        *,
        jobs: int,
        wants_more: Callable[[], bool] = always,
        ordered: bool = False,
        unreachable: Unreachable | None = None,
    ) -> None:
        self._items = iter(items)
        self._judge = judge
        self._jobs = jobs
        self._wants_more = wants_more
        self._ordered = ordered
        self._unreachable = unreachable or Unreachable()
        self._limit = (1 + (_AHEAD_IN_ORDER if ordered else _AHEAD)) * jobs
        self._queue: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
        self._is_feeding = False
        self._queued_up = 0
        self._taken = 0
        self._room = threading.Condition()
        self._is_full = False
        self._workers = 0
        self._growing = threading.Lock()  # held until a new worker begins
        self._is_over = threading.Event()  # no item is left in the queue
        # Plain flags, not events: a signal handler may set them while this thread holds an event's lock.
        self._stopping = False
        self._is_exhausted = False
        self._not_tried: NotTried | None = None  # from this one on, items are only counted
        self._counted = 0
        self._done: SimpleQueue[_Numbered | BaseException | None] = SimpleQueue()

    def stop(self) -> None:
        """Start no further item; may be called by a signal handler."""
        self._stopping = True
        self._queue.put(None)  # wakes up a worker that waits for an item

    @property
    def workers(self) -> int:
        """How many workers were started so far."""
        return self._workers

    @property
    def is_feeding(self) -> bool:
        """Whether the input is still being read, which goes on after a stop while it waits for the next item."""
        return self._is_feeding

    @property
    def not_tried(self) -> int:
        """How many known items have no outcome because the run ended before them."""
        return self._counted + self._queued_up - self._taken

    @property
    def at_least(self) -> bool:
        """Whether there may be more of them that were not counted."""
        return self.not_tried > 0 and not self._is_exhausted

    @property
    def is_unreachable(self) -> bool:
        """Whether too many items in a row found no connection, so that no further one started."""
        return self._unreachable.is_so

    def take_left(self) -> list[Item]:
        """Return, once and in any order, the items left in the queue by a stop, after the last outcome."""
        numbered = [self._queue.get() for _ in range(self._queue.qsize())]
        return [one[1] for one in numbered if one is not None]

    def __iter__(self) -> Iterator[Outcome]:
        self._is_feeding = True
        threading.Thread(target=self._feed, daemon=True).start()
        self._start_worker(self._work)
        try:
            for outcome in self._in_order() if self._ordered else self._as_they_finish():
                self._taken += 1
                if self._is_full:
                    with self._room:
                        self._room.notify()
                if isinstance(outcome, NotTried):
                    self._counted += 1
                    continue
                if self._unreachable.is_so_after(outcome):
                    self.stop()
                yield outcome
        finally:
            self.stop()

    def _as_they_finish(self) -> Iterator[Outcome]:
        return map(_OUTCOME, self._numbered())

    def _in_order(self) -> Iterator[Outcome]:
        early: dict[int, Outcome] = {}
        due = 0
        for number, outcome in self._numbered():
            early[number] = outcome
            while due in early:
                yield early.pop(due)
                due += 1
        yield from (early[number] for number in sorted(early))  # behind one that was left because of a stop

    def _numbered(self) -> Iterator[_Numbered]:
        """Yield outcomes with the numbers of their items until the last thread is done.

        After a stop no further item is waited for, nor for long while they are only counted: they may come from a
        silent pipe.
        """
        finished = 0
        silent = 0.0
        while finished < 1 + self._workers:
            try:
                done = self._done.get(timeout=_PATIENCE)  # Windows notices no Ctrl-C in an endless wait
                silent = 0.0
            except Empty:
                silent += _PATIENCE
                if self._not_tried and silent >= _SILENCE and self._queued_up == self._taken:
                    self.stop()
                if self._stopping and self._is_feeding and finished == self._workers:
                    return
                continue
            if done is None:
                finished += 1
            elif isinstance(done, BaseException):
                raise done
            else:
                yield done

    def _feed(self) -> None:
        """Put the items into the queue; only this thread iterates over them.

        A lock around the iterator would pass from worker to worker with each item, which is too slow; workers that find
        an item in a queue keep running.
        """
        try:
            numbered = enumerate(self._items)
            while self._has_room() and (item := next(numbered, None)) is not None:
                self._queued_up += 1
                self._queue.put(item)
            self._is_exhausted = not self._stopping
        except BaseException as error:  # noqa: BLE001 - passed to the consumer's thread and raised there
            self._done.put(error)
        finally:
            self._is_feeding = False
            self._queue.put(None)
            self._done.put(None)

    def _has_room(self) -> bool:
        """Wait until the consumer has caught up; return whether to go on."""
        if self._queued_up - self._taken >= self._limit:
            with self._room:
                self._is_full = True  # before checking what was taken, so that the consumer sees it with the next
                while self._queued_up - self._taken >= self._limit and not self._stopping:
                    self._room.wait(_PATIENCE)
                self._is_full = False
        return not self._stopping

    def _start_worker(self, work: Callable[[], None]) -> None:
        self._workers += 1
        try:
            threading.Thread(target=self._reported, args=(work,), daemon=True).start()
        except RuntimeError:
            self._workers -= 1
            raise

    def _start_another(self) -> bool:
        """Start a worker that begins later; return False, and start no more, if the system allows no further thread."""
        try:
            self._start_worker(self._begin_later)
        except RuntimeError:
            log.warning("the system allows no more than %d workers", self._workers)
            self._jobs = self._workers
            return False
        return True

    def _begin_later(self) -> None:
        """Work a moment later, or at once if no item is left."""
        self._is_over.wait(_PACE)
        self._growing.release()
        self._work()

    def _work(self) -> None:
        while (numbered := self._next()) is not None:
            number, item = numbered
            outcome = self._not_tried or self._judge(item)
            if isinstance(outcome, NotTried):
                self._not_tried = outcome
            elif isinstance(outcome, Failed) and outcome.error.ends_run:
                self.stop()
            self._done.put((number, outcome))

    def _reported(self, work: Callable[[], None]) -> None:
        """Do some work, and report its end to the consumer."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - passed to the consumer's thread and raised there
            self._done.put(error)
        finally:
            self._done.put(None)

    def _next(self) -> tuple[int, Item] | None:
        """Return the next item with its number, None at the end; start another worker if there is work for one."""
        numbered = self._queue.get()
        if numbered is None or self._stopping:
            self._is_over.set()
            self._queue.put(numbered)  # for the other workers; an item is not lost
            return None
        if self._workers < self._jobs and self._growing.acquire(blocking=False):
            is_started = self._workers < self._jobs and self._wants_more() and self._start_another()
            if not is_started:
                self._growing.release()
        return numbered
