"""The vendor's sample replies, and verdicts made of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from moderate_cli.client.verdicts import read_submission, read_verdict
from moderate_cli.models import Call, ImageUrl, Item, Judged, Outcome, Pending, Post, QueuedTask, Verdict
from moderate_cli.render.table import TableRenderer
from moderate_cli.results import RunSummary

TESTS = Path(__file__).parent
REPLIES = TESTS / "vectors" / "replies"
REQUESTS = TESTS / "vectors" / "requests"
IMAGE_MODERATION = ("risk", "none", "allowlist", "custom_image", "custom_keyword", "text_risk", "logo", "person")


def vendor_reply(operation: str, name: str) -> dict[str, Any]:
    """Return a sample reply of the vendor's pages."""
    return json.loads((REPLIES / operation / f"{name}.json").read_text(encoding="utf-8"))


def vendor_verdict(name: str) -> Verdict:
    """Return the verdict in a sample reply of ImageModeration."""
    call = Call(
        operation="ImageModeration",
        services=("baselineCheck_global",),
        region="ap-southeast-1",
        endpoint="green-cip.ap-southeast-1.aliyuncs.com",
        attempts=1,
        elapsed_ms=312,
    )
    return read_verdict(vendor_reply("image_moderation", name), call)


def vendor_outcome(name: str) -> Judged:
    """Return the outcome of an image whose answer is a sample reply of ImageModeration."""
    verdict = vendor_verdict(name)
    source = f"https://example.com/{name}.jpg"
    return Judged(item=Item(source, ImageUrl(source)), call=verdict.call, verdict=verdict)


def batch_outcome(name: str) -> Judged:
    """Return the outcome of an image whose answer is a sample reply of ImageBatchModeration."""
    source = f"https://example.com/{name}.jpg"
    return _judged(Item(source, ImageUrl(source)), "image_batch_moderation", name, "baselineCheck", "tonalityImprove")


def async_outcome(name: str) -> Judged:
    """Return the outcome of an animation whose answer is a sample reply of DescribeImageModerationResult."""
    item = Item(f"https://example.com/{name}.gif", QueuedTask("ABCD1234-1234-1234-1234-1234XYZ", "image"))
    return _judged(item, "describe_image_moderation_result", name, "baselineCheck")


def post_outcome(name: str, post: dict[str, Any] | None = None) -> Judged:
    """Return the outcome of a post (the vendor's sample one) whose answer is a sample reply."""
    sent = post or vendor_post()
    item = Item(f"posts/{name}.yaml", Post(sent))
    return _judged(item, "describe_multimodal_moderation_result", name, "post_text_image_detection", post=sent)


def vendor_post() -> dict[str, Any]:
    """Return the post in the vendor's sample request."""
    path = REQUESTS / "multimodal_async_moderation" / "post.json"
    return json.loads(path.read_text(encoding="utf-8"))["serviceParameters"]


def pending_image() -> Pending:
    """Return the outcome of an animation that the service has queued."""
    source = "https://example.com/queued.gif"
    return _pending(Item(source, ImageUrl(source)), "image_async_moderation", "baselineCheck")


def pending_post() -> Pending:
    """Return the outcome of a post that the service has queued."""
    item = Item("posts/queued.yaml", Post(vendor_post()))
    return _pending(item, "multimodal_async_moderation", "post_text_image_detection")


def shown_table(*outcomes: Outcome, width: int = 100, color: bool = False) -> str:
    """Return what people see of a run with these outcomes."""
    stream = io.StringIO()
    table = TableRenderer(stream, width=width, color=color)
    summary = RunSummary()
    for outcome in outcomes:
        summary.add(outcome)
        table.add(outcome)
    table.finish(summary)
    return stream.getvalue()


def _judged(item: Item, operation: str, name: str, *services: str, post: dict[str, Any] | None = None) -> Judged:
    call = _call(operation, services)
    return Judged(item=item, call=call, verdict=read_verdict(vendor_reply(operation, name), call, post=post))


def _pending(item: Item, operation: str, service: str) -> Pending:
    submission = read_submission(vendor_reply(operation, "submitted"), _call(operation, (service,)))
    return Pending(item=item, call=submission.call, req_id=submission.req_id, data_id=submission.data_id)


def _call(operation: str, services: tuple[str, ...]) -> Call:
    return Call(
        operation="".join(map(str.capitalize, operation.split("_"))),
        services=services,
        region="ap-southeast-1",
        endpoint="green-cip.ap-southeast-1.aliyuncs.com",
    )
