"""oss2 comes in without its warnings, and goes nowhere that nobody checked."""

from __future__ import annotations

import warnings

import pytest
import requests

from moderate_cli.common import oss2_door


def test_the_warnings_of_its_source_are_never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.12 on, compiling it warns of invalid escapes (faults.md, C11)."""

    def compiled(name: str) -> str:
        warnings.warn("invalid escape sequence", SyntaxWarning, stacklevel=1)
        return name

    monkeypatch.setattr(oss2_door, "import_module", compiled)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert oss2_door.load_oss2() == "oss2"


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("https://oss-cn-shanghai.aliyuncs.com", False),
        ("https://localhost.example.com", False),
        ("https://127.example.com", False),
    ],
)
def test_this_machine_needs_no_proxy(address: str, is_here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    inner = _tamed(address)
    assert inner.proxies.get("https") == (None if is_here else "http://proxy.test:3128")
    assert inner.trust_env is False  # a netrc of the same host would send its password
    assert list(inner.resolve_redirects(None, None)) == []


@pytest.mark.parametrize("address", ["https://127.0.0.1:1", "https://oss-cn-shanghai.aliyuncs.com"])
def test_the_bundle_of_certificates_counts(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    assert _tamed(address).verify is True
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/bundle.pem")
    assert _tamed(address).verify == "/bundle.pem"


def _tamed(address: str) -> requests.Session:
    class Session:
        session = requests.Session()

    inner: requests.Session = oss2_door.tame(Session, address).session
    return inner
