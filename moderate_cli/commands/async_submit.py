"""`moderate async-submit`: queue images, long images and animations, and maybe wait for the results."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from moderate_cli.catalogue.billing import DEFAULT_FRAMES
from moderate_cli.client import AsyncOptions, GreenClient, Submission
from moderate_cli.client.operations import Operation
from moderate_cli.commands.billing import async_cost
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.images import ImageCommand, Question, SourceNames, open_scan
from moderate_cli.commands.options import ImageCommandOptions, SettingsCommand, WaitOptions
from moderate_cli.commands.options.seed import seed_of, tell_of_open_seed
from moderate_cli.commands.planning import show_plan
from moderate_cli.commands.session import Session, only_service
from moderate_cli.commands.waiting import prepare, run_submission
from moderate_cli.errors import RefusedError, UsageError
from moderate_cli.scanning import Ask, Sampling, ask_async
from moderate_cli.verdicts import Outcome, RemoteImage

app = typer.Typer(add_completion=False)

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


@app.command(cls=SettingsCommand)
@flatten_options
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
        ask=lambda recollection: _recorded(session, ask_async(service, info_types, options), recollection.question),
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

        return session.ledger.submit("image", known, client, submit, question=question)

    return recorded
