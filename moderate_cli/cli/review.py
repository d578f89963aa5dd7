"""`moderate review`: look at what was found, one result at a time, and decide."""

from __future__ import annotations

import os
import secrets
import webbrowser
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from msgspec.structs import replace

from moderate_cli.app.cache import as_item
from moderate_cli.app.signals import on_stop, stop_signals
from moderate_cli.app.stores import open_store
from moderate_cli.cli.decided import suppressions_by
from moderate_cli.cli.filters import ResultOptions, read_age
from moderate_cli.cli.flatten import Debug, with_default
from moderate_cli.cli.options import StoreFile
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import counted, echo
from moderate_cli.gate.gate import locate
from moderate_cli.gate.suppressions import add_suppressions
from moderate_cli.models import DecisionWord, Judged, Outcome, QueuedTask, RiskLevel
from moderate_cli.records import UNREADABLE, to_outcome, upgraded
from moderate_cli.records.result_files import ResultFile
from moderate_cli.render import Format, renderer
from moderate_cli.render.output import open_output
from moderate_cli.results import RunSummary
from moderate_cli.review import ReviewQueue
from moderate_cli.review.suppressing import additions
from moderate_cli.store import Filters, Order, Store, Worklist

_COMMAND = "review"
_STEP = 0.2  # seconds between two looks at whether the review is over
_PLACES = 10  # files with the content of an image that are looked at
_END = "At the end"
_HINT = "give what an earlier run with -f json or -f jsonl wrote"
_EXPORTS = {".csv": Format.CSV, ".jsonl": Format.JSONL}


def review(
    ctx: typer.Context,
    filters: ResultOptions,
    results: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RESULTS]",
            help="Review the results in FILE, which a run wrote with -f json or jsonl, and not all in the store.",
        ),
    ] = None,
    order: Annotated[Order, typer.Option(help="The highest level first, or the oldest result of all.")] = (Order.WORST),
    terminal: Annotated[bool, typer.Option("--terminal", help="Decide in the terminal, without a browser.")] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 picks a free one.")] = 0,
    idle: Annotated[str, typer.Option(metavar="AGE", help="End when no page asked for anything for AGE.")] = "30m",
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help=with_default("Who decides.", "the user's name"))
    ] = None,
    write_suppressions: Annotated[
        bool,
        typer.Option(
            "--write-suppressions", help="Write what was suppressed to the suppressions file.", rich_help_panel=_END
        ),
    ] = False,
    suppressions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="MODERATE_SUPPRESSIONS",
            help=with_default("That file.", "the nearest .moderate-suppressions.yaml"),
            rich_help_panel=_END,
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what was decided to FILE (.csv or .jsonl).", rich_help_panel=_END),
    ] = None,
    store: StoreFile = None,
    debug: Debug = False,
) -> None:
    """Look at what was found, one result at a time, and decide: the undecided mediums and highs, unless told else."""
    environment: Environment = ctx.obj
    meant, patience = _meant(filters, environment), read_age("--idle", idle)
    export_as = _export_format(export) if export else None
    person = by or environment.user()
    with open_store(store, environment, writes=True) as opened:
        worklist = opened.worklist(meant, order)
        if results is not None:
            _limit(worklist, results, meant, opened, environment)
        queue = ReviewQueue(worklist, secrets.token_hex(8), environment.monotonic)
        try:
            if terminal:
                _in_terminal(queue, opened, person, environment)
            else:
                _serve(queue, opened, person, environment, port=port, patience=patience, opens=not no_open)
        finally:
            queue.close()
            decided = list(_decided(queue, worklist))
            _sum_up(queue, environment)
        if export and export_as:
            _export(decided, export, export_as, environment)
        if write_suppressions:
            _suppress(decided, suppressions, environment)
        elif waiting := sum(_is_suppressed(outcome) for outcome in decided):
            how = "moderate history --decision suppressed -f jsonl | moderate allow -"
            echo(environment, f"{counted(waiting, 'result')} suppressed in the store only; for the gate: {how}")


def _meant(filters: ResultOptions, environment: Environment) -> Filters:
    """Return what is to be decided: undecided mediums and highs, unless a decision or a level is named."""
    meant = filters.meant(environment.clock())
    levels = tuple(RiskLevel) if filters.decision else (RiskLevel.HIGH, RiskLevel.MEDIUM)
    return replace(
        meant,
        decision=meant.decision or "none",
        risk_levels=meant.risk_levels or tuple(level.value for level in levels),
    )


def _limit(worklist: Worklist, path: Path, meant: Filters, store: Store, environment: Environment) -> None:
    """Limit a worklist to the results in a file; raises UsageError for what cannot be read."""
    try:
        with path.open("rb") as file:
            run = store.begin_run(_COMMAND)
            added = worklist.only(_records(ResultFile(file, str(path), hint=_HINT), meant), run)
            store.finish_run(run, exit_code=0, judged=added, skipped=0, failed=0)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}", hint=_HINT) from error
    if added:
        echo(environment, f"{counted(added, 'result')} of {path} were not in the store, and are now")


