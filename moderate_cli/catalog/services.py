"""Which regions and moderation services there are: what each service checks, and which operations take it where.

Nothing here refuses a service: any string may be one, regions gain services, and some of the vendor's tables do not say
which region a line belongs to. What is unknown is None, and what is doubtful is marked.

The table of regions is our own because the vendor's SDK 3.6.9 sends several served regions to hosts of API 1.0, some of
them in another country; every page of API 2022-03-02 follows the rule `green-cip[-vpc].<region>`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.catalog import Origin, data_origin, load_data
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import shortened

DEFAULT_REGION = "ap-southeast-1"
_REGIONS_FILE = "regions.json"
_REGION_ID = re.compile(r"[a-z]{2,4}(-[a-z0-9]+)+")


class Region(Struct, frozen=True):
    """A region that offers the service; `vpc` tells whether it has an endpoint inside its virtual network.

    `console` is the region whose console settings (scopes, thresholds, libraries) are in force here, where that is
    another one.
    """

    id: str
    name: str
    vpc: bool
    console: str | None = None

    @property
    def endpoint(self) -> str:
        """The public host."""
        return endpoint(self.id)

    @property
    def vpc_endpoint(self) -> str | None:
        """The host inside the vendor's network, where there is one."""
        return endpoint(self.id, vpc=True) if self.vpc else None


def regions_origin() -> Origin:
    """Return the origin of the regions."""
    return data_origin(_REGIONS_FILE)


@cache
def regions() -> dict[str, Region]:
    """Return the known regions by their id."""
    return {entry["id"]: Region(**entry) for entry in load_data(_REGIONS_FILE)["regions"]}


def endpoint(region: str, *, vpc: bool = False) -> str:
    """Return the host that serves a region, known here or not.

    Raises UsageError for an id that cannot be part of a host name, and for a VPC host that does not exist.
    """
    if not _REGION_ID.fullmatch(region):
        raise UsageError(f"{shortened(region)!r} is not a region id", hint=f"one of {', '.join(regions())}")
    if not vpc:
        return f"green-cip.{region}.aliyuncs.com"
    known = regions().get(region)
    if known is not None and not known.vpc:
        raise UsageError(
            f"{region} ({known.name}) has no VPC endpoint", hint="leave --vpc out, or choose another region"
        )
    return f"green-cip-vpc.{region}.aliyuncs.com"


def default_service(region: str) -> str:
    """Return the general check for a region, which has another name in the regions of mainland China."""
    return "baselineCheck" if region.startswith("cn-") else "baselineCheck_global"


_SERVICES_FILE = "services.json"
_COPY = re.compile(r"(?P<copied>.+)_\d{2,}")  # the console appends _01, _02, ... to the name of a copied service


class JudgingOperation(StrEnum):
    """The operations that take a service."""

    IMAGE_MODERATION = "ImageModeration"
    IMAGE_BATCH_MODERATION = "ImageBatchModeration"
    IMAGE_ASYNC_MODERATION = "ImageAsyncModeration"
    MULTIMODAL_ASYNC_MODERATION = "MultimodalAsyncModeration"


class Offer(Struct, frozen=True):
    """An operation that takes a service: the regions where this is documented, and those where it is doubtful."""

    operation: JudgingOperation
    regions: tuple[str, ...]
    uncertain: tuple[str, ...] = ()


class Service(Struct, frozen=True, kw_only=True):
    """A moderation service; `uncertain` means that only third parties report it.

    A `large_model` service is slower than the others and takes fewer calls a second. `copy_of` is the service that a
    custom copy behaves like.
    """

    name: str
    description: str | None
    large_model: bool
    uncertain: bool
    offers: tuple[Offer, ...]
    copy_of: str | None = None

    def offer(self, operation: str) -> Offer | None:
        """Return the offer of this service by an operation, or None if no page documents one."""
        return next((offer for offer in self.offers if offer.operation == operation), None)

    def is_mentioned_in(self, region: str, operation: str | None = None) -> bool:
        """Tell whether a region is documented or at least reported, for one operation or any."""
        offers = [offer for offer in self.offers if operation in (None, offer.operation)]
        return any(region in offer.regions + offer.uncertain for offer in offers)


def services_origin() -> Origin:
    """Return the origin of the services."""
    return data_origin(_SERVICES_FILE)


@cache
def services() -> dict[str, Service]:
    """Return the known services by their name, without custom copies."""
    return {
        entry["name"]: Service(
            name=entry["name"],
            description=entry["description"],
            large_model=entry["large_model"],
            uncertain=entry["uncertain"],
            offers=tuple(
                Offer(JudgingOperation(offer["operation"]), tuple(offer["regions"]), tuple(offer["uncertain"]))
                for offer in entry["offers"]
            ),
        )
        for entry in load_data(_SERVICES_FILE)["services"]
    }


def find_service(name: str) -> Service | None:
    """Return a known service, or what is known of a custom copy (`baselineCheck_global_01`); None for any other."""
    if name in services():
        return services()[name]
    copied = copied_service(name)
    return replace(services()[copied], name=name, copy_of=copied) if copied else None


def copied_service(name: str) -> str | None:
    """Return the known service that a name is a custom copy of, by the console's way of naming them."""
    match = _COPY.fullmatch(name)
    return match["copied"] if match and match["copied"] in services() else None


def is_offered(service: str, operation: str, region: str) -> bool | None:
    """Tell whether an operation takes a service in a region, as far as documented; None means unknown.

    False is worth a warning and never a refusal, since the pages lag behind the service.
    """
    known = find_service(service)
    if known is None or operation not in list(JudgingOperation) or region not in regions():
        return None
    offer = known.offer(operation)
    if offer and region in offer.regions:
        return True
    is_doubtful = known.uncertain or (offer is not None and region in offer.uncertain)
    return None if is_doubtful else False


def regions_of(operation: str) -> list[str]:
    """Return the regions in which an operation is documented to take some service, in our order."""
    found = {name for each in services().values() if (offer := each.offer(operation)) for name in offer.regions}
    return [name for name in regions() if name in found]


def queries_per_second(operation: str, service: str | None = None) -> int:
    """Return an account's default quota in calls per second; `service` may be a comma-separated list."""
    limits: dict[str, int] = load_data(_SERVICES_FILE)["calls_per_second"]
    limit = limits.get(operation, limits["default"])
    if operation in list(JudgingOperation) and any(is_large_model(name) for name in (service or "").split(",")):
        return min(limit, limits["large_model"])
    return limit


def is_large_model(service: str) -> bool:
    """Tell whether a service uses a large model, by the catalog or else by the vendor's way of naming."""
    known = find_service(service)
    return known.large_model if known else "ByVL" in service
