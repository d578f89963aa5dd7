"""`moderate multimodal`: judge posts and profiles: title, text, images, and nested comments."""

from __future__ import annotations

from typing import Annotated

import typer

from moderate_cli.app.collect import prepare
from moderate_cli.app.images import checked
from moderate_cli.app.post_run import judge_posts
from moderate_cli.app.spec import CostOptions, GateOptions, OutputOptions, ServiceOptions, WaitOptions
from moderate_cli.cli.options import request_of, seed_of
from moderate_cli.cli.tasks import Callback, CryptType, Seed
from moderate_cli.client import CallbackOptions
from moderate_cli.common.errors import UsageError
from moderate_cli.sources.posts import TIME_HINT, Posts, post_of_flags, vendors_time

_POST = "Post"
PostNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="[POST...]", help="YAML or JSON files; - reads JSON Lines from stdin.", show_default=False),
]
Title = Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the post.", rich_help_panel=_POST)]
Text = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Text of the post, or a nickname.", rich_help_panel=_POST)
]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="When it was published: YYYY-MM-DD HH:MM:SS, or ISO 8601.", rich_help_panel=_POST
    ),
]
Images = Annotated[
    list[str] | None,
    typer.Option(
        "--image", metavar="IMAGE", help="Image: a file, a URL or oss://BUCKET/KEY (repeatable).", rich_help_panel=_POST
    ),
]
Comments = Annotated[
    list[str] | None, typer.Option("--comment", metavar="TEXT", help="Comment (repeatable).", rich_help_panel=_POST)
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
    time: Time = None,
    callback: Callback = None,
    seed: Seed = None,
    crypt_type: CryptType = None,
) -> None:
    """Judge posts and profiles: title, text, images, comments."""
    flags = (title, text, image or [], comment or [])
    if bool(posts) == any(flags):
        raise UsageError("give posts as files, or one post by --title, --text, --image and --comment")
    time = _checked_time(time, has_files=bool(posts))
    push = checked(CallbackOptions(callback, seed_of(seed), crypt_type))
    prepare(wait, submits=True)
    posts_of = (lambda stdin: Posts(posts, stdin)) if posts else lambda stdin: [post_of_flags(*flags, time)]
    code = judge_posts(
        request_of(ctx), posts_of, posts or (), wait=wait, cost=cost, gate_options=gate, output=output, callback=push
    )
    raise typer.Exit(code)


def _checked_time(time: str | None, *, has_files: bool) -> str | None:
    if time is None:
        return None
    if has_files:
        raise UsageError("--time is for a post given by options", hint="a file has mainPostTime and postTime")
    try:
        return vendors_time(time.strip())
    except ValueError as error:
        raise UsageError(f"--time: {error}", hint=TIME_HINT) from error
