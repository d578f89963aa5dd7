"""How one post becomes an outcome: check it and its images, upload those of this machine, queue it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from moderate_cli.catalogue.billing import post_calls
from moderate_cli.client import GreenClient
from moderate_cli.client.failover import with_failover
from moderate_cli.client.parameters import image_fields, post_parameters
from moderate_cli.errors import InputError, ModerateError, RefusedError
from moderate_cli.scanning.budget import Budget
from moderate_cli.scanning.judging import answered, checked_file, open_file, sha256, without_verdict
from moderate_cli.verdicts import BrokenInput, Call, Item, Json, Outcome, Planned, Post, Submission

# What queues a post whose images the service can all read.
Submit = Callable[[GreenClient, Outcome, Json], Submission]

_PROFILE = "profile_text_image_detection"
_SERVICES = {"post": "post_text_image_detection", "profile": _PROFILE}


def service_name(name: str) -> str:
    """Return the service behind `post` and `profile`; any other name is one already."""
    return _SERVICES.get(name, name)


def submit_post(client: GreenClient, known: Outcome, post: Json) -> Submission:
    """Queue a post by MultimodalAsyncModeration."""
    return client.multimodal_async_moderation(known.call.services[0], post)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostJudge:
    """Queues posts by one call each; many threads may call it at once.

    `call` describes a call that was not sent yet. `submit` makes it, with the first client, and with each further one
    where the service of the one before fails; a judge that `only_plans` makes none.
    A post of which an image cannot be sent is not sent at all: its verdict would be half an answer.
    """

    clients: Sequence[GreenClient]
    call: Call
    submit: Submit = submit_post
    budget: Budget = field(default_factory=Budget)
    only_plans: bool = False
    preflight: bool = True

    def __call__(self, item: Item) -> Outcome:
        """Return the outcome of one post; what goes wrong with it is an outcome too."""
        known = Outcome(item=item, call=self.call)
        try:
            if isinstance(item.image, Post):
                return self._judged(known, item.image.content)
            if isinstance(item.image, BrokenInput):
                return without_verdict(known, item.image.error)
            raise InputError("not a post", code="not_a_post")
        except ModerateError as error:
            return without_verdict(known, error)

    def _judged(self, known: Outcome, post: Json) -> Outcome:
        self._check(post)
        billed = post_calls(post)
        calls = billed.images + billed.text_units
        if self.only_plans:
            return Planned(item=known.item, call=known.call, calls=calls)
        self.budget.take(calls)
        return answered(known, self._queued(known, post))

    def _queued(self, known: Outcome, post: Json) -> Submission:

        def upload_and_submit(client: GreenClient) -> Submission:
            return self.submit(client, known, _with_files(post, partial(_uploaded, client)))

        return with_failover(self.clients, upload_and_submit)

    def _check(self, post: Json) -> None:
        """Raise InputError for what would be refused or ignored, before anything is uploaded."""
        if self.call.services == (_PROFILE,) and post.get("commentDatas"):
            # The vendor's page: "applicable only to post moderation scenarios".
            hint = f"ask {_SERVICES['post']}, or leave the comments out"
            raise InputError("a profile has no comments: they would not be judged", code="post_invalid", hint=hint)
        paths: list[Path] = []

        def stand_in(path: Path) -> Json:
            paths.append(path)
            return {}

        post_parameters(_with_files(post, stand_in))
        for path in paths:
            self._check_file(path)

    def _check_file(self, path: Path) -> None:
        try:
            with open_file(path) as file:
                if self.preflight:
                    checked_file(file, os.fstat(file.fileno()).st_size)
        except InputError as error:
            raise _named(error, path) from error


def _uploaded(client: GreenClient, path: Path) -> Json:
    """Upload an image of this machine, and return how it is named from now on."""
    try:
        with open_file(path) as file:
            return image_fields(client.upload(file, extension=path.suffix.lower(), sha256=sha256(file)))
    except InputError as error:
        raise _named(error, path) from error


def _with_files(part: Json, put: Callable[[Path], Json]) -> dict[str, Any]:
    """Return a post, or a part of one, with what `put` says in place of each image of this machine."""
    done = dict(part)
    if "mainData" in done:
        done["mainData"] = _with_files(done["mainData"], put)
    for key in ("mainImages", "images"):
        if key in done:
            done[key] = [_with_file(image, put) for image in done[key]]
    if "commentDatas" in done:
        done["commentDatas"] = [_with_files(comment, put) for comment in done["commentDatas"]]
    return done


def _with_file(image: Json, put: Callable[[Path], Json]) -> dict[str, Any]:
    kept = {key: value for key, value in image.items() if key != "file"}
    return kept | dict(put(Path(image["file"]))) if "file" in image else kept


def _named(error: InputError, path: Path) -> InputError:
    """Return an error that says which image of the post it is about."""
    message = f"{path}: {error.message}"
    if isinstance(error, RefusedError):
        return RefusedError(message, code=error.code, api_code=error.api_code, hint=error.hint)
    return InputError(message, code=error.code, hint=error.hint)
