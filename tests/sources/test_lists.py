"""Lists of sources: lines, JSON Lines and names that end with NUL, from files and standard input."""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from trees import put, sources_of

from moderate_cli.models import BrokenInput, ImageUrl, Item, LocalFile, OssObject
from moderate_cli.sources import SourceList, Sources
from moderate_cli.sources.lists import MAX_BYTES


def _stdin(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding="ascii")


def _read(content: bytes, *, nul: bool = False) -> list[Item]:
    return list(Sources([], lists=[SourceList("-", nul=nul)], stdin=_stdin(content)))


def _broken(item: Item) -> tuple[str, str]:
    assert isinstance(item.image, BrokenInput)
    return item.source, item.image.error.message


def test_each_line_is_a_source() -> None:
    assert _read(b"https://example.com/a.png\n\n  \r\nmissing.png\r\noss://bucket/a.png") == [
        Item("https://example.com/a.png", ImageUrl("https://example.com/a.png")),
        Item("missing.png", LocalFile(Path("missing.png"))),
        Item("oss://bucket/a.png", OssObject("bucket", "a.png")),
    ]


def test_a_folder_in_a_list_is_walked(tmp_path: Path) -> None:
    put(tmp_path, "photos/a.png", "photos/sub/b.png")
    assert sources_of(_read(f"x.png\n{tmp_path}/photos\n".encode())) == [
        "x.png",
        f"{tmp_path}/photos/a.png",
        f"{tmp_path}/photos/sub/b.png",
    ]


@pytest.mark.parametrize(
    "name", [b"[1].png", b"*.png", b"# no comment", b"-rf", b"- ", b" a.png ", b"a\rb", b"\xff.png", "图.png".encode()]
)
def test_a_line_is_taken_as_it_is(name: bytes) -> None:
    (item,) = _read(name + b"\n")
    assert os.fsencode(item.source) == name


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert sources_of(_read(b"\xef\xbb\xbfa.png\n\xef\xbb\xbfb.png\n")) == ["a.png", "\ufeffb.png"]
    assert sources_of(_read(b'\xef\xbb\xbf{"source": "a.png"}\n')) == ["a.png"]


@pytest.mark.parametrize("name", [b"a\nb.png", b"{a.png", b" ", b"\xff.png", b"\xef\xbb\xbfa.png"])
def test_names_that_end_with_nul_may_have_any_other_character(name: bytes) -> None:
    items = _read(b"first.png\0" + name + b"\0\0last.png", nul=True)
    assert [os.fsencode(item.source) for item in items] == [b"first.png", name, b"last.png"]


def test_names_that_end_with_nul_may_be_cut_anywhere(tmp_path: Path) -> None:
    names = [f"folder/{'x' * (number % 900)}{number}.png" for number in range(2000)]
    path = tmp_path / "list"
    path.write_bytes("".join(f"{name}\0" for name in names).encode())
    assert sources_of(list(Sources([], lists=[SourceList(str(path), nul=True)]))) == names


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"source": "https://example.com/a"}', Item("https://example.com/a", ImageUrl("https://example.com/a"))),
        ('{"source": "a.png", "data_id": "1"}', Item("a.png", LocalFile(Path("a.png")), "1")),
        (
            '{"referer": "r", "source": "oss://b/k", "data_id": null} ',
            Item("oss://b/k", OssObject("b", "k"), None, "r"),
        ),
        (
            '{"source": "oss://b/k", "region": "CN-Beijing "}',
            Item("oss://b/k?region=cn-beijing", OssObject("b", "k", "cn-beijing")),
        ),
        (
            '{"source": "oss://b/k?region=CN-Beijing", "region": "cn-beijing"}',
            Item("oss://b/k?region=CN-Beijing", OssObject("b", "k", "cn-beijing")),
        ),
        ('{"source": "{a.png"}', Item("{a.png", LocalFile(Path("{a.png")))),
        ('{"source": "图\\\\u56fe.png"}'.replace("\\\\", "\\"), Item("图图.png", LocalFile(Path("图图.png")))),
    ],
)
def test_json_lines_say_more_about_a_source(line: str, expected: Item) -> None:
    assert _read(f"{line}\r\n".encode()) == [expected]


