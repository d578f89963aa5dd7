"""The parameters of calls, checked by the documented limits; this module reads those about one image."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from moderate_cli.emulator.faults import BodyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INFO_TYPES = ("customImage", "textInImage", "publicFigure", "logoData")

_LONGEST_REFERER = 256
_LONGEST_URL = 2048
_LONGEST_IMAGE_DATA_ID = 64
_DATA_ID = re.compile(r"[A-Za-z0-9_.-]*")
_SOURCE = ("imageUrl", "ossBucketName", "ossObjectName", "ossRegionId")


@dataclass(frozen=True, slots=True)
class ImageParameters:
    """What a call says about its image: an object that was uploaded, or a URL."""

    image_url: str
    bucket: str
    object_name: str
    data_id: str = ""
    referer: str = ""

    @property
    def is_object(self) -> bool:
        """Tell whether the image is an object; a URL beside it does not count then."""
        return bool(self.bucket and self.object_name)


def read_image_parameters(parameters: Mapping[str, str]) -> ImageParameters:
    """Read Service and ServiceParameters of a call, or raise the BodyError that fits."""
    require(parameters, "Service")
    return image_of_call(read_service_parameters(parameters))


def read_services(parameters: Mapping[str, str]) -> list[str]:
    """Read the comma list in Service, each service once."""
    services = [service.strip() for service in require(parameters, "Service").split(",")]
    if not all(services):
        raise BodyError(400, "Service has an empty part")
    return list(dict.fromkeys(services))


def read_info_types(value: str) -> list[str]:
    """Read a comma list of kinds of auxiliary information; the documentation knows four."""
    types = [part.strip() for part in value.split(",") if part.strip()]
    unknown = sorted(set(types).difference(INFO_TYPES))
    if unknown:
        raise BodyError(401, f"infoType does not know {', '.join(unknown)}")
    return types


def require(parameters: Mapping[str, str], name: str) -> str:
    """Return a parameter that must not be empty."""
    value = parameters.get(name, "")
    if not value.strip():
        raise BodyError(400, f"{name} is empty")
    return value


def read_service_parameters(parameters: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the object that the JSON text in ServiceParameters describes."""
    document = require(parameters, "ServiceParameters")
    try:
        values = json.loads(document)
    except (ValueError, RecursionError):
        raise BodyError(401, "ServiceParameters is not valid JSON") from None
    return as_object(values, "ServiceParameters")


def as_object(value: Any, name: str) -> Mapping[str, Any]:
    """Return a value that must be a JSON object."""
    if not isinstance(value, dict):
        raise BodyError(401, f"{name} is not a JSON object")
    return value


def read_texts(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return some values that must be texts, those that are absent as empty ones."""
    texts = {}
    for name in names:
        value = values.get(name)
        if not isinstance(value, str | None):
            raise BodyError(401, f"{name} is not a string")
        texts[name] = value or ""
    return texts


def image_of_call(values: Mapping[str, Any]) -> ImageParameters:
    """Read what a call about one image says about it."""
    image = image_of(values)
    texts = read_texts(values, ("dataId", "referer", "infoType"))
    check_length("referer", texts["referer"], _LONGEST_REFERER)
    check_data_id(texts["dataId"], _LONGEST_IMAGE_DATA_ID)
    read_info_types(texts["infoType"])
    # What cannot stand in an HTTP header cannot be sent to the host of the image.
    if not (texts["referer"].isascii() and texts["referer"].isprintable()):
        raise BodyError(401, "referer is not valid")
    return ImageParameters(image.image_url, image.bucket, image.object_name, texts["dataId"], texts["referer"])


def image_of(values: Mapping[str, Any]) -> ImageParameters:
    """Read where an image is: an object in a bucket, or a URL."""
    texts = read_texts(values, _SOURCE)
    check_length("imageUrl", texts["imageUrl"], _LONGEST_URL)
    image = ImageParameters(texts["imageUrl"], texts["ossBucketName"], texts["ossObjectName"])
    if not image.is_object:
        if not image.image_url:
            raise BodyError(400, "the image is empty: give imageUrl, or ossBucketName with ossObjectName")
        check_url("imageUrl", image.image_url)
    return image


def check_data_id(value: str, longest: int) -> None:
    """Refuse a data id that is too long, or has characters that the documentation rules out."""
    check_length("dataId", value, longest)
    if not _DATA_ID.fullmatch(value):
        raise BodyError(401, "dataId may hold letters, digits, underscores, hyphens and periods only")


def check_length(name: str, value: str, longest: int) -> None:
    """Refuse a text that is too long."""
    if len(value) > longest:
        raise BodyError(402, f"{name} is longer than {longest} characters")


def check_url(name: str, url: str) -> None:
    """Refuse a URL that cannot be fetched: only http and https, with a host, and nothing but printable ASCII."""
    usable = url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url)
        # The port is parsed only when it is asked for.
        usable = usable and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BodyError(401, f"{name} is not a usable http or https URL")
