"""Tables: the vendor's samples as golden files, and text from outside that wants to be more than text."""

from __future__ import annotations

import pytest
from golden import check_golden
from msgspec.structs import replace
from samples import IMAGE_MODERATION, async_outcome, batch_outcome, pending_image, shown_table, vendor_outcome

from moderate_cli.common.errors import RefusedError, ServiceError
from moderate_cli.models import (
    Failed,
    Frame,
    Item,
    Judged,
    Label,
    LocalFile,
    Outcome,
    Pending,
    RiskLevel,
    ServiceVerdict,
    Skipped,
)


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("color", [False, True], ids=["plain", "color"])
def test_the_vendors_samples_one_by_one(width: int, color: bool) -> None:
    shown = [f"# {name}\n{shown_table(vendor_outcome(name), width=width, color=color)}" for name in IMAGE_MODERATION]
    check_golden(f"sync/each-{width}{'-color' if color else ''}.txt", "\n".join(shown))


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("color", [False, True], ids=["plain", "color"])
def test_a_run_with_all_kinds_of_outcome(width: int, color: bool) -> None:
    judged = [vendor_outcome(name) for name in IMAGE_MODERATION]
    shown = shown_table(*judged, _failed(), _skipped(), _unknown_level(), width=width, color=color)
    check_golden(f"sync/run-{width}{'-color' if color else ''}.txt", shown)


@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 99, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    outcomes = [vendor_outcome(name) for name in IMAGE_MODERATION]
    others = [batch_outcome("risk"), async_outcome("risk"), pending_image(), _failed()]
    assert max(len(line) for line in shown_table(*outcomes, *others, width=width).splitlines()) <= width


@pytest.mark.parametrize("width", [40, 60, 79, 80, 99, 100, 101, 120, 200])
def test_nothing_is_cut_off(width: int) -> None:
    judged, failed, pending = (
        (vendor_outcome("risk"), batch_outcome("risk"), async_outcome("risk")),
        _failed(),
        pending_image(),
    )
    said = [failed.error.message, failed.error.hint or "", pending.req_id * 2]
    said += [outcome.item.source for outcome in (*judged, failed, pending)]
    for verdict in (outcome.verdict for outcome in judged):
        parts = verdict.per_service or (verdict, *verdict.frames)
        said += [text for part in parts for label in part.labels for text in (label.label, label.description or "")]
        said += [part.service for part in verdict.per_service] + [frame.url or "" for frame in verdict.frames]
    shown = "".join(shown_table(*judged, failed, pending, width=width).split())
    letters = sorted(c for text in said for c in text if c.isalnum())
    for letter in set(letters):
        assert shown.count(letter) >= letters.count(letter)
    assert "…" not in shown


HARMFUL = {
    "ansi": "\x1b[31mred\x1b[0m",
    "osc-title": "\x1b]0;owned\x07",
    "osc-link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "csi-8-bit": "\x9b2J",
    "markup": "[bold red]not bold[/] [link=https://evil.example]x[/link]",
    "emoji-code": ":warning:",
    "newline": "one\ntwo\r\nthree",
    "bidi": "\u202egpj.exe",
    "zero-width": "no\u200bLabel",
    "backspace": "abc\x08\x08\x08xyz",
}


@pytest.mark.parametrize("text", HARMFUL.values(), ids=HARMFUL.keys())
@pytest.mark.parametrize("width", [60, 200])
def test_text_from_outside_is_only_text(text: str, width: int) -> None:
    outcome = vendor_outcome("custom_image")
    label = Label(text, 99, text, RiskLevel.HIGH, where=text)
    ext = {**outcome.verdict.ext, "custom_image": [{"lib_name": text}], "public_figure": [{"figure_name": text}]}
    services = (ServiceVerdict(text, RiskLevel.HIGH, (label,), ext),)
    frames = (Frame(0, text, RiskLevel.HIGH, (label,), ext),)
    item = replace(outcome.item, source=text)
    error = ServiceError(text, code=text, hint=text)
    outcomes: list[Outcome] = [
        replace(outcome, item=item, verdict=replace(outcome.verdict, labels=(label,), ext=ext, frames=frames)),
        replace(outcome, item=item, verdict=replace(outcome.verdict, labels=(label,), per_service=services)),
        Pending(item=item, call=outcome.call, req_id=text),
        Failed(item=item, call=outcome.call, error=error),
    ]
    for each in outcomes:
        shown = shown_table(each, width=width)
        assert not [c for c in shown if not (c.isprintable() or c == "\n")]
        first_line = text.splitlines()[0]
        visible = first_line if first_line.isprintable() else repr(first_line)[1:-1].replace("\\'", "'")
        assert visible[:12] in shown


def _unknown_level() -> Judged:
    outcome = vendor_outcome("risk")
    verdict = replace(outcome.verdict, risk_level=None, labels=(Label("brand_new_label", None, "Not in any table"),))
    return replace(outcome, item=Item("new.png", outcome.item.image), verdict=verdict)


def _failed() -> Failed:
    call = vendor_outcome("none").call
    item = Item("https://example.com/slow.jpg", vendor_outcome("none").item.image)
    hint = "give the image as a file or as an OSS object"
    message = "downloading the image took the service too long (code 405)"
    return Failed(item=item, call=call, error=ServiceError(message, code="download_timeout", hint=hint, api_code=405))


def _skipped() -> Skipped:
    call = vendor_outcome("none").call
    item = Item("assets/large.png", LocalFile("assets/large.png"))  # type: ignore[arg-type]
    message = "20.1 MB is more than the 20 MB that the service accepts"
    error = RefusedError(message, code="too_large", api_code=406, hint="scale the image down")
    return Skipped(item=item, call=call, error=error)


@pytest.mark.parametrize("width", [40, 79, 80, 200])
def test_no_ci_finds_a_command_in_a_table(width: int) -> None:
    names = [f"{'a' * length}{gap}::error::b.png" for length in range(60, 82) for gap in ("", " ")]
    names += ["::error::c.png", "x ##vso[task.complete result=Succeeded;]d.png", "##[add-mask]e.png"]
    outcomes = [replace(_failed(), item=Item(name, _failed().item.image)) for name in names]
    label = Label("::error::f ##vso[g]", 95.0)
    outcomes.append(replace(vendor_outcome("risk"), verdict=replace(vendor_outcome("risk").verdict, labels=(label,))))
    shown = shown_table(*outcomes, width=width)
    assert "b.png" in shown
    assert not [
        line for line in shown.splitlines() if line.lstrip().startswith("::") or "##vso[" in line or "##[" in line
    ]
