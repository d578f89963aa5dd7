"""What holds for every format: it is found, it bears anything, and it comes to an end."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from builders import failed, judged, skipped
from render_builders import HOSTILE_NAMES, LOGO, local, mixed_run, shown
from samples import async_outcome, batch_outcome

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Outcome, RiskLevel
from moderate_cli.render import Format, renderer
from moderate_cli.render.wording import TopN, sort_key
from moderate_cli.results import GatePolicy, RunSummary, Suppression

FORMATS = [choice for choice in Format if choice is not Format.AUTO]
BIDI_AND_CONTROLS = set("\u202e\x1b\x07\udcff")


@pytest.mark.parametrize("choice", FORMATS)
def test_every_format_shows_every_kind_of_outcome(choice: Format) -> None:
    text = shown(choice, mixed_run(), suppressions=[LOGO], policy=GatePolicy(RiskLevel.MEDIUM), show_suppressed=True)
    for name in ("risk", "gone.png", "notes.txt", "brand_new_label"):
        assert name in text.replace("&#95;", "_")


@pytest.mark.parametrize("choice", FORMATS)
def test_a_run_without_inputs_ends_too(choice: Format) -> None:
    shown(choice, [])


@pytest.mark.parametrize("choice", FORMATS)
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_gets_out_of_hand(choice: Format, name: str) -> None:
    text = shown(choice, [judged("high", name, source=name), local("low", name, source=name), failed(name)])
    assert text.encode()
    assert not BIDI_AND_CONTROLS & set(text)


def test_auto_is_no_format_of_its_own() -> None:
    with pytest.raises(ValueError, match="auto"):
        renderer(Format.AUTO, io.StringIO(), Environment(), color="never", raw=False)


def test_one_run_is_shown_by_all_formats_at_once() -> None:
    streams = {choice: io.StringIO(newline="") for choice in FORMATS}
    everything = [renderer(choice, streams[choice], Environment(), color="never", raw=False) for choice in FORMATS]
    summary = RunSummary()
    for outcome in mixed_run():
        summary.add(outcome)
        for each in everything:
            each.add(outcome)
    for each in everything:
        each.finish(summary)
    assert all(stream.getvalue() for stream in streams.values())


@pytest.mark.parametrize("choice", [Format.MARKDOWN, Format.HTML])
def test_a_run_that_was_cut_off_says_so(choice: Format) -> None:
    assert "cut off" in shown(choice, mixed_run(), summary=RunSummary(stopped_by=ExitCode.INTERRUPTED))
    assert "cut off" not in shown(choice, mixed_run())


@pytest.mark.parametrize("choice", [Format.TABLE, Format.MARKDOWN, Format.HTML])
def test_suppressed_findings_are_left_out_and_counted_or_shown_with_the_reason(choice: Format) -> None:
    outcome = judged("high", LOGO.label, source="logo.png")
    hidden = shown(choice, [outcome], suppressions=[LOGO])
    assert LOGO.reason not in hidden
    assert "1 suppressed finding is not shown; --show-suppressed shows it" in hidden
    text = shown(choice, [outcome], suppressions=[LOGO], show_suppressed=True)
    assert "logo.png" in text
    assert "suppressed" in text
    assert LOGO.reason in text
    assert "not shown" not in text


@pytest.mark.parametrize("choice", [Format.JSON, Format.JSONL])
def test_what_is_suppressed_is_marked_in_records_and_nothing_else_of_them_changes(choice: Format) -> None:
    outcome = judged("high", LOGO.label)
    plain, marked = (shown(choice, [outcome], suppressions=entries).split('"summary"')[0] for entries in ([], [LOGO]))
    entry = '{"by":".moderate-suppressions.yaml","reason":"our own logo","expires":null}'
    assert marked == plain.replace('"suppressed":null', f'"suppressed":{entry}') != plain


@pytest.mark.parametrize(("choice", "forbidden"), [(Format.CSV, "rich"), (Format.SARIF, "rich"), (Format.HTML, "PIL")])
def test_a_format_loads_only_what_it_needs(choice: Format, forbidden: str) -> None:
    script = (
        "import io, sys\n"
        "from moderate_cli.common.environment import Environment\n"
        "from moderate_cli.results import RunSummary\n"
        "from moderate_cli.render import Format, renderer\n"
        f"shown = renderer(Format({choice.value!r}), io.StringIO(), Environment(), color='never', raw=False)\n"
        "shown.finish(RunSummary())\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    others = {f"moderate_cli.render.{other}" for other in FORMATS} - {f"moderate_cli.render.{choice}"}
    needed = {Format.SARIF: {"moderate_cli.render.json"}, Format.CSV: {"moderate_cli.render.json"}}
    assert not set(loaded) & (others - needed.get(choice, set()))
    assert not any(name.split(".")[0] == forbidden for name in loaded)


def test_the_worst_are_kept_and_the_others_counted() -> None:
    worst: TopN[Outcome] = TopN(4)
    low, high, none, clean = judged("low", "x"), judged("high", "x"), judged("none"), judged("none", source="z.png")
    for outcome in (none, low, clean, skipped(), high, failed("b.png")):
        worst.add(sort_key(outcome), outcome)
    assert worst.left_out == 2
    assert [type(outcome).__name__ for outcome in worst.in_order()] == ["Judged", "Judged", "Skipped", "Failed"]
    assert worst.in_order()[:2] == [high, low]


def test_things_at_one_place_stay_in_the_order_in_which_they_came() -> None:
    worst: TopN[object] = TopN(3)
    things = [object() for _ in range(5)]
    for thing in things:
        worst.add((0,), thing)
    assert worst.in_order() == things[:3]


def test_what_is_suppressed_counts_neither_for_its_service_nor_for_its_frame() -> None:
    names = ("violent_explosion", "sexual_partialNudity", "contraband_gamble")
    suppressions = [Suppression(name, None, "a reason", "a file") for name in names]
    batch, animation = batch_outcome("risk"), async_outcome("risk")
    text = shown(Format.TABLE, [batch], suppressions=suppressions)
    assert "violent_explosion" not in text
    assert "pt_programCode" in text
    assert "none" in next(line for line in text.splitlines() if "baselineCheck" in line)
    assert "2 suppressed findings are not shown" in text
    text = shown(Format.TABLE, [animation], suppressions=suppressions)
    assert text.index("frame 1 of 2") < text.index("pornographic_adultContent", text.index("frame 1 of 2"))
    assert "contraband_gamble" not in text
