"""Where requests go: https everywhere, plain http to this machine only."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from moderate_cli.errors import UsageError


def is_loopback(host: str) -> bool:
    """Tell whether a host name, without a port, is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A scheme and a host with its port, as `host` is signed."""

    scheme: str
    host: str

    @property
    def url(self) -> str:
        """The address as text, without a path."""
        return f"{self.scheme}://{self.host}"

    @property
    def hostname(self) -> str:
        """The host's name or address alone."""
        return urlsplit(self.url).hostname or ""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `HOST[:PORT]` (https) or an address with its scheme.

        Raises UsageError for anything else, and for http to another machine: signed requests carry credentials' ids
        and users' images.
        """
        address = text if "://" in text else f"https://{text}"
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in {"http", "https"} or parts.username or parts.path.strip("/") or parts.query:
            raise UsageError(f"{text!r} is not an endpoint", hint="give HOST, HOST:PORT or https://HOST")
        if parts.scheme == "http" and not is_loopback(host):
            raise UsageError(f"{text!r} is plain http to another machine", hint="use https")
        name = f"[{host}]" if ":" in host else host
        return cls(parts.scheme, f"{name}:{port}" if port else name)
