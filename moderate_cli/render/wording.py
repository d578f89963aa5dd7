"""How do findings, problems and counts read? In words that all reports share, with text from outside escaped."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.catalog.labels import label_meaning
from moderate_cli.common.errors import ModerateError
from moderate_cli.common.installation import install_command
from moderate_cli.common.text import counted, safe_text
from moderate_cli.levels import label_level, stated_level
from moderate_cli.models import (
    Coverage,
    Decision,
    Failed,
    Frame,
    Json,
    Judged,
    Label,
    Outcome,
    PartKind,
    Pending,
    Post,
    QueuedTask,
    RiskLevel,
    ServiceVerdict,
    Skipped,
    Verdict,
    highest,
)
from moderate_cli.results import (
    MAX_CLEAN,
    NO_GATE,
    Finding,
    GatePolicy,
    Looked,
    RunSummary,
    Suppression,
    counted_level,
    exemptions,
    findings,
    suppression_for,
    verdict_of,
)

EXEMPT_WORD = "exempt"
"""The word for an image in a library of exemptions."""

SUPPRESSED_WORD = "suppressed"
"""The word for findings that do not count and are not shown."""

_FRAME = "$.frames["  # the start of a label's path that was found in one frame only
_MAX_FRAMES = 10  # whose numbers are shown
_ALWAYS_ASKED = frozenset({"parts", "services"})
_SAMPLED_BY_INTERVAL = frozenset({"frames", "slices"})
_MORE_HINT = "async-submit --interval judges more"

SortKey = tuple[Any, ...]
T = TypeVar("T")
Part = TypeVar("Part", ServiceVerdict, Frame)


def level_word(outcome: Outcome) -> str:
    """Return the word for the outcome of an input: its risk level, or why it has no verdict."""
    match outcome:
        case Judged(verdict=verdict):
            return verdict.gate_level.value
        case Pending():
            return "pending"
        case Skipped():
            return "skipped"
        case _:
            return "failed"


def risk_word(level: RiskLevel | None) -> str:
    """Return the word for the level of a service or a frame, which may have none."""
    return level.value if level else "unknown"


def label_names(verdict: Verdict) -> list[str]:
    """Return the names of the findings of a verdict, each once."""
    return list(dict.fromkeys(each.label.label for each in findings(verdict, with_none=True)))


def finding_words(finding: Finding) -> str:
    """Return a finding on one line: label, confidence, what it means, and where it is."""
    label = finding.label
    head = " ".join(filter(None, [label.label, confidence(label.confidence)]))
    return safe_text(": ".join(filter(None, [head, meaning(label)])) + where_words(finding))


def where_words(finding: Finding) -> str:
    """Return in which part of the input a finding is, in brackets, and nothing where that is the whole of it."""
    numbers = [str(index + 1) for index in finding.frames[:_MAX_FRAMES]]
    rest = len(finding.frames) - len(numbers)
    more = f" and {rest} more" if rest else ""
    frames = f"frame{'s' if len(finding.frames) > 1 else ''} {', '.join(numbers)}{more}" if numbers else ""
    where = "" if numbers and is_of_frame(finding.label) else finding.label.where
    parts = [part for part in (frames, f"at {where}" if where else "") if part]
    return f" ({'; '.join(parts)})" if parts else ""


def is_of_frame(label: Label) -> bool:
    """Tell whether a label of a verdict was found in one of its frames, and not in the whole."""
    return (label.where or "").startswith(_FRAME)


def exempted(verdict: Verdict) -> list[Label]:
    """Return the exemptions of an input, each once, whichever services name it."""
    once: dict[tuple[str, str | None], Label] = {}
    for label in exemptions(verdict):
        once.setdefault((label.label, label.where), label)
    return list(once.values())


def meaning(label: Label) -> str:
    """Return what a label means, from the service or else from the catalog; empty where neither knows."""
    return label.description or known_meaning(label.label, label.service) or ""


@lru_cache(maxsize=1024)  # labels repeat, and a look-up reads the whole catalog
def known_meaning(name: str, service: str | None) -> str | None:
    """Return what a label means according to the catalog, None where it is unknown."""
    return label_meaning(name, service)


def confidence(value: object) -> str:
    """Return a confidence with two decimals, an empty text for None, and anything but a number unchanged."""
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, int | float) else str(value)


def problem(outcome: Outcome) -> ModerateError | None:
    """Return why an input has no verdict; None where it has one, or will have."""
    return outcome.error if isinstance(outcome, Skipped | Failed) else None


def problem_words(error: ModerateError, read: str = "") -> str:
    """Return what went wrong, what could be `read` anyway, and what to do."""
    happened = f"{error.message}: {read}" if read else error.message
    return safe_text(f"{happened}; {error.hint}" if error.hint else happened)


def read_words(outcome: Outcome) -> str:
    """Return in words what could be read of the response to a failed input; empty for nothing."""
    verdict = read_part(outcome)
    if verdict is None:
        return ""
    level = "the level none" if verdict.gate_level is RiskLevel.NONE else verdict.gate_level
    return ": ".join(filter(None, [f"{level} was read", ", ".join(label_names(verdict))]))


def read_part(outcome: Outcome) -> Verdict | None:
    """Return what could be read of the response to a failed input, None where no level could."""
    verdict = outcome.verdict if isinstance(outcome, Failed) else None
    return verdict if verdict is not None and verdict.risk_level is not None else None


def known_post(outcome: Outcome) -> Json | None:
    """Return the post that a verdict can be laid on, or None."""
    match outcome:
        case Judged(item=item) if isinstance(item.image, Post):
            return item.image.content
        case Judged(item=item) if isinstance(item.image, QueuedTask):
            return item.image.post
    return None


def pending_words(outcome: Pending) -> str:
    """Return that there is no verdict yet, and how to get it."""
    return f"no verdict yet; run: moderate poll {safe_text(outcome.req_id)}"


def details(ext: Json) -> Iterator[tuple[str, str]]:
    """Yield the details behind the labels: libraries, keywords, text, figures and logos.

    Undocumented shapes are shown as far as possible, and left out otherwise.
    """
    return ((name, text) for name, text in _parts(ext) if text)


def _parts(ext: Json) -> Iterator[tuple[str, str]]:
    for hit in objects_of(ext.get("custom_image")):
        yield (
            "library",
            _joined(_named(hit.get("lib_name"), hit.get("lib_id")), _prefixed("image", hit.get("image_id"))),
        )
    for text in objects_of(ext.get("text_in_image")):
        for hit in objects_of(text.get("custom_text")):
            library = _named(hit.get("lib_name"), hit.get("lib_id"))
            yield "keyword", _joined(hit.get("key_words"), _prefixed("in", library))
        yield "risk words", _joined(*list_of(text.get("risk_word")))
        yield "text", " / ".join(filter(None, map(line_of, list_of(text.get("ocr_result")))))
    for figure in objects_of(ext.get("public_figure")):
        yield "figure", str(figure.get("figure_name") or figure.get("figure_id") or "unnamed")
    for mark in objects_of(ext.get("logo_data")):
        for logo in objects_of(mark.get("logo")):
            yield "logo", _joined(logo.get("name"), logo.get("label"), confidence(logo.get("confidence")))


def list_of(value: object) -> list[Any]:
    """Return a list of the API as it is, one thing as the only one of a list, and null as none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def objects_of(value: object) -> list[dict[str, Any]]:
    """Return the objects among what `list_of` returns."""
    return [part for part in list_of(value) if isinstance(part, dict)]


