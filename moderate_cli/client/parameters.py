"""The ServiceParameters of a call as JSON text, refused where the service states that it would refuse them.

Limits: the vendor's pages of the sync, async and multimodal operations (the sync one of 2026-03-03).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct

from moderate_cli.client.transport import Parameters
from moderate_cli.common.errors import RefusedError
from moderate_cli.models import ImageUrl, Json, RemoteImage

ParamsIn = Literal["query", "form"]


class Operation(StrEnum):
    """The operations by the name that travels in `x-acs-action`."""

    IMAGE_MODERATION = "ImageModeration"
    IMAGE_BATCH_MODERATION = "ImageBatchModeration"
    IMAGE_ASYNC_MODERATION = "ImageAsyncModeration"
    DESCRIBE_IMAGE_MODERATION_RESULT = "DescribeImageModerationResult"
    MULTIMODAL_ASYNC_MODERATION = "MultimodalAsyncModeration"
    DESCRIBE_MULTIMODAL_MODERATION_RESULT = "DescribeMultimodalModerationResult"
    DESCRIBE_UPLOAD_TOKEN = "DescribeUploadToken"  # noqa: S105 - a name, not a password
    DESCRIBE_IMAGE_RESULT_EXT = "DescribeImageResultExt"

    @property
    def is_billed(self) -> bool:
        """Whether a call may cost something; those that are free may be repeated freely, for they change nothing."""
        return self in _BILLED


# The vendor's async and multimodal pages call their result queries free. No page prices the upload token or
# DescribeImageResultExt (read 2026-11): that these are free too is our judgement.
_BILLED = frozenset(
    {
        Operation.IMAGE_MODERATION,
        Operation.IMAGE_BATCH_MODERATION,
        Operation.IMAGE_ASYNC_MODERATION,
        Operation.MULTIMODAL_ASYNC_MODERATION,
    }
)
_IN_FORM = frozenset({Operation.IMAGE_MODERATION, Operation.DESCRIBE_IMAGE_RESULT_EXT})


def place(operation: Operation, parameters: Mapping[str, str], params_in: ParamsIn = "query") -> Parameters:
    """Put the parameters of a call where the operation wants them.

    `params_in="form"` sends those of the query in the body, for posts that make a URL too long for some gateway; the
    vendor documents neither that limit nor this way.
    """
    if not parameters:
        return Parameters()
    if operation in _IN_FORM or params_in == "form":
        return Parameters(form=parameters)
    return Parameters(query=parameters)


MAX_DATA_ID = 64
MAX_POST_DATA_ID = 128
MAX_URL = 2048
MAX_REFERER = 256
MAX_SEED = 64
MAX_FRAMES = 100
MAX_POST_TEXT = 5000
MAX_POST_IMAGES = 30
MAX_COMMENT_TEXT = 1000
MAX_COMMENT_IMAGES = 10
MAX_COMMENT_LEVELS = 2  # comments, and replies to them: the page shows no others

_DATA_ID = re.compile(r"[A-Za-z0-9_.-]+")
_SEED = re.compile(r"[A-Za-z0-9_]+")
# Ideographs, their radicals and punctuation, and full-width forms: what a URL with Chinese in it holds.
_CHINESE = re.compile(
    "[\u2e80-\u2fdf\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)


class AsyncOptions(Struct, frozen=True):
    """What only the asynchronous image operation takes.

    `interval` looks at every n-th frame, `max_frames` (1 to 100) at so many at most; the results go to `callback`, with
    a checksum that is made with `seed`, by SHA256 or SM3.
    """

    interval: int | None = None
    max_frames: int | None = None
    callback: str | None = None
    seed: str | None = None
    crypt_type: str | None = None

    def fields(self) -> dict[str, Any]:
        """Return the parameters by their names in the API; raises RefusedError."""
        _check_frames(self.interval, self.max_frames)
        if self.callback is not None:
            check_url("callback", self.callback)
            if not self.seed:
                raise _invalid("seed is missing, and a callback needs one")
        if self.seed is not None:
            _check_length("seed", self.seed, MAX_SEED)
            _check_pattern("seed", self.seed, _SEED, "letters, digits and _")
        if self.crypt_type not in {None, "SHA256", "SM3"}:
            raise _invalid(f"cryptType is {self.crypt_type!r}, and only SHA256 and SM3 are allowed")
        fields = {
            "callback": self.callback,
            "seed": self.seed,
            "cryptType": self.crypt_type,
            "interval": self.interval,
            "maxFrameNum": self.max_frames,
        }
        return {name: value for name, value in fields.items() if value is not None}


def image_fields(image: RemoteImage) -> dict[str, str]:
    """Return the parameters that name an image; raises RefusedError."""
    if isinstance(image, ImageUrl):
        check_url("imageUrl", image.url)
        return {"imageUrl": image.url}
    fields = {"ossBucketName": image.bucket, "ossObjectName": image.key}
    return fields | ({"ossRegionId": image.region} if image.region else {})


def image_parameters(
    image: RemoteImage,
    *,
    info_types: Sequence[str] = (),
    data_id: str | None = None,
    referer: str | None = None,
    further: Mapping[str, Any] | None = None,
) -> str:
    """Return the ServiceParameters of a call about one image; raises RefusedError."""
    fields: dict[str, Any] = dict(image_fields(image))
    if data_id:
        check_data_id(data_id, MAX_DATA_ID)
        fields["dataId"] = data_id
    if referer:
        _check_length("referer", referer, MAX_REFERER)
        fields["referer"] = referer
    if info_types:
        fields["infoType"] = ",".join(info_types)
    return json_text(fields | dict(further or {}))


def post_parameters(post: Json) -> str:
    """Return the ServiceParameters of a post in the API's own shape: `mainData`, `commentDatas`, `dataId`.

    Raises RefusedError for a post over a limit: 5,000 characters and 30 images in all, 1,000 characters and 10
    images in each comment, and replies to comments but none to replies.
    """
    if post.get("dataId"):
        check_data_id(str(post["dataId"]), MAX_POST_DATA_ID)
    parts = list(_parts(post))
    for path, text, images in parts:
        if path != "mainData":
            _check_length(f"{path}.content", text, MAX_COMMENT_TEXT)
            _check_count(f"{path}.images", len(images), MAX_COMMENT_IMAGES)
        for index, image in enumerate(images):
            if image.get("imageUrl"):
                check_url(f"{path} image {index + 1}: imageUrl", str(image["imageUrl"]))
    _check_size("the text of the post", sum(len(text) for _, text, _ in parts), MAX_POST_TEXT, "characters")
    _check_count("the post", sum(len(images) for _, _, images in parts), MAX_POST_IMAGES)
    return json_text(post)


def json_text(fields: Json) -> str:
    """Return parameters as compact JSON; raises RefusedError for text that is not valid UTF-8."""
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    check_text("ServiceParameters", text)
    return text


def check_text(name: str, value: str) -> None:
    """Refuse text that cannot travel, which an odd byte on the command line becomes."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _invalid(f"{name} is not valid UTF-8") from error


