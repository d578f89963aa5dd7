"""`moderate labels`: the risk labels of each service, and what they mean."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from moderate_cli.catalogue.labels import EVERY_SERVICE, KnownLabel, Provenance, labels, origin, provenance
from moderate_cli.catalogue.services import find_service, services
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.listing import ListOptions, nearest, note_copy, show_or_refuse
from moderate_cli.render.listing import Listing, Row

app = typer.Typer(add_completion=False)

_FIELDS = ("service", "label", "scope", "meaning", "inferred", "official", "date")
_INFERRED = "inferred"
_UNOFFICIAL = "not official"

ServiceName = Annotated[str | None, typer.Option("-s", "--service", metavar="NAME", help="The labels of one service.")]


@app.command("labels")
@flatten_options
def list_labels(ctx: typer.Context, service: ServiceName = None, *, options: ListOptions) -> None:
    """List the risk labels and what they mean."""
    found = [label for label in labels(service) if options.matches(label.label, label.meaning)]
    listing = _listing(found, is_one_service=service is not None)
    note_copy(service, ctx.obj)
    show_or_refuse(listing, options, ctx.obj, hint=_hint(service), service=service)


def _listing(found: list[KnownLabel], *, is_one_service: bool) -> Listing:
    origins = {label.service: provenance()[label.service] for label in found}
    columns = ("Label", "Scope", "Meaning") if is_one_service else ("Label", "Service", "Scope", "Meaning")
    notes = [_origin_note(name, of) for name, of in origins.items()]
    if any(label.inferred for label in found):
        notes.insert(0, f"{_INFERRED}: read from the name, not explained by the source.")
    return Listing(
        name="labels",
        source=origin().source,
        date=origin().date,
        fields=_FIELDS,
        columns=columns,
        rows=[_row(label, is_one_service=is_one_service) for label in found],
        facts={"provenance": {name: asdict(of) for name, of in origins.items()}},
        notes=notes,
        marks=(_INFERRED, _UNOFFICIAL),
    )


def _row(label: KnownLabel, *, is_one_service: bool) -> Row:
    of = provenance()[label.service]
    meaning = f"{label.meaning} ({_INFERRED})" if label.inferred else label.meaning
    service = () if is_one_service else (label.service,)
    return Row(
        {**asdict(label), "official": of.official, "date": of.date}, (label.label, *service, label.scope, meaning)
    )


def _origin_note(service: str, of: Provenance) -> str:
    name = "every service" if service == EVERY_SERVICE else service
    return f"{name}: {'official' if of.official else _UNOFFICIAL}, {of.date or 'undated'}. {of.source}."


def _hint(service: str | None) -> str | None:
    """Say why a service has no labels here: it is unknown, or nobody has published them."""
    if service is None or labels(service):
        return None
    if find_service(service):
        return "its labels are not published; the vendor's console lists them"
    return nearest(service, "services", {**services(), **provenance()})