def _records(results: ResultFile, meant: Filters) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a file that can be meant, in schema 2."""
    for result in results:
        record = upgraded(result.record, at=result.outcome.at)
        if isinstance(result.outcome, Judged) and record["risk_level"] in meant.risk_levels:
            yield record


def _serve(
    queue: ReviewQueue,
    store: Store,
    person: str | None,
    environment: Environment,
    *,
    port: int,
    patience: float,
    opens: bool,
) -> None:
    """Serve the page until somebody ends the review, or nobody is there any more."""
    from moderate_cli.review.application import MAX_BODY, ReviewApplication
    from moderate_cli.serving import Limits, Listener

    application = ReviewApplication(
        queue,
        person=person,
        places=partial(store.places_of, limit=_PLACES),
        tasks=partial(_task, store),
        clock=environment.clock,
        monotonic=environment.monotonic,
    )
    listener = Listener.bound("127.0.0.1", port, application, Limits(MAX_BODY))
    application.host = listener.origin.removeprefix("http://")
    with stop_signals() as stopped:
        listener.start()
        try:
            echo(environment, f"review at {listener.origin}/{application.token}/ (Ctrl-C ends it)")
            if opens and _has_screen(environment):
                webbrowser.open(listener.origin + application.entrance)
            while stopped.code is None and not application.finished.wait(_STEP):
                if environment.monotonic() - application.asked_at > patience:
                    echo(environment, "nobody is there any more")
                    break
        finally:
            listener.stop(grace=2.0)


def _has_screen(environment: Environment) -> bool:
    """Return whether a browser would have a window: else one for text would take the terminal."""
    return (
        os.name != "posix"
        or os.uname().sysname == "Darwin"
        or any(environment.variable(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    )


def _in_terminal(queue: ReviewQueue, store: Store, person: str | None, environment: Environment) -> None:
    from moderate_cli.review.terminal import TerminalReview

    def stop(number: int) -> None:
        raise KeyboardInterrupt

    places, tasks = partial(store.places_of, limit=_PLACES), partial(_task, store)
    try:
        with on_stop(stop):  # a shell that starts it in the background lets it ignore Ctrl-C otherwise
            TerminalReview(queue, environment, person=person, places=places, tasks=tasks).run()
    except KeyboardInterrupt:
        environment.stderr.write("\n")


def _task(store: Store, outcome: Outcome) -> QueuedTask | None:
    """Return the task of a result, with its post and what is known of its frames."""
    image = outcome.item.image
    task = store.find_task(image.req_id) if isinstance(image, QueuedTask) else None
    return cast(QueuedTask, as_item(task).image) if task else None


def _decided(queue: ReviewQueue, worklist: Worklist) -> Iterator[Outcome]:
    """Yield the results that were decided in this review, as they stand now."""
    for number in queue.decided:
        entry = worklist.entry(number)
        try:
            outcome = to_outcome(entry.record) if entry else None
        except UNREADABLE:
            outcome = None
        if outcome is not None and outcome.decision is not None:
            yield outcome


def _is_suppressed(outcome: Outcome) -> bool:
    return outcome.decision is not None and outcome.decision.value == DecisionWord.SUPPRESSED


def _sum_up(queue: ReviewQueue, environment: Environment) -> None:
    tally, now = queue.tally, queue.progress()
    words = ", ".join(f"{count:,} {word}" for word, count in tally.words.most_common() if count)
    echo(environment, f"{tally.decided:,} decided ({now.per_minute:g} a minute){f': {words}' if words else ''}")
    more = " or more" if now.at_least else ""
    unreadable = f", {tally.unreadable:,} unreadable" if tally.unreadable else ""
    echo(environment, f"{tally.skipped:,} skipped, {tally.undone:,} undone, {now.left:,}{more} left{unreadable}")


def _export_format(path: Path) -> Format:
    if path.suffix.lower() not in _EXPORTS:
        raise UsageError(f"--export must end with .csv or .jsonl, not {str(path)!r}", code="unknown_export")
    return _EXPORTS[path.suffix.lower()]


def _export(decided: list[Outcome], path: Path, choice: Format, environment: Environment) -> None:
    with open_output(path, environment.stdout) as stream:
        writer = renderer(choice, stream, environment, color="never", raw=False, show_suppressed=True)
        for outcome in decided:
            writer.add(outcome, suppressions=suppressions_by(outcome))
        writer.finish(RunSummary())
    echo(environment, f"{path}: {counted(len(decided), 'decision')}")


def _suppress(decided: list[Outcome], path: Path | None, environment: Environment) -> None:
    location = locate(path)
    added = add_suppressions(location, list(additions(decided, location.path.parent)))
    echo(environment, f"{location.name}: {counted(len(added), 'entry', 'entries')} added")
