"""How one post becomes an outcome, with a client that sends nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from builders import call, item, service_error

from moderate_cli.client import CallbackOptions
from moderate_cli.client.parameters import Operation
from moderate_cli.client.upload import FileChangedError
from moderate_cli.common.errors import ExitCode, InputError, RefusedError
from moderate_cli.models import (
    BrokenInput,
    Call,
    Failed,
    Item,
    Json,
    Known,
    NotTried,
    OssObject,
    Outcome,
    Pending,
    Post,
    Skipped,
    Submission,
)
from moderate_cli.scanning import CallBudget, Executor
from moderate_cli.scanning.post_judge import PostJudge, service_name

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0\xba\xb3K\xb3"  # 640 x 480
SERVICE = "post_text_image_detection"
URL = {"imageUrl": "https://example.com/a.png"}


NO_TEXT = "without text (mainContent), which the API documents as required"
NO_IMAGES = "without images (mainImages), which the API documents as required"
NEITHER = "without text (mainContent) or images (mainImages), which the API documents as required"
NO_COMMENT = "a comment without text (content), which the API documents as required"


class FakeClient:
    """Remembers what it was asked; fails where it is told to."""

    endpoint = "green-cip.cn-shanghai.aliyuncs.com"

    def __init__(self, *, region: str = "cn-shanghai", error: Exception | None = None) -> None:
        self.region = region
        self.error = error
        self.uploads: list[tuple[bytes, str, str | None]] = []
        self.posts: list[tuple[str, Json]] = []
        self.changes: list[Callable[[], object]] = []

    def call(self, operation: Operation, services: tuple[str, ...] = ()) -> Call:
        return call(operation=operation.value, services=services)

    def upload(self, file: BufferedReader, *, extension: str = "", sha256: str | None = None) -> OssObject:
        if self.changes:
            self.changes.pop()()
            raise FileChangedError
        self.uploads.append((file.read(0), extension, sha256))
        return OssObject("bucket", f"key{len(self.uploads)}", self.region)

    def multimodal_async_moderation(
        self, service: str, post: Json, *, callback: CallbackOptions | None = None
    ) -> Submission:
        self.posts.append((service, post))
        if self.error:
            raise self.error
        return Submission(
            call=call(operation="MultimodalAsyncModeration", services=(service,)),
            req_id="Q1",
            data_id=post.get("dataId"),
            request_id="R1",
        )


def _judge(one: Item, *clients: FakeClient, service: str = SERVICE, **changes: Any) -> Outcome:
    return PostJudge(clients=clients, call=call(operation="MultimodalAsyncModeration", services=(service,)), **changes)(
        one
    )  # type: ignore[arg-type]


def _item(*images: Json, comments: list[Json] | None = None, **changes: Any) -> Item:
    main = {"mainTitle": "t", "mainContent": "text", "mainImages": list(images)} | changes
    return item("post.yaml", image=Post({"mainData": main, "commentDatas": comments or [], "dataId": "d", "x": 1}))


def _image(folder: Path, name: str = "A.PNG", content: bytes = PNG) -> Json:
    (folder / name).write_bytes(content)
    return {"file": str(folder / name)}


@pytest.mark.parametrize(
    ("name", "service"),
    [("post", SERVICE), ("profile", "profile_text_image_detection"), ("some_service", "some_service")],
)
def test_services_have_short_names(name: str, service: str) -> None:
    assert service_name(name) == service


def test_a_post_is_queued_as_it_is() -> None:
    client = FakeClient()
    one = _item(URL)
    outcome = _judge(one, client)
    assert isinstance(outcome, Pending)
    assert (outcome.req_id, outcome.request_id, outcome.data_id, outcome.item) == ("Q1", "R1", "d", one)
    assert isinstance(one.image, Post)
    assert client.posts == [(SERVICE, one.image.content)]
    assert client.uploads == []


@pytest.mark.parametrize(
    ("main", "comments", "notes"),
    [
        ({"mainContent": "a", "mainImages": [URL]}, [{"content": "c"}, {"content": "d", "images": [URL]}], ()),
        ({"mainContent": "a", "mainImages": []}, [], (NO_IMAGES,)),
        ({"mainContent": " ", "mainImages": [URL]}, [], (NO_TEXT,)),
        ({"mainTitle": "t", "mainContent": "", "mainImages": []}, [], (NEITHER,)),
        ({"mainContent": "a", "mainImages": [URL]}, [{"content": "", "images": [URL]}], (NO_COMMENT,)),
        (
            {"mainContent": "a", "mainImages": [URL]},
            [{"content": "c", "commentDatas": [{"content": ""}, {"content": ""}]}],
            (NO_COMMENT,),
        ),
    ],
)
@pytest.mark.parametrize("only_plans", [False, True])
def test_what_the_api_requires_and_a_post_lacks_is_noted(
    main: Json, comments: list[Json], notes: tuple[str, ...], only_plans: bool
) -> None:
    client = FakeClient()
    one = item("post.yaml", image=Post({"mainData": main, "commentDatas": comments}))
    assert _judge(one, client, only_plans=only_plans).notes == notes
    assert len(client.posts) == (not only_plans)


def test_local_images_are_uploaded_wherever_they_stand(tmp_path: Path) -> None:
    client = FakeClient()
    reply = {"content": "b", "images": [_image(tmp_path, "c.jpg") | {"mark": 1}]}
    comments = [{"content": "a", "images": [_image(tmp_path, "b.png")], "commentDatas": [reply]}]
    one = _item(URL, _image(tmp_path), comments=comments)
    assert isinstance(_judge(one, client), Pending)
    [(_, post)] = client.posts
    objects = [{"ossBucketName": "bucket", "ossObjectName": f"key{n}", "ossRegionId": "cn-shanghai"} for n in (1, 2, 3)]
    assert post["mainData"]["mainImages"] == [URL, objects[0]]
    assert post["commentDatas"][0]["images"] == [objects[1]]
    assert post["commentDatas"][0]["commentDatas"][0]["images"] == [{"mark": 1} | objects[2]]
    assert (post["x"], post["mainData"]["mainTitle"]) == (1, "t")
    assert [extension for _, extension, _ in client.uploads] == [".png", ".png", ".jpg"]
    assert all(sha256 and len(sha256) == 64 for _, _, sha256 in client.uploads)
    assert isinstance(one.image, Post)
    assert one.image.content["commentDatas"] == comments


@pytest.mark.parametrize(
    ("content", "kind", "code"), [(None, Failed, "not_found"), (b"a text", Skipped, "not_an_image")]
)
def test_one_image_that_cannot_be_sent_keeps_the_whole_post_back(
    tmp_path: Path, content: bytes | None, kind: type[Failed | Skipped], code: str
) -> None:
    client = FakeClient()
    bad = {"file": str(tmp_path / "bad.png")} if content is None else _image(tmp_path, "bad.png", content)
    outcome = _judge(_item(_image(tmp_path), bad), client)
    assert isinstance(outcome, kind)
    assert outcome.error.code == code
    assert outcome.error.message.startswith(f"{tmp_path / 'bad.png'}: ")
    assert outcome.error.hint
    assert client.uploads == client.posts == []


def test_without_the_preflight_everything_is_sent(tmp_path: Path) -> None:
    client = FakeClient()
    assert isinstance(_judge(_item(_image(tmp_path, content=b"a text")), client, preflight=False), Pending)
    assert len(client.uploads) == len(client.posts) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"mainContent": "x" * 5000},
        {"comments": [{"content": "x" * 1001}]},
        {"comments": [{"content": "x", "images": [URL] * 11}]},
        {"comments": [{"content": "x", "images": [URL] * 10}] * 3},
        {"mainTitle": "\ud800"},
    ],
)
def test_a_post_over_its_limits_uploads_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    client = FakeClient()
    outcome = _judge(_item(_image(tmp_path), **changes), client)
    assert isinstance(outcome, Skipped)
    assert client.uploads == client.posts == []


@pytest.mark.parametrize("only_plans", [True, False])
def test_replies_to_replies_are_refused_before_anything_is_uploaded(tmp_path: Path, only_plans: bool) -> None:
    client = FakeClient()
    deepest = {"content": "third", "images": [_image(tmp_path)]}
    comments = [{"content": "first", "commentDatas": [{"content": "second", "commentDatas": [deepest]}]}]
    outcome = _judge(_item(_image(tmp_path), comments=comments), client, only_plans=only_plans)
    assert isinstance(outcome, Skipped)
    assert isinstance(outcome.error, RefusedError)
    assert (outcome.error.code, outcome.error.api_code) == ("post_too_deep", 401)
    assert "flatten" in (outcome.error.hint or "")
    assert client.uploads == client.posts == []


def test_an_image_that_changed_is_sent_under_the_hash_of_what_it_is_now(tmp_path: Path) -> None:
    client = FakeClient()
    image = _image(tmp_path)
    changed = PNG + b"changed"
    client.changes.append(lambda: (tmp_path / "A.PNG").write_bytes(changed))
    assert isinstance(_judge(_item(image), client), Pending)
    assert [sha256 for _, _, sha256 in client.uploads] == [hashlib.sha256(changed).hexdigest()]


def test_a_post_of_which_an_image_keeps_changing_is_not_sent(tmp_path: Path) -> None:
    client, budget = FakeClient(), CallBudget(2)
    client.changes += [lambda: None, lambda: None]
    outcome = _judge(_item(_image(tmp_path)), client, budget=budget)
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.message) == (
        "file_changed",
        f"{tmp_path / 'A.PNG'}: the file changed while it was being sent",
    )
    assert client.posts == []
    assert isinstance(_judge(_item(_image(tmp_path)), client, budget=budget), Pending)  # it has cost nothing


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), RecursionError()])
def test_an_error_that_nobody_foresaw_is_that_posts_failure(error: Exception) -> None:
    outcome = _judge(_item(), FakeClient(error=error))
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.exit_code) == ("bug", ExitCode.BUG)


def test_a_post_beyond_the_cap_is_not_tried(tmp_path: Path) -> None:
    client, budget = FakeClient(), CallBudget(3)
    outcomes = [_judge(_item(_image(tmp_path)), client, budget=budget) for _ in range(3)]  # text and image: two calls
    assert [type(outcome) for outcome in outcomes] == [Pending, NotTried, NotTried]
    assert len(client.posts) == len(client.uploads) == 1


def test_posts_beyond_the_cap_are_counted() -> None:
    client = FakeClient()
    judge = PostJudge(clients=[client], call=call(services=(SERVICE,)), budget=CallBudget(3))  # type: ignore[list-item]
    scan = Executor((_item() for _ in range(10)), judge, jobs=1)
    assert [type(outcome) for outcome in scan] == [Pending] * 3
    assert (scan.not_tried, scan.at_least) == (7, False)


def test_comments_of_a_profile_would_not_be_judged() -> None:
    client = FakeClient()
    profile = "profile_text_image_detection"
    outcome = _judge(_item(comments=[{"content": "bad words"}]), client, service=profile)
    assert isinstance(outcome, Failed)
    assert outcome.error.hint == f"use {SERVICE}, or leave the comments out"
    assert client.posts == []
    assert isinstance(_judge(_item(), client, service=profile), Pending)


def test_what_could_not_be_read_fails_with_its_error() -> None:
    error = InputError("line 3: broken YAML", code="post_invalid")
    outcome = _judge(item("post.yaml", image=BrokenInput(error)), FakeClient())
    assert isinstance(outcome, Failed)
    assert outcome.error is error
    assert (outcome.call.operation, outcome.call.services) == ("MultimodalAsyncModeration", (SERVICE,))


def test_an_image_is_no_post() -> None:
    outcome = _judge(item(), FakeClient())
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "not_a_post"


def test_an_error_of_the_service_is_a_failure_with_its_attempts() -> None:
    error = service_error()
    error.attempts = 3
    outcome = _judge(_item(), FakeClient(error=error))
    assert isinstance(outcome, Failed)
    assert (outcome.error, outcome.call.attempts) == (error, 3)


def test_another_region_gets_its_own_uploads(tmp_path: Path) -> None:
    first = FakeClient(error=service_error(api_code=500))
    second = FakeClient(region="cn-beijing")
    assert isinstance(_judge(_item(_image(tmp_path)), first, second), Pending)
    assert len(first.uploads) == len(second.uploads) == 1
    assert second.posts[0][1]["mainData"]["mainImages"][0]["ossRegionId"] == "cn-beijing"


def test_the_call_can_be_made_by_somebody_else(tmp_path: Path) -> None:
    client = FakeClient()
    seen: list[tuple[Any, Outcome, Json]] = []

    def submit(client: Any, known: Known, post: Json) -> Submission:
        seen.append((client, known, post))
        return Submission(call=known.call, req_id="Q9", data_id=None, request_id=None)

    one = _item(_image(tmp_path))
    outcome = _judge(one, client, submit=submit)
    assert isinstance(outcome, Pending)
    assert outcome.req_id == "Q9"
    [(asked, known, post)] = seen
    assert asked is client
    assert isinstance(known.item.image, Post)
    [kept] = known.item.image.content["mainData"]["mainImages"]
    assert kept == {"file": str(tmp_path / "A.PNG"), "sha256": hashlib.sha256(PNG).hexdigest()}
    assert post["mainData"]["mainImages"][0]["ossObjectName"] == "key1"
    assert client.posts == []
