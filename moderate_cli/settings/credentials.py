"""Where the AccessKey comes from; flags never carry secrets."""

from __future__ import annotations

from moderate_cli.client.credentials import Credentials
from moderate_cli.environment import Environment
from moderate_cli.errors import CredentialsError

_ID = "ALIBABA_CLOUD_ACCESS_KEY_ID"
_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - a variable's name
_TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105 - a variable's name


def find_credentials(environment: Environment) -> Credentials:
    """Return the credentials of the environment.

    Raises CredentialsError, which names every way to give them and the profile that needs none.
    """
    # A value out of a file often ends with a newline.
    key_id, secret, token = ((environment.variable(name) or "").strip() for name in (_ID, _SECRET, _TOKEN))
    if key_id and secret:
        return Credentials(key_id, secret, token or None)
    missing = [name for name, value in ((_ID, key_id), (_SECRET, secret)) if not value]
    raise CredentialsError(
        "no credentials: " + " and ".join(missing) + (" is" if len(missing) == 1 else " are") + " not set",
        hint=(
            f"set {_ID} and {_SECRET} (and {_TOKEN} for temporary ones), "
            "or try it without an account: add --profile local"
        ),
    )
