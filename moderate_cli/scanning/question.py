"""What is asked about an image, as a key: an answer is good for each image with the same content and question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence


def question_key(operation: str, services: Sequence[str], info_types: Sequence[str], **more: object) -> str:
    """Return the key of a question; `more` is all else that can change the verdict, such as region and profile."""
    parts = {"operation": operation, "services": sorted(set(services)), "info_types": sorted(set(info_types)), **more}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
