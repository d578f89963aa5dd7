"""The question before a run that may cost much: nothing is uploaded or sent before somebody said yes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from moderate_cli.app.run import billed
from moderate_cli.app.session import Session
from moderate_cli.app.spec import CostOptions
from moderate_cli.catalog.prices import Estimate
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import echo, safe_text
from moderate_cli.models import Outcome
from moderate_cli.sources.lists import STANDARD_INPUT

_YES = frozenset({"y", "yes"})


def confirm(session: Session, cost: CostOptions, streams: Sequence[str], plan: Callable[[], Iterable[Outcome]]) -> None:
    """Ask before more billed calls than the setting `confirm_above`, where there is a terminal to ask on.

    `streams` are the inputs that can be read only once, so that their calls cannot be counted first, and `plan` yields
    what the run would do, of which no more is taken than it needs. Raises UsageError unless the answer is yes.
    """
    settings, environment = session.settings, session.environment
    limit, cap = settings.confirm_above, settings.max_calls
    if limit is None or cost.yes or settings.local or (cap is not None and cap <= limit):
        return
    if STANDARD_INPUT in streams or not (environment.stdin.isatty() and environment.stderr.isatty()):
        why = "standard input is the list" if STANDARD_INPUT in streams else "no terminal"
        echo(environment, f"--confirm-above {limit}: not asked, {why} (--max-calls stops without asking)")
        return
    if streams:
        _ask(session, f"the calls of {streams[0]} cannot be counted beforehand")
        return
    estimate = Estimate(settings.prices)
    for outcome in plan():
        estimate.add(outcome.call, billed(outcome))
        if estimate.calls > limit:
            counted = f"the first {estimate.calls:,}: {estimate.in_words()}"
            _ask(session, f"this run may make more than {limit:,} billed calls; {counted}")
            return


def read_once(names: Iterable[str | None]) -> list[str]:
    """Return the files that are gone once they were read: standard input, and pipes such as that of `<(...)`."""
    return [name for name in names if name and (name == STANDARD_INPUT or _is_stream(Path(name)))]


def _is_stream(path: Path) -> bool:
    try:
        return path.exists() and not path.is_file()
    except (OSError, ValueError):  # what cannot be read says so when it is
        return False


def _ask(session: Session, text: str) -> None:
    echo(session.environment, text)
    if not is_agreed(session.environment, "moderate: continue?"):
        raise UsageError("not confirmed; nothing was sent", code="not_confirmed", hint="--yes answers beforehand")


def is_agreed(environment: Environment, question: str) -> bool:
    """Ask on stderr, and tell whether the answer is yes."""
    environment.stderr.write(f"{safe_text(question)} [y/N] ")
    environment.stderr.flush()
    answer = environment.stdin.readline()
    if not answer.endswith("\n"):  # the end of the input, which leaves the cursor where it was
        environment.stderr.write("\n")
    return answer.strip().lower() in _YES


def check_agreed(environment: Environment, question: str, *, yes: bool) -> None:
    """Ask before the account is changed, on a terminal; raises UsageError unless somebody says yes, or said --yes."""
    if yes:
        return
    if not (environment.stdin.isatty() and environment.stderr.isatty()):
        raise UsageError("this needs --yes where there is no terminal to ask on", code="not_confirmed", hint=question)
    if not is_agreed(environment, f"moderate: {question}"):
        raise UsageError("not confirmed; nothing was changed", code="not_confirmed", hint="--yes answers beforehand")
