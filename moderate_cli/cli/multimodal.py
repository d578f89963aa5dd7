"""`moderate multimodal`: judge posts and profiles: title, text, images, and nested comments."""

from __future__ import annotations

from typing import Annotated

import typer

from moderate_cli.app.collect import prepare
from moderate_cli.app.post_run import judge_posts
from moderate_cli.app.spec import CostOptions, GateOptions, OutputOptions, ServiceOptions, WaitOptions
from moderate_cli.cli.options import request_of
from moderate_cli.common.errors import UsageError
from moderate_cli.sources.posts import Posts, post_of_flags

_POST = "Post"
PostNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="[POST...]", help="YAML or JSON files; - reads JSON Lines from stdin.", show_default=False),
]
Title = Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the post.", rich_help_panel=_POST)]
Text = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Text of the post, or a nickname.", rich_help_panel=_POST)
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
) -> None:
    """Judge posts and profiles: title, text, images, comments."""
    flags = (title, text, image or [], comment or [])
    if bool(posts) == any(flags):
        raise UsageError("give posts as files, or one post by --title, --text, --image and --comment")
    prepare(wait)
    posts_of = (lambda stdin: Posts(posts, stdin)) if posts else lambda stdin: [post_of_flags(*flags)]
    raise typer.Exit(judge_posts(request_of(ctx), posts_of, wait=wait, cost=cost, gate_options=gate, output=output))
