"""Results that the service pushes: stored before they are acknowledged, and then told and counted as those of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.app.cache import RunRecorder, as_item, is_answer
from moderate_cli.app.collect import ask_after, kind_of
from moderate_cli.app.run import chosen_formats
from moderate_cli.app.session import Session, connect, show_log, tell_of_settings
from moderate_cli.app.spec import GateOptions, OutputOptions, Request, WaitOptions
from moderate_cli.app.stores import say_dropped
from moderate_cli.callback import (
    ALGORITHMS,
    Callback,
    CallbackServer,
    Refusal,
    parse_callback,
    read_verdict_of,
    verify,
)
from moderate_cli.client.parameters import Operation
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, InputError, ModerateError
from moderate_cli.common.masking import repr_without
from moderate_cli.common.text import echo, with_hint
from moderate_cli.models import Failed, Item, Known, Outcome, QueuedTask
from moderate_cli.records import to_record
from moderate_cli.render import Format
from moderate_cli.results import RunSummary, verdict_of
from moderate_cli.scanning.image_judge import judged, open_file, without_verdict
from moderate_cli.scanning.polling import call_about, is_final, sent_data_id
from moderate_cli.settings import Settings, resolve
from moderate_cli.store import Store, StoreError, default_path

_STEP = 0.1  # seconds between two looks at whether somebody asked to stop
_PATIENCE = 5.0  # seconds with a locked store: the service pushes again, and does not wait for long
_LARGEST = 1024 * 1024  # bytes of a recorded callback, as of one that is pushed
_MAX_UNREAD = 1_000  # tasks whose results could not be read that are told of by name; memory stays flat


class ReceiveOptions(Struct, frozen=True, kw_only=True):
    """Where callbacks are received, and which; after `once` results no more are, if it is given.

    `uid` and `seed` are what their checksums are made with. With `accept_unverified`, the form may say whose result the
    signed content is.
    """

    uid: str
    seed: str
    host: str
    port: int
    path: str
    accept_unverified: bool = False
    once: int | None = None

    def __repr__(self) -> str:
        return repr_without(self, "seed")


def receive(request: Request, options: ReceiveOptions, gate: GateOptions, output: OutputOptions) -> ExitCode:
    """Receive callbacks until a signal or their number ends it, and return the exit code of what they say.

    Raises UsageError where that address cannot be had, and StoreError without a store: what is not stored must not be
    acknowledged.
    """
    environment, settings = _begun(request, output)
    with Store.open(settings.store or default_path(), clock=environment.clock, patience=_PATIENCE) as store:
        say_dropped(store, environment)
        recorder = RunRecorder(store, request.command, environment)
        recorder.run = store.begin_run(request.command)
        inbox = Inbox(store, request, accept_unverified=options.accept_unverified, run=recorder.run)
        session = Session(environment, settings, None, _nothing_kept(request))
        # A server shows each result when it comes, and a signal is its usual end, which may come before any result.
        output = replace(output, no_progress=True, format=_format(output))
        run = session.run(replace(gate, allow_empty=True), output)
        run.noun, run.is_server = "result", True
        shows_at_once = output.output is None and chosen_formats(environment, output) == [Format.JSONL]
        code = run.execute(Reception(inbox, options, run.summary, shows_at_once=shows_at_once, quiet=output.quiet))
        recorder.finish(run.summary, code)
        return code


def check_recorded(
    request: Request, options: ReceiveOptions, path: Path, gate: GateOptions, output: OutputOptions
) -> ExitCode:
    """Show what a recorded callback says, and return its exit code; raises InputError for a wrong checksum."""
    environment, settings = _begun(request, output)
    callback = _verified(path, options.uid, options.seed)
    outcome = outcome_of(callback, None)
    if not (callback.is_signed or options.accept_unverified):
        outcome = _unverified(outcome)
    session = Session(environment, settings, None, _nothing_kept(request))
    output = replace(output, no_progress=True, format=_format(output))
    run = session.run(gate, output)
    run.noun = "result"
    return run.execute(_One(outcome))


def _begun(request: Request, output: OutputOptions) -> tuple[Environment, Settings]:
    environment = request.environment
    show_log(output.verbose, environment.stderr, debug=output.debug)
    settings = resolve(request.given, environment, with_account=False)
    tell_of_settings(settings, environment, quiet=output.quiet)
    return environment, settings


def _format(output: OutputOptions) -> Format:
    """Return the format, which is `jsonl` on a terminal too: a table would be shown at the end alone."""
    return Format.JSONL if output.format is Format.AUTO else output.format


def _nothing_kept(request: Request) -> RunRecorder:
    """Return what keeps nothing: what was pushed is kept before it is acknowledged, or not at all."""
    return RunRecorder(None, request.command, request.environment)


class _One(Struct, frozen=True):
    """A single outcome, as a run takes it."""

    outcome: Outcome
    not_tried: int = 0
    at_least: bool = False
    is_unreachable: bool = False

    def stop(self) -> None:
        """No-op: there is no further one."""

    def __iter__(self) -> Iterator[Outcome]:
        yield self.outcome


class Reception:
    """The results that arrive until a signal, a reader that is gone, or their number ends it."""

    not_tried = 0
    at_least = False
    is_unreachable = False

    def __init__(
        self, inbox: Inbox, options: ReceiveOptions, summary: RunSummary, *, shows_at_once: bool, quiet: bool
    ) -> None:
        self._inbox = inbox
        self._options = options
        self._summary = summary
        self._shows_at_once = shows_at_once
        self._quiet = quiet
        self._told = 0
        self._stopping = False

    def stop(self) -> None:
        """Receive nothing more."""
        self._stopping = True

    def __iter__(self) -> Iterator[Outcome]:
        inbox, options = self._inbox, self._options
        with CallbackServer(
            inbox.save,
            uid=options.uid,
            seed=options.seed,
            host=options.host,
            port=options.port,
            path=options.path,
            refused=inbox.refused,
        ) as server:
            self._say(f"listening on {server.url}")
            while not self._stopping and self._told != options.once:
                with suppress(Empty):
                    yield from self._tell(inbox.arrived.get(timeout=_STEP))
        for _ in range(inbox.arrived.qsize()):  # acknowledged while the server came to its end
            yield from self._tell(inbox.arrived.get())
        yield from inbox.unread.values()
        if options.once is not None and self._told < options.once:
            self._summary.pending += options.once - self._told
            self._summary.awaited = True
        self._say(f"stopped: {inbox.counts}")

    def _tell(self, outcome: Outcome) -> Iterator[Outcome]:
        self._told += 1
        yield outcome
        task = outcome.item.image
        if self._shows_at_once and not self._stopping and isinstance(task, QueuedTask):
            with suppress(StoreError):  # the end of the run says so too
                self._inbox.store.mark_told(task.req_id)

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._inbox.echo(text)


class Inbox:
    """Takes verified callbacks in, by many threads: each is stored, then acknowledged, and waits to be told.

    `unread` holds the tasks whose results could not be read, until one can.
    """

    def __init__(
        self, store: Store, request: Request, *, accept_unverified: bool = False, run: int | None = None
    ) -> None:
        self.store = store
        self.arrived: SimpleQueue[Outcome] = SimpleQueue()
        self.unread: dict[str, Failed] = {}
        self._request = request
        self._accepts_unverified = accept_unverified
        self._run = run
        self._lock = threading.Lock()
        self._saved = self._repeated = self._unverified = self._turned_away = 0

    @property
    def counts(self) -> str:
        """What was received, in words."""
        unverified = f", {self._unverified} unverified" if self._unverified else ""
        return f"{self._saved} saved, {self._repeated} seen before{unverified}, {self._turned_away} refused"

    def save(self, callback: Callback) -> str:
        """Store what a callback brings, and say whether that was new. Raises where it cannot be read or stored."""
        try:
            outcome = outcome_of(callback, self.store)
        except ModerateError as error:
            self._note_unread(callback, error)
            raise
        if callback.is_signed or self._accepts_unverified:
            return self._finish(outcome)
        return self._doubt(outcome)

    def _note_unread(self, callback: Callback, error: ModerateError) -> None:
        if callback.is_signed and callback.req_id and error.code != "callback_too_early":
            item = _item(callback.req_id, self.store)
            task = cast(QueuedTask, item.image)
            failed = without_verdict(Known(item=item, call=call_about(task, _operation(task))), error)
            with self._lock:
                if isinstance(failed, Failed) and len(self.unread) < _MAX_UNREAD:
                    self.unread[callback.req_id] = replace(failed, at=self._request.environment.clock())

    def _finish(self, outcome: Outcome) -> str:
        outcome = replace(outcome, at=outcome.at or self._request.environment.clock())
        record = to_record(outcome)
        req_id = str(record["req_id"])
        is_new = self.store.finish_task(req_id, record, self._run, reusable=is_answer(outcome))
        with self._lock:
            self.unread.pop(req_id, None)
            self._saved += is_new
            self._repeated += not is_new
        if not is_new:
            return "seen before"
        self.arrived.put(outcome)
        return "saved"

    def _doubt(self, outcome: Outcome) -> str:
        """Keep what a callback says whose task is named outside of what was signed, and ask the service itself.

        The content may be about another task of the account: only the service, or a poll, makes it final.
        """
        doubtful = replace(_unverified(outcome), at=self._request.environment.clock())
        record = to_record(doubtful)
        self.store.add_result(self._run, record)
        with self._lock:
            self._unverified += 1
        self.echo(f"{record['req_id']}: {with_hint(doubtful.error)}")
        confirmed = self._confirmed(outcome.item)
        if confirmed is not None:
            self._finish(confirmed)
            return "confirmed by the service, and saved"
        self.arrived.put(doubtful)
        return "kept as unverified"

    def _confirmed(self, item: Item) -> Outcome | None:
        """Return what the service itself says of a task that the store knows, where there are keys to ask with."""
        task = item.image
        if not isinstance(task, QueuedTask) or task.endpoint is None:
            return None
        environment = self._request.environment
        try:
            settings = resolve(self._request.given, environment)
            with connect(settings, environment) as connection:
                recorder = RunRecorder(self.store, self._request.command, environment)
                session = Session(environment, settings, connection, recorder)
                outcome = next(iter(ask_after(session, [item], WaitOptions())), None)
        except ModerateError as error:
            self.echo(f"{task.req_id}: the service was not asked: {error.message}")
            return None
        return outcome if outcome is not None and is_final(outcome) else None

    def refused(self, refusal: Refusal) -> None:
        """Tell of a push that was not accepted."""
        reason = f"{refusal.reason}: {refusal.error}" if refusal.error else refusal.reason
        with self._lock:
            self._turned_away += 1
        self.echo(f"refused a callback with {refusal.status}: {reason}")

    def echo(self, text: str) -> None:
        """Write a line for people."""
        echo(self._request.environment, text)


def _unverified(outcome: Outcome) -> Failed:
    """Return a result as a failure, because the checksum does not say whose it is."""
    error = InputError(
        "the signed content has no task ID; it may belong to another task",
        code="unverified_callback",
        hint="moderate poll asks the service; --accept-unverified trusts the form",
    )
    return Failed(
        item=outcome.item,
        call=outcome.call,
        sha256=outcome.sha256,
        size=outcome.size,
        error=error,
        verdict=verdict_of(outcome),
    )


def outcome_of(callback: Callback, store: Store | None) -> Outcome:
    """Return what a callback says became of a task; raises CallbackError where it says nothing of any task."""
    if callback.req_id is None:
        raise InputError("the callback names no task", code="unreadable_callback")
    item = _item(callback.req_id, store)
    queued = cast(QueuedTask, item.image)
    call = call_about(queued, _operation(queued))
    known = Known(item=item, call=call, sha256=queued.sha256, size=queued.size, extents=queued.extents)
    try:
        verdict = read_verdict_of(callback, call, data_id=sent_data_id(queued), post=queued.post)
    except ModerateError as error:
        failed = without_verdict(known, error)
        if not is_final(failed):
            raise
        return failed
    return judged(known, verdict)


def _item(req_id: str, store: Store | None) -> Item:
    """Return a task as the store knows it, or by its id alone."""
    task = store.find_task(req_id) if store else None
    return as_item(task) if task else Item(req_id, QueuedTask(req_id, kind_of(req_id)))


def _operation(task: QueuedTask) -> str:
    is_image = task.kind == "image"
    return (Operation.IMAGE_ASYNC_MODERATION if is_image else Operation.MULTIMODAL_ASYNC_MODERATION).value


def _verified(path: Path, uid: str, seed: str) -> Callback:
    """Return a recorded callback; raises InputError for one whose checksum is not right."""
    try:
        with open_file(path) as file:
            callback = parse_callback(file.read(_LARGEST))
        is_right = any(verify(callback.checksum, uid, seed, callback.content, each) for each in ALGORITHMS)
    except ModerateError as error:
        raise InputError(f"{path}: {error.message}", code=error.code, hint=error.hint) from error
    if not is_right:
        hint = "check --uid (the account's id, not a RAM user's) and --seed"
        raise InputError(f"{path}: the checksum is wrong", code="wrong_checksum", hint=hint)
    return callback
