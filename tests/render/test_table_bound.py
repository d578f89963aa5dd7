"""A table of more inputs than anybody reads: the worst are listed, all are counted."""

from __future__ import annotations

import tracemalloc

from builders import failed, judged
from msgspec.structs import replace
from render_builders import shown
from samples import pending_image, post_outcome

from moderate_cli.models import Outcome
from moderate_cli.render import Format
from moderate_cli.render.table import MAX_ROWS
from moderate_cli.results import MAX_CLEAN, RunSummary


def _run(harmless: int) -> list[Outcome]:
    found: list[Outcome] = [judged("none", source=f"clean-{number:05d}.png") for number in range(harmless)]
    return [*found, judged("low", "smoke", source="zz-low.png"), failed("zz-gone.png"), pending_image()]


def test_the_worst_are_listed_and_the_rest_is_counted() -> None:
    found = [judged("low", "smoke", source=f"low-{number:05d}.png") for number in range(MAX_ROWS)]
    text = shown(Format.TABLE, [*found, judged("high", "smoke", source="zz-high.png")])
    assert "and 1 more, not listed here; -f jsonl lists all" in text
    assert "zz-high.png" in text
    assert "low-00998.png" in text
    assert "low-00999.png" not in text
    assert f"low {MAX_ROWS} " in " ".join(text.split()) + " "


def test_many_clean_inputs_are_only_counted() -> None:
    text = shown(Format.TABLE, _run(MAX_CLEAN + 1))
    assert "clean ones are only counted; --show-clean lists them" in text
    for name in ("zz-low.png", "zz-gone.png", "queued.gif"):
        assert name in text
    assert "clean-" not in text
    assert "none 21 " in " ".join(text.split())


def test_few_clean_inputs_are_listed() -> None:
    text = shown(Format.TABLE, _run(MAX_CLEAN))
    assert "--show-clean" not in text
    assert text.count("clean-") == MAX_CLEAN


def test_what_nobody_was_shown_makes_them_many() -> None:
    text = shown(Format.TABLE, _run(MAX_CLEAN), summary=RunSummary(unlisted=100_000))
    assert "clean ones are only counted; --show-clean lists them" in text
    assert "clean-" not in text


def test_tokens_of_what_is_not_listed_are_counted() -> None:
    text = shown(Format.TABLE, [post_outcome("none")] * (MAX_ROWS + 1))
    assert "tokens: 1,040,039 " in text


def test_an_answer_that_was_reused_took_no_tokens() -> None:
    text = shown(Format.TABLE, [replace(post_outcome("none"), reused=True), post_outcome("none")])
    assert "tokens: 1,039 " in text


def test_memory_stays_flat() -> None:
    def peak(number: int) -> int:
        tracemalloc.start()
        shown(Format.TABLE, (judged("high", "smoke", source=f"{index:06d}.png") for index in range(number)))
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return top

    peak(MAX_ROWS)  # what is imported and cached on the way
    assert peak(5 * MAX_ROWS) < 1.15 * peak(MAX_ROWS)
