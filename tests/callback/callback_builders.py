"""Pushes for tests, signed as the service would."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

from moderate_cli.callback import Algorithm, checksum

UID = "1234567890123456"
SEED = "canary_seed_1"
BODY = {
    "Code": 200,
    "Msg": "OK",
    "RequestId": "R1",
    "Data": {
        "ReqId": "T1",
        "DataId": "d",
        "RiskLevel": "high",
        "Result": [{"Label": "violent_explosion", "Confidence": 81.5, "Description": "烟花+100% & more=?\u202e"}],
    },
}


def content(body: Any = None) -> str:
    """The JSON text of a result, with its Chinese as it is."""
    return json.dumps(BODY if body is None else body, ensure_ascii=False)


def push(
    text: str | None = None, *, algorithm: Algorithm = "SHA256", req_id: str | None = "T1", right: str | None = None
) -> bytes:
    """The form of a push; `right` takes the place of the checksum."""
    text = content() if text is None else text
    fields = {"Checksum": right or checksum(UID, SEED, text, algorithm), "Content": text}
    fields |= {"ReqId": req_id} if req_id else {}
    return "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()).encode()
