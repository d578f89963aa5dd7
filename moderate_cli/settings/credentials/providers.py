"""How are credentials obtained? A plan is an AccessKey or a provider of the vendor's library, renewed when due.

The library is alibabacloud-credentials (extra `ram`). Its provider classes are used one by one: its own default chain
has an order, an environment and files of its own.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from moderate_cli.client.auth import Credentials, CredentialSource
from moderate_cli.common.errors import CredentialsError
from moderate_cli.common.installation import install_command
from moderate_cli.settings.credentials.search import BrokenError, NothingHereError, Search, Section

METADATA_DISABLED = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
ROLE_VARIABLE = "ALIBABA_CLOUD_ECS_METADATA"

MARGIN = 180.0
"""Seconds before their expiration at which credentials are renewed.

As `provider/external.py` of alibabacloud-credentials 1.0.12 does; the 15 minutes of its other providers are all that
the shortest session of AssumeRole has.
"""

PAUSE = 10.0
"""Seconds before another request after a failure, or after credentials that expire soon."""

# Shown in the account's audit log as who did it.
_SESSION_NAME = "moderate"
# Both print to stderr whatever level the program wants, answers of the service with their keys among it
# (`RefreshCachedSupplier` in provider/refreshable.py; `TeaCore.do_action` where DEBUG=sdk).
_LOUD_LOGGERS = ("credentials", "alibabacloud-tea")
_STATUS = re.compile(r"(?:http_code|HttpCode|status code)\W{1,2}(\d{3})\b")
# The service's error codes, such as EntityNotExist.Role, out of the answers of STS alone: the other answers are
# written by anybody, and what looks like a code there could be anything.
_STS_CODE = re.compile(
    r'from (?:ram_role_arn|oidc_role_arn|rsa_key_pair), http_code.*?"Code"\s*:\s*"([A-Za-z.]{1,64})"', re.DOTALL
)
_EXIT_STATUS = re.compile(r"exit status (-?\d{1,10})\b")
_TEXTS = {
    "command process timed out": "its command took too long",
    "failed to execute external command": "its command cannot be run",
    "external command output": "its command printed no JSON",
    "No cached value": "the credentials have already expired; check the clock",
}

Build = Callable[[Any], Any]
"""Makes a provider, given the library's module of provider classes."""

Plan = Credentials | Build

log = logging.getLogger(__name__)


def source(search: Search, origin: str, plan: Callable[[], Plan]) -> CredentialSource:
    """Return a source that makes its plan anew each time credentials are due: they may be rotated on disk.

    Raises NothingHereError where the plan cannot be made, and CredentialsError where it needs the extra `ram`.
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
    """Return the parameters of every assumed role; `arn` is the name of its value. Raises BrokenError.

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
    """Plan the role of this instance; without a name, the metadata service knows it. Raises BrokenError."""
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
    """Plan a GET to a URI, which is never shown, since it may contain a token; raises BrokenError for other URIs."""
    try:
        parts = urlsplit(uri)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise BrokenError(place, "the URI is not an http or https URL")
    return lambda providers: providers.URLCredentialsProvider(uri=uri)


