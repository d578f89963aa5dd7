"""Which posts are behind POST? YAML and JSON files, JSON Lines on standard input, and options."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, TextIO

import yaml
from msgspec import Struct

from moderate_cli.common.errors import InputError
from moderate_cli.common.files import FileError, read_text
from moderate_cli.common.text import repeated_key, shortened, well_formed_json
from moderate_cli.models import BrokenInput, Item, Post
from moderate_cli.sources.addresses import (
    check_address,
    check_scheme,
    is_file_uri,
    is_oss,
    is_web,
    oss_object,
    path_of,
    shown,
)

MAX_BYTES = 1024 * 1024  # of a file, and of a line: a post has 5,000 characters and 30 images at most
MAX_DEPTH = 10  # levels of comments that are read; those that the service does not document are refused later

# What is text for the service, also where YAML would see a number, a date or a truth value in it.
TEXT_KEYS = frozenset(
    {
        *("dataId", "mainTitle", "mainContent", "mainPostTime", "content", "postTime"),
        *("imageUrl", "ossBucketName", "ossObjectName", "ossRegionId", "file"),
    }
)

Place = tuple[str | int, ...]

# The shape of a post: the vendor's page "Multimodal content moderation".
_LEVELS = {
    "a post": ("mainData", "commentDatas", "dataId"),
    "mainData": ("mainTitle", "mainContent", "mainImages", "mainPostTime"),
    "a comment": ("content", "images", "postTime", "commentDatas"),
    "an image": ("imageUrl", "ossBucketName", "ossObjectName", "ossRegionId", "file"),
}
_SERVICE = ("service", "Service")
_PARAMETERS = ("serviceParameters", "ServiceParameters")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d\S*)?", re.ASCII)
TIME_HINT = "write 2025-06-18 20:20:20, or ISO 8601 such as 2025-06-18T12:20:20Z"
# The vendor's page shows `2025-06-18 20:20:20` and names no zone. The operation is offered in mainland China alone.
_VENDORS_ZONE = timezone(timedelta(hours=8))
_MIN_SIMILARITY = 0.85  # of difflib: a letter too few, too many or in the wrong place
# Other names for the parts of a post.
_SYNONYMS = {"text": "content", "body": "content", "replies": "comments"}
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map")}
# Plain words that are no text; the rules of YAML 1.2, so that `on`, 12:30 and dates stay as they are written.
_WORDS = {"": None, "~": None, "null": None, "true": True, "True": True, "false": False, "False": False}
_INT = re.compile(r"-?(0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"-?\d{1,17}\.\d{1,17}")
_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_SYNTAX_HINT = "correct it, or generate it with a program"
_IMAGE_HINT = "give a URL, oss://BUCKET/KEY, a path, or a mapping with imageUrl, file, or ossBucketName + ossObjectName"
_LINES_HINT = "give many posts as JSON Lines on standard input: moderate multimodal - < FILE"


class PostError(Exception):
    """What is wrong with a post, and its line or its place in it, where one of them is known."""

    def __init__(
        self, message: str, *, hint: str | None = None, line: int | None = None, path: Place | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.line = line
        self.path = path


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


def post_of_flags(
    title: str | None, text: str | None, images: Sequence[str], comments: Sequence[str], time: str | None = None
) -> Item:
    """Return the post that the options describe; its images are named as in a file, from the working folder."""
    main = {"mainTitle": title, "mainContent": text, "mainImages": list(images), "mainPostTime": time}
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
        yield _broken(name, PostError("the file contains no post", hint="give mainData with mainContent"))


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


def shaped(value: Any, folder: Path) -> dict[str, Any]:
    """Return a post in the API's own shape, with local images relative to `folder`; raises PostError.

    Keys that are unknown here pass through, unless they look like known ones.
    """
    value, place = _unwrapped(value)
    return _Shaper(folder).post(value, place)


class _Shaper(Struct, frozen=True):
    """Brings each part of a post into its shape; `place` is where the part is."""

    folder: Path

    def post(self, value: Any, place: Place) -> dict[str, Any]:
        """Return the whole post; raises PostError."""
        post = _part(value, place, "a post")
        post["mainData"] = self._main(post.get("mainData", {}), (*place, "mainData"))
        if "commentDatas" in post:
            post["commentDatas"] = self._comments(post["commentDatas"], (*place, "commentDatas"), 1)
        if not any(_contents(post)):
            raise PostError("the post has neither text nor images", hint="give mainData with mainContent", path=place)
        return post

    def _main(self, value: Any, place: Place) -> dict[str, Any]:
        # The table of parameters calls it an array, and the sample request shows an object.
        if isinstance(value, list) and len(value) == 1:
            value, place = value[0], (*place, 0)
        main = {"mainContent": "", "mainImages": []} | _part(value, place, "mainData")
        main["mainImages"] = self._images(main["mainImages"], (*place, "mainImages"))
        return main | _time_in(main, "mainPostTime", place)

    def _comments(self, value: Any, place: Place, depth: int) -> list[dict[str, Any]]:
        comments = _list(value, place)
        if comments and depth > MAX_DEPTH:
            raise PostError(f"comments nested deeper than {MAX_DEPTH}", hint="move the replies up", path=place)
        return [self._comment(comment, (*place, index), depth) for index, comment in enumerate(comments)]

    def _comment(self, value: Any, place: Place, depth: int) -> dict[str, Any]:
        comment = {"content": ""} | _part(value, place, "a comment")
        if "images" in comment:
            comment["images"] = self._images(comment["images"], (*place, "images"))
        if "commentDatas" in comment:
            comment["commentDatas"] = self._comments(comment["commentDatas"], (*place, "commentDatas"), depth + 1)
        return comment | _time_in(comment, "postTime", place)

    def _images(self, value: Any, place: Place) -> list[dict[str, Any]]:
        return [self._image(image, (*place, index)) for index, image in enumerate(_list(value, place))]

    def _image(self, value: Any, place: Place) -> dict[str, Any]:
        if isinstance(value, str):
            value = _named(value, place, self.folder)
        image = {key: part for key, part in _part(value, place, "an image").items() if part != ""}
        is_object = "ossBucketName" in image and "ossObjectName" in image
        ways = ("imageUrl" in image) + ("file" in image) + is_object
        if ways != 1:
            wrong = "names an image in several ways" if ways else "names no image"
            raise PostError(f"{_written(place)} {wrong}", hint=_IMAGE_HINT, path=place)
        if "imageUrl" in image:
            try:
                check_address(image["imageUrl"])
            except InputError as error:
                raise _refused(image["imageUrl"], error, place) from error
        if "file" in image:
            image["file"] = str(self.folder / image["file"])
        return image


def _unwrapped(value: Any) -> tuple[Any, Place]:
    """Return the post inside a whole request, as the vendor's sample has it, and its place."""
    wrappers = [key for key in _PARAMETERS if isinstance(value, Mapping) and key in value]
    if not wrappers:
        return value, ()
    key = wrappers[0]
    for other in value:
        if other != key and other not in _SERVICE:
            raise PostError(
                f"unexpected key {other!r} beside {key}", hint=f"move it into {key}, or remove it", path=(other,)
            )
    inner = value[key]
    if not isinstance(inner, str):
        return inner, (key,)
    try:
        return from_json(inner), (key,)
    except PostError as error:
        raise PostError(f"{key}: {error.message}", hint=error.hint, path=(key,)) from error


