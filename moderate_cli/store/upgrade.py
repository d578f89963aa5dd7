"""Upgrade the results of 0.1.0: drop the unreliable answers and recompute the levels of the others.

0.1.0 took an unreadable answer for a verdict of none, and the lower of two contradicting levels. It kept no raw
answers, so that its verdicts of none cannot be told from misread ones.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from moderate_cli.models import EXEMPT, NO_FINDING, RiskLevel
from moderate_cli.records import UNREADABLE, from_json, read_verdict

_PAGE = 500  # rows that are read at once

# Images or frames by each service; a verdict that was reused was billed where it was new.
_SERVICES = "CASE WHEN services <> '' THEN 1 + length(services) - length(replace(services, ',', '')) ELSE 1 END"
_FRAMES = """
    CASE WHEN instr(record, '"frames":[{') AND json_valid(record) THEN json_array_length(record, '$.frames') ELSE 1 END
"""
_BILLED = f"""
    CASE WHEN engine = 'cloud' AND NOT instr(record, '"reused":true') THEN ({_SERVICES}) * ({_FRAMES}) ELSE 0 END
"""
# Written here and not taken from queries.py: a migration stays as it was.
_IS_FINDING = f"label NOT IN ('{NO_FINDING}', '{EXEMPT}')"
_FINDINGS = f"(SELECT 1 FROM label_hits WHERE result = number AND {_IS_FINDING})"  # noqa: S608 - the names of labels
# One statement for all verdicts of none: there may be a million of them, and each takes some microseconds.
_DROP = f"""
    UPDATE results SET question = NULL, billed_calls = {_BILLED}
    WHERE status = 'judged' AND question IS NOT NULL
    AND (risk_level = 'none' OR (risk_level IS NULL AND NOT EXISTS {_FINDINGS}))
"""  # noqa: S608
_BILL = f"UPDATE results SET billed_calls = {_BILLED} WHERE status = 'judged' AND billed_calls IS NULL"  # noqa: S608
# A verdict of none is checked again if any part of it has a risk.
_RISKY = " OR ".join(f"instr(record, '\"{level}\"')" for level in RiskLevel if level.rank)
_OTHERS = f"""
    SELECT number, record, risk_level, question FROM results
    WHERE number > ? AND status = 'judged' AND (risk_level IS NOT 'none' OR EXISTS {_FINDINGS} OR {_RISKY})
    ORDER BY number LIMIT {_PAGE}
"""  # noqa: S608
_SET = "UPDATE results SET risk_level = ?, question = ? WHERE number = ?"
# Files that were not sent again, because nothing was found in them, depend on verdicts of none.
_FORGET = ("DELETE FROM files", "UPDATE folders SET look = NULL WHERE look IS NOT NULL")


def work_anew(connection: sqlite3.Connection) -> int:
    """Recompute the results of schema 1 inside a transaction, and return the number of dropped answers."""
    dropped = connection.execute(_DROP).rowcount
    connection.execute(_BILL)
    after = 0
    while rows := connection.execute(_OTHERS, (after,)).fetchall():
        dropped += _set_levels(connection, rows)
        after = rows[-1]["number"]
    for statement in _FORGET:
        connection.execute(statement)
    return dropped


def _set_levels(connection: sqlite3.Connection, rows: Iterable[sqlite3.Row]) -> int:
    """Set the effective levels of results; those at none, or unreadable, are dropped as answers."""
    changes, dropped = [], 0
    for row in rows:
        level = _level(row["record"])
        question = None if level in {None, RiskLevel.NONE} else row["question"]
        dropped += row["question"] is not None and question is None
        if question != row["question"] or level not in {None, row["risk_level"]}:
            changes.append((level or row["risk_level"], question, row["number"]))
    connection.executemany(_SET, changes)
    return dropped


def _level(record: str) -> RiskLevel | None:
    try:
        return read_verdict(from_json(record)).risk_level
    except UNREADABLE:
        return None
