"""A service that answers ImageModeration, DescribeUploadToken and PutObject after a while, and counts.

    python tests/benchmarks/server.py '{"call_ms": 300, "upload_ms": 100}'

It checks no signature and looks at no image: it must never be what a benchmark waits for. Beyond a quota a call is
answered as the vendor's page on the sync operation tells: HTTP 200 with the code 403 in the body.

Its first line on standard output is its address. A line `look` on standard input is answered by the counts as JSON, and
a line `take` too, after which they begin again; the end of its input ends it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import ssl
import sys
import threading
import time
from typing import Any

from counting import Meter
from quotas import QUOTAS

_ACTION = re.compile(rb"\r\n(?:x-acs-action|x-amz-target): *([\w.]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# What an image is called: by its data id, else by the end of its address.
_NAME = re.compile(rb"(?:dataId|imageUrl)%22%3A%22(?:[\w.-]+%3A%2F%2F[\w.%-]+%2F)?([\w.-]+)")
_REKOGNITION = b"RekognitionService.DetectModerationLabels"


def _encoded(body: dict[str, Any] | None) -> bytes:
    """Return an answer with status 200 as it travels."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}x-oss-request-id: 0\r\nETag: 0\r\n\r\n".encode() + content


_FOUND_NOTHING = {"RiskLevel": "none", "Result": [{"Label": "nonLabel", "Description": "No risk detected"}]}
_REQUEST_ID = "0A1B2C3D-0000-0000-0000-000000000000"
_VERDICT = _encoded({"Code": 200, "Msg": "success", "RequestId": _REQUEST_ID, "Data": _FOUND_NOTHING})
_REFUSED = _encoded({"Code": 403, "Msg": "qps limit exceeded", "RequestId": _REQUEST_ID})
_NO_LABELS = _encoded({"ModerationLabels": [], "ModerationModelVersion": "7.0"})
_EMPTY = _encoded(None)
_NUMBERS = itertools.count()


class Service:
    """How requests are answered: after how many milliseconds, and how many calls a second in which kind of window."""

    def __init__(
        self, *, call_ms: float = 0.0, upload_ms: float = 0.0, window: str | None = None, per_second: float = 0.0
    ) -> None:
        self.meter = Meter()
        self.address = ""
        self._call_delay = call_ms / 1000
        self._upload_delay = upload_ms / 1000
        self._quota = QUOTAS[window](per_second) if window else None

    def answer(self, head: bytes) -> tuple[str | None, float, bytes]:
        """Return what kind of request this is where it is counted, after how many seconds its answer goes, and that."""
        if head.startswith(b"PUT "):
            return "upload", self._upload_delay, _EMPTY
        found = _ACTION.search(head)
        action = found[1] if found else b""
        if action == _REKOGNITION:
            return "call", self._call_delay, _NO_LABELS
        if action == b"ImageModeration":
            if self._quota is None or self._quota.admits(time.time()):
                return "call", self._call_delay, _VERDICT
            self.meter.counts.refused += 1
            return "call", 0.0, _REFUSED
        return None, 0.0, self._upload_token() if action == b"DescribeUploadToken" else _EMPTY

    def _upload_token(self) -> bytes:
        data = {
            "AccessKeyId": "STS.benchmark",
            "AccessKeySecret": "secret",
            "SecurityToken": "token",
            "BucketName": "benchmark",
            "FileNamePrefix": "upload/",
            "Expiration": int(time.time()) + 3600,
            "OssInternetEndPoint": self.address,
            "OssInternalEndPoint": self.address,
        }
        return _encoded({"Code": 200, "Msg": "success", "RequestId": _REQUEST_ID, "Data": data})


class Connection(asyncio.Protocol):
    """One connection, which is kept alive; on each there is one request at a time."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._meter = service.meter
        self._number = next(_NUMBERS)
        self._received = bytearray()
        self._kind: str | None = None
        self._pending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._meter.counts.connections += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end])
        length = _LENGTH.search(head)
        if len(self._received) < end + 4 + (int(length[1]) if length else 0):
            return
        found = _NAME.search(bytes(self._received), end)
        self._received.clear()
        self._kind, delay, answer = self._service.answer(head)
        if self._kind:
            self._meter.begin(self._kind, self._loop.time())
        if self._kind == "call":
            self._meter.counts.asked.append((self._number, found[1].decode() if found else ""))
        if delay:
            self._pending = self._loop.call_later(delay, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        self._pending = None
        if self._kind:
            self._meter.end(self._kind, self._loop.time(), is_answered=True)
        self._transport.write(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._pending is not None and self._kind:
            self._pending.cancel()
            self._meter.end(self._kind, self._loop.time(), is_answered=False)


async def _serve(service: Service, certificate: str | None) -> None:
    loop = asyncio.get_running_loop()
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    server = await loop.create_server(lambda: Connection(service, loop), "127.0.0.1", 0, ssl=context, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    service.address = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    print(service.address, flush=True)
    ended = asyncio.Event()
    threading.Thread(target=_listen, args=(service.meter, loop, ended), daemon=True).start()
    await ended.wait()


def _listen(meter: Meter, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Answer the lines of standard input until it ends; the counts are read in the loop's thread."""

    async def asked(line: str) -> str:
        return json.dumps(meter.take() if line == "take" else meter.look())

    for line in sys.stdin:
        print(asyncio.run_coroutine_threadsafe(asked(line.strip()), loop).result(), flush=True)
    loop.call_soon_threadsafe(ended.set)


if __name__ == "__main__":
    options: dict[str, Any] = json.loads(sys.argv[1])
    path = options.pop("certificate", None)
    asyncio.run(_serve(Service(**options), path))