def _part(value: Any, place: Place, level: str) -> dict[str, Any]:
    """Return a mapping of the given level, with its texts as texts, and without known keys that are null."""
    if not isinstance(value, Mapping):
        message = f"{_written(place) or 'a post'} must be a mapping, not {_type_name(value)}"
        raise PostError(message, hint=f"write {', '.join(_LEVELS[level])} as its keys", path=place)
    known = _LEVELS[level]
    for key in value:
        if key not in known:
            _refuse_misspelling(key, level, (*place, key))
    return {
        key: _text(part, (*place, key)) if key in known and key in TEXT_KEYS else part
        for key, part in value.items()
        if part is not None or key not in known
    }


def _refuse_misspelling(key: str, level: str, place: Place) -> None:
    """Raise PostError for a misspelled key: the service would ignore it, and its content."""
    for home in (level, *(other for other in _LEVELS if other != level)):
        meant = _meant(key, _LEVELS[home])
        if meant:
            hint = f"write {meant}" if home == level else f"{meant} belongs in {home}"
            raise PostError(
                f"unknown key {_written(place)} in {level}, which would not be judged", hint=hint, path=place
            )


def _meant(key: str, known: tuple[str, ...]) -> str | None:
    folded = re.sub(r"[^a-z]", "", key.lower())
    folded = _SYNONYMS.get(folded, folded)
    forms = {form: name for name in reversed(known) for form in _forms(name)}
    found = get_close_matches(folded, forms, n=1, cutoff=_MIN_SIMILARITY)
    # An id of somebody's own, such as contentId, holds nothing to judge.
    if not found or (folded.endswith("id") and not found[0].endswith("id")):
        return None
    return forms[found[0]]


