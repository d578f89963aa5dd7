"""Where the outcomes of a run are shown: standard output or a file, and further reports beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from moderate_cli.commands.options import GateOptions, OutputOptions
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.records import Allowed, Tally
from moderate_cli.render import Format, Renderer, choose_format, renderer
from moderate_cli.render.output import open_output
from moderate_cli.settings import Settings
from moderate_cli.verdicts import Outcome

_Show = Callable[[Renderer], None]
# Formats that write each outcome at once; where that is the terminal, a bar would stand in their way.
_AT_ONCE = frozenset({Format.JSONL, Format.JSON, Format.CSV})


@dataclass(frozen=True, slots=True)
class Reports:
    """All the places where outcomes go; `main` is the one of --format."""

    main: Format
    shown: Sequence[Renderer]
    to_terminal: bool

    @property
    def flows_over_terminal(self) -> bool:
        """Whether lines appear on the terminal while the run goes on."""
        return self.to_terminal and self.main in _AT_ONCE

    def add(self, outcome: Outcome, allowed: Sequence[Allowed]) -> None:
        """Show one outcome everywhere; raises BrokenPipeError, once all others have it, where a reader has gone."""
        self._each(lambda each: each.add(outcome, allowed=allowed))

    def finish(self, tally: Tally) -> None:
        """Show what is left once the run is over."""
        self._each(lambda each: each.finish(tally))

    def _each(self, show: _Show) -> None:
        closed: BrokenPipeError | None = None
        for each in self.shown:
            try:
                show(each)
            except BrokenPipeError as error:
                closed = error
        if closed is not None:
            raise closed


@contextmanager
def open_reports(
    environment: Environment, settings: Settings, gate: GateOptions, output: OutputOptions
) -> Iterator[Reports]:
    """Open all outputs; each file appears under its name, in one piece, at the end of the `with` block.

    Raises UsageError where one of them cannot be written, or two are the same file.
    """
    further = _further(output)
    _refuse_same_file([output.output, *further.values()])
    with ExitStack() as stack:

        def opened(choice: Format, path: Path | None) -> Renderer:
            stream = stack.enter_context(open_output(path, environment.stdout))
            return renderer(
                choice,
                stream,
                environment,
                color=output.color,
                raw=output.raw,
                fail_on=settings.fail_on.level,
                show_ignored=gate.show_ignored,
            )

        to_terminal = output.output is None and environment.stdout.isatty()
        main = choose_format(output.format, to_terminal=to_terminal)
        shown = [opened(main, output.output), *(opened(choice, path) for choice, path in further.items())]
        yield Reports(main, shown, to_terminal)


def _further(output: OutputOptions) -> dict[Format, Path]:
    """Return the paths of the further reports, whose options are named after their formats."""
    paths = {choice: getattr(output, f"{choice.value}_output", None) for choice in Format}
    return {choice: path for choice, path in paths.items() if path is not None}


def _refuse_same_file(paths: Sequence[Path | None]) -> None:
    # A device or a pipe bears several.
    places = [path.absolute() for path in paths if path is not None and (path.is_file() or not path.exists())]
    if len(set(places)) < len(places):
        raise UsageError("two reports go to the same file", hint="give each its own name")