def line_of(line: object) -> str:
    """Return the text of a line that was read in an image."""
    return str((line.get("text") if isinstance(line, dict) else line) or "")


def _named(name: object, identity: object) -> str:
    return f"{name} ({identity})" if name and identity else str(name or identity or "")


def _prefixed(word: str, value: object) -> str:
    return f"{word} {value}" if value else ""


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)


def remarks(outcome: Outcome, policy: GatePolicy = NO_GATE) -> list[str]:
    """Return the remarks on a response: what it leaves out, its notes, and what a person decided."""
    verdict = verdict_of(outcome)
    decided = [decision_words(outcome.decision)] if outcome.decision else []
    if verdict is None:
        return decided
    looked = [coverage_words(part) for part in verdict.coverage]
    if policy.is_incomplete(outcome):
        looked = [f"incomplete: {', '.join(looked)}"]
    return [*looked, *map(safe_text, verdict.notes), *decided]


def decision_words(decision: Decision) -> str:
    """Return what a person decided, who and when, and why."""
    day = None if decision.at is None else datetime.fromtimestamp(decision.at, UTC).strftime("%Y-%m-%d")
    about = ", ".join(filter(None, [decision.by, day]))
    said = f"{decision.value} ({about})" if about else decision.value
    return safe_text(f"decision: {said}: {decision.note}" if decision.note else f"decision: {said}")


def coverage_words(part: Coverage) -> str:
    """Return how much of an input was judged, or answered."""
    return _share(part.kind, Looked(1, part.judged, part.total, part.unanswered))


