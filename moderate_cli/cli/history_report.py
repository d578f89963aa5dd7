"""How are results of the past shown? As the run would that brought them, or as a table with what people decided."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TextIO

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.cli.decided import decision_remark, suppressions_by
from moderate_cli.common.environment import Environment
from moderate_cli.models import Outcome
from moderate_cli.records import request_id_of
from moderate_cli.render import Format, Renderer, renderer
from moderate_cli.results import RunSummary
from moderate_cli.store import StoredDecision

if TYPE_CHECKING:
    from moderate_cli.render.table import HistoryTable


class PastReport(Protocol):
    """Shows results of the past, and counts them."""

    def add(self, outcome: Outcome, *, at: float, decisions: Sequence[StoredDecision] = ()) -> None:
        """Show one that was stored at a time (Unix seconds)."""

    def finish(self, notes: Sequence[str]) -> None:
        """Show what is left, to people with notes; the report is a whole document then."""


def open_report(
    choice: Format,
    stream: TextIO,
    environment: Environment,
    summary: RunSummary,
    *,
    color: str,
    csv_bom: bool,
    raw: bool = False,
) -> PastReport:
    """Return the report of a format, which counts in a summary; `raw` adds the API's own body to records."""
    if choice is not Format.TABLE:
        make = partial(renderer, color=color, raw=raw, show_suppressed=True, csv_bom=csv_bom)
        return _AsRun(make(choice, stream, environment), summary)
    from moderate_cli.render.table import HistoryTable  # Rich takes longer than most queries

    width, has_color = environment.width(), environment.wants_color(color, stream)
    return _AsTable(HistoryTable(stream, width=width, color=has_color), summary)


class _AsRun(Struct):
    """Shows results as a run would that brought them; a false positive does not count."""

    renderer: Renderer
    summary: RunSummary

    def add(self, outcome: Outcome, *, at: float, decisions: Sequence[StoredDecision] = ()) -> None:
        """Show one result."""
        suppressions = suppressions_by(outcome)
        self.summary.add(outcome, suppressions)
        self.renderer.add(outcome, suppressions=suppressions)

    def finish(self, notes: Sequence[str]) -> None:
        """Show what is left; notes are no part of a document."""
        self.renderer.finish(self.summary)


class _AsTable(Struct):
    """Shows results with their times, request ids and decisions."""

    table: HistoryTable
    summary: RunSummary

    def add(self, outcome: Outcome, *, at: float, decisions: Sequence[StoredDecision] = ()) -> None:
        """Show one result."""
        self.summary.add(outcome)
        remarks = [decision_remark(said) for said in decisions]
        outcome = replace(outcome, decision=None)  # it is among the remarks, with those before it
        self.table.add(outcome, at=at, request_id=request_id_of(outcome), remarks=remarks)

    def finish(self, notes: Sequence[str]) -> None:
        """Say what is not listed."""
        self.table.finish("\n".join(notes) or None)
