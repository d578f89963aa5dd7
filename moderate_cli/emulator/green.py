"""What do the operations of the Green API do? Each takes a call and returns the Data of its response.

All of them raise BodyError for a call that the service would refuse.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.emulator import bodies, callbacks
from moderate_cli.emulator.account import Account
from moderate_cli.emulator.callbacks import Background, Callback
from moderate_cli.emulator.conditions import Conditions
from moderate_cli.emulator.engine import Examination, LocalEngine
from moderate_cli.emulator.fetching import Fetch, read_image
from moderate_cli.emulator.inputs import (
    INFO_TYPES,
    AsyncParameters,
    ImageParameters,
    Post,
    read_async_parameters,
    read_image_parameters,
    read_info_types,
    read_post,
    read_services,
    require,
)
from moderate_cli.emulator.judging import Judge, examine, require_checks
from moderate_cli.emulator.messages import BodyError, OssError, Response
from moderate_cli.emulator.rulings import Rulings
from moderate_cli.emulator.scan_results import ScanResults
from moderate_cli.emulator.state import State, StoreFullError, TaskKind
from moderate_cli.emulator.tape import Tape

if TYPE_CHECKING:
    from moderate_cli.emulator.messages import Request

FRAMES_PATH = "/frames/"
FRAME_LIFETIME = 5 * 60
"""Seconds that a TempUrl is valid (vendor's page of the asynchronous API, March 2026)."""

_BUCKET = "frames"
_SUFFIX_ALPHABET = string.digits + string.ascii_letters


class Service(Struct, frozen=True):
    """The emulated service: its memory, its engine and the account that it serves."""

    state: State
    account: Account
    results: ScanResults
    engine: LocalEngine
    rulings: Rulings
    conditions: Conditions
    tape: Tape | None
    background: Background
    endpoint: str
    account_id: str
    fetch: Fetch

    def require_checks(self) -> None:
        """Raise BodyError where nothing could say anything about an image."""
        if self.tape is None or not self.tape.replays:
            require_checks(self.engine, self.rulings)

    def judge(self, name: str) -> Judge:
        """Return what judges for one service of the API."""
        return Judge(self.engine, self.rulings, name)


class Call(Struct, frozen=True):
    """One call: its parameters, from the URL and from the body, and the id of its answer."""

    parameters: Mapping[str, str]
    request_id: str


TaskWork = Callable[[list[ImageParameters]], Mapping[str, Any]]
Operation = Callable[[Service, Call], Mapping[str, Any]]


def image_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Judge one image with the local engine, which checks the same for every moderation service."""
    image = read_image_parameters(call.parameters)
    name = call.parameters["Service"]
    service.require_checks()
    content = read_image(image, service.state.objects, service.fetch)

    def judge() -> Mapping[str, Any]:
        return bodies.judged_image(image.data_id, _examined(service, image, content, [name])[name])

    data = _taped(service, "ImageModeration", [name], [content], image.data_id, judge)
    service.state.remember_request(call.request_id, data["Ext"])
    service.results.add(call.request_id, [name], image.image_url, data)
    return data


def image_batch_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Judge one image for several moderation services; the local engine examines it once for all."""
    names = read_services(call.parameters)
    image = read_image_parameters(call.parameters)
    service.require_checks()
    content = read_image(image, service.state.objects, service.fetch)

    def judge() -> Mapping[str, Any]:
        return bodies.judged_batch(image.data_id, _examined(service, image, content, names))

    data = _taped(service, "ImageBatchModeration", names, [content], image.data_id, judge)
    service.results.add(call.request_id, names, image.image_url, data)
    return data


def _taped(
    service: Service,
    operation: str,
    names: list[str],
    contents: list[bytes],
    data_id: str,
    judge: Callable[[], Mapping[str, Any]],
    **more: object,
) -> Mapping[str, Any]:
    """Return a verdict, which the tape knows or records, where there is one."""
    if service.tape is None:
        return judge()
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    return service.tape.answer({"operation": operation, "services": names, "sha256": hashes, **more}, data_id, judge)


def _examined(service: Service, image: ImageParameters, content: bytes, names: list[str]) -> dict[str, Examination]:
    """Judge an image for each moderation service: by a fixed verdict, or by one examination for all others."""
    sha256 = hashlib.sha256(content).hexdigest()
    fixed = {name: found for name in names if (found := service.rulings.fixed(image, sha256, name))}
    if len(fixed) == len(names):
        return fixed
    seen = examine(service.engine, content)
    return {name: fixed.get(name) or service.rulings.judged(seen, name, sha256) for name in names}


def describe_image_result_ext(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the auxiliary information on an earlier ImageModeration."""
    request_id = require(call.parameters, "ReqId")
    info_types = read_info_types(call.parameters.get("InfoType", ""))
    ext = service.state.ext_of(request_id)
    if ext is None:
        # The response of the service is not documented; "a parameter is incorrect" fits best.
        raise BodyError(401, "there is no ImageModeration with this RequestId")
    return bodies.result_ext(ext, info_types or INFO_TYPES)


def describe_upload_token(service: Service, _call: Call) -> Mapping[str, Any]:
    """Grant an upload to the emulated OSS."""
    return bodies.upload_token(service.state.issue_upload_token(), service.endpoint)


def image_async_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Queue the examination of one image, frame by frame if the call gives an interval."""
    task = read_async_parameters(call.parameters)
    service.require_checks()
    name = call.parameters["Service"]
    work = partial(_judge_image, service, name, task)
    # In the vendor's example, the id of the task is that of the request.
    _enqueue(service, _Task(call.request_id, TaskKind.IMAGE, name), [task.image], work, task.callback)
    return {"ReqId": call.request_id, "DataId": task.image.data_id}


def describe_image_moderation_result(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the result of an image's task, once there is one."""
    return service.state.tasks.result(require(call.parameters, "ReqId"), TaskKind.IMAGE)


def multimodal_async_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Queue the examination of a post: its images by the detectors, its texts by the keywords of the rules."""
    post = read_post(call.parameters)
    name = call.parameters["Service"]
    service.judge(name).require_checks_of(post)
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(6))
    task_id = f"task_{int(service.state.clock() * 1000)}_{suffix}"
    work = partial(_judge_post, service, name, post)
    _enqueue(service, _Task(task_id, TaskKind.POST, name), post.images, work, post.callback)
    # The page names the id in two ways, and the SDK reads one of them.
    return {"ReqId": task_id, "TaskId": task_id, "DataId": post.data_id}


def describe_multimodal_moderation_result(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the result of a post's task, once there is one."""
    return service.state.tasks.result(require(call.parameters, "ReqId"), TaskKind.POST)


OPERATIONS: Mapping[str, Operation] = {
    "DescribeImageModerationResult": describe_image_moderation_result,
    "DescribeImageResultExt": describe_image_result_ext,
    "DescribeMultimodalModerationResult": describe_multimodal_moderation_result,
    "DescribeUploadToken": describe_upload_token,
    "ImageAsyncModeration": image_async_moderation,
    "ImageBatchModeration": image_batch_moderation,
    "ImageModeration": image_moderation,
    "MultimodalAsyncModeration": multimodal_async_moderation,
}


class _Task(Struct, frozen=True):
    """A task that is queued, with the moderation service that it is for."""

    id: str
    kind: TaskKind
    service: str


def _enqueue(
    service: Service,
    task: _Task,
    images: Iterable[ImageParameters],
    work: TaskWork,
    callback: Callback | None,
) -> None:
    """Copy a task's images, remember the task and run it in the background; raises BodyError."""
    held: list[ImageParameters] = []
    try:
        for image in images:
            held.append(_hold(service, task.id, len(held), image))
        service.state.tasks.add(task.id, task.kind)
    except BodyError:
        _release(service, held)
        raise
    service.background.examine(partial(_run, service, task, held, work, callback))


def _hold(service: Service, task_id: str, number: int, image: ImageParameters) -> ImageParameters:
    """Keep an uploaded image until its task is done, even if the upload expires; a URL is fetched by the task."""
    if not image.is_object:
        return image
    content = read_image(image, service.state.objects, service.fetch)
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


def _run(service: Service, task: _Task, held: list[ImageParameters], work: TaskWork, callback: Callback | None) -> None:
    """Run a task, remember its outcome and push it."""
    outcome: Mapping[str, Any] | BodyError
    try:
        outcome = work(held)
    except BodyError as error:
        # A new one: where it was raised, the image is still in memory, and outcomes are kept for days.
        outcome = BodyError(error.code, error.message)
    except Exception:  # noqa: BLE001  (the boundary of the emulated service: a task always has an outcome)
        outcome = BodyError(500, "a system error occurred")
    _release(service, held)
    if not isinstance(outcome, BodyError):
        service.results.add(task.id, [task.service], held[0].image_url if held else "", outcome)
    service.state.tasks.finish(task.id, outcome)
    if callback:
        content = json.dumps(_pushed(task.id, outcome), ensure_ascii=False)
        send = partial(callbacks.push, callback, service.account_id, task.id, content, service.background.wait)
        service.background.push(send)


def _pushed(task_id: str, outcome: Mapping[str, Any] | BodyError) -> Mapping[str, Any]:
    """Return the content of a callback: the id of the task, and the Data of its result, or the code of its error.

    The page shows none of it, so this is our reading. Without the id the checksum would not say whose result it is.
    """
    content = {"Code": outcome.code, "Msg": outcome.message} if isinstance(outcome, BodyError) else outcome
    return {"ReqId": task_id, **content}


def _judge_image(service: Service, name: str, task: AsyncParameters, held: list[ImageParameters]) -> Mapping[str, Any]:
    """Judge the image of a task."""
    content = read_image(held[0], service.state.waiting, service.fetch)
    publish = partial(publish_frame, service.state, service.endpoint)

    def judge() -> Mapping[str, Any]:
        return service.judge(name).task(task, content, publish, lambda: service.background.is_stopping)

    frames = {"interval": task.interval, "maxFrameNum": task.max_frames}
    return _taped(service, "ImageAsyncModeration", [name], [content], task.image.data_id, judge, **frames)


def _contents(service: Service, post: Post, held: Iterable[ImageParameters]) -> Iterator[bytes]:
    """Yield the images of a post in the order of its parts; raises BodyError that names the part."""
    images = iter(held)
    for part in post.main.walk():
        for _ in part.images:
            try:
                yield read_image(next(images), service.state.waiting, service.fetch)
            except BodyError as error:
                raise BodyError(error.code, f"{part.where}: {error.message}") from error


def _judge_post(service: Service, name: str, post: Post, held: list[ImageParameters]) -> Mapping[str, Any]:
    """Judge a post."""
    contents = list(_contents(service, post, held))

    def judge() -> Mapping[str, Any]:
        return service.judge(name).post(post, iter(contents))

    texts = [part.texts for part in post.main.walk()]
    return _taped(service, "MultimodalAsyncModeration", [name], contents, post.data_id, judge, texts=texts)


def publish_frame(state: State, endpoint: str, jpeg: bytes) -> str:
    """Keep a picture among the objects, and return its temporary URL, which nobody can guess."""
    name = f"{secrets.token_urlsafe(24)}.jpg"
    state.objects.put(_BUCKET, name, jpeg)
    return f"{endpoint}{FRAMES_PATH}{name}"


def show_frame(state: State, request: Request) -> Response:
    """Return a picture whose URL is still valid; raises OssError."""
    jpeg = state.objects.get(_BUCKET, request.path.removeprefix(FRAMES_PATH), max_age=FRAME_LIFETIME)
    if jpeg is None:
        raise OssError("AccessDenied", "The temporary URL is unknown or has expired.")
    return Response(200, {"Content-Type": "image/jpeg"}, jpeg)