def coverage_lines(summary: RunSummary, noun: str = "input") -> Iterator[str]:
    """Yield a line for each kind of part that was not judged in full, and one for the inputs that fail for it."""
    for kind, looked in summary.coverage.items():
        yield f"{counted(looked.inputs, noun)}: {_share(kind, looked)}{_remainder(kind, looked)}"
    if summary.incomplete:
        which = f"{counted(summary.incomplete, noun)} {'was' if summary.incomplete == 1 else 'were'}"
        if summary.policy.require_full:
            yield f"incomplete: {which} not judged in full, and --require-full is set"
        else:
            yield f"incomplete: {which} not answered in full; --allow-partial accepts that"


def not_checked_lines(summary: RunSummary) -> Iterator[str]:
    """Yield a line for each check that the local engine left out, with the command that installs it, if one does."""
    for check in summary.not_checked:
        install = f"; {install_command(check.extra)}" if check.extra else ""
        yield f"not checked: {check.name}: {check.reason}{install}"


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


def _remainder(kind: PartKind, looked: Looked) -> str:
    """Return a hint about the parts of a kind: that some responses left them out, or how to judge more."""
    if _verb(kind, looked) != "judged":
        return ""
    if looked.unanswered:
        return f"; {counted(looked.unanswered, 'response')} left some out"
    return f"; {_MORE_HINT}" if kind in _SAMPLED_BY_INTERVAL else ""


def left_out_lines(summary: RunSummary) -> Iterator[str]:
    """Yield the findings that files of the project suppress, and the named images that they ignore."""
    for name, count in summary.suppressed_by.most_common():
        yield f"{counted(count, 'finding')} suppressed by {safe_text(name)}"
    for name, count in summary.ignored_by.most_common():
        yield f"{counted(count, 'named image')} ignored by {safe_text(name)}"


def not_tried_words(summary: RunSummary) -> str | None:
    """Return how many inputs a run did not reach, or None where none are known."""
    if not summary.not_tried:
        return None
    least = "at least " if summary.at_least else ""
    return f"{least}{counted(summary.not_tried, 'input')} {'was' if summary.not_tried == 1 else 'were'} not tried"


def cut_off_words(summary: RunSummary) -> str | None:
    """Return that a run was cut off, and how many inputs it did not reach; None where it was complete."""
    if not summary.is_cut_off:
        return None
    rest = not_tried_words(summary)
    return f"the run was cut off: {rest}" if rest else "the run was cut off"


def counts(summary: RunSummary) -> list[tuple[str, int]]:
    """Return how many inputs there are of each level, the highest first, and how many have no verdict; none is zero."""
    levels = [(level.value, summary.levels[level]) for level in reversed(RiskLevel)]
    others = [("pending", summary.pending), ("skipped", summary.skipped), ("failed", summary.failed)]
    return [(word, count) for word, count in levels + others if count]


def sentence(words: str) -> str:
    """Return words as a sentence, with a capital letter and a period."""
    return f"{words[0].upper()}{words[1:]}."


def sort_key(outcome: Outcome) -> SortKey:
    """Return the sort key of an outcome: findings by level, then what has no verdict or only a part of one, the rest.

    Of images without findings, those with coverage, notes or labels come first.
    """
    if isinstance(outcome, Judged):
        verdict = outcome.verdict
        if rank := verdict.gate_level.rank:
            return -rank, outcome.item.source
        has_more = bool(verdict.coverage or verdict.notes or verdict.labels or outcome.decision)
        return 0 if verdict.is_unanswered else 2 if has_more else 3, outcome.item.source
    return 1 if isinstance(outcome, Pending) else 0, outcome.item.source


