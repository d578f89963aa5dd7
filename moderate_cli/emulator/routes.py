"""Which part of the emulator answers: the Green API at the path /, frames under /frames/, OSS everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moderate_cli.emulator import answers, frames, oss
from moderate_cli.emulator.faults import BodyError, GatewayError, OssError
from moderate_cli.emulator.gateway import admit
from moderate_cli.emulator.operations import OPERATIONS
from moderate_cli.emulator.service import Call

if TYPE_CHECKING:
    from moderate_cli.emulator.messages import Request, Response
    from moderate_cli.emulator.operations import Operation
    from moderate_cli.emulator.service import Service

_BUG = "The request processing has failed due to some unknown error."


def answer(service: Service, request: Request) -> Response:
    """Answer any request; what goes wrong inside becomes an internal error, as at the vendor's."""
    try:
        if request.path == "/":
            return _call_operation(service, request)
        if request.method == "GET" and request.path.startswith(frames.PATH):
            return frames.show(service.state, request)
        return oss.answer(service.state, request)
    except OssError as error:
        return oss.error_answer(error, request.header("host"))
    except Exception:  # noqa: BLE001  (the boundary of the emulated service)
        return refuse(request, "InternalError", _BUG, 500)


def refuse(request: Request, code: str, message: str, status: int) -> Response:
    """Refuse a request in the form of the part that it is meant for."""
    if request.path == "/":
        error = GatewayError(code, message, status)
        return answers.gateway_error(error, answers.new_request_id(), request.header("host"))
    return oss.error_answer(OssError(code, message, status), request.header("host"))


def _call_operation(service: Service, request: Request) -> Response:
    """Carry out the operation that the header x-acs-action names."""
    action, request_id = request.header("x-acs-action"), answers.new_request_id()
    try:
        admit(request, service.state)
        data = _operation(action)(service, Call(request.parameters(), request_id))
    except BodyError as error:
        service.state.count_refused()
        return answers.body_error(action, request_id, error)
    except GatewayError as error:
        service.state.count_refused()
        return answers.gateway_error(error, request_id, request.header("host"))
    service.state.count_answered(action)
    return answers.success(action, request_id, data)


def _operation(action: str) -> Operation:
    """Return the operation of a name."""
    operation = OPERATIONS.get(action)
    if operation is None:
        message = "Specified api is not found, please check your url and method."
        raise GatewayError("InvalidAction.NotFound", message, 404)
    return operation
