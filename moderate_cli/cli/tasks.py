"""`moderate async-submit` and `moderate poll`: queue images, long images and animations, and collect the results."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from moderate_cli.app.collect import (
    NamedTasks,
    ask_after,
    pending_tasks,
    prepare,
    run_submission,
    warn_of_tasks,
)
from moderate_cli.app.images import async_question, checked, image_run, open_scan, show_plan
from moderate_cli.app.session import open_session
from moderate_cli.app.spec import GateOptions, OutputOptions, ScanSpec, ServiceOptions, WaitOptions
from moderate_cli.catalog.prices import DEFAULT_FRAMES
from moderate_cli.cli.options import SourceNames, request_of, seed_of
from moderate_cli.client import AsyncOptions
from moderate_cli.models import TaskKind


class Kind(StrEnum):
    """What a task is about."""

    IMAGE = "image"
    MULTIMODAL = "multimodal"


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
            help="Task IDs; - reads IDs or records from stdin; default: all pending tasks of the store.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(envvar="MODERATE_KIND", help="Type of tasks that are not in the store."),
    ] = None,
) -> None:
    """Collect the results of queued tasks."""
    prepare(wait)
    with open_session(request_of(ctx), output) as session:
        session.recorder.begin()
        run = session.run(gate, output)
        if ids:
            tasks = NamedTasks(_word(kind), session, run.summary).tasks(ids)
        else:
            tasks = pending_tasks(session.recorder, _word(kind))
            run.untold = session.recorder.untold(_word(kind))
            warn_of_tasks(session)
        run.summary.awaited = True
        run.shares_tasks = not ids
        run.noun, run.nothing = "task", "no pending task found"
        code = run.execute(ask_after(session, tasks, wait, run.on_wait))
    raise typer.Exit(code)


def _word(kind: Kind | None) -> TaskKind | None:
    return None if kind is None else "image" if kind is Kind.IMAGE else "multimodal"


_TASKS = "Tasks"
Interval = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        envvar="MODERATE_INTERVAL",
        help="Judge every N-th frame, or slice a long image.",
        rich_help_panel=_TASKS,
    ),
]
MaxFrames = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        envvar="MODERATE_MAX_FRAMES",
        help="At most N frames (1 to 100), each billed; 10 with --interval alone.",
        rich_help_panel=_TASKS,
    ),
]
Callback = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="MODERATE_CALLBACK",
        help="URL to which the service posts the result.",
        rich_help_panel=_TASKS,
    ),
]
Seed = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        envvar="MODERATE_SEED",
        help="Seed of the callback's checksum; @FILE reads it from a file.",
        rich_help_panel=_TASKS,
    ),
]
CryptType = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256|SM3",
        envvar="MODERATE_CRYPT_TYPE",
        help="Hash of the callback's checksum.",
        rich_help_panel=_TASKS,
    ),
]


def async_submit(
    ctx: typer.Context,
    spec: ScanSpec,
    wait: WaitOptions,
    names: SourceNames = None,
    interval: Interval = None,
    max_frames: MaxFrames = None,
    callback: Callback = None,
    seed: Seed = None,
    crypt_type: CryptType = None,
) -> None:
    """Queue images, long images and animations."""
    run = image_run(request_of(ctx), names or (), spec)
    if interval is not None and max_frames is None:
        max_frames = DEFAULT_FRAMES  # the service wants both named, although it has a default for this one
    further = checked(AsyncOptions(callback, seed_of(seed), crypt_type, interval=interval, max_frames=max_frames))
    prepare(wait, submits=True)
    with run.open_session() as session:
        scan, found = open_scan(run, session, async_question(session.settings, further))
        if spec.cost.dry_run:
            nothing = run.nothing_to_retry(session)
            plan = show_plan(
                session, spec.output, scan, found, noun=run.noun, allow_empty=run.may_be_empty, nothing=nothing
            )
            raise typer.Exit(plan)
        code = run_submission(session, run.reported(session, found), scan, wait)
    raise typer.Exit(code)
