"""How is it shown what people decided? A row a label and service, with the share of false positives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from moderate_cli.common.environment import Environment
from moderate_cli.models import DecisionWord
from moderate_cli.render.listing import Listing, Row, write_csv, write_json, write_jsonl
from moderate_cli.render.output import open_output
from moderate_cli.render.usage import UNKNOWN, StatsFormat, percent, ratio
from moderate_cli.store import DecisionCount

_SHARE = "false_positive_share"
_DIGITS = 6  # decimals of a share
_NO_LABEL = "no finding"
_FIELDS = ("label", "service", "decided", *(word.value.replace("-", "_") for word in DecisionWord), _SHARE)
_COLUMNS = ("Label", "Service", "Decided", *(word.value.capitalize() for word in DecisionWord), "False share")


def write_decisions(
    counts: Iterable[DecisionCount], choice: StatsFormat, environment: Environment, *, output: Path | None, color: str
) -> None:
    """Write what was decided in a format: a table, JSON Lines, JSON or CSV."""
    listing = _listing(counts, environment)
    with open_output(output, environment.stdout, for_people=choice is StatsFormat.TABLE) as stream:
        match choice:
            case StatsFormat.TABLE:
                from moderate_cli.render.listing_table import write_table  # loads Rich

                width, has_color = environment.width(), environment.wants_color(color, stream)
                write_table(listing, stream, width=width, color=has_color)
            case StatsFormat.JSON:
                write_json(listing, stream)
            case StatsFormat.CSV:
                write_csv(listing, stream)
            case _:
                write_jsonl(listing, stream)
        stream.flush()


def _listing(counts: Iterable[DecisionCount], environment: Environment) -> Listing:
    """Return a row for each label of a service, the most often decided first."""
    found: dict[tuple[str | None, str | None], Counter[str]] = {}
    for each in counts:
        found.setdefault((each.label, each.service), Counter())[each.value] += each.results
    rows = [_row(*key, words) for key, words in sorted(found.items(), key=lambda item: -item[1].total())]
    return Listing(
        name="rows",
        source="the decisions in the store",
        date=datetime.fromtimestamp(environment.clock(), UTC).strftime("%Y-%m-%d"),
        fields=_FIELDS,
        columns=_COLUMNS,
        rows=rows,
    )


def _row(label: str | None, service: str | None, words: Counter[str]) -> Row:
    decided, numbers = words.total(), [words[word] for word in DecisionWord]
    share = ratio(words[DecisionWord.FALSE_POSITIVE] + words[DecisionWord.SUPPRESSED], decided)
    data = dict(zip(_FIELDS, (label, service, decided, *numbers, round(share, _DIGITS)), strict=True))
    cells = (label or _NO_LABEL, service or UNKNOWN, *(f"{number:,}" for number in (decided, *numbers)), percent(share))
    return Row(data, cells)
