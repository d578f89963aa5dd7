"""How much was looked at, in words: of one input, and of all inputs of a run."""

from __future__ import annotations

from collections.abc import Iterator

from moderate_cli.records import NO_GATE, GatePolicy, Looked, Tally, verdict_of
from moderate_cli.render.safe import safe_text
from moderate_cli.verdicts import Coverage, Outcome, PartKind

_ALWAYS_ASKED = frozenset({"parts", "services"})
_SAMPLED_BY_INTERVAL = frozenset({"frames", "slices"})
_MORE = "async-submit --interval judges more"


def coverage_words(part: Coverage) -> str:
    """Return how much of an input was judged, or answered."""
    return _share(part.kind, Looked(1, part.judged, part.total, part.unanswered))


def remarks(outcome: Outcome, policy: GatePolicy = NO_GATE) -> list[str]:
    """Return what there is to say of an answer beside its findings: what it leaves out, and what is odd about it."""
    verdict = verdict_of(outcome)
    if verdict is None:
        return []
    looked = [coverage_words(part) for part in verdict.coverage]
    if policy.is_incomplete(outcome):
        looked = [f"incomplete: {', '.join(looked)}"]
    return [*looked, *map(safe_text, verdict.notes)]


def coverage_lines(tally: Tally, noun: str = "input") -> Iterator[str]:
    """Yield one line for each kind of part that was not looked at, and one for the inputs that fail for it."""
    for kind, looked in tally.coverage.items():
        yield f"{counted(looked.inputs, noun)}: {_share(kind, looked)}{_rest(kind, looked)}"
    if tally.incomplete:
        which = f"{counted(tally.incomplete, noun)} {'was' if tally.incomplete == 1 else 'were'}"
        if tally.policy.require_full:
            yield f"incomplete: {which} not judged in full, and --require-full wants that"
        else:
            yield f"incomplete: {which} not answered in full; --allow-partial takes what was answered"


def left_out_lines(tally: Tally) -> Iterator[str]:
    """Yield what files of the project keep from counting: findings that they suppress, and images that they ignore."""
    for name, count in tally.suppressed_by.most_common():
        yield f"{counted(count, 'finding')} suppressed by {safe_text(name)}"
    for name, count in tally.ignored_by.most_common():
        yield f"{counted(count, 'named image')} ignored by {safe_text(name)}"


def not_tried_words(tally: Tally) -> str | None:
    """Return how many inputs a run did not come to, or None where that is not known to be any."""
    if not tally.not_tried:
        return None
    least = "at least " if tally.at_least else ""
    return f"{least}{counted(tally.not_tried, 'input')} {'was' if tally.not_tried == 1 else 'were'} not tried"


def cut_off_words(tally: Tally) -> str | None:
    """Return that a run was cut off, and how many inputs it did not come to; None where it came to its end."""
    if not tally.is_cut_off:
        return None
    rest = not_tried_words(tally)
    return f"the run was cut off: {rest}" if rest else "the run was cut off"


def sentence(words: str) -> str:
    """Return words as a sentence."""
    return f"{words[0].upper()}{words[1:]}."


def counted(number: int, noun: str) -> str:
    """Return a number of things."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _share(kind: PartKind, looked: Looked) -> str:
    verb = _verb(kind, looked)
    part = kind.removesuffix("s") if looked.total == 1 else kind
    whole = f"an unknown number of {part}" if looked.total is None else f"{looked.total:,} {part}"
    is_view = kind == "slices" and verb == "judged" and looked.judged <= looked.inputs
    return f"{counted(looked.judged, 'compressed view') if is_view else f'{looked.judged:,}'} of {whole} {verb}"


def _verb(kind: PartKind, looked: Looked) -> str:
    if kind in _ALWAYS_ASKED or looked.unanswered == looked.inputs:
        return "answered"
    return "sampled" if looked.judged > looked.inputs and not looked.unanswered else "judged"


def _rest(kind: PartKind, looked: Looked) -> str:
    """Return what else there is to say of the parts of a kind: that some were asked about, or how to judge more."""
    if _verb(kind, looked) != "judged":
        return ""
    if looked.unanswered:
        return f"; {counted(looked.unanswered, 'answer')} left some out"
    return f"; {_MORE}" if kind in _SAMPLED_BY_INTERVAL else ""
