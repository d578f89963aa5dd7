"""`moderate multimodal`: judge posts and profiles: title, text, images, and nested comments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from moderate_cli.app.cache import RunRecorder
from moderate_cli.app.collect import prepare, run_submission
from moderate_cli.app.images import show_plan
from moderate_cli.app.session import Session, check_region, only_service, open_session
from moderate_cli.app.spec import CostOptions, GateOptions, OutputOptions, ServiceOptions, WaitOptions
from moderate_cli.cli.options import request_of
from moderate_cli.client import GreenClient, Submission
from moderate_cli.client.parameters import Operation
from moderate_cli.common.errors import UsageError
from moderate_cli.models import Item, Json, Outcome, Pending
from moderate_cli.scanning import CallBudget, Executor, Judge
from moderate_cli.scanning.post_judge import PostJudge, Submit, service_name, submit_post
from moderate_cli.settings import Settings
from moderate_cli.sources.posts import Posts, post_of_flags

_POST = "Post"
_REGION = "cn-shanghai"  # the region of the vendor's page on multimodal moderation
PostNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[POST...]", help="YAML or JSON files, or - for JSON Lines on standard input.", show_default=False
    ),
]
Title = Annotated[str | None, typer.Option(metavar="TEXT", help="The title of a post.", rich_help_panel=_POST)]
Text = Annotated[str | None, typer.Option(metavar="TEXT", help="Its text, or a nickname.", rich_help_panel=_POST)]
Images = Annotated[
    list[str] | None,
    typer.Option(
        "--image", metavar="IMAGE", help="An image: a file, a URL or oss://BUCKET/KEY.", rich_help_panel=_POST
    ),
]
Comments = Annotated[
    list[str] | None, typer.Option("--comment", metavar="TEXT", help="A comment.", rich_help_panel=_POST)
]


def multimodal(
    ctx: typer.Context,
    service: ServiceOptions,
    wait: WaitOptions,
    cost: CostOptions,
    gate: GateOptions,
    output: OutputOptions,
    posts: PostNames = None,
    title: Title = None,
    text: Text = None,
    image: Images = None,
    comment: Comments = None,
) -> None:
    """Judge posts and profiles: title, text, images, comments."""
    flags = (title, text, image or [], comment or [])
    if bool(posts) == any(flags):
        raise UsageError("give posts as files, or one post by --title, --text, --image and --comment")
    prepare(wait)
    with open_session(request_of(ctx), output, region=_REGION, dry_run=cost.dry_run) as session:
        if not cost.dry_run:
            check_region(session.settings, Operation.MULTIMODAL_ASYNC_MODERATION)
        items: Iterable[Item] = Posts(posts, session.environment.stdin) if posts else [post_of_flags(*flags)]
        name = service_name(_chosen_service(session.settings))
        session.check_offers(Operation.MULTIMODAL_ASYNC_MODERATION, (name,))
        judge = PostJudge(
            clients=() if cost.dry_run else session.clients,
            call=session.call(Operation.MULTIMODAL_ASYNC_MODERATION, (name,)),
            submit=_recorded(session),
            budget=CallBudget(session.settings.max_calls),
            only_plans=cost.dry_run,
        )
        if cost.dry_run:
            raise typer.Exit(show_plan(session, output, Executor(items, judge, jobs=session.jobs), noun="post"))
        scan = Executor(items, _kept(session.recorder, judge), jobs=session.jobs, wants_more=session.has_room)
        run = session.run(gate, output)
        run.noun = "post"
        code = run_submission(session, run, scan, wait)
    raise typer.Exit(code)


def _chosen_service(settings: Settings) -> str:
    """Return the service that was asked for here; those of the settings files are for images."""
    origin = settings.origins["services"]
    is_asked = origin.startswith("-") or origin == "MODERATE_SERVICE"
    return only_service(settings) if is_asked else "post"


def _kept(recorder: RunRecorder, judge: Judge) -> Judge:
    """Return what judges posts, and keeps at once what became of those that are not queued."""

    def judged(item: Item) -> Outcome:
        outcome = judge(item)
        if not isinstance(outcome, Pending):
            recorder.keep(outcome)
        return outcome

    return judged


def _recorded(session: Session) -> Submit:
    """Return what submits a post, and notes it down before it is sent and once its id is known."""

    def submit(client: GreenClient, known: Outcome, content: Json) -> Submission:
        def call() -> Submission:
            return submit_post(client, known, content)

        return session.recorder.submit("multimodal", known, client, call, post=content)

    return submit
