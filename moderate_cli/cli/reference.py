"""What the commands that list the catalogue share: their options, and what they say when nothing matches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated

import typer
from msgspec import Struct
from msgspec.structs import asdict

from moderate_cli.catalog.labels import (
    EVERY_SERVICE,
    KnownLabel,
    Provenance,
    derived_labels,
    labels,
    labels_origin,
    provenance,
)
from moderate_cli.catalog.services import (
    JudgingOperation,
    Offer,
    Region,
    Service,
    copied_service,
    default_service,
    find_service,
    is_offered,
    queries_per_second,
    regions,
    regions_origin,
    services,
    services_origin,
)
from moderate_cli.cli.flatten import OUTPUT_PANEL, ColorChoice, Debug
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import ExitCode, ModerateError, UsageError
from moderate_cli.common.text import safe_text
from moderate_cli.records import record_schema
from moderate_cli.render.listing import ListFormat, Listing, Row, write_csv, write_json, write_jsonl
from moderate_cli.render.output import as_utf8


def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of a record."""
    as_utf8(ctx.obj.stdout).write(record_schema())


class ListOptions(Struct, frozen=True):
    """Which rows are shown, and how."""

    match: Annotated[
        str | None,
        typer.Option(
            "--match",
            metavar="TEXT",
            help="Only rows whose name or meaning contains TEXT (case-insensitive).",
        ),
    ] = None
    format: Annotated[
        ListFormat,
        typer.Option(
            "-f",
            "--format",
            help="Format; auto is a table on a terminal, json in a pipe or file.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = ListFormat.AUTO
    color: ColorChoice = Color.AUTO
    debug: Debug = False

    def matches(self, *texts: str | None) -> bool:
        """Tell whether one of a row's texts holds the text asked for."""
        wanted = (self.match or "").casefold()
        return any(wanted in text.casefold() for text in texts if text is not None)


class NothingMatchedError(ModerateError):
    """No row of the catalogue is what was asked for."""

    exit_code = ExitCode.NO_INPUT

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, code="nothing_matched", hint=hint)


def show_or_refuse(
    listing: Listing, options: ListOptions, environment: Environment, *, hint: str | None = None, **filters: str | None
) -> None:
    """Show a listing; one without rows, too, is a valid document.

    Raises NothingMatchedError where it has no rows, with the filters that left none and the hint.
    """
    show(listing, options.format, environment, color=options.color)
    if listing.rows:
        return
    environment.stdout.flush()
    given = {**filters, "match": options.match}
    words = " ".join(f"--{name} {value}" for name, value in given.items() if value is not None)
    raise NothingMatchedError(f"none of the known {listing.name} match {words}", hint=hint)


def show(listing: Listing, choice: ListFormat, environment: Environment, *, color: str) -> None:
    """Write a listing to standard output; `auto` is a table on a terminal, and JSON elsewhere."""
    stream = environment.stdout
    if choice is ListFormat.AUTO:
        choice = ListFormat.TABLE if stream.isatty() else ListFormat.JSON
    if choice is ListFormat.JSON:
        write_json(listing, as_utf8(stream))
    elif choice is ListFormat.JSONL:
        write_jsonl(listing, as_utf8(stream))
    elif choice is ListFormat.CSV:
        write_csv(listing, as_utf8(stream))
    elif listing.rows:
        from moderate_cli.render.listing_table import write_table  # loads Rich

        write_table(listing, stream, width=environment.width(), color=environment.wants_color(color, stream))


def nearest(name: str, kind: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that looks most like another, or at the command that lists them all."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), by_folded, n=1)
    return f"did you mean {by_folded[found[0]]}?" if found else f"moderate {kind} lists the known ones"


def note_copy(service: str | None, environment: Environment) -> None:
    """Say on standard error for which service a custom copy is taken."""
    copied = copied_service(service) if service else None
    if copied:
        environment.stderr.write(f"moderate: {safe_text(f'{service} is taken for a copy of {copied}')}\n")


_LABEL_FIELDS = ("service", "label", "scope", "meaning", "inferred", "official", "date")
_LOCAL_FIELDS = ("label", "meaning", "detector", "package", "rules", "install")
_INFERRED = "inferred"
_UNOFFICIAL = "not official"

ServiceName = Annotated[
    str | None, typer.Option("-s", "--service", metavar="NAME", help="Only labels of this service.")
]


class LabelEngine(StrEnum):
    """Whose labels are listed."""

    CLOUD = "cloud"
    LOCAL = "local"


LabelsOf = Annotated[
    LabelEngine, typer.Option("--engine", help="Labels of the service, or what the local engine can find.")
]


def list_labels(
    ctx: typer.Context,
    service: ServiceName = None,
    engine: LabelsOf = LabelEngine.CLOUD,
    *,
    options: ListOptions,
) -> None:
    """List the risk labels and what they mean."""
    if engine is LabelEngine.LOCAL:
        if service is not None:
            raise UsageError("the local engine checks alike for every service", hint="leave -s out")
        show_or_refuse(_local_listing(options, ctx.obj), options, ctx.obj)
        return
    found = [label for label in labels(service) if options.matches(label.label, label.meaning)]
    found += derived_labels(options.match or "", service)
    listing = _label_listing(found, is_one_service=service is not None)
    note_copy(service, ctx.obj)
    show_or_refuse(listing, options, ctx.obj, hint=_hint(service), service=service)


def _local_listing(options: ListOptions, environment: Environment) -> Listing:
    from moderate_cli.emulator.engine.local_labels import local_labels  # loads what the other lists need not

    found = [label for label in local_labels() if options.matches(label.label, label.meaning)]
    return Listing(
        name="labels",
        source="the local engine of this installation",
        date=datetime.fromtimestamp(environment.clock(), UTC).date().isoformat(),
        fields=_LOCAL_FIELDS,
        columns=("Label", "Detector", "Finds"),
        rows=[
            Row(
                asdict(label),
                (
                    label.label,
                    f"{label.detector} ({label.package})",
                    label.meaning if label.install is None else f"{label.meaning}; to be installed: {label.install}",
                ),
            )
            for label in found
        ],
        notes=["Everything else is not checked: see `moderate help local-engine`."],
    )


def _label_listing(found: list[KnownLabel], *, is_one_service: bool) -> Listing:
    origins = {label.service: provenance()[label.service] for label in found}
    columns = ("Label", "Scope", "Meaning") if is_one_service else ("Label", "Service", "Scope", "Meaning")
    notes = [_origin_note(name, of) for name, of in origins.items()]
    if any(label.inferred for label in found):
        notes.insert(0, f"{_INFERRED}: read from the name, not explained by the source.")
    return Listing(
        name="labels",
        source=labels_origin().source,
        date=labels_origin().date,
        fields=_LABEL_FIELDS,
        columns=columns,
        rows=[_label_row(label, is_one_service=is_one_service) for label in found],
        facts={"provenance": {name: asdict(of) for name, of in origins.items()}},
        notes=notes,
        marks=(_INFERRED, _UNOFFICIAL),
    )


def _label_row(label: KnownLabel, *, is_one_service: bool) -> Row:
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


_SERVICE_FIELDS = (
    "service",
    "description",
    "large_model",
    "uncertain",
    "regions",
    "uncertain_regions",
    "calls_per_second",
)
_UNCERTAIN = "uncertain"
_LARGE_MODEL = "large model"
_MAINLAND = "cn-*"

RegionId = Annotated[str | None, typer.Option(metavar="ID", help="Only services of this region.")]
OperationName = Annotated[JudgingOperation | None, typer.Option(help="Only services of this operation.")]


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
    show_or_refuse(_service_listing(found), options, ctx.obj, hint=hint, region=region, operation=operation)


def _service_listing(found: list[Service]) -> Listing:
    rows = [_service_row(service) for service in found]
    cells = [cell for row in rows for cell in row.cells]
    explained = {
        _LARGE_MODEL: f"slower, and {queries_per_second(JudgingOperation.IMAGE_MODERATION, 'ByVL')} calls a second",
        _UNCERTAIN: "reported by third parties only, or left open by the vendor's tables; it may well work",
        _MAINLAND: ", ".join(_mainland()),
    }
    return Listing(
        name="services",
        source=services_origin().source,
        date=services_origin().date,
        fields=_SERVICE_FIELDS,
        columns=("Service", "Checks", "Operations and regions"),
        rows=rows,
        notes=[f"{word}: {words}." for word, words in explained.items() if any(word in cell for cell in cells)],
        marks=(_LARGE_MODEL, _UNCERTAIN),
    )


def _service_row(service: Service) -> Row:
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


_REGION_FIELDS = (
    "region",
    "name",
    "endpoint",
    "vpc_endpoint",
    "console",
    "default_service",
    "services",
    "uncertain_services",
)

RegionService = Annotated[
    str | None, typer.Option("-s", "--service", metavar="NAME", help="Only regions of this service.")
]


def list_regions(ctx: typer.Context, service: RegionService = None, *, options: ListOptions) -> None:
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
    show_or_refuse(_region_listing(found, known), options, ctx.obj, hint=hint, service=service)


def _region_listing(found: list[Region], service: Service | None) -> Listing:
    return Listing(
        name="regions",
        source=regions_origin().source,
        date=regions_origin().date,
        fields=_REGION_FIELDS,
        columns=("Region", "Name", "Endpoints", "Offered"),
        rows=[_region_row(region, service) for region in found],
        notes=_notes(found),
        marks=(_UNCERTAIN,),
    )


def _notes(found: list[Region]) -> list[str]:
    console = "console: the settings made in the vendor's console for that region are in force here too."
    pointer = "moderate services --region ID lists what a region offers."
    return [*([console] if any(region.console for region in found) else []), pointer]


def _region_row(region: Region, service: Service | None) -> Row:
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
