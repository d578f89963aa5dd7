"""ServiceParameters, and the limits that the vendor states for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moderate_cli.client.parameters import AsyncOptions, image_parameters, post_parameters
from moderate_cli.common.errors import RefusedError
from moderate_cli.models import ImageUrl, OssObject

URL = "https://example.com/a.png"


def test_a_url_and_everything_that_may_stand_beside_it() -> None:
    text = image_parameters(
        ImageUrl(URL), info_types=("customImage", "logoData"), data_id="图".encode().hex(), referer="r"
    )
    assert json.loads(text) == {
        "imageUrl": URL,
        "dataId": "e59bbe",
        "referer": "r",
        "infoType": "customImage,logoData",
    }
    assert " " not in text


def test_what_is_not_given_is_not_sent() -> None:
    assert image_parameters(ImageUrl(URL)) == f'{{"imageUrl":"{URL}"}}'


@pytest.mark.parametrize(("region", "sent"), [("cn-beijing", {"ossRegionId": "cn-beijing"}), (None, {})])
def test_an_object_travels_as_it_is_named(region: str | None, sent: dict[str, str]) -> None:
    text = image_parameters(OssObject("bucket_01", "图 片/a b.png", region))
    assert json.loads(text) == {"ossBucketName": "bucket_01", "ossObjectName": "图 片/a b.png", **sent}
    assert "图 片" in text


@pytest.mark.parametrize(
    ("fields", "api_code", "words"),
    [
        ({"data_id": "x" * 65}, 402, "dataId may have at most 64 characters, not 65"),
        ({"data_id": "a/b"}, 401, "dataId may contain only letters, digits, _ - and ., not '/'"),
        ({"data_id": "图"}, 401, "letters, digits, _ - and ., not '图'"),
        ({"data_id": "ok\n"}, 401, r"not '\n'"),
        ({"referer": "x" * 257}, 402, "referer may have at most 256 characters, not 257"),
        ({"referer": "\udcff"}, 401, "not valid UTF-8"),
        ({"image": ImageUrl(URL + "x" * 2048)}, 402, "imageUrl may have at most 2,048 characters, not 2,073"),
        ({"image": ImageUrl("https://example.com/图.png")}, 401, "imageUrl contains the Chinese character '图' at 21"),
        ({"image": ImageUrl("https://example.com/a，b")}, 401, "imageUrl contains the Chinese character '，'"),
        ({"image": ImageUrl("ftp://example.com/a")}, 401, "imageUrl is not an http or https URL"),
    ],
)
def test_an_image_over_a_limit_is_one_line(fields: dict[str, Any], api_code: int, words: str) -> None:
    arguments = {"image": ImageUrl(URL), **fields}
    with pytest.raises(RefusedError) as caught:
        image_parameters(arguments.pop("image"), **arguments)
    assert caught.value.api_code == api_code
    assert words in caught.value.message


@pytest.mark.parametrize(
    "fields", [{"data_id": "x" * 64}, {"data_id": "A-z_0.9"}, {"referer": "x" * 256}, {"data_id": None}]
)
def test_an_image_at_a_limit_is_sent(fields: dict[str, Any]) -> None:
    assert image_parameters(ImageUrl(URL + "x" * (2048 - len(URL))), **fields)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (AsyncOptions(), {}),
        (AsyncOptions(interval=1, max_frames=100), {"interval": 1, "maxFrameNum": 100}),
        (AsyncOptions(max_frames=1), {"maxFrameNum": 1}),
        (
            AsyncOptions(callback="https://x.example/cb", seed="a_1", crypt_type="SM3"),
            {"callback": "https://x.example/cb", "seed": "a_1", "cryptType": "SM3"},
        ),
    ],
)
def test_what_only_the_asynchronous_operation_takes(options: AsyncOptions, sent: dict[str, Any]) -> None:
    assert options.fields() == sent


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (AsyncOptions(interval=1), "interval needs maxFrameNum"),
        (AsyncOptions(interval=0, max_frames=5), "interval must be at least 1, not 0"),
        (AsyncOptions(max_frames=0), "maxFrameNum must be 1 to 100, not 0"),
        (AsyncOptions(max_frames=101), "maxFrameNum must be 1 to 100, not 101"),
        (AsyncOptions(callback="https://x.example/cb"), "a callback needs a seed"),
        (AsyncOptions(callback="nowhere", seed="a"), "callback is not an http or https URL"),
        (AsyncOptions(seed="a" * 65), "seed may have at most 64 characters, not 65"),
        (AsyncOptions(seed="a-b"), "seed may contain only letters, digits and _, not '-'"),
        (AsyncOptions(crypt_type="MD5"), "cryptType must be SHA256 or SM3, not 'MD5'"),
    ],
)
def test_asynchronous_options_over_a_limit(options: AsyncOptions, words: str) -> None:
    with pytest.raises(RefusedError, match=words.replace("(", r"\(")):
        options.fields()


def _image(number: int = 0) -> dict[str, str]:
    return {"imageUrl": f"https://example.com/{number}.png"}


def _post(title: str = "", content: str = "", images: int = 0, comments: list[Any] | None = None) -> dict[str, Any]:
    main = {"mainTitle": title, "mainContent": content, "mainImages": [_image(n) for n in range(images)]}
    return {"mainData": main, "commentDatas": comments or []}


@pytest.mark.parametrize(
    "post",
    [
        _post(),
        _post("t" * 2000, "c" * 3000, 30),
        _post(comments=[{"content": "c" * 1000, "images": [_image(n) for n in range(10)]}]),
        _post(comments=[{"content": "", "images": None, "commentDatas": [{"content": "r" * 1000}]}]),
        _post(comments=[{"commentDatas": [{"content": "r", "commentDatas": []}, {"commentDatas": None}]}]),
        {"mainData": {"mainContent": "x"}, "dataId": "x" * 128},
    ],
)
def test_a_post_at_its_limits_is_sent_as_it_is(post: dict[str, Any]) -> None:
    assert json.loads(post_parameters(post)) == post


@pytest.mark.parametrize(
    ("post", "words"),
    [
        (_post("t" * 2001, "c" * 3000), "the text of the post may have at most 5,000 characters, not 5,001"),
        (_post("", "c" * 4500, comments=[{"content": "c" * 501}]), "at most 5,000 characters, not 5,001"),
        (_post(images=31), "the post may have at most 30 images, not 31"),
        (
            _post(images=25, comments=[{"images": [_image(n) for n in range(6)]}]),
            "the post may have at most 30 images, not 31",
        ),
        (_post(comments=[{"content": "c" * 1001}]), "commentDatas[0].content may have at most 1,000 characters"),
        (
            _post(comments=[{}, {"commentDatas": [{"content": "c" * 1001}]}]),
            "commentDatas[1].commentDatas[0].content may have at most 1,000",
        ),
        (
            _post(comments=[{"images": [_image(n) for n in range(11)]}]),
            "commentDatas[0].images may have at most 10",
        ),
        ({"mainData": {"mainImages": [{"imageUrl": "https://例.example/"}]}}, "mainData image 1: imageUrl contains"),
        ({"mainData": {}, "dataId": "x" * 129}, "dataId may have at most 128 characters, not 129"),
    ],
)
def test_a_post_over_a_limit_is_one_line(post: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        post_parameters(post)
    assert words in caught.value.message


def _nested(levels: int) -> dict[str, Any]:
    comment: dict[str, Any] = {"content": "the deepest"}
    for _ in range(levels - 1):
        comment = {"content": "c", "commentDatas": [{"content": "another"}, comment]}
    return comment


@pytest.mark.parametrize("levels", [3, 4, 10])
def test_replies_to_replies_would_not_be_judged_and_are_refused(levels: int) -> None:
    with pytest.raises(RefusedError) as caught:
        post_parameters(_post(comments=[{"content": "c"}, _nested(levels)]))
    error = caught.value
    assert (error.code, error.api_code) == ("post_too_deep", 401)
    assert error.message.startswith("commentDatas[1].commentDatas[1].commentDatas are replies to replies")
    assert "flatten" in (error.hint or "")


@pytest.mark.parametrize("levels", [1, 2])
def test_comments_and_replies_are_sent(levels: int) -> None:
    post = _post(comments=[_nested(levels)])
    assert json.loads(post_parameters(post)) == post


def test_async_options_hide_the_seed_in_text() -> None:
    text = repr(AsyncOptions(callback="https://x.example/cb", seed="CANARY"))
    assert "CANARY" not in text
    assert "https://x.example/cb" in text
