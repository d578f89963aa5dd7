"""The Green API as a library: `GreenClient` signs, sends, uploads and reads; nothing here knows a terminal."""

from moderate_cli.client.green import GreenClient
from moderate_cli.client.signing import Credentials
from moderate_cli.client.transport import Timeouts

__all__ = ["Credentials", "GreenClient", "Timeouts"]
