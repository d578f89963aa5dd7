"""Which credentials do profiles and roles on this machine give? config.json, credentials.ini, and the ECS role.

Modes and keys of `~/.aliyun/config.json`: `config/profile.go` of aliyun/aliyun-cli. It takes a mode's name in any
case, and so do we. Sections and keys of credentials.ini: `provider/profile.py` of alibabacloud-credentials 1.0.12.
"""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Callable
from configparser import ConfigParser, Error
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from moderate_cli.client.auth import CredentialSource
from moderate_cli.common.errors import CredentialsError
from moderate_cli.common.files import atomic_write
from moderate_cli.common.installation import install_command
from moderate_cli.common.masking import repr_without
from moderate_cli.settings.credentials import providers
from moderate_cli.settings.credentials.providers import MARGIN, Build, Plan
from moderate_cli.settings.credentials.search import (
    BrokenError,
    MissingProfileError,
    NothingHereError,
    Search,
    Section,
    read_config,
    read_text,
)
from moderate_cli.settings.resolved import Sourced

DISABLED = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED"
FILE_VARIABLE = "ALIBABA_CLOUD_CREDENTIALS_FILE"
METADATA_ADDRESS = ("100.100.100.200", 80)

# Seconds. The service is on the same host and answers within milliseconds; elsewhere the packets may just vanish.
_PROBE_TIMEOUT = 0.5
# The vendor's examples have comments behind the values. What is not set off by a blank belongs to the value, where
# the vendor's library cuts a secret with a # in it.
_COMMENT = re.compile(r"(?:\s[#;]|^[#;](?:\s|$)).*")
# The sites and the public client ids of the aliyun CLI, as provider/cli_profile.py of the library 1.0.12 has them.
_SITES = {
    "CN": ("https://oauth.aliyun.com", "4038181954557748008"),
    "INTL": ("https://oauth.alibabacloud.com", "4103531455503354461"),
}
# The order in which the library hands over what changed (OAuthTokenUpdateCallback), as the keys of the profile.
_CHANGED = (
    "oauth_refresh_token",
    "oauth_access_token",
    "access_key_id",
    "access_key_secret",
    "sts_token",
    "oauth_access_token_expire",
    "sts_expiration",
)

log = logging.getLogger(__name__)


def find_cli(search: Search) -> CredentialSource:
    """Return the credentials of a profile of the aliyun CLI; raises NothingHereError or CredentialsError."""
    config = _config(search)
    name = search.profile or config.current  # stays this one during a run, whatever becomes the current one
    mode = _mode(config.section(name))
    origin = f"{config.place}, profile {name} ({mode.name})"
    return providers.source(search, origin, lambda: Config.read(config.path, search).plan(name))


def find_region(search: Search) -> Sourced | None:
    """Return the region of the profile whose credentials `find_cli` returns, None where it has none; raises as it."""
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


class Config(Struct, frozen=True):
    """A config.json that was read, but not yet checked."""

    path: Path
    search: Search
    place: str
    document: dict[str, Any]

    def __repr__(self) -> str:
        return repr_without(self, "document")

    @classmethod
    def read(cls, path: Path, search: Search) -> Config:
        """Read the file; raises NothingHereError where it is absent and BrokenError where it is not such a file."""
        place = search.shown(path)
        return cls(path, search, place, read_config(path, place))

    @property
    def current(self) -> str:
        """The profile that `aliyun configure switch` chose."""
        name = self.document.get("current")
        return name if isinstance(name, str) and name else "default"

    @property
    def now(self) -> float:
        """The time, in Unix seconds."""
        return self.search.environment.clock()

    def section(self, name: str) -> Section:
        """Return a profile; raises MissingProfileError."""
        for profile in self.document["profiles"]:
            if profile.get("name") == name:
                return Section(f"{self.place}, profile {name}", profile)
        raise MissingProfileError(self.place, f"there is no profile {name}")

    def plan(self, name: str, followed: tuple[str, ...] = ()) -> Plan:
        """Plan the credentials of a profile; `followed` are the names that led to it. Raises NothingHereError."""
        if name in followed:
            raise BrokenError(self.place, f"the profiles form a circle: {' -> '.join((*followed, name))}")
        section = self.section(name)
        return _mode(section).plan(self, section, (*followed, name))


def _sts_token(section: Section) -> Plan:
    return section.credentials(token="sts_token", expiration="sts_expiration")  # noqa: S106 - names of values


def _chained_role(config: Config, section: Section, followed: tuple[str, ...]) -> Plan:
    values = providers.role(config.search, section, "ram_role_arn")
    try:
        previous = config.plan(section.text("source_profile"), followed)
    except MissingProfileError as error:
        raise BrokenError(section.place, f"its source_profile is missing, {error.problem}") from None
    return providers.assumed_role(previous, section, values)