def check_data_id(value: str, longest: int) -> None:
    """Refuse an id that is too long or has characters that the service does not take."""
    _check_length("dataId", value, longest)
    _check_pattern("dataId", value, _DATA_ID, "letters, digits, _ - and .")


def check_url(name: str, value: str) -> None:
    """Refuse a URL that is too long, holds Chinese characters, or is no http address."""
    _check_length(name, value, MAX_URL)
    found = _CHINESE.search(value)
    if found:
        raise _invalid(f"{name} holds the Chinese character {found[0]!r} at {found.start() + 1}; percent-encode it")
    if not value.lower().startswith(("http://", "https://")):
        raise _invalid(f"{name} is no http or https address")


def _parts(post: Json) -> Iterator[tuple[str, str, list[Json]]]:
    """Yield the path, the text and the images of the post itself and of each comment and reply."""
    main = post.get("mainData")
    if isinstance(main, Mapping):
        text = f"{main.get('mainTitle') or ''}{main.get('mainContent') or ''}"
        yield "mainData", text, list(main.get("mainImages") or [])
    yield from _comments(post, "", 1)


def _comments(above: Json, path: str, level: int) -> Iterator[tuple[str, str, list[Json]]]:
    """Yield the same of each comment and reply; raises RefusedError for replies that the service may not judge."""
    comments = above.get("commentDatas") or []
    if comments and level > MAX_COMMENT_LEVELS:
        message = f"{path}commentDatas are replies to replies, which the service does not document"
        hint = "flatten them: move them up among the replies to the comment"
        raise RefusedError(message, code="post_too_deep", api_code=401, hint=hint)
    for index, comment in enumerate(comments):
        where = f"{path}commentDatas[{index}]"
        yield where, str(comment.get("content") or ""), list(comment.get("images") or [])
        yield from _comments(comment, f"{where}.", level + 1)


def _check_frames(interval: int | None, max_frames: int | None) -> None:
    if interval is not None:
        if interval < 1:
            raise _invalid(f"interval is {interval}, and at least 1 is needed")
        if max_frames is None:
            raise _invalid("interval needs maxFrameNum beside it")
    if max_frames is not None and not 1 <= max_frames <= MAX_FRAMES:
        raise _invalid(f"maxFrameNum is {max_frames}, and 1 to {MAX_FRAMES} are allowed")


def _check_length(name: str, value: str, longest: int) -> None:
    _check_size(name, len(value), longest, "characters")


def _check_count(name: str, count: int, most: int) -> None:
    _check_size(name, count, most, "images")


def _check_size(name: str, size: int, most: int, unit: str) -> None:
    if size > most:
        message = f"{name} has {size:,} {unit}, and at most {most:,} are allowed"
        raise RefusedError(message, code="parameter_too_long", api_code=402)


def _check_pattern(name: str, value: str, pattern: re.Pattern[str], allowed: str) -> None:
    if not pattern.fullmatch(value):
        wrong = next(character for character in value if not pattern.fullmatch(character)) if value else ""
        raise _invalid(f"{name} holds {wrong!r}, and only {allowed} are allowed" if value else f"{name} is empty")


def _invalid(message: str) -> RefusedError:
    return RefusedError(message, code="parameter_invalid", api_code=401)
