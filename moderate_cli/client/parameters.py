"""What a call says, and to whom: the operation, the endpoint, and parameters that break no documented limit.

Limits: the vendor's pages of the sync, async and multimodal operations (the sync one of 2026-03-03). Query or form: the
vendor's SDK 3.6.9, which agrees with the published metadata of the API (version 2022-03-02).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct, field

from moderate_cli.common.errors import RefusedError, UsageError
from moderate_cli.common.loopback import is_loopback
from moderate_cli.common.masking import repr_without
from moderate_cli.common.text import shortened, unsendable_in
from moderate_cli.models import ImageUrl, Json, RemoteImage

API_VERSION = "2022-03-02"
MAX_DATA_ID = 64  # characters, as all up to MAX_SEED
MAX_POST_DATA_ID = 128
MAX_URL = 2048
MAX_REFERER = 256
MAX_SEED = 64
MAX_FRAMES = 100
MAX_POST_TEXT = 5000  # characters, comments included
MAX_POST_IMAGES = 30  # comments included
MAX_COMMENT_TEXT = 1000  # characters
MAX_COMMENT_IMAGES = 10
MAX_COMMENT_LEVELS = 2  # comments, and replies to them: the page shows no others

ParamsIn = Literal["query", "form"]

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ADDRESS = rf"(?:(https?)://)?({_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?/?"
_DATA_ID = r"[A-Za-z0-9_.-]+"
_SEED = r"[A-Za-z0-9_]+"


class Repeating(Enum):
    """What it means to send a call again whose response was lost, so that it may have been carried out."""

    FREE = "changes nothing, or sets once more what is set"
    BILLED = "may be billed again"
    UNSAFE = "makes a second thing, or takes another away"


class Operation(StrEnum):
    """The operations, by the name that is sent as `x-acs-action`."""

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
        """Whether a call may cost something; free ones change nothing, and so may be repeated freely."""
        return self in _BILLED

    @property
    def repeating(self) -> Repeating:
        """What it means to send a call again whose response was lost."""
        return Repeating.BILLED if self.is_billed else Repeating.FREE

    @property
    def grants(self) -> bool:
        """Whether its response holds secrets, which are read and never shown."""
        return self is Operation.DESCRIBE_UPLOAD_TOKEN


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


class Endpoint(Struct, frozen=True):
    """A scheme and a host with its port, as `host` is signed."""

    scheme: str
    host: str

    @property
    def url(self) -> str:
        """The address as text, without a path."""
        return f"{self.scheme}://{self.host}"

    @property
    def hostname(self) -> str:
        """The host without its port."""
        return urlsplit(self.url).hostname or ""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Parse `HOST[:PORT]` (https) or an address with its scheme.

        Raises UsageError for anything else, and for http to another machine: signed requests contain key ids and
        users' images.
        """
        found = re.fullmatch(_ADDRESS, text, re.IGNORECASE | re.ASCII)
        scheme, host, port = found.groups() if found else ("", "", None)
        if not host or not 0 < int(port or 443) < 65536 or not _is_host(host):
            raise UsageError(f"{shortened(text)!r} is not an endpoint", hint="give HOST, HOST:PORT or https://HOST")
        scheme, host = (scheme or "https").lower(), host.lower()
        if scheme == "http" and not is_loopback(host.strip("[]")):
            raise UsageError(f"{shortened(text)!r} is plain http to another machine", hint="use https")
        return cls(scheme, f"{host}:{port}" if port else host)


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return True
    from ipaddress import ip_address  # hardly any endpoint is an IP address

    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class Parameters(Struct, frozen=True, kw_only=True):
    """The parameters of a call, by where they are sent."""

    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None


def split_parameters(operation: Operation, parameters: Mapping[str, str], params_in: ParamsIn = "query") -> Parameters:
    """Return the parameters of a call, in the query or the form as the operation expects them.

    `params_in="form"` sends those of the query in the body, for posts that make a URL too long for some gateway; the
    vendor documents neither that limit nor this way.
    """
    if not parameters:
        return Parameters()
    if operation in _IN_FORM or params_in == "form":
        return Parameters(form=parameters)
    return Parameters(query=parameters)


class CallbackOptions(Struct, frozen=True):
    """Where the service pushes the result of a queued task: to the URL `callback`.

    Its checksum is made with `seed` by `crypt_type`, SHA256 or SM3; `repr` hides the seed. The vendor's page on
    multimodal moderation names the parameter `callback` without describing it (read 2026-11): it is taken to be that of
    the asynchronous image operation.
    """

    callback: str | None = None
    seed: str | None = None
    crypt_type: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "seed")

    def fields(self) -> dict[str, Any]:
        """Return the parameters by their names in the API; raises RefusedError for one over a documented limit."""
        if self.callback is not None:
            check_url("callback", self.callback)
            if not self.seed:
                raise _invalid("a callback needs a seed")
        if self.seed is not None:
            _check_length("seed", self.seed, MAX_SEED)
            _check_pattern("seed", self.seed, _SEED, "letters, digits and _")
        if self.crypt_type not in {None, "SHA256", "SM3"}:
            raise _invalid(f"cryptType must be SHA256 or SM3, not {self.crypt_type!r}")
        if self.callback is None:  # MODERATE_SEED may be there for `listen` alone
            return {}
        return _given({"callback": self.callback, "seed": self.seed, "cryptType": self.crypt_type})


