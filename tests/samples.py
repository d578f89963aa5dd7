"""The vendor's sample replies, and verdicts made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moderate_cli.client.replies import read_verdict
from moderate_cli.verdicts import Call, ImageUrl, Item, Judged, Verdict

TESTS = Path(__file__).parent
REPLIES = TESTS / "vectors" / "replies"
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
