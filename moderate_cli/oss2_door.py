"""The way to oss2, the vendor's SDK of OSS: imported without its warnings, and sent nowhere that nobody checked."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

_THIS_MACHINE = ("localhost", "127.", "::1")


def load_oss2() -> Any:
    """Import oss2, about whose texts Python 3.12 and later warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return import_module("oss2")


def tame(session: Any, address: str) -> Any:
    """Return an oss2 session that follows no redirect, reads no netrc, and needs no proxy to reach this machine.

    A redirect would take an image, and a token that is good for others, to a host that nobody has checked.
    """
    inner = session.session
    inner.resolve_redirects = lambda *_arguments, **_options: iter(())
    inner.auth = lambda request: request  # requests looks into a netrc for whoever brings no authentication
    if (urlsplit(address).hostname or "").startswith(_THIS_MACHINE):
        inner.trust_env = False
    return session
