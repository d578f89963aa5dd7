"""How one post becomes an outcome: checked with its images, its local images uploaded, then queued."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from moderate_cli.catalog.prices import comments_of, post_calls
from moderate_cli.client import CallbackOptions, GreenClient
from moderate_cli.client.client import with_failover
from moderate_cli.client.parameters import image_fields, post_parameters
from moderate_cli.client.upload import FileChangedError
from moderate_cli.common.errors import InputError, ModerateError, NotTriedError, RefusedError
from moderate_cli.models import (
    BrokenInput,
    Call,
    Extent,
    ImageUrl,
    Item,
    Json,
    Known,
    NotTried,
    OssObject,
    Outcome,
    Planned,
    Post,
    Submission,
)
from moderate_cli.preflight import extents_of
from moderate_cli.scanning.image_judge import (
    CallBudget,
    answered,
    checked_file,
    open_file,
    sha256,
    unforeseen,
    unseen_extents,
    without_verdict,
)

# Queues a post whose images the service can all read; the item's own still has its local images, by name and content.
Submit = Callable[[GreenClient, Known, Json], Submission]

_PROFILE = "profile_text_image_detection"
_SERVICES = {"post": "post_text_image_detection", "profile": _PROFILE}


def service_name(name: str) -> str:
    """Return the service that `post` or `profile` stands for; any other name is one already."""
    return _SERVICES.get(name, name)


def submit_post(client: GreenClient, known: Known, post: Json, callback: CallbackOptions | None = None) -> Submission:
    """Queue a post by MultimodalAsyncModeration; raises ModerateError as the client's method does."""
    return client.multimodal_async_moderation(known.call.services[0], post, callback=callback)


class PostJudge(Struct, frozen=True, kw_only=True):
    """Queues posts by one call each; safe to share between threads.

    `call` describes the call before it is sent. `submit` makes it, with the first client, and with each further one if
    the service of the one before fails; with `only_plans` none is made. A post with an image that cannot be sent is not
    sent at all, since its verdict would be incomplete.
    """

    clients: Sequence[GreenClient]
    call: Call
    submit: Submit = submit_post
    budget: CallBudget = field(default_factory=CallBudget)
    only_plans: bool = False
    preflight: bool = True

    def __call__(self, item: Item) -> Outcome:
        """Return the outcome of one post; raises nothing, for an error is an outcome too."""
        known = Known(item=item, call=self.call)
        try:
            return self._outcome(known)
        except NotTriedError:
            return NotTried(item=item, call=self.call)
        except ModerateError as error:
            return without_verdict(known, error)
        except Exception as error:  # noqa: BLE001 - the other posts must still get their outcomes
            return without_verdict(known, unforeseen(known, error))

    def _outcome(self, known: Known) -> Outcome:
        content = known.item.image
        if isinstance(content, Post):
            return self._judged(known, content.content)
        if isinstance(content, BrokenInput):
            raise content.error
        raise InputError("not a post", code="not_a_post")

    def _judged(self, known: Known, post: Json) -> Outcome:
        extents, notes = self._check(post)
        known = replace(known, extents=extents, notes=notes)
        billed = post_calls(post)
        calls = billed.images + billed.text_units
        if self.only_plans:
            return Planned(item=known.item, call=known.call, notes=known.notes, calls=calls)
        self.budget.take(calls)
        try:
            return answered(known, with_failover(self.clients, partial(self._upload_and_submit, known, post)))
        except InputError:  # of an image: no call was made
            self.budget.give_back(calls)
            raise

    def _upload_and_submit(self, known: Known, post: Json, client: GreenClient) -> Submission:
        digests: dict[Path, str] = {}

        def put(path: Path) -> Json:
            fields, digests[path] = _uploaded(client, path)
            return fields

        def kept(path: Path) -> Json:
            return {"file": str(path.absolute()), "sha256": digests[path]}

        sent = _with_files(post, put)
        return self.submit(client, replace(known, item=replace(known.item, image=Post(_with_files(post, kept)))), sent)

    def _check(self, post: Json) -> tuple[tuple[Extent, ...], tuple[str, ...]]:
        """Return what the images of a post consist of, and notes on them.

        Raises InputError, before anything is uploaded, for what the service would refuse or ignore.
        """
        if self.call.services == (_PROFILE,) and post.get("commentDatas"):
            # The vendor's page: "applicable only to post moderation scenarios".
            hint = f"use {_SERVICES['post']}, or leave the comments out"
            raise InputError("comments of a profile would not be judged", code="post_invalid", hint=hint)
        paths: list[Path] = []

        def stand_in(path: Path) -> Json:
            paths.append(path)
            return {}

        post_parameters(_with_files(post, stand_in))
        found = [self._check_file(path) for path in paths]
        unseen = [extent for image in _images(post) for extent in unseen_extents(image)]
        notes = dict.fromkeys((*_omissions(post), *(note for _, noted in found for note in noted)))
        return (*(extent for extents, _ in found for extent in extents), *unseen), tuple(notes)

    def _check_file(self, path: Path) -> tuple[tuple[Extent, ...], tuple[str, ...]]:
        try:
            with open_file(path) as file:
                size = os.fstat(file.fileno()).st_size
                checked = checked_file(file, size) if self.preflight else None
                return extents_of(file, size, checked)
        except InputError as error:
            raise _named(error, path) from error


def _omissions(post: Json) -> Iterator[str]:
    """Yield notes on parts that the vendor's page on multimodal moderation requires (read 2026-11) and a post lacks.

    Its own sample sends comments without images, so that no other is missed there than their text.
    """
    main = post.get("mainData") or {}
    absent = [] if (main.get("mainContent") or "").strip() else ["text (mainContent)"]
    absent += [] if main.get("mainImages") else ["images (mainImages)"]
    if absent:
        yield f"without {' or '.join(absent)}, which the API documents as required"
    if any(not (comment.get("content") or "").strip() for comment in comments_of(post)):
        yield "a comment without text (content), which the API documents as required"


def _images(part: Json) -> Iterator[ImageUrl | OssObject]:
    """Yield the images of a post that are not local files."""
    for key in ("mainImages", "images"):
        for image in part.get(key) or ():
            if image.get("imageUrl"):
                yield ImageUrl(str(image["imageUrl"]))
            elif image.get("ossObjectName"):
                yield OssObject(str(image.get("ossBucketName")), str(image["ossObjectName"]))
    for below in (part.get("mainData"), *(part.get("commentDatas") or ())):
        if below:
            yield from _images(below)


def _uploaded(client: GreenClient, path: Path) -> tuple[Json, str]:
    """Upload a local image, and return the fields that name it from then on, and its SHA-256.

    Raises InputError and ServiceError.
    """
    try:
        with open_file(path) as file:
            try:
                digest = sha256(file)
                uploaded = client.upload(file, extension=path.suffix.lower(), sha256=digest)
            except FileChangedError:  # once more from the start: changed content has another hash
                file.seek(0)
                digest = sha256(file)
                uploaded = client.upload(file, extension=path.suffix.lower(), sha256=digest)
            return image_fields(uploaded), digest
    except InputError as error:
        raise _named(error, path) from error


def _with_files(part: Json, put: Callable[[Path], Json]) -> dict[str, Any]:
    """Return a post, or a part of one, in which `put` replaces each local image."""
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
    """Return an error that names the image of the post that it is about."""
    message = f"{path}: {error.message}"
    if isinstance(error, RefusedError):
        return RefusedError(message, code=error.code, api_code=error.api_code, hint=error.hint)
    return InputError(message, code=error.code, hint=error.hint)
