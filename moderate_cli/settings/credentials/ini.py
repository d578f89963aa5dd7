"""The credentials file that Alibaba Cloud's SDKs share.

Sections and keys: `provider/profile.py` of alibabacloud-credentials 1.0.12.
"""

from __future__ import annotations

import re
from configparser import ConfigParser, Error
from pathlib import Path

from moderate_cli.client.credentials import CredentialSource
from moderate_cli.settings.credentials import plans
from moderate_cli.settings.credentials.files import Section, read_text
from moderate_cli.settings.credentials.links import BrokenError, MissingProfileError, NothingHereError, Search
from moderate_cli.settings.credentials.plans import Plan

FILE_VARIABLE = "ALIBABA_CLOUD_CREDENTIALS_FILE"
# The vendor's examples have comments behind the values. What is not set off by a blank belongs to the value, where
# the vendor's library cuts a secret with a # in it.
_COMMENT = re.compile(r"(?:\s[#;]|^[#;](?:\s|$)).*")


def find_ini(search: Search) -> CredentialSource:
    """Return the credentials of a section; raises NothingHereError or CredentialsError."""
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
    return plans.source(search, origin, lambda: _plan(search, _read(search, path, name)))


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
    raise BrokenError(
        place, f"it is not a valid ini file (line {line})"
    )  # out of the except block: the error quotes it


def _type(section: Section) -> str:
    chosen = section.text("type").lower()
    if chosen not in _PLANS:
        raise BrokenError(section.place, f"its type is none of {', '.join(_PLANS)}")
    return chosen


def _plan(search: Search, section: Section) -> Plan:
    return _PLANS[_type(section)](search, section)


def _access_key(search: Search, section: Section) -> Plan:
    return section.key()


def _ram_role(search: Search, section: Section) -> Plan:
    return plans.assumed_role(section.key(), section, plans.role(search, section, "role_arn"))


def _oidc(search: Search, section: Section) -> Plan:
    values = plans.role(search, section, "role_arn")
    return plans.oidc_role(section.text("oidc_provider_arn"), section.text("oidc_token_file_path"), values)


def _ecs_role(search: Search, section: Section) -> Plan:
    return plans.ecs_role(search, section.place, section.optional("role_name"))


def _rsa_key_pair(search: Search, section: Section) -> Plan:
    values = {name: section.text(name) for name in ("public_key_id", "private_key_file")}
    region = search.text("ALIBABA_CLOUD_STS_REGION")
    return lambda providers: providers.RsaKeyPairCredentialsProvider(**values, sts_region_id=region)


_PLANS = {
    "access_key": _access_key,
    "ram_role_arn": _ram_role,
    "oidc_role_arn": _oidc,
    "ecs_ram_role": _ecs_role,
    "rsa_key_pair": _rsa_key_pair,
}
