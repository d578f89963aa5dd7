"""Whether the service can be used from here: diagnostics, each with a hint on what to do if it fails."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from moderate_cli.client.client import GreenClient
from moderate_cli.client.upload import UploadToken, check_oss_endpoint
from moderate_cli.common.errors import ModerateError, ServiceError

MAX_SKEW = 15 * 60  # seconds: the vendor's bound on x-acs-date (page on signature V3)

Status = Literal["ok", "failed", "skipped"]


class Check(Struct, frozen=True):
    """One check, what it found, and what to do if it failed; skipped if an earlier failure makes it pointless."""

    name: str
    status: Status
    detail: str
    hint: str | None = None


def run_diagnostics(client: GreenClient, *, internal: bool = False, has_credentials: bool = True) -> Iterator[Check]:
    """Check name, connection, clock, signature, permission and the connection to OSS, in this order.

    Without credentials the last three are skipped. The signed call is DescribeUploadToken, which is free as far as
    documented. Raises nothing: an error is a failure.
    """
    yield _check_dns(client)
    connection, skew = _check_connection(client)
    yield connection
    yield _check_clock(skew)
    missing = "credentials" if not has_credentials else "a connection" if connection.status != "ok" else None
    token, signature, permission = _check_call(client, missing)
    yield signature
    yield permission
    yield _check_oss(client, token, internal=internal)


def _check_dns(client: GreenClient) -> Check:
    proxy = client.proxy
    host = urlsplit(proxy).hostname if proxy else client.host
    name = f"{host}, the proxy" if proxy else str(host)
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)}
    except OSError as error:
        hint = "check the network's name server" + ("" if proxy else ", --region and --endpoint")
        return Check("dns", "failed", f"{name}: {error.strerror or error}", hint)
    return Check("dns", "ok", f"{name} is {', '.join(sorted(map(str, addresses)))}")


def _check_connection(client: GreenClient) -> tuple[Check, float | None]:
    try:
        response = client.probe()
    except ServiceError as error:
        return Check("tls", "failed", error.message, error.hint), None
    how = "TLS certificate trusted" if client.is_encrypted else "plain http on this machine"
    return Check("tls", "ok", f"{client.endpoint} responds, {how}"), response.clock_skew


def _check_clock(skew: float | None) -> Check:
    if skew is None:
        return Check("clock", "skipped", "the service's time is unknown")
    seconds = round(abs(skew))
    detail = f"{seconds} s {'ahead of' if skew > 0 else 'behind'} the service" if seconds else "same as the service's"
    if abs(skew) > MAX_SKEW:
        return Check("clock", "failed", detail, "set the clock, for example with NTP; it may be off by 15 minutes")
    return Check("clock", "ok", detail)


def _check_call(client: GreenClient, missing: str | None) -> tuple[UploadToken | None, Check, Check]:
    """Make one signed call, if nothing is missing for it; if its signature is refused, the permission stays unknown."""
    unknown = Check("permission", "skipped", "unknown without an accepted signature")
    if missing is not None:
        return None, Check("signature", "skipped", f"unknown without {missing}"), unknown
    try:
        token = client.describe_upload_token()
    except ServiceError as error:
        accepted = error.api_code is not None or error.code.startswith(("Forbidden", "NoPermission"))
        if not accepted:
            return None, Check("signature", "failed", error.message, error.hint), unknown
        refused = Check("permission", "failed", error.message, error.hint)
        return None, Check("signature", "ok", "accepted"), refused
    except ModerateError as error:
        return None, Check("signature", "failed", error.message, error.hint), unknown
    permission = Check("permission", "ok", "DescribeUploadToken is allowed")
    return token, Check("signature", "ok", "accepted"), permission


def _check_oss(client: GreenClient, token: UploadToken | None, *, internal: bool) -> Check:
    if token is None:
        return Check("oss", "skipped", "unknown without an upload token")
    try:
        address = check_oss_endpoint(token.internal_endpoint if internal else token.internet_endpoint)
        client.probe(address)
    except ServiceError as error:
        return Check("oss", "failed", error.message, error.hint)
    return Check("oss", "ok", f"{urlsplit(address).netloc} responds; uploads go to {token.bucket}")
