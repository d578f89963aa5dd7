"""What stands under the tables: the counts by level and by label, tokens, and what the local engine checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from moderate_cli.records import Tally
from moderate_cli.render.counts import counts
from moderate_cli.render.safe import safe_text
from moderate_cli.render.table_layout import plain_table
from moderate_cli.render.table_words import harmless, input_word, kind, level_text
from moderate_cli.verdicts import Json, Judged, Outcome, Usage, Verdict

_MOST_LABELS = 20


def summary_table(tally: Tally, noun: str) -> Table:
    """Return the counts by level beside those by label; `noun` is what is counted."""
    table = plain_table()
    table.add_column("Level")
    table.add_column(noun, justify="right")
    table.add_column("Label", overflow="fold")
    table.add_column(noun, justify="right")
    left = [(level_text(word), Text(str(count))) for word, count in counts(tally)]
    right = [(harmless(name), Text(str(count))) for name, count in tally.labels.most_common(_MOST_LABELS)]
    if len(tally.labels) > _MOST_LABELS:
        right.append((Text(f"and {len(tally.labels) - _MOST_LABELS} more", style="dim"), Text()))
    blank = (Text(), Text())
    for row in range(max(len(left), len(right))):
        table.add_row(*(left[row] if row < len(left) else blank), *(right[row] if row < len(right) else blank))
    return table


class Totals:
    """What is told once for all outcomes of a run; memory grows with what there is to tell, not with their number."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._tokens: list[int] | None = None
        self._checks: dict[str, None] = {}
        self._missing: dict[str, None] = {}

    def add(self, outcome: Outcome) -> None:
        """Count one outcome in."""
        self._kinds.add(kind(outcome))
        if not isinstance(outcome, Judged):
            return
        if (usage := outcome.verdict.usage) and not outcome.reused:
            before = self._tokens or (0, 0, 0)
            self._tokens = [sum(counts) for counts in zip(before, _tokens(usage), strict=True)]
        for engine in _local_engines(outcome.verdict):
            names = (f"{check.get('name')} ({check.get('package')})" for check in _listed(engine, "checks"))
            self._checks |= dict.fromkeys(names)
            self._missing |= dict.fromkeys(map(_not_checked, _listed(engine, "not_checked")))

    @property
    def noun(self) -> str:
        """What the inputs are."""
        return input_word(self._kinds)

    def tokens_line(self) -> Text | None:
        """Return the tokens that all calls took together, or None where the service counted none."""
        if self._tokens is None:
            return None
        incoming, outgoing, total = self._tokens
        parts = f" ({incoming:,} in, {outgoing:,} out)" if incoming or outgoing else ""
        return Text.assemble(("tokens:", "bold"), f" {total:,}{parts}")

    def engine_note(self) -> Text | None:
        """Return what the local engine checked and what it did not, or None where it was not asked."""
        if not self._checks and not self._missing:
            return None
        head = Text.assemble(("Local engine", "bold"), f" checked: {safe_text(', '.join(self._checks))}")
        return Text("\n").join([head, *(harmless(line, "dim") for line in self._missing)])


def _tokens(usage: Usage) -> tuple[int, int, int]:
    incoming, outgoing = usage.input_tokens or 0, usage.output_tokens or 0
    return incoming, outgoing, incoming + outgoing if usage.total_tokens is None else usage.total_tokens


def _not_checked(part: Json) -> str:
    install = f"; {part['install']}" if part.get("install") else ""
    return f"  not checked: {part.get('name')}: {part.get('reason')}{install}"


def _local_engines(verdict: Verdict) -> Iterator[Json]:
    for ext in (verdict.ext, *(part.ext for part in verdict.per_service), *(frame.ext for frame in verdict.frames)):
        engine = ext.get("local_engine")
        if isinstance(engine, Mapping):
            yield engine


def _listed(engine: Json, name: str) -> Iterator[Json]:
    parts = engine.get(name)
    return (part for part in (parts if isinstance(parts, list) else []) if isinstance(part, Mapping))
