"""The profiles of the aliyun CLI, `~/.aliyun/config.json`.

Modes and keys: `config/profile.go` of aliyun/aliyun-cli. It takes a mode's name in any case, and so do we.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moderate_cli.client.credentials import CredentialSource
from moderate_cli.settings.credentials import plans
from moderate_cli.settings.credentials.files import Section, read_config
from moderate_cli.settings.credentials.links import BrokenError, MissingProfileError, NothingHereError, Search
from moderate_cli.settings.credentials.oauth import oauth
from moderate_cli.settings.credentials.plans import Plan
from moderate_cli.settings.model import Sourced

DISABLED = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED"


def find_cli(search: Search) -> CredentialSource:
    """Return the credentials of a profile of the aliyun CLI; raises NothingHereError or CredentialsError."""
    config = _config(search)
    name = search.profile or config.current  # stays this one during a run, whatever becomes the current one
    mode = _mode(config.section(name))
    origin = f"{config.place}, profile {name} ({mode.name})"
    return plans.source(search, origin, lambda: Config.read(config.path, search).plan(name))


def find_region(search: Search) -> Sourced | None:
    """Return the region of the profile whose credentials `find_cli` returns, None where it has none; raises as that."""
    find_cli(search)
    config = _config(search)
    section = config.section(search.profile or config.current)
    region = section.optional("region_id")
    return None if region is None else Sourced(region, section.place)


def _config(search: Search) -> Config:
    place = "~/.aliyun/config.json"
    if search.is_true(DISABLED):
        raise NothingHereError(place, f"{DISABLED} is true")
    if search.home is None:
        raise NothingHereError(place, "there is no home folder")
    return Config.read(search.home / ".aliyun" / "config.json", search)


@dataclass(frozen=True, slots=True)
class Config:
    """A config.json, read but not yet understood."""

    path: Path
    search: Search
    place: str
    document: dict[str, Any] = field(repr=False)

    @classmethod
    def read(cls, path: Path, search: Search) -> Config:
        """Read the file; raises NothingHereError where there is none and BrokenError where it is no such file."""
        place = search.shown(path)
        return cls(path, search, place, read_config(path, place))

    @property
    def current(self) -> str:
        """The profile that `aliyun configure switch` chose."""
        name = self.document.get("current")
        return name if isinstance(name, str) and name else "default"

    def section(self, name: str) -> Section:
        """Return a profile; raises MissingProfileError."""
        for profile in self.document["profiles"]:
            if profile.get("name") == name:
                return Section(f"{self.place}, profile {name}", profile)
        raise MissingProfileError(self.place, f"there is no profile {name}")

    def plan(self, name: str, followed: tuple[str, ...] = ()) -> Plan:
        """Plan the credentials of a profile, and of the one it starts from, which `followed` must not hold yet."""
        if name in followed:
            raise BrokenError(self.place, f"the profiles go round in a circle: {' -> '.join((*followed, name))}")
        section = self.section(name)
        return _mode(section).plan(self, section, (*followed, name))


def _access_key(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    return section.key()


def _sts_token(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    return section.key(token="sts_token", expiration="sts_expiration")  # noqa: S106 - names of values


def _ram_role(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    return plans.assumed_role(section.key(), section, plans.role(config.search, section, "ram_role_arn"))


def _chained_role(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    values = plans.role(config.search, section, "ram_role_arn")
    try:
        previous = config.plan(section.text("source_profile"), followed)
    except MissingProfileError as error:
        raise BrokenError(section.place, f"its source_profile is missing, {error.problem}") from None
    return plans.assumed_role(previous, section, values)


def _ecs_role(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    return plans.ecs_role(config.search, section.place, section.optional("ram_role_name"))


def _oidc(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    values = plans.role(config.search, section, "ram_role_arn")
    return plans.oidc_role(section.text("oidc_provider_arn"), section.text("oidc_token_file"), values)


def _external(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    command = section.text("process_command")
    # Without the library's callback, which would write the command's secrets into the file.
    return lambda providers: providers.ExternalCredentialsProvider(process_command=command)


def _cloud_sso(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    end = section.number("cloud_sso_access_token_expire")
    if end is None or end <= config.search.environment.clock():
        raise BrokenError(section.place, "its login has ended; log in again with aliyun configure --mode CloudSSO")
    values = {
        "sign_in_url": section.text("cloud_sso_sign_in_url"),
        "account_id": section.text("cloud_sso_account_id"),
        "access_config": section.text("cloud_sso_access_config"),
        "access_token": section.text("access_token"),
        "access_token_expire": end,
    }
    return lambda providers: providers.CloudSSOCredentialsProvider(**values)


def _oauth(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    return oauth(section, followed[-1], config.path, config.search.environment.clock())


def _uri(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    return plans.credentials_uri(section.place, section.text("credentials_uri"))


@dataclass(frozen=True, slots=True)
class _Mode:
    name: str
    plan: Callable[[Config, Section, tuple[str, ...]], Plan]


_MODES = {
    mode.name.lower(): mode
    for mode in (
        _Mode("AK", _access_key),
        _Mode("StsToken", _sts_token),
        _Mode("RamRoleArn", _ram_role),
        _Mode("EcsRamRole", _ecs_role),
        _Mode("ChainableRamRoleArn", _chained_role),
        _Mode("OIDC", _oidc),
        _Mode("External", _external),
        _Mode("CloudSSO", _cloud_sso),
        _Mode("OAuth", _oauth),
        _Mode("CredentialsURI", _uri),
    )
}


def _mode(section: Section) -> _Mode:
    mode = _MODES.get(section.text("mode").lower())
    if mode is None:
        known = ", ".join(mode.name for mode in _MODES.values())
        raise BrokenError(section.place, f"its mode is none of {known}")
    return mode
