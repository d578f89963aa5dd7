"""What do the operations of the Green API do? Each takes a call and returns the Data of its response.

All of them raise BodyError for a call that the service would refuse.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.common.installation import install_command
from moderate_cli.emulator import bodies, callbacks
from moderate_cli.emulator.bodies import local_engine, plain_results
from moderate_cli.emulator.callbacks import Background, Callback
from moderate_cli.emulator.engine import (
    EXTRA,
    Check,
    DamagedImageError,
    Examination,
    Finding,
    FrameExamination,
    ImageTooLargeError,
    LocalEngine,
    NotChecked,
    TooLargeForEngineError,
    UnreadableImageError,
    merge,
    strongest,
)
from moderate_cli.emulator.engine.detectors import highest
from moderate_cli.emulator.inputs import (
    INFO_TYPES,
    AsyncParameters,
    ImageParameters,
    Part,
    Post,
    read_async_parameters,
    read_image,
    read_image_parameters,
    read_info_types,
    read_post,
    read_services,
    require,
)
from moderate_cli.emulator.messages import BodyError, OssError, Response
from moderate_cli.emulator.rules import ImageRule, Keyword, find_keywords, match_rule
from moderate_cli.emulator.state import State, StoreFullError, TaskKind

if TYPE_CHECKING:
    from moderate_cli.emulator.messages import Request

FRAMES_PATH = "/frames/"
FRAME_LIFETIME = 5 * 60
"""Seconds that a TempUrl is valid (vendor's page of the asynchronous API, March 2026)."""

_BUCKET = "frames"
_SUFFIX_ALPHABET = string.digits + string.ascii_letters
_NO_KEYWORDS = NotChecked("keywords", "no keyword rules are given")
_ALWAYS_SAID = (
    NotChecked("meaning_of_text", "texts are only matched against keyword rules"),
    NotChecked("tokens", "there is no tokenizer: Usage counts the characters of the texts"),
)


class Service(Struct, frozen=True):
    """The emulated service: its memory, its engine and the account that it serves."""

    state: State
    engine: LocalEngine
    background: Background
    endpoint: str
    keywords: tuple[Keyword, ...]
    image_rules: tuple[ImageRule, ...]
    account_id: str


class Call(Struct, frozen=True):
    """One call: its parameters, from the URL and from the body, and the id of its answer."""

    parameters: Mapping[str, str]
    request_id: str


Look = Callable[[ImageParameters], Examination]
"""Examines an image of a post, each in its turn; raises BodyError where that cannot be done."""

TaskWork = Callable[[list[ImageParameters]], Mapping[str, Any]]
Operation = Callable[[Service, Call], Mapping[str, Any]]


def image_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Judge one image with the local engine, which checks the same for every moderation service."""
    image = read_image_parameters(call.parameters)
    name = call.parameters["Service"]
    examination = _examined(service, image, [name])[name]
    service.state.remember_request(call.request_id)
    return bodies.judged_image(image.data_id, examination)


def image_batch_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Judge one image for several moderation services; the local engine examines it once for all."""
    names = read_services(call.parameters)
    image = read_image_parameters(call.parameters)
    return bodies.judged_batch(image.data_id, _examined(service, image, names))


def _examined(service: Service, image: ImageParameters, names: list[str]) -> dict[str, Examination]:
    """Read an image, and judge it for each moderation service: by a rule, or by one examination for the others."""
    require_checks(service.engine, service.image_rules)
    content = read_image(image, service.state.objects)
    by_rules = {name: match_rule(service.image_rules, image, content, name) for name in names}
    seen = examine(service.engine, content) if None in by_rules.values() else None
    return {name: found for name, by_rule in by_rules.items() if (found := by_rule or seen)}


def describe_image_result_ext(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the auxiliary information on an earlier ImageModeration, of which the local engine has none."""
    request_id = require(call.parameters, "ReqId")
    info_types = read_info_types(call.parameters.get("InfoType", ""))
    if not service.state.is_judged_request(request_id):
        # The response of the service is not documented; "a parameter is incorrect" fits best.
        raise BodyError(401, "there is no ImageModeration with this RequestId")
    return bodies.no_auxiliary_information(info_types or INFO_TYPES)


def describe_upload_token(service: Service, _call: Call) -> Mapping[str, Any]:
    """Grant an upload to the emulated OSS."""
    return bodies.upload_token(service.state.issue_upload_token(), service.endpoint)


def image_async_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Queue the examination of one image, frame by frame if the call gives an interval."""
    task = read_async_parameters(call.parameters)
    require_checks(service.engine, service.image_rules)
    work = partial(_judge_image, service, call.parameters["Service"], task)
    # In the vendor's example, the id of the task is that of the request.
    _enqueue(service, call.request_id, TaskKind.IMAGE, [task.image], work, task.callback)
    return {"ReqId": call.request_id, "DataId": task.image.data_id}


def describe_image_moderation_result(service: Service, call: Call) -> Mapping[str, Any]:
    """Return the result of an image's task, once there is one."""
    return service.state.tasks.result(require(call.parameters, "ReqId"), TaskKind.IMAGE)


def multimodal_async_moderation(service: Service, call: Call) -> Mapping[str, Any]:
    """Queue the examination of a post: its images by the detectors, its texts by the keyword rules."""
    post = read_post(call.parameters)
    name = call.parameters["Service"]
    keywords = [keyword for keyword in service.keywords if keyword.is_for(name)]
    require_checks_of_post(service.engine, service.image_rules, keywords, post)
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(6))
    task_id = f"task_{int(service.state.clock() * 1000)}_{suffix}"
    work = partial(_judge_post, service, name, keywords, post)
    _enqueue(service, task_id, TaskKind.POST, post.images, work, post.callback)
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


def _enqueue(
    service: Service,
    task_id: str,
    kind: TaskKind,
    images: Iterable[ImageParameters],
    work: TaskWork,
    callback: Callback | None,
) -> None:
    """Copy a task's images, remember the task and run it in the background; raises BodyError."""
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
    """Keep an uploaded image until its task is done, even if the upload expires; a URL is fetched by the task."""
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


def _run(
    service: Service, task_id: str, held: list[ImageParameters], work: TaskWork, callback: Callback | None
) -> None:
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
    service.state.tasks.finish(task_id, outcome)
    if callback:
        content = json.dumps(_pushed(task_id, outcome), ensure_ascii=False)
        send = partial(callbacks.push, callback, service.account_id, task_id, content, service.background.wait)
        service.background.push(send)


def _pushed(task_id: str, outcome: Mapping[str, Any] | BodyError) -> Mapping[str, Any]:
    """Return the content of a callback: the id of the task, and the Data of its result, or the code of its error.

    The page shows none of it, so this is our reading. Without the id the checksum would not say whose result it is.
    """
    content = {"Code": outcome.code, "Msg": outcome.message} if isinstance(outcome, BodyError) else outcome
    return {"ReqId": task_id, **content}


def _judge_image(service: Service, name: str, task: AsyncParameters, held: list[ImageParameters]) -> Mapping[str, Any]:
    """Judge an image by a rule, else by its frames where an interval was given, else by the image itself."""
    content = read_image(held[0], service.state.waiting)
    by_rule = match_rule(service.image_rules, task.image, content, name)
    if by_rule:
        return bodies.judged_image(task.image.data_id, by_rule)
    found = []
    if task.interval:
        for frame in examine_frames(service.engine, content, task.interval, task.max_frames):
            if service.background.is_stopping:
                break
            url = publish_frame(service.state, service.endpoint, frame.jpeg)
            found.append((frame.examination, url))
    if found:
        return bodies.judged_frames(task.image.data_id, found)
    return bodies.judged_image(task.image.data_id, examine(service.engine, content))


def _judge_post(
    service: Service, name: str, keywords: Sequence[Keyword], post: Post, held: list[ImageParameters]
) -> Mapping[str, Any]:
    """Examine a post's images and texts."""
    contents = (read_image(image, service.state.waiting) for image in held)

    def look(image: ImageParameters) -> Examination:
        content = next(contents)
        return match_rule(service.image_rules, image, content, name) or examine(service.engine, content)

    return judge_post(look, keywords, post)


def judge_post(look: Look, keywords: Sequence[Keyword], post: Post) -> dict[str, Any]:
    """Examine a post, its images in the order of its parts, and return the Data of its result.

    Raises BodyError where an image cannot be examined: a part of a post is no post.
    """
    examinations: list[Examination] = []
    main = _judge_part(look, keywords, post.main, examinations)
    findings = [finding for judged in main.walk() for finding in judged.findings]
    return {
        "DataId": post.data_id,
        "RiskLevel": highest(finding.risk_level for finding in findings),
        "MainData": _results(main),
        "CommentDatas": [_comment(reply) for reply in main.replies],
        "Usage": {
            "Total_tokens": post.characters,
            "Output_tokens": 0,
            "Input_tokens": post.characters,
        },
        "Ext": {"LocalEngine": local_engine(_whole(examinations, keywords, main))},
    }


class _Judged(Struct):
    """What was found in one part, and in those below it."""

    part: Part
    findings: tuple[Finding, ...]
    keywords: list[Keyword]
    replies: list[_Judged]

    def walk(self) -> Iterator[_Judged]:
        """Yield this part and everything below it."""
        yield self
        for reply in self.replies:
            yield from reply.walk()


def _judge_part(look: Look, keywords: Sequence[Keyword], part: Part, examinations: list[Examination]) -> _Judged:
    """Examine one part and those below it, in the order in which their images come."""
    try:
        own = [look(image) for image in part.images]
    except BodyError as error:
        raise BodyError(error.code, f"{part.where}: {error.message}") from error
    examinations += own
    words = find_keywords(keywords, part.texts)
    findings = [finding for examination in own for finding in examination.findings]
    findings += [_finding(word) for word in words]
    replies = [_judge_part(look, keywords, reply, examinations) for reply in part.replies]
    return _Judged(part, strongest(findings), words, replies)


def _finding(keyword: Keyword) -> Finding:
    """Return the finding for a keyword."""
    description = f"Keyword of {keyword.lib_name} (local engine)"
    return Finding(keyword.label, 100.0, description, keyword.level)


def _comment(judged: _Judged) -> dict[str, Any]:
    """Describe a comment, with its replies if it has any."""
    replies = [_comment(reply) for reply in judged.replies]
    return _results(judged) | ({"CommentDatas": replies} if replies else {})


def _results(judged: _Judged) -> dict[str, Any]:
    """Describe what was found in one part: the page names it Result, and the SDK reads Results."""
    results = plain_results(judged.findings)
    return {"Result": results, "Results": results}


def _whole(examinations: list[Examination], keywords: Sequence[Keyword], main: _Judged) -> Examination:
    """Return what was checked in the whole post."""
    images = merge(examinations)
    if not keywords:
        return Examination((), images.checks, (*images.not_checked, _NO_KEYWORDS, *_ALWAYS_SAID), images.notes)
    details: dict[str, Any] = {"Words": len(keywords)}
    hits = [_hit(word, judged.part) for judged in main.walk() for word in judged.keywords]
    if hits:
        details["Hits"] = hits
    check = Check("keywords", "local rules", details)
    return Examination((), (*images.checks, check), (*images.not_checked, *_ALWAYS_SAID), images.notes)


def _hit(keyword: Keyword, part: Part) -> Mapping[str, str]:
    """Return which keyword is where, with the names that the vendor uses for keywords in images."""
    return {
        "KeyWords": keyword.word,
        "LibId": keyword.lib_id,
        "LibName": keyword.lib_name,
        "Where": part.where,
    }


def require_checks_of_post(
    engine: LocalEngine, rules: Sequence[ImageRule], keywords: Sequence[Keyword], post: Post
) -> None:
    """Raise BodyError for a post of which nothing can be checked; "none" would claim that something was."""
    if post.images:
        require_checks(engine, rules)
    elif not keywords:
        raise BodyError(408, "no check of the local engine can run: the post has no images, and no keyword rules exist")


def require_checks(engine: LocalEngine, rules: Sequence[ImageRule]) -> None:
    """Raise BodyError where nothing could be checked; "none" would claim that something was."""
    if not rules:
        _require_engine(engine)


def examine(engine: LocalEngine, content: bytes) -> Examination:
    """Examine an image; raises BodyError."""
    _require_engine(engine)
    with _as_body_errors():
        return _checked(engine.examine(content))


def examine_frames(engine: LocalEngine, content: bytes, interval: int, max_frames: int) -> Iterator[FrameExamination]:
    """Examine the frames of an image one by one, of which most images have none; raises BodyError."""
    _require_engine(engine)
    with _as_body_errors():
        for frame in engine.examine_frames(content, interval, max_frames):
            _checked(frame.examination)
            yield frame


def _require_engine(engine: LocalEngine) -> None:
    """Raise BodyError where no detector can run."""
    if not engine.is_available():
        raise _no_engine()


@contextmanager
def _as_body_errors() -> Iterator[None]:
    """Turn the engine's errors into codes."""
    try:
        yield
    except TooLargeForEngineError as error:
        raise BodyError(406, f"image is too large for the local engine: {error}") from error
    except ImageTooLargeError as error:
        raise BodyError(406, f"image is too large: {error}") from error
    except DamagedImageError as error:
        raise BodyError(407, f"image is damaged: {error}") from error
    except UnreadableImageError as error:
        raise BodyError(407, str(error)) from error


def _checked(examination: Examination) -> Examination:
    """Return an examination in which at least one check ran; raises BodyError for another."""
    if not examination.checks:
        raise _no_engine()
    return examination


def _no_engine() -> BodyError:
    return BodyError(408, f"no check of the local engine can run; install its packages: {install_command(EXTRA)}")


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
