"""Posts from files, lines and options, in the API's own shape; and what is wrong with those that have none."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pytest

from moderate_cli.common.errors import InputError
from moderate_cli.models import BrokenInput, Item, Post
from moderate_cli.sources.posts import MAX_BYTES, Posts, post_of_flags

ROOT = Path(__file__).parents[2]
VENDOR_SAMPLE = ROOT / "tests/vectors/requests/multimodal_async_moderation/post.json"
GOOD = '{"mainData": {"mainContent": "text"}}'
GOOD_POST = {"mainData": {"mainContent": "text", "mainImages": []}}


def _read(folder: Path, text: str | bytes, name: str = "post.yaml") -> list[Item]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(Posts([str(path)], io.StringIO()))


def _post(item: Item) -> Any:
    assert isinstance(item.image, Post), item
    return item.image.content


def _error(item: Item) -> InputError:
    assert isinstance(item.image, BrokenInput), item
    assert isinstance(item.image.error, InputError)
    return item.image.error


def _stdin(content: bytes) -> TextIO:
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")


def test_the_vendors_sample_request_is_a_post() -> None:
    [item] = Posts([str(VENDOR_SAMPLE)], io.StringIO())
    expected = json.loads(VENDOR_SAMPLE.read_text(encoding="utf-8"))["serviceParameters"]
    assert item == Item(str(VENDOR_SAMPLE), Post(expected), data_id="Multimodal0424***")


def test_the_sample_file_is_a_post() -> None:
    name = str(ROOT / "sample_configs/post.yaml")
    [item] = Posts([name], io.StringIO())
    post = _post(item)
    images = [*post["mainData"]["mainImages"], *post["commentDatas"][1]["images"]]
    assert len(images) == 3
    assert all(Path(image["file"]).is_file() for image in images)
    assert post["mainData"]["mainPostTime"] == "2026-03-01 09:30:00"
    assert post["commentDatas"][0]["commentDatas"][0]["content"].startswith("Yes")
    assert item.data_id == "flea-market-2026"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "mainData: {mainContent: text}",
        "mainData:\n- mainContent: text\n",
        "mainData: {mainContent: text, mainTitle: , mainImages: ~}\ncommentDatas:\ndataId: null",
        "%YAML 1.2\n---\nmainData: {mainContent: text}\n...\n---\n# no more\n",
        "\ufeffmainData:\r\n  mainContent: text\r\n",
        f"Service: x\nServiceParameters: {GOOD}",
        f"service: x\nserviceParameters: '{GOOD}'",
    ],
)
def test_several_ways_to_write_one_post(tmp_path: Path, text: str) -> None:
    [item] = _read(tmp_path, text)
    assert _post(item) == GOOD_POST
    assert item.source == str(tmp_path / "post.yaml")


@pytest.mark.parametrize("text", ["2024", "on", "1.10", "2026-03-01", "0x10", "12:30", "'~'", "no"])
def test_text_stays_as_it_is_written(tmp_path: Path, text: str) -> None:
    [item] = _read(tmp_path, f"mainData: {{mainContent: {text}}}")
    assert _post(item)["mainData"]["mainContent"] == text.strip("'")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("https://example.com/a.png", {"imageUrl": "https://example.com/a.png"}),
        ("HTTP://EXAMPLE.COM/A", {"imageUrl": "HTTP://EXAMPLE.COM/A"}),
        ("oss://bucket/a/b.png", {"ossBucketName": "bucket", "ossObjectName": "a/b.png"}),
        (
            "oss://bucket/b.png?region=CN-Beijing",
            {"ossBucketName": "bucket", "ossObjectName": "b.png", "ossRegionId": "cn-beijing"},
        ),
        ("a/b.png", {"file": "FOLDER/a/b.png"}),
        ("/tmp/b.png", {"file": "/tmp/b.png"}),
        ({"file": "b.png"}, {"file": "FOLDER/b.png"}),
        ({"imageUrl": "https://example.com/", "ossBucketName": ""}, {"imageUrl": "https://example.com/"}),
        (
            {"ossBucketName": "b", "ossObjectName": "o", "ossRegionId": "cn-beijing", "mark": 7},
            {"ossBucketName": "b", "ossObjectName": "o", "ossRegionId": "cn-beijing", "mark": 7},
        ),
    ],
)
@pytest.mark.parametrize("name", ["post.yaml", "post.json"])
def test_an_image_by_its_name_or_as_the_api_has_it(tmp_path: Path, name: str, written: Any, expected: Any) -> None:
    post = {"mainData": {"mainImages": [written]}, "commentDatas": [{"images": [written]}]}
    [item] = _read(tmp_path, json.dumps(post), name)
    expected = {key: Path(str(value).replace("FOLDER", str(tmp_path))) for key, value in expected.items()}
    content = _post(item)
    for [image] in (content["mainData"]["mainImages"], content["commentDatas"][0]["images"]):
        assert {key: Path(str(value)) for key, value in image.items()} == expected


def test_unknown_keys_pass_through_unharmed(tmp_path: Path) -> None:
    extra = {"callback": "https://example.com/", "level": 7, "share": 0.5, "draft": True, "tags": [{"id": None}]}
    own_ids = {"commentId": 7, "contentId": "x", "userName": "Ann"}
    post = {**extra, "mainData": {"mainContent": "text"}, "commentDatas": [{"content": "nice", **own_ids}]}
    for name in ("post.yaml", "post.json"):
        content = _post(_read(tmp_path, json.dumps(post), name)[0])
        assert {key: content[key] for key in extra} == extra
        assert content["commentDatas"] == post["commentDatas"]


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("mainData:\n  mainContet: bad words", "mainData.mainContet", "write mainContent"),
        ("mainData:\n  title: bad words", "mainData.title", "write mainTitle"),
        ("mainData:\n  main_content: bad words", "mainData.main_content", "write mainContent"),
        ("mainData:\n  text: bad words", "mainData.text", "write mainContent"),
        ("mainData:\n  comments: [bad words]", "mainData.comments", "commentDatas belongs in a post"),
        ("dataId: x\nmainContent: bad words", "mainContent", "mainContent belongs in mainData"),
        ("dataId: x\ncomments: []", "comments", "write commentDatas"),
        ("commentDatas:\n- contnet: bad words", "commentDatas[0].contnet", "write content"),
        ("commentDatas:\n- replies: []", "commentDatas[0].replies", "write commentDatas"),
        ("commentDatas:\n- mainImages: []", "commentDatas[0].mainImages", "mainImages belongs in mainData"),
        ("mainData:\n  mainImages: [{imageURL: x}]", "mainData.mainImages[0].imageURL", "write imageUrl"),
    ],
)
def test_a_slip_of_a_key_is_an_error_with_its_line(tmp_path: Path, text: str, key: str, hint: str) -> None:
    error = _error(_read(tmp_path, text)[0])
    assert error.message.startswith(f"line 2: unknown key {key} in ")
    assert error.hint == hint


@pytest.mark.parametrize("indent", [2, "\t"])
def test_an_error_in_a_json_file_has_its_line_too(tmp_path: Path, indent: int | str) -> None:
    post = {"dataId": "x", "mainData": {"mainTitle": "t", "mainContet": "bad words"}}
    [item] = _read(tmp_path, json.dumps(post, indent=indent), "post.json")
    assert _error(item).message.startswith("line 5: unknown key mainData.mainContet in mainData")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file contains no post"),
        ("# nothing\n---\n", "the file contains no post"),
        ("~", "line 1: a post must be a mapping, not nothing"),
        ("- mainData: {}", "line 1: a post must be a mapping, not a list"),
        ("{}", "line 1: the post has neither text nor images"),
        ("mainData: {mainContent: ' '}", "line 1: the post has neither text nor images"),
        ("mainData: bad words", "line 1: mainData must be a mapping, not text"),
        ("mainData: [{}, {}]", "line 1: mainData must be a mapping, not a list"),
        ("mainData:\n  mainContent: [a]", "line 2: mainData.mainContent must be text, not a list"),
        ("mainData:\n  mainImages: a.png", "line 2: mainData.mainImages must be a list, not text"),
        ("mainData:\n  mainImages:\n  - {}", "line 3: mainData.mainImages[0] names no image"),
        ("mainData:\n  mainImages:\n  - ''", "line 3: mainData.mainImages[0] names no image"),
        ("mainData:\n  mainImages:\n  - ossBucketName: b", "line 3: mainData.mainImages[0] names no image"),
        ("mainData:\n  mainImages: [2024]", "line 2: mainData.mainImages[0] must be a mapping, not a number"),
        ("mainData:\n  mainImages: [oss://b]", "line 2: mainData.mainImages[0]: 'oss://b' names no object"),
        ("mainData:\n  mainImages: [{file: a, imageUrl: b}]", "line 2: mainData.mainImages[0] names an image in sever"),
        (
            "mainData:\n  mainImages: ['oss://b/k?region=']",
            "line 2: mainData.mainImages[0]: 'oss://b/k?region=': '' is",
        ),
        *(
            (
                f"mainData:\n  mainImages: [{{imageUrl: '{url}'}}]",
                f"line 2: mainData.mainImages[0]: '{url}': the address",
            )
            for url in ("https://", "https:///a.png", "http://[", "a.png")
        ),
        ("commentDatas:\n  content: a", "line 1: commentDatas must be a list, not a mapping"),
        ("commentDatas:\n- a", "line 2: commentDatas[0] must be a mapping, not text"),
        ("serviceParameters: {}\nmainData: {}", "line 2: unexpected key 'mainData' beside serviceParameters"),
        ("a: 1\nserviceParameters: '{'", "line 1: unexpected key 'a' beside serviceParameters"),
        ("service: a\nserviceParameters: '{'", "line 2: serviceParameters: broken JSON at character 2"),
        ("mainData:\n  mainContent: a: b", "line 2: broken YAML: mapping values are not allowed here"),
        ("mainData: {mainContent: a}\nmainData: {}", "line 2: duplicate key 'mainData'"),
        ("mainData: &a {mainContent: x}\nb: *a", "line 2: aliases are not allowed in a post"),
        ("mainData:\n  <<: {mainContent: x}", "line 2: a key must be a word"),
        ("mainData:\n  ? [a]\n  : b", "line 2: a key must be a word"),
        ("mainData: !!python/name:os.system x", "line 1: tags are not allowed in a post"),
        ('mainData:\n  mainContent: "\\U00110000"', "broken YAML: an escape that stands for no character"),
        ("a: b\nc: \x07", "line 2: a control character, which YAML does not allow"),
        ("a: " + "[" * 5000, "too deeply nested"),
    ],
)
def test_a_post_that_cannot_be_understood_says_why(tmp_path: Path, text: str, message: str) -> None:
    [item] = _read(tmp_path, text)
    error = _error(item)
    assert error.message.startswith(message)
    assert error.code == "post_invalid"
    assert error.hint or "deeply" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: broken JSON at character 1: Expecting value"),
        ('{\n"mainData": {},\n}', "line 3: broken JSON"),
        ('{\n"mainData": {},\n"mainData": {}}', "line 3: duplicate key 'mainData'"),
        ('{"x": NaN}', "line 1: broken JSON: NaN is not allowed"),
        ('{\n"x": NaN}', "broken JSON: NaN is not allowed"),
        (f'{{"x": {"1" * 5000}}}', "broken JSON: a number with too many digits"),
        ("[" * 100_000, "too deeply nested"),
        ('{"mainData": {"mainContent": 1.10}}', "line 1: mainData.mainContent must be text, not a number"),
        ('{"mainData": {"mainContent": true}}', "line 1: mainData.mainContent must be text, not true or false"),
    ],
)
def test_broken_json_says_why(tmp_path: Path, text: str, message: str) -> None:
    assert _error(_read(tmp_path, text, "post.JSON")[0]).message.startswith(message)


def test_a_whole_number_is_text_enough_in_json(tmp_path: Path) -> None:
    [item] = _read(tmp_path, '{"mainData": {"mainContent": 2024}, "dataId": 7}', "post.json")
    assert (_post(item)["mainData"]["mainContent"], item.data_id) == ("2024", "7")


def _nested(depth: int) -> dict[str, Any]:
    comment: dict[str, Any] = {"content": "x"}
    for _ in range(depth - 1):
        comment = {"content": "x", "commentDatas": [comment]}
    return {"commentDatas": [comment]}


def test_comments_nest_ten_deep_and_no_deeper(tmp_path: Path) -> None:
    assert _post(_read(tmp_path, json.dumps(_nested(10)))[0])
    assert "comments nested deeper than 10" in _error(_read(tmp_path, json.dumps(_nested(11)))[0]).message


def test_a_broken_document_spoils_no_other(tmp_path: Path) -> None:
    text = "mainData: {mainContent: a}\n---\nmainData: {mainContet: b}\n---\na: b: c\n--- # the last\n" + GOOD
    first, second, third, fourth = _read(tmp_path, text)
    name = str(tmp_path / "post.yaml")
    assert [item.source for item in (first, second, third, fourth)] == [f"{name}#{n}" for n in (1, 2, 3, 4)]
    assert _post(first)["mainData"]["mainContent"] == "a"
    assert _error(second).message.startswith("line 3: unknown key mainData.mainContet")
    assert _error(third).message.startswith("line 5: broken YAML")
    assert _post(fourth) == GOOD_POST


def test_dashes_inside_a_text_separate_nothing(tmp_path: Path) -> None:
    [item] = _read(tmp_path, "mainData:\n  mainContent: |\n    a\n    ---\n    b\n")
    assert _post(item)["mainData"]["mainContent"] == "a\n---\nb\n"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"a: b\nc: \xff\n", "post_invalid", "line 2: not UTF-8 text"),
        (b"#" * (MAX_BYTES + 1), "too_large", "the file is larger than 1 MB"),
    ],
)
def test_a_file_that_is_no_text_for_a_post(tmp_path: Path, content: bytes, code: str, message: str) -> None:
    error = _error(_read(tmp_path, content)[0])
    assert (error.code, error.message) == (code, message)


def test_what_cannot_be_opened_is_one_items_failure(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(GOOD)
    names = [str(tmp_path / "missing.yaml"), str(tmp_path), "a\0b", str(tmp_path / "good.json")]
    *broken, good = Posts(names, io.StringIO())
    assert [_error(item).code for item in broken] == ["not_found", "not_a_file", "unreadable"]
    assert [item.source for item in broken] == names[:3]
    assert _post(good) == GOOD_POST


def test_each_line_of_standard_input_is_a_post() -> None:
    lines = [GOOD, "", " ", '{"mainData"', '{"mainData": {"mainImages": ["a.png"]}, "dataId": "d"}', "[]"]
    good, broken, image, wrong = Posts(["-"], _stdin("\r\n".join(lines).encode()))
    assert good == Item("line 1", Post(GOOD_POST))
    assert _error(broken).message.startswith("broken JSON at character")
    assert (broken.source, image.source, image.data_id) == ("line 4", "line 5", "d")
    assert _post(image)["mainData"]["mainImages"] == [{"file": "a.png"}]
    assert _error(wrong).message == "a post must be a mapping, not a list"


def test_a_line_that_is_too_long_or_no_text_spoils_no_other() -> None:
    content = b"\n".join([b"x" * (2 * MAX_BYTES + 5), b'{"a": "\xff"}', GOOD.encode()])
    long, binary, good = Posts(["-"], _stdin(content))
    assert (_error(long).code, _error(long).message) == ("too_large", "the line is larger than 1 MB")
    assert _error(binary).message == "not UTF-8 text"
    assert (good.source, _post(good)) == ("line 3", GOOD_POST)


def test_a_stream_of_text_without_bytes_is_read_too() -> None:
    assert [item.source for item in Posts(["-"], io.StringIO(f"{GOOD}\n{GOOD}"))] == ["line 1", "line 2"]


def test_a_stream_that_cannot_be_read_is_one_failure(tmp_path: Path) -> None:
    class Broken(io.StringIO):
        def readline(self, size: int = -1, /) -> str:
            raise IsADirectoryError(21, "Is a directory")

    [item] = Posts(["-"], Broken())
    assert (item.source, _error(item).code) == ("-", "unreadable")


def test_standard_input_flows_and_need_not_end() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stdin, os.fdopen(writing, "wb", buffering=0) as pipe:
        items: Iterator[Item] = iter(Posts(["-"], stdin))
        for number in range(1, 4):
            pipe.write(f"{GOOD}\n".encode())
            assert [item.source for item in islice(items, 1)] == [f"line {number}"]


def test_options_describe_a_post() -> None:
    item = post_of_flags("-", "text", ["a.png", "https://example.com/b.png"], ["nice", "2024"])
    expected = {
        "mainData": {
            "mainTitle": "-",
            "mainContent": "text",
            "mainImages": [{"file": "a.png"}, {"imageUrl": "https://example.com/b.png"}],
        },
        "commentDatas": [{"content": "nice"}, {"content": "2024"}],
    }
    assert item == Item("the post given by options", Post(expected))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("2025-06-18 20:20:20", "2025-06-18 20:20:20"),
        (" 2025-06-18 20:20:20 ", "2025-06-18 20:20:20"),
        ("2025-06-18T20:20:20", "2025-06-18 20:20:20"),
        ("2025-06-18T20:20:20.999", "2025-06-18 20:20:20"),
        ("2025-06-18T20:20", "2025-06-18 20:20:00"),
        ("2025-06-18", "2025-06-18 00:00:00"),
        ("2025-06-18T12:20:20Z", "2025-06-18 20:20:20"),
        ("2025-06-18T20:20:20+08:00", "2025-06-18 20:20:20"),
        ("2025-06-18 20:20:20-04:30", "2025-06-19 08:50:20"),
        ("2024-02-29T23:00:00Z", "2024-03-01 07:00:00"),
        ("", ""),
    ],
)
def test_a_time_is_sent_as_the_service_writes_it(tmp_path: Path, written: str, sent: str) -> None:
    replies = [{"content": "r", "postTime": written}]
    comments = [{"content": "c", "postTime": written, "commentDatas": replies}]
    post = {"mainData": {"mainContent": "a", "mainPostTime": written}, "commentDatas": comments}
    path = tmp_path / "post.json"
    path.write_text(json.dumps(post))
    found = _post(*Posts([str(path)], io.StringIO()))
    (comment,) = found["commentDatas"]
    assert found["mainData"]["mainPostTime"] == sent
    assert (comment["postTime"], comment["commentDatas"][0]["postTime"]) == (sent, sent)


@pytest.mark.parametrize(
    "written",
    [
        *("tomorrow", "18.06.2025", "2025/06/18 20:20:20", "2025-06-31 20:20:20", "2025-06-18 25:00:00"),
        *("2025-06-18 20:20:20 CST", "2025-06-18x20:20:20", "1750249220", "20:20:20", "2025-W25-3"),
        *("0001-01-01T00:00:00+14:00", "２０２５-06-18 20:20:20", "2025-06-18T20:20:20+99:00", "now\n2025-06-18"),
    ],
)
@pytest.mark.parametrize("where", ["mainData.mainPostTime", "commentDatas[0].postTime"])
def test_what_is_no_time_is_not_sent(tmp_path: Path, where: str, written: str) -> None:
    time = {where.rpartition(".")[2]: written}
    post: dict[str, Any] = {"mainData": {"mainContent": "a"}, "commentDatas": [{"content": "c"}]}
    (post["mainData"] if "main" in where else post["commentDatas"][0]).update(time)
    path = tmp_path / "post.json"
    path.write_text(json.dumps(post, indent=1))
    (item,) = Posts([str(path)], io.StringIO())
    error = _error(item)
    assert re.match(r"line \d+: ", error.message)
    assert f"{where}: " in error.message
    assert error.message.endswith("is not a time")
    assert "2025-06-18T12:20:20Z" in (error.hint or "")


def test_options_may_leave_out_everything_but_one_thing() -> None:
    assert _post(post_of_flags(None, None, [], ["nice"]))["mainData"] == {"mainContent": "", "mainImages": []}
    assert _error(post_of_flags(None, None, [], [])).message == "the post has neither text nor images"
    assert "names no object" in _error(post_of_flags(None, None, ["oss://b"], [])).message