def _external(section: Section) -> Plan:
    command = section.text("process_command")
    # Without the library's callback, which would write the command's secrets into the file.
    return lambda providers: providers.ExternalCredentialsProvider(process_command=command)


def _cloud_sso(section: Section, now: float) -> Plan:
    end = section.number("cloud_sso_access_token_expire")
    if end is None or end <= now:
        raise BrokenError(section.place, "its login has expired; log in again with aliyun configure --mode CloudSSO")
    values = {
        "sign_in_url": section.text("cloud_sso_sign_in_url"),
        "account_id": section.text("cloud_sso_account_id"),
        "access_config": section.text("cloud_sso_access_config"),
        "access_token": section.text("access_token"),
        "access_token_expire": end,
    }
    return lambda providers: providers.CloudSSOCredentialsProvider(**values)


def _oauth(section: Section, name: str, path: Path, now: float) -> Build:
    """Plan the exchange of a login for credentials, or the use of those that an earlier exchange left in the file."""
    site = _SITES.get((section.optional("oauth_site_type") or "CN").upper())
    if site is None:
        raise BrokenError(section.place, "its oauth_site_type is neither CN nor INTL")
    access, refresh = section.optional("oauth_access_token"), section.optional("oauth_refresh_token")
    if not access and not refresh:
        raise BrokenError(section.place, "it has no login; log in with aliyun configure --mode OAuth")
    values = {
        "access_token": access,
        "access_token_expire": section.number("oauth_access_token_expire") or 0,
        "refresh_token": refresh,
        **_left(section, now),
    }
    return lambda providers: providers.OAuthCredentialsProvider(
        sign_in_url=site[0], client_id=site[1], token_update_callback=partial(_save, path, name), **values
    )


def _left(section: Section, now: float) -> dict[str, Any]:
    """Return the credentials of the last exchange while they are good: the library uses them to their last second."""
    end = section.number("sts_expiration")
    if end is None or end - now <= MARGIN:
        return {}
    return {
        "access_key_id": section.optional("access_key_id"),
        "access_key_secret": section.optional("access_key_secret"),
        "security_token": section.optional("sts_token"),
        "sts_expiration": end,
    }


def _save(path: Path, name: str, *changed: object) -> None:
    """Put new tokens into the profile: the old refresh token may be invalid now."""
    try:
        document = read_config(path, name)
        profile = next(profile for profile in document["profiles"] if profile.get("name") == name)
        profile.update(zip(_CHANGED, changed, strict=True))
        atomic_write(path, json.dumps(document, indent="\t", ensure_ascii=False))
    except (OSError, UnicodeEncodeError, NothingHereError, StopIteration):
        log.warning("the new login of profile %s could not be saved; aliyun configure will ask for another", name)


class _Mode(Struct, frozen=True):
    """A mode of a profile; `plan` takes the file, the profile's section, and the names that led to it."""

    name: str
    plan: Callable[[Config, Section, tuple[str, ...]], Plan]


_MODES = {
    mode.name.lower(): mode
    for mode in (
        _Mode("AK", lambda config, section, followed: section.credentials()),
        _Mode("StsToken", lambda config, section, followed: _sts_token(section)),
        _Mode("RamRoleArn", lambda config, section, followed: _ram_role(config.search, section, "ram_role_arn")),
        _Mode("EcsRamRole", lambda config, section, followed: _ecs_role(config.search, section, "ram_role_name")),
        _Mode("ChainableRamRoleArn", _chained_role),
        _Mode(
            "OIDC",
            lambda config, section, followed: _oidc_role(config.search, section, "ram_role_arn", "oidc_token_file"),
        ),
        _Mode("External", lambda config, section, followed: _external(section)),
        _Mode("CloudSSO", lambda config, section, followed: _cloud_sso(section, config.now)),
        _Mode("OAuth", lambda config, section, followed: _oauth(section, followed[-1], config.path, config.now)),
        _Mode(
            "CredentialsURI",
            lambda config, section, followed: providers.credentials_uri(section.place, section.text("credentials_uri")),
        ),
    )
}


def _mode(section: Section) -> _Mode:
    mode = _MODES.get(section.text("mode").lower())
    if mode is None:
        known = ", ".join(mode.name for mode in _MODES.values())
        raise BrokenError(section.place, f"its mode must be one of {known}")
    return mode