def test_all_images_of_a_folder_in_json_are_sent_with_what_it_says(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "sub/b.png")
    line = json.dumps({"source": str(tmp_path), "data_id": "1", "referer": "r"})
    assert [(item.data_id, item.referer) for item in _read(line.encode())] == [("1", "r")] * 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"source": "a.png", "dataId": "1"}', "unknown key 'dataId'"),
        (b'{"source": "a.png"', "not valid JSON"),
        (b'{"source": "a.png"} {"source": "b.png"}', "not valid JSON"),
        (b"{a}.png", "not valid JSON"),
        (b'{"source": "\xff.png"}', "not valid JSON"),
        (b"{" * 60_000, "not valid JSON"),
        (b'{"source": ' + b"[" * 60_000, "not valid JSON"),
        (b'{"source": ' + b"9" * 5_000 + b"}", "not valid JSON"),
        (b"{}", "no source"),
        (b'{"source": ""}', "no source"),
        (b'{"source": null}', "no source"),
        (b'{"source": 7}', "7 is not text"),
        (b'{"source": "a.png", "data_id": 7}', "7 is not text"),
        (b'{"source": "a.png", "referer": ["r"]}', "['r'] is not text"),
        (b'{"source": "a.png", "source": "b.png"}', "duplicate key 'source'"),
        (b'{"source": "oss://b/k", "region": "cn_beijing"}', "'cn_beijing' is not a region id"),
        (
            b'{"source": "oss://b/k?region=cn-hangzhou", "region": "cn-beijing"}',
            "two regions, cn-hangzhou and cn-beijing",
        ),
        (
            b'{"source": "https://e.com/c.png?x=1", "region": "cn-beijing"}',
            "a region, which only objects in OSS have",
        ),
        (b'{"source": "a.png", "region": "cn-beijing"}', "a region, which only objects in OSS have"),
        (rb'{"source": "https://example.com/\ud800.png"}', r"'https://example.com/\ud800.png' has a lone surrogate"),
        (rb'{"source": "a.png", "data_id": "\udfff"}', r"'\udfff' has a lone surrogate"),
        (b"x" * (MAX_BYTES + 1), "longer than 64 KB"),
        (b"{" + b" " * MAX_BYTES + b"}", "longer than 64 KB"),
    ],
)
def test_a_bad_line_is_an_outcome_that_names_it_and_the_rest_goes_on(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "list.jsonl"
    path.write_bytes(b"first.png\n" + line + b"\nlast.png\n")
    first, broken, last = Sources([], lists=[SourceList(str(path))])
    assert (first.source, last.source) == ("first.png", "last.png")
    assert _broken(broken) == (f"{path}, line 2", message)
    assert [_broken(item) for item in _read(line)] == [("line 1", message)]


def test_a_long_name_is_an_outcome_that_names_its_place() -> None:
    first, broken, last = _read(b"a.png\0" + b"x" * 1_000_000 + b"\0b.png\0", nul=True)
    assert (first.source, last.source) == ("a.png", "b.png")
    assert _broken(broken) == ("name 2", "longer than 64 KB")


@pytest.mark.parametrize("length", [MAX_BYTES - 1, MAX_BYTES])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_of_just_the_length_is_read(length: int, end: bytes) -> None:
    assert len(_read(b"x" * length + end + b"y.png" * bool(end))) == 1 + bool(end)


@pytest.mark.parametrize("nul", [True, False])
@pytest.mark.parametrize(
    ("name", "reason"), [("missing", "No such file or directory"), (".", "Is a directory"), ("a\0b", "null byte")]
)
def test_a_list_that_cannot_be_read_is_an_outcome(name: str, reason: str, nul: bool) -> None:
    first, broken = Sources(["a.png"], lists=[SourceList(name, nul=nul)])
    source, message = _broken(broken)
    assert (first.source, source) == ("a.png", name)
    assert message.startswith("cannot read the list: ")
    assert reason in message


def test_names_come_before_lists_and_standard_input_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("c.png\n")
    sources = Sources(["a.png", "-", "b.png"], lists=[SourceList(str(tmp_path / "list"))], stdin=_stdin(b"x.png\n"))
    assert sources_of(list(sources)) == ["a.png", "x.png", "b.png", "c.png"]


def test_standard_input_may_be_text_only() -> None:
    for nul, text in ((False, "a.png\n图.png\n"), (True, "a.png\0图.png\0")):
        sources = Sources([], lists=[SourceList("-", nul=nul)], stdin=io.StringIO(text))
        assert sources_of(list(sources)) == ["a.png", "图.png"]


def test_standard_input_of_the_process_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _stdin(b"a.png\n"))
    assert sources_of(list(Sources(["-"]))) == ["a.png"]


class _Endless(io.RawIOBase):
    """Standard input that never ends, and counts what was taken of it."""

    def __init__(self, end: bytes) -> None:
        self._names = (f"https://example.com/{number}.png".encode() + end for number in itertools.count())
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        name = next(self._names)
        buffer[: len(name)] = name
        self.taken += 1
        return len(name)


@pytest.mark.parametrize("nul", [True, False])
def test_no_more_is_read_than_is_asked_for(nul: bool) -> None:
    raw = _Endless(b"\0" if nul else b"\n")
    stdin = io.TextIOWrapper(io.BufferedReader(raw))
    items = list(itertools.islice(Sources([], lists=[SourceList("-", nul=nul)], stdin=stdin), 1000))
    assert [item.source for item in items] == [f"https://example.com/{number}.png" for number in range(1000)]
    assert raw.taken <= 1002


@pytest.mark.parametrize("end", [b"\0", b"\n"])
def test_a_name_is_an_item_as_soon_as_it_was_written(end: bytes) -> None:
    reading, writing = os.pipe()
    with open(reading, encoding="ascii") as stdin:  # noqa: PTH123 - there is no path
        items: Iterator[Item] = iter(Sources([], lists=[SourceList("-", nul=end == b"\0")], stdin=stdin))
        for name in ("a.png", "b.png"):
            os.write(writing, name.encode() + end)
            arrived: list[str] = []
            reader = threading.Thread(target=lambda found=arrived: found.append(next(items).source), daemon=True)
            reader.start()
            reader.join(10)
            assert arrived == [name]
        os.close(writing)
        assert list(items) == []


def test_a_list_is_never_held(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("".join(f'{{"source": "https://example.com/{number}.png"}}\n' for number in range(30_000)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in Sources([], lists=[SourceList(str(path))]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 30_000
    assert peak < 300_000
