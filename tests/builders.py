"""Outcomes for tests, built with defaults that a test names only where it is about them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from moderate_cli.client.responses import UnreadableResponseError
from moderate_cli.common.errors import InputError, ModerateError, RefusedError, ServiceError
from moderate_cli.models import (
    Call,
    Failed,
    ImageUrl,
    Item,
    Judged,
    Label,
    Outcome,
    Pending,
    RiskLevel,
    Skipped,
    Verdict,
)
from moderate_cli.records import to_record

SHA256 = "ab" * 32
NO_EXT: dict[str, Any] = {"custom_image": [], "text_in_image": None, "public_figure": [], "logo_data": []}


def call(**changes: Any) -> Call:
    """A call of ImageModeration in Singapore."""
    defaults: dict[str, Any] = {
        "operation": "ImageModeration",
        "services": ("baselineCheck_global",),
        "region": "ap-southeast-1",
        "endpoint": "green-cip.ap-southeast-1.aliyuncs.com",
    }
    return Call(**defaults | changes)


def item(source: str = "a.png", **changes: Any) -> Item:
    """An item that needs no file."""
    return Item(source, **{"image": ImageUrl(f"https://example.com/{source}")} | changes)


def verdict(level: str | None = "none", *labels: str | Label, **changes: Any) -> Verdict:
    """A verdict at a level, or at none that is known; labels are given whole or by their name."""
    found = tuple(label if isinstance(label, Label) else Label(label, confidence=81.22) for label in labels)
    defaults: dict[str, Any] = {
        "call": call(attempts=1, elapsed_ms=312),
        "risk_level": RiskLevel(level) if level else None,
        "reported_level": level,
        "labels": found,
        "ext": NO_EXT,
        "request_id": "R1",
    }
    return Verdict(**defaults | changes)


def judged(level: str | None = "none", *labels: str | Label, source: str = "a.png", **changes: Any) -> Judged:
    """An item with a verdict; `changes` are the verdict's."""
    said = verdict(level, *labels, **changes)
    return Judged(item=item(source), call=said.call, verdict=said)


def skipped(source: str = "a.png", *, error: ModerateError | None = None, size: int = 7) -> Skipped:
    """An item that was not sent."""
    refusal = RefusedError("the content is not an image", code="not_an_image", api_code=407, hint="give an image")
    return Skipped(item=item(source), call=call(), size=size, error=error or refusal)


def failed(
    source: str = "a.png", *, error: ModerateError | None = None, attempts: int = 0, verdict: Verdict | None = None
) -> Failed:
    """An item whose file could not be read, or what else `error` says; `verdict` is what could be read of an answer."""
    missing = InputError("no such file", code="not_found", hint="check the name")
    return Failed(item=item(source), call=call(attempts=attempts), error=error or missing, verdict=verdict)


def pending(source: str = "a.gif", **changes: Any) -> Pending:
    """An item that the service has queued."""
    defaults: dict[str, Any] = {"item": item(source), "call": call(operation="ImageAsyncModeration"), "req_id": "Q1"}
    return Pending(**defaults | changes)


def unreadable_answer(
    what: str = "it has no object as Data", verdict: Verdict | None = None
) -> UnreadableResponseError:
    """The service answered, and nobody can read what."""
    return UnreadableResponseError(what, verdict)


def service_error(**changes: Any) -> ServiceError:
    """The service says that downloading took too long."""
    defaults: dict[str, Any] = {
        "code": "download_timeout",
        "hint": "give the image as a file",
        "api_code": 405,
        "http_status": 200,
        "request_id": "R2",
        "retryable": True,
    }
    return ServiceError("downloading the image took the service too long (code 405)", **defaults | changes)


def fatal_error() -> ServiceError:
    """The service says that this account may not call it."""
    return service_error(code="not_permitted", api_code=408, retryable=False, fatal=True)


def sources_of(outcomes: Iterable[Judged | Skipped | Failed]) -> list[str]:
    """The names of the inputs behind outcomes."""
    return [outcome.item.source for outcome in outcomes]


def schema_1(outcome: Outcome) -> dict[str, Any]:
    """The record of an outcome as 0.1.0 wrote it, which knew fewer fields and took the level that was stated."""
    said = json.loads(json.dumps(to_record(outcome)))
    for name in ("judged_at", "reported_level", "gate", "coverage", "notes", "billed_calls", "decision"):
        del said[name]
    for part in (said, *said["per_service"], *said["frames"]):
        for label in part["labels"]:
            del label["suppressed"]
    return said | {"schema": 1}
