"""Where each setting comes from: the command line, the environment, the default, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moderate_cli.catalogue.regions import DEFAULT_REGION, default_service
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.settings.credentials import find_credentials

__all__ = ["LOCAL_PROFILE", "Settings", "find_credentials", "resolve"]

LOCAL_PROFILE = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a judging command works with. `timeout` is in seconds, for the answer to one call."""

    local: bool
    region: str | None
    endpoint: str | None
    vpc: bool
    service: str
    info_types: tuple[str, ...]
    jobs: int
    timeout: float


_DEFAULTS: Mapping[str, Any] = {
    "vpc": False,
    "info_types": ("customImage", "textInImage"),
    "jobs": 8,
    "timeout": 10.0,
}


def resolve(given: Mapping[str, Any], environment: Environment) -> Settings:
    """Merge what was given as an option (or its MODERATE_* variable) with the environment and the defaults.

    None in `given` means not given. Raises UsageError for a profile that does not exist.
    """
    values = {**_DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    profile = values.get("profile")
    if profile not in {None, LOCAL_PROFILE}:
        raise UsageError(f"there is no profile {profile!r}", hint=f"the built-in profile is {LOCAL_PROFILE!r}")
    if profile == LOCAL_PROFILE and (values.get("endpoint") or values["vpc"]):
        hint = "leave out --endpoint, --vpc and their MODERATE_ variables, or the profile"
        raise UsageError(f"the profile {LOCAL_PROFILE!r} has an endpoint of its own", hint=hint)
    region = values.get("region") or environment.variable("ALIBABA_CLOUD_REGION_ID") or DEFAULT_REGION
    local = profile == LOCAL_PROFILE
    return Settings(
        local=local,
        region=None if local else region,
        endpoint=values.get("endpoint"),
        vpc=values["vpc"],
        service=values.get("service") or default_service(region),
        info_types=tuple(values["info_types"]),
        jobs=values["jobs"],
        timeout=values["timeout"],
    )
