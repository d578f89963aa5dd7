"""`moderate feedback`: a person's word on a verdict, which stays in the store on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.app.spec import AccountOptions
from moderate_cli.app.stores import open_store
from moderate_cli.cli.flatten import with_default
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import echo
from moderate_cli.models import Decision, Outcome
from moderate_cli.results import Suppression, all_labels, verdict_of
from moderate_cli.store import Feedback, FeedbackVerdict, Filters

FeedbackWord = Annotated[
    str | None,
    typer.Option("--value", metavar="WORD", help="The API's own word: that for a false positive is not documented."),
]


def feedback(
    ctx: typer.Context,
    request_id: Annotated[
        str,
        typer.Argument(metavar="REQUEST_ID", help="Request ID of the result (see `moderate history`)."),
    ],
    verdict: Annotated[
        FeedbackVerdict,
        typer.Argument(metavar="VERDICT", help="false-positive: nothing to find; missed: something was not found."),
    ],
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Reason, kept with the result.")] = None,
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
    """Note on this machine that a verdict is wrong: a false positive, or something missed. --send tells the vendor."""
    word = api_feedback(verdict, value) if send else None
    with open_store(store, ctx.obj, writes=True) as opened:
        opened.add_feedback(request_id, verdict, " ".join((note or "").split()) or None)
        sources = [entry.record.get("source") for entry in opened.history(Filters(request_id=request_id, limit=1))]
    names = ", ".join(map(str, sources))
    if word is None:
        echo(ctx.obj, f"noted as {verdict}: {names} (kept on this machine, until it is sent: the vendor is not told)")
        return
    echo(ctx.obj, f"noted as {verdict}: {names}")
    from moderate_cli.cli.console_options import open_account  # loads the client

    with open_account(ctx, account) as client:
        client.give_feedback(request_id, word)
    echo(ctx.obj, f"the vendor was told: {request_id} is {word}")


def api_feedback(verdict: FeedbackVerdict, value: str | None) -> str:
    """Return the API's word for a verdict that is wrong; raises UsageError where it must be given.

    `missOut` is the example in the vendor's SDK 1.13.5 (UpdateScanResultFeedback); that for a false positive stands
    nowhere.
    """
    if value is not None and value.strip():
        return value.strip()
    if verdict is FeedbackVerdict.MISSED:
        return "missOut"
    raise UsageError(
        "no page documents the API's word for a false positive", hint="give it with --value WORD, if you know it"
    )


def suppressions_by(feedback: Sequence[Feedback], outcome: Outcome) -> list[Suppression]:
    """Return what suppresses each finding of a verdict of which somebody said last that it is a false positive."""
    verdict = verdict_of(outcome)
    if not feedback or feedback[-1].verdict is not FeedbackVerdict.FALSE_POSITIVE or verdict is None:
        return []
    reason, labels = feedback[-1].note or "no note", all_labels(verdict)
    return [Suppression(name, None, reason, "feedback: false-positive") for name in {label.label for label in labels}]


def decision_by(feedback: Sequence[Feedback]) -> Decision | None:
    """Return the newest of what was said of a verdict as a decision, or None."""
    if not feedback:
        return None
    newest = feedback[-1]
    return Decision(newest.verdict.value, None, newest.at, newest.note)


def feedback_words(said: Feedback) -> str:
    """Return what somebody said of a verdict, on one line."""
    day = datetime.fromtimestamp(said.at, UTC).strftime("%Y-%m-%d")
    return f"{said.verdict} ({day})" + (f": {said.note}" if said.note else "")
