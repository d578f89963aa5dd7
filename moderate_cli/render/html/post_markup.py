"""How does a post read? As it was written: title, text, images, comments and replies, each finding at its part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moderate_cli.common.masking import mask_address
from moderate_cli.models import Json, Verdict
from moderate_cli.render.html.markup import name, paragraphs
from moderate_cli.render.html.thumbnails import Picture
from moderate_cli.render.wording import list_of

_MAX_DEPTH = 50  # of replies; the service knows two
_TEXTS = ("mainTitle", "mainContent", "content")


def post_markup(
    post: Json, verdict: Verdict, images: Mapping[str, Picture], *, found_at: Mapping[str | None, str]
) -> str:
    """Return a post with what was found at each of its parts, by their JSON paths; the rest stands above."""
    drawer = _Drawer(verdict, images, dict(found_at))
    parts = drawer.post(post)
    rest = "".join(drawer.found_at.values())
    return f'<div class="post" tabindex="0" role="group" aria-label="Post">{rest}{parts}</div>\n'


def post_texts(post: Json) -> Iterator[str]:
    """Yield the title and the texts of a post and of its comments."""
    left: list[Any] = [post, post.get("mainData")]
    while left:
        part = left.pop()
        if isinstance(part, Mapping):
            yield from (str(part[key]) for key in _TEXTS if part.get(key))
            left += reversed(list_of(part.get("commentDatas")))


class _Drawer:
    """Draws the parts of a post, and takes out of `found_at` what it has drawn."""

    def __init__(self, verdict: Verdict, images: Mapping[str, Picture], found_at: dict[str | None, str]) -> None:
        self._verdict = verdict
        self._images = images
        self.found_at = found_at

    def post(self, post: Json) -> str:
        """Return the main part and the comments."""
        main = post.get("mainData")
        parts = ""
        if isinstance(main, Mapping):
            title, words = (f"{main.get(key) or ''}" for key in ("mainTitle", "mainContent"))
            head = f'<p class="title">{name(title)}</p>' if title else ""
            parts = f'<div class="part">{head}{self._part(words, main.get("mainImages"), "$.mainData")}</div>'
        return parts + self._comments(post, "$", 0)

    def _part(self, words: str, images: object, where: str) -> str:
        said = f'<p class="text">{paragraphs(words)}</p>' if words else ""
        shown = "".join(map(self._image, list_of(images)))
        answer = "nothing found" if self._verdict.has_answered(where) else "not answered"
        found = self.found_at.pop(where, "") or f'<p class="quiet">{answer}</p>'
        return said + (f'<div class="images">{shown}</div>' if shown else "") + found

    def _image(self, image: object) -> str:
        parts = image if isinstance(image, Mapping) else {}
        picture = self._images.get(str(parts.get("file")))
        if picture is not None:
            return f'<span class="picture"><img src="{picture.address}" alt="" loading="lazy"></span>'
        place = parts.get("imageUrl") or parts.get("file") or parts.get("ossObjectName") or "image"
        return f'<span class="image quiet">{name(mask_address(str(place)))}</span>'

    def _comments(self, above: Json, path: str, depth: int) -> str:
        comments = list_of(above.get("commentDatas"))
        if not comments:
            return ""
        if depth == _MAX_DEPTH:
            return '<p class="quiet">further replies are not shown; -f jsonl has what was found</p>'
        drawn = (self._comment(each, f"{path}.commentDatas[{n}]", depth) for n, each in enumerate(comments))
        return f'<ol class="comments">{"".join(drawn)}</ol>'

    def _comment(self, comment: object, where: str, depth: int) -> str:
        parts = comment if isinstance(comment, Mapping) else {"content": comment}
        body = self._part(f"{parts.get('content') or ''}", parts.get("images"), where)
        return f'<li class="part">{body}{self._comments(parts, where, depth + 1)}</li>'
