"""What there is to say about an outcome, a row each: labels, what stands behind them, services, frames, problems."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from rich.text import Text

from moderate_cli.render.details import confidence, details
from moderate_cli.render.table_words import STYLES, harmless, level_text
from moderate_cli.render.words import risk_word
from moderate_cli.verdicts import (
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
)


@dataclass(frozen=True, slots=True)
class Row:
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
    """Return at least one row for an outcome."""
    match outcome:
        case Judged(verdict=verdict):
            return list(_verdict_rows(verdict))
        case Pending(req_id=req_id):
            ask = harmless(shlex.quote(req_id), before="ask with: moderate poll ")
            return [Row(harmless(req_id), description=ask)]
        case Skipped(error=error) | Failed(error=error):
            message = Text.assemble(harmless(error.message), harmless(error.hint or "", "dim", "; "))
            return [Row(harmless(error.code), description=message)]
    raise TypeError(f"no rows for {type(outcome).__name__}")


def finding_rows(labels: Iterable[Label], ext: Json, indent: int = 0) -> list[Row]:
    """Return a row for each label and each detail behind them, or one that says that nothing was found."""
    found = [*map(label_row, labels), *detail_rows(ext)]
    return [replace(row, indent=indent) for row in found or [nothing_found()]]


def label_row(label: Label, *, with_where: bool = True) -> Row:
    """Return the row of a label; `with_where` tells the part of a post, if the label stands anywhere but there."""
    style = STYLES[label.risk_level] if label.risk_level else "bold"
    where = harmless(label.where or "", "dim", "at ") if with_where else Text()
    description = Text("; ").join(part for part in (harmless(label.description or ""), where) if part)
    return Row(harmless(label.label, style), Text(confidence(label.confidence)), description)


def detail_rows(ext: Json) -> list[Row]:
    """Return a row for each thing that stands behind the labels."""
    return [Row(harmless(name, "dim"), description=harmless(text, "dim")) for name, text in details(ext)]


def nothing_found() -> Row:
    """Return the row of something without findings."""
    return Row(Text("nothing found", style="dim"))


def _verdict_rows(verdict: Verdict) -> Iterator[Row]:
    if verdict.per_service:
        yield from _service_rows(verdict)
    else:
        yield from finding_rows(verdict.labels, verdict.ext)
    for frame in verdict.frames:
        name = Text(f"frame {frame.index + 1} of {len(verdict.frames)}", style="bold")
        level = level_text(frame.risk_level) if frame.risk_level else Text()
        yield Row(name, description=harmless(frame.url or ""), level=level)
        yield from finding_rows(frame.labels, frame.ext, indent=1)


def _service_rows(verdict: Verdict) -> Iterator[Row]:
    """Yield each service with its findings, and before them what no service claims."""
    claimed = {label.label for part in verdict.per_service for label in part.labels}
    yield from map(label_row, (label for label in verdict.labels if label.label not in claimed))
    yield from detail_rows(verdict.ext)
    count = len(verdict.per_service)
    yield Row(Text("1 service" if count == 1 else f"{count} services", style="dim"))
    for part in verdict.per_service:
        mark = Text("decides", style="bold") if _decides(part, verdict) else Text()
        yield Row(harmless(part.service, "bold"), description=mark, level=level_text(risk_word(part.risk_level)))
        yield from finding_rows(part.labels, part.ext, indent=1)


def _decides(part: ServiceVerdict, verdict: Verdict) -> bool:
    """Tell whether a service's level is the verdict's; where all found nothing, none of them decides."""
    found = [label.risk_level or RiskLevel.HIGH for label in part.labels]
    level = part.risk_level or max(found, key=lambda each: each.rank, default=RiskLevel.NONE)
    return level is verdict.gate_level and level is not RiskLevel.NONE
