"""Connections through a SOCKS proxy that a deadline can shut down, the handshake with the proxy included.

Loaded only where there is such a proxy, since it needs pysocks.
"""

from __future__ import annotations

from socket import SOCK_STREAM, getaddrinfo, socket

import socks
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection, SOCKSHTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from moderate_cli.client.deadline import Watched


class _WatchedSOCKS(Watched, SOCKSConnection):
    """Opens its sockets itself: urllib3 has pysocks do it, which returns them only after the handshake."""

    def _new_conn(self) -> socket:
        try:
            return self._open()
        except OSError as error:  # those of pysocks are such too
            self.unwatch()
            cause = getattr(error, "socket_err", None) or error
            if isinstance(cause, TimeoutError):
                raise ConnectTimeoutError(self, f"connecting through the proxy took over {self.timeout} s") from cause
            raise NewConnectionError(self, f"no connection through the proxy: {cause}") from cause

    def _open(self) -> socket:
        """Return a connection by way of the first address of the proxy that leads to one; raises OSError."""
        proxy = self._socks_options
        name = (proxy["proxy_host"] or "").strip("[]")
        failure = OSError("the proxy has no address")
        for family, kind, protocol, _, _ in getaddrinfo(name, proxy["proxy_port"], type=SOCK_STREAM):
            opened: socket = socks.socksocket(family, kind, protocol)
            try:
                self.watch(opened)
                for option in self.socket_options or ():
                    opened.setsockopt(*option)
                if isinstance(self.timeout, int | float):
                    opened.settimeout(self.timeout)
                kind_of_proxy, user, password = proxy["socks_version"], proxy["username"], proxy["password"]
                opened.set_proxy(  # type: ignore[attr-defined]
                    kind_of_proxy, name, proxy["proxy_port"], proxy["rdns"], user, password
                )
                opened.connect((self.host.strip("[]"), self.port))
            except OSError as error:
                opened.close()
                failure = error
            else:
                return opened
        raise failure


class _WatchedSOCKSHTTPS(_WatchedSOCKS, SOCKSHTTPSConnection):
    pass


def connection_class(pool: ConnectionPool) -> type[HTTPConnection]:
    """Return what opens the connections of a pool behind a SOCKS proxy."""
    return _WatchedSOCKSHTTPS if isinstance(pool, SOCKSHTTPSConnectionPool) else _WatchedSOCKS
