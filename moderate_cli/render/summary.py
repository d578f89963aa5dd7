"""The counts of a run on one line, for stderr."""

from __future__ import annotations

from moderate_cli.errors import ExitCode
from moderate_cli.records import Tally
from moderate_cli.verdicts import RiskLevel

_STOPPED = {
    ExitCode.BROKEN_PIPE: "stopped, because the reader of the pipe went away: ",
    ExitCode.INTERRUPTED: "interrupted: ",
}


def summary_line(tally: Tally, seconds: float, noun: str = "image") -> str:
    """Return what was judged, what was not, and how long that took."""
    stopped = _STOPPED.get(tally.stopped_by, "") if tally.stopped_by else ""
    if not tally.inputs and not stopped:
        return f"no {noun} found{_passed_over(tally)}"
    engine = ", by the local engine (no cloud verdict)" if tally.local else ""
    return f"{stopped}{_counts(tally)}{_passed_over(tally)} in {seconds:.1f} s{engine}"


def _counts(tally: Tally) -> str:
    levels = ", ".join(f"{tally.levels[level]} {level}" for level in reversed(RiskLevel) if tally.levels[level])
    judged = f"{tally.judged} judged" + (f" ({levels})" if levels else "")
    others = {
        "pending": tally.pending,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "collected by another process": tally.elsewhere,
    }
    return ", ".join([judged, *(f"{count} {word}" for word, count in others.items() if count)])


def _passed_over(tally: Tally) -> str:
    files = "1 file that is" if tally.passed_over == 1 else f"{tally.passed_over} files that are"
    return f", {files} no image passed over" if tally.passed_over else ""
