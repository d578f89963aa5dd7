"""`moderate async-submit`: queue images, long images and animations, and maybe wait for the results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TextIO, cast

import typer

from moderate_cli.app.cache import RunRecorder, as_item
from moderate_cli.app.collect import ask_after, prepare, run_submission
from moderate_cli.app.run import async_cost
from moderate_cli.app.scan import ImageCommand, Question, SourceNames, open_scan, show_plan
from moderate_cli.app.session import Session, only_service, open_session
from moderate_cli.catalog.prices import DEFAULT_FRAMES
from moderate_cli.cli.options import (
    GateOptions,
    ImageCommandOptions,
    OutputOptions,
    ServiceOptions,
    WaitOptions,
    seed_of,
    tell_of_open_seed,
)
from moderate_cli.client import AsyncOptions, GreenClient, Submission
from moderate_cli.client.parameters import Operation
from moderate_cli.common.errors import InputError, RefusedError, UsageError
from moderate_cli.models import Item, Outcome, QueuedTask, RemoteImage, TaskKind
from moderate_cli.results import RunSummary
from moderate_cli.scanning import Ask, ImageCall, Sampling

_SOON = 3600.0  # seconds before the service forgets a result, at which to warn
_UNKNOWN = "not in the store, so that its service, its id and its parts are unknown"
_MAX_LINE_LENGTH = 4_000_000  # characters: a record with the frames of a whole animation has some 100,000
_CUT_OFF_AFTER = 600.0  # seconds after which a submission without an answer was cut off


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
            tasks = _Named(kind, session, run.summary).tasks(ids)
        else:
            tasks = _pending_tasks(session.recorder, kind)
            run.untold = session.recorder.untold(None if kind is None else _word(kind))
            _warn(session)
        run.summary.awaited = True
        run.shares_tasks = not ids
        run.noun = "pending task"
        code = run.finish(ask_after(session, tasks, wait))
    raise typer.Exit(code)


def _pending_tasks(recorder: RunRecorder, kind: Kind | None) -> Iterator[Item]:
    if recorder.store is None:
        raise UsageError("there is no store that could name pending tasks", hint="name their ids")
    return map(as_item, recorder.store.pending_tasks(kind=None if kind is None else _word(kind)))


@dataclass(frozen=True, slots=True)
class _Named:
    """The tasks that a command line, or standard input, names; those that the store does not know are counted."""

    kind: Kind | None
    session: Session
    summary: RunSummary

    def tasks(self, ids: Sequence[str]) -> Iterator[Item]:
        """Yield the tasks behind some ids, and behind what standard input holds for each `-`."""
        for word in ids:
            if word == "-":
                yield from self._tasks_in(self.session.environment.stdin)
            else:
                yield self._task(word)

    def _task(self, req_id: str) -> Item:
        store = self.session.recorder.store
        task = store.find_task(req_id) if store else None
        if task is not None:
            return as_item(task)
        self.summary.notes[_UNKNOWN] += 1
        return Item(req_id, QueuedTask(req_id, _word(self.kind) if self.kind else kind_of(req_id)))

    def _tasks_in(self, stream: TextIO) -> Iterator[Item]:
        """Yield the tasks on standard input: an id a line, or the `req_id` of each of our own records."""
        for number, line in enumerate(iter(lambda: stream.readline(_MAX_LINE_LENGTH + 1), ""), start=1):
            if len(line) > _MAX_LINE_LENGTH:
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
    store, echo = session.recorder.store, session.recorder.echo
    if store is None:
        return
    now = session.environment.clock()
    soon = sum(1 for task in store.pending_tasks() if (task.expires_at or now + _SOON) < now + _SOON)
    if soon:
        echo(f"{soon} pending tasks expire within the hour")
    lost = store.close_lost(older_than=_CUT_OFF_AFTER)
    if lost.count:
        sources = ", ".join(task.source for task in lost.first)
        more = f" and {lost.count - len(lost.first):,} more" if lost.count > len(lost.first) else ""
        echo(
            f"{lost.count:,} submissions were cut off ({sources}{more}): the service may have these tasks, and nobody "
            "knows their ids; look for them in the console's detection results, or submit them again"
        )


_TASKS = "Tasks"
Interval = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        envvar="MODERATE_INTERVAL",
        help="Look at every N-th frame, or slice a long image.",
        rich_help_panel=_TASKS,
    ),
]
MaxFrames = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        envvar="MODERATE_MAX_FRAMES",
        help="Look at so many frames at most, 1 to 100; each is billed. With --interval 10 unless given.",
        rich_help_panel=_TASKS,
    ),
]
Callback = Annotated[
    str | None,
    typer.Option(
        metavar="URL", envvar="MODERATE_CALLBACK", help="Where the service posts the result.", rich_help_panel=_TASKS
    ),
]
Seed = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        envvar="MODERATE_SEED",
        help="What the callback's checksum is made with; @FILE reads it from a file.",
        rich_help_panel=_TASKS,
    ),
]
CryptType = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256|SM3",
        envvar="MODERATE_CRYPT_TYPE",
        help="How the callback's checksum is made.",
        rich_help_panel=_TASKS,
    ),
]


def async_submit(
    ctx: typer.Context,
    options: ImageCommandOptions,
    wait: WaitOptions,
    names: SourceNames = None,
    interval: Interval = None,
    max_frames: MaxFrames = None,
    callback: Callback = None,
    seed: Seed = None,
    crypt_type: CryptType = None,
) -> None:
    """Queue images, long images and animations."""
    command = ImageCommand(ctx, names or (), options)
    if interval is not None and max_frames is None:
        max_frames = DEFAULT_FRAMES  # the service wants both named, although it has a default for this one
    further = _checked(AsyncOptions(interval, max_frames, callback, seed_of(seed), crypt_type))
    tell_of_open_seed(ctx)
    prepare(wait)
    with command.open_session() as session:
        scan, found = open_scan(command, session, _question(session, further))
        if options.cost.dry_run:
            raise typer.Exit(show_plan(session, options.output, scan, found))
        code = run_submission(session, command.run(session, found), scan, wait)
    raise typer.Exit(code)


def _question(session: Session, options: AsyncOptions) -> Question:
    service, info_types = only_service(session.settings), session.settings.info_types
    return Question(
        operation=Operation.IMAGE_ASYNC_MODERATION,
        services=(service,),
        ask=lambda cache: _recorded(session, ImageCall(info_types, options), cache.question),
        cost=async_cost(options),
        more={"interval": options.interval, "max_frames": options.max_frames},
        sampling=_sampling(options),
        queued=True,
    )


def _sampling(options: AsyncOptions) -> Sampling | None:
    if options.interval is None or options.max_frames is None:
        return None
    return Sampling(options.interval, options.max_frames)


def _checked(options: AsyncOptions) -> AsyncOptions:
    """Return options that the service takes; what it would refuse of every image is refused once, and nothing sent."""
    try:
        options.fields()
    except RefusedError as error:
        raise UsageError(error.message) from error
    return options


def _recorded(session: Session, ask: Ask, question: str) -> Ask:
    """Return what asks as `ask` does, and notes each task down before it is sent and once its id is known."""

    def recorded(client: GreenClient, known: Outcome, image: RemoteImage) -> Submission:
        def submit() -> Submission:
            return cast(Submission, ask(client, known, image))

        return session.recorder.submit("image", known, client, submit, question=question)

    return recorded
