"""Plans for credentials: keys that are known already, or a provider to be asked, with all its values checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from moderate_cli.client.credentials import Credentials, CredentialSource
from moderate_cli.errors import CredentialsError
from moderate_cli.settings.credentials.files import Section
from moderate_cli.settings.credentials.library import Build, obtain, require
from moderate_cli.settings.credentials.links import BrokenError, NothingHereError, Search
from moderate_cli.settings.credentials.renewing import RenewingCredentials

Plan = Credentials | Build

METADATA_DISABLED = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
ROLE_VARIABLE = "ALIBABA_CLOUD_ECS_METADATA"
# Shown in the account's audit log as who did it.
_SESSION_NAME = "moderate"


def source(search: Search, origin: str, plan: Callable[[], Plan]) -> CredentialSource:
    """Return a source that makes its plan anew each time credentials are due: keys are rotated on disk.

    Raises NothingHereError where the plan cannot be made, and CredentialsError where it needs what is not installed.
    """
    first = plan()
    if not isinstance(first, Credentials):
        require(origin)

    def fetch() -> Credentials:
        try:
            made = plan()
        except NothingHereError as error:
            raise CredentialsError(str(error)) from None
        return made if isinstance(made, Credentials) else obtain(made, origin)

    known = first if isinstance(first, Credentials) else None
    return RenewingCredentials(origin, fetch, clock=search.environment.clock, first=known)


def build_of(plan: Plan) -> Build:
    """Return the plan as a provider that another one can start from."""
    if not isinstance(plan, Credentials):
        return plan
    key = plan
    pair = {"access_key_id": key.access_key_id, "access_key_secret": key.access_key_secret}
    if key.security_token is None:
        return lambda providers: providers.StaticAKCredentialsProvider(**pair)
    return lambda providers: providers.StaticSTSCredentialsProvider(**pair, security_token=key.security_token)


def role(search: Search, section: Section, arn: str) -> dict[str, Any]:
    """Return what every assumed role is asked with; `arn` is the name of its value.

    Everything is given, because the library fills gaps with the variables that were set when it was imported.
    """
    vpc = section.values.get("enable_vpc")
    return {
        "role_arn": section.text(arn),
        # The CLI writes the first, the library reads the second for OIDC.
        "role_session_name": section.optional("ram_session_name", "role_session_name")
        or search.text("ALIBABA_CLOUD_ROLE_SESSION_NAME")
        or _SESSION_NAME,
        "duration_seconds": section.seconds("expired_seconds"),
        "policy": section.optional("policy"),
        "sts_region_id": section.optional("sts_region") or search.text("ALIBABA_CLOUD_STS_REGION"),
        "enable_vpc": vpc if isinstance(vpc, bool) else search.is_true("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"),
    }


def assumed_role(previous: Plan, section: Section, values: dict[str, Any]) -> Build:
    """Plan a role that is assumed with other credentials."""
    build = build_of(previous)
    external_id = section.optional("external_id")
    return lambda providers: providers.RamRoleArnCredentialsProvider(
        credentials_provider=build(providers), external_id=external_id, **values
    )


def oidc_role(provider_arn: str, token_file: str, values: dict[str, Any]) -> Build:
    """Plan a role that is assumed with a token of an identity provider, read from its file each time."""
    return lambda providers: providers.OIDCRoleArnCredentialsProvider(
        oidc_provider_arn=provider_arn, oidc_token_file_path=token_file, **values
    )


def ecs_role(search: Search, place: str, name: str | None) -> Build:
    """Plan the role of this instance; without a name, the metadata service is asked for it."""
    if search.is_true(METADATA_DISABLED):
        raise BrokenError(place, f"{METADATA_DISABLED} is true")
    only_v2 = search.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED")
    return lambda providers: providers.EcsRamRoleCredentialsProvider(
        # Empty and not None, for which the library reads a variable. The update in the background would go on, in a
        # thread that a short run waits for.
        role_name=name or "",
        disable_imds_v1=only_v2,
        async_update_enabled=False,
    )


def credentials_uri(place: str, uri: str) -> Build:
    """Plan a GET to a URI, which is never shown: some have a token in them."""
    try:
        parts = urlsplit(uri)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise BrokenError(place, "the URI is no URL with http or https")
    return lambda providers: providers.URLCredentialsProvider(uri=uri)
