"""`moderate listen`: receive callbacks, verify their checksums, and store what they bring."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from msgspec import Struct, field
from msgspec.structs import replace

from moderate_cli.app.cache import RunRecorder, as_item, is_answer
from moderate_cli.app.collect import ask_after, kind_of
from moderate_cli.app.session import Session, connect, show_log
from moderate_cli.app.signals import stop_signals
from moderate_cli.app.spec import WaitOptions
from moderate_cli.app.stores import named_store, say_dropped
from moderate_cli.callback import (
    ALGORITHMS,
    Callback,
    CallbackServer,
    Refusal,
    parse_callback,
    read_verdict_of,
    verify,
)
from moderate_cli.cli.options import seed_of, tell_of_open_seed
from moderate_cli.client.parameters import Operation
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, InputError, ModerateError, UsageError
from moderate_cli.common.text import echo, with_hint
from moderate_cli.models import Failed, Item, Known, Outcome, QueuedTask
from moderate_cli.records import to_record
from moderate_cli.render.json import dump
from moderate_cli.render.output import check_open
from moderate_cli.results import verdict_of
from moderate_cli.scanning.image_judge import judged, open_file, without_verdict
from moderate_cli.scanning.polling import call_about, is_final, sent_data_id
from moderate_cli.settings import resolve
from moderate_cli.store import Store, default_path

_STEP = 0.1  # seconds between two looks at whether somebody asked to stop
_PATIENCE = 5.0  # seconds with a locked store: the service pushes again, and does not wait for long
_LARGEST = 1024 * 1024  # bytes of a recorded callback, as of one that is pushed


def listen(
    ctx: typer.Context,
    uid: Annotated[str, typer.Option(metavar="ID", envvar="MODERATE_UID", help="Account ID (not a RAM user's).")],
    seed: Annotated[
        str,
        typer.Option(
            metavar="TEXT", envvar="MODERATE_SEED", help="Seed that was submitted; @FILE reads it from a file."
        ),
    ],
    host: Annotated[
        str, typer.Option(metavar="HOST", envvar="MODERATE_HOST", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, envvar="MODERATE_PORT", help="Port; 0 picks a free one.")
    ] = 8080,
    path: Annotated[str, typer.Option(metavar="PATH", envvar="MODERATE_PATH", help="Path of the callback URL.")] = "/",
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="MODERATE_STORE", help="Database of results and tasks.")
    ] = None,
    accept_unverified: Annotated[
        bool,
        typer.Option(
            "--accept-unverified",
            envvar="MODERATE_ACCEPT_UNVERIFIED",
            help="Trust the unsigned task ID if the signed content has none (anyone could have sent it).",
        ),
    ] = False,
    verify_file: Annotated[
        Path | None, typer.Option("--verify", metavar="FILE", help="Verify a recorded callback instead of listening.")
    ] = None,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Log more to stderr.")] = 0,
) -> None:
    """Receive callbacks, verify their checksums, and store what they bring."""
    environment = ctx.obj
    show_log(verbose, environment.stderr)
    seed = seed_of(seed) or ""
    if not uid.strip() or not seed.strip():
        raise UsageError("--uid and --seed must not be empty: anyone could forge the checksum")
    check_open(environment.stdout)
    if verify_file is not None:
        environment.stdout.write(dump(to_record(_verified(verify_file, uid, seed))) + "\n")
        raise typer.Exit(ExitCode.OK)
    opening = Store.open(named_store(store, environment) or default_path(), clock=environment.clock, patience=_PATIENCE)
    with opening as opened, stop_signals() as stopped:
        say_dropped(opened, environment)
        desk = _Desk(opened, environment, accept_unverified)
        with CallbackServer(
            desk.save, uid=uid, seed=seed, host=host, port=port, path=path, refused=desk.refused
        ) as server:
            desk.echo(f"listening on {server.url}")
            tell_of_open_seed(ctx)
            while stopped.code is None and not desk.is_unread:
                time.sleep(_STEP)
        unverified = f", {desk.unverified} unverified" if desk.unverified else ""
        desk.echo(f"stopped: {desk.saved} saved, {desk.repeated} seen before{unverified}, {desk.turned_away} refused")
    if desk.is_unread:
        raise BrokenPipeError
    raise typer.Exit(stopped.code or ExitCode.OK)


class _Desk(Struct):
    """Takes verified callbacks in: into the store first, and only then to stdout."""

    store: Store
    environment: Environment
    accepts_unverified: bool
    saved: int = 0
    repeated: int = 0
    unverified: int = 0
    turned_away: int = 0
    is_unread: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def save(self, callback: Callback) -> str:
        """Store what a callback brings, and say whether that was new. Raises where it cannot be read or stored."""
        outcome = outcome_of(callback, self.store)
        if callback.is_signed or self.accepts_unverified:
            return self._finish(outcome)
        return self._doubt(outcome)

    def _finish(self, outcome: Outcome) -> str:
        outcome = replace(outcome, at=outcome.at or self.environment.clock())
        record = to_record(outcome)
        req_id = str(record["req_id"])
        is_new = self.store.finish_task(req_id, record, reusable=is_answer(outcome))
        with self.lock:
            if is_new:
                self.saved += 1
                self._print(record)
            else:
                self.repeated += 1
        if is_new and not self.is_unread:
            self.store.mark_told(req_id)
        return "saved" if is_new else "seen before"

    def _doubt(self, outcome: Outcome) -> str:
        """Keep what a callback says whose task is named outside of what was signed, and ask the service itself.

        The content may be about another task of the account: only the service, or a poll, makes it final.
        """
        error = InputError(
            "the signed content has no task ID; it may belong to another task",
            code="unverified_callback",
            hint="moderate poll asks the service; --accept-unverified trusts the form",
        )
        doubtful = Failed(
            item=outcome.item,
            call=outcome.call,
            sha256=outcome.sha256,
            size=outcome.size,
            error=error,
            verdict=verdict_of(outcome),
            at=self.environment.clock(),
        )
        record = to_record(doubtful)
        self.store.add_result(None, record)
        with self.lock:
            self.unverified += 1
            self.echo(f"{record['req_id']}: {with_hint(error)}")
        confirmed = self._confirmed(outcome.item)
        if confirmed is not None:
            self._finish(confirmed)
            return "confirmed by the service, and saved"
        return "kept as unverified"

    def _confirmed(self, item: Item) -> Outcome | None:
        """Return what the service itself says of a task that the store knows, where there are keys to ask with."""
        task = item.image
        if not isinstance(task, QueuedTask) or task.endpoint is None:
            return None
        try:
            settings = resolve({}, self.environment)
            with connect(settings, self.environment) as connection:
                session = Session(
                    self.environment, settings, connection, RunRecorder(self.store, "listen", self.environment)
                )
                outcome = next(iter(ask_after(session, [item], WaitOptions())), None)
        except ModerateError as error:
            self.echo(f"{task.req_id}: the service was not asked: {error.message}")
            return None
        return outcome if outcome is not None and is_final(outcome) else None

    def _print(self, record: dict[str, Any]) -> None:
        """Show a record that is stored by now; that nobody reads it any more ends the server, not the callback."""
        try:
            self.environment.stdout.write(dump(record) + "\n")
            self.environment.stdout.flush()
        except BrokenPipeError:
            self.is_unread = True

    def refused(self, refusal: Refusal) -> None:
        """Tell of a push that was not accepted."""
        with self.lock:
            self.turned_away += 1
            reason = f"{refusal.reason}: {refusal.error}" if refusal.error else refusal.reason
            self.echo(f"refused a callback with {refusal.status}: {reason}")

    def echo(self, text: str) -> None:
        """Write a line for people."""
        echo(self.environment, text)


def outcome_of(callback: Callback, store: Store | None) -> Outcome:
    """Return what a callback says became of a task; raises CallbackError where it says nothing of any task."""
    task = store.find_task(callback.req_id) if store and callback.req_id else None
    req_id = callback.req_id
    if req_id is None:
        raise InputError("the callback names no task", code="unreadable_callback")
    item = as_item(task) if task else Item(req_id, QueuedTask(req_id, kind_of(req_id)))
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


def _operation(task: QueuedTask) -> str:
    is_image = task.kind == "image"
    return (Operation.IMAGE_ASYNC_MODERATION if is_image else Operation.MULTIMODAL_ASYNC_MODERATION).value


def _verified(path: Path, uid: str, seed: str) -> Outcome:
    """Return the outcome in a recorded callback; raises InputError for one whose checksum is not right."""
    try:
        with open_file(path) as file:
            callback = parse_callback(file.read(_LARGEST))
        is_right = any(verify(callback.checksum, uid, seed, callback.content, each) for each in ALGORITHMS)
    except ModerateError as error:
        raise InputError(f"{path}: {error.message}", code=error.code, hint=error.hint) from error
    if not is_right:
        hint = "check --uid (the account's id, not a RAM user's) and --seed"
        raise InputError(f"{path}: the checksum is wrong", code="wrong_checksum", hint=hint)
    return outcome_of(callback, None)
