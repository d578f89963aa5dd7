"""The operations that queue a task, and those that ask for its result."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from moderate_cli.emulator import answers, callbacks, frames
from moderate_cli.emulator.async_parameters import AsyncParameters, read_async_parameters
from moderate_cli.emulator.callbacks import Callback
from moderate_cli.emulator.engine import Examination
from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.images import read_image
from moderate_cli.emulator.judging import examine, examine_frames, require_checks
from moderate_cli.emulator.keywords import Keyword
from moderate_cli.emulator.objects import StoreFullError
from moderate_cli.emulator.parameters import ImageParameters, require
from moderate_cli.emulator.post_judging import judge_post, require_checks_of_post
from moderate_cli.emulator.posts import Post, read_post
from moderate_cli.emulator.rules import forced
from moderate_cli.emulator.service import Call, Service
from moderate_cli.emulator.tasks import Kind

Work = Callable[[list[ImageParameters]], Mapping[str, Any]]

_SUFFIX_ALPHABET = string.digits + string.ascii_letters


def image_async_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Queue the examination of one image, frame by frame if the call gives an interval."""
    task = read_async_parameters(call.parameters)
    require_checks(service.engine, service.image_rules)
    work = partial(_judge_image, service, call.parameters["Service"], task)
    # In the vendor's example, the id of the task is that of the request.
    _enqueue(service, call.request_id, Kind.IMAGE, [task.image], work, task.callback)
    return {"ReqId": call.request_id, "DataId": task.image.data_id}


def describe_image_moderation_result(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the result of an image's task, once there is one."""
    return service.state.tasks.result(require(call.parameters, "ReqId"), Kind.IMAGE)


def multimodal_async_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Queue the examination of a post: its images by the detectors, its texts by the keyword rules."""
    post = read_post(call.parameters)
    name = call.parameters["Service"]
    keywords = [keyword for keyword in service.keywords if keyword.is_for(name)]
    require_checks_of_post(service.engine, service.image_rules, keywords, post)
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(6))
    task_id = f"task_{int(service.state.clock() * 1000)}_{suffix}"
    _enqueue(service, task_id, Kind.POST, post.images, partial(_judge_post, service, name, keywords, post))
    # The page names the id in two ways, and the SDK reads one of them.
    return {"ReqId": task_id, "TaskId": task_id, "DataId": post.data_id}


def describe_multimodal_moderation_result(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the result of a post's task, once there is one."""
    return service.state.tasks.result(require(call.parameters, "ReqId"), Kind.POST)


def _enqueue(
    service: Service,
    task_id: str,
    kind: Kind,
    images: Iterable[ImageParameters],
    work: Work,
    callback: Callback | None = None,
) -> None:
    """Take copies of a task's images, remember the task and have it done."""
    held: list[ImageParameters] = []
    try:
        for image in images:
            held.append(_hold(service, task_id, len(held), image))
        service.state.tasks.add(task_id, kind)
    except BodyError:
        _release(service, held)
        raise
    service.background.examine(partial(_run, service, task_id, held, work, callback))


def _hold(service: Service, task_id: str, number: int, image: ImageParameters) -> ImageParameters:
    """Keep an uploaded image until its task is done, although the upload goes; a URL is fetched by the task."""
    if not image.is_object:
        return image
    content = read_image(image, service.state.objects)
    held = replace(image, bucket=task_id, object_name=str(number))
    try:
        service.state.waiting.put(held.bucket, held.object_name, content)
    except StoreFullError:
        raise BodyError(403, "too many images are waiting to be examined; try again later") from None
    return held


def _release(service: Service, held: Iterable[ImageParameters]) -> None:
    """Delete the copies of a task's images."""
    for image in held:
        if image.is_object:
            service.state.waiting.delete(image.bucket, image.object_name)


def _run(service: Service, task_id: str, held: list[ImageParameters], work: Work, callback: Callback | None) -> None:
    """Do a task, remember its outcome and push that."""
    outcome: Mapping[str, Any] | BodyError
    try:
        outcome = work(held)
    except BodyError as error:
        # A new one: where it was raised, the image is still in memory, and outcomes are kept for days.
        outcome = BodyError(error.code, error.message)
    except Exception:  # noqa: BLE001  (the boundary of the emulated service: a task always has an outcome)
        outcome = BodyError(500, "a system error occurred")
    _release(service, held)
    service.state.tasks.finish(task_id, outcome)
    if callback:
        content = json.dumps(_pushed(task_id, outcome), ensure_ascii=False)
        send = partial(callbacks.push, callback, service.account_id, task_id, content, service.background.wait)
        service.background.push(send)


def _pushed(task_id: str, outcome: Mapping[str, Any] | BodyError) -> Mapping[str, Any]:
    """Return what a callback tells: the id of the task, and the Data of its result; of one that failed, the code.

    The page shows none of it, so all is our reading. Without the id the checksum would not say whose result it is.
    """
    told = {"Code": outcome.code, "Msg": outcome.message} if isinstance(outcome, BodyError) else outcome
    return {"ReqId": task_id, **told}


def _judge_image(service: Service, name: str, task: AsyncParameters, held: list[ImageParameters]) -> Mapping[str, Any]:
    """Examine an image's frames, or the image itself where it has none, none are asked for, or a rule decides."""
    content = read_image(held[0], service.state.waiting)
    by_rule = forced(service.image_rules, task.image, content, name)
    if by_rule:
        return answers.judged_image(task.image.data_id, by_rule)
    found = []
    if task.interval:
        for frame in examine_frames(service.engine, content, task.interval, task.max_frames):
            if service.background.is_stopping:
                break
            url = frames.publish(service.state, service.endpoint, frame.jpeg)
            found.append((frame.examination, url))
    if found:
        return answers.judged_frames(task.image.data_id, found)
    return answers.judged_image(task.image.data_id, examine(service.engine, content))


def _judge_post(
    service: Service, name: str, keywords: Sequence[Keyword], post: Post, held: list[ImageParameters]
) -> Mapping[str, Any]:
    """Examine a post's images and texts."""
    contents = (read_image(image, service.state.waiting) for image in held)

    def look(image: ImageParameters) -> Examination:
        content = next(contents)
        return forced(service.image_rules, image, content, name) or examine(service.engine, content)

    return judge_post(look, keywords, post)
