"""How the emulator goes out to other hosts: http and https only."""

from __future__ import annotations

import urllib.request


def opener(*, redirects: bool = True) -> urllib.request.OpenerDirector:
    """Return an opener for http and https; the usual one also follows a redirect to ftp."""
    director = urllib.request.OpenerDirector()
    handlers: list[type[urllib.request.BaseHandler]] = [
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ]
    if redirects:
        handlers.append(urllib.request.HTTPRedirectHandler)
    for handler in handlers:
        director.add_handler(handler())
    return director
