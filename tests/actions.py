"""A loopback service and its OSS that answer by operation, as a test says; they count what they were asked."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from faults import Answer, FaultServer, Reset, body, faults

Reply = Callable[[dict[str, str]], Answer | type[Reset]]

CLEAN = body(200, {"RiskLevel": "none", "Result": [{"Label": "nonLabel"}]})
RISKY = body(200, {"RiskLevel": "high", "Result": [{"Label": "violent_explosion", "Confidence": 81.2}]})
KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "AKID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "AKSECRET"}


def upload_token(endpoint: str, **changes: Any) -> Answer:
    """Return the answer of DescribeUploadToken whose bucket is on the same server."""
    token = {
        "AccessKeyId": "STS.upload",
        "AccessKeySecret": "upload-secret",
        "SecurityToken": "upload-token",
        "BucketName": "bucket",
        "FileNamePrefix": "upload/",
        "Expiration": int(time.time()) + 3600,
        "OssInternetEndPoint": endpoint,
        "OssInternalEndPoint": endpoint,
    }
    return body(200, token | changes)


class Service:
    """What it answers, by operation (`PUT` for an upload), and how often it was asked each."""

    def __init__(self, server: FaultServer, replies: dict[str, Answer | Reply]) -> None:
        self.server = server
        self.replies = replies
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a command that asks this service."""
        return {"MODERATE_ENDPOINT": self.server.endpoint, **KEYS}

    def answer(self, handler: Any) -> Answer | type[Reset]:
        """Answer one request."""
        name = handler.headers["x-acs-action"] or handler.command
        with self._lock:
            self.asked[name] += 1
            headers = {"number": str(self.asked[name]), "path": handler.path, "form": handler.form}
            headers["authorization"] = handler.headers["authorization"] or ""
        reply = self.replies.get(name)
        if reply is None and name == "PUT":
            return Answer(200, b"", {"ETag": '"1"', "x-oss-request-id": "O"})
        if reply is None and name == "DescribeUploadToken":
            return upload_token(self.server.endpoint)
        assert reply is not None, name
        return reply(headers) if callable(reply) and not isinstance(reply, type) else reply


@contextmanager
def service(**replies: Answer | Reply) -> Iterator[Service]:
    """Serve on loopback; the names of the replies are those of the operations."""
    with faults(CLEAN) as server:
        served = Service(server, dict(replies))
        server.answers = [served.answer]
        yield served
