"""`moderate regions`: the regions, their endpoints, and what is offered there."""

from __future__ import annotations

from typing import Annotated

import typer

from moderate_cli.catalogue.regions import Region, default_service, origin, regions
from moderate_cli.catalogue.services import Service, find_service, is_offered, services
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.listing import ListOptions, nearest, note_copy, show_or_refuse
from moderate_cli.render.listing import Listing, Row

app = typer.Typer(add_completion=False)

_FIELDS = ("region", "name", "endpoint", "vpc_endpoint", "console", "default_service", "services", "uncertain_services")
_UNCERTAIN = "uncertain"

ServiceName = Annotated[str | None, typer.Option("-s", "--service", metavar="NAME", help="The regions of one service.")]


@app.command("regions")
@flatten_options
def list_regions(ctx: typer.Context, service: ServiceName = None, *, options: ListOptions) -> None:
    """List the regions, their endpoints, and what is offered there."""
    known = find_service(service) if service else None
    found = [
        region
        for region in regions().values()
        if options.matches(region.id, region.name)
        and (service is None or (known is not None and known.is_mentioned_in(region.id)))
    ]
    hint = nearest(service, "services", services()) if service and not known else None
    note_copy(service, ctx.obj)
    show_or_refuse(_listing(found, known), options, ctx.obj, hint=hint, service=service)


def _listing(found: list[Region], service: Service | None) -> Listing:
    return Listing(
        name="regions",
        source=origin().source,
        date=origin().date,
        fields=_FIELDS,
        columns=("Region", "Name", "Endpoints", "Offered"),
        rows=[_row(region, service) for region in found],
        notes=_notes(found),
        marks=(_UNCERTAIN,),
    )


def _notes(found: list[Region]) -> list[str]:
    console = "console: the settings made in the vendor's console for that region are in force here too."
    pointer = "moderate services --region ID lists what a region offers."
    return [*([console] if any(region.console for region in found) else []), pointer]


def _row(region: Region, service: Service | None) -> Row:
    offered, doubtful = _services_in(region)
    data = {
        "region": region.id,
        "name": region.name,
        "endpoint": region.endpoint,
        "vpc_endpoint": region.vpc_endpoint,
        "console": region.console,
        "default_service": default_service(region.id),
        "services": offered,
        "uncertain_services": doubtful,
    }
    endpoints = f"{region.endpoint}\n{region.vpc_endpoint or 'no VPC endpoint'}"
    what = _operations_in(region, service) if service else _counts(offered, doubtful)
    console = f"console of {region.console}" if region.console else ""
    return Row(data, (region.id, region.name, endpoints, "\n".join(filter(None, (what, console)))))


def _services_in(region: Region) -> tuple[list[str], list[str]]:
    """Return the services documented for a region, and those that are doubtful there."""
    documented = [s.name for s in services().values() if any(region.id in offer.regions for offer in s.offers)]
    mentioned = [s.name for s in services().values() if s.is_mentioned_in(region.id)]
    return documented, [name for name in mentioned if name not in documented]


def _counts(offered: list[str], doubtful: list[str]) -> str:
    return f"{len(offered)} services" + (f", {len(doubtful)} {_UNCERTAIN}" if doubtful else "")


def _operations_in(region: Region, service: Service) -> str:
    offers = [offer for offer in service.offers if service.is_mentioned_in(region.id, offer.operation)]
    sure = {offer.operation: is_offered(service.name, offer.operation, region.id) for offer in offers}
    return "\n".join(operation if known else f"{operation} ({_UNCERTAIN})" for operation, known in sure.items())