def _forms(name: str) -> Iterator[str]:
    """Yield the ways to write a key: mainTitle is also a title, and commentDatas are comments."""
    folded = name.lower()
    yield folded
    if folded.endswith("datas"):
        yield f"{folded.removesuffix('datas')}s"
    if folded.startswith("main") and folded != "maindata":
        yield folded.removeprefix("main")


def _named(text: str, place: Place, folder: Path) -> dict[str, str]:
    """Return the mapping for an image that is given by its name alone."""
    try:
        if is_web(text):
            return {"imageUrl": text}
        if is_file_uri(text):
            return {"file": path_of(text)}
        if not is_oss(text):
            check_scheme(text, str(folder))
            return {"file": text}
        found = oss_object(text)
    except InputError as error:
        raise _refused(text, error, place) from error
    if not found.key:
        raise PostError(f"{_written(place)}: {text!r} names no object", hint="write oss://BUCKET/KEY", path=place)
    region = {"ossRegionId": found.region} if found.region else {}
    return {"ossBucketName": found.bucket, "ossObjectName": found.key} | region


def _refused(text: str, error: InputError, place: Place) -> PostError:
    return PostError(f"{_written(place)}: {shown(text)!r}: {error.message}", hint=error.hint, path=place)


def _text(value: Any, place: Place) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise PostError(f"{_written(place)} must be text, not {_type_name(value)}", hint="put it in quotes", path=place)


def _time_in(part: Mapping[str, Any], key: str, place: Place) -> dict[str, str]:
    """Return the time of a part as the service has it, where there is one: the vendor's sample has empty ones too."""
    text = part.get(key, "").strip()
    if not text:
        return {}
    try:
        return {key: vendors_time(text)}
    except ValueError as error:
        where = (*place, key)
        raise PostError(f"{_written(where)}: {error}", hint=TIME_HINT, path=where) from error


def vendors_time(text: str) -> str:
    """Return a time as `YYYY-MM-DD HH:mm:ss`; a day alone is its beginning, and fractions of a second are dropped.

    A time with a zone becomes that of China, one without stays as it is. Raises ValueError for anything else, and what
    is not in the calendar.
    """
    problem = f"{shortened(text)!r} is not a time"
    if not _TIME.fullmatch(text):
        raise ValueError(problem)
    try:
        time = datetime.fromisoformat(text)
        time = time if time.tzinfo is None else time.astimezone(_VENDORS_ZONE)
    except (ValueError, OverflowError) as error:
        raise ValueError(problem) from error
    return time.replace(tzinfo=None, microsecond=0).isoformat(sep=" ")


def _list(value: Any, place: Place) -> list[Any]:
    if isinstance(value, list):
        return value
    raise PostError(f"{_written(place)} must be a list, not {_type_name(value)}", hint="put it in [ ]", path=place)


def _contents(post: Mapping[str, Any]) -> Iterator[object]:
    """Yield everything in a post that can be judged."""
    main = post.get("mainData", {})
    yield (main.get("mainTitle") or "").strip()
    for text, images in ((main.get("mainContent"), main.get("mainImages")), (post.get("content"), post.get("images"))):
        yield (text or "").strip()
        yield images
    for comment in post.get("commentDatas", ()):
        yield from _contents(comment)


