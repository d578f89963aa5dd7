"""How a local file is uploaded to the service's own bucket: an upload token, then a PutObject through oss2.

The service keeps files for 30 minutes (the vendor's pages of the sync and async operations).
"""

from __future__ import annotations

import base64
import hashlib
import logging
import math
import os
import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from io import BufferedReader
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from moderate_cli.client.deadline import within
from moderate_cli.client.limits import Retrier
from moderate_cli.client.parameters import Endpoint
from moderate_cli.client.responses import field_of
from moderate_cli.common.errors import InputError, ServiceError, UsageError
from moderate_cli.common.loopback import is_loopback
from moderate_cli.common.masking import Secrets, mask_text, repr_without
from moderate_cli.common.oss2_door import load_oss2, tame
from moderate_cli.models import Json, OssObject

if TYPE_CHECKING:
    from concurrent.futures import Future

EXPIRY_MARGIN = 60.0  # seconds: a token is renewed before an upload could outlive it
KEPT_FOR = 25 * 60.0  # seconds for which an uploaded object is reused, of the 30 minutes
SLOWEST = 64 * 1024  # bytes/s: the time for an upload is that of a call plus its size divided by this
CONNECTIONS = 64  # kept alive for further uploads: one for each worker, up to the most that `--jobs` allows
_MAX_REMEMBERED = 10_000  # uploads, so that memory stays flat
_MAX_CODE_LENGTH = 100
# OSS's page of error codes (read 2026-11): a transient error, and those that every further upload would have too.
_TRANSIENT = frozenset({"RequestTimeout"})
_FATAL = {
    "RequestTimeTooSkewed": (
        "this machine's clock is more than 15 minutes off, by OSS's (RequestTimeTooSkewed)",
        "set the clock, for example with NTP",
    ),
    "UserDisable": (
        "the account behind the upload storage is disabled (UserDisable)",
        "the account may have an overdue bill: check it in the vendor's console",
    ),
}
_EXTENSION = re.compile(r"\.[a-z0-9]{1,5}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 ._()+-]{1,200}")
_REGION = re.compile(r"oss-(.+?)(-internal)?\.aliyuncs\.com")

log = logging.getLogger(__name__)


class FileChangedError(InputError):
    """A file changed between its hashing and its upload."""

    def __init__(self) -> None:
        super().__init__(
            "the file changed while it was being sent", code="file_changed", hint="try again once it no longer changes"
        )


class _Hashed:
    """A file as it is sent: `size` bytes of it, hashed with SHA-256 on the way."""

    def __init__(self, file: BufferedReader, size: int) -> None:
        self._file = file
        self._left = size
        self._digest = hashlib.sha256()
        self._size = size

    def __len__(self) -> int:
        return self._size

    def read(self, amount: int = -1) -> bytes:
        """Return the next bytes; raises InputError if that fails, FileChangedError if the file has become shorter."""
        try:
            data = self._file.read(self._left if amount < 0 else min(amount, self._left))
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", code="unreadable") from error
        if self._left and amount and not data:
            raise FileChangedError
        self._left -= len(data)
        self._digest.update(data)
        return data

    @property
    def is_sent(self) -> bool:
        """Whether all bytes were read."""
        return not self._left

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was read so far, in hexadecimal."""
        return self._digest.hexdigest()


class UploadToken(Struct, frozen=True):
    """Temporary credentials for one prefix of one bucket, as DescribeUploadToken returns them.

    `expiration` is in Unix seconds; `repr` hides the secrets.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str
    bucket: str
    prefix: str
    expiration: float
    internet_endpoint: str
    internal_endpoint: str

    def __repr__(self) -> str:
        return repr_without(self, "access_key_secret", "security_token")

    @classmethod
    def read(cls, body: Json, secrets: Secrets) -> UploadToken:
        """Return the token in a body, and add its secrets to those that nothing may repeat, its own places included.

        Raises ServiceError if a field is missing or unusable.
        """
        data = field_of(body, "Data")
        fields = data if isinstance(data, Mapping) else {}

        def text(name: str) -> str:
            value = field_of(fields, name)
            if not isinstance(value, str) or not value:
                message = f"the upload token lacks a usable {name}"
                raise ServiceError(message, code="unreadable_answer", hint="try again later", http_status=200)
            return value

        secret, security_token = text("AccessKeySecret"), text("SecurityToken")
        secrets.add(secret, security_token)

        def place(name: str) -> str:
            return mask_text(text(name), secrets.known)

        expiration = field_of(fields, "Expiration")
        if not isinstance(expiration, int | float | str) or not _is_number(expiration):
            raise ServiceError("the upload token lacks a usable Expiration", code="unreadable_answer", http_status=200)
        internet = place("OssInternetEndPoint")
        return cls(
            access_key_id=text("AccessKeyId"),
            access_key_secret=secret,
            security_token=security_token,
            bucket=place("BucketName"),
            prefix=place("FileNamePrefix"),
            expiration=float(expiration),
            internet_endpoint=internet,
            internal_endpoint=place("OssInternalEndPoint") if field_of(fields, "OssInternalEndPoint") else internet,
        )


