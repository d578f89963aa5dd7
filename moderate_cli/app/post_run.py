"""Runs over posts: submitted one by one, noted down before they are sent, and waited for where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO, cast

from moderate_cli.app.cache import RunRecorder
from moderate_cli.app.collect import run_submission
from moderate_cli.app.confirm import confirm, read_once
from moderate_cli.app.images import show_plan
from moderate_cli.app.session import Session, check_region, only_service, open_session
from moderate_cli.app.spec import CostOptions, GateOptions, OutputOptions, Request, WaitOptions
from moderate_cli.client import CallbackOptions, GreenClient, Submission
from moderate_cli.client.parameters import Operation
from moderate_cli.common.errors import ExitCode
from moderate_cli.common.masking import mask_address
from moderate_cli.models import Item, Json, Known, Outcome, Pending, Post
from moderate_cli.scanning import CallBudget, Executor, Judge
from moderate_cli.scanning.post_judge import PostJudge, Submit, service_name, submit_post
from moderate_cli.settings import Settings

_REGION = "cn-shanghai"  # the region of the vendor's page on multimodal moderation


def judge_posts(
    request: Request,
    posts: Callable[[TextIO], Iterable[Item]],
    names: Sequence[str],
    *,
    wait: WaitOptions,
    cost: CostOptions,
    gate_options: GateOptions,
    output: OutputOptions,
    callback: CallbackOptions,
) -> ExitCode:
    """Judge the posts that are opened with standard input, show them, and return the exit code.

    `names` are the files in which they are.
    """
    with open_session(request, output, region=_REGION, dry_run=cost.dry_run) as session:
        if not cost.dry_run:
            check_region(session.settings, Operation.MULTIMODAL_ASYNC_MODERATION)
        name = service_name(_chosen_service(session.settings))
        session.check_offers(Operation.MULTIMODAL_ASYNC_MODERATION, (name,))
        call = session.call(Operation.MULTIMODAL_ASYNC_MODERATION, (name,))
        stdin = session.environment.stdin

        def planned() -> Executor:
            return Executor(posts(stdin), PostJudge(clients=(), call=call, only_plans=True), jobs=session.jobs)

        if cost.dry_run:
            return show_plan(session, output, planned(), noun="post", allow_empty=gate_options.allow_empty)
        confirm(session, cost, read_once(names), planned)
        session.recorder.begin()
        judge = PostJudge(
            clients=session.clients,
            call=call,
            submit=_recorded(session, callback),
            budget=CallBudget(session.settings.max_calls),
        )
        kept = _kept(session.recorder, judge)
        executor = Executor(posts(stdin), kept, jobs=session.jobs, wants_more=session.has_room)
        run = session.run(gate_options, output)
        run.noun = "post"
        return run_submission(session, run, executor, wait)


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


def _without_signatures(value: Any) -> Any:
    """Return a post, or a part of one, with what grants access to its images masked: it is kept to be shown."""
    if isinstance(value, list):
        return [_without_signatures(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    return {
        key: mask_address(part) if key == "imageUrl" and isinstance(part, str) else _without_signatures(part)
        for key, part in value.items()
    }


def _recorded(session: Session, callback: CallbackOptions) -> Submit:
    """Return what submits a post, noted down with its local images before it is sent, and once its id is known."""

    def submit(client: GreenClient, known: Known, content: Json) -> Submission:
        def call() -> Submission:
            return submit_post(client, known, content, callback)

        kept = _without_signatures(cast(Post, known.item.image).content)
        return session.recorder.submit("multimodal", known, client, call, post=kept)

    return submit
