"""Reduce the levels of an answer to one; in a contradiction the highest counts.

The rules are those of the vendor's console guide and of its pages on the four operations: the highest of several labels
counts, and a match in an exemption library (`nonLabel_lib`) changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.models import NO_FINDING, Label, RiskLevel, Verdict, highest


class Part(Struct, frozen=True):
    """The level and labels of an answer, or of a service, frame or text in it.

    `misread` marks an unknown level; then `level` is high if there are findings. `nothing_at` is the highest level of
    an entry that reports no finding. `is_read` is true if there was a level or an entry.
    """

    level: RiskLevel | None = None
    labels: tuple[Label, ...] = ()
    is_read: bool = False
    misread: bool = False
    nothing_at: RiskLevel | None = None

    @property
    def findings(self) -> list[Label]:
        """The labels that are findings."""
        return [label for label in self.labels if label.is_finding]


class Weight(Struct, frozen=True):
    """The highest level of an answer, the highest one without a label, and notes on contradictions."""

    level: RiskLevel | None
    unexplained: RiskLevel
    notes: tuple[str, ...]


def label_level(label: Label, *around: RiskLevel | None) -> RiskLevel:
    """Return the level of a label: its own, else that of the nearest enclosing part that has one.

    `around` lists the levels of the enclosing parts, the nearest first. A label in a part without risk is low, by the
    third of the guide's rules ("below medium: low"); a label without any level is high, to be on the safe side.
    """
    if label.risk_level is not None:
        return label.risk_level
    nearest = next((level for level in around if level is not None), RiskLevel.HIGH)
    return RiskLevel.LOW if nearest is RiskLevel.NONE else nearest


def weighed(whole: Part, inner: Sequence[Part]) -> Weight:
    """Return the overall level of an answer and its parts."""
    found = [(part, [label_level(label, part.level, whole.level) for label in part.findings]) for part in inner]
    all_levels = [label_level(label, whole.level) for label in whole.findings]
    all_levels += [level for _, levels in found for level in levels]
    claims = [(whole, all_levels), *found]
    unexplained = [claim for part, levels in claims for claim in _unexplained(part, levels)]
    level = highest([*all_levels, *unexplained, *(part.level for part, _ in claims)])
    notes = (_contradiction(part, [*levels, level] if part is whole else levels) for part, levels in claims)
    return Weight(level, highest(unexplained) or RiskLevel.NONE, tuple(dict.fromkeys(filter(None, notes))))


def _unexplained(part: Part, levels: Sequence[RiskLevel]) -> Iterator[RiskLevel]:
    """Yield the levels of a part that none of its labels reaches."""
    most = highest(levels) or RiskLevel.NONE
    if part.level is not None and (part.misread or part.level.rank > most.rank):
        yield part.level
    if part.nothing_at is not None:
        yield part.nothing_at


def _contradiction(part: Part, levels: Sequence[RiskLevel | None]) -> str | None:
    """Return a note if a part is below something in it, or at risk without a finding; else None."""
    if part.level is None or part.misread:
        return None
    inside = highest([*levels, part.nothing_at])
    if inside is not None and inside.rank > part.level.rank:
        return f"the answer contradicts itself: {part.level} beside {inside}; the highest level counts"
    if part.level is not RiskLevel.NONE and part.nothing_at is not None and not part.labels:
        return f"the answer contradicts itself: {part.level} beside {NO_FINDING}; the highest level counts"
    return None


def gathered(
    whole: Part, services: Sequence[Part], frames: Sequence[Part], texts: Iterable[Part] = ()
) -> tuple[Label, ...]:
    """Return the labels of an answer, each with its service and its place.

    A label of several services is listed once for each, and a label of frames only once, for the frame with the highest
    level.
    """
    by_service = [label for part in services for label in part.labels]
    found: list[Label] = []
    done: set[str] = set()
    for label in whole.labels:
        makers = [each for each in by_service if each.label == label.label]
        if not makers:
            found.append(label)
        elif label.label not in done:
            found += [replace(each, risk_level=each.risk_level or label.risk_level) for each in makers]
        done.add(label.label)
    found += [label for label in by_service if label.label not in done]
    found += [label for part in texts for label in part.labels]
    known = {label.label for label in found}
    worst: dict[str, tuple[int, Label]] = {}
    for part in frames:
        for label in part.labels:
            rank = label_level(label, part.level, whole.level).rank
            if label.label not in known and rank > worst.get(label.label, (-1, label))[0]:
                worst[label.label] = rank, label
    return (*found, *(label for _, label in worst.values()))


def stated_level(verdict: Verdict) -> RiskLevel | None:
    """Return the level that the service reported for the whole: high for an unknown word, None without one."""
    word = verdict.reported_level
    return None if word is None else RiskLevel.parse(word) or RiskLevel.HIGH


def finding_level(label: Label, verdict: Verdict) -> RiskLevel:
    """Return the effective level of a label of a verdict, its frames included."""
    whole = stated_level(verdict)
    levels = [
        label_level(each, frame.risk_level, whole)
        for frame in verdict.frames
        for each in frame.labels
        if each.label == label.label
    ]
    if not levels or label.where is None:
        around = (part.risk_level for part in verdict.per_service if part.service == label.service)
        levels.append(label_level(label, *around, whole))
    return max(levels, key=lambda level: level.rank)
