"""Where do the bytes of an image come from? From an upload, or from an address that may be fetched."""

from __future__ import annotations

import socket
import time
import urllib.request
from enum import Enum
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from moderate_cli.emulator.callbacks import opener
from moderate_cli.emulator.messages import NOTHING_CHECKED, BodyError

if TYPE_CHECKING:
    from moderate_cli.emulator.inputs import ImageParameters
    from moderate_cli.emulator.state import ObjectStore

# The limits of an image and its download: the vendor's page of the synchronous API (March 2026).
MAX_BYTES = 20 * 1024 * 1024
DOWNLOAD_SECONDS = 3.0

_CHUNK = 64 * 1024  # bytes that are read at once


class Fetch(Enum):
    """Which addresses the emulator fetches images from: none, those of the internet, or private ones as well."""

    NONE = "none"
    PUBLIC = "public"
    PRIVATE = "private"


class _PrivateAddressError(OSError):
    """A host that is not of the internet."""


def read_image(parameters: ImageParameters, objects: ObjectStore, fetch: Fetch) -> bytes:
    """Return the bytes of the image that a call names, or raise BodyError."""
    if parameters.is_object:
        content = objects.get(parameters.bucket, parameters.object_name)
        if content is None:
            raise BodyError(404, "image download failed: there is no such object")
        _check_size(len(content))
        return content
    if fetch is Fetch.NONE:
        raise BodyError(NOTHING_CHECKED, "the local engine fetches addresses of the internet with --fetch-urls only")
    return _download(parameters.image_url, parameters.referer, fetch)


def _download(url: str, referer: str, fetch: Fetch) -> bytes:
    """Fetch an image in the time that the vendor allows."""
    headers = {"User-Agent": "moderate-cli-emulator", "Accept": "*/*"}
    if referer:
        headers["Referer"] = referer
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  (the scheme was checked)
        with _OPENERS[fetch].open(request, timeout=DOWNLOAD_SECONDS) as response:
            return _read(response, deadline)
    except TimeoutError:
        raise BodyError(405, "image download timed out") from None
    except HTTPError as error:
        error.close()
        raise BodyError(404, f"image download failed: the host answered {error.code}") from None
    except URLError as error:
        if isinstance(error.reason, _PrivateAddressError):
            raise BodyError(404, f"image download failed: {error.reason}") from None
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
    """Raise BodyError for more bytes than the vendor accepts."""
    if size > MAX_BYTES:
        raise BodyError(406, f"image is too large: more than {MAX_BYTES} bytes")


class _PublicConnection(HTTPConnection):
    """A connection to a host of the internet, whatever its name, or a redirect, says."""

    def connect(self) -> None:
        """Connect to the first address that answers; raises _PrivateAddressError where one of them is private."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [address[0] for *_, address in found]
        for address in addresses:
            if not _is_public(str(address)):
                raise _PrivateAddressError(f"{self.host} is a private address")
        # By its number: a second look-up of the name could bring another address.
        self.sock = socket.create_connection((str(addresses[0]), self.port), self.timeout)


class _PublicTlsConnection(HTTPSConnection, _PublicConnection):
    """The same with TLS, which HTTPSConnection adds to what the next class connects."""


class _PublicHttp(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_PublicConnection, request)


class _PublicHttps(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_PublicTlsConnection, request)


def _is_public(address: str) -> bool:
    number = ip_address(address.partition("%")[0])
    mapped = number.ipv4_mapped if isinstance(number, IPv6Address) else None
    return (mapped or number).is_global and not number.is_multicast


_OPENERS = {Fetch.PUBLIC: opener(_PublicHttp, _PublicHttps), Fetch.PRIVATE: opener()}
