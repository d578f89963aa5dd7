"""The only door to oss2, the vendor's SDK for OSS: no warnings, no redirects, no netrc."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from moderate_cli.common.loopback import is_loopback


def load_oss2() -> Any:
    """Import oss2 without the SyntaxWarnings of Python 3.12 and later; raises ImportError if it is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return import_module("oss2")


def tame(session: Any, address: str) -> Any:
    """Return an oss2 session that ignores redirects and netrc, and uses no proxy for loopback hosts.

    A redirect would send an image and a token to an unchecked host. The proxy and CA bundle of the environment are read
    once, for `address`.
    """
    inner = session.session
    inner.resolve_redirects = lambda *_arguments, **_options: iter(())
    settings = inner.merge_environment_settings(address, {}, None, None, None)
    inner.proxies = {} if is_loopback(urlsplit(address).hostname or "") else settings["proxies"]
    inner.verify = True if settings["verify"] is None else settings["verify"]
    inner.trust_env = False
    return session
