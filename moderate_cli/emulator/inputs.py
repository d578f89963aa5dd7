"""What do the parameters of a call say? They are checked against the documented limits, and images are read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from moderate_cli.common.digests import NoSm3Error, sm3
from moderate_cli.emulator.callbacks import Callback
from moderate_cli.emulator.messages import BodyError

if TYPE_CHECKING:
    from collections.abc import Iterable


INFO_TYPES = ("customImage", "textInImage", "publicFigure", "logoData")
# The limits of frames and posts: the vendor's pages of the asynchronous and the multimodal API (March 2026).
DEFAULT_FRAMES = 10
MAX_FRAMES = 100
MAX_TEXT = 5_000  # characters of all texts of a post
MAX_IMAGES = 30  # of a post
MAX_COMMENT_TEXT = 1_000  # characters
MAX_COMMENT_IMAGES = 10

# Characters.
_MAX_REFERER_LENGTH = 256
_MAX_URL_LENGTH = 2048
_MAX_IMAGE_DATA_ID_LENGTH = 64
_MAX_DATA_ID_LENGTH = 128
_MAX_SEED_LENGTH = 64
_MAX_CALLBACK_LENGTH = 2048  # not documented; that of imageUrl
# The page shows comments and replies to them; what the service does with deeper ones is not documented.
_MAX_DEPTH = 32
_DATA_ID = re.compile(r"[A-Za-z0-9_.-]*")
_SEED = re.compile(r"[A-Za-z0-9_]+")
_CRYPT_TYPES = ("SHA256", "SM3")
_SOURCE = ("imageUrl", "ossBucketName", "ossObjectName", "ossRegionId")


class ImageParameters(Struct, frozen=True):
    """What a call says about its image: an object that was uploaded, or a URL."""

    image_url: str
    bucket: str
    object_name: str
    data_id: str = ""
    referer: str = ""

    @property
    def is_object(self) -> bool:
        """Whether the image is an object; a URL beside it is ignored then."""
        return bool(self.bucket and self.object_name)


class AsyncParameters(Struct, frozen=True):
    """A task about one image; without an interval, only its first frame is examined."""

    image: ImageParameters
    interval: int | None
    max_frames: int
    callback: Callback | None


class Post(Struct, frozen=True):
    """A post; its comments are the replies of the main part."""

    data_id: str
    main: Part
    callback: Callback | None = None

    @property
    def images(self) -> list[ImageParameters]:
        """All images, in the order of the parts."""
        return [image for part in self.main.walk() for image in part.images]

    @property
    def characters(self) -> int:
        """The length of all texts together."""
        return sum(len(text) for part in self.main.walk() for text in part.texts)


class Part(Struct, frozen=True):
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


def read_image_parameters(parameters: Mapping[str, str]) -> ImageParameters:
    """Read Service and ServiceParameters of a call, or raise BodyError."""
    require(parameters, "Service")
    return image_of_call(read_service_parameters(parameters))


def read_async_parameters(parameters: Mapping[str, str]) -> AsyncParameters:
    """Read Service and ServiceParameters of a call, or raise BodyError."""
    require(parameters, "Service")
    values = read_service_parameters(parameters)
    interval = _whole_number(values, "interval")
    max_frames = _whole_number(values, "maxFrameNum")
    if interval is not None and max_frames is None:
        # The page says "must be used with maxFrameNum", and beside that names a default, which leaves it no case.
        raise BodyError(401, "interval must be used with maxFrameNum")
    if interval is not None and interval < 1:
        raise BodyError(401, "interval is less than 1")
    if max_frames is not None and not 1 <= max_frames <= MAX_FRAMES:
        raise BodyError(401, f"maxFrameNum is not between 1 and {MAX_FRAMES}")
    return AsyncParameters(image_of_call(values), interval, max_frames or DEFAULT_FRAMES, _callback(values))


def _whole_number(values: Mapping[str, Any], name: str) -> int | None:
    """Return a value that must be an integer, None where it is absent."""
    value = values.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise BodyError(401, f"{name} is not an integer")
    return value


def _callback(values: Mapping[str, Any]) -> Callback | None:
    """Read the callback, None where the task names none."""
    texts = read_texts(values, ("callback", "seed", "cryptType"))
    crypt_type = texts["cryptType"] or _CRYPT_TYPES[0]
    if crypt_type not in _CRYPT_TYPES:
        raise BodyError(401, f"cryptType is not one of {', '.join(_CRYPT_TYPES)}")
    if crypt_type == "SM3":
        _require_sm3()
    check_length("seed", texts["seed"], _MAX_SEED_LENGTH)
    if texts["seed"] and not _SEED.fullmatch(texts["seed"]):
        raise BodyError(401, "seed may hold letters, digits and underscores only")
    if not texts["callback"]:
        return None
    check_length("callback", texts["callback"], _MAX_CALLBACK_LENGTH)
    check_url("callback", texts["callback"])
    if not texts["seed"]:
        raise BodyError(400, "seed is empty, and a callback needs one")
    return Callback(texts["callback"], texts["seed"], crypt_type)


def _require_sm3() -> None:
    """Raise BodyError where the callback could have no checksum; a limit of this emulator, not of the vendor."""
    try:
        sm3(b"")
    except NoSm3Error as error:
        raise BodyError(401, f"cryptType cannot be SM3 here: {error.message}") from error


def read_post(parameters: Mapping[str, str]) -> Post:
    """Read Service and ServiceParameters of a call, or raise BodyError.

    The vendor's page "Multimodal content moderation" (China site) calls `mainData` an array, but its example and the
    SDK's send an object. It requires a text and images everywhere, but its example has neither in some comments: here a
    post needs at least one text or one image anywhere. It speaks of the parameter callback, and its tables have none:
    it is read as that of a task about an image.
    """
    require(parameters, "Service")
    values = read_service_parameters(parameters)
    data_id = read_texts(values, ("dataId",))["dataId"]
    check_data_id(data_id, _MAX_DATA_ID_LENGTH)
    if values.get("mainData") is None:
        raise BodyError(400, "mainData is empty")
    post = Post(data_id, _main(values), _callback(values))
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
    if comments and depth > _MAX_DEPTH:
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
    """Raise BodyError for a post that is too large as a whole or has nothing to judge."""
    if post.characters > MAX_TEXT:
        raise BodyError(402, f"the texts have more than {MAX_TEXT} characters in all")
    if len(post.images) > MAX_IMAGES:
        raise BodyError(402, f"there are more than {MAX_IMAGES} images in all")
    if not post.images and not any(text.strip() for part in post.main.walk() for text in part.texts):
        raise BodyError(400, "the post is empty: it has neither text nor images")


def image_of_call(values: Mapping[str, Any]) -> ImageParameters:
    """Read the parameters of a call about one image; raises BodyError."""
    image = image_of(values)
    texts = read_texts(values, ("dataId", "referer", "infoType"))
    check_length("referer", texts["referer"], _MAX_REFERER_LENGTH)
    check_data_id(texts["dataId"], _MAX_IMAGE_DATA_ID_LENGTH)
    read_info_types(texts["infoType"])
    # What cannot stand in an HTTP header cannot be sent to the host of the image.
    if not (texts["referer"].isascii() and texts["referer"].isprintable()):
        raise BodyError(401, "referer is not valid")
    return ImageParameters(image.image_url, image.bucket, image.object_name, texts["dataId"], texts["referer"])


def image_of(values: Mapping[str, Any]) -> ImageParameters:
    """Read where an image is: an object in a bucket, or a URL; raises BodyError."""
    texts = read_texts(values, _SOURCE)
    check_length("imageUrl", texts["imageUrl"], _MAX_URL_LENGTH)
    image = ImageParameters(texts["imageUrl"], texts["ossBucketName"], texts["ossObjectName"])
    if not image.is_object:
        if not image.image_url:
            raise BodyError(400, "the image is empty: give imageUrl, or ossBucketName with ossObjectName")
        check_url("imageUrl", image.image_url)
    return image


def read_services(parameters: Mapping[str, str]) -> list[str]:
    """Read the comma-separated list in Service, each service once; raises BodyError."""
    services = [service.strip() for service in require(parameters, "Service").split(",")]
    if not all(services):
        raise BodyError(400, "Service has an empty part")
    return list(dict.fromkeys(services))


def read_info_types(value: str) -> list[str]:
    """Read a comma-separated list of info types, of which four are documented; raises BodyError."""
    types = [part.strip() for part in value.split(",") if part.strip()]
    unknown = sorted(set(types).difference(INFO_TYPES))
    if unknown:
        raise BodyError(401, f"unknown infoType {', '.join(unknown)}")
    return types


def read_service_parameters(parameters: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the JSON object in ServiceParameters; raises BodyError."""
    document = require(parameters, "ServiceParameters")
    try:
        values = json.loads(document)
    except (ValueError, RecursionError):
        raise BodyError(401, "ServiceParameters is not valid JSON") from None
    return as_object(values, "ServiceParameters")


