"""A post as people write it, brought into the API's own shape; what would travel unjudged is an error.

Shape: the vendor's page "Multimodal content moderation".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from moderate_cli.sources.post_text import TEXT_KEYS, Place, PostError, from_json

MAX_DEPTH = 10  # comments in comments that are read; what the service does not document is refused before it is sent

_LEVELS = {
    "a post": ("mainData", "commentDatas", "dataId"),
    "mainData": ("mainTitle", "mainContent", "mainImages", "mainPostTime"),
    "a comment": ("content", "images", "postTime", "commentDatas"),
    "an image": ("imageUrl", "ossBucketName", "ossObjectName", "ossRegionId", "file"),
}
_SERVICE = ("service", "Service")
_PARAMETERS = ("serviceParameters", "ServiceParameters")
_SIMILAR = 0.85  # of difflib: a letter too few, too many or in the wrong place
# What people call the parts of a post elsewhere.
_ALSO = {"text": "content", "body": "content", "replies": "comments"}
_IMAGE_HINT = "give a URL, oss://BUCKET/KEY, a path, or a mapping with imageUrl, file, or ossBucketName + ossObjectName"


def shaped(value: Any, folder: Path) -> dict[str, Any]:
    """Return a post in the API's own shape, with local images relative to `folder`; raises PostError.

    Keys that are unknown here pass through, unless they look like known ones.
    """
    value, place = _unwrapped(value)
    return _Shaper(folder).post(value, place)


@dataclass(frozen=True, slots=True)
class _Shaper:
    """Brings each part of a post into its shape; `place` is where the part stands."""

    folder: Path

    def post(self, value: Any, place: Place) -> dict[str, Any]:
        """Return the whole post."""
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
        return main

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
        return comment

    def _images(self, value: Any, place: Place) -> list[dict[str, Any]]:
        return [self._image(image, (*place, index)) for index, image in enumerate(_list(value, place))]

    def _image(self, value: Any, place: Place) -> dict[str, Any]:
        if isinstance(value, str):
            value = _named(value, place)
        image = {key: part for key, part in _part(value, place, "an image").items() if part != ""}
        is_object = "ossBucketName" in image and "ossObjectName" in image
        ways = ("imageUrl" in image) + ("file" in image) + is_object
        if ways != 1:
            wrong = "names an image in several ways" if ways else "names no image"
            raise PostError(f"{_written(place)} {wrong}", hint=_IMAGE_HINT, path=place)
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
            raise PostError(f"{other!r} stands beside {key}", hint=f"move it into {key}, or remove it", path=(other,))
    inner = value[key]
    if not isinstance(inner, str):
        return inner, (key,)
    try:
        return from_json(inner), (key,)
    except PostError as error:
        raise PostError(f"{key}: {error.message}", hint=error.hint, path=(key,)) from error


def _part(value: Any, place: Place, level: str) -> dict[str, Any]:
    """Return a mapping of the given level, with its texts as texts, and without keys that say nothing."""
    if not isinstance(value, Mapping):
        message = f"{_written(place) or 'a post'} must be a mapping, not {_kind(value)}"
        raise PostError(message, hint=f"write {', '.join(_LEVELS[level])} as its keys", path=place)
    known = _LEVELS[level]
    for key in value:
        if key not in known:
            _refuse_a_slip(key, level, (*place, key))
    return {
        key: _text(part, (*place, key)) if key in known and key in TEXT_KEYS else part
        for key, part in value.items()
        if part is not None or key not in known
    }


def _refuse_a_slip(key: str, level: str, place: Place) -> None:
    """Raise PostError for a key that means a known one: the service would ignore it, and what it holds."""
    for home in (level, *(other for other in _LEVELS if other != level)):
        meant = _meant(key, _LEVELS[home])
        if meant:
            hint = f"write {meant}" if home == level else f"{meant} is a key of {home}"
            raise PostError(f"{_written(place)} is no key of {level}, and would not be judged", hint=hint, path=place)


def _meant(key: str, known: tuple[str, ...]) -> str | None:
    folded = re.sub(r"[^a-z]", "", key.lower())
    folded = _ALSO.get(folded, folded)
    forms = {form: name for name in reversed(known) for form in _forms(name)}
    found = get_close_matches(folded, forms, n=1, cutoff=_SIMILAR)
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


def _named(text: str, place: Place) -> dict[str, str]:
    """Return the mapping for an image that is given by its name alone."""
    scheme = text.partition("://")[0].lower()
    if scheme in {"http", "https"}:
        return {"imageUrl": text}
    if scheme != "oss" or "://" not in text:
        return {"file": text}
    bucket, _, key = text[len("oss://") :].partition("/")
    if not bucket or not key:
        raise PostError(f"{_written(place)}: {text!r} names no object", hint="write oss://BUCKET/KEY", path=place)
    return {"ossBucketName": bucket, "ossObjectName": key}


def _text(value: Any, place: Place) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise PostError(f"{_written(place)} must be text, not {_kind(value)}", hint="put it in quotes", path=place)


def _list(value: Any, place: Place) -> list[Any]:
    if isinstance(value, list):
        return value
    raise PostError(f"{_written(place)} must be a list, not {_kind(value)}", hint="put it in [ ]", path=place)


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


def _kind(value: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), "a number")
