"""One run of a judging command: outcomes to the renderer and the tally, the summary to stderr, the exit code out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from moderate_cli.commands.ledger import Ledger
from moderate_cli.commands.options import GateOptions, OutputOptions
from moderate_cli.commands.signals import on_stop
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode
from moderate_cli.records import Tally
from moderate_cli.render import Format, choose_format, renderer
from moderate_cli.render.notes import say, with_hint
from moderate_cli.render.output import open_output
from moderate_cli.render.summary import summary_line
from moderate_cli.settings import Settings
from moderate_cli.sources import Sources
from moderate_cli.verdicts import Failed, Judged, Outcome, Skipped


class Work(Protocol):
    """Something that yields outcomes, and can be asked to come to an end."""

    def __iter__(self) -> Iterator[Outcome]:
        """Yield each outcome once it is known."""

    def stop(self) -> None:
        """Begin nothing more; what is under way comes to its end."""


@dataclass(slots=True, kw_only=True)
class Run:
    """What a run shows, counts, and makes of its counts.

    With `shares_tasks`, a result that another process stored before is counted, and left to that one to show.
    `noun` is what the inputs are.
    """

    environment: Environment
    settings: Settings
    gate: GateOptions
    output: OutputOptions
    ledger: Ledger
    shares_tasks: bool = False
    noun: str = "image"
    tally: Tally = field(default_factory=Tally)

    def finish(self, work: Work, sources: Sources | None = None) -> ExitCode:
        """Work something off, keep and show it, and return the exit code."""
        with open_output(self.output.output, self.environment.stdout) as stream:
            started = self.environment.monotonic()
            try:
                with interruptible(work, self.tally):
                    self._show(work, sources, stream)
            except BrokenPipeError:
                self.tally.stopped_by = ExitCode.BROKEN_PIPE
                raise
            finally:
                is_broken_off = sys.exc_info()[0] is not None and not self.tally.inputs
                if not self.output.quiet and not is_broken_off:
                    self._say(summary_line(self.tally, self.environment.monotonic() - started, self.noun))
        code = self.tally.exit_code(fail_on=self.settings.fail_on.level, allow_empty=self.gate.allow_empty)
        self.ledger.finish(self.tally, code)
        return code

    def _show(self, work: Work, sources: Sources | None, stream: TextIO) -> None:
        output = self.output
        to_terminal = stream is self.environment.stdout and stream.isatty()
        chosen = choose_format(output.format, to_terminal=to_terminal)
        shown = renderer(chosen, stream, self.environment, color=output.color, raw=output.raw)
        closed: BrokenPipeError | None = None
        try:
            for outcome in work:
                if not self.ledger.keep(outcome) and self.shares_tasks:
                    self.tally.elsewhere += 1
                    continue
                if chosen is not Format.TABLE:  # a table shows the reasons itself
                    self._explain(outcome)
                self.tally.add(outcome)
                if closed is None and self._is_shown(outcome):
                    try:
                        shown.add(outcome)
                    except BrokenPipeError as error:
                        closed = error  # what is on its way is paid for, and still kept
                        work.stop()
            if closed is not None:
                raise closed
        finally:  # a run that is cut off leaves a valid document too
            self.tally.passed_over = sources.passed_over if sources else 0
            shown.finish(self.tally)

    def _is_shown(self, outcome: Outcome) -> bool:
        if not isinstance(outcome, Judged):
            return True
        return outcome.verdict.gate_level.rank >= self.settings.min_level.rank

    def _explain(self, outcome: Outcome) -> None:
        """Say why an input has no verdict; what ends the whole run is said once."""
        if not isinstance(outcome, Skipped | Failed):
            return
        error = outcome.error
        if error.exit_code is not ExitCode.FATAL:
            word = "skipped" if isinstance(outcome, Skipped) else "failed"
            self._say(f"{outcome.item.source}: {word}: {with_hint(error)}")
        elif not self.tally.fatal:
            self._say(with_hint(error))

    def _say(self, text: str) -> None:
        say(self.environment, text)


@contextmanager
def interruptible(work: Work, tally: Tally) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM finish the calls on their way, and the second end at once."""

    def stop(number: int) -> None:
        if tally.stopped_by is ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        tally.stopped_by = ExitCode.INTERRUPTED
        work.stop()

    with on_stop(stop):
        yield