class RenewingCredentials:
    """A source that fetches credentials when they are due, once for all threads; the others wait.

    `fetch` raises CredentialsError. Credentials without an expiration are held until the service refuses them.
    """

    def __init__(
        self,
        origin: str,
        fetch: Callable[[], Credentials],
        *,
        clock: Callable[[], float],
        first: Credentials | None = None,
    ) -> None:
        self.origin = origin
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Credentials | None = None
        self._due = float("-inf")
        self._failure: CredentialsError | None = None
        self._refused_until = float("-inf")
        if first is not None:
            self._hold(first)

    def current(self) -> Credentials:
        """Return credentials for the next call; raises CredentialsError."""
        with self._lock:
            now = self._clock()
            if now >= self._due:
                self._refresh(now)
            elif self._failure is not None:
                # A new one each time: threads that raise the same object write into each other's traceback.
                raise CredentialsError(self._failure.message, code=self._failure.code, hint=self._failure.hint)
            assert self._held is not None, "held, or the refresh would have failed"  # noqa: S101 - for mypy
            return self._held

    def renew(self, refused: Credentials) -> bool:
        """Fetch again after a refusal, unless another thread did; False where the same come back, or none."""
        with self._lock:
            if self._held is not None and not _is_same(self._held, refused):
                return True
            if self._clock() < self._refused_until:
                return False
            try:
                self._hold(self._fetch())
            except CredentialsError as error:
                log.warning("the credentials were rejected, and no others are available: %s", error.message)
            is_new = self._held is not None and not _is_same(self._held, refused)
            self._refused_until = float("-inf") if is_new else self._clock() + PAUSE
            return is_new

    def _refresh(self, now: float) -> None:
        held = self._held
        try:
            self._hold(self._fetch())
        except CredentialsError as error:
            self._due = now + PAUSE
            if held is None or held.expiration is None or held.expiration <= now:
                self._failure = error
                raise
            self._due = min(self._due, held.expiration)
            log.warning("%s: renewal failed, the old credentials are still valid: %s", self.origin, error.message)

    def _hold(self, credentials: Credentials) -> None:
        self._held, self._failure = credentials, None
        self._due = _due(credentials, self._clock())


def _due(credentials: Credentials, now: float) -> float:
    if credentials.expiration is None:
        return float("inf")
    margin = min(MARGIN, (credentials.expiration - now) / 2)
    return max(credentials.expiration - margin, now + PAUSE)


def _is_same(left: Credentials, right: Credentials) -> bool:
    """Compare without the expiration, which may differ for the same AccessKey."""
    return (left.access_key_id, left.access_key_secret, left.security_token) == (
        right.access_key_id,
        right.access_key_secret,
        right.security_token,
    )


def is_installed() -> bool:
    """Tell whether the extra is installed, without importing it, which takes a quarter of a second."""
    return find_spec("alibabacloud_credentials") is not None


def require(origin: str) -> None:
    """Raise CredentialsError, which names what was found, where the extra is missing."""
    if not is_installed():
        raise CredentialsError(f"{origin}: found, but using it needs the extra 'ram'", hint=install_command("ram"))


def obtain(build: Build, origin: str) -> Credentials:
    """Return the credentials of a new provider; raises CredentialsError.

    A provider is used once, so that its cache cannot be older than what we know.
    """
    providers = _providers(origin)
    try:
        return _read(build(providers).get_credentials())
    except CredentialsError as error:
        problem = error.message
    except Exception as error:  # noqa: BLE001 - it raises anything, down to KeyError on an odd answer
        problem = _describe(error)
    # Out of the except block: the library's errors quote answers, URLs with tokens and what commands printed.
    raise CredentialsError(f"{origin}: {problem}")


def _providers(origin: str) -> Any:
    require(origin)
    try:
        from alibabacloud_credentials import provider
    except ImportError as error:
        message = f"{origin}: the package alibabacloud-credentials is damaged, {error.name} cannot be imported"
        raise CredentialsError(message, hint=install_command("ram")) from None
    for name in _LOUD_LOGGERS:
        logging.getLogger(name).disabled = True
    return provider


def _read(found: Any) -> Credentials:
    expiration = found.get_expiration()
    return Credentials(
        found.get_access_key_id(),
        found.get_access_key_secret(),
        found.get_security_token() or None,
        expiration=expiration or None,
    )


def _describe(error: Exception) -> str:
    """Describe an error in our own words, with nothing from it but numbers, paths and STS codes."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read ({error.strerror})"
    if type(error).__name__ == "RetryError":  # what Tea, below the library, makes of any failed connection
        return "the issuer of the credentials cannot be reached"
    text = str(error)
    if status := _STATUS.search(text):
        code = _STS_CODE.search(text)
        return f"refused with HTTP {status[1]}" + (f", {code[1]}" if code else "")
    if status := _EXIT_STATUS.search(text):
        return f"its command ended with status {status[1]}"
    for part, words in _TEXTS.items():
        if part in text:
            return words
    return f"no credentials in the answer ({type(error).__name__})"
