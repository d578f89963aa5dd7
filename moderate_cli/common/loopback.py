"""Loopback hosts: plain HTTP is allowed, and no proxy is used."""

from __future__ import annotations


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, without a port, is a loopback one."""
    if host == "localhost":
        return True
    from ipaddress import ip_address  # hardly any host is a number

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
