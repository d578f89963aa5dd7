"""What are resolved settings? One frozen object, each value with its origin."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from moderate_cli.common.masking import without_password
from moderate_cli.models import RiskLevel

if TYPE_CHECKING:
    from moderate_cli.catalog.prices import Prices
    from moderate_cli.settings.policy import Policy

LOCAL_PROFILE = "local"
DEFAULT_ORIGIN = "default"
"""The origin of a setting that nobody chose."""


class FailOn(StrEnum):
    """The level from which on findings fail the run."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NEVER = "never"

    @property
    def level(self) -> RiskLevel | None:
        """The risk level, or None for never."""
        return None if self is FailOn.NEVER else RiskLevel(self.value)


class ParamsIn(StrEnum):
    """Where to send the parameters that the API documents as query parameters."""

    QUERY = "query"
    FORM = "form"


class CredentialsSource(StrEnum):
    """Where to find an AccessKey; `auto` searches all sources, in the documented order."""

    AUTO = "auto"
    ENVIRONMENT = "environment"
    CLI = "cli"
    INI = "ini"
    ECS = "ecs"
    OIDC = "oidc"
    URI = "uri"


class CredentialsChoice(Struct, frozen=True):
    """Where to find an AccessKey, and under which name; it never holds one."""

    source: CredentialsSource = CredentialsSource.AUTO
    profile: str | None = None


class QuotaAddress(Struct, frozen=True):
    """Where a shared quota is kept: `file:PATH` or an address of Redis, whose password it does not show."""

    address: str

    def __str__(self) -> str:
        return without_password(self.address) if "://" in self.address else self.address

    def __repr__(self) -> str:
        return f"QuotaAddress({str(self)!r})"


class Sourced(Struct, frozen=True):
    """A value, and where it came from in words for people: `--region`, `moderate.yaml:12 (profile production)`."""

    value: Any
    origin: str


Layer = Mapping[str, Sourced]


class SettingsFile(Struct, frozen=True, kw_only=True):
    """The content of one file: `top` for every profile, `profiles`, and which `profile` is the default.

    `trusted` are the folders whose files the user trusts, which only the user's file can say.
    """

    top: Layer = field(default_factory=dict)
    profiles: Mapping[str, Layer] = field(default_factory=dict)
    profile: Sourced | None = None
    trusted: tuple[str, ...] = ()


class ProjectFile(Struct, frozen=True, kw_only=True):
    """A project's file that was read: its name in messages, why it is trusted (None: it is not), and what is used.

    `ignored` are its keys that are not used, and `counts` tells whether any are.
    """

    name: str
    trust: str | None
    counts: bool
    ignored: tuple[str, ...] = ()


class FilesRead(Struct, frozen=True, kw_only=True):
    """Which files settings came from: the project's, the user's (by its name), and those that were refused, and why.

    `trusted` says why the working folder is trusted, None where it is not.
    """

    project: ProjectFile | None = None
    user: str | None = None
    refused: tuple[str, ...] = ()
    trusted: str | None = None


class Settings(Struct, frozen=True, kw_only=True):
    """What a command works with.

    `timeout` (of one call) and `reuse` (the maximum age of a result) are in seconds; `reuse` is infinite for any age
    and None for never. `qps` (calls per second) is None for the documented quota and infinite to look for it, `quota`
    is None for one that this process shares with nobody, `max_calls` for no limit, `confirm_above` for no question,
    `store` for the default path, `rules` and `oss_profile` for none, and `region` for the profile `local`. `prices` are
    the user's own, by service or billing type. `origins` tells for each setting, and for `profile`, where its value
    came from; `region_is_the_accounts` that nobody chose the region, so that it goes with the keys. `files` tells which
    files were read, and `policy` has those of the revision that decides what counts, where one does.
    """

    profile: str | None
    region: str | None
    endpoint: str | None
    vpc: bool
    services: tuple[str, ...]
    info_types: tuple[str, ...]
    fail_on: FailOn
    allow_partial: bool
    require_full: bool
    min_level: RiskLevel
    qps: float | None
    quota: QuotaAddress | None
    jobs: int
    retries: int
    timeout: float
    failover: tuple[str, ...]
    reuse: float | None
    max_calls: int | None
    confirm_above: int | None
    store: Path | None
    rules: Path | None
    fetch_urls: bool
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    prices: Prices
    params_in: ParamsIn
    oss_profile: str | None
    credentials: CredentialsChoice
    origins: Mapping[str, str]
    region_is_the_accounts: bool = False
    files: FilesRead = FilesRead()
    policy: Policy | None = None

    @property
    def refused(self) -> tuple[str, ...]:
        """Which settings files were refused, and which files a revision overrides, each in a line."""
        return (*self.files.refused, *(self.policy.overridden if self.policy else ()))

    @property
    def show_clean(self) -> bool:
        """Whether somebody asked to be shown clean inputs too."""
        return self.min_level is RiskLevel.NONE and self.origins["min_level"] != DEFAULT_ORIGIN

    @property
    def local(self) -> bool:
        """Whether the local engine is used, which needs no account."""
        return self.profile == LOCAL_PROFILE
