"""Which objects are in a bucket of OSS, and by which address may the service download one? With oss2, the vendor's SDK.

All is signed with V4: since September 2025 new buckets take no V1 (the vendor's notice on signatures).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from moderate_cli.common.errors import InputError, ServiceError, UsageError
from moderate_cli.common.oss2_door import load_oss2, tame
from moderate_cli.models import OssObject

_PAGE = 1000  # objects: the most that OSS gives at once
_PAUSES = (1.0, 4.0)  # seconds before each further try: what a listing has not shown would have no verdict
_SIGNED_FOR = 3600  # seconds: longer than any retry waits, for an address is signed when its image is next
_ENDPOINT = re.compile(r"https://(?:[a-z0-9-]+\.)+aliyuncs\.com|https?://(?:localhost|127\.0\.0\.1)(?::\d{1,5})?")
_ELSEWHERE = re.compile(r"(oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com)")


class Credentials(Protocol):
    """What requests are signed with."""

    @property
    def access_key_id(self) -> str:
        """The public half."""

    @property
    def access_key_secret(self) -> str:
        """The secret half."""

    @property
    def security_token(self) -> str | None:
        """What temporary credentials need besides."""


class OssAccount(Struct, frozen=True, kw_only=True):
    """Opens the buckets that an account may list, or read.

    `credentials` are asked for before each request, since a listing may outlive temporary ones. A bucket of another
    region than `region` is found there, unless another `endpoint` than the region's is given. `timeouts` are in
    seconds, for the connection and for each answer. Raises UsageError for an endpoint outside aliyuncs.com that is not
    this machine, and for plain http to it: requests carry the id and the token of the credentials.
    """

    credentials: Callable[[], Credentials]
    region: str
    endpoint: str
    timeouts: tuple[float, float] = (10.0, 30.0)
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Refuse an endpoint that is not to be trusted."""
        check_endpoint(self.endpoint)

    def __call__(self, name: str) -> OssBucket:
        """Return a bucket; nothing is sent until its objects are asked for."""
        return OssBucket(self, name)


class OssBucket:
    """One bucket of an account; safe to use from many threads."""

    def __init__(self, account: OssAccount, name: str) -> None:
        self.account = account
        self.name = name
        self._lock = threading.Lock()
        self._signer: Any = None

    def objects(self, prefix: str) -> Iterator[OssObject]:
        """Yield the objects whose keys start with a prefix, one page of 1,000 after the other, with their region.

        Raises InputError where there is no such bucket, and ServiceError where OSS refuses or does not answer.
        """
        session = tame(load_oss2().Session(), self.account.endpoint)
        try:
            bucket, region = self._locate(session)
            token = ""
            while True:
                page = self._ask(partial(bucket.list_objects_v2, prefix, continuation_token=token, max_keys=_PAGE))
                for found in page.object_list:
                    yield OssObject(self.name, found.key, region, found.etag)
                if not page.is_truncated:
                    return
                token = page.next_continuation_token
        finally:
            session.session.close()

    def sign(self, key: str) -> str:
        """Return an address from which anybody may download an object for an hour; raises as `objects`.

        The first one asks where the bucket is.
        """
        with self._lock:
            if self._signer is None:
                self._signer = self._find_signer()
        try:
            return str(self._signer.sign_url("GET", key, _SIGNED_FOR, slash_safe=True))
        except load_oss2().exceptions.ClientError:
            hint = "write oss://BUCKET/KEY"
            raise InputError(f"{key!r} is not the key of an object", code="source_invalid", hint=hint) from None

    def _find_signer(self) -> Any:
        session = tame(load_oss2().Session(), self.account.endpoint)
        try:
            bucket, region = self._locate(session)
        finally:
            session.session.close()
        # Whoever downloads it need not be in the network that we are in.
        return self._open(session, bucket.endpoint.replace("-internal.aliyuncs.com", ".aliyuncs.com"), region)

    def _locate(self, session: Any) -> tuple[Any, str]:
        """Return the bucket at the endpoint of its region, and the region."""
        account = self.account
        bucket = self._open(session, account.endpoint, account.region)
        try:
            location: str = self._ask(bucket.get_bucket_info).location
        except _ElsewhereError as error:
            return self._open(session, error.endpoint, error.region), error.region
        except ServiceError as error:
            if error.code != "oss_AccessDenied":
                raise
            # Credentials that may list and nothing else: the region whose endpoint did not send us away is the
            # bucket's.
            return bucket, account.region
        return bucket, location.removeprefix("oss-")

    def _open(self, session: Any, endpoint: str, region: str) -> Any:
        oss2 = load_oss2()
        auth = oss2.ProviderAuthV4(_Provider(self.account.credentials))
        timeouts = self.account.timeouts
        try:
            return oss2.Bucket(auth, endpoint, self.name, session=session, connect_timeout=timeouts, region=region)
        except oss2.exceptions.ClientError:
            hint = "write oss://BUCKET/PREFIX/"
            raise InputError(f"{self.name!r} is not a bucket name", code="no_bucket", hint=hint) from None

    def _ask(self, request: Callable[[], Any]) -> Any:
        """Return the answer to a request, which is sent again where that may help."""
        for pause in _PAUSES:
            try:
                return self._ask_once(request)
            except ServiceError as error:
                if not error.retryable:
                    raise
            self.account.sleep(pause)
        return self._ask_once(request)

    def _ask_once(self, request: Callable[[], Any]) -> Any:
        oss2 = load_oss2()
        try:
            return request()
        except oss2.exceptions.OssError as error:
            raise _translate_error(error) from None
        except (OSError, SyntaxError, RuntimeError):  # an answer that broke off, or that oss2 cannot read
            raise ServiceError("unreadable response from OSS", code="unreadable_answer", retryable=True) from None