def find_ini(search: Search) -> CredentialSource:
    """Return the credentials of a section of credentials.ini; raises NothingHereError or CredentialsError."""
    name = search.profile or "default"
    missing: list[NothingHereError] = []
    for path in _paths(search):
        try:
            return _find(search, path, name)
        except BrokenError:
            raise
        except NothingHereError as error:
            missing.append(error)
    if not missing:
        raise NothingHereError("~/.alibabacloud/credentials.ini", "there is no home folder")
    raise next((error for error in missing if isinstance(error, MissingProfileError)), missing[0])


def _paths(search: Search) -> list[Path]:
    if chosen := search.text(FILE_VARIABLE):
        return [Path(chosen)]
    if search.home is None:
        return []
    # The Python library reads the first; other SDKs of the vendor the second.
    return [search.home / ".alibabacloud" / name for name in ("credentials.ini", "credentials")]


def _find(search: Search, path: Path, name: str) -> CredentialSource:
    section = _read(search, path, name)
    origin = f"{section.place} ({_type(section)})"
    return providers.source(search, origin, lambda: _plan(search, _read(search, path, name)))


def _read(search: Search, path: Path, name: str) -> Section:
    place = search.shown(path)
    parser = ConfigParser(interpolation=None, strict=False)
    text = read_text(path, place)
    try:
        parser.read_string(text)
    except Error as error:
        line = getattr(error, "lineno", None) or next((entry[0] for entry in getattr(error, "errors", ())), "?")
    else:
        if name not in parser:
            raise MissingProfileError(place, f"there is no section {name}")
        values = {key: _COMMENT.sub("", value).strip() for key, value in parser[name].items()}
        return Section(f"{place}, section {name}", values)
    # Out of the except block: the error quotes the line.
    raise BrokenError(place, f"it is not a valid ini file (line {line})")


def _type(section: Section) -> str:
    chosen = section.text("type").lower()
    if chosen not in _PLANS:
        raise BrokenError(section.place, f"its type must be one of {', '.join(_PLANS)}")
    return chosen


def _plan(search: Search, section: Section) -> Plan:
    return _PLANS[_type(section)](search, section)


def _rsa_key_pair(search: Search, section: Section) -> Plan:
    values = {name: section.text(name) for name in ("public_key_id", "private_key_file")}
    region = search.text("ALIBABA_CLOUD_STS_REGION")
    return lambda providers: providers.RsaKeyPairCredentialsProvider(**values, sts_region_id=region)


_PLANS: dict[str, Callable[[Search, Section], Plan]] = {
    "access_key": lambda search, section: section.credentials(),
    "ram_role_arn": lambda search, section: _ram_role(search, section, "role_arn"),
    "oidc_role_arn": lambda search, section: _oidc_role(search, section, "role_arn", "oidc_token_file_path"),
    "ecs_ram_role": lambda search, section: _ecs_role(search, section, "role_name"),
    "rsa_key_pair": _rsa_key_pair,
}


def _ram_role(search: Search, section: Section, arn: str) -> Plan:
    """Plan a role that the profile's own AccessKey assumes; `arn` is the name of its value, as below."""
    return providers.assumed_role(section.credentials(), section, providers.role(search, section, arn))


def _oidc_role(search: Search, section: Section, arn: str, token_file: str) -> Plan:
    values = providers.role(search, section, arn)
    return providers.oidc_role(section.text("oidc_provider_arn"), section.text(token_file), values)


def _ecs_role(search: Search, section: Section, name: str) -> Plan:
    return providers.ecs_role(search, section.place, section.optional(name))


def find_ecs(search: Search) -> CredentialSource:
    """Return the role of this instance; raises NothingHereError or CredentialsError.

    A named role is not verified. Without a name the metadata service is called at once, because a response on its
    address does not prove that it is there.
    """
    if search.is_true(providers.METADATA_DISABLED):
        raise NothingHereError("ECS role", f"{providers.METADATA_DISABLED} is true")
    name = search.text(providers.ROLE_VARIABLE)
    if name is None:
        _probe()
    origin = f"ECS role {name}" if name else "ECS role of this instance"
    build = providers.ecs_role(search, origin, name)
    source = providers.source(search, origin, lambda: build)
    if name is None:
        _ask(source)
    return source


def _probe() -> None:
    try:
        socket.create_connection(METADATA_ADDRESS, timeout=_PROBE_TIMEOUT).close()
    except OSError:
        raise NothingHereError("ECS role", "no metadata service answers") from None
    if not providers.is_installed():
        raise NothingHereError("ECS role", f"a metadata service may be there, {install_command('ram')} to ask it")


def _ask(source: CredentialSource) -> None:
    try:
        source.current()
    except CredentialsError as error:
        raise NothingHereError("ECS role", error.message.removeprefix(f"{source.origin}: ")) from None
