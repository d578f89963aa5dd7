"""Which renderer shows a run? One module per format, imported when it is chosen."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, TextIO, assert_never

from moderate_cli.common.environment import Environment
from moderate_cli.models import Outcome
from moderate_cli.results import MAX_CLEAN, NO_GATE, GatePolicy, RunSummary, Suppression

if TYPE_CHECKING:
    from moderate_cli.render.originals import Originals


class Format(StrEnum):
    """The formats by the name that `--format` takes."""

    AUTO = "auto"
    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    HTML = "html"


_NAMES_NO_CLEAN = frozenset({Format.TABLE, Format.MARKDOWN, Format.SARIF, Format.GITHUB})
_NAMES_FEW_CLEAN = frozenset({Format.JUNIT})
_AT_ONCE = frozenset({Format.JSONL, Format.JSON, Format.CSV})

ReportFormat = Literal[Format.MARKDOWN, Format.SARIF, Format.JUNIT, Format.GITHUB, Format.HTML]


class Renderer(Protocol):
    """Shows the outcomes of one run, in memory that does not grow with their number."""

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Take one outcome, and show it now if the format can; suppressed findings are not findings."""

    def finish(self, summary: RunSummary) -> None:
        """Show the rest when the run is over; called once, even if nothing was added or the run was cut off."""


def choose_format(choice: Format, *, to_terminal: bool) -> Format:
    """Return the format that `auto` means where the output goes."""
    if choice is not Format.AUTO:
        return choice
    return Format.TABLE if to_terminal else Format.JSONL


def clean_wanted(formats: Iterable[Format], *, show_clean: bool = False) -> int | None:
    """Return how many clean inputs of folders these formats need, or None where one of them names all.

    With `show_clean` a table does. The others are only counted, as `RunSummary.unlisted`.
    """
    formats = frozenset(formats)
    if show_clean and Format.TABLE in formats:
        return None
    if formats <= _NAMES_NO_CLEAN:
        return 0
    return MAX_CLEAN if formats <= _NAMES_NO_CLEAN | _NAMES_FEW_CLEAN else None


def writes_at_once(choice: Format) -> bool:
    """Return whether a format shows each outcome when it is added, and not only at the end."""
    return choice in _AT_ONCE


def renderer(
    choice: Format,
    stream: TextIO,
    environment: Environment,
    *,
    color: str,
    raw: bool,
    policy: GatePolicy = NO_GATE,
    show_suppressed: bool = False,
    csv_bom: bool = False,
    show_clean: bool = False,
    names: Container[str] | None = None,
    originals: Originals | None = None,
) -> Renderer:
    """Return the renderer of a format; `color` is auto, always or never.

    `policy` is what makes an input fail, `show_suppressed` shows people suppressed findings too, and `csv_bom` begins
    CSV with a byte order mark. A table lists the clean ones of `names`, all with `show_clean`, and a few with neither.
    A page asks `originals` for what it cannot find by the outcomes. Raises ValueError for `auto`, which `choose_format`
    decides.
    """
    match choice:
        case Format.TABLE:
            from moderate_cli.render.table import TableRenderer

            width, has_color = environment.width(), environment.wants_color(color, stream)
            return TableRenderer(
                stream,
                width=width,
                color=has_color,
                show_suppressed=show_suppressed,
                show_clean=show_clean,
                names=names,
            )
        case Format.JSONL:
            from moderate_cli.render.json import JsonlRenderer

            return JsonlRenderer(stream, raw=raw, policy=policy)
        case Format.JSON:
            from moderate_cli.render.json import JsonRenderer

            return JsonRenderer(stream, raw=raw, policy=policy)
        case Format.CSV:
            from moderate_cli.render.csv import CsvRenderer

            return CsvRenderer(stream, policy=policy, bom=csv_bom)
        case Format.AUTO:
            raise ValueError("resolve auto with choose_format first")
        case _:
            return _report(
                choice, stream, environment, policy=policy, show_suppressed=show_suppressed, originals=originals
            )


def _report(
    choice: ReportFormat,
    stream: TextIO,
    environment: Environment,
    *,
    policy: GatePolicy,
    show_suppressed: bool,
    originals: Originals | None,
) -> Renderer:
    match choice:
        case Format.MARKDOWN:
            from moderate_cli.render.markdown import MarkdownRenderer

            return MarkdownRenderer(stream, policy=policy, show_suppressed=show_suppressed)
        case Format.SARIF:
            from moderate_cli.render.sarif import SarifRenderer

            return SarifRenderer(stream, policy=policy)
        case Format.JUNIT:
            from moderate_cli.render.junit import JunitRenderer

            return JunitRenderer(stream, policy=policy)
        case Format.GITHUB:
            from moderate_cli.render.github import GithubRenderer

            return GithubRenderer(stream, environment, policy=policy, show_suppressed=show_suppressed)
        case Format.HTML:
            from moderate_cli.render.html import HtmlRenderer

            return HtmlRenderer(
                stream, environment, policy=policy, show_suppressed=show_suppressed, originals=originals
            )
        case _:
            assert_never(choice)