class AsyncOptions(CallbackOptions, frozen=True):
    """What only the asynchronous image operation takes.

    `interval` judges every n-th frame, `max_frames` (1 to 100) bounds their number.
    """

    interval: int | None = None
    max_frames: int | None = None

    def fields(self) -> dict[str, Any]:
        """Return the parameters by their names in the API; raises RefusedError for one over a documented limit."""
        _check_frames(self.interval, self.max_frames)
        return super().fields() | _given({"interval": self.interval, "maxFrameNum": self.max_frames})


def _given(fields: Json) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def image_parameters(
    image: RemoteImage,
    *,
    info_types: Sequence[str] = (),
    data_id: str | None = None,
    referer: str | None = None,
    further: Mapping[str, Any] | None = None,
) -> str:
    """Return the ServiceParameters of a call about one image; raises RefusedError for one over a documented limit."""
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


def image_fields(image: RemoteImage) -> dict[str, str]:
    """Return the parameters that name an image; raises RefusedError for a URL that the service would refuse."""
    if isinstance(image, ImageUrl):
        check_url("imageUrl", image.url)
        return {"imageUrl": image.url}
    fields = {"ossBucketName": image.bucket, "ossObjectName": image.key}
    return fields | ({"ossRegionId": image.region} if image.region else {})


def post_parameters(post: Json, further: Json | None = None) -> str:
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
            _check_size(f"{path}.images", len(images), MAX_COMMENT_IMAGES, "images")
        for index, image in enumerate(images):
            if image.get("imageUrl"):
                check_url(f"{path} image {index + 1}: imageUrl", str(image["imageUrl"]))
    _check_size("the text of the post", sum(len(text) for _, text, _ in parts), MAX_POST_TEXT, "characters")
    _check_size("the post", sum(len(images) for _, _, images in parts), MAX_POST_IMAGES, "images")
    return json_text(dict(post) | dict(further or {}))


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


def json_text(fields: Json) -> str:
    """Return parameters as compact JSON; raises RefusedError for text that is not valid UTF-8."""
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    check_text("ServiceParameters", text)
    return text


def check_text(name: str, value: str) -> None:
    """Raise RefusedError for text that cannot be sent as UTF-8, such as undecodable bytes of the command line."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _invalid(f"{name} is not valid UTF-8") from error


def check_data_id(value: str, longest: int) -> None:
    """Raise RefusedError for an id of more than `longest` characters, or with characters that are not allowed."""
    _check_length("dataId", value, longest)
    _check_pattern("dataId", value, _DATA_ID, "letters, digits, _ - and .")


def check_url(name: str, value: str) -> None:
    """Raise RefusedError for a URL that is too long, has spaces or Chinese characters, or is not http or https."""
    _check_length(name, value, MAX_URL)
    unsendable = unsendable_in(value)
    if unsendable:
        raise _invalid(f"{name} contains {unsendable}; percent-encode it")
    found = None if value.isascii() else _chinese().search(value)
    if found:
        raise _invalid(f"{name} contains the Chinese character {found[0]!r} at {found.start() + 1}; percent-encode it")
    if not value.lower().startswith(("http://", "https://")):
        raise _invalid(f"{name} is not an http or https URL")


@cache
def _chinese() -> re.Pattern[str]:
    """Return what finds ideographs, their radicals and punctuation, and full-width forms; it takes 2 ms to compile."""
    return re.compile(
        "[\u2e80-\u2fdf\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
    )


def _check_frames(interval: int | None, max_frames: int | None) -> None:
    if interval is not None:
        if interval < 1:
            raise _invalid(f"interval must be at least 1, not {interval}")
        if max_frames is None:
            raise _invalid("interval needs maxFrameNum too")
    if max_frames is not None and not 1 <= max_frames <= MAX_FRAMES:
        raise _invalid(f"maxFrameNum must be 1 to {MAX_FRAMES}, not {max_frames}")


def _check_length(name: str, value: str, longest: int) -> None:
    _check_size(name, len(value), longest, "characters")


def _check_size(name: str, size: int, most: int, unit: str) -> None:
    if size > most:
        message = f"{name} may have at most {most:,} {unit}, not {size:,}"
        raise RefusedError(message, code="parameter_too_long", api_code=402)


def _check_pattern(name: str, value: str, pattern: str, allowed: str) -> None:
    if not value:
        raise _invalid(f"{name} is empty")
    if not re.fullmatch(pattern, value):
        wrong = next(character for character in value if not re.fullmatch(pattern, character))
        raise _invalid(f"{name} may contain only {allowed}, not {wrong!r}")


def _invalid(message: str) -> RefusedError:
    return RefusedError(message, code="parameter_invalid", api_code=401)
