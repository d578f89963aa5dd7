"""What the service would refuse anyway, found out without the network.

Limits: the vendor's page of the sync operation (2026-03-03).
"""

from __future__ import annotations

from io import BufferedReader
from math import ceil

from moderate_cli.errors import RefusedError
from moderate_cli.preflight.formats import ACCEPTED, HEAD_SIZE, Format, sniff

MAX_BYTES = 20 * 1024 * 1024

__all__ = ["ACCEPTED", "HEAD_SIZE", "MAX_BYTES", "Format", "check_file", "sniff"]


def check_file(file: BufferedReader, size: int) -> Format:
    """Return the format of an open file, which is left at its start.

    `size` is in bytes. Raises RefusedError, with the code that the service would have answered.
    """
    if size == 0:
        raise RefusedError("the file is empty", code="empty", api_code=407)
    if size > MAX_BYTES:
        message = f"{ceil(size / 1024 / 1024 * 10) / 10} MB is more than the 20 MB that the service accepts"
        raise RefusedError(message, code="too_large", api_code=406, hint="scale the image down")
    found = sniff(file.read(HEAD_SIZE))
    file.seek(0)
    if found is None:
        hint = "the content decides, not the name: give a PNG, JPEG, WEBP, BMP, TIFF, GIF, SVG, HEIC or ICO"
        raise RefusedError("the content is not an image", code="not_an_image", api_code=407, hint=hint)
    if found not in ACCEPTED:
        message = f"the service does not accept {found}"
        raise RefusedError(message, code="format_unsupported", api_code=407, hint="convert it to PNG, JPEG or WEBP")
    return found
