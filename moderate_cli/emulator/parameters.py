"""The ServiceParameters of a call that judges one image, checked by the documented limits."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from moderate_cli.emulator.faults import BodyError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTHS = {"dataId": 64, "referer": 256, "imageUrl": 2048}
_DATA_ID = re.compile(r"[A-Za-z0-9_.-]*")
_INFO_TYPES = frozenset({"customImage", "textInImage", "publicFigure", "logoData"})
_TEXTS = ("imageUrl", "ossBucketName", "ossObjectName", "ossRegionId", "dataId", "referer", "infoType")


@dataclass(frozen=True, slots=True)
class ImageParameters:
    """What a call says about its image: an object that was uploaded, or a URL."""

    image_url: str
    bucket: str
    object_name: str
    data_id: str
    referer: str


def read_image_parameters(parameters: Mapping[str, str]) -> ImageParameters:
    """Read Service and ServiceParameters of a call, or raise the BodyError that fits."""
    for name in ("Service", "ServiceParameters"):
        if not parameters.get(name, "").strip():
            raise BodyError(400, f"{name} is empty")
    texts = _texts(parameters["ServiceParameters"])
    for name, limit in _LENGTHS.items():
        if len(texts[name]) > limit:
            raise BodyError(402, f"{name} is longer than {limit} characters")
    _check_values(texts)
    return ImageParameters(
        image_url=texts["imageUrl"],
        bucket=texts["ossBucketName"],
        object_name=texts["ossObjectName"],
        data_id=texts["dataId"],
        referer=texts["referer"],
    )


def _texts(document: str) -> dict[str, str]:
    """Return the known parameters of the JSON text, those that are absent as empty texts."""
    try:
        values: Any = json.loads(document)
    except (ValueError, RecursionError):
        raise BodyError(401, "ServiceParameters is not valid JSON") from None
    if not isinstance(values, dict):
        raise BodyError(401, "ServiceParameters is not a JSON object")
    texts = {}
    for name in _TEXTS:
        value = values.get(name)
        if not isinstance(value, str | None):
            raise BodyError(401, f"{name} is not a string")
        texts[name] = value or ""
    return texts


def _check_values(texts: Mapping[str, str]) -> None:
    """Refuse values that the documentation rules out, and a call that names no image."""
    if not _DATA_ID.fullmatch(texts["dataId"]):
        raise BodyError(401, "dataId may hold letters, digits, underscores, hyphens and periods only")
    unknown = {part.strip() for part in texts["infoType"].split(",")} - _INFO_TYPES - {""}
    if unknown:
        raise BodyError(401, f"infoType does not know {', '.join(sorted(unknown))}")
    # What cannot stand in an HTTP header cannot be sent to the host of the image.
    if not (texts["referer"].isascii() and texts["referer"].isprintable()):
        raise BodyError(401, "referer is not valid")
    if texts["ossBucketName"] and texts["ossObjectName"]:
        return
    if not texts["imageUrl"]:
        raise BodyError(400, "the image is empty: give imageUrl, or ossBucketName with ossObjectName")
    if not _is_usable_url(texts["imageUrl"]):
        raise BodyError(401, "imageUrl is not a usable http or https URL")


def _is_usable_url(url: str) -> bool:
    """Tell whether a URL can be fetched: http or https, a host, and nothing but printable ASCII."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        return False
    try:
        parts = urlsplit(url)
        # The port is parsed only when it is asked for.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
