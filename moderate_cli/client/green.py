"""The Green client: one method an operation, each answered by a Verdict or a ServiceError."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from io import BufferedReader
from types import TracebackType
from typing import Any, Self

from moderate_cli.catalogue.regions import DEFAULT_REGION
from moderate_cli.catalogue.regions import endpoint as region_endpoint
from moderate_cli.client.answers import read_body
from moderate_cli.client.credentials import Credentials
from moderate_cli.client.endpoint import Endpoint
from moderate_cli.client.operations import Operation, check_text, image_parameters
from moderate_cli.client.replies import read_verdict
from moderate_cli.client.transport import Parameters, Timeouts, Transport
from moderate_cli.client.upload import Uploader, UploadToken
from moderate_cli.verdicts import Call, OssObject, RemoteImage, Verdict


class GreenClient:
    """Speaks to one endpoint of Content Moderation with one pair of keys; safe to share between threads.

    `endpoint` overrides the one of `region`; `vpc` uses the endpoints inside the vendor's network.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        region: str | None = DEFAULT_REGION,
        endpoint: str | None = None,
        vpc: bool = False,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        timeouts = timeouts or Timeouts()
        address = Endpoint.parse(endpoint or region_endpoint(region or DEFAULT_REGION, vpc=vpc))
        self.region = region
        self._transport = Transport(credentials, address, timeouts=timeouts, clock=clock)
        self._uploader = Uploader(
            self.describe_upload_token, internal=vpc, timeouts=(timeouts.connect, timeouts.read), clock=clock
        )

    @property
    def endpoint(self) -> str:
        """The host that this client asks."""
        return self._transport.endpoint.host

    def image_moderation(
        self,
        service: str,
        image: RemoteImage,
        *,
        info_types: Sequence[str] = (),
        data_id: str | None = None,
        referer: str | None = None,
    ) -> Verdict:
        """Judge one image now (ImageModeration, form parameters).

        Raises ServiceError where there is no verdict. Vendor page: "Synchronous moderation API" (2026-03-03).
        """
        parameters = image_parameters(image, info_types=info_types, data_id=data_id, referer=referer)
        check_text("Service", service)
        form = {"Service": service, "ServiceParameters": parameters}
        body, call = self._call(Operation.IMAGE_MODERATION, Parameters(form=form), services=(service,))
        return read_verdict(body, call)

    def describe_upload_token(self) -> UploadToken:
        """Ask for the right to upload files (DescribeUploadToken, no parameters)."""
        body, _ = self._call(Operation.DESCRIBE_UPLOAD_TOKEN, Parameters())
        return UploadToken.read(body)

    def upload(self, file: BufferedReader, *, extension: str = "") -> OssObject:
        """Upload an open file for a later call; the service keeps it for 30 minutes."""
        return self._uploader.upload(file, extension=extension)

    def call(self, operation: Operation, services: tuple[str, ...] = ()) -> Call:
        """Return the description of a call that was not sent yet."""
        return Call(operation=operation.value, services=services, region=self.region, endpoint=self.endpoint)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(
        self, operation: Operation, parameters: Parameters, services: tuple[str, ...] = ()
    ) -> tuple[dict[str, Any], Call]:
        started = time.monotonic()
        body = read_body(self._transport.send(operation.value, parameters))
        elapsed_ms = round((time.monotonic() - started) * 1000)
        call = Call(
            operation=operation.value,
            services=services,
            region=self.region,
            endpoint=self.endpoint,
            attempts=1,
            elapsed_ms=elapsed_ms,
        )
        return body, call
