"""Which hosts are this machine: plain http may go there, and no proxy stands between."""

from __future__ import annotations


def is_loopback(host: str) -> bool:
    """Tell whether a host name, without a port, is this machine's loopback."""
    if host == "localhost":
        return True
    from ipaddress import ip_address  # hardly any host is a number

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
