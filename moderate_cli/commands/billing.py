"""What the outcomes of a run are billed for."""

from __future__ import annotations

from collections.abc import Callable

from moderate_cli.catalogue.billing import Billed, frame_calls, post_calls
from moderate_cli.client import AsyncOptions
from moderate_cli.verdicts import Failed, Json, Judged, LocalFile, Outcome, Pending, Planned, Post, QueuedTask, Verdict

_NOTHING = Billed()


def billed(outcome: Outcome) -> Billed:
    """Return what each service of an outcome's call charges: images or frames, and thousands of characters."""
    post = _post(outcome)
    match outcome:
        case Judged(reused=True) | Pending(reused=True):
            return _NOTHING
        case Judged(verdict=verdict) | Failed(verdict=Verdict() as verdict):
            if post is not None:
                return post_calls(post) if verdict.engine == "cloud" else _NOTHING
            return Billed(images=(verdict.billed_calls or 0) // max(1, len(outcome.call.services)))
        case Pending():
            return post_calls(post) if post is not None else Billed(images=1)
        case Planned(calls=calls):
            return post_calls(post) if post is not None else Billed(images=calls // len(outcome.call.services))
    return _NOTHING


def async_cost(options: AsyncOptions) -> Callable[[Outcome], int]:
    """Return what tells for how many frames or slices a queued image is billed at most."""

    def cost(known: Outcome) -> int:
        return frame_calls(_parts(known), interval=options.interval, max_frames=options.max_frames)

    return cost


def _parts(known: Outcome) -> int | None:
    """Return of how many frames or slices an image consists, or None where nobody has counted them."""
    if not isinstance(known.item.image, LocalFile):
        return None
    return known.extents[0].total if known.extents else 1


def _post(outcome: Outcome) -> Json | None:
    image = outcome.item.image
    if isinstance(image, Post):
        return image.content
    return image.post if isinstance(image, QueuedTask) else None
