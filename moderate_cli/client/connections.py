"""What requests opens its connections with, so that a deadline can shut each of them down."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool

from moderate_cli.client.deadline import Watched


class _WatchedHTTP(Watched, HTTPConnection):
    pass


class _WatchedHTTPS(Watched, HTTPSConnection):
    pass


class WatchedAdapter(HTTPAdapter):
    """Opens connections that a deadline can shut down."""

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> ConnectionPool:
        """Return the connection pool for a request."""
        pool = super().get_connection_with_tls_context(*arguments, **options)
        if type(pool) is HTTPSConnectionPool:
            pool.ConnectionCls = _WatchedHTTPS
        elif type(pool) is HTTPConnectionPool:
            pool.ConnectionCls = _WatchedHTTP
        elif isinstance(pool, HTTPConnectionPool):  # behind a SOCKS proxy
            from moderate_cli.client.socks import connection_class  # needs pysocks

            pool.ConnectionCls = connection_class(pool)
        return pool