class _Provider:
    """The current credentials, in the form in which oss2 asks for them."""

    def __init__(self, credentials: Callable[[], Credentials]) -> None:
        self._credentials = credentials

    def get_credentials(self) -> Any:
        current = self._credentials()
        return load_oss2().credentials.Credentials(
            current.access_key_id, current.access_key_secret, current.security_token or ""
        )


class _ElsewhereError(ServiceError):
    """The bucket is in another region."""

    def __init__(self, host: str, region: str) -> None:
        hint = f"use region {region}, or set the OSS endpoint to https://{host}"
        super().__init__(f"the bucket is in region {region}", code="oss_elsewhere", hint=hint, http_status=403)
        self.endpoint = f"https://{host}"
        self.region = region


def _translate_error(error: Any) -> InputError | ServiceError:
    """Return an oss2 error as one of ours; its own text repeats parts of the request."""
    if error.status < 0:  # oss2's mark for a request without an answer
        hint = "check the network, the region and the OSS endpoint"
        return ServiceError("no response from OSS", code="oss_unreachable", hint=hint, retryable=True)
    if error.code == "NoSuchBucket":
        return InputError("no such bucket", code="oss_NoSuchBucket", hint="check its name")
    elsewhere = _ELSEWHERE.fullmatch(error.details.get("Endpoint", ""))
    if error.code == "AccessDenied" and elsewhere:
        return _ElsewhereError(elsewhere[1], elsewhere[2])
    is_denied = error.code == "AccessDenied"
    said = error.code or f"HTTP {error.status}"
    return ServiceError(
        "the account is not allowed to list the bucket" if is_denied else f"OSS refused to list the bucket ({said})",
        code=f"oss_{error.code}" if error.code else "oss_refused",
        hint="grant it oss:ListObjects there" if is_denied else None,
        http_status=error.status,
        request_id=error.request_id or None,
        retryable=error.status >= 500,
    )


def check_endpoint(endpoint: str) -> None:
    """Refuse an endpoint to which the id and the token of credentials must not go; raises UsageError."""
    if not _ENDPOINT.fullmatch(endpoint):
        hint = "give https:// with a host under aliyuncs.com, or this machine"
        raise UsageError(f"{endpoint!r} is not an OSS endpoint", hint=hint)


def oss_endpoint(region: str, *, vpc: bool = False) -> str:
    """Return the endpoint of OSS in a region, in public or inside the vendor's network."""
    return f"https://oss-{region}{'-internal' if vpc else ''}.aliyuncs.com"
