"""Lists as other programs write them, and images where a list may be: UTF-16, Git's quotes, NUL bytes, pipes."""

from __future__ import annotations

import codecs
import io
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from trees import PNG, put, sources_of

from moderate_cli.common.errors import UsageError
from moderate_cli.models import BrokenInput, InlineImage, Item, LocalFile
from moderate_cli.preflight import MAX_BYTES
from moderate_cli.sources import SourceList, Sources
from moderate_cli.sources.lists import check_list

DATA = Path(__file__).parents[1] / "data"


class _Pipe(io.RawIOBase):
    """Standard input that gives its bytes in pieces of a size."""

    def __init__(self, content: bytes, size: int) -> None:
        self._pieces = (content[start : start + size] for start in range(0, len(content), size))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


def _stdin(content: bytes, size: int = 4096) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(_Pipe(content, size)), encoding="ascii")


def _named(content: bytes, size: int = 4096) -> list[Item]:
    return list(Sources(["-"], stdin=_stdin(content, size)))


@pytest.mark.parametrize("size", [1, 3, 4096])
@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_with_its_mark_is_read(order: str, size: int) -> None:
    mark = codecs.BOM_UTF16_LE if order == "le" else codecs.BOM_UTF16_BE
    text = 'a b.png\r\n图😀.png\r\n\r\n{"source": "c.png", "data_id": "1"}\r\nlast.png'
    items = _named(mark + text.encode(f"utf-16-{order}"), size)
    assert [(item.source, item.data_id) for item in items] == [
        ("a b.png", None),
        ("图😀.png", None),
        ("c.png", "1"),
        ("last.png", None),
    ]


def test_utf_16_that_is_broken_is_told() -> None:
    (item,) = _named(codecs.BOM_UTF16_LE + "a.png".encode("utf-16-le") + b"x")
    assert isinstance(item.image, BrokenInput)
    assert item.image.error.message.startswith("cannot read the list: 'utf-16-le' codec can't decode")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (rb'"caf\303\251.png"', "café.png".encode()),
        (rb'"\346\227\245\346\234\254.png"', "日本.png".encode()),
        (rb'"a\tb\"c\\d\n.png"', b'a\tb"c\\d\n.png'),
        (rb'"\377.png"', b"\xff.png"),
        (b'"a b.png"', b"a b.png"),
        (b'"a.png', b'"a.png'),
        (b'"a"b.png"', b'"a"b.png"'),
        (rb'"a\x.png"', rb'"a\x.png"'),
        (rb'"a\400.png"', rb'"a\400.png"'),
        (rb"a\303\251.png", rb"a\303\251.png"),
    ],
)
def test_names_that_git_quotes_are_read(line: bytes, name: bytes) -> None:
    (item,) = _named(line + b"\n")
    assert os.fsencode(item.source) == name


def test_a_file_that_has_quotes_in_its_name_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, '"a.png"')
    assert sources_of(_named(b'"a.png"\n')) == ['"a.png"']


@pytest.mark.parametrize("content", [b"a.png\0b.png\0", b"a.png\0", "a.png\n".encode("utf-16-le")])
def test_a_list_with_nul_is_one_error_before_anything_is_sent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        check_list(SourceList(str(tmp_path / "list")))
    assert "there is a NUL byte" in caught.value.message
    assert "--files-from0" in (caught.value.hint or "")
    check_list(SourceList(str(tmp_path / "list"), nul=True))
    (item,) = _named(content)
    assert isinstance(item.image, BrokenInput)
    assert "--files-from0" in (item.image.error.hint or "")


def test_a_nul_further_on_ends_the_list_with_one_error() -> None:
    many = b"".join(b"%d.png\n" % number for number in range(2000))
    items = _named(many + b"a\0b\nc\0d\n")
    assert len(items) == 2001
    assert items[-1].source == "line 2001"
    assert isinstance(items[-1].image, BrokenInput)


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("path", sorted(DATA.iterdir()), ids=lambda path: path.name)
def test_an_image_on_standard_input_is_one_image(path: Path, size: int) -> None:
    assert _named(path.read_bytes(), size) == [Item("-", InlineImage(path.read_bytes()))]


@pytest.mark.parametrize(
    "content",
    [
        b'\n <?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
        '<svg width="9"/>'.encode("utf-16"),
        b"BM" + bytes(12) + b"\x28" + bytes(40),
        b"\0\0\x01\0\x01\0" + bytes(40),
        b"\0\0\0\x18ftypavif" + bytes(12),
        b"FUJIFILMCCD-RAW " + bytes(40),
    ],
)
@pytest.mark.parametrize("size", [1, 4096])
def test_whatever_starts_like_an_image_is_one(content: bytes, size: int) -> None:
    assert _named(content, size) == [Item("-", InlineImage(content))]


@pytest.mark.parametrize(
    "text",
    ["GIF89a.gif\nb.png\n", "BM.bmp\n" * 9, "II*.tif\n", "MM\n", "RIFF1234WEBP.webp\n", "<a>.png\n", "\n\n a.png\n"],
)
@pytest.mark.parametrize("size", [1, 4096])
def test_a_list_stays_a_list_whatever_its_names(text: str, size: int) -> None:
    assert sources_of(_named(text.encode(), size)) == [line for line in text.split("\n") if line]


@pytest.mark.parametrize("text", [b"GIF89a.gif\0b.png\0", b"BM.bmp\0" * 9, b"II*\0MM\0*\0"])
def test_names_that_end_with_nul_are_no_image(text: bytes) -> None:
    items = list(Sources([], lists=[SourceList("-", nul=True)], stdin=_stdin(text)))
    assert [os.fsencode(item.source) for item in items] == text.split(b"\0")[:-1]


@pytest.mark.parametrize("nul", [True, False])
def test_an_image_in_the_place_of_a_list_is_one_error(tmp_path: Path, nul: bool) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    with pytest.raises(UsageError, match="this is an image, not a list"):
        check_list(SourceList(str(tmp_path / "a.png"), nul=nul))
    (item,) = Sources([], lists=[SourceList("-", nul=nul)], stdin=_stdin(PNG))
    assert isinstance(item.image, BrokenInput)
    assert item.image.error.message == "this is an image, not a list of sources"


def test_of_an_image_that_is_too_large_no_more_is_read_than_shows_it() -> None:
    endless = io.TextIOWrapper(io.BufferedReader(_Endless()), encoding="ascii")
    (item,) = Sources(["-"], stdin=endless)
    assert isinstance(item.image, BrokenInput)
    assert (item.image.error.code, item.image.error.hint) == ("too_large", "scale the image down")


class _Endless(io.RawIOBase):
    """An image that never ends."""

    def __init__(self) -> None:
        self._blocks = itertools.chain([PNG], itertools.repeat(bytes(65536)))
        self._taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = next(self._blocks)[: len(buffer)]
        buffer[: len(block)] = block
        self._taken += len(block)
        assert self._taken < 2 * MAX_BYTES
        return len(block)


def test_a_pipe_in_the_place_of_a_list_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    listing = SourceList(str(pipe))
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"a.png\n"), daemon=True)
    writer.start()
    check_list(listing)
    items: Iterator[Item] = iter(Sources([], lists=[listing]))
    assert list(items) == [Item("a.png", LocalFile(Path("a.png")))]
    writer.join(10)
