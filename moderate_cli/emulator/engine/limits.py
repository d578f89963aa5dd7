"""How large an image may be, and the errors of one that cannot be looked at."""

from __future__ import annotations

# The vendor's limits for the synchronous API (its page of March 2026).
MAX_SIDE = 16_384
MAX_PIXELS = 167_000_000


class ImageTooLargeError(Exception):
    """An image has more pixels than the service accepts."""


class TooLargeForEngineError(ImageTooLargeError):
    """The service accepts an image, but to decode it would take more than the local engine allows itself."""


class UnreadableImageError(Exception):
    """An image has a format that the local engine cannot decode, or is damaged."""
