"""Where posts come from: YAML and JSON files, JSON Lines on standard input, and options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

from moderate_cli.common.files import FileError, read_text
from moderate_cli.errors import InputError
from moderate_cli.sources.post_shape import shaped
from moderate_cli.sources.post_text import PostError, documents, from_json, from_yaml, line_of
from moderate_cli.verdicts import BrokenInput, Item, Post

MAX_BYTES = 1024 * 1024  # of a file, and of a line: a post has 5,000 characters and 30 images at most

_LINES_HINT = "give many posts as JSON Lines on standard input: moderate multimodal - < FILE"


class Posts:
    """The posts behind the POST arguments, in the API's own shape; files are opened and lines are read one at a time.

    A name is a YAML or JSON file, or `-` for JSON Lines on standard input. What cannot be read is an item that says so.
    """

    def __init__(self, names: Sequence[str], stdin: TextIO) -> None:
        self._names = names
        self._stdin = stdin

    def __iter__(self) -> Iterator[Item]:
        for name in self._names:
            yield from _in_lines(self._stdin) if name == "-" else _in_file(name)


def post_of_flags(title: str | None, text: str | None, images: Sequence[str], comments: Sequence[str]) -> Item:
    """Return the post that the options describe; its images are named as in a file, from the working folder."""
    main = {"mainTitle": title, "mainContent": text, "mainImages": list(images)}
    given: dict[str, Any] = {"mainData": main}
    if comments:
        given["commentDatas"] = [{"content": comment} for comment in comments]
    source = "the post given by options"
    try:
        return Item(source, Post(shaped(given, Path())))
    except PostError as error:
        return _broken(source, error)


def _in_file(name: str) -> Iterator[Item]:
    try:
        text = _content(name)
    except InputError as error:
        yield Item(name, BrokenInput(error))
        return
    path = Path(name)
    if path.suffix.lower() == ".json":
        yield _item(name, text, path.parent)
        return
    found = list(documents(text))
    for number, (document, before) in enumerate(found, start=1):
        source = f"{name}#{number}" if len(found) > 1 else name
        yield _item(source, document, path.parent, is_json=False, before=before)
    if not found:
        yield _broken(name, PostError("no post in it", hint="give mainData with mainContent"))


def _content(name: str) -> str:
    """Return the text of a file; raises InputError."""
    try:
        return read_text(Path(name), MAX_BYTES)
    except FileError as error:
        raise _input_error(error) from error


def _input_error(error: FileError) -> InputError:
    match error.code:
        case "not_found":
            return InputError(error.reason, code=error.code, hint="check the name")
        case "not_a_file":
            return InputError("not a file", code=error.code, hint="give a YAML or JSON file")
        case "too_large":
            return InputError(f"the file is {error.reason}", code=error.code, hint=_LINES_HINT)
        case "not_text":
            where = f"line {error.line}: " if error.line else ""
            return InputError(f"{where}{error.reason}", code="post_invalid", hint="save it as UTF-8")
        case _:
            return InputError(f"cannot be read: {error.reason}", code=error.code)


def _in_lines(stdin: TextIO) -> Iterator[Item]:
    # Bytes where there are any, so that one line that is not UTF-8 does not end the stream.
    stream: IO[Any] = getattr(stdin, "buffer", stdin)
    number = 0
    while True:
        try:
            line = _next_line(stream)
        except OSError as error:
            yield Item("-", BrokenInput(InputError(f"cannot be read: {error.strerror or error}", code="unreadable")))
            return
        if not line:
            return
        number += 1
        if line.strip():
            yield _in_line(f"line {number}", line)


def _next_line(stream: IO[Any]) -> str | bytes:
    """Return the next line, of one that is too long only enough to tell; nothing at the end."""
    line: str | bytes = stream.readline(MAX_BYTES + 1)
    rest = line
    while len(rest) > MAX_BYTES and rest[-1:] not in {"\n", b"\n"}:
        rest = stream.readline(MAX_BYTES + 1)
    return line


def _in_line(source: str, line: str | bytes) -> Item:
    try:
        text = _decoded(line)
    except InputError as error:
        return Item(source, BrokenInput(error))
    return _item(source, text, Path(), before=None)


def _decoded(line: str | bytes) -> str:
    """Return a line as text without a byte order mark; raises InputError for what is too long or is not UTF-8."""
    if len(line) > MAX_BYTES:
        raise InputError("the line is larger than 1 MB", code="too_large", hint=_LINES_HINT)
    try:
        return line if isinstance(line, str) else line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", code="post_invalid", hint="save it as UTF-8") from error


def _item(source: str, text: str, folder: Path, *, is_json: bool = True, before: int | None = 0) -> Item:
    """Return the post in a text; `before` is the number of lines before it, None where it is a line itself."""
    try:
        content = shaped(from_json(text) if is_json else from_yaml(text), folder)
        return Item(source, Post(content), data_id=content.get("dataId"))
    except PostError as error:
        if before is None:
            return _broken(source, error)
        line = line_of(text, error.path) if error.line is None and error.path is not None else error.line
        return _broken(source, error, None if line is None else before + line)


def _broken(source: str, error: PostError, line: int | None = None) -> Item:
    message = error.message if line is None else f"line {line}: {error.message}"
    return Item(source, BrokenInput(InputError(message, code="post_invalid", hint=error.hint)))
