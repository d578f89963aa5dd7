"""The Green API as a library: `GreenClient` signs, sends, uploads and reads; nothing here knows a terminal."""

from moderate_cli.client.credentials import Credentials, CredentialSource, FixedCredentials
from moderate_cli.client.green import GreenClient
from moderate_cli.client.transport import Timeouts

__all__ = ["CredentialSource", "Credentials", "FixedCredentials", "GreenClient", "Timeouts"]
