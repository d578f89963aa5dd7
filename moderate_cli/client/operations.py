"""The operations of API 2022-03-02: their names, and how their parameters are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum

from moderate_cli.errors import InputError
from moderate_cli.verdicts import ImageUrl, RemoteImage


class Operation(StrEnum):
    """The operations by the name that travels in `x-acs-action`."""

    IMAGE_MODERATION = "ImageModeration"
    DESCRIBE_UPLOAD_TOKEN = "DescribeUploadToken"  # noqa: S105 - a name, not a password


def image_fields(image: RemoteImage) -> dict[str, str]:
    """Return the service parameters that name an image."""
    if isinstance(image, ImageUrl):
        return {"imageUrl": image.url}
    fields = {"ossBucketName": image.bucket, "ossObjectName": image.key}
    return fields | ({"ossRegionId": image.region} if image.region else {})


def check_text(name: str, value: str) -> None:
    """Refuse text that cannot travel, which an odd byte on the command line becomes; raises InputError."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name} is not valid UTF-8", code="not_utf8") from error


def image_parameters(
    image: RemoteImage, *, info_types: Sequence[str] = (), data_id: str | None = None, referer: str | None = None
) -> str:
    """Return the ServiceParameters of a call about one image: a JSON text."""
    optional = {"dataId": data_id, "referer": referer, "infoType": ",".join(info_types)}
    fields = image_fields(image) | {name: value for name, value in optional.items() if value}
    for name, value in fields.items():
        check_text(name, value)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
