"""Pictures of the frames that were examined, behind addresses that nobody can guess."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from moderate_cli.emulator.faults import OssError
from moderate_cli.emulator.messages import Response

if TYPE_CHECKING:
    from moderate_cli.emulator.messages import Request
    from moderate_cli.emulator.state import State

PATH = "/frames/"

LIFETIME = 5 * 60
"""Seconds that a TempUrl is valid (page of the asynchronous API, March 2026)."""

_BUCKET = "frames"


def publish(state: State, endpoint: str, jpeg: bytes) -> str:
    """Keep a picture among the objects, and return its temporary URL."""
    name = f"{secrets.token_urlsafe(24)}.jpg"
    state.objects.put(_BUCKET, name, jpeg)
    return f"{endpoint}{PATH}{name}"


def show(state: State, request: Request) -> Response:
    """Answer with a picture whose URL is still valid."""
    jpeg = state.objects.get(_BUCKET, request.path.removeprefix(PATH), max_age=LIFETIME)
    if jpeg is None:
        raise OssError("AccessDenied", "The temporary URL is unknown or has expired.")
    return Response(200, {"Content-Type": "image/jpeg"}, jpeg)
