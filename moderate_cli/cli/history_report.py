"""How are results of the past shown? As the run would that brought them, or as a table with what people decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.cli.decided import decision_remark, suppressions_by
from moderate_cli.common.environment import Environment
from moderate_cli.models import Json, Outcome
from moderate_cli.records import from_json, request_id_of
from moderate_cli.render import Format, Renderer, renderer
from moderate_cli.render.originals import Originals
from moderate_cli.results import RunSummary
from moderate_cli.store import Store, StoredDecision

if TYPE_CHECKING:
    from moderate_cli.render.table import HistoryTable


_PLACES = 5  # of one content, at which a page looks for its picture


class PastReport(Protocol):
    """Shows results of the past, and counts them."""

    def add(self, outcome: Outcome, *, at: float, decisions: Sequence[StoredDecision] = (), origin: str = "") -> None:
        """Show one that was stored at a time (Unix seconds), and where it is known from if that is to be said."""

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
    store: Store | None = None,
) -> PastReport:
    """Return the report of a format, which counts in a summary; `raw` adds the API's own body to records.

    A page shows the files and the posts that a `store` remembers, whatever the folder.
    """
    if choice is not Format.TABLE:
        make = partial(renderer, color=color, raw=raw, show_suppressed=True, csv_bom=csv_bom)
        originals = None if store is None else StoredOriginals(store)
        return _AsRun(make(choice, stream, environment, originals=originals), summary)
    from moderate_cli.render.table import HistoryTable  # Rich takes longer than most queries

    width, has_color = environment.width(), environment.wants_color(color, stream)
    return _AsTable(HistoryTable(stream, width=width, color=has_color), summary)


class StoredOriginals(Originals):
    """What a store remembers of inputs: where their files were, and the posts of its tasks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def files(self, digests: Collection[str]) -> Mapping[str, Sequence[Path]]:
        """Return where files with some contents were seen, the first few of each."""
        places = self._store.places_of_each(digests, limit=_PLACES)
        return {digest: [Path(folder, name) for folder, name in found] for digest, found in places.items()}

    def post(self, req_id: str) -> Json | None:
        """Return the post that was submitted as a task, or None."""
        task = self._store.find_task(req_id)
        post = from_json(task.post) if task is not None and task.post else None
        return post if isinstance(post, dict) else None


class _AsRun(Struct):
    """Shows results as a run would that brought them; a false positive does not count."""

    renderer: Renderer
    summary: RunSummary

    def add(self, outcome: Outcome, *, at: float, decisions: Sequence[StoredDecision] = (), origin: str = "") -> None:
        """Show one result; where it is known from is a note on it."""
        suppressions = suppressions_by(outcome)
        said = (origin,) if origin else ()
        outcome = replace(outcome, notes=(*outcome.notes, *said))
        self.summary.add(outcome, suppressions)
        self.renderer.add(outcome, suppressions=suppressions)

    def finish(self, notes: Sequence[str]) -> None:
        """Show what is left; notes are no part of a document."""
        self.renderer.finish(self.summary)


class _AsTable(Struct):
    """Shows results with their times, request ids and decisions."""

    table: HistoryTable
    summary: RunSummary

    def add(self, outcome: Outcome, *, at: float, decisions: Sequence[StoredDecision] = (), origin: str = "") -> None:
        """Show one result."""
        self.summary.add(outcome)
        remarks = [*([origin] if origin else []), *map(decision_remark, decisions)]
        outcome = replace(outcome, decision=None)  # it is among the remarks, with those before it
        self.table.add(outcome, at=at, request_id=request_id_of(outcome), remarks=remarks)

    def finish(self, notes: Sequence[str]) -> None:
        """Say what is not listed."""
        self.table.finish("\n".join(notes) or None)
