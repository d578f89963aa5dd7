"""oss2 comes in without its warnings, and goes nowhere that nobody checked."""

from __future__ import annotations

import warnings

import pytest
import requests

from moderate_cli import oss2_door


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
    ("address", "uses_environment"),
    [
        ("http://127.0.0.1:1", False),
        ("http://localhost:1", False),
        ("http://[::1]:1", False),
        ("https://oss-cn-shanghai.aliyuncs.com", True),
    ],
)
def test_this_machine_needs_no_proxy(address: str, uses_environment: bool) -> None:
    class Session:
        session = requests.Session()

    assert oss2_door.tame(Session, address).session.trust_env is uses_environment
    assert list(Session.session.resolve_redirects(None, None)) == []
