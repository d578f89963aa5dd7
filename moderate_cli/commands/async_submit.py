"""`moderate async-submit`: queue images, long images and animations, and maybe wait for the results."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from moderate_cli.client import AsyncOptions, GreenClient, Submission
from moderate_cli.client.operations import Operation
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.images import Session, SourceNames, image_judge, only_service, open_session, with_options
from moderate_cli.commands.options import GateOptions, ImageOptions, OutputOptions, ServiceOptions, WaitOptions
from moderate_cli.commands.waiting import prepare, run_submission
from moderate_cli.errors import RefusedError, UsageError
from moderate_cli.scanning import Ask, Scan, ask_async
from moderate_cli.sources import Sources
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
        help="Look at so many frames at most, 1 to 100; each is billed.",
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
        help="What the callback's checksum is made with.",
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


@app.command()
@flatten_options
def async_submit(
    ctx: typer.Context,
    names: SourceNames,
    service: ServiceOptions,
    images: ImageOptions,
    wait: WaitOptions,
    gate: GateOptions,
    output: OutputOptions,
    interval: Interval = None,
    max_frames: MaxFrames = None,
    callback: Callback = None,
    seed: Seed = None,
    crypt_type: CryptType = None,
) -> None:
    """Queue images, long images and animations."""
    options = _checked(AsyncOptions(interval, max_frames, callback, seed, crypt_type))
    sources = Sources(names)
    prepare(wait)
    with open_session(ctx, output) as session:
        ask = _recorded(session, ask_async(only_service(session.settings), session.settings.info_types, options))
        judge = image_judge(session, Operation.IMAGE_ASYNC_MODERATION, ask, images)
        scan = Scan(with_options(sources, images), judge, jobs=session.settings.jobs)
        run = session.run(gate, output)
        code = run_submission(session, run, scan, wait, sources)
    raise typer.Exit(code)


def _checked(options: AsyncOptions) -> AsyncOptions:
    """Return options that the service takes; what it would refuse of every image is refused once, and nothing sent."""
    try:
        options.fields()
    except RefusedError as error:
        raise UsageError(error.message) from error
    return options


def _recorded(session: Session, ask: Ask) -> Ask:
    """Return what asks as `ask` does, and notes each task down before it is sent and once its id is known."""

    def recorded(client: GreenClient, known: Outcome, image: RemoteImage) -> Submission:
        def submit() -> Submission:
            return cast(Submission, ask(client, known, image))

        return session.ledger.submit("image", known, client, submit)

    return recorded