def _written(place: Place) -> str:
    """Return a place as jq writes it, such as commentDatas[0].images."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def _type_name(value: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), "a number")


def documents(text: str) -> Iterator[tuple[str, int]]:
    """Yield each document of a YAML file that holds something, and the number of lines before it.

    They are cut apart before they are parsed, so that a broken one spoils no other; a line that starts with `---`
    cannot be anything but their separator.
    """
    cuts = [0, *(found.start() for found in _SEPARATOR.finditer(text) if found.start()), len(text)]
    for start, end in pairwise(cuts):
        document = text[start:end]
        if not all(map(_says_nothing, document.splitlines())):
            yield document, text.count("\n", 0, start)


def _says_nothing(line: str) -> bool:
    rest = line.removeprefix("---").strip()
    return rest in {"", "..."} or rest.startswith("#") or line.startswith("%")


def from_yaml(text: str) -> Any:
    """Return what a YAML document holds; raises PostError."""
    node = _compose(text)
    return None if node is None else _value(node)


def _compose(text: str) -> yaml.Node | None:
    try:
        return _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise PostError(f"broken YAML: {error.problem}", hint="quote texts that hold : or #", line=line) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise PostError("a control character, which YAML does not allow", hint="remove it", line=line) from error
    except RecursionError as error:
        raise PostError("too deeply nested") from error
    except ValueError as error:  # what chr() says about \U00110000
        raise PostError("broken YAML: an escape that stands for no character", hint="write it as it is") from error


class _Loader(yaml.BaseLoader):
    """Composes nodes without any alias: a few of them would be enough to grow a post to any size."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise PostError("aliases are not allowed in a post", hint="write out what it stands for", line=line)
        return super().compose_node(parent, index)


def _value(node: yaml.Node) -> Any:
    if node.tag not in _TAGS:
        raise PostError("tags are not allowed in a post", hint="remove it", line=node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    return _scalar(node)


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            raise PostError("a key must be a word", hint="write mappings out, one key a line", line=line)
        if key.value in values:
            raise _duplicate_key(key.value, line)
        values[key.value] = _text_or_value(value) if key.value in TEXT_KEYS else _value(value)
    return values


def _text_or_value(node: yaml.Node) -> Any:
    value = _value(node)
    return node.value if isinstance(node, yaml.ScalarNode) and value is not None else value


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if getattr(node, "style", None) is not None:  # quoted, or a block of text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def from_json(text: str) -> Any:
    """Return what a JSON text holds; raises PostError."""
    try:
        return well_formed_json(json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant))
    except PostError as error:
        error.line = _line_of_the_same(error, text)
        raise
    except json.JSONDecodeError as error:
        message = f"broken JSON at character {error.colno}: {error.msg}"
        raise PostError(message, hint=_SYNTAX_HINT, line=error.lineno) from error
    except RecursionError as error:
        raise PostError("too deeply nested") from error
    except ValueError as error:
        raise PostError("broken JSON: a number with too many digits", hint=_SYNTAX_HINT) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (key := repeated_key(pairs)) is not None:
        raise _duplicate_key(key)
    return dict(pairs)


def _duplicate_key(key: str, line: int | None = None) -> PostError:
    return PostError(f"duplicate key {key!r}", hint="remove one of them", line=line)


def _line_of_the_same(error: PostError, text: str) -> int | None:
    """Return the line of an error in JSON, whose parser has no lines, by that of YAML."""
    if "\n" not in text.strip():
        return 1
    try:
        from_yaml(_as_yaml(text))
    except PostError as found:
        return found.line if found.message == error.message else None
    return None


def _as_yaml(text: str) -> str:
    # In JSON a tab is white space, which YAML allows in few places.
    return text.replace("\t", " ")


def _no_constant(name: str) -> Any:
    raise PostError(f"broken JSON: {name} is not allowed", hint=_SYNTAX_HINT)


def line_of(text: str, path: Place) -> int | None:
    """Return the line of a place in a YAML or JSON text, or of the nearest part around it; None where none is found."""
    try:
        node = _compose(_as_yaml(text))
    except PostError:
        return None
    line = None
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line if line is not None or node is None else node.start_mark.line + 1


def _child(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
