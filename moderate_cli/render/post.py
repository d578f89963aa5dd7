"""Which part of a post does each label belong to? A tree with the labels at their title, text, comment or reply."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from msgspec import Struct
from rich.text import Text
from rich.tree import Tree

from moderate_cli.models import Json, Judged
from moderate_cli.render.rows import (
    Row,
    detail_rows,
    label_row,
    not_answered,
    nothing_found,
    remark_rows,
    unlabelled_rows,
)
from moderate_cli.render.styles import harmless, level_text
from moderate_cli.render.wording import level_word, list_of

_GUIDE = 4  # columns that Rich draws before a leaf, for each level
_MIN_ROOM = 24  # columns for text: replies that are nested deeper than leaves this stand beside their parent
_MIN_TEXT = 10  # columns of a text that is shortened


class PostPart(Struct, frozen=True):
    """What labels can belong to: `where` is its JSON path, `lines` are pairs of a name and what the user wrote.

    `number` is empty for the main part, (2,) for the second comment, and (2, 1) for the first reply to it. `images` are
    as the API has them, or local files.
    """

    where: str
    number: tuple[int, ...]
    lines: tuple[tuple[str, str], ...]
    images: tuple[Json, ...]


def post_tree(outcome: Judged, post: Json, width: int) -> Tree:
    """Return the tree of a post; labels that belong to no part of it stand at its root, and remarks on all of it."""
    source = harmless(outcome.item.source, "bold")
    root = Tree(Text("  ").join([source, level_text(level_word(outcome))]), guide_style="dim")
    parts = list(post_parts(post))
    rows: dict[str | None, list[Row]] = defaultdict(list)
    known = {part.where for part in parts}
    for label in outcome.verdict.labels:
        is_known = label.where in known
        rows[label.where if is_known else None].append(label_row(label, with_where=not is_known))
    rows[None] += unlabelled_rows(outcome.verdict.labels, outcome.verdict.gate_level)
    rows[None] += detail_rows(outcome.verdict.ext)
    _add_rows(root, [*(rows[None] or ([] if parts else [nothing_found()])), *remark_rows(outcome)])
    nodes: dict[tuple[int, ...], Tree] = {(): root}
    for part in parts:
        depth = _depth(part, width)
        node = nodes[part.number[: depth - 1]].add(_heading(part, width - _GUIDE * depth))
        empty = nothing_found() if outcome.verdict.has_answered(part.where) else not_answered()
        _add_rows(node, rows[part.where] or [empty])
        if part.number:
            nodes[part.number] = node
    return root


def _depth(part: PostPart, width: int) -> int:
    deepest = (width - _MIN_ROOM) // _GUIDE - 1
    return max(1, min(len(part.number), deepest))


def _add_rows(node: Tree, rows: list[Row]) -> None:
    for row in rows:
        node.add(row.line())


def _heading(part: PostPart, room: int) -> Text:
    """Return the lines of a part, each shortened so that it stays one line."""
    return Text("\n").join(_heading_line(name, text, room) for name, text in part.lines)


def _heading_line(name: str, text: str, room: int) -> Text:
    head = Text(f"{name}: " if text else name, style="bold")
    return Text.assemble(head, _shortened(" ".join(text.split()), max(room - head.cell_len, _MIN_TEXT)))


def _shortened(text: str, room: int) -> Text:
    shown = harmless(text)
    if shown.cell_len > room:
        shown.truncate(room - 1)
        shown.rstrip()
        shown.append("…")
    return shown


def post_parts(post: Json) -> Iterator[PostPart]:
    """Yield the parts of a post, each before the replies to it."""
    main = post.get("mainData")
    if isinstance(main, Mapping):
        yield PostPart("$.mainData", (), tuple(_main_lines(main)), _images(main.get("mainImages")))
    yield from _comments(post, "$", ())


def _main_lines(main: Json) -> Iterator[tuple[str, str]]:
    named = {"title": _text(main.get("mainTitle")), "text": _text(main.get("mainContent"))}
    images = _image_count(main.get("mainImages"))
    yield from ((name, text) for name, text in named.items() if text)
    if images or not any(named.values()):
        yield images or "no title, no text", ""


def _comments(above: Json, path: str, number: tuple[int, ...]) -> Iterator[PostPart]:
    for index, comment in enumerate(list_of(above.get("commentDatas"))):
        where, at = f"{path}.commentDatas[{index}]", (*number, index + 1)
        parts = comment if isinstance(comment, Mapping) else {"content": comment}
        images = _image_count(parts.get("images"))
        name = f"{'reply' if number else 'comment'} {'.'.join(map(str, at))}{f' ({images})' if images else ''}"
        yield PostPart(where, at, ((name, _text(parts.get("content"))),), _images(parts.get("images")))
        yield from _comments(parts, where, at)


def _images(images: object) -> tuple[Json, ...]:
    return tuple(image if isinstance(image, Mapping) else {} for image in list_of(images))


def _image_count(images: object) -> str:
    count = len(list_of(images))
    return "" if not count else "1 image" if count == 1 else f"{count} images"


def _text(value: object) -> str:
    return "" if value is None else str(value)
