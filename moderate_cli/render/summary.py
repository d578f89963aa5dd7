"""What did a run do, and what would it do? A few lines for stderr, and a line per input of a dry run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from moderate_cli.catalog.checks import MissingCheck
from moderate_cli.catalog.prices import Estimate
from moderate_cli.common.errors import ExitCode
from moderate_cli.common.installation import install_command
from moderate_cli.common.text import counted, safe_text, with_hint
from moderate_cli.models import Failed, Judged, Outcome, Planned, RiskLevel, Skipped
from moderate_cli.render.json import dump
from moderate_cli.render.wording import coverage_lines, left_out_lines
from moderate_cli.results import RunSummary

_STOP_WORDS = {
    ExitCode.BROKEN_PIPE: "broken pipe: ",
    ExitCode.INTERRUPTED: "interrupted: ",
}
_MAX_LABELS = 10
_MAX_IDS = 3
_MAX_NOTES = 10
_MANY = 10  # inputs; the rate of fewer means little


def summary_lines(
    summary: RunSummary,
    estimate: Estimate,
    seconds: float,
    noun: str = "image",
    nothing: str | None = None,
    *,
    is_told: bool = False,
    is_past: bool = False,
) -> Iterator[str]:
    """Yield what was judged and what was not, how long that took, what was found, and what it costs.

    `seconds` is the duration of the run; one that `is_past` is not to be continued. A run that was cut off is reported
    in full, even without inputs. With `is_told` a table has told the counts by level and by label. `nothing` is said
    where there is no input.
    """
    stopped = _STOP_WORDS.get(summary.stopped_by, "") if summary.stopped_by else ""
    yield from _notes(summary, noun)
    if not summary.inputs and not summary.is_cut_off:
        yield f"{nothing or f'no {noun} found'}{_left_out(summary)}"
        yield from left_out_lines(summary)
        return
    engine = ", by the local engine (no cloud verdict)" if summary.local else ""
    is_told = is_told and summary.inputs > 1
    numbers = _number(summary, noun) if is_told else _counts(summary)
    yield f"{stopped}{numbers}{_left_out(summary)} in {seconds:.1f} s{_rate(summary, seconds)}{engine}"
    if summary.labels and summary.inputs > 1 and not is_told:
        yield f"found {_labels(summary)}"
    yield from left_out_lines(summary)
    yield from coverage_lines(summary, noun)
    if summary.not_checked and not is_told and not stopped:
        yield f"not checked: {', '.join(map(_missing, summary.not_checked))}"
    yield from _saved(summary, "saved")
    if summary.not_tried and summary.stopped_by is None and not summary.fatal and not is_past:
        yield "call limit reached: raise --max-calls, or continue with --reuse"
    if estimate.calls:
        least = "at least " if summary.pending else ""  # the frames of what is pending are counted by its result
        yield f"{least}{counted(estimate.calls, 'billed call')}: {estimate.in_words()}"


def plan_lines(
    summary: RunSummary, estimate: Estimate, noun: str = "image", nothing: str | None = None
) -> Iterator[str]:
    """Yield what a run would send, what that costs at most, and what it would not send."""
    yield from _notes(summary, noun)
    if not summary.inputs:
        yield f"{nothing or f'no {noun} found'}{_left_out(summary)}"
        return
    others = {
        "duplicate": summary.duplicates,
        "prescreened": summary.prescreened,
        "reused": summary.reused,
        "refused": summary.skipped,
        "failed": summary.failed,
    }
    counts = [f"{counted(summary.planned - summary.duplicates, noun)} to send"]
    counts += [f"{count:,} {word}" for word, count in others.items() if count]
    yield f"{', '.join(counts)}{_left_out(summary)}; nothing was sent"
    yield from _saved(summary, "saves")
    if estimate.calls:
        yield f"{counted(estimate.calls, 'billed call')} at most: {estimate.in_words()}"


def _missing(check: MissingCheck) -> str:
    return f"{check.name} ({install_command(check.extra)})" if check.extra else check.name


def _saved(summary: RunSummary, verb: str) -> Iterator[str]:
    if summary.saved_calls:
        known, copies = counted(summary.prescreened, "known image"), counted(summary.duplicates, "duplicate")
        yield f"prescreen {verb} {counted(summary.saved_calls, 'call')}: {known}, {copies}"


def _notes(summary: RunSummary, noun: str) -> Iterator[str]:
    yield from (f"{counted(count, noun)}: {note}" for note, count in summary.notes.most_common(_MAX_NOTES))
    if len(summary.notes) > _MAX_NOTES:
        yield f"and {counted(len(summary.notes) - _MAX_NOTES, 'more note')}; -f jsonl lists all"


def _counts(summary: RunSummary) -> str:
    levels = ", ".join(f"{summary.levels[level]:,} {level}" for level in reversed(RiskLevel) if summary.levels[level])
    judged = f"{summary.judged:,} judged" + (f" ({levels})" if levels else "")
    others = {
        "reused": summary.reused,
        "pending": summary.pending,
        "skipped": summary.skipped,
        "failed": summary.failed,
        "collected by another process": summary.elsewhere,
    }
    counts = [judged, *(f"{count:,} {word}" for word, count in others.items() if count)]
    if summary.not_tried:
        counts.append(f"{'at least ' if summary.at_least else ''}{summary.not_tried:,} not tried")
    return ", ".join(counts)


def _number(summary: RunSummary, noun: str) -> str:
    others = {"reused": summary.reused, "collected by another process": summary.elsewhere}
    return ", ".join([counted(summary.inputs, noun), *(f"{count:,} {word}" for word, count in others.items() if count)])


def gate_line(summary: RunSummary, noun: str, command: Sequence[str]) -> str:
    """Return that the gate failed, and the command to type next."""
    next_ = (
        f"to accept one: moderate {shlex.join(command)}"
        if command[0] == "allow"
        else f"see moderate {shlex.join(command)}"
    )
    return f"gate: {counted(summary.failing, noun)} at or above {summary.policy.fail_on}; {next_}"


def wait_line(ids: Sequence[str], profile: str | None) -> str:
    """Return what is waited for, how to leave, and how to collect the results later."""
    named = ids if len(ids) <= _MAX_IDS else ()
    command = ["moderate", "poll", *named, *(["-p", profile] if profile else [])]
    return f"waiting for {counted(len(ids), 'task')}; Ctrl-C leaves, `{shlex.join(command)}` collects later"


def _labels(summary: RunSummary) -> str:
    shown = [f"{count:,} {label}" for label, count in summary.labels.most_common(_MAX_LABELS)]
    more = len(summary.labels) - len(shown)
    return ", ".join([*shown, *([f"and {more} more labels"] if more else [])])


def _rate(summary: RunSummary, seconds: float) -> str:
    return f" ({summary.inputs / seconds:.0f}/s)" if summary.inputs >= _MANY and seconds > 0 else ""


def _left_out(summary: RunSummary) -> str:
    non_images = f", {counted(summary.non_images, 'non-image file')} skipped" if summary.non_images else ""
    ignored = f", {counted(summary.ignored, 'file')} ignored" if summary.ignored else ""
    links = f", {counted(summary.links, 'link')} leaving the tree not followed" if summary.links else ""
    raw = f", {counted(summary.camera_raw, 'camera raw file')} skipped" if summary.camera_raw else ""
    return non_images + raw + ignored + links


def plan_renderer(stream: TextIO, *, as_json: bool) -> Callable[[Outcome], None]:
    """Return a function that writes one line per outcome: for people, or as JSON."""
    write = _plan_json if as_json else _plan_line

    def add(outcome: Outcome) -> None:
        stream.write(write(outcome) + "\n")
        stream.flush()

    return add


def _plan_line(outcome: Outcome) -> str:
    reason = f": {with_hint(outcome.error)}" if isinstance(outcome, Skipped | Failed) else ""
    more = " (duplicate content)" if isinstance(outcome, Planned) and not outcome.calls else ""
    return safe_text(f"{_action(outcome):<6}{outcome.item.source}{reason}{more}")


def _plan_json(outcome: Outcome) -> str:
    error = outcome.error if isinstance(outcome, Skipped | Failed) else None
    data: dict[str, Any] = {
        "source": outcome.item.source,
        "action": _action(outcome),
        "calls": outcome.calls if isinstance(outcome, Planned) else 0,
        "sha256": outcome.sha256,
        "bytes": outcome.size,
        "operation": outcome.call.operation,
        "services": list(outcome.call.services),
        "error": None
        if error is None
        else {
            "code": error.code,
            "api_code": getattr(error, "api_code", None),
            "message": error.message,
            "hint": error.hint,
        },
    }
    return dump(data)


def _action(outcome: Outcome) -> str:
    match outcome:
        case Planned(calls=0):
            return "once"
        case Planned():
            return "send"
        case Skipped():
            return "skip"
        case Failed():
            return "fail"
        case Judged(is_prescreened=True):
            return "known"
        case _:
            return "reuse"
