"""Local files go to the service's own bucket: an upload token, then a PutObject through oss2.

Files are kept there for 30 minutes (the vendor's pages of the sync and async operations).
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any

from moderate_cli.client.endpoint import Endpoint, is_loopback
from moderate_cli.errors import ServiceError, UsageError
from moderate_cli.verdicts import Json, OssObject

EXPIRY_MARGIN = 60.0  # seconds: a token is renewed before an upload could outlive it
_EXTENSION = re.compile(r"\.[a-z0-9]{1,5}")
_REGION = re.compile(r"oss-(.+?)(-internal)?\.aliyuncs\.com")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UploadToken:
    """The answer of DescribeUploadToken: temporary credentials for one prefix of one bucket."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(repr=False)
    bucket: str
    prefix: str
    expiration: float
    internet_endpoint: str
    internal_endpoint: str

    @classmethod
    def read(cls, body: Json) -> UploadToken:
        """Read the body of an answer; raises ServiceError where a field is missing."""
        data = body.get("Data") or {}
        try:
            return cls(
                access_key_id=data["AccessKeyId"],
                access_key_secret=data["AccessKeySecret"],
                security_token=data["SecurityToken"],
                bucket=data["BucketName"],
                prefix=data["FileNamePrefix"],
                expiration=float(data["Expiration"]),
                internet_endpoint=data["OssInternetEndPoint"],
                internal_endpoint=data.get("OssInternalEndPoint") or data["OssInternetEndPoint"],
            )
        except (KeyError, TypeError, ValueError) as error:
            message = f"the upload token lacks a usable {error.args[0] if error.args else 'field'}"
            raise ServiceError(message, code="unreadable_answer", retryable=True) from error


class Uploader:
    """Puts files where the service reads them; one token and one bucket object serve all threads until they expire."""

    def __init__(
        self,
        fetch_token: Callable[[], UploadToken],
        *,
        internal: bool,
        timeouts: tuple[float, float],
        clock: Callable[[], float],
    ) -> None:
        self._fetch_token = fetch_token
        self._internal = internal
        self._timeouts = timeouts
        self._clock = clock
        self._lock = threading.Lock()
        self._grant: tuple[UploadToken, Any] | None = None

    def upload(self, file: BufferedReader, *, extension: str) -> OssObject:
        """Upload an open file from its start, under a new name.

        `extension` comes with its dot, and is left out if it is an odd one.
        Raises ServiceError where the token or the upload is refused or fails.
        """
        import oss2

        token, bucket = self._current_grant()
        key = f"{token.prefix}{uuid.uuid4()}{extension if _EXTENSION.fullmatch(extension) else ''}"
        file.seek(0)
        digest = base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()
        file.seek(0)
        try:
            # The MD5 lets OSS refuse damaged bytes; oss2's own check of a CRC is slow without a C compiler.
            bucket.put_object(key, file, headers={"Content-MD5": digest})
        except oss2.exceptions.OssError as error:
            raise _upload_error(error) from error
        log.info("uploaded %s to %s", key, token.bucket)
        return OssObject(token.bucket, key, _region(bucket.endpoint))

    def _current_grant(self) -> tuple[UploadToken, Any]:
        with self._lock:
            if self._grant is None or self._grant[0].expiration - EXPIRY_MARGIN <= self._clock():
                token = self._fetch_token()
                self._grant = token, self._open_bucket(token)
            return self._grant

    def _open_bucket(self, token: UploadToken) -> Any:
        import oss2

        address = token.internal_endpoint if self._internal else token.internet_endpoint
        return oss2.Bucket(
            oss2.StsAuth(token.access_key_id, token.access_key_secret, token.security_token),
            check_oss_endpoint(address),
            token.bucket,
            connect_timeout=self._timeouts,
            enable_crc=False,
        )


def check_oss_endpoint(address: str) -> str:
    """Return an OSS endpoint that files may be sent to: https under aliyuncs.com, or this machine.

    Raises ServiceError for any other, so that a forged answer cannot draw users' images elsewhere.
    """
    try:
        host = Endpoint.parse(address).hostname
    except UsageError as error:
        raise _untrusted(address) from error
    if not host.endswith(".aliyuncs.com") and not is_loopback(host):
        raise _untrusted(address)
    return address


def _untrusted(address: str) -> ServiceError:
    message = f"the service named an upload address outside aliyuncs.com: {address!r}"
    return ServiceError(message, code="untrusted_upload_endpoint", hint="check --endpoint and the proxy", fatal=True)


def _region(address: str) -> str | None:
    found = _REGION.search(address)
    return found[1] if found else None


def _upload_error(error: Any) -> ServiceError:
    """Return what oss2 raised in our words; its own text repeats headers of the request."""
    if error.status < 0:  # oss2's mark for a request without an answer
        return ServiceError(
            "the upload found no connection to OSS", code="upload_failed", hint="check the network", retryable=True
        )
    return ServiceError(
        f"OSS refused the upload ({error.code or f'HTTP {error.status}'}: {error.message})",
        code=f"oss_{error.code}" if error.code else "upload_failed",
        http_status=error.status,
        request_id=error.request_id,
        hint="try again; the upload token may have expired",
        retryable=error.status >= 500 or error.status == 403,
    )
