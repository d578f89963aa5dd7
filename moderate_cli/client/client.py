"""The Green client: one method per operation, each of which returns what the service said or raises ServiceError."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

from moderate_cli.catalog.services import DEFAULT_REGION
from moderate_cli.client.auth import Credentials, CredentialSource
from moderate_cli.client.caller import Caller, Done
from moderate_cli.client.limits import RateLimits, RateState, Retrier, Timeouts
from moderate_cli.client.parameters import (
    API_VERSION,
    AsyncOptions,
    CallbackOptions,
    Operation,
    Parameters,
    ParamsIn,
    check_text,
    image_parameters,
    post_parameters,
    split_parameters,
)
from moderate_cli.client.responses import IN_PROGRESS, Response, UnreadableResponseError, read_body
from moderate_cli.client.upload import Uploader, UploadToken
from moderate_cli.client.verdicts import read_result_ext, read_submission, read_verdict
from moderate_cli.common.errors import ServiceError
from moderate_cli.models import Call, Json, OssObject, RemoteImage, Submission, Verdict

_FRAME_HINT = "frame URLs expire after five minutes; this host must be reachable from here"

T = TypeVar("T")

log = logging.getLogger(__name__)


class GreenClient:
    """Calls one endpoint of Content Moderation for one account; safe to share between threads.

    `endpoint` overrides that of `region`, and `vpc` uses the endpoints inside the vendor's network. `limits` may be
    shared by all clients of a process; `queries_per_second` overrides the documented quotas, and is infinite to look
    for them. `clock` returns Unix seconds. Raises UsageError for an endpoint that is not one, or a region without the
    one asked for.
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
        self.region = region
        self._params_in = params_in
        self._caller = Caller(
            credentials,
            version=API_VERSION,
            read=read_body,
            region=region,
            endpoint=endpoint,
            vpc=vpc,
            quota=queries_per_second,
            timeouts=timeouts,
            retrier=retrier,
            limits=limits,
            clock=clock,
        )
        self._uploader = Uploader(
            partial(_upload_token, self._caller),
            internal=vpc,
            timeouts=(self._caller.timeouts.connect, self._caller.timeouts.read),
            clock=clock,
            clock_offset=partial(_clock_offset, self._caller),
            retrier=self._caller.retrier,
        )

    @property
    def endpoint(self) -> str:
        """The host that this client calls, with its port if that is not the usual one."""
        return self._caller.endpoint.host

    @property
    def host(self) -> str:
        """The host without its port."""
        return self._caller.endpoint.hostname

    @property
    def is_encrypted(self) -> bool:
        """Whether calls use TLS; only those to this machine may not."""
        return self._caller.endpoint.scheme == "https"

    @property
    def proxy(self) -> str | None:
        """The proxy for the service, by the usual environment variables; raises ServiceError for an unusable one."""
        return self._caller.transport.proxy()

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

        Raises RefusedError for parameters over a documented limit, and ServiceError if there is no verdict. Vendor
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
        """Judge one image with several services in one call (ImageBatchModeration); each service is billed.

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
        """Return the verdict on a queued image, or None while it is being judged (DescribeImageModerationResult).

        `services` and `data_id` are those with which it was queued, if known. Raises ServiceError.
        """
        return self._result(Operation.DESCRIBE_IMAGE_MODERATION_RESULT, req_id, tuple(services), data_id)

    def multimodal_async_moderation(
        self, service: str, post: Json, *, callback: CallbackOptions | None = None
    ) -> Submission:
        """Queue a post in the API's own shape (MultimodalAsyncModeration); the result is kept for 24 hours.

        `post` holds `mainData`, `commentDatas` and `dataId`. Raises as `image_moderation` does. Vendor page:
        "Multimodal content moderation".
        """
        parameters = post_parameters(post, (callback or CallbackOptions()).fields())
        return self._submission(Operation.MULTIMODAL_ASYNC_MODERATION, (service,), parameters)

    def describe_multimodal_moderation_result(
        self, req_id: str, *, services: Sequence[str] = (), data_id: str | None = None, post: Json | None = None
    ) -> Verdict | None:
        """Return the verdict on a queued post, or None while it is being judged (DescribeMultimodalModerationResult).

        `services`, `data_id` and `post` are those with which it was queued, if known. Raises ServiceError.
        """
        return self._result(Operation.DESCRIBE_MULTIMODAL_MODERATION_RESULT, req_id, tuple(services), data_id, post)

    def describe_image_result_ext(self, request_id: str, info_types: Sequence[str]) -> Json:
        """Return the auxiliary information of an earlier call by its request id (DescribeImageResultExt).

        Raises ServiceError.
        """
        parameters = {"ReqId": request_id, "InfoType": ",".join(info_types)}
        return read_result_ext(self._call(Operation.DESCRIBE_IMAGE_RESULT_EXT, parameters).body)

    def describe_upload_token(self) -> UploadToken:
        """Return temporary credentials for uploads (DescribeUploadToken); raises ServiceError."""
        return _upload_token(self._caller)

    def upload(self, file: BufferedReader, *, extension: str = "", sha256: str | None = None) -> OssObject:
        """Upload an open file for a later call; the service keeps it for 30 minutes.

        With its `sha256`, bytes that this client uploaded in the last 25 minutes are not uploaded again. Raises
        ServiceError if the upload fails, and FileChangedError if the bytes that were sent have another SHA-256.
        """
        return self._uploader.upload(file, extension=extension, sha256=sha256)

    def probe(self, address: str | None = None) -> Response:
        """Send an unsigned request to an address, by default this client's endpoint, and return the response.

        Raises ServiceError if there is none.
        """
        return self._caller.transport.get(address)

    def download(self, address: str) -> bytes:
        """Return the content of a frame by the URL in a verdict; raises ServiceError if it cannot be fetched."""
        from moderate_cli.client.transport import MAX_FRAME

        try:
            response = self._caller.transport.get(address, limit=MAX_FRAME)
        except ServiceError as error:
            error.hint = _FRAME_HINT
            raise
        if response.status != 200:
            message = f"{urlsplit(address).hostname} answers with HTTP {response.status}"
            raise ServiceError(message, code="frame_failed", hint=_FRAME_HINT, http_status=response.status)
        return response.body

    def rate(self, operation: Operation, services: tuple[str, ...]) -> RateState:
        """Return how things stand with the quota of a call; raises CredentialsError."""
        return self._caller.rate(operation, services)

    def call(self, operation: Operation, services: tuple[str, ...] = ()) -> Call:
        """Return the description of a call that has not been sent."""
        return Call(operation=operation.value, services=services, region=self.region, endpoint=self.endpoint)

    def close(self) -> None:
        """Close all connections."""
        self._caller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _verdict(
        self, operation: Operation, services: tuple[str, ...], service_parameters: str, data_id: str | None
    ) -> Verdict:
        done = self._judge(operation, services, service_parameters)
        call = self._description(operation, services, done)
        with _reading(done):
            if done.code == IN_PROGRESS:  # these operations have no task that could be running
                raise UnreadableResponseError(f"its code is {done.code}, and {operation} judges at once")
            return read_verdict(done.body, call, data_id=data_id)

    def _submission(self, operation: Operation, services: tuple[str, ...], service_parameters: str) -> Submission:
        done = self._judge(operation, services, service_parameters)
        with _reading(done):
            return read_submission(done.body, self._description(operation, services, done))

    def _result(
        self,
        operation: Operation,
        req_id: str,
        services: tuple[str, ...],
        data_id: str | None,
        post: Json | None = None,
    ) -> Verdict | None:
        check_text("ReqId", req_id)
        done = self._call(operation, {"ReqId": req_id})
        if done.code == IN_PROGRESS:
            return None
        with _reading(done):
            call = self._description(operation, services, done)
            return read_verdict(done.body, call, data_id=data_id, post=post, req_id=req_id)

    def _judge(self, operation: Operation, services: tuple[str, ...], service_parameters: str) -> Done:
        service = ",".join(services)
        check_text("Service", service)
        return self._call(operation, {"Service": service, "ServiceParameters": service_parameters}, services)

    def _call(self, operation: Operation, parameters: Mapping[str, str], services: tuple[str, ...] = ()) -> Done:
        return self._caller.call(operation, split_parameters(operation, parameters, self._params_in), services)

    def _description(self, operation: Operation, services: tuple[str, ...], done: Done) -> Call:
        return Call(
            operation=operation.value,
            services=services,
            region=self.region,
            endpoint=self.endpoint,
            attempts=done.attempts,
            elapsed_ms=done.elapsed_ms,
            answered_at=done.answered_at,
            repeated=done.repeated,
        )


def _upload_token(caller: Caller) -> UploadToken:
    return UploadToken.read(caller.call(Operation.DESCRIBE_UPLOAD_TOKEN, Parameters()).body, caller.transport.secrets)


def _clock_offset(caller: Caller) -> float:
    return caller.transport.clock_offset


@contextmanager
def _reading(done: Done) -> Iterator[None]:
    """Give the error of an unreadable response the attempts of its call."""
    try:
        yield
    except UnreadableResponseError as error:
        error.attempts, error.repeated = done.attempts, done.repeated
        raise


def with_failover(clients: Sequence[GreenClient], call: Callable[[GreenClient], T]) -> T:
    """Return the result of `call` with the first client whose service does not fail.

    The vendor's samples switch regions once, on code 500. Here that is off unless regions are named, because calls are
    billed in the other region too, and its console settings can differ. An upload belongs to its region, so that
    `call` uploads what it needs itself.

    Raises the last client's ServiceError, or the first that is not a failure of the service, with the attempts so far.
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
            log.warning("%s failed (%s); trying the next region", client.endpoint, error.message)
    return call(clients[-1])


def service_failed(error: ServiceError) -> bool:
    """Tell whether the service itself failed, by the code in the body or the HTTP status."""
    return error.api_code == 500 or (error.api_code is None and (error.http_status or 0) >= 500)
