"""`moderate listen`: receive callbacks, verify their checksums, and store what they bring."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from moderate_cli.callback import (
    Algorithm,
    Callback,
    CallbackServer,
    Refusal,
    parse_callback,
    read_verdict_of,
    verify,
)
from moderate_cli.client.operations import Operation
from moderate_cli.commands.ledger import as_item
from moderate_cli.commands.log import show_log
from moderate_cli.commands.poll import kind_of
from moderate_cli.commands.signals import stop_signals
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode, InputError, ModerateError, UsageError
from moderate_cli.records import to_record
from moderate_cli.render.json import dump
from moderate_cli.render.notes import say
from moderate_cli.scanning.judging import open_file
from moderate_cli.scanning.polling import call_about, is_final
from moderate_cli.store import Store, default_path
from moderate_cli.verdicts import Failed, Item, Judged, Outcome, QueuedTask

app = typer.Typer(add_completion=False)

_STEP = 0.1  # seconds between two looks at whether somebody asked to stop
_PATIENCE = 5.0  # seconds with a locked store: the service pushes again, and does not wait for long
_LARGEST = 1024 * 1024  # bytes of a recorded callback, as of one that is pushed


@app.command()
def listen(
    ctx: typer.Context,
    uid: Annotated[str, typer.Option(metavar="ID", envvar="MODERATE_UID", help="The account's id, not a RAM user's.")],
    seed: Annotated[str, typer.Option(metavar="TEXT", envvar="MODERATE_SEED", help="The seed that was submitted.")],
    host: Annotated[
        str, typer.Option(metavar="HOST", envvar="MODERATE_HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, envvar="MODERATE_PORT", help="The port; 0 is any.")
    ] = 8080,
    path: Annotated[
        str, typer.Option(metavar="PATH", envvar="MODERATE_PATH", help="The path of the callback's URL.")
    ] = "/",
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="MODERATE_STORE", help="Where results and tasks are kept.")
    ] = None,
    verify_file: Annotated[
        Path | None, typer.Option("--verify", metavar="FILE", help="Check a recorded callback, and do not listen.")
    ] = None,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Tell more on stderr.")] = 0,
) -> None:
    """Receive callbacks, verify their checksums, and store what they bring."""
    environment = ctx.obj
    show_log(verbose, environment.stderr)
    if not uid.strip() or not seed.strip():
        raise UsageError("--uid and --seed may not be empty: anybody could make the checksum")
    if verify_file is not None:
        environment.stdout.write(dump(to_record(_verified(verify_file, uid, seed))) + "\n")
        raise typer.Exit(ExitCode.OK)
    opening = Store.open(store or default_path(), clock=environment.clock, patience=_PATIENCE)
    with opening as opened, stop_signals() as stopped:
        desk = _Desk(opened, environment)
        with CallbackServer(
            desk.save, uid=uid, seed=seed, host=host, port=port, path=path, refused=desk.refused
        ) as server:
            desk.say(f"listening on {server.url}")
            while stopped.code is None and not desk.is_unread:
                time.sleep(_STEP)
        desk.say(f"stopped: {desk.saved} saved, {desk.repeated} seen before, {desk.turned_away} refused")
    if desk.is_unread:
        raise BrokenPipeError
    raise typer.Exit(stopped.code or ExitCode.OK)


@dataclass(slots=True)
class _Desk:
    """Takes verified callbacks in: into the store first, and only then to stdout."""

    store: Store
    environment: Environment
    saved: int = 0
    repeated: int = 0
    turned_away: int = 0
    is_unread: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def save(self, callback: Callback) -> bool:
        """Store what a callback brings; False for one that was stored before. Raises where it cannot be stored."""
        outcome = outcome_of(callback, self.store)
        record = to_record(outcome)
        is_new = self.store.finish_task(str(record["req_id"]), record)
        with self.lock:
            if is_new:
                self.saved += 1
                self._print(record)
            else:
                self.repeated += 1
        return is_new

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
            self.say(f"refused a callback with {refusal.status}: {reason}")

    def say(self, text: str) -> None:
        """Write a line for people."""
        say(self.environment, text)


def outcome_of(callback: Callback, store: Store | None) -> Outcome:
    """Return what a callback says became of a task; raises CallbackError where it says nothing of any task."""
    task = store.find_task(callback.req_id) if store and callback.req_id else None
    req_id = callback.req_id
    if req_id is None:
        raise InputError("the callback names no task", code="unreadable_callback")
    item = as_item(task) if task else Item(req_id, QueuedTask(req_id, kind_of(req_id)))
    queued = cast(QueuedTask, item.image)
    call = call_about(queued, _operation(queued))
    try:
        verdict = read_verdict_of(callback, call)
    except ModerateError as error:
        failed = Failed(item=item, call=call, sha256=queued.sha256, size=queued.size, error=error)
        if not is_final(failed):
            raise
        return failed
    return Judged(item=item, call=call, sha256=queued.sha256, size=queued.size, verdict=verdict)


def _operation(task: QueuedTask) -> str:
    is_image = task.kind == "image"
    return (Operation.IMAGE_ASYNC_MODERATION if is_image else Operation.MULTIMODAL_ASYNC_MODERATION).value


def _verified(path: Path, uid: str, seed: str) -> Outcome:
    """Return the outcome in a recorded callback; raises InputError for one whose checksum is wrong."""
    try:
        with open_file(path) as file:
            callback = parse_callback(file.read(_LARGEST))
    except ModerateError as error:
        raise InputError(f"{path}: {error.message}", code=error.code, hint=error.hint) from error
    algorithms: tuple[Algorithm, ...] = ("SHA256", "SM3")
    if not any(verify(callback.checksum, uid, seed, callback.content, each) for each in algorithms):
        hint = "check --uid (the account's id, not a RAM user's) and --seed"
        raise InputError(f"{path}: the checksum is wrong", code="wrong_checksum", hint=hint)
    return outcome_of(callback, None)
