"""A post as it was sent, taken apart: its main part, its comments and their replies, as far as its shape is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moderate_cli.verdicts import Json


@dataclass(frozen=True, slots=True)
class PostPart:
    """What labels can belong to: `where` is its JSON path, `lines` are pairs of a name and what the user wrote.

    `number` is empty for the main part, (2,) for the second comment, and (2, 1) for the first reply to it.
    """

    where: str
    number: tuple[int, ...]
    lines: tuple[tuple[str, str], ...]


def post_parts(post: Json) -> Iterator[PostPart]:
    """Yield the parts of a post, each before the replies to it."""
    main = post.get("mainData")
    if isinstance(main, Mapping):
        yield PostPart("$.mainData", (), tuple(_main_lines(main)))
    yield from _comments(post, "$", ())


def _main_lines(main: Json) -> Iterator[tuple[str, str]]:
    named = {"title": _text(main.get("mainTitle")), "text": _text(main.get("mainContent"))}
    images = _image_count(main.get("mainImages"))
    yield from ((name, text) for name, text in named.items() if text)
    if images or not any(named.values()):
        yield images or "no title, no text", ""


def _comments(above: Json, path: str, number: tuple[int, ...]) -> Iterator[PostPart]:
    for index, comment in enumerate(_list(above.get("commentDatas"))):
        where, at = f"{path}.commentDatas[{index}]", (*number, index + 1)
        parts = comment if isinstance(comment, Mapping) else {"content": comment}
        images = _image_count(parts.get("images"))
        name = f"{'reply' if number else 'comment'} {'.'.join(map(str, at))}{f' ({images})' if images else ''}"
        yield PostPart(where, at, ((name, _text(parts.get("content"))),))
        yield from _comments(parts, where, at)


def _image_count(images: object) -> str:
    count = len(_list(images))
    return "" if not count else "1 image" if count == 1 else f"{count} images"


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: object) -> str:
    return "" if value is None else str(value)
