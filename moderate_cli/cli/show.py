"""`moderate show`: everything that is known of one result."""

from __future__ import annotations

import glob
import hashlib
import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct
from msgspec.structs import asdict, replace

from moderate_cli.app.cache import as_item
from moderate_cli.app.stores import open_store
from moderate_cli.catalog.labels import label_meaning
from moderate_cli.cli.decided import decision_remark, outcome_of, suppressions_by
from moderate_cli.cli.filters import NoPager, PastOutputOptions
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import counted, echo, with_hint
from moderate_cli.gate import open_gate
from moderate_cli.models import Outcome, QueuedTask
from moderate_cli.records import timestamp
from moderate_cli.render.json import dump
from moderate_cli.render.output import open_output
from moderate_cli.render.pager import paged
from moderate_cli.results import Suppression, all_labels, verdict_of
from moderate_cli.store import Entry, Store, StoredRun, Task

_MOST = 200  # results of one name that are looked at
_NAMED = 5  # of several images with one name
_PLACES = 10
_REMOTE = ("http://", "https://", "oss://")


class ShowFormat(StrEnum):
    """The formats of `show`."""

    AUTO = "auto"
    TABLE = "table"
    JSON = "json"


class Details(Struct, frozen=True):
    """A stored result with all that is known of it.

    `suppressions` are those that would count for it now, of the file in force here and of decisions; `place` says where
    its image is, and `places` where files with the same content were seen.
    """

    entry: Entry
    outcome: Outcome
    run: StoredRun | None
    task: Task | None
    suppressions: tuple[Suppression, ...]
    place: str
    places: tuple[str, ...]


def show(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="RESULT",
            help="Request ID (see `moderate history`), task ID, or a SHA-256 or source with one image.",
        ),
    ],
    output: PastOutputOptions,
    format: Annotated[  # noqa: A002 - the option's name
        ShowFormat,
        typer.Option(
            "-f", "--format", help="auto: table on a terminal, json in a pipe or file.", rich_help_panel="Output"
        ),
    ] = ShowFormat.AUTO,
    no_pager: NoPager = False,
) -> None:
    """Show everything that is known of one result: labels, parts, text, run, decisions, and where its image is."""
    environment: Environment = ctx.obj
    to_terminal = output.output is None and environment.stdout.isatty()
    with open_store(output.store, environment) as store:
        details, older = _find(store, name, environment)
    pages = paged(environment, wanted=to_terminal and not no_pager, note=partial(echo, environment))
    for_people = format is ShowFormat.TABLE or (format is ShowFormat.AUTO and to_terminal)
    with pages as stdout, open_output(output.output, stdout, for_people=for_people) as stream:
        if for_people:
            from moderate_cli.render.facts import Fact, write_facts  # loads Rich

            facts = [Fact(name, tuple(lines)) for name, lines in _facts(details) if lines]
            width, color = environment.width(), environment.wants_color(output.color, stream)
            write_facts(replace(details.outcome, decision=None), facts, stream, width=width, color=color)
        else:
            stream.write(dump(_document(details)) + "\n")
    if older:
        pattern = shlex.quote(glob.escape(details.outcome.item.source))
        echo(environment, f"{counted(older, 'earlier result')}: moderate history --runs --source {pattern}")


def _find(store: Store, name: str, environment: Environment) -> tuple[Details, int]:
    """Return the latest result of the only image with a name, and the number of earlier ones; raises UsageError."""
    entries = store.find_results(name, limit=_MOST)
    if not entries:
        hint = "`moderate history` shows request IDs and sources"
        raise UsageError(f"no result in {store.path} is named {name!r}", code="unknown_result", hint=hint)
    images = {_image(entry): entry for entry in reversed(entries)}
    if len(images) > 1:
        newest = sorted(images.values(), key=lambda entry: -entry.judged_at)
        named = "; ".join(map(_choice, newest[:_NAMED]))
        more = f"; and {len(newest) - _NAMED} more" if len(newest) > _NAMED else ""
        hint = f"name one by its request ID: {named}{more}"
        raise UsageError(f"{name!r} is the name of {len(images)} different results", code="ambiguous", hint=hint)
    return _details(store, entries[0], environment), len(entries) - 1


def _image(entry: Entry) -> tuple[object, ...]:
    record = entry.record
    return tuple(str(record.get(name)) for name in ("source", "sha256", "operation", "services"))


def _choice(entry: Entry) -> str:
    record = entry.record
    services = record.get("services")
    named = services if isinstance(services, list) else []  # of a damaged record it may be anything
    facts = [_time(entry.judged_at), record.get("risk_level") or record.get("status"), *named]
    return f"{record.get('request_id')} ({record.get('source')}, {', '.join(map(str, facts))})"


def _details(store: Store, entry: Entry, environment: Environment) -> Details:
    outcome = outcome_of(entry)
    task = store.find_task(str(entry.record["req_id"])) if entry.record["req_id"] is not None else None
    if task is not None:  # it knows the post
        outcome = replace(outcome, item=replace(outcome.item, image=as_item(task).image))
    sha256 = outcome.sha256
    places = store.places_of(sha256, limit=_PLACES) if sha256 is not None else []
    return Details(
        entry=entry,
        outcome=outcome,
        run=store.find_run(entry.run) if entry.run is not None else None,
        task=task,
        suppressions=(*_in_force(outcome, environment), *suppressions_by(outcome)),
        place=_place(outcome),
        places=tuple(str(Path(folder, name)) for folder, name in places),
    )


