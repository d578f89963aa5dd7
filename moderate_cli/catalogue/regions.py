"""Regions and their endpoints.

The table is ours because the vendor's SDK 3.6.9 sends several served regions to hosts of API 1.0, some of them in
another country; the rule `green-cip[-vpc].<region>` is the one of every page of API 2022-03-02.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from moderate_cli.catalogue import data
from moderate_cli.common.text import shortened
from moderate_cli.errors import UsageError

DEFAULT_REGION = "ap-southeast-1"
_FILE = "regions.json"
_REGION_ID = re.compile(r"[a-z]{2,4}(-[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class Region:
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


def origin() -> data.Origin:
    """Return the origin of the regions."""
    return data.origin(_FILE)


@cache
def regions() -> dict[str, Region]:
    """Return the known regions by their id."""
    return {entry["id"]: Region(**entry) for entry in data.load(_FILE)["regions"]}


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
    """Return the general check of a region's site: mainland regions name it otherwise than the others."""
    return "baselineCheck" if region.startswith("cn-") else "baselineCheck_global"