class TopN(Generic[T]):
    """Keeps the things with the lowest keys, at most `limit`, and counts the others."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[_Kept[T]] = []
        self._seen = 0

    def add(self, key: SortKey, thing: T) -> None:
        """Take one thing; of two with the same key the earlier one comes first."""
        self._seen += 1
        kept = _Kept((*key, self._seen), thing)
        if len(self._kept) < self._limit:
            heapq.heappush(self._kept, kept)
        else:
            heapq.heappushpop(self._kept, kept)

    @property
    def left_out(self) -> int:
        """How many things are not kept."""
        return self._seen - len(self._kept)

    def in_order(self) -> list[T]:
        """Return what is kept, sorted by key."""
        return [kept.thing for kept in sorted(self._kept, reverse=True)]


class _Kept(Struct, Generic[T], frozen=True):
    """A thing in a heap whose top has the highest key, and is the first to go."""

    key: SortKey
    thing: T

    def __lt__(self, other: _Kept[T]) -> bool:
        return self.key > other.key


class CleanInputs:
    """Keeps the first clean inputs of a run, and counts all."""

    def __init__(self) -> None:
        self._first: list[Outcome] = []
        self._seen = 0

    def add(self, outcome: Outcome) -> None:
        """Take one clean input."""
        self._seen += 1
        if len(self._first) < MAX_CLEAN:
            self._first.append(outcome)

    def named(self, summary: RunSummary) -> list[Outcome]:
        """Return all of them where they are few, and else none."""
        return [] if self.unnamed(summary) else self._first

    def unnamed(self, summary: RunSummary) -> int:
        """Return how many there are, with the unlisted ones, where they are too many to be named; else 0."""
        count = self._seen + summary.unlisted
        return count if count > MAX_CLEAN else 0


def suppression_of_finding(finding: Finding, suppressions: Sequence[Suppression]) -> Suppression | None:
    """Return what suppresses a finding, or None; one of several services is suppressed where each of them is."""
    labels = [replace(finding.label, service=name) for name in finding.services] or [finding.label]
    entries = [suppression_for(label, suppressions) for label in labels]
    return entries[0] if all(entries) else None


class SuppressionFilter:
    """Removes or marks suppressed findings, and counts those that it removes.

    With `summed_up` one label that says so is in the place of those that are removed from a part of an input.
    """

    def __init__(self, *, shown: bool, summed_up: bool = False) -> None:
        self._shown = shown
        self._summed_up = summed_up
        self._left_out = 0

    def shown(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> Outcome:
        """Return an outcome whose suppressed findings have no level, and are removed unless they are to be shown."""
        if not suppressions or not isinstance(outcome, Judged):
            return outcome
        verdict = outcome.verdict
        whole = stated_level(verdict)
        if not self._shown:
            left_out = {(label.label, label.where) for label in verdict.labels if suppression_for(label, suppressions)}
            self._left_out += len(left_out)
        changed = replace(
            verdict,
            risk_level=counted_level(verdict, suppressions),
            labels=self._labels(verdict.labels, suppressions),
            per_service=tuple(self._part(part, suppressions, whole) for part in verdict.per_service),
            frames=tuple(self._part(frame, suppressions, whole) for frame in verdict.frames),
        )
        return replace(outcome, verdict=changed)

    def note(self) -> str | None:
        """Return how many findings were removed, or None for none."""
        if not self._left_out:
            return None
        if self._left_out == 1:
            return "1 suppressed finding is not shown; --show-suppressed shows it"
        return f"{self._left_out:,} suppressed findings are not shown; --show-suppressed shows them"

    def _part(self, part: Part, suppressions: Sequence[Suppression], whole: RiskLevel | None) -> Part:
        """Return a service or a frame at the level that is left; `whole` is the level of the response around it."""
        left: list[Label] = [label for label in part.labels if suppression_for(label, suppressions) is None]
        if len(left) == len(part.labels):
            return part
        explained = highest(_levels(part.labels, part.risk_level, whole)) or RiskLevel.NONE
        claimed = part.risk_level or RiskLevel.NONE
        beyond = claimed if part.misread or claimed.rank > explained.rank else RiskLevel.NONE
        level = highest([*_levels(left, part.risk_level, whole), beyond])
        return replace(part, labels=self._labels(part.labels, suppressions), risk_level=level)

    def _labels(self, labels: Sequence[Label], suppressions: Sequence[Suppression]) -> tuple[Label, ...]:
        found = [(label, suppression_for(label, suppressions)) for label in labels]
        kept = [_marked(label, entry) if entry else label for label, entry in found if self._shown or not entry]
        if self._summed_up and not self._shown:
            kept += _summed_up([label for label, entry in found if entry])
        return tuple(kept)


def _summed_up(labels: Sequence[Label]) -> Iterator[Label]:
    """Yield a label for those of each part that are suppressed, with their number."""
    for where, number in Counter(label.where for label in labels).items():
        yield Label(SUPPRESSED_WORD, None, counted(number, "finding"), RiskLevel.NONE, where=where)


def _levels(labels: Sequence[Label], *around: RiskLevel | None) -> list[RiskLevel]:
    return [label_level(label, *around) for label in labels if label.is_finding]


def _marked(label: Label, entry: Suppression) -> Label:
    reason = f"suppressed: {entry.reason} ({entry.source})"
    return replace(label, risk_level=RiskLevel.NONE, description="; ".join(filter(None, [reason, label.description])))
