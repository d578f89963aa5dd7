"""The door to alibabacloud-credentials (extra `ram`), which makes the calls that some credentials need.

Its provider classes are used one by one: its own default chain has an order, an environment and files of its own.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from moderate_cli.client.credentials import Credentials
from moderate_cli.errors import CredentialsError
from moderate_cli.installation import install_command

Build = Callable[[Any], Any]
"""Makes a provider, given the library's module of provider classes."""

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


def is_installed() -> bool:
    """Tell whether the extra is there, without importing it: that takes a quarter of a second."""
    return find_spec("alibabacloud_credentials") is not None


def require(origin: str) -> None:
    """Raise CredentialsError, which names what was found, where the extra is missing."""
    if not is_installed():
        raise CredentialsError(f"{origin}: found, but its use needs the extra 'ram'", hint=install_command("ram"))


def obtain(build: Build, origin: str) -> Credentials:
    """Ask a new provider for credentials; raises CredentialsError.

    The provider is used once, so that what it keeps to itself cannot be older than what we know.
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
    """Say what went wrong in words of our own, with nothing from the error but numbers, paths and STS codes."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read ({error.strerror})"
    if type(error).__name__ == "RetryError":  # what Tea, below the library, makes of any failed connection
        return "whoever issues the credentials cannot be reached"
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


_TEXTS = {
    "command process timed out": "its command took too long",
    "failed to execute external command": "its command cannot be run",
    "external command output": "its command printed no JSON",
    "No cached value": "the credentials have ended already; is the clock right",
}
