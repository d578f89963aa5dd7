"""Posts with their comments and replies, read from a call and checked by the limits on the vendor's page.

The page is "Multimodal content moderation" of the China site. It calls `mainData` an array, but its example and the
SDK's send an object. It requires a text and images everywhere, but its example has neither in some comments: here a
post needs at least one text or one image anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.parameters import (
    ImageParameters,
    as_object,
    check_data_id,
    check_length,
    image_of,
    read_service_parameters,
    read_texts,
    require,
)

MAX_TEXT = 5_000
MAX_IMAGES = 30
MAX_COMMENT_TEXT = 1_000
MAX_COMMENT_IMAGES = 10

_LONGEST_DATA_ID = 128

# The page shows comments and replies to them; what the service does with deeper ones is not documented.
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Part:
    """The post itself, a comment or a reply, at its JSON path in the post."""

    where: str
    texts: tuple[str, ...]
    images: tuple[ImageParameters, ...]
    replies: tuple[Part, ...] = ()

    def walk(self) -> Iterator[Part]:
        """Yield this part and everything below it."""
        yield self
        for reply in self.replies:
            yield from reply.walk()


@dataclass(frozen=True, slots=True)
class Post:
    """A post; its comments are the replies of the main part."""

    data_id: str
    main: Part

    @property
    def images(self) -> list[ImageParameters]:
        """All images, in the order of the parts."""
        return [image for part in self.main.walk() for image in part.images]

    @property
    def characters(self) -> int:
        """The length of all texts together."""
        return sum(len(text) for part in self.main.walk() for text in part.texts)


def read_post(parameters: Mapping[str, str]) -> Post:
    """Read Service and ServiceParameters of a call, or raise the BodyError that fits."""
    require(parameters, "Service")
    values = read_service_parameters(parameters)
    data_id = read_texts(values, ("dataId",))["dataId"]
    check_data_id(data_id, _LONGEST_DATA_ID)
    if values.get("mainData") is None:
        raise BodyError(400, "mainData is empty")
    post = Post(data_id, _main(values))
    _check_totals(post)
    return post


def _main(values: Mapping[str, Any]) -> Part:
    """Read the post itself, with its comments."""
    main = as_object(values["mainData"], "mainData")
    texts = read_texts(main, ("mainTitle", "mainContent"))
    images = _images(main, "mainImages")
    return Part("$.mainData", tuple(texts.values()), images, _comments(values, "$", 1))


def _comments(values: Mapping[str, Any], where: str, depth: int) -> tuple[Part, ...]:
    """Read the comments or replies below one part."""
    comments = _objects(values, "commentDatas")
    if comments and depth > _DEEPEST:
        raise BodyError(401, "commentDatas is nested too deeply")
    return tuple(_comment(comment, f"{where}.commentDatas[{index}]", depth) for index, comment in enumerate(comments))


def _comment(values: Mapping[str, Any], where: str, depth: int) -> Part:
    """Read one comment or reply, with those below it."""
    content = read_texts(values, ("content",))["content"]
    check_length(f"content at {where}", content, MAX_COMMENT_TEXT)
    images = _images(values, "images")
    if len(images) > MAX_COMMENT_IMAGES:
        raise BodyError(402, f"a comment has more than {MAX_COMMENT_IMAGES} images: {where}")
    return Part(where, (content,), images, _comments(values, where, depth + 1))


def _images(values: Mapping[str, Any], name: str) -> tuple[ImageParameters, ...]:
    """Read the images of one part."""
    return tuple(image_of(image) for image in _objects(values, name))


def _objects(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a value that must be an array of objects, an empty one where it is absent."""
    items = values.get(name)
    if not isinstance(items, list | None):
        raise BodyError(401, f"{name} is not an array")
    return [as_object(item, f"an element of {name}") for item in items or []]


def _check_totals(post: Post) -> None:
    """Refuse a post that is too large as a whole, and one without anything to judge."""
    if post.characters > MAX_TEXT:
        raise BodyError(402, f"the texts have more than {MAX_TEXT} characters in all")
    if len(post.images) > MAX_IMAGES:
        raise BodyError(402, f"there are more than {MAX_IMAGES} images in all")
    if not post.images and not any(text.strip() for part in post.main.walk() for text in part.texts):
        raise BodyError(400, "the post is empty: it has neither text nor images")
