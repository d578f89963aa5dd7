"""Where the outcomes of a run are shown: standard output or a file, and further reports beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from moderate_cli.commands.options import GateOptions, OutputOptions
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.records import GatePolicy, Suppression, Tally
from moderate_cli.render import Format, Renderer, choose_format, renderer
from moderate_cli.render.notes import say, with_hint
from moderate_cli.render.output import OutputError, open_output
from moderate_cli.verdicts import Outcome

_Show = Callable[[Renderer], None]
# Formats that write each outcome at once; where that is the terminal, a bar would stand in their way.
_AT_ONCE = frozenset({Format.JSONL, Format.JSON, Format.CSV})


class _Report:
    """One place where outcomes go, until it takes no more."""

    def __init__(self, opened: AbstractContextManager[TextIO], make: Callable[[TextIO], Renderer]) -> None:
        self._opened = opened
        self._renderer = make(opened.__enter__())
        self.is_open = True

    def show(self, show: _Show) -> None:
        """Show something; raises OSError or OutputError where that cannot be written."""
        show(self._renderer)

    def close(self, error: BaseException | None = None) -> None:
        """Give the report its name, if no error of its own says that it is not whole."""
        self.is_open = False
        try:
            self._opened.__exit__(type(error) if error else None, error, None)
        except BaseException as raised:
            if raised is not error:
                raise


class Reports:
    """All the places where outcomes go; `main` is the format of the first.

    One that cannot be written any more is told, counted in `unwritten` and left out; the others go on.
    """

    def __init__(self, main: Format, environment: Environment, *, to_terminal: bool) -> None:
        self.main = main
        self.unwritten = 0
        self._environment = environment
        self._to_terminal = to_terminal
        self._reports: list[_Report] = []

    @property
    def flows_over_terminal(self) -> bool:
        """Whether lines appear on the terminal while the run goes on."""
        return self._to_terminal and self.main in _AT_ONCE

    def open(self, path: Path | None, make: Callable[[TextIO], Renderer]) -> None:
        """Add a place; raises UsageError where it cannot be written."""
        opened = open_output(path, self._environment.stdout, note=self._say)
        self._reports.append(_Report(opened, make))

    def add(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> None:
        """Show one outcome everywhere; raises BrokenPipeError, once all others have it, where a reader has gone."""
        self._each(lambda each: each.add(outcome, suppressions=suppressions))

    def finish(self, tally: Tally) -> None:
        """Show what is left once the run is over."""
        self._each(lambda each: each.finish(tally))

    def close(self, error: BaseException | None = None) -> None:
        """Give each report its name; after an error of the run, each that holds anything."""
        for report in self._reports:
            if report.is_open:
                try:
                    report.close(error)
                except (OSError, OutputError) as raised:
                    self._give_up(report, raised)

    def _each(self, show: _Show) -> None:
        closed: BrokenPipeError | None = None
        for report in self._reports:
            if not report.is_open:
                continue
            try:
                report.show(show)
            except BrokenPipeError as error:
                closed = error
            except (OSError, OutputError) as error:
                self._give_up(report, error)
        if closed is not None:
            raise closed

    def _give_up(self, report: _Report, error: OSError | OutputError) -> None:
        self.unwritten += 1
        if report.is_open:
            with suppress(OSError, OutputError):
                report.close(error)
        self._say(with_hint(error) if isinstance(error, OutputError) else f"cannot write: {error.strerror or error}")

    def _say(self, text: str) -> None:
        say(self._environment, text)


@contextmanager
def open_reports(
    environment: Environment, policy: GatePolicy, gate: GateOptions, output: OutputOptions
) -> Iterator[Reports]:
    """Open all outputs; each file appears under its name, in one piece, at the end of the `with` block.

    Raises UsageError where one of them cannot be written, or two are the same file.
    """
    main, further = _main_format(environment, output), _further(output)
    _refuse_same_file([output.output, *further.values()])
    reports = Reports(main, environment, to_terminal=_is_for_terminal(environment, output))
    try:
        for choice, path in ((main, output.output), *further.items()):
            reports.open(path, _maker(choice, environment, policy, gate, output))
        yield reports
    except BaseException as error:
        reports.close(error)
        raise
    reports.close()


def chosen_formats(environment: Environment, output: OutputOptions) -> list[Format]:
    """Return the formats of all outputs."""
    return [_main_format(environment, output), *_further(output)]


def _main_format(environment: Environment, output: OutputOptions) -> Format:
    return choose_format(output.format, to_terminal=_is_for_terminal(environment, output))


def _is_for_terminal(environment: Environment, output: OutputOptions) -> bool:
    return output.output is None and environment.stdout.isatty()


def _maker(
    choice: Format, environment: Environment, policy: GatePolicy, gate: GateOptions, output: OutputOptions
) -> Callable[[TextIO], Renderer]:
    def make(stream: TextIO) -> Renderer:
        return renderer(
            choice,
            stream,
            environment,
            color=output.color,
            raw=output.raw,
            policy=policy,
            show_suppressed=gate.show_suppressed,
        )

    return make


def _further(output: OutputOptions) -> dict[Format, Path]:
    """Return the paths of the further reports, whose options are named after their formats."""
    paths = {choice: getattr(output, f"{choice.value}_output", None) for choice in Format}
    return {choice: path for choice, path in paths.items() if path is not None}


def _refuse_same_file(paths: Sequence[Path | None]) -> None:
    # A device or a pipe bears several.
    places = [path.absolute() for path in paths if path is not None and (path.is_file() or not path.exists())]
    if len(set(places)) < len(places):
        raise UsageError("two reports go to the same file", hint="give each its own name")
