"""The way to oss2, the vendor's SDK of OSS: imported without its warnings, and sent nowhere that nobody checked."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from moderate_cli.common.loopback import is_loopback


def load_oss2() -> Any:
    """Import oss2, about whose texts Python 3.12 and later warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return import_module("oss2")


def tame(session: Any, address: str) -> Any:
    """Return an oss2 session that follows no redirect, reads no netrc, and asks this machine through no proxy.

    A redirect would take an image, and a token that is good for others, to a host that nobody has checked. What the
    environment says of proxies and of the bundle of certificates is read once, for the address.
    """
    inner = session.session
    inner.resolve_redirects = lambda *_arguments, **_options: iter(())
    settings = inner.merge_environment_settings(address, {}, None, None, None)
    inner.proxies = {} if is_loopback(urlsplit(address).hostname or "") else settings["proxies"]
    inner.verify = True if settings["verify"] is None else settings["verify"]
    inner.trust_env = False
    return session
