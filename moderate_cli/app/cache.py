"""The store as the memory of a scan: nothing that was answered already is asked again."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Protocol, TypeVar, cast

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from moderate_cli.app.stores import say_dropped
from moderate_cli.client import GreenClient, ModerateError, Submission
from moderate_cli.client.responses import UnreadableResponseError
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, InputError, NotTriedError, ServiceError
from moderate_cli.common.text import echo, with_hint
from moderate_cli.models import (
    Engine,
    Extent,
    Failed,
    FileStat,
    ImageUrl,
    Item,
    Json,
    Judged,
    Known,
    LocalFile,
    OssObject,
    Outcome,
    Pending,
    Planned,
    QueuedTask,
    TaskKind,
)
from moderate_cli.records import to_outcome, to_record
from moderate_cli.results import RunSummary, is_clean
from moderate_cli.scanning.image_judge import Cost, covered
from moderate_cli.store import (
    UNREADABLE,
    Answer,
    Found,
    NewTask,
    Seen,
    SeenFile,
    Store,
    StoreError,
    Task,
    Untold,
    default_path,
)

T = TypeVar("T")

KEPT_FOR: dict[TaskKind, float] = {"image": 3 * 86_400.0, "multimodal": 86_400.0}
"""Seconds for which the service keeps results (the vendor's pages of the async and multimodal operations)."""

# After these the service may have taken a task whose id nobody knows.
_PERHAPS_TAKEN = frozenset({"read_timeout", "connection_lost", "unreadable_answer"})


class RunRecorder:
    """Keeps a run's results and tasks in the store; without one that works it keeps nothing, and says so once."""

    def __init__(self, store: Store | None, command: str, environment: Environment) -> None:
        self.store = store
        self.environment = environment
        self._command = command
        self.run: int | None = None

    def begin(self, subject: str | None = None) -> None:
        """Note down that the run began; `subject` is a key of what it is asked to judge."""
        self.run = self.attempt(lambda store: store.begin_run(self._command, subject=subject))

    def keep(self, outcome: Outcome, *, question: str | None = None, file: SeenFile | None = None) -> None:
        """Keep what became of an input that is no task, and how its file looked."""
        record = to_record(self.dated(outcome))
        self.attempt(lambda store: store.add_result(self.run, record, question=question, file=file))

    def keep_task(self, task: QueuedTask, outcome: Outcome) -> bool:
        """Keep what became of a task; False where another process did so before."""
        from moderate_cli.scanning.polling import EXPIRED, is_final  # not needed by those that queue nothing

        if isinstance(outcome, Pending):
            return True
        if isinstance(outcome, Failed) and outcome.error.code == EXPIRED:
            if self.attempt(lambda store: store.expire_task(task.req_id)) is False:
                return False
            self.keep(outcome)  # one that comes after all is still taken
        elif isinstance(outcome, Failed) and outcome.verdict is not None:
            self.keep(outcome)
        if not is_final(outcome):
            return True
        record, reusable = to_record(self.dated(outcome)), is_answer(outcome)
        is_new = self.attempt(lambda store: store.finish_task(task.req_id, record, self.run, reusable=reusable))
        return is_new is not False

    def untold(self, kind: TaskKind | None = None) -> Iterator[Outcome]:
        """Yield the results of tasks that no run has told of, each of which is this run's to tell now."""
        store, run = self.store, self.run
        if store is None or run is None:
            return
        try:
            for found in store.untold():
                outcome = _told_again(found)
                task = outcome.item.image
                is_meant = kind is None or (isinstance(task, QueuedTask) and task.kind == kind)
                if is_meant and store.claim(found, run):
                    yield outcome
        except StoreError as error:
            self.give_up(error)

    def take_over(self, req_id: str) -> None:
        """Make a stored result this run's to tell, if nobody was told of it."""
        run = self.run
        if run is not None:
            self.attempt(lambda store: store.take_over(req_id, run))

    def dated(self, outcome: Outcome) -> Outcome:
        """Return an outcome with the time at which it became known."""
        return outcome if outcome.at is not None else replace(outcome, at=self.environment.clock())

    def last_run(self, subject: str) -> int | None:
        """Return the number of the last run of the same command on the same subject."""
        return self.attempt(lambda store: store.last_run(self._command, subject, before=self.run))

    def failed_in(self, run: int, source: str | None = None) -> bool:
        """Tell whether an input failed in a run, or with None any."""
        return bool(self.attempt(lambda store: store.failed_in(run, source)))

    def submit(
        self,
        kind: TaskKind,
        known: Known,
        client: GreenClient,
        call: Callable[[], Submission],
        *,
        post: Json | None = None,
        question: str | None = None,
    ) -> Submission:
        """Submit a task that is noted down before it is sent, and again as soon as its id is known.

        That it is queued is noted down too where the rest of the response cannot be read.
        """
        number = self.attempt(lambda store: store.begin_task(_new_task(kind, known, client, post, question)))
        try:
            submission = call()
        except NotTriedError:
            if number is not None:
                self.attempt(lambda store: store.drop_task(number))
            raise
        except ModerateError as error:
            queued = error.submission if isinstance(error, UnreadableResponseError) else None
            if queued is not None and queued.req_id:
                self._accept(number, kind, known, queued)
                raise
            is_lost = error.code in _PERHAPS_TAKEN or (isinstance(error, ServiceError) and error.repeated)
            if number is not None and not is_lost:
                self.attempt(lambda store: store.drop_task(number))
            raise
        self._accept(number, kind, known, submission)
        return submission

    def _accept(self, number: int | None, kind: TaskKind, known: Known, submission: Submission) -> None:
        """Note down the id of a task that the service has queued, or say it where nothing is noted down."""
        if number is None:
            self.echo(f"{known.item.source}: submitted as {submission.req_id}")
            return
        now = self.environment.clock()
        self.attempt(
            lambda store: store.accept_task(
                number,
                req_id=submission.req_id,
                submitted_at=now,
                expires_at=now + KEPT_FOR[kind],
                request_id=submission.request_id,
            )
        )

    def finish(self, summary: RunSummary, code: ExitCode) -> None:
        """Note down how the run ended, and that it told of all its results, unless a report could not be written."""
        run = self.run
        if run is not None and not summary.unwritten:
            counts = {"judged": summary.judged, "skipped": summary.skipped, "failed": summary.failed}
            self.attempt(lambda store: store.finish_run(run, exit_code=code, **counts))

    def echo(self, text: str) -> None:
        """Write a line for people."""
        echo(self.environment, text)

    def give_up(self, error: StoreError) -> None:
        """Go on without the store, and say so."""
        self.store = None
        self.echo(with_hint(error, "; this run is not stored"))

    def attempt(self, work: Callable[[Store], T]) -> T | None:
        """Return what some work on the store returns, and None where there is no store that works."""
        store = self.store  # another thread may give it up at any time
        if store is None:
            return None
        try:
            return work(store)
        except StoreError as error:
            if self.store is not None:  # else it was closed meanwhile, because the run was broken off
                self.give_up(error)
            return None


@contextmanager
def open_recorder(path: Path | None, command: str, environment: Environment) -> Iterator[RunRecorder]:
    """Yield the ledger of a run, whether its store can be opened or not."""
    try:
        store = Store.open(path or default_path(), clock=environment.clock)
    except StoreError as error:
        recorder = RunRecorder(None, command, environment)
        recorder.give_up(error)
        yield recorder
        return
    with store:
        recorder = RunRecorder(store, command, environment)
        say_dropped(store, environment)
        try:
            yield recorder
        finally:
            recorder.store = None


def as_item(task: Task) -> Item:
    """Return a task of the store as something to ask after."""
    queued = QueuedTask(
        req_id=task.req_id or "",
        kind=task.kind,
        services=tuple(filter(None, task.service.split(","))),
        region=task.region,
        endpoint=task.endpoint,
        sha256=task.sha256,
        size=task.size,
        expires_at=task.expires_at,
        data_id=task.data_id,
        post=json.loads(task.post) if task.post else None,
        extents=tuple(Extent(**extent) for extent in json.loads(task.extents or "[]")),
    )
    return Item(task.source, queued, data_id=task.data_id)


def _new_task(kind: TaskKind, known: Known, client: GreenClient, post: Json | None, question: str | None) -> NewTask:
    return NewTask(
        kind=kind,
        operation=known.call.operation,
        service=",".join(known.call.services),
        source=known.item.source,
        endpoint=client.endpoint,
        region=client.region,
        sha256=known.sha256,
        size=known.size,
        data_id=known.item.data_id,
        post=None if post is None else json.dumps(post),
        question=question,
        extents=json.dumps([asdict(extent) for extent in known.extents]) if known.extents else None,
    )


def _told_again(found: Untold) -> Outcome:
    """Return a stored result as an outcome; one that cannot be read is a failure, and told too."""
    from moderate_cli.scanning.polling import call_about  # not needed by those that queue nothing

    item = as_item(found.task) if found.task else Item(found.req_id, QueuedTask(found.req_id, "image"))
    try:
        outcome = to_outcome(found.record)
    except UNREADABLE:
        problem = InputError("the stored result cannot be read", code="unreadable_record")
        return Failed(item=item, call=call_about(cast(QueuedTask, item.image), ""), error=problem)
    return replace(outcome, item=item) if found.task else outcome


def is_answer(outcome: Outcome) -> bool:
    """Tell whether an outcome answers its question for a second time too: only what was read whole does."""
    return isinstance(outcome, Judged) and outcome.verdict.complete and not outcome.is_prescreened


_SETTLED = 2.0  # seconds after which a change of a file shows in its time on every file system (FAT counts in twos)
_OTHER_CALLBACK = "queued by an earlier run: the result goes to the callback that was given then, if any"
_REMEMBERED = 100_000  # contents that a plan knows to be sent once; memory stays flat


class ResultCache(Struct, frozen=True):
    """What the ledger's store knows that answers one question, given at `since` (Unix seconds) or in this run.

    `since` is None where no answer of an earlier run counts. With `queued` a task that is pending counts as well; the
    store does not know its callback, so that where results are to be pushed a note says so of those that were begun
    before `pushed_since`. An answer of another engine than is expected is never clean: it is told of each time. `saves`
    tells how many calls an answer to the same content saves, where this run counts them. With `addresses` an image that
    is not on this machine is taken for the one that had its name before.
    """

    recorder: RunRecorder
    question: str
    since: float | None
    queued: bool = False
    pushed_since: float | None = None
    engine: Engine = "cloud"
    saves: Cost | None = None
    addresses: bool = False

    def get(self, known: Known, fingerprint: FileStat | None) -> Outcome | None:
        """Return the earlier answer about the same content, as the outcome of this image."""
        sha256 = known.sha256
        if sha256 is None:
            return self._by_address(known) if self.addresses else None
        answer = self.recorder.attempt(
            lambda store: store.find_answer(sha256, self.question, since=self.since, run=self.recorder.run)
        )
        if answer is not None:
            outcome = reused(known, answer, self.saved_calls(known) if self._is_ours(answer) else 0)
            if outcome is not None:
                self._remember(outcome, fingerprint, answer.judged_at)
                return outcome
        task = self._pending(sha256) if self.queued else None
        if task is None:
            return None
        if self.pushed_since is not None and task.begun_at < self.pushed_since:
            known = replace(known, notes=(*known.notes, _OTHER_CALLBACK))
        return _reused_task(known, task)

    def _by_address(self, known: Known) -> Outcome | None:
        oldest = self.since
        if oldest is None or not isinstance(known.item.image, ImageUrl | OssObject):
            return None
        source = known.item.source
        answer = self.recorder.attempt(lambda store: store.find_address(source, self.question, since=oldest))
        return None if answer is None else reused(known, answer, 0)

    def put(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        """Keep an outcome that is new; what is pending is kept as a task already.

        Only an answer that was read whole is one for the next time.
        """
        if isinstance(outcome, Pending):
            return
        answers = is_answer(outcome)
        self.recorder.keep(
            outcome,
            question=self.question if answers else None,
            file=self._seen(outcome, fingerprint) if answers else None,
        )

    def clean_in(self, folder: str, files: list[Found], *, whole: bool) -> list[Found]:
        """Return the clean files of a folder, or of some of them, where an earlier answer counts."""
        oldest = self.since
        if oldest is None:
            return []
        clean = self.recorder.attempt(
            lambda store: store.clean_in(folder, self.question, files, since=oldest, whole=whole)
        )
        return clean or []

    def seen_in(self, folder: str, names: Sequence[str] | None) -> Mapping[str, Seen]:
        """Return what is known of the files of a folder, or of some of them."""
        return self.recorder.attempt(lambda store: store.seen_in(folder, names=names)) or {}

    def saved_calls(self, known: Known) -> int:
        """Return how many calls are saved where an image need not be sent a second time."""
        return 0 if self.saves is None else self.saves(known)

    def _is_ours(self, answer: Answer) -> bool:
        """Tell whether an answer was given in this run."""
        return answer.run is not None and answer.run == self.recorder.run

    def _pending(self, sha256: str) -> Task | None:
        return self.recorder.attempt(lambda store: store.find_pending(sha256, self.question))

    def _remember(self, outcome: Judged, fingerprint: FileStat | None, judged_at: float) -> None:
        file = self._seen(outcome, fingerprint)
        image, sha256 = outcome.item.image, outcome.sha256
        if file is None or sha256 is None or (isinstance(image, LocalFile) and image.sha256):
            return  # a file that is known as it is need not be written down again
        self.recorder.attempt(lambda store: store.remember_file(file, sha256, self.question, judged_at=judged_at))

    def _seen(self, outcome: Outcome, fingerprint: FileStat | None) -> SeenFile | None:
        """Return the file of a verdict as the store keeps it, unless it changed just now and might change unseen."""
        image = outcome.item.image
        if fingerprint is None or not isinstance(outcome, Judged) or not isinstance(image, LocalFile):
            return None
        if not self._is_settled(fingerprint.mtime_ns):
            return None
        folder, name = os.path.split(os.path.abspath(image.path))  # noqa: PTH100 - Path.resolve follows links
        return SeenFile(folder, name, fingerprint, is_clean(outcome) and outcome.verdict.engine == self.engine)

    def _is_settled(self, mtime_ns: int) -> bool:
        return self.recorder.environment.clock() - mtime_ns / 1e9 >= _SETTLED


class Remembering(Protocol):
    """Earlier answers, and what they save."""

    def get(self, known: Known, fingerprint: FileStat | None) -> Outcome | None:
        """Return the earlier answer about the same image, as the outcome of this one."""

    def put(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        """Keep an outcome that is new."""

    def saved_calls(self, known: Known) -> int:
        """Return how many calls are saved where an image need not be sent a second time."""


class Plan(Struct, frozen=True):
    """The memory of a run that only looks: earlier answers, and which contents it would send itself."""

    cache: Remembering
    planned: OrderedDict[str, None] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, known: Known, fingerprint: FileStat | None) -> Outcome | None:
        """Return an earlier answer, or that the same content is sent once already."""
        remembered = self.cache.get(known, fingerprint)
        if remembered is not None or known.sha256 is None:
            return remembered
        with self.lock:
            if known.sha256 in self.planned:
                return Planned(
                    item=known.item,
                    call=known.call,
                    sha256=known.sha256,
                    size=known.size,
                    calls=0,
                    saved_calls=self.cache.saved_calls(known),
                )
        return None

    def put(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        """Remember a content that would be sent."""
        if isinstance(outcome, Planned) and outcome.sha256 is not None:
            with self.lock:
                self.planned[outcome.sha256] = None
                if len(self.planned) > _REMEMBERED:
                    self.planned.popitem(last=False)


def since(reuse: float | None, now: float) -> float | None:
    """Return from when on answers count that may have an age in seconds; None where none counts."""
    if reuse is None:
        return None
    return 0.0 if reuse == inf else now - reuse


def reused(known: Known, answer: Answer, saved_calls: int) -> Judged | None:
    """Return an earlier answer as the outcome of an image, for which no attempt was made; None if it is unreadable."""
    try:
        said = to_outcome(answer.record)
    except UNREADABLE:
        return None
    if not isinstance(said, Judged):
        return None
    call = replace(said.call, attempts=0, elapsed_ms=None)
    # One of 0.1.0 does not tell how much of an image it is about.
    told = {part.kind for part in said.verdict.coverage}
    coverage = covered(said.verdict, [extent for extent in known.extents if extent.kind not in told])
    return Judged(
        item=known.item,
        call=call,
        sha256=known.sha256,
        size=known.size,
        notes=tuple(dict.fromkeys((*known.notes, *said.notes))),
        verdict=replace(said.verdict, call=call, data_id=None, coverage=coverage),
        reused=True,
        saved_calls=saved_calls,
        decision=said.decision,
    )


def _reused_task(known: Known, task: Task) -> Pending:
    """Return a task that is pending about the same content as the outcome of an image."""
    return Pending(
        item=known.item,
        call=replace(known.call, region=task.region, endpoint=task.endpoint),
        sha256=known.sha256,
        size=known.size,
        notes=known.notes,
        extents=known.extents or cast(QueuedTask, as_item(task).image).extents,
        req_id=task.req_id or "",
        request_id=task.request_id,
        expires_at=task.expires_at,
        reused=True,
    )
