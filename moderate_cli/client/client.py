"""The Green client: one method an operation, each answered by what the service said or by a ServiceError."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from msgspec.structs import replace

from moderate_cli.catalog.services import (
    DEFAULT_REGION,
    is_large_model,
    queries_per_second,
)
from moderate_cli.catalog.services import (
    endpoint as region_endpoint,
)
from moderate_cli.client.auth import Credentials, CredentialSource, FixedCredentials
from moderate_cli.client.limits import RateKey, RateLimiter, RateLimits, Retrier
from moderate_cli.client.parameters import (
    AsyncOptions,
    Operation,
    ParamsIn,
    check_text,
    image_parameters,
    place,
    post_parameters,
)
from moderate_cli.client.responses import IN_PROGRESS, UnreadableAnswerError, read_body
from moderate_cli.client.transport import Answer, Endpoint, Timeouts
from moderate_cli.client.upload import Uploader, UploadToken
from moderate_cli.client.verdicts import read_result_ext, read_submission, read_verdict
from moderate_cli.common.errors import ServiceError
from moderate_cli.models import Call, Json, OssObject, RemoteImage, Submission, Verdict

if TYPE_CHECKING:
    from moderate_cli.client.transport import Transport

LARGE_MODEL_READ_TIMEOUT = 30.0  # seconds: large models take longer than the documented checks (our judgement)

# The errors of a call that was sent and whose answer nobody could read: it may have been judged and billed.
_ANSWER_LOST = frozenset({"connection_lost", "read_timeout", "unreadable_answer"})

log = logging.getLogger(__name__)


class GreenClient:
    """Speaks to one endpoint of Content Moderation for one account; safe to share between threads.

    `endpoint` overrides the one of `region`, and `vpc` uses the endpoints inside the vendor's network. `limits` may be
    shared by clients of one process; `queries_per_second` takes the place of the documented quotas.
    """

    def __init__(
        self,
        credentials: Credentials | CredentialSource,
        *,
        region: str | None = DEFAULT_REGION,
        endpoint: str | None = None,
        vpc: bool = False,
        params_in: ParamsIn = "query",
        queries_per_second: float | None = None,
        timeouts: Timeouts | None = None,
        retrier: Retrier | None = None,
        limits: RateLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        timeouts = timeouts or Timeouts()
        self.region = region
        self._source = FixedCredentials(credentials) if isinstance(credentials, Credentials) else credentials
        self._params_in = params_in
        self._quota = queries_per_second
        self._timeouts = timeouts
        self._retrier = retrier or Retrier()
        self._limits = limits or RateLimits()
        self._address = Endpoint.parse(endpoint or region_endpoint(region or DEFAULT_REGION, vpc=vpc))
        self._clock = clock
        self._opening = threading.Lock()
        self._opened: Transport | None = None
        self._uploader = Uploader(
            self.describe_upload_token,
            internal=vpc,
            timeouts=(timeouts.connect, timeouts.read),
            clock=clock,
            clock_offset=lambda: self._transport.clock_offset,
            retrier=self._retrier,
        )

    @property
    def endpoint(self) -> str:
        """The host that this client asks."""
        return self._address.host

    @property
    def _transport(self) -> Transport:
        """The way to the service, which a run that has all its answers already never takes."""
        with self._opening:
            if self._opened is None:
                from moderate_cli.client.transport import Transport  # requests takes 60 ms

                self._opened = Transport(self._address, timeouts=self._timeouts, clock=self._clock)
            return self._opened

    def image_moderation(
        self,
        service: str,
        image: RemoteImage,
        *,
        info_types: Sequence[str] = (),
        data_id: str | None = None,
        referer: str | None = None,
    ) -> Verdict:
        """Judge one image now (ImageModeration).

        Raises RefusedError for parameters over a documented limit, and ServiceError where there is no verdict. Vendor
        page: "Synchronous moderation API" (2026-03-03).
        """
        parameters = image_parameters(image, info_types=info_types, data_id=data_id, referer=referer)
        return self._verdict(Operation.IMAGE_MODERATION, (service,), parameters, data_id)

    def image_batch_moderation(
        self,
        services: Sequence[str],
        image: RemoteImage,
        *,
        info_types: Sequence[str] = (),
        data_id: str | None = None,
        referer: str | None = None,
    ) -> Verdict:
        """Judge one image with several services in one call (ImageBatchModeration); each of them is billed.

        Raises as `image_moderation` does. Vendor page of the same name.
        """
        parameters = image_parameters(image, info_types=info_types, data_id=data_id, referer=referer)
        return self._verdict(Operation.IMAGE_BATCH_MODERATION, tuple(services), parameters, data_id)

    def image_async_moderation(
        self,
        service: str,
        image: RemoteImage,
        *,
        info_types: Sequence[str] = (),
        data_id: str | None = None,
        referer: str | None = None,
        options: AsyncOptions | None = None,
    ) -> Submission:
        """Queue one image, animation or long image (ImageAsyncModeration); the result is kept for 3 days.

        Raises as `image_moderation` does. Vendor page of the same name.
        """
        further = (options or AsyncOptions()).fields()
        parameters = image_parameters(image, info_types=info_types, data_id=data_id, referer=referer, further=further)
        return self._submission(Operation.IMAGE_ASYNC_MODERATION, (service,), parameters)

    def describe_image_moderation_result(
        self, req_id: str, *, services: Sequence[str] = (), data_id: str | None = None
    ) -> Verdict | None:
        """Return the verdict on a queued image, or None while it is judged (DescribeImageModerationResult).

        `services` and `data_id` are those with which it was queued, where that is known. Raises ServiceError.
        """
        return self._result(Operation.DESCRIBE_IMAGE_MODERATION_RESULT, req_id, services, data_id)

    def multimodal_async_moderation(self, service: str, post: Json) -> Submission:
        """Queue a post in the API's own shape (MultimodalAsyncModeration); the result is kept for 24 hours.

        `post` holds `mainData`, `commentDatas` and `dataId`. Raises as `image_moderation` does. Vendor page:
        "Multimodal content moderation".
        """
        parameters = post_parameters(post)
        return self._submission(Operation.MULTIMODAL_ASYNC_MODERATION, (service,), parameters)

    def describe_multimodal_moderation_result(
        self, req_id: str, *, services: Sequence[str] = (), data_id: str | None = None, post: Json | None = None
    ) -> Verdict | None:
        """Return the verdict on a queued post, or None while it is judged (DescribeMultimodalModerationResult).

        `services`, `data_id` and the `post` itself are those with which it was queued, where that is known. Raises
        ServiceError.
        """
        return self._result(Operation.DESCRIBE_MULTIMODAL_MODERATION_RESULT, req_id, services, data_id, post)

    def describe_image_result_ext(self, request_id: str, info_types: Sequence[str]) -> Json:
        """Return the auxiliary information of an earlier call, by its request id (DescribeImageResultExt)."""
        parameters = {"ReqId": request_id, "InfoType": ",".join(info_types)}
        return read_result_ext(self._call(Operation.DESCRIBE_IMAGE_RESULT_EXT, parameters)[1])

    def describe_upload_token(self) -> UploadToken:
        """Ask for the right to upload files (DescribeUploadToken)."""
        return UploadToken.read(self._call(Operation.DESCRIBE_UPLOAD_TOKEN, {})[1])

    def upload(self, file: BufferedReader, *, extension: str = "", sha256: str | None = None) -> OssObject:
        """Upload an open file for a later call; the service keeps it for 30 minutes.

        With its `sha256`, bytes that this client uploaded a short while ago are not uploaded again.
        """
        return self._uploader.upload(file, extension=extension, sha256=sha256)

    @property
    def host(self) -> str:
        """The host's name alone, without a port."""
        return self._address.hostname

    @property
    def is_encrypted(self) -> bool:
        """Whether calls travel over TLS; only those to this machine may not."""
        return self._address.scheme == "https"

    @property
    def proxy(self) -> str | None:
        """The proxy on the way to the service, by the usual environment variables."""
        return self._transport.proxy()

    def probe(self, address: str | None = None) -> Answer:
        """Ask an address, or else this client's endpoint, without a signature; any answer shows that it is there.

        Raises ServiceError where there is none.
        """
        return self._transport.get(address)

    def download(self, address: str) -> bytes:
        """Return the frame behind an address that an answer named; raises ServiceError where there is none."""
        from moderate_cli.client.transport import MAX_FRAME

        answer = self._transport.get(address, limit=MAX_FRAME)
        if answer.status != 200:
            raise ServiceError(f"HTTP {answer.status} for its address", code="frame_failed", http_status=answer.status)
        return answer.body

    def call(self, operation: Operation, services: tuple[str, ...] = ()) -> Call:
        """Return the description of a call that was not sent yet."""
        return Call(operation=operation.value, services=services, region=self.region, endpoint=self.endpoint)

    def close(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _verdict(
        self, operation: Operation, services: tuple[str, ...], service_parameters: str, data_id: str | None
    ) -> Verdict:
        code, body, call = self._judge(operation, services, service_parameters)
        with _reading(call):
            if code == IN_PROGRESS:  # these operations know no task that could be running
                raise UnreadableAnswerError(f"its code is {code}, and {operation} answers at once")
            return read_verdict(body, call, data_id=data_id)

    def _submission(self, operation: Operation, services: tuple[str, ...], service_parameters: str) -> Submission:
        _, body, call = self._judge(operation, services, service_parameters)
        with _reading(call):
            return read_submission(body, call)

    def _judge(
        self, operation: Operation, services: tuple[str, ...], service_parameters: str
    ) -> tuple[int, dict[str, Any], Call]:
        service = ",".join(services)
        check_text("Service", service)
        parameters = {"Service": service, "ServiceParameters": service_parameters}
        return self._call(operation, parameters, services)

    def _result(
        self,
        operation: Operation,
        req_id: str,
        services: Sequence[str],
        data_id: str | None,
        post: Json | None = None,
    ) -> Verdict | None:
        check_text("ReqId", req_id)
        code, body, call = self._call(operation, {"ReqId": req_id})
        if code == IN_PROGRESS:
            return None
        with _reading(call):
            return read_verdict(body, replace(call, services=tuple(services)), data_id=data_id, post=post)

    def _call(
        self, operation: Operation, parameters: Mapping[str, str], services: tuple[str, ...] = ()
    ) -> tuple[int, dict[str, Any], Call]:
        """Send one call, as often as it takes, and return the code and the body of its answer."""
        placed = place(operation, parameters, self._params_in)
        timeout = self._read_timeout(services)
        used: Credentials
        was_lost = repeated = False

        def attempt() -> tuple[int, dict[str, Any]]:
            nonlocal used, was_lost, repeated
            repeated = was_lost
            used = self._source.current()
            limiter = self._limiter(used, operation, services)
            started = limiter.wait()
            try:
                answer = read_body(self._transport.send(operation.value, placed, used, read_timeout=timeout))
            except ServiceError as error:
                if error.throttled:
                    limiter.refused(started)
                if error.code in _ANSWER_LOST:
                    if operation.is_billed:
                        was_lost = True
                    else:
                        error.max_attempts = None
                raise
            limiter.accepted(started)
            return answer

        started = time.monotonic()
        try:
            (code, body), attempts = self._retrier.run(attempt, recover=lambda error: self._recover(error, used))
        except ServiceError as error:
            error.repeated = repeated
            raise
        elapsed_ms = round((time.monotonic() - started) * 1000)
        call = self.call(operation, services)
        call = replace(call, attempts=attempts, elapsed_ms=elapsed_ms, answered_at=self._clock(), repeated=repeated)
        return code, body, call

    def _recover(self, error: ServiceError, used: Credentials) -> bool:
        """Remove the cause of an error where this machine can: a wrong clock, or credentials that have expired."""
        if error.clock_skew is not None:
            if abs(self._transport.clock_offset + error.clock_skew) > 1:  # the other threads' errors say the same
                self._transport.clock_offset = -error.clock_skew
                log.warning("%s; corrected for this run by the service's clock", error.message)
            return True
        return error.code.startswith("InvalidSecurityToken") and self._source.renew(used)

    def _limiter(self, used: Credentials, operation: Operation, services: tuple[str, ...]) -> RateLimiter:
        quota = self._quota or min(queries_per_second(operation.value, service) for service in services or ("",))
        return self._limits.limiter(RateKey(used.access_key_id, self.endpoint, operation.value, quota))

    def _read_timeout(self, services: tuple[str, ...]) -> float | None:
        is_large = any(is_large_model(service) for service in services)
        return max(self._timeouts.read, LARGE_MODEL_READ_TIMEOUT) if is_large else None


@contextmanager
def _reading(call: Call) -> Iterator[None]:
    """Let an answer that cannot be read tell how it came."""
    try:
        yield
    except UnreadableAnswerError as error:
        error.attempts, error.repeated = call.attempts, call.repeated
        raise


T = TypeVar("T")


def with_failover(clients: Sequence[GreenClient], call: Callable[[GreenClient], T]) -> T:
    """Return what a call returns with the first client whose service does not fail.

    `call` uploads what it needs by itself. Raises the last client's ServiceError, or the first that is no failure of
    the service, with the attempts so far.
    """
    made = 0
    for client in clients[:-1]:
        try:
            return call(client)
        except ServiceError as error:
            made += error.attempts
            error.attempts = made
            if not service_failed(error):
                raise
            log.warning("%s failed (%s); asking the next region", client.endpoint, error.message)
    return call(clients[-1])


def service_failed(error: ServiceError) -> bool:
    """Tell whether the service itself failed, by its body's code or its status."""
    return error.api_code == 500 or (error.api_code is None and (error.http_status or 0) >= 500)
