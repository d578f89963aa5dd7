"""Where requests may go."""

from __future__ import annotations

import pytest

from moderate_cli.client.parameters import Endpoint
from moderate_cli.common.errors import ExitCode, UsageError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("green-cip.ap-southeast-1.aliyuncs.com", "https://green-cip.ap-southeast-1.aliyuncs.com"),
        ("https://green-cip.cn-shanghai.aliyuncs.com/", "https://green-cip.cn-shanghai.aliyuncs.com"),
        ("HTTPS://Example.COM", "https://example.com"),
        ("example.com:8443", "https://example.com:8443"),
        ("https://192.0.2.1:8443", "https://192.0.2.1:8443"),
        ("[2001:db8::1]", "https://[2001:db8::1]"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("127.0.0.1:8080", "https://127.0.0.1:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("HTTP://LOCALHOST", "http://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_https_goes_anywhere_and_http_to_this_machine(text: str, url: str) -> None:
    endpoint = Endpoint.parse(text)
    assert endpoint.url == url
    assert endpoint.host == url.split("//")[1]
    assert Endpoint.parse(endpoint.url) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "http://green-cip.ap-southeast-1.aliyuncs.com",
        "http://192.0.2.1:8080",
        "http://0.0.0.0",
        "http://128.0.0.1",
        "http://[2001:db8::1]",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://example.com:127",
    ],
)
def test_http_to_another_machine_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="plain http to another machine") as caught:
        Endpoint.parse(text)
    assert (caught.value.exit_code, caught.value.hint) == (ExitCode.USAGE, "use https")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "https:///path",
        "ftp://example.com",
        "file:///etc/passwd",
        "user@example.com",
        "https://user:password@example.com",
        "http://127.0.0.1@example.com",
        "http://127.0.0.1\\@example.com",
        "https://example.com/v1",
        "example.com/v1",
        "https://example.com?x=1",
        "https://example.com/?x=1",
        "example.com:port",
        "example.com:65536",
        "example.com:-1",
        "::1",
        "https://[::1",
        "https://[example.com]",
        "http:example.com",
        "https://:pw@host",
        "https://@host",
        "host#frag",
        "https://host?",
        "host:0",
        "foo bar",
        " host",
        "*.x",
        ".x",
        "a..b",
        "host%2f",
        "ho\nst",
        "host\n",
        "exаmple.com",
    ],
)
def test_anything_else_is_no_endpoint(text: str) -> None:
    with pytest.raises(UsageError, match="is not an endpoint") as caught:
        Endpoint.parse(text)
    assert caught.value.exit_code is ExitCode.USAGE
