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
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from io import BufferedReader
from typing import Any

from moderate_cli.client.endpoint import Endpoint, is_loopback
from moderate_cli.client.retry import Retrier
from moderate_cli.errors import ServiceError, UsageError
from moderate_cli.verdicts import Json, OssObject

EXPIRY_MARGIN = 60.0  # seconds: a token is renewed before an upload could outlive it
KEPT_FOR = 25 * 60.0  # seconds for which an uploaded object is good for further calls, of the 30 minutes
CONNECTIONS = 64  # kept open for further uploads: one for each worker, however many `--jobs` allows
_REMEMBERED = 10_000  # uploads: memory stays flat however many files there are
_EXTENSION = re.compile(r"\.[a-z0-9]{1,5}")
_REGION = re.compile(r"oss-(.+?)(-internal)?\.aliyuncs\.com")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UploadToken:
    """The answer of DescribeUploadToken: temporary credentials for one prefix of one bucket; Unix seconds."""

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
            missing = error.args[0] if isinstance(error, KeyError) else "field"
            message = f"the upload token lacks a usable {missing}"
            raise ServiceError(message, code="unreadable_answer", retryable=True) from None


@dataclass(slots=True)
class _Upload:
    """One upload of some bytes, for which others with the same bytes wait."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    place: OssObject | None = None
    done_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Grant:
    """A token, and the bucket of oss2 that it opens."""

    token: UploadToken
    bucket: Any


class Uploader:
    """Puts files where the service reads them.

    One token and one bucket object serve all threads until shortly before they expire, and bytes that were uploaded
    already are not uploaded again while the service keeps them. `clock_offset` tells how many seconds to add to this
    machine's clock.
    """

    def __init__(
        self,
        fetch_token: Callable[[], UploadToken],
        *,
        internal: bool,
        timeouts: tuple[float, float],
        clock: Callable[[], float],
        clock_offset: Callable[[], float] = lambda: 0.0,
        retrier: Retrier | None = None,
    ) -> None:
        self._fetch_token = fetch_token
        self._internal = internal
        self._timeouts = timeouts
        self._clock = clock
        self._clock_offset = clock_offset
        self._retrier = retrier or Retrier()
        self._lock = threading.Lock()
        self._grant: _Grant | None = None
        self._session: Any = None
        self._uploads: OrderedDict[str, _Upload] = OrderedDict()

    def upload(self, file: BufferedReader, *, extension: str, sha256: str | None = None) -> OssObject:
        """Upload an open file from its start, under a new name, and return where it is.

        `extension` comes with its dot, and is left out if it is an odd one. With `sha256`, the same bytes are uploaded
        once. Raises ServiceError where the token or the upload is refused or fails.
        """
        if sha256 is None:
            return self._put(file, extension)
        upload = self._remembered(sha256)
        with upload.lock:
            if upload.place is None or self._clock() - upload.done_at > KEPT_FOR:
                upload.place = self._put(file, extension)
                upload.done_at = self._clock()
            return upload.place

    def _remembered(self, sha256: str) -> _Upload:
        with self._lock:
            upload = self._uploads.setdefault(sha256, _Upload())
            self._uploads.move_to_end(sha256)
            if len(self._uploads) > _REMEMBERED:
                self._uploads.popitem(last=False)
            return upload

    def _put(self, file: BufferedReader, extension: str) -> OssObject:
        file.seek(0)
        # The MD5 lets OSS refuse damaged bytes; oss2's own check of a CRC is slow without a C compiler.
        headers = {"Content-MD5": base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()}
        suffix = extension if _EXTENSION.fullmatch(extension) else ""
        grant = self._current_grant()

        def mend(error: ServiceError) -> bool:
            nonlocal grant
            if error.http_status != 403:
                return False
            grant = self._another_grant(grant)
            return True

        return self._retrier.run(lambda: self._attempt(file, suffix, headers, grant), mend=mend)[0]

    def _attempt(self, file: BufferedReader, suffix: str, headers: dict[str, str], grant: _Grant) -> OssObject:
        key = f"{grant.token.prefix}{uuid.uuid4()}{suffix}"
        offset = self._clock_offset()
        if offset:
            from email.utils import formatdate

            headers = {**headers, "x-oss-date": formatdate(self._clock() + offset, usegmt=True)}
        file.seek(0)
        oss2 = import_module("oss2")
        try:
            grant.bucket.put_object(key, file, headers=headers)
        except oss2.exceptions.OssError as error:
            raise _upload_error(error, grant.token) from None
        log.info("uploaded %s to %s", key, grant.token.bucket)
        return OssObject(grant.token.bucket, key, _region(grant.bucket.endpoint))

    def _another_grant(self, refused: _Grant) -> _Grant:
        """Return a new token in place of one that OSS refused, unless another thread got one already."""
        with self._lock:
            if self._grant is refused:
                self._grant = None
        return self._current_grant()

    def _current_grant(self) -> _Grant:
        with self._lock:
            if self._grant is None or self._grant.token.expiration - EXPIRY_MARGIN <= self._clock():
                importing = threading.Thread(target=import_module, args=("oss2",), daemon=True)
                importing.start()  # 0.2 s that pass while the request for the token travels
                token = self._fetch_token()
                importing.join()
                self._grant = _Grant(token, self._open_bucket(token))
            return self._grant

    def _open_bucket(self, token: UploadToken) -> Any:
        oss2 = import_module("oss2")
        address = token.internal_endpoint if self._internal else token.internet_endpoint
        self._session = self._session or oss2.Session(pool_size=CONNECTIONS)
        return oss2.Bucket(
            oss2.StsAuth(token.access_key_id, token.access_key_secret, token.security_token),
            check_oss_endpoint(address),
            token.bucket,
            session=self._session,
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


def _upload_error(error: Any, token: UploadToken) -> ServiceError:
    """Return what oss2 raised in our words; its own text repeats headers of the request."""
    if error.status < 0:  # oss2's mark for a request without an answer
        message = f"the upload to {token.bucket} found no answer"
        return ServiceError(message, code="upload_failed", hint="check the network", retryable=True)
    said = error.code or f"HTTP {error.status}"
    return ServiceError(
        f"OSS refused the upload ({said})",
        code=f"oss_{error.code}" if error.code else "upload_failed",
        http_status=error.status,
        request_id=error.request_id or None,
        hint="try again later",
        retryable=error.status >= 500,
    )
