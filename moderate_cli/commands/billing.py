"""What the outcomes of a run are billed for."""

from __future__ import annotations

from collections.abc import Callable

from moderate_cli.catalogue.billing import Billed, frame_calls, post_calls, slices
from moderate_cli.client import AsyncOptions
from moderate_cli.preflight import Checked, Format
from moderate_cli.verdicts import Json, Judged, Outcome, Pending, Planned, Post, QueuedTask

_NOTHING = Billed()
_ANIMATED = frozenset({Format.GIF, Format.WEBP, Format.PNG})  # what can have frames, without decoding it


def billed(outcome: Outcome) -> Billed:
    """Return what each service of an outcome's call charges: images or frames, and thousands of characters."""
    if not _is_paid_for(outcome):
        return _NOTHING
    post = _post(outcome)
    if post is not None:
        return post_calls(post)
    if isinstance(outcome, Planned):
        return Billed(images=outcome.calls // len(outcome.call.services))
    return Billed(images=max(1, len(outcome.verdict.frames)) if isinstance(outcome, Judged) else 1)


def async_cost(options: AsyncOptions) -> Callable[[Checked | None], int]:
    """Return what tells for how many frames or slices a queued image is billed at most."""

    def cost(checked: Checked | None) -> int:
        return frame_calls(_frames(checked), interval=options.interval, max_frames=options.max_frames)

    return cost


def _frames(checked: Checked | None) -> int | None:
    """Return into how many parts an image is cut, or None where nobody has counted its frames."""
    if checked is None or checked.format in _ANIMATED or checked.width is None or checked.height is None:
        return None
    return slices(checked.width, checked.height)


def _is_paid_for(outcome: Outcome) -> bool:
    """Tell whether an answer of the cloud, or one that is planned, is new; the local engine charges nothing."""
    match outcome:
        case Judged():
            return not outcome.reused and outcome.verdict.engine == "cloud"
        case Pending():
            return not outcome.reused
        case _:
            return isinstance(outcome, Planned)


def _post(outcome: Outcome) -> Json | None:
    image = outcome.item.image
    if isinstance(image, Post):
        return image.content
    return image.post if isinstance(image, QueuedTask) else None
