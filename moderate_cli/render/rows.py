"""What is shown of an outcome? A row per label, detail, service, frame or problem."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace
from rich.text import Text

from moderate_cli.levels import label_level, stated_level
from moderate_cli.models import (
    Failed,
    Json,
    Judged,
    Label,
    Outcome,
    Pending,
    RiskLevel,
    ServiceVerdict,
    Skipped,
    Verdict,
    highest,
)
from moderate_cli.render.styles import STYLES, harmless, level_text
from moderate_cli.render.wording import (
    EXEMPT_WORD,
    SUPPRESSED_WORD,
    confidence,
    details,
    exempted,
    is_of_frame,
    read_part,
    remarks,
    risk_word,
)
from moderate_cli.results import UNLABELLED, findings


class Row(Struct, frozen=True):
    """One row of a table, one line of a block, or one leaf of a tree; `level` is that of a service or a frame."""

    label: Text
    confidence: Text = field(default_factory=Text)
    description: Text = field(default_factory=Text)
    level: Text = field(default_factory=Text)
    indent: int = 0

    def line(self) -> Text:
        """Return the row as one text."""
        return Text("  ").join(part for part in (self.label, self.level, self.confidence, self.description) if part)


def outcome_rows(outcome: Outcome) -> list[Row]:
    """Return at least one row for an outcome; raises TypeError for one of a dry run."""
    match outcome:
        case Judged():
            return list(_verdict_rows(outcome))
        case Pending(req_id=req_id):
            ask = harmless(shlex.quote(req_id), before="run: moderate poll ")
            return [Row(harmless(req_id), description=ask)]
        case Skipped(error=error) | Failed(error=error):
            message = Text.assemble(harmless(error.message), harmless(error.hint or "", "dim", "; "))
            return [Row(harmless(error.code), description=message), *_read_rows(outcome), *remark_rows(outcome)]
    raise TypeError(f"no rows for {type(outcome).__name__}")


def finding_rows(labels: Sequence[Label], ext: Json, level: RiskLevel | None, indent: int = 0) -> list[Row]:
    """Return a row for each label and each detail behind them, or one that says that there are none.

    `level` is that of the part of the input to which they belong.
    """
    found = [*unlabelled_rows(labels, level), *map(label_row, labels), *detail_rows(ext)]
    return [replace(row, indent=indent) for row in found or [nothing_found()]]


def unlabelled_rows(labels: Iterable[Label], level: RiskLevel | None) -> list[Row]:
    """Return a row for a risk that has no label, and none where there is no risk, or a label for it."""
    if level in {None, RiskLevel.NONE} or any(label.is_finding and label.label != SUPPRESSED_WORD for label in labels):
        return []
    return [Row(Text(UNLABELLED, "bold"), description=Text("a risk level without a label"))]


def label_row(label: Label, *, with_where: bool = True) -> Row:
    """Return the row of a label; `with_where` adds the part of the post, for a label that is shown elsewhere."""
    style = STYLES[label.risk_level] if label.risk_level else "bold"
    name = harmless(label.label, style)
    where = harmless(label.where or "", "dim", "at ") if with_where else Text()
    parts = [harmless(label.description or ""), where]
    if not label.is_finding:
        name, parts = Text(EXEMPT_WORD, STYLES["none"]), [harmless(label.label), *parts]
    return Row(name, Text(confidence(label.confidence)), Text("; ").join(part for part in parts if part))


def detail_rows(ext: Json) -> list[Row]:
    """Return a row for each detail behind the labels."""
    return [Row(harmless(name, "dim"), description=harmless(text, "dim")) for name, text in details(ext)]


def remark_rows(outcome: Outcome) -> list[Row]:
    """Return a row for each remark on a response."""
    return [Row(Text("note", "magenta"), description=harmless(text)) for text in remarks(outcome)]


def nothing_found() -> Row:
    """Return the row of something without findings."""
    return Row(Text("nothing found", style="dim"))


def not_answered() -> Row:
    """Return the row of something that the response leaves out."""
    return Row(Text("not answered", style="bold magenta"))


def _verdict_rows(outcome: Judged) -> Iterator[Row]:
    verdict = outcome.verdict
    whole = [label for label in verdict.labels if not (verdict.frames and is_of_frame(label))]
    if verdict.per_service:
        yield from _service_rows(outcome, whole)
    else:
        rows = [
            *unlabelled_rows(verdict.labels, verdict.gate_level),
            *map(label_row, whole),
            *detail_rows(verdict.ext),
        ]
        yield from rows or ([] if verdict.labels else [nothing_found()])
        yield from remark_rows(outcome)
    for frame in verdict.frames:
        name = Text(f"frame {frame.index + 1} of {len(verdict.frames)}", style="bold")
        level = level_text(frame.risk_level) if frame.risk_level else Text()
        yield Row(name, description=harmless(frame.url or ""), level=level)
        yield from finding_rows(frame.labels, frame.ext, frame.risk_level, indent=1)


def _service_rows(outcome: Judged, whole: Iterable[Label]) -> Iterator[Row]:
    """Yield each service with its findings, and before them what no service claims or explains."""
    verdict = outcome.verdict
    claimed = {label.label for part in verdict.per_service for label in part.labels}
    others = [label for label in whole if label.label not in claimed]
    is_explained = any(_decides(part, verdict) for part in verdict.per_service)
    yield from [] if is_explained else unlabelled_rows(others, verdict.gate_level)
    yield from map(label_row, others)
    yield from detail_rows(verdict.ext)
    yield from remark_rows(outcome)
    count = len(verdict.per_service)
    yield Row(Text("1 service" if count == 1 else f"{count} services", style="dim"))
    for part in verdict.per_service:
        mark = Text("decides", style="bold") if _decides(part, verdict) else Text()
        yield Row(harmless(part.service, "bold"), description=mark, level=level_text(risk_word(part.risk_level)))
        yield from finding_rows(part.labels, part.ext, part.risk_level, indent=1)


def _read_rows(outcome: Skipped | Failed) -> Iterator[Row]:
    """Yield what could be read of a failed response."""
    verdict = read_part(outcome)
    if verdict is None:
        return
    yield Row(Text("could be read", "dim"), level=level_text(verdict.gate_level))
    labels = [*(each.label for each in findings(verdict, with_none=True)), *exempted(verdict)]
    yield from (replace(label_row(label), indent=1) for label in labels)


def _decides(part: ServiceVerdict, verdict: Verdict) -> bool:
    """Tell whether a service's level is the verdict's; where all found nothing, none of them decides."""
    found = [label_level(each, part.risk_level, stated_level(verdict)) for each in part.labels if each.is_finding]
    level = highest([part.risk_level, *found])
    return level is verdict.gate_level and level is not RiskLevel.NONE