def _in_force(outcome: Outcome, environment: Environment) -> tuple[Suppression, ...]:
    """Return what the suppressions file suppresses that is in force here; one that is wrong is told."""
    try:
        return open_gate(None, None, clock=environment.clock).suppressions(outcome)
    except UsageError as error:
        echo(environment, with_hint(error))
        return ()


def _place(outcome: Outcome) -> str:
    """Return where the image is, and whether a local file is still the one that was judged."""
    source = outcome.item.source
    if source.lower().startswith(_REMOTE):
        return "at its address"
    path = Path(source)
    try:
        if not path.is_file():
            return "no such file, seen from this folder"
        if outcome.size is not None and path.stat().st_size != outcome.size:
            return f"{path.absolute()}, changed since"
        with path.open("rb") as file:
            is_same = hashlib.file_digest(file, "sha256").hexdigest() == outcome.sha256
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return f"{path.absolute()}, {'unchanged' if is_same else 'another file, or changed since'}"


def _facts(details: Details) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each fact and its lines, none where nothing is known."""
    record, call = details.entry.record, details.outcome.call
    yield "judged", [_time(details.outcome.at or details.entry.judged_at), *_reused(record)]
    reported = record.get("reported_level")
    yield "reported", [f"{reported} (the service's word for the whole)"] if reported else []
    yield "suppressed", [_suppressed(each) for each in details.suppressions]
    yield "decided", [decision_remark(said) for said in details.entry.decisions]
    yield "request", _known(record, "request_id")
    yield "task", [*_known(record, "req_id"), *_task(details.task)]
    yield "data id", _known(record, "data_id")
    yield "asked", [f"{call.operation}: {', '.join(call.services) or 'service unknown'}"]
    yield "by", [", ".join(filter(None, [record.get("engine"), call.region, call.endpoint]))]
    yield "call", [", ".join(_cost(record))]
    elsewhere = (place for place in details.places if not details.place.startswith(f"{place}, "))
    yield "image", [details.place, *(f"seen as {place}" for place in elsewhere)]
    yield "sha256", _known(record, "sha256")
    yield "bytes", [f"{details.outcome.size:,}"] if details.outcome.size is not None else []
    yield "run", [_run(details.run)]
    raw = record.get("raw")
    yield "raw", [] if raw is None else json.dumps(raw, ensure_ascii=False, indent=2).split("\n")


def _known(record: dict[str, Any], name: str) -> list[str]:
    value = record.get(name)
    return [] if value is None else [str(value)]


def _reused(record: dict[str, Any]) -> list[str]:
    return ["taken over from an earlier result"] if record.get("reused") else []


def _suppressed(entry: Suppression) -> str:
    until = f", until {entry.expires}" if entry.expires else ""
    return f"{entry.label} by {entry.source}: {entry.reason}{until}"


def _task(task: Task | None) -> list[str]:
    if task is None:
        return []
    submitted = "" if task.submitted_at is None else f", submitted {_time(task.submitted_at)}"
    return [f"{task.state}{submitted}"]


def _cost(record: dict[str, Any]) -> Iterator[str]:
    """Yield what a call took; what is unknown is left out."""
    yield counted(int(record["attempts"]), "attempt")
    if record["elapsed_ms"] is not None:
        yield f"{record['elapsed_ms']:,} ms"
    if record["billed_calls"] is not None:
        yield f"billed {record['billed_calls']:,}"
    if record["usage"]:
        yield ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in record["usage"].items() if value)


def _run(run: StoredRun | None) -> str:
    if run is None:
        return "none: it came by a callback, or its run was pruned"
    if run.finished_at is None:
        return f"{run.number}: {run.command}, from {_time(run.started_at)}; cut off, or still running"
    counts = ", ".join(f"{getattr(run, name) or 0:,} {name}" for name in ("judged", "skipped", "failed"))
    span = f"{_time(run.started_at)} to {_time(run.finished_at)}"
    return f"{run.number}: {run.command}, {span}, exit code {run.exit_code}: {counts}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _document(details: Details) -> dict[str, Any]:
    """Return all of it as JSON data; times are in UTC."""
    verdict = verdict_of(details.outcome)
    found = all_labels(verdict) if verdict else []
    meanings = {label.label: label_meaning(label.label, label.service) for label in found}
    run, task = details.run, details.task
    return {
        "record": details.entry.record,
        "stored_at": timestamp(details.entry.judged_at),
        "meanings": meanings,
        "suppressions": [asdict(entry) for entry in details.suppressions],
        "decisions": [
            asdict(said) | {"at": timestamp(said.at), "undone_at": timestamp(said.undone_at)}
            for said in details.entry.decisions
        ],
        "run": run
        and asdict(run) | {"started_at": timestamp(run.started_at), "finished_at": timestamp(run.finished_at)},
        "task": task and {"req_id": task.req_id, "state": task.state, "submitted_at": timestamp(task.submitted_at)},
        "post": details.outcome.item.image.post if isinstance(details.outcome.item.image, QueuedTask) else None,
        "place": details.place,
        "places": details.places,
    }