def _name_on_this_machine(file: BufferedReader, token: UploadToken) -> str:
    """Return the file's name as the end of a key, for an emulator on this machine, whose rules may be by name.

    What is uploaded to the cloud keeps its name to itself.
    """
    host = urlsplit(token.internet_endpoint).hostname
    name = os.path.basename(str(getattr(file, "name", "")))  # noqa: PTH119 - it may be no path, or no file
    return f"/{name}" if host and is_loopback(host) and name.isascii() and _PLAIN_NAME.fullmatch(name) else ""


def _is_number(value: object) -> bool:
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False


class _Upload(Struct):
    """One upload of some bytes, for which others with the same bytes wait; `done_at` is in Unix seconds."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    stored: OssObject | None = None
    done_at: float = 0.0


class _Grant(Struct, frozen=True):
    """A token, and oss2's bucket for it."""

    token: UploadToken
    bucket: Any


class Uploader:
    """Uploads files to where the service reads them; safe to share between threads.

    One token and one bucket object serve all threads until shortly before the token expires, and bytes that were
    uploaded already are not uploaded again while the service keeps them. `timeouts` are those of a connection and of a
    response, in seconds; `clock` returns Unix seconds, and `clock_offset` the seconds to add to them.
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
        self._requested: Future[_Grant] | None = None
        self._session: Any = None
        self._uploads: OrderedDict[str, _Upload] = OrderedDict()

    def upload(self, file: BufferedReader, *, extension: str, sha256: str | None = None) -> OssObject:
        """Upload an open file from its start, under a new name, and return its place in the bucket.

        `extension` includes its dot, and is left out if it is unusual. With `sha256`, the same bytes are uploaded only
        once. Raises ServiceError if the token or the upload is refused or fails, and FileChangedError if the bytes
        that were sent have another SHA-256.
        """
        if sha256 is None:
            return self._put(file, extension, None)
        upload = self._remembered(sha256)
        with upload.lock:
            if upload.stored is None or self._clock() - upload.done_at > KEPT_FOR:
                upload.stored = self._put(file, extension, sha256)
                upload.done_at = self._clock()
            return upload.stored

    def _remembered(self, sha256: str) -> _Upload:
        with self._lock:
            upload = self._uploads.setdefault(sha256, _Upload())
            self._uploads.move_to_end(sha256)
            if len(self._uploads) > _MAX_REMEMBERED:
                self._uploads.popitem(last=False)
            return upload

    def _put(self, file: BufferedReader, extension: str, sha256: str | None) -> OssObject:
        file.seek(0)
        # The MD5 lets OSS refuse damaged bytes; oss2's own check of a CRC is slow without a C compiler.
        headers = {"Content-MD5": base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()}
        size = file.tell()
        grant = self._current_grant()
        suffix = _name_on_this_machine(file, grant.token) or (extension if _EXTENSION.fullmatch(extension) else "")

        def recover(error: ServiceError) -> bool:
            nonlocal grant
            if error.http_status != 403:
                return False
            grant = self._another_grant(grant)
            return True

        def attempt() -> OssObject:
            file.seek(0)
            return self._attempt(_Hashed(file, size), suffix, headers, grant, sha256)

        return self._retrier.run(attempt, recover=recover)[0]

    def _attempt(
        self, content: _Hashed, suffix: str, headers: dict[str, str], grant: _Grant, sha256: str | None
    ) -> OssObject:
        key = f"{grant.token.prefix}{uuid.uuid4()}{suffix}"
        offset = self._clock_offset()
        if offset:
            from email.utils import formatdate

            headers = {**headers, "x-oss-date": formatdate(self._clock() + offset, usegmt=True)}
        oss2 = load_oss2()
        seconds = self._timeouts[1] + len(content) / SLOWEST
        try:
            with within(seconds) as deadline:
                grant.bucket.put_object(key, content, headers=headers)
        except oss2.exceptions.OssError as error:
            if error.status < 0 and deadline.is_over:
                raise _too_slow(grant.token, seconds) from None
            if content.is_sent and sha256 is not None and content.sha256 != sha256:  # so that its MD5 is wrong too
                raise FileChangedError from None
            raise _upload_error(error, grant.token) from None
        except OSError as error:  # the response was cut off; what requests raises is an OSError
            message = f"the response to the upload to {grant.token.bucket} was cut off"
            raise ServiceError(message, code="upload_failed", hint="check the network", retryable=True) from error
        if deadline.is_over:  # a connection cut within the headers looks like a response without a body
            raise _too_slow(grant.token, seconds)
        if sha256 is not None and content.sha256 != sha256:
            raise FileChangedError
        log.info("uploaded %s to %s", key, grant.token.bucket)
        return OssObject(grant.token.bucket, key, _region(grant.bucket.endpoint))

    def _another_grant(self, refused: _Grant) -> _Grant:
        """Return a new grant for one that OSS refused, unless another thread has one already."""
        with self._lock:
            if self._grant is refused:
                self._grant = None
        return self._current_grant()

    def _current_grant(self) -> _Grant:
        """Return the current grant; threads that wait while one is requested share it.

        An error response is for one thread only: the next one that waits requests a grant again.
        """
        from concurrent.futures import Future  # only a run that uploads needs it

        while True:
            with self._lock:
                if self._grant is not None and self._grant.token.expiration - EXPIRY_MARGIN > self._clock():
                    return self._grant
                requested, mine = self._requested, Future[_Grant]()
                if requested is None:
                    self._requested = mine
            if requested is None:
                return self._request(mine)
            try:
                return requested.result()
            except ServiceError as error:
                if error.http_status is None:  # no response, and there will be none for the next one
                    raise

    def _request(self, result: Future[_Grant]) -> _Grant:
        """Request a grant, for all threads that wait for the result."""
        try:
            grant = self._new_grant()
        except BaseException as error:
            with self._lock:
                self._requested = None
            result.set_exception(error)
            raise
        with self._lock:
            self._grant, self._requested = grant, None
        result.set_result(grant)
        return grant

    def _new_grant(self) -> _Grant:
        importing = threading.Thread(target=load_oss2, daemon=True)
        importing.start()  # 0.2 s, while the request for the token is on its way
        token = self._fetch_token()
        importing.join()
        return _Grant(token, self._open_bucket(token))

    def _open_bucket(self, token: UploadToken) -> Any:
        oss2 = load_oss2()
        address = check_oss_endpoint(token.internal_endpoint if self._internal else token.internet_endpoint)
        self._session = self._session or _session(oss2, address)
        try:
            return oss2.Bucket(
                oss2.StsAuth(token.access_key_id, token.access_key_secret, token.security_token),
                address,
                token.bucket,
                session=self._session,
                connect_timeout=self._timeouts,
                enable_crc=False,
            )
        except oss2.exceptions.ClientError as error:
            message = "the upload token names an invalid bucket"
            raise ServiceError(message, code="unreadable_answer", hint="try again later", http_status=200) from error


def _session(oss2: Any, address: str) -> Any:
    """Return a session of oss2 whose connections have deadlines, and the same proxies as ours."""
    from moderate_cli.client.connections import WatchedAdapter
    from moderate_cli.client.transport import proxies_for

    adapter = WatchedAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
    session = tame(oss2.Session(adapter=adapter), address)
    session.session.proxies = proxies_for(address)
    return session


def check_oss_endpoint(address: str) -> str:
    """Return the URL of an OSS endpoint that files may be sent to: https under aliyuncs.com, or this machine.

    One without a scheme, for which oss2 would use plain http, gets https. Raises ServiceError for any other, so that a
    forged response cannot direct users' images elsewhere.
    """
    try:
        endpoint = Endpoint.parse(address)
    except UsageError as error:
        raise _untrusted(address) from error
    if not endpoint.hostname.endswith(".aliyuncs.com") and not is_loopback(endpoint.hostname):
        raise _untrusted(address)
    return endpoint.url


def _untrusted(address: str) -> ServiceError:
    message = f"the service named an upload address outside aliyuncs.com: {address!r}"
    return ServiceError(message, code="untrusted_upload_endpoint", hint="check --endpoint and the proxy", fatal=True)


def _region(address: str) -> str | None:
    found = _REGION.search(address)
    return found[1] if found else None


def _too_slow(token: UploadToken, seconds: float) -> ServiceError:
    message = f"the upload to {token.bucket} took longer than {seconds:.0f} s"
    hint = "check the network, or raise --timeout"
    return ServiceError(message, code="upload_too_slow", hint=hint, retryable=True)


def _upload_error(error: Any, token: UploadToken) -> ServiceError:
    """Return our error for one of oss2, whose own text repeats headers of the request."""
    if error.status < 0:  # oss2's mark for a request without a response
        message = f"no response to the upload to {token.bucket}"
        return ServiceError(message, code="upload_failed", hint="check the network", retryable=True)
    fields = {"Code": str(error.code or ""), "RequestId": str(error.request_id or "")}
    return refused_upload(error.status, fields, token.bucket, (token.access_key_secret, token.security_token))


def refused_upload(status: int, fields: Mapping[str, str], place: str, secrets: tuple[str | None, ...]) -> ServiceError:
    """Return the error of an upload by the HTTP status and the fields of OSS's answer, without repeating secrets."""
    if status // 100 == 3:
        message = f"the upload to {place} was redirected, which is not followed"
        return ServiceError(message, code="upload_redirected", http_status=status, hint="check the proxy")
    code = re.sub(r"[^\w.-]+", "_", mask_text(fields.get("Code", ""), secrets), flags=re.ASCII)[:_MAX_CODE_LENGTH]
    request_id = mask_text(fields.get("RequestId", ""), secrets)[:_MAX_CODE_LENGTH]
    meaning, hint = _FATAL.get(code, (f"OSS refused the upload ({code or f'HTTP {status}'})", "try again later"))
    return ServiceError(
        meaning,
        code=f"oss_{code}" if code else "upload_failed",
        http_status=status,
        request_id=request_id or None,
        hint=hint,
        retryable=status >= 500 or status == 429 or code in _TRANSIENT,
        fatal=code in _FATAL,
    )
