"""What can a test tell the emulator while it runs? Paths below /_emulator/, for callers on this machine.

GET /_emulator/state tells what it did and holds. POST /_emulator/reset forgets all of it but the keys, and sets the
account back to its rules. POST /_emulator/seed takes fixed verdicts as a rules file has them, which come before those
of the rules, and POST /_emulator/faults what is to go wrong; both take a list in JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from moderate_cli.common.loopback import is_loopback
from moderate_cli.emulator.conditions import Fault
from moderate_cli.emulator.messages import Response
from moderate_cli.rules import FixedVerdict

if TYPE_CHECKING:
    from moderate_cli.emulator.green import Service
    from moderate_cli.emulator.messages import Request

CONTROL_PATH = "/_emulator/"


def control(service: Service, request: Request) -> Response:
    """Carry out a command; what it cannot do is told, with the status of an error."""
    # A page in a browser must not reach it by a name that somebody lets point to this machine.
    host = urlsplit(f"//{request.header('host')}").hostname or ""
    if not is_loopback(host) or request.header("origin"):
        return _json(403, {"error": "only for programs on this machine"})
    name = request.path.removeprefix(CONTROL_PATH)
    if (request.method, name) == ("GET", "state"):
        return _json(200, _state(service))
    if (request.method, name) == ("POST", "reset"):
        service.state.reset()
        service.account.reset()
        service.results.clear()
        service.rulings.seeded.clear()
        service.conditions.faults.clear()
        return _json(200, {})
    try:
        if (request.method, name) == ("POST", "seed"):
            service.rulings.seeded[:0] = msgspec.json.decode(request.body, type=list[FixedVerdict])
            return _json(200, {"verdicts": len(service.rulings.seeded)})
        if (request.method, name) == ("POST", "faults"):
            service.conditions.faults.add(msgspec.json.decode(request.body, type=list[Fault]))
            return _json(200, {"faults": len(service.conditions.faults.waiting())})
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        return _json(400, {"error": str(error)})
    return _json(404, {"error": "there are GET state, and POST reset, seed and faults"})


def _state(service: Service) -> dict[str, Any]:
    answered, refused = service.state.calls()
    faults = [msgspec.to_builtins(fault) | {"left": left} for fault, left in service.conditions.faults.waiting()]
    return {
        "endpoint": service.endpoint,
        "answered": answered,
        "refused": refused,
        "tasks": sorted(service.state.tasks.ids()),
        "uploads": service.state.objects.count(),
        "account": service.account.counts(),
        "results": service.results.count(),
        "verdicts": msgspec.to_builtins(service.rulings.seeded),
        "faults": faults,
    }


def _json(status: int, content: dict[str, Any]) -> Response:
    body = json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"
    return Response(status, {"Content-Type": "application/json;charset=utf-8"}, body)
