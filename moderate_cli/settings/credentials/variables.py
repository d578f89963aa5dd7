"""The links of the chain that environment variables make: keys, an OIDC role, and a URI to ask."""

from __future__ import annotations

from moderate_cli.client.credentials import Credentials, CredentialSource, FixedCredentials
from moderate_cli.errors import CredentialsError
from moderate_cli.settings.credentials import plans
from moderate_cli.settings.credentials.files import Section
from moderate_cli.settings.credentials.links import NothingHereError, Search

ID = "ALIBABA_CLOUD_ACCESS_KEY_ID"
SECRET = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - a variable's name
TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105 - a variable's name
URI = "ALIBABA_CLOUD_CREDENTIALS_URI"
_ROLE = "ALIBABA_CLOUD_ROLE_ARN"
_PROVIDER = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"
_TOKEN_FILE = "ALIBABA_CLOUD_OIDC_TOKEN_FILE"  # noqa: S105 - a variable's name


def find_environment(search: Search) -> CredentialSource:
    """Return the keys of the environment; raises NothingHereError, and CredentialsError for half a pair.

    Half a pair is a mistake, and whatever comes later in the chain may be another account.
    """
    key_id, secret, token = search.text(ID), search.text(SECRET), search.text(TOKEN)
    if key_id and secret:
        return FixedCredentials(Credentials(key_id, secret, token), f"environment ({ID})")
    if not key_id and not secret:
        raise NothingHereError("environment", f"{ID} and {SECRET} are not set")
    missing = SECRET if key_id else ID
    hint = f"set {ID} and {SECRET} (and {TOKEN} for temporary ones), or neither; --profile local needs no account"
    raise CredentialsError(f"no credentials: {missing} is not set", hint=hint)


def find_oidc(search: Search) -> CredentialSource:
    """Return the role that a workload's identity gives; raises NothingHereError or CredentialsError."""
    values = {name: search.text(name) for name in (_TOKEN_FILE, _ROLE, _PROVIDER)}
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise NothingHereError("OIDC", f"{' and '.join(missing)} not set")
    section = Section("OIDC role", values)
    build = plans.oidc_role(section.text(_PROVIDER), section.text(_TOKEN_FILE), plans.role(search, section, _ROLE))
    return plans.source(search, f"OIDC role {values[_ROLE]}", lambda: build)


def find_uri(search: Search) -> CredentialSource:
    """Return what a URI answers with; raises NothingHereError or CredentialsError."""
    uri = search.text(URI)
    if uri is None:
        raise NothingHereError("credentials URI", f"{URI} is not set")
    build = plans.credentials_uri("credentials URI", uri)
    return plans.source(search, "credentials URI", lambda: build)
