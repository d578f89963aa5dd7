"""One level out of the many that an answer holds: what contradicts itself counts at its highest.

The rules are those of the vendor's console guide, and of its pages on the four operations: several labels count as the
highest of them, and an image of a library of exemptions (`nonLabel_lib`) neither lowers nor raises anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.models import NO_FINDING, Label, RiskLevel, Verdict, highest


class Part(Struct, frozen=True):
    """What was read of an answer, or of a service, a frame or a text in it: its own level and its labels.

    A level that is no known word is `misread`, and then `level` is high where there are findings. `nothing_at` is the
    highest level of an entry that says that nothing was found. A part `is_read` if there was a level or an entry.
    """

    level: RiskLevel | None = None
    labels: tuple[Label, ...] = ()
    is_read: bool = False
    misread: bool = False
    nothing_at: RiskLevel | None = None

    @property
    def findings(self) -> list[Label]:
        """The labels that say that something was found."""
        return [label for label in self.labels if label.is_finding]


class Weight(Struct, frozen=True):
    """The highest level of an answer, the highest that no label accounts for, and what contradicts itself in it."""

    level: RiskLevel | None
    unexplained: RiskLevel
    notes: tuple[str, ...]


def label_level(label: Label, *around: RiskLevel | None) -> RiskLevel:
    """Return the level of a label: its own, else that of the nearest part which has one.

    A label in a part without risk is low, by the third of the guide's rules ("below medium: low"); one whose level
    nobody tells is high, because nobody can say that it is not.
    """
    if label.risk_level is not None:
        return label.risk_level
    nearest = next((level for level in around if level is not None), RiskLevel.HIGH)
    return RiskLevel.LOW if nearest is RiskLevel.NONE else nearest


def weighed(whole: Part, inner: Sequence[Part]) -> Weight:
    """Return the one level of an answer and of all parts inside it."""
    found = [(part, [label_level(label, part.level, whole.level) for label in part.findings]) for part in inner]
    all_levels = [label_level(label, whole.level) for label in whole.findings]
    all_levels += [level for _, levels in found for level in levels]
    claims = [(whole, all_levels), *found]
    unexplained = [claim for part, levels in claims for claim in _unexplained(part, levels)]
    level = highest([*all_levels, *unexplained, *(part.level for part, _ in claims)])
    notes = (_contradiction(part, [*levels, level] if part is whole else levels) for part, levels in claims)
    return Weight(level, highest(unexplained) or RiskLevel.NONE, tuple(dict.fromkeys(filter(None, notes))))


def _unexplained(part: Part, levels: Sequence[RiskLevel]) -> Iterator[RiskLevel]:
    """Yield the levels that a part claims and that none of the labels in it has."""
    most = highest(levels) or RiskLevel.NONE
    if part.level is not None and (part.misread or part.level.rank > most.rank):
        yield part.level
    if part.nothing_at is not None:
        yield part.nothing_at


def _contradiction(part: Part, levels: Sequence[RiskLevel | None]) -> str | None:
    """Say that a part is less risky than something in it, or risky although nothing was found; None for neither."""
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
    """Return each label of an answer with whom or where it is from.

    One of several services stands there once for each of them, and one of frames alone once, at the worst of them.
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
    """Return the level that the service stated for the whole: high for a word that nobody knows, None for no word."""
    word = verdict.reported_level
    return None if word is None else RiskLevel.parse(word) or RiskLevel.HIGH


def finding_level(label: Label, verdict: Verdict) -> RiskLevel:
    """Return the level that counts for one of a verdict's labels, in whichever of its frames it stands too."""
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
