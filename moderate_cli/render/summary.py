"""The counts of a run in a few lines, for stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TextIO

from moderate_cli.catalog.prices import Estimate
from moderate_cli.common.errors import ExitCode
from moderate_cli.common.text import safe_text, with_hint
from moderate_cli.models import Failed, Outcome, Planned, RiskLevel, Skipped
from moderate_cli.render.json import dump
from moderate_cli.render.wording import counted, coverage_lines, left_out_lines
from moderate_cli.results import Tally


def plan_renderer(stream: TextIO, *, as_json: bool) -> Callable[[Outcome], None]:
    """Return what writes one line for an outcome: for people, or as JSON."""
    write = _json if as_json else _words

    def add(outcome: Outcome) -> None:
        stream.write(write(outcome) + "\n")
        stream.flush()

    return add


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
        case _:
            return "reuse"


def _words(outcome: Outcome) -> str:
    reason = f": {with_hint(outcome.error)}" if isinstance(outcome, Skipped | Failed) else ""
    more = " (the same content as another)" if isinstance(outcome, Planned) and not outcome.calls else ""
    return safe_text(f"{_action(outcome):<6}{outcome.item.source}{reason}{more}")


def _json(outcome: Outcome) -> str:
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


_STOPPED = {
    ExitCode.BROKEN_PIPE: "stopped, because the reader of the pipe went away: ",
    ExitCode.INTERRUPTED: "interrupted: ",
}
_MOST_LABELS = 10
_MOST_NOTES = 10
_MANY = 10  # inputs from which on a rate says something


def summary_lines(tally: Tally, estimate: Estimate, seconds: float, noun: str = "image") -> Iterator[str]:
    """Yield what was judged and what was not, how long that took, what was found, and what it costs.

    A run that was cut off has more than a line about nothing, whatever cut it off.
    """
    stopped = _STOPPED.get(tally.stopped_by, "") if tally.stopped_by else ""
    yield from _notes(tally, noun)
    if not tally.inputs and not tally.is_cut_off:
        yield f"no {noun} found{_left_out(tally)}"
        yield from left_out_lines(tally)
        return
    engine = ", by the local engine (no cloud verdict)" if tally.local else ""
    yield f"{stopped}{_counts(tally)}{_left_out(tally)} in {seconds:.1f} s{_rate(tally, seconds)}{engine}"
    if tally.labels and tally.inputs > 1:
        yield f"found {_labels(tally)}"
    yield from left_out_lines(tally)
    yield from coverage_lines(tally, noun)
    if tally.not_tried and tally.stopped_by is None and not tally.fatal:
        yield "the cap of calls is reached: raise --max-calls, or go on with --reuse"
    if estimate.calls:
        least = "at least " if tally.pending else ""  # the frames of what is pending are counted by its result
        yield f"{least}{counted(estimate.calls, 'billed call')}: {estimate.in_words()}"


def plan_lines(tally: Tally, estimate: Estimate, noun: str = "image") -> Iterator[str]:
    """Yield what a run would send, what that costs at most, and what it would not send."""
    yield from _notes(tally, noun)
    if not tally.inputs:
        yield f"no {noun} found{_left_out(tally)}"
        return
    others = {
        "with the same content as another": tally.duplicates,
        "known already": tally.reused,
        "refused": tally.skipped,
        "failed": tally.failed,
    }
    counts = [f"{counted(tally.planned - tally.duplicates, noun)} to send"]
    counts += [f"{count:,} {word}" for word, count in others.items() if count]
    yield f"{', '.join(counts)}{_left_out(tally)}; nothing was sent"
    if estimate.calls:
        yield f"{counted(estimate.calls, 'billed call')} at most: {estimate.in_words()}"


def _notes(tally: Tally, noun: str) -> Iterator[str]:
    yield from (f"{counted(count, noun)}: {note}" for note, count in tally.notes.most_common(_MOST_NOTES))
    if len(tally.notes) > _MOST_NOTES:
        yield f"and {counted(len(tally.notes) - _MOST_NOTES, 'other note')}; -f jsonl lists all"


def _counts(tally: Tally) -> str:
    levels = ", ".join(f"{tally.levels[level]:,} {level}" for level in reversed(RiskLevel) if tally.levels[level])
    judged = f"{tally.judged:,} judged" + (f" ({levels})" if levels else "")
    others = {
        "reused": tally.reused,
        "pending": tally.pending,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "collected by another process": tally.elsewhere,
    }
    counts = [judged, *(f"{count:,} {word}" for word, count in others.items() if count)]
    if tally.not_tried:
        counts.append(f"{'at least ' if tally.at_least else ''}{tally.not_tried:,} not tried")
    return ", ".join(counts)


def _labels(tally: Tally) -> str:
    shown = [f"{count:,} {label}" for label, count in tally.labels.most_common(_MOST_LABELS)]
    more = len(tally.labels) - len(shown)
    return ", ".join([*shown, *([f"and {more} other labels"] if more else [])])


def _rate(tally: Tally, seconds: float) -> str:
    return f" ({tally.inputs / seconds:.0f} a second)" if tally.inputs >= _MANY and seconds > 0 else ""


def _left_out(tally: Tally) -> str:
    files = "1 file that is" if tally.passed_over == 1 else f"{tally.passed_over:,} files that are"
    passed_over = f", {files} no image passed over" if tally.passed_over else ""
    ignored = f", {counted(tally.ignored, 'file')} ignored" if tally.ignored else ""
    links = f", {counted(tally.links, 'link')} out of the tree not followed" if tally.links else ""
    return passed_over + ignored + links
