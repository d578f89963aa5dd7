"""Many inputs at once: worker threads take items from one bounded line, outcomes come out as they finish."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from queue import Empty, SimpleQueue

from moderate_cli.models import Failed, Item, NotTried, Outcome

_PATIENCE = 0.1  # seconds between two looks at whether the consumer is still there
_PACE = 0.01  # seconds after which a new worker begins: so far apart are starts at the quota of 100 a second
_SILENCE = 1.0  # seconds after which nobody waits for more items that are only counted
_AHEAD = 2  # outcomes that may wait for the consumer, for each worker
_AHEAD_IN_ORDER = 16  # the same where a slow one holds up those behind it

log = logging.getLogger(__name__)

Judge = Callable[[Item], Outcome]
_Numbered = tuple[int, Outcome]
_OUTCOME = itemgetter(1)


def always() -> bool:
    """Say yes to each further worker."""
    return True


class Executor:
    """Judges items with a bounded number of threads, and holds a bounded number of outcomes for each of them.

    Iterating yields outcomes in the order in which they finish, or in that of the items where it is `ordered`. There is
    one worker at first; each that takes an item starts another, one at a time, as long as `wants_more` says that it
    had something to do, and up to `jobs`. A failure that ends the run, or `stop`, lets no further item start: those
    that are on their way are finished and their outcomes still come out, and those that stand in line are left. From
    the first item that is not tried on, the rest is only counted.
    """

    def __init__(
        self,
        items: Iterable[Item],
        judge: Judge,
        *,
        jobs: int,
        wants_more: Callable[[], bool] = always,
        ordered: bool = False,
    ) -> None:
        self._items = iter(items)
        self._judge = judge
        self._jobs = jobs
        self._wants_more = wants_more
        self._ordered = ordered
        self._limit = (1 + (_AHEAD_IN_ORDER if ordered else _AHEAD)) * jobs
        self._line: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
        self._is_feeding = False
        self._lined_up = 0
        self._taken = 0
        self._room = threading.Condition()
        self._is_full = False
        self._workers = 0
        self._growing = threading.Lock()  # held until a new worker begins
        self._is_over = threading.Event()  # nothing is left to be taken
        # Plain flags, not events: a signal handler may set them while this thread holds an event's lock.
        self._stopping = False
        self._is_exhausted = False
        self._not_tried: NotTried | None = None  # from this one on, items are only counted
        self._counted = 0
        self._done: SimpleQueue[_Numbered | BaseException | None] = SimpleQueue()

    def stop(self) -> None:
        """Start no further item; a signal handler may ask for that."""
        self._stopping = True
        self._line.put(None)  # for those that wait for an item

    @property
    def workers(self) -> int:
        """How many threads were started so far."""
        return self._workers

    @property
    def is_feeding(self) -> bool:
        """Whether a thread is still asking for items, which it does after a stop if they keep it waiting."""
        return self._is_feeding

    @property
    def not_tried(self) -> int:
        """How many items are known of that have no outcome because the scan came to an end before them."""
        return self._counted + self._lined_up - self._taken

    @property
    def at_least(self) -> bool:
        """Whether there may be more of them, which nobody has counted."""
        return self.not_tried > 0 and not self._is_exhausted

    def take_left(self) -> list[Item]:
        """Return, once, what was lined up and not judged because of a stop, in any order, when the scan is over."""
        numbered = [self._line.get() for _ in range(self._line.qsize())]
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
                else:
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
        yield from (early[number] for number in sorted(early))  # behind one that is left because of a stop

    def _numbered(self) -> Iterator[_Numbered]:
        """Yield outcomes with the numbers of their items until the last thread is done.

        After a stop nobody waits for further items, nor for long where they are only counted: they may come from a pipe
        that says nothing.
        """
        finished = 0
        silent = 0.0
        while finished < 1 + self._workers:
            try:
                done = self._done.get(timeout=_PATIENCE)  # Windows hears no Ctrl-C in a wait without an end
                silent = 0.0
            except Empty:
                silent += _PATIENCE
                if self._not_tried and silent >= _SILENCE and self._lined_up == self._taken:
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
        """Line up the items for the workers; this thread alone iterates over them.

        A lock around the iterator would be passed from worker to worker with each item, which takes longer than a
        dispatch may; workers that find an item in a queue keep running.
        """
        try:
            numbered = enumerate(self._items)
            while self._has_room() and (item := next(numbered, None)) is not None:
                self._lined_up += 1
                self._line.put(item)
            self._is_exhausted = not self._stopping
        except BaseException as error:  # noqa: BLE001 - carried to the consumer's thread and raised there
            self._done.put(error)
        finally:
            self._is_feeding = False
            self._line.put(None)
            self._done.put(None)

    def _has_room(self) -> bool:
        """Let the consumer catch up; tell whether to go on."""
        if self._lined_up - self._taken >= self._limit:
            with self._room:
                self._is_full = True  # before the look at what was taken, so that the consumer sees it with the next
                while self._lined_up - self._taken >= self._limit and not self._stopping:
                    self._room.wait(_PATIENCE)
                self._is_full = False
        return not self._stopping

    def _start_worker(self, work: Callable[[], None]) -> None:
        self._workers += 1
        try:
            threading.Thread(target=self._carried, args=(work,), daemon=True).start()
        except RuntimeError:
            self._workers -= 1
            raise

    def _start_another(self) -> bool:
        """Start a worker that joins later; where the system has no further thread, those that there are go on."""
        try:
            self._start_worker(self._join_later)
        except RuntimeError:
            log.warning("the system allows no more than %d workers", self._workers)
            self._jobs = self._workers
            return False
        return True

    def _join_later(self) -> None:
        """Work a moment later, or at once where nothing is left to be taken."""
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

    def _carried(self, work: Callable[[], None]) -> None:
        """Do some work, and tell the consumer of its end."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - carried to the consumer's thread and raised there
            self._done.put(error)
        finally:
            self._done.put(None)

    def _next(self) -> tuple[int, Item] | None:
        """Return the next item with its number, and start another worker where there is work for one."""
        numbered = self._line.get()
        if numbered is None or self._stopping:
            self._is_over.set()
            self._line.put(numbered)  # it tells the other workers too, and is not lost
            return None
        if self._workers < self._jobs and self._growing.acquire(blocking=False):
            is_joining = self._workers < self._jobs and self._wants_more() and self._start_another()
            if not is_joining:
                self._growing.release()
        return numbered
