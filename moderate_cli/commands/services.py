"""`moderate services`: the moderation services, what each checks, and where."""

from __future__ import annotations

from typing import Annotated

import typer

from moderate_cli.catalogue.regions import regions
from moderate_cli.catalogue.services import JudgingOperation, Offer, Service, origin, queries_per_second, services
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.listing import ListOptions, nearest, show_or_refuse
from moderate_cli.render.listing import Listing, Row

app = typer.Typer(add_completion=False)

_FIELDS = ("service", "description", "large_model", "uncertain", "regions", "uncertain_regions", "calls_per_second")
_UNCERTAIN = "uncertain"
_LARGE_MODEL = "large model"
_MAINLAND = "cn-*"

RegionId = Annotated[str | None, typer.Option(metavar="ID", help="The services of one region.")]
OperationName = Annotated[JudgingOperation | None, typer.Option(help="The services that an operation takes.")]


@app.command("services")
@flatten_options
def list_services(
    ctx: typer.Context, region: RegionId = None, operation: OperationName = None, *, options: ListOptions
) -> None:
    """List the moderation services, what each checks, and where."""
    found = [
        service
        for service in services().values()
        if options.matches(service.name, _checks(service))
        and (region is None or service.is_mentioned_in(region, operation))
        and (operation is None or service.offer(operation))
    ]
    hint = nearest(region, "regions", regions()) if region and region not in regions() else None
    show_or_refuse(_listing(found), options, ctx.obj, hint=hint, region=region, operation=operation)


def _listing(found: list[Service]) -> Listing:
    rows = [_row(service) for service in found]
    cells = [cell for row in rows for cell in row.cells]
    explained = {
        _LARGE_MODEL: f"slower, and {queries_per_second(JudgingOperation.IMAGE_MODERATION, 'ByVL')} calls a second",
        _UNCERTAIN: "reported by third parties only, or left open by the vendor's tables; it may well work",
        _MAINLAND: ", ".join(_mainland()),
    }
    return Listing(
        name="services",
        source=origin().source,
        date=origin().date,
        fields=_FIELDS,
        columns=("Service", "Checks", "Operations and regions"),
        rows=rows,
        notes=[f"{word}: {words}." for word, words in explained.items() if any(word in cell for cell in cells)],
        marks=(_LARGE_MODEL, _UNCERTAIN),
    )


def _row(service: Service) -> Row:
    offers = "\n".join(_offer(offer) for offer in service.offers)
    data = {
        "service": service.name,
        "description": service.description,
        "large_model": service.large_model,
        "uncertain": service.uncertain,
        "regions": {offer.operation: list(offer.regions) for offer in service.offers if offer.regions},
        "uncertain_regions": {offer.operation: list(offer.uncertain) for offer in service.offers if offer.uncertain},
        "calls_per_second": {o.operation: queries_per_second(o.operation, service.name) for o in service.offers},
    }
    return Row(data, (service.name, _checks(service), offers))


def _checks(service: Service) -> str:
    marks = [word for word, holds in ((_LARGE_MODEL, service.large_model), (_UNCERTAIN, service.uncertain)) if holds]
    return (service.description or "not documented") + (f" ({', '.join(marks)})" if marks else "")


def _offer(offer: Offer) -> str:
    doubtful = f"{_UNCERTAIN} in {_short(offer.uncertain)}" if offer.uncertain else ""
    return f"{offer.operation}: " + "; ".join(filter(None, (_short(offer.regions), doubtful)))


def _short(ids: tuple[str, ...]) -> str:
    """Return a list of regions, all those of mainland China in one word."""
    if set(_mainland()) <= set(ids):
        ids = (_MAINLAND, *(region for region in ids if region not in _mainland()))
    return ", ".join(ids)


def _mainland() -> list[str]:
    return [region for region in regions() if region.startswith("cn-")]
