"""Tables of the operations beside ImageModeration: the vendor's sample replies as golden files."""

from __future__ import annotations

import pytest
from golden import check_golden
from samples import async_outcome, batch_outcome, pending_image, pending_post, post_outcome, shown_table

from moderate_cli.models import Outcome

OUTCOMES: dict[str, list[Outcome]] = {
    "batch": [batch_outcome(name) for name in ("risk", "none", "allowlist")],
    "async": [*map(async_outcome, ("risk", "none", "allowlist")), pending_image()],
    "multimodal": [*map(post_outcome, ("risk", "none")), pending_post()],
}


@pytest.mark.parametrize("command", OUTCOMES)
@pytest.mark.parametrize(("width", "color"), [(60, False), (120, False), (120, True)], ids=["60", "120", "120-color"])
def test_the_vendors_samples(command: str, width: int, color: bool) -> None:
    shown = [f"# {each.item.source}\n{shown_table(each, width=width, color=color)}" for each in OUTCOMES[command]]
    check_golden(f"{command}/each-{width}{'-color' if color else ''}.txt", "\n".join(shown))


@pytest.mark.parametrize(("width", "color"), [(60, False), (120, False), (120, True)], ids=["60", "120", "120-color"])
def test_a_run_over_images_and_posts(width: int, color: bool) -> None:
    outcomes = [outcome for command in OUTCOMES.values() for outcome in command]
    shown = shown_table(*outcomes, width=width, color=color)
    check_golden(f"multimodal/run-{width}{'-color' if color else ''}.txt", shown)
