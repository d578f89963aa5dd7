"""`moderate poll`: collect the results of queued tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, TextIO

import typer

from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.ledger import Ledger, as_item
from moderate_cli.commands.options import GateOptions, OutputOptions, ServiceOptions, WaitOptions
from moderate_cli.commands.session import Session, open_session
from moderate_cli.commands.waiting import ask_after, prepare
from moderate_cli.errors import InputError, UsageError
from moderate_cli.verdicts import Item, QueuedTask, TaskKind

app = typer.Typer(add_completion=False)

_SOON = 3600.0  # seconds before the service forgets a result, at which to warn
_CUT_OFF_AFTER = 600.0  # seconds after which a submission without an answer was cut off


class Kind(StrEnum):
    """What a task is about."""

    IMAGE = "image"
    MULTIMODAL = "multimodal"


@app.command()
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
        if ids:
            tasks = _named_tasks(ids, kind, session)
        else:
            tasks = _pending_tasks(session.ledger, kind)
            _warn(session)
        run = session.run(gate, output)
        run.tally.awaited = True
        run.shares_tasks = not ids
        run.bills = False
        run.noun = "pending task"
        code = run.finish(ask_after(session, tasks, wait))
    raise typer.Exit(code)


def _pending_tasks(ledger: Ledger, kind: Kind | None) -> Iterator[Item]:
    if ledger.store is None:
        raise UsageError("there is no store that could name pending tasks", hint="name their ids")
    tasks = ledger.store.pending_tasks(kind=None if kind is None else _word(kind))
    return map(as_item, chain(ledger.store.expire_tasks(), tasks))


def _named_tasks(ids: Sequence[str], kind: Kind | None, session: Session) -> Iterator[Item]:
    for word in ids:
        if word == "-":
            yield from _tasks_in(session.environment.stdin, kind, session)
        else:
            yield _named_task(word, kind, session)


def _named_task(req_id: str, kind: Kind | None, session: Session) -> Item:
    task = session.ledger.store.find_task(req_id) if session.ledger.store else None
    if task is not None:
        return as_item(task)
    return Item(req_id, QueuedTask(req_id, _word(kind) if kind else kind_of(req_id)))


def _tasks_in(stream: TextIO, kind: Kind | None, session: Session) -> Iterator[Item]:
    """Yield the tasks on standard input: an id a line, or the `req_id` of each of our own records."""
    for number, line in enumerate(stream, start=1):
        text = line.strip()
        if not text.startswith(("{", "[", '"', "\ufeff")):
            if text:
                yield _named_task(text, kind, session)
            continue
        record = _record(text, number)
        if record.get("req_id"):
            yield _named_task(str(record["req_id"]), kind, session)
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
    cut_off = store.submitting_tasks(older_than=_CUT_OFF_AFTER)
    if cut_off:
        say(f"{cut_off} submissions were cut off: the service may have these tasks, and nobody knows their ids")
