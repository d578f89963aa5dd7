"""`moderate feedback`: a person's word on verdicts, which stays in the store on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.app.spec import AccountOptions
from moderate_cli.app.stores import open_store
from moderate_cli.cli.decided import outcome_of, read_decisions
from moderate_cli.cli.flatten import with_default
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import counted, echo
from moderate_cli.models import Decision, DecisionWord
from moderate_cli.store import Filters

_STDIN = "-"
_KEPT = "(kept on this machine, until it is sent: the vendor is not told)"


class FeedbackVerdict(StrEnum):
    """What the vendor can be told (its console guide, "Query detailed detection results for each image")."""

    FALSE_POSITIVE = DecisionWord.FALSE_POSITIVE.value
    MISSED = DecisionWord.MISSED.value


FeedbackWord = Annotated[
    str | None,
    typer.Option("--value", metavar="WORD", help="The API's own word: that for a false positive is not documented."),
]


def feedback(
    ctx: typer.Context,
    request_id: Annotated[
        str,
        typer.Argument(
            metavar="REQUEST_ID", help="Request ID of the result (see `moderate history`); - for JSON Lines on stdin."
        ),
    ],
    verdict: Annotated[
        DecisionWord | None,
        typer.Argument(
            metavar="[VERDICT]",
            help="confirmed; false-positive: nothing to find; missed: something was not found; suppressed; escalated.",
        ),
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Reason, kept with the result.")] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help=with_default("Who says so.", "the user's name"))
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="MODERATE_STORE",
            help=with_default("Where runs, results and tasks are kept.", "store.db in the platform's folder for state"),
        ),
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Tell the vendor too, by the management API.")] = False,
    value: FeedbackWord = None,
    *,
    account: AccountOptions,
) -> None:
    """Note on this machine what a person says of a verdict. --send tells the vendor that it is wrong."""
    environment: Environment = ctx.obj
    person = by or environment.user()
    if request_id == _STDIN:
        if verdict is not None or note is not None:
            raise UsageError("feedback - takes what was decided, and the note, from each line")
        decisions = list(read_decisions(environment.stdin, person))
    elif verdict is None:
        raise UsageError("VERDICT is missing", hint=f"it is one of {', '.join(DecisionWord)}")
    else:
        said = Decision(verdict, person, None, " ".join((note or "").split()) or None)
        decisions = [(request_id, said)]
    words = _words(decisions, value) if send else {}
    with open_store(store, environment, writes=True) as opened:
        found = () if request_id == _STDIN else opened.history(Filters(request_id=request_id, limit=1))
        sources = [outcome_of(entry).item.source for entry in found]
        new = opened.decide(decisions)
        for line in _noted(decisions, new, sources, is_list=request_id == _STDIN):
            echo(environment, line if send else f"{line} {_KEPT}")
    if words:
        from moderate_cli.cli.console_options import open_account  # loads the client

        with open_account(ctx, account) as client:
            for name, word in words.items():
                client.give_feedback(name, word)
                echo(environment, f"the vendor was told: {name} is {word}")


def _noted(
    decisions: Sequence[tuple[str, Decision]], new: int, sources: Sequence[str], *, is_list: bool
) -> Iterator[str]:
    """Yield what was noted, of a list in numbers."""
    if is_list:
        known = len(decisions) - new
        yield f"noted {counted(new, 'decision')}" + (f", {known:,} known before" if known > 0 else "")
        return
    for _, said in decisions:
        yield f"noted as {said.value}: {', '.join(sources)}"


def _words(decisions: Sequence[tuple[str, Decision]], value: str | None) -> dict[str, str]:
    """Return the API's word by request id, of those that say that a verdict is wrong; raises UsageError."""
    return {
        name: api_feedback(DecisionWord(said.value), value)
        for name, said in decisions
        if said.value in set(FeedbackVerdict)
    }


def api_feedback(verdict: DecisionWord, value: str | None) -> str:
    """Return the API's word for a verdict that is wrong; raises UsageError where it must be given.

    `missOut` is the example in the vendor's SDK 1.13.5 (UpdateScanResultFeedback); that for a false positive stands
    nowhere.
    """
    if value is not None and value.strip():
        return value.strip()
    if verdict is DecisionWord.MISSED:
        return "missOut"
    raise UsageError(
        "no page documents the API's word for a false positive", hint="give it with --value WORD, if you know it"
    )
