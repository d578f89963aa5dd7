"""What is billed: how many calls an input costs at most, by the vendor's rules.

Only answers with the code 200 are billed, and a post's submission (280) too; asking after results and for upload tokens
is free as far as documented (the vendor's pages of the four operations).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from moderate_cli.verdicts import Json

TEXT_UNIT = 1000  # characters; a started one counts as a whole (the vendor's page on multimodal moderation)
DEFAULT_FRAMES = 10  # what `maxFrameNum` is unless set (the vendor's page of the async operation)
_LONG_SIDE, _LONG_RATIO = 400, 2.5  # pixels, and the ratio of the sides, above which an image is cut (same page)


class Unit(StrEnum):
    """What services charge for: an image or a frame, and a started thousand of characters."""

    IMAGE = "image"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Billed:
    """What each service charges one input for: images or frames, and started thousands of characters."""

    images: int = 0
    text_units: int = 0


def image_calls(services: Sequence[str]) -> int:
    """Return for how many calls an image is billed that some services judge: one each, also in one call of batch."""
    return len(services)


def frame_calls(frames: int | None, *, interval: int | None, max_frames: int | None) -> int:
    """Return for how many calls a queued image is billed at most: one a frame that is looked at.

    `frames` is how many frames or slices the image has, None where nobody knows. Without `interval` the service looks
    at the first frame alone; `max_frames` without it counts here too, so that the bound holds.
    """
    if interval is None and max_frames is None:
        return 1
    most = DEFAULT_FRAMES if max_frames is None else max_frames
    return most if frames is None else max(1, min(frames, most))


def slices(width: int, height: int) -> int:
    """Return into how many slices a long image (in pixels) is cut where `interval` is set; 1 for every other."""
    short, long = sorted((width, height))
    is_long = short > 0 and long > _LONG_SIDE and long / short > _LONG_RATIO
    # Halves go up, as in Java; the page says "round" and no more, and Python's round would make 4 of 4.5.
    return int(long / short + 0.5) if is_long else 1


def post_calls(post: Json) -> Billed:
    """Return what a post in the API's own shape is billed for: its images, and the text of the whole call."""
    parts = [post.get("mainData") or {}, *_comments(post)]
    texts = [part.get(key) or "" for part in parts for key in ("mainTitle", "mainContent", "content")]
    images = [part.get(key) or () for part in parts for key in ("mainImages", "images")]
    characters = sum(map(len, texts))
    return Billed(images=sum(map(len, images)), text_units=-(-characters // TEXT_UNIT))


def _comments(part: Json) -> Iterator[Json]:
    for comment in part.get("commentDatas") or ():
        yield comment
        yield from _comments(comment)
