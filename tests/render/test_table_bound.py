"""A table of more inputs than anybody reads: the worst are listed, all are counted."""

from __future__ import annotations

import tracemalloc

from builders import failed, judged
from render_builders import shown
from samples import pending_image, post_outcome

from moderate_cli.render import Format
from moderate_cli.render.table import MOST
from moderate_cli.verdicts import Outcome


def _run(harmless: int) -> list[Outcome]:
    found: list[Outcome] = [judged("none", source=f"clean-{number:05d}.png") for number in range(harmless)]
    return [*found, judged("low", "smoke", source="zz-low.png"), failed("zz-gone.png"), pending_image()]


def test_the_worst_are_listed_and_the_rest_is_counted() -> None:
    text = shown(Format.TABLE, _run(MOST + 20))
    assert "and 23 more, not listed here; -f jsonl lists all" in text
    assert {name for name in ("zz-low.png", "zz-gone.png", "queued.gif") if name in text} == {
        "zz-low.png",
        "zz-gone.png",
        "queued.gif",
    }
    assert "clean-00996.png" in text
    assert "clean-00997.png" not in text
    assert f"none        {MOST + 20}" in text


def test_nothing_is_said_where_all_are_listed() -> None:
    assert "not listed" not in shown(Format.TABLE, _run(MOST - 3))


def test_tokens_of_what_is_not_listed_are_counted() -> None:
    text = shown(Format.TABLE, [post_outcome("none")] * (MOST + 1))
    assert "tokens: 1,040,039 " in text


def test_memory_stays_flat() -> None:
    def peak(number: int) -> int:
        tracemalloc.start()
        shown(Format.TABLE, (judged("high", "smoke", source=f"{index:06d}.png") for index in range(number)))
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return top

    peak(MOST)  # what is imported and cached on the way
    assert peak(5 * MOST) < 1.15 * peak(MOST)
