"""What stands under the tables: the counts by level and by label, tokens, and what the local engine checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.table import Table
from rich.text import Text

from moderate_cli.records import Tally
from moderate_cli.render.safe import safe_text
from moderate_cli.render.table_layout import plain_table
from moderate_cli.render.table_words import harmless, level_text
from moderate_cli.verdicts import Json, Judged, Outcome, RiskLevel

_MOST_LABELS = 20


def summary_table(tally: Tally, noun: str) -> Table:
    """Return the counts by level beside those by label; `noun` is what is counted."""
    table = plain_table()
    table.add_column("Level")
    table.add_column(noun, justify="right")
    table.add_column("Label", overflow="fold")
    table.add_column(noun, justify="right")
    levels = [(level.value, tally.levels[level]) for level in reversed(RiskLevel)]
    levels += [("pending", tally.pending), ("skipped", tally.skipped), ("failed", tally.failed)]
    left = [(level_text(word), Text(str(count))) for word, count in levels if count]
    right = [(harmless(name), Text(str(count))) for name, count in tally.labels.most_common(_MOST_LABELS)]
    if len(tally.labels) > _MOST_LABELS:
        right.append((Text(f"and {len(tally.labels) - _MOST_LABELS} more", style="dim"), Text()))
    blank = (Text(), Text())
    for row in range(max(len(left), len(right))):
        table.add_row(*(left[row] if row < len(left) else blank), *(right[row] if row < len(right) else blank))
    return table


def tokens_line(outcomes: Iterable[Outcome]) -> Text | None:
    """Return the tokens that all calls took together, or None where the service counted none."""
    usages = [each.verdict.usage for each in outcomes if isinstance(each, Judged) and each.verdict.usage]
    if not usages:
        return None
    incoming = sum(usage.input_tokens or 0 for usage in usages)
    outgoing = sum(usage.output_tokens or 0 for usage in usages)
    total = sum(
        (usage.input_tokens or 0) + (usage.output_tokens or 0) if usage.total_tokens is None else usage.total_tokens
        for usage in usages
    )
    parts = f" ({incoming:,} in, {outgoing:,} out)" if incoming or outgoing else ""
    return Text.assemble(("tokens:", "bold"), f" {total:,}{parts}")


def engine_note(outcomes: Iterable[Outcome]) -> Text | None:
    """Return what the local engine checked and what it did not, or None where it was not asked."""
    engines = [engine for outcome in outcomes for engine in _local_engines(outcome)]
    if not engines:
        return None
    checks = dict.fromkeys(f"{check.get('name')} ({check.get('package')})" for check in _listed(engines, "checks"))
    lines = [Text.assemble(("Local engine", "bold"), f" checked: {safe_text(', '.join(checks))}")]
    missing = dict.fromkeys(map(_not_checked, _listed(engines, "not_checked")))
    return Text("\n").join([*lines, *(harmless(line, "dim") for line in missing)])


def _not_checked(part: Json) -> str:
    install = f"; {part['install']}" if part.get("install") else ""
    return f"  not checked: {part.get('name')}: {part.get('reason')}{install}"


def _local_engines(outcome: Outcome) -> Iterator[Json]:
    if isinstance(outcome, Judged):
        verdict = outcome.verdict
        for ext in (verdict.ext, *(part.ext for part in verdict.per_service), *(frame.ext for frame in verdict.frames)):
            engine = ext.get("local_engine")
            if isinstance(engine, Mapping):
                yield engine


def _listed(engines: Iterable[Json], name: str) -> Iterator[Json]:
    for engine in engines:
        parts = engine.get(name)
        yield from (part for part in (parts if isinstance(parts, list) else []) if isinstance(part, Mapping))
