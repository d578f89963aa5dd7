"""A service that answers ImageModeration, DescribeUploadToken and PutObject after a while, and counts.

    python tests/benchmarks/server.py '{"call_ms": 300, "upload_ms": 100}'

It checks no signature and looks at no image: it must never be what a benchmark waits for. Beyond a quota a call is
answered the way the vendor's page on the sync operation says: HTTP 200 with the code 403 in the body.

Its first line on standard output is its address. A line `look` on standard input is answered by the counts as JSON, and
a line `take` too, after which they begin again; the end of its input ends it.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from counting import UNHEARD, Meter
from quotas import QUOTAS, Quota

_ACTION = re.compile(rb"\r\n(?:x-acs-action|x-amz-target): *([\w.]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KINDS = {b"ImageModeration": "call", b"RekognitionService.DetectModerationLabels": "call"}
_REFUSED = {"Code": 403, "Msg": "qps limit exceeded", "RequestId": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How the service answers; `window` names the kind of its quota of so many calls `per_second`."""

    call_ms: float = 0.0
    upload_ms: float = 0.0
    window: str | None = None
    per_second: float = 0.0
    certificate: str | None = None

    def quota(self) -> Quota | None:
        """Return what counts the calls, where they are limited."""
        return QUOTAS[self.window](self.per_second) if self.window else None


def verdict() -> dict[str, Any]:
    """Return the body of an answer that finds nothing."""
    data = {"RiskLevel": "none", "Result": [{"Label": "nonLabel", "Description": "No risk detected"}]}
    return {"Code": 200, "Msg": "success", "RequestId": "0A1B2C3D-0000-0000-0000-000000000000", "Data": data}


def upload_token(address: str) -> dict[str, Any]:
    """Return the body of an answer that lets upload to an address."""
    data = {
        "AccessKeyId": "STS.benchmark",
        "AccessKeySecret": "secret",
        "SecurityToken": "token",
        "BucketName": "benchmark",
        "FileNamePrefix": "upload/",
        "Expiration": int(time.time()) + 3600,
        "OssInternetEndPoint": address,
        "OssInternalEndPoint": address,
    }
    return {"Code": 200, "Msg": "success", "RequestId": "0", "Data": data}


def encoded(body: dict[str, Any] | None) -> bytes:
    """Return an answer with status 200 as it travels."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}x-oss-request-id: 0\r\nETag: 0\r\n\r\n".encode() + content


class Connection(asyncio.Protocol):
    """One connection, which is kept alive; on each there is one request at a time."""

    def __init__(self, meter: Meter, answer: Callable[[Connection, bytes], None], forget: Callable) -> None:
        self._meter = meter
        self._answer = answer
        self._received = bytearray()
        self._pending: tuple[str, asyncio.TimerHandle] | None = None
        self._call_answered_at = float("-inf")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
