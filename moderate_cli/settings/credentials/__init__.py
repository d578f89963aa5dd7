"""Which credentials are used? The first of the chain, or those of the one source that was chosen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from moderate_cli.client.auth import Credentials, CredentialSource, FixedCredentials
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import CredentialsError, UsageError
from moderate_cli.settings.credentials import providers
from moderate_cli.settings.credentials.search import (
    BrokenError,
    MissingProfileError,
    NothingHereError,
    Search,
    Section,
)
from moderate_cli.settings.resolved import Sourced

__all__ = ["SOURCES", "find_credentials", "find_profile", "region_of_credentials"]

ID = "ALIBABA_CLOUD_ACCESS_KEY_ID"
SECRET = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - a variable's name
TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105 - a variable's name
URI = "ALIBABA_CLOUD_CREDENTIALS_URI"
_ROLE = "ALIBABA_CLOUD_ROLE_ARN"
_PROVIDER = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"
_TOKEN_FILE = "ALIBABA_CLOUD_OIDC_TOKEN_FILE"  # noqa: S105 - a variable's name
_LAST_FILE = "ini"
_WAYS = (
    "without an account: add --profile local\n"
    "with one: run `aliyun configure`, or see all ways by `moderate help credentials`"
)

log = logging.getLogger(__name__)


def find_credentials(environment: Environment, source: str = "auto", profile: str | None = None) -> CredentialSource:
    """Return the first credentials of the chain, or those of the one link that `source` names.

    `profile` is one in config.json or a section of the ini file; without it ALIBABA_CLOUD_PROFILE is used, then the
    default of each file. Credentials that take a call are fetched when they are needed. Raises CredentialsError, which
    names the profile that needs none and how to provide some, and UsageError for an unknown source.
    """
    search = Search.begin(environment, profile)
    if source == "auto":
        return _walk(search, _LINKS)
    if source not in _LINKS:
        raise UsageError(f"unknown credentials source {source!r}", hint=f"one of {', '.join(SOURCES)}")
    try:
        return _LINKS[source](search)
    except NothingHereError as error:
        raise CredentialsError(_message(error), hint=_WAYS) from None


def find_profile(environment: Environment, name: str) -> CredentialSource:
    """Return the credentials of a profile in config.json or a section of the ini file, whatever the environment has.

    Raises CredentialsError where neither has it.
    """
    return _walk(Search.begin(environment, name), {link: _LINKS[link] for link in ("cli", _LAST_FILE)})


def _walk(search: Search, links: Mapping[str, Callable[[Search], CredentialSource]]) -> CredentialSource:
    reasons: list[NothingHereError] = []
    for name, find in links.items():
        try:
            found = find(search)
        except NothingHereError as error:
            log.info("credentials: %s", error)
            reasons.append(error)
            refused = _refused(search, reasons, is_last_file=name == _LAST_FILE)
            if refused:
                raise CredentialsError(_message(refused), hint=_WAYS) from None
        else:
            log.info("credentials: %s", found.origin)
            return found
    raise _nothing(reasons)


def _refused(search: Search, reasons: Sequence[NothingHereError], *, is_last_file: bool) -> NothingHereError | None:
    """Return why the search must end: a profile that was named is broken, or is in no file."""
    if search.profile is None:
        return None
    if isinstance(reasons[-1], BrokenError):
        return reasons[-1]
    missing = [reason for reason in reasons if isinstance(reason, MissingProfileError)]
    return missing[0] if is_last_file and missing else None


def _nothing(reasons: Sequence[NothingHereError]) -> CredentialsError:
    """Return the error that nothing was found: about the first mistake, else about the environment."""
    first = next((reason for reason in reasons if isinstance(reason, BrokenError)), reasons[0])
    return CredentialsError(_message(first), hint=_WAYS)


def _message(reason: NothingHereError) -> str:
    return f"no credentials: {reason.problem if reason.place == 'environment' else reason}"


def region_of_credentials(environment: Environment, source: str, profile: str | None) -> Sourced | None:
    """Return the region of a profile of the aliyun CLI, where its credentials are used, else None.

    Problems with the credentials are reported when they are needed.
    """
    search = Search.begin(environment, profile)
    if source not in {"auto", "cli"}:
        return None
    try:
        if source == "auto" and (_finds(find_environment, search) or _finds(find_oidc, search)):
            return None
        from moderate_cli.settings.credentials.profiles import (
            find_region,
        )  # most runs have found their credentials by now

        return find_region(search)
    except (CredentialsError, NothingHereError):
        return None


def _finds(find: Callable[[Search], CredentialSource], search: Search) -> bool:
    try:
        find(search)
    except NothingHereError:
        return False
    return True


def find_environment(search: Search) -> CredentialSource:
    """Return the credentials of the environment; raises NothingHereError, and CredentialsError for half a pair.

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
    build = providers.oidc_role(
        section.text(_PROVIDER), section.text(_TOKEN_FILE), providers.role(search, section, _ROLE)
    )
    return providers.source(search, f"OIDC role {values[_ROLE]}", lambda: build)


def find_uri(search: Search) -> CredentialSource:
    """Return the credentials that a URI responds with; raises NothingHereError or CredentialsError."""
    uri = search.text(URI)
    if uri is None:
        raise NothingHereError("credentials URI", f"{URI} is not set")
    build = providers.credentials_uri("credentials URI", uri)
    return providers.source(search, "credentials URI", lambda: build)


def _find_cli(search: Search) -> CredentialSource:
    from moderate_cli.settings.credentials.profiles import find_cli  # few runs come as far down the chain as this

    return find_cli(search)


def _find_ini(search: Search) -> CredentialSource:
    from moderate_cli.settings.credentials.profiles import find_ini

    return find_ini(search)


def _find_ecs(search: Search) -> CredentialSource:
    from moderate_cli.settings.credentials.profiles import find_ecs

    return find_ecs(search)


# 1. an AccessKey in environment variables
# 2. an OIDC role, where all its variables are set
# 3. ~/.aliyun/config.json, the profile that was named or the current one
# 4. ~/.alibabacloud/credentials.ini, then ~/.alibabacloud/credentials; or ALIBABA_CLOUD_CREDENTIALS_FILE alone
# 5. the role of an ECS instance, named or looked up
# 6. a credentials URI
# The order of provider/default.py of alibabacloud-credentials 1.0.12; the aliyun CLI puts its file first.
_LINKS: Mapping[str, Callable[[Search], CredentialSource]] = {
    "environment": find_environment,
    "oidc": find_oidc,
    "cli": _find_cli,
    "ini": _find_ini,
    "ecs": _find_ecs,
    "uri": find_uri,
}

SOURCES = ("auto", *_LINKS)
"""The possible choices: the whole chain, or one link of it."""
