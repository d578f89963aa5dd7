"""`--dry-run`: what would be sent, what is known already, what would be refused, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable

from moderate_cli.catalogue.prices import Estimate
from moderate_cli.commands.billing import billed
from moderate_cli.commands.options import OutputOptions
from moderate_cli.commands.run import unmatched
from moderate_cli.commands.session import Session
from moderate_cli.errors import ExitCode, UsageError
from moderate_cli.records import Tally
from moderate_cli.render import Format, choose_format
from moderate_cli.render.notes import say
from moderate_cli.render.output import open_output
from moderate_cli.render.plan import plan_renderer
from moderate_cli.render.summary import plan_lines
from moderate_cli.sources import Sources
from moderate_cli.verdicts import Outcome

_FORMATS = (Format.TABLE, Format.JSONL)


def show_plan(
    session: Session,
    output: OutputOptions,
    outcomes: Iterable[Outcome],
    sources: Sources | None = None,
    *,
    noun: str = "image",
) -> ExitCode:
    """Show what a run would do, one line an input, and return the exit code: 3 where some input cannot be sent."""
    environment = session.environment
    tally, estimate = Tally(), Estimate(session.settings.prices)
    with open_output(output.output, environment.stdout) as stream:
        to_terminal = output.output is None and stream.isatty()
        choice = choose_format(output.format, to_terminal=to_terminal)
        if choice not in _FORMATS:
            raise UsageError(f"a dry run is not shown as {choice.value}", hint="-f table or -f jsonl")
        show = plan_renderer(stream, as_json=choice is Format.JSONL)
        for outcome in outcomes:
            tally.add(outcome)
            estimate.add(outcome.call, billed(outcome))
            show(outcome)
    if sources is not None:
        tally.passed_over, tally.ignored = sources.passed_over, sources.ignored
    if not output.quiet:
        for line in (*unmatched(sources), *plan_lines(tally, estimate, noun)):
            say(environment, line)
    return tally.exit_code(allow_empty=False)
