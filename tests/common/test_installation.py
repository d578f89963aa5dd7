"""A hint names the command that fits the running installation, and what was installed."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from moderate_cli.common.installation import install_command

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that the program was installed in some way."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))

    def installed(direct_url: dict[str, Any] | None = None, installer: str = "pip\n", marker: str = "") -> None:
        folder = tmp_path / "moderate_cli-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: moderate-cli\nVersion: 1.0\n")
        (folder / "INSTALLER").write_text(installer)
        if direct_url is not None:
            (folder / "direct_url.json").write_text(json.dumps(direct_url))
        if marker:
            (tmp_path / marker).write_text("")
        monkeypatch.setattr(metadata, "distribution", lambda _: metadata.PathDistribution(folder))

    return installed


@pytest.mark.parametrize(
    ("direct_url", "what"),
    [
        (None, "'moderate-cli[local]'"),
        ({"url": "file:///a%20b/c", "dir_info": {}}, "'/a b/c[local]'"),
        ({"url": "file:///a/c", "dir_info": {"editable": True}}, "-e '/a/c[local]'"),
        (
            {"url": "https://github.com/o/m", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"'moderate-cli[local] @ git+https://github.com/o/m@{COMMIT}'",
        ),
        (
            {"url": "https://me:token@example.com/m.whl", "archive_info": {}},
            "'moderate-cli[local] @ https://example.com/m.whl'",
        ),
    ],
)
def test_it_comes_from_where_the_program_came(installed: Any, direct_url: dict[str, Any] | None, what: str) -> None:
    installed(direct_url)
    assert install_command("local") == f"pip install {what}"


@pytest.mark.parametrize(
    ("installer", "marker", "command"),
    [
        ("pip", "pipx_metadata.json", "pipx install --force"),
        ("uv", "uv-receipt.toml", "uv tool install --force"),
        ("uv", "", "uv pip install"),
        ("", "", "pip install"),
    ],
)
def test_it_is_done_by_what_keeps_the_environment(installed: Any, installer: str, marker: str, command: str) -> None:
    installed(None, installer, marker)
    assert install_command("ram") == f"{command} 'moderate-cli[ram]'"


def test_a_program_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", missing)
    assert install_command("local") == "pip install 'moderate-cli[local]'"
