"""Statistics as bars: what they show, how they fit, and what they are made of."""

from __future__ import annotations

import io

import pytest

from moderate_cli.render.usage import Count, Grouping, Statistics
from moderate_cli.render.usage_bars import write_bars

DAYS = Statistics(
    by=Grouping.DAY,
    calls=1_234_600,
    hits=101,
    billed=1_300_000,
    rows=[
        Count("2025-12-01", 1_234_567, 100, 1_299_968),
        Count("2025-12-02", 32, 0, 32),
        Count("2025-12-03", 1, 1, 0),
    ],
)
LABELS = Statistics(
    by=Grouping.LABEL, calls=200, hits=60, billed=210, rows=[Count("pornographic_adultContent_tii", 50), Count("a", 1)]
)


def _shown(statistics: Statistics, *, width: int = 60, color: bool = False) -> list[str]:
    stream = io.StringIO()
    write_bars(statistics, stream, width=width, color=color)
    return stream.getvalue().splitlines()


def _statistics(*rows: Count, by: Grouping = Grouping.DAY) -> Statistics:
    calls, hits, billed = (sum(getattr(row, name) or 0 for row in rows) for name in ("calls", "hits", "billed"))
    return Statistics(by=by, calls=calls, hits=hits, billed=billed, rows=rows)


def test_days() -> None:
    assert [line.rstrip() for line in _shown(DAYS, width=72)] == [
        "Day              Calls   Hits      Billed     Share",
        "─" * 72,
        "2025-12-01   1,234,567    100   1,299,968     0.0 %   █░░░░░░░░░░░░░░░░░",
        "2025-12-02          32      0          32     0.0 %   ░",
        "2025-12-03           1      1           0   100.0 %   █",
        "",
        "1,234,600 calls (1,300,000 billed): █ 101 (0.0 %) with a finding, ░",
        "1,234,499 without",
    ]


def test_what_is_billed_is_left_out_before_bars_are() -> None:
    lines = [line.rstrip() for line in _shown(DAYS, width=60)]
    assert lines[0] == "Day              Calls   Hits     Share"
    assert lines[2] == "2025-12-01   1,234,567    100     0.0 %   █░░░░░░░░░░░░░░░░░"
    assert "(1,300,000 billed)" in " ".join(lines)


def test_what_was_billed_and_not_judged_has_no_bar() -> None:
    lines = [line.rstrip() for line in _shown(_statistics(Count("2025-12-01", 0, 0, 2)))]
    assert lines[2] == "2025-12-01       0      0        2   0.0 %"
    assert lines[-1] == "0 calls (2 billed): █ 0 (0.0 %) with a finding, ░ 0 without"


def test_a_service_that_nobody_knows_is_unknown() -> None:
    assert _shown(_statistics(Count(None, 1, 1, 1), by=Grouping.SERVICE))[2].startswith("unknown ")


def test_labels() -> None:
    assert [line.rstrip() for line in _shown(LABELS)] == [
        "Label                           Calls    Share",
        "─" * 60,
        "pornographic_adultContent_tii      50   25.0 %   ███████████",
        "a                                   1    0.5 %   █",
        "",
        "of 200 calls (210 billed), 60 (30.0 %) with a finding; one",
        "may have several labels",
    ]


@pytest.mark.parametrize("statistics", [DAYS, LABELS], ids=["days", "labels"])
@pytest.mark.parametrize("width", [24, 40, 60, 80, 100, 200])
def test_it_fits_and_no_number_is_cut_off(statistics: Statistics, width: int) -> None:
    lines = _shown(statistics, width=width)
    assert max(map(len, lines)) <= width
    if width >= 40:
        for row in statistics.rows:
            assert any(f"{row.calls:,} " in line for line in lines)


def test_names_are_folded_before_bars_are_left_out() -> None:
    lines = _shown(LABELS, width=40)
    assert "█" in "".join(lines)
    assert "pornographic_adultContent_tii" not in "".join(lines)
    assert "".join(line[:12].strip() for line in lines).count("pornographic") == 1
    assert "█" not in "".join(_shown(LABELS, width=30)[:-3])


@pytest.mark.parametrize(
    ("calls", "hits", "bar"),
    [(10, 0, "░" * 10), (10, 10, "█" * 10), (10, 5, "█" * 5 + "░" * 5), (1, 1, "█"), (1, 0, "░")],
)
def test_a_bar_is_as_long_as_its_calls_and_its_first_part_as_its_hits(calls: int, hits: int, bar: str) -> None:
    whole = Count("2025-12-01", 10, 10)
    rows = _statistics(whole, Count("2025-12-02", calls, hits))
    [line] = [line for line in _shown(rows, width=48) if line.startswith("2025-12-02")]
    assert line.split("%")[1].strip() == bar


def test_colour_adds_nothing_but_colour() -> None:
    from rich.text import Text

    plain = "\n".join(_shown(DAYS))
    assert Text.from_ansi("\n".join(_shown(DAYS, color=True))).plain.split() == plain.split()
    assert "\x1b[31m█" in "".join(_shown(DAYS, color=True))


def test_a_terminal_of_ascii_gets_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write_bars(DAYS, stream, width=80, color=False)
    stream.flush()
    shown = stream.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "#-----------------" in shown
    assert "# 101 (0.0 %) with a finding, - 1,234,499" in shown


def test_names_from_outside_are_harmless() -> None:
    shown = "\n".join(_shown(_statistics(Count("\x1b[31m[bold]x", 1, 1), by=Grouping.SERVICE)))
    assert r"\x1b[31m[bold]x" in shown
