"""HTML for people who look: one file with everything in it, which asks nothing of the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TextIO

from moderate_cli.environment import Environment
from moderate_cli.installation import install_command
from moderate_cli.records import GatePolicy, Suppression, Tally, verdict_of
from moderate_cli.render.html.cards import Entry, card, names_of
from moderate_cli.render.html.page import Facts, bottom, top
from moderate_cli.render.html.thumbnails import Thumbnails
from moderate_cli.render.ignored import SuppressionFilter
from moderate_cli.render.worst import Worst, place_of
from moderate_cli.verdicts import Outcome, RiskLevel

MOST_CARDS = 2_000
"""How many inputs the gallery shows."""


class HtmlRenderer:
    """Keeps the worst outcomes and writes the page at the end; all outcomes are in its counts.

    The pictures of flagged images are blurred until they are asked for, since looking at them harms people.
    """

    def __init__(
        self, stream: TextIO, environment: Environment, *, policy: GatePolicy, show_suppressed: bool = False
    ) -> None:
        self._stream = stream
        self._environment = environment
        self._policy = policy
        self._suppressed = SuppressionFilter(shown=show_suppressed)
        self._worst: Worst[Entry] = Worst(MOST_CARDS)

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep one outcome, if it is among the worst."""
        shown = self._suppressed.shown(outcome, suppressions)
        verdict = verdict_of(outcome)
        flagged = verdict is not None and verdict.gate_level is not RiskLevel.NONE
        self._worst.add(place_of(shown), Entry(shown, flagged))

    def finish(self, tally: Tally) -> None:
        """Write the page."""
        entries = self._worst.in_order()
        names = Counter(name for entry in entries for name in names_of(entry.outcome))
        facts = Facts(
            written_at=self._environment.clock(),
            policy=self._policy,
            labels=[name for name, _ in names.most_common()],
            cards=len(entries),
        )
        thumbnails = Thumbnails(self._environment.monotonic)
        self._stream.write(top(tally, facts))
        self._stream.writelines(card(entry, thumbnails.of(entry.outcome), self._policy) for entry in entries)
        self._stream.write(bottom(list(self._notes(thumbnails))))
        self._stream.flush()

    def _notes(self, thumbnails: Thumbnails) -> Iterator[str]:
        if self._worst.left_out:
            yield f"and {self._worst.left_out:,} more, not shown here; -f jsonl lists all"
        if note := self._suppressed.note():
            yield note
        if thumbnails.stopped:
            yield "only the first pictures are here, to keep this page small"
        if thumbnails.needs_pillow:
            yield f"no previews, because Pillow is not installed; {install_command('local')}"
