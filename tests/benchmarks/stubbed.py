"""The program with a service inside it that answers at once: `Transport.send` is replaced, and nothing else.

    python tests/benchmarks/stubbed.py sync ...

Each tenth image has a finding. What stands in its place: signing, TLS and the network, which hold nothing between
calls.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from moderate_cli.client.responses import Response
from moderate_cli.client.transport import Transport
from moderate_cli.main import main

_HEADERS = {"Content-Type": "application/json"}
_NUMBERS = itertools.count()


def _body(level: str, result: dict[str, Any]) -> bytes:
    data = {"RiskLevel": level, "Result": [result], "Ext": {}}
    return json.dumps({"Code": 200, "Msg": "success", "RequestId": "0A1B2C3D", "Data": data}).encode()


_NOTHING = _body("none", {"Label": "nonLabel", "Description": "No risk detected"})
_FINDING = _body("high", {"Label": "violent_explosion", "Confidence": 81.22, "Description": "Fireworks"})


def _response(*_arguments: Any, **_options: Any) -> Response:
    return Response(200, _HEADERS, _NOTHING if next(_NUMBERS) % 10 else _FINDING, time.time())


if __name__ == "__main__":
    Transport.send = _response  # type: ignore[method-assign]
    main()
