"""`moderate poll`: collect the results of queued tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TextIO

import typer

from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.ledger import Ledger, as_item
from moderate_cli.commands.options import GateOptions, OutputOptions, ServiceOptions, SettingsCommand, WaitOptions
from moderate_cli.commands.session import Session, open_session
from moderate_cli.commands.waiting import ask_after, prepare
from moderate_cli.errors import InputError, UsageError
from moderate_cli.records import Tally
from moderate_cli.verdicts import Item, QueuedTask, TaskKind

app = typer.Typer(add_completion=False)

_SOON = 3600.0  # seconds before the service forgets a result, at which to warn
_UNKNOWN = "not in the store, so that its service, its id and its parts are unknown"
_LONGEST_LINE = 4_000_000  # characters: a record with the frames of a whole animation has some 100,000
_CUT_OFF_AFTER = 600.0  # seconds after which a submission without an answer was cut off


class Kind(StrEnum):
    """What a task is about."""

    IMAGE = "image"
    MULTIMODAL = "multimodal"


@app.command(cls=SettingsCommand)
@flatten_options
def poll(
    ctx: typer.Context,
    service: ServiceOptions,
    wait: WaitOptions,
    gate: GateOptions,
    output: OutputOptions,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID...]",
            help="Ids, or - for ids or records on standard input; without any, the pending tasks of the store.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(envvar="MODERATE_KIND", help="What the tasks are about, where the store does not know."),
    ] = None,
) -> None:
    """Collect the results of queued tasks."""
    prepare(wait)
    with open_session(ctx, output) as session:
        run = session.run(gate, output)
        if ids:
            tasks = _Named(kind, session, run.tally).tasks(ids)
        else:
            tasks = _pending_tasks(session.ledger, kind)
            run.untold = session.ledger.untold(None if kind is None else _word(kind))
            _warn(session)
        run.tally.awaited = True
        run.shares_tasks = not ids
        run.noun = "pending task"
        code = run.finish(ask_after(session, tasks, wait))
    raise typer.Exit(code)


def _pending_tasks(ledger: Ledger, kind: Kind | None) -> Iterator[Item]:
    if ledger.store is None:
        raise UsageError("there is no store that could name pending tasks", hint="name their ids")
    return map(as_item, ledger.store.pending_tasks(kind=None if kind is None else _word(kind)))


@dataclass(frozen=True, slots=True)
class _Named:
    """The tasks that a command line, or standard input, names; those that the store does not know are counted."""

    kind: Kind | None
    session: Session
    tally: Tally

    def tasks(self, ids: Sequence[str]) -> Iterator[Item]:
        """Yield the tasks behind some ids, and behind what standard input holds for each `-`."""
        for word in ids:
            if word == "-":
                yield from self._tasks_in(self.session.environment.stdin)
            else:
                yield self._task(word)

    def _task(self, req_id: str) -> Item:
        store = self.session.ledger.store
        task = store.find_task(req_id) if store else None
        if task is not None:
            return as_item(task)
        self.tally.notes[_UNKNOWN] += 1
        return Item(req_id, QueuedTask(req_id, _word(self.kind) if self.kind else kind_of(req_id)))

    def _tasks_in(self, stream: TextIO) -> Iterator[Item]:
        """Yield the tasks on standard input: an id a line, or the `req_id` of each of our own records."""
        for number, line in enumerate(iter(lambda: stream.readline(_LONGEST_LINE + 1), ""), start=1):
            if len(line) > _LONGEST_LINE:
                raise UsageError(f"line {number} of standard input is longer than any id or record")
            text = line.strip()
            if not text.startswith(("{", "[", '"', "\ufeff")):
                if text:
                    yield self._task(text)
                continue
            record = _record(text, number)
            if record.get("req_id"):
                yield self._task(str(record["req_id"]))
            else:
                problem = InputError("was not submitted", code="no_task", hint="its record has no req_id")
                yield Item(str(record.get("source") or f"line {number}"), QueuedTask("", "image", problem=problem))


def _record(text: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise UsageError(f"line {number} of standard input is neither an id nor a record")
    return record


def kind_of(req_id: str) -> TaskKind:
    """Return what a task is about by the shape of its id; those of posts start with `task_` on the vendor's page."""
    return "multimodal" if req_id.startswith("task_") else "image"


def _word(kind: Kind) -> TaskKind:
    return "image" if kind is Kind.IMAGE else "multimodal"


def _warn(session: Session) -> None:
    """Tell of tasks whose results will soon be gone, and of submissions that were cut off."""
    store, say = session.ledger.store, session.ledger.say
    if store is None:
        return
    now = session.environment.clock()
    soon = sum(1 for task in store.pending_tasks() if (task.expires_at or now + _SOON) < now + _SOON)
    if soon:
        say(f"{soon} pending tasks expire within the hour")
    lost = store.close_lost(older_than=_CUT_OFF_AFTER)
    if lost.count:
        sources = ", ".join(task.source for task in lost.first)
        more = f" and {lost.count - len(lost.first):,} more" if lost.count > len(lost.first) else ""
        say(
            f"{lost.count:,} submissions were cut off ({sources}{more}): the service may have these tasks, and nobody "
            "knows their ids; look for them in the console's detection results, or submit them again"
        )
