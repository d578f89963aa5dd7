"""The bytes of the image that a call names: an uploaded object, or the content behind a URL."""

from __future__ import annotations

import time
import urllib.request
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.outgoing import opener

if TYPE_CHECKING:
    from moderate_cli.emulator.objects import ObjectStore
    from moderate_cli.emulator.parameters import ImageParameters

# Both limits stand on the vendor's page of the synchronous API (March 2026).
MAX_BYTES = 20 * 1024 * 1024
DOWNLOAD_SECONDS = 3.0

_CHUNK = 64 * 1024


def read_image(parameters: ImageParameters, objects: ObjectStore) -> bytes:
    """Return the bytes of the image that a call names, or raise the BodyError that fits."""
    if parameters.is_object:
        content = objects.get(parameters.bucket, parameters.object_name)
        if content is None:
            raise BodyError(404, "image download failed: there is no such object")
        _check_size(len(content))
        return content
    return _download(parameters.image_url, parameters.referer)


def _download(url: str, referer: str) -> bytes:
    """Fetch an image in the time that the vendor allows."""
    headers = {"User-Agent": "moderate-cli-emulator", "Accept": "*/*"}
    if referer:
        headers["Referer"] = referer
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  (the scheme was checked)
        with opener().open(request, timeout=DOWNLOAD_SECONDS) as response:
            return _read(response, deadline)
    except TimeoutError:
        raise BodyError(405, "image download timed out") from None
    except HTTPError as error:
        error.close()
        raise BodyError(404, f"image download failed: the host answered {error.code}") from None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise BodyError(405, "image download timed out") from None
        raise BodyError(404, f"image download failed: {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise BodyError(404, f"image download failed: {type(error).__name__}") from None


def _read(response: Any, deadline: float) -> bytes:
    """Read a response up to the size limit, and no longer than the deadline."""
    announced = int(response.headers.get("Content-Length") or 0)
    _check_size(announced)
    content = bytearray()
    # read1 returns what has arrived; read would wait for a full chunk, however slowly the host sends.
    while chunk := response.read1(_CHUNK):
        content += chunk
        _check_size(len(content))
        if time.monotonic() > deadline:
            raise TimeoutError
    if len(content) < announced:
        raise IncompleteRead(bytes(content), announced - len(content))
    return bytes(content)


def _check_size(size: int) -> None:
    """Refuse more bytes than the vendor accepts."""
    if size > MAX_BYTES:
        raise BodyError(406, f"image is too large: more than {MAX_BYTES} bytes")
