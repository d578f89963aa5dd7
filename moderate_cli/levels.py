"""Reduce the levels of an answer to one; in a contradiction the highest counts.

The rules are those of the vendor's console guide and of its pages on the four operations: the highest of several labels
counts, and a match in an exemption library (`nonLabel_lib`) changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

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


def weighed(whole: Part, services: Sequence[Part], others: Sequence[Part]) -> Weight:
    """Return the overall level of an answer, its services, and its frames or texts."""
    found = [
        (part, [label_level(label, part.level, whole.level) for label in part.findings])
        for part in (*services, *others)
    ]
    by_service: dict[str, list[RiskLevel]] = {}
    for part, levels in found[: len(services)]:
        for label, own in zip(part.findings, levels, strict=True):
            by_service.setdefault(label.label, []).append(own)
    all_levels = [_merged_level(label, by_service, whole.level) for label in whole.findings]
    all_levels += [level for _, levels in found for level in levels]
    claims = [(whole, all_levels), *found]
    unexplained = [claim for part, levels in claims for claim in _unexplained(part, levels)]
    level = highest([*all_levels, *unexplained, *(part.level for part, _ in claims)])
    notes = (_contradiction(part, [*levels, level] if part is whole else levels) for part, levels in claims)
    return Weight(level, highest(unexplained) or RiskLevel.NONE, tuple(dict.fromkeys(filter(None, notes))))


def _merged_level(label: Label, by_service: Mapping[str, Sequence[RiskLevel]], whole: RiskLevel | None) -> RiskLevel:
    """Return the level of a label in the list of the whole, which repeats the labels of the services."""
    repeated = highest(by_service.get(label.label, ())) if label.risk_level is None else None
    return label_level(label, whole) if repeated is None else repeated


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

    A label of several services is listed once for each, at the level that the whole gives it if that is higher, and a
    label of frames only once, for the frame with the highest level.
    """
    makers: dict[str, list[tuple[Label, RiskLevel]]] = {}
    for part in services:
        for label in part.labels:
            makers.setdefault(label.label, []).append((label, label_level(label, part.level, whole.level)))
    stated: dict[str, RiskLevel | None] = {}
    for label in whole.labels:
        stated[label.label] = highest([stated.get(label.label), label.risk_level])
    found: list[Label] = []
    done: set[str] = set()
    for label in whole.labels:
        if label.label not in makers:
            found.append(label)
        elif label.label not in done:
            found += [_raised(each, level, stated[label.label]) for each, level in makers[label.label]]
        done.add(label.label)
    found += [label for part in services for label in part.labels if label.label not in done]
    found += [label for part in texts for label in part.labels]
    known = {label.label for label in found}
    worst: dict[str, tuple[int, Label]] = {}
    for part in frames:
        for label in part.labels:
            rank = label_level(label, part.level, whole.level).rank
            if label.label not in known and rank > worst.get(label.label, (-1, label))[0]:
                worst[label.label] = rank, label
    return (*found, *(label for _, label in worst.values()))


def _raised(label: Label, level: RiskLevel, stated: RiskLevel | None) -> Label:
    """Return a label of a service, which gives it a level, with the level that the whole states if that is no lower."""
    return label if stated is None or stated.rank < level.rank else replace(label, risk_level=stated)


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
        makers = [
            part.risk_level
            for part in verdict.per_service
            if part.service == label.service and any(each.label == label.label for each in part.labels)
        ]
        levels += [label_level(label, level, whole) for level in makers or [None]]
    return max(levels, key=lambda level: level.rank)