def require(parameters: Mapping[str, str], name: str) -> str:
    """Return a parameter that must not be empty; raises BodyError."""
    value = parameters.get(name, "")
    if not value.strip():
        raise BodyError(400, f"{name} is empty")
    return value


def as_object(value: Any, name: str) -> Mapping[str, Any]:
    """Return a value that must be a JSON object; raises BodyError."""
    if not isinstance(value, dict):
        raise BodyError(401, f"{name} is not a JSON object")
    return value


def read_texts(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return some values that must be texts, absent ones as empty texts; raises BodyError."""
    texts = {}
    for name in names:
        value = values.get(name)
        if not isinstance(value, str | None):
            raise BodyError(401, f"{name} is not a string")
        texts[name] = value or ""
    return texts


def check_data_id(value: str, limit: int) -> None:
    """Raise BodyError for a data id that is too long or has other characters than documented."""
    check_length("dataId", value, limit)
    if not _DATA_ID.fullmatch(value):
        raise BodyError(401, "dataId may hold letters, digits, underscores, hyphens and periods only")


def check_length(name: str, value: str, limit: int) -> None:
    """Raise BodyError for a text of more than `limit` characters."""
    if len(value) > limit:
        raise BodyError(402, f"{name} is longer than {limit} characters")


def check_url(name: str, url: str) -> None:
    """Raise BodyError for anything but an http or https URL with a host, in printable ASCII."""
    usable = url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url)
        # The port is parsed only when it is asked for.
        usable = usable and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BodyError(401, f"{name} is not a usable http or https URL")
