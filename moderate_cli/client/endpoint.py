"""Where requests go: https everywhere, plain http to this machine only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from moderate_cli.common.text import shortened
from moderate_cli.errors import UsageError
from moderate_cli.loopback import is_loopback

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ADDRESS = re.compile(
    rf"(?:(?P<scheme>https?)://)?(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?/?",
    re.IGNORECASE | re.ASCII,
)


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return True
    from ipaddress import ip_address  # hardly any endpoint is a number

    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


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
        found = _ADDRESS.fullmatch(text)
        if found is None or not 0 < int(found["port"] or 443) < 65536 or not _is_host(found["host"]):
            raise UsageError(f"{shortened(text)!r} is not an endpoint", hint="give HOST, HOST:PORT or https://HOST")
        scheme, host = (found["scheme"] or "https").lower(), found["host"].lower()
        if scheme == "http" and not is_loopback(host.strip("[]")):
            raise UsageError(f"{shortened(text)!r} is plain http to another machine", hint="use https")
        return cls(scheme, f"{host}:{found['port']}" if found["port"] else host)
