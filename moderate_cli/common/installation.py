"""How this program was installed, for hints with the command that adds an extra."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_NAME = "moderate-cli"


def install_command(extra: str) -> str:
    """Return the command that installs an extra into this environment, from the same source."""
    from importlib import metadata  # 10 ms that only a hint needs

    try:
        distribution = metadata.distribution(_NAME)
    except metadata.PackageNotFoundError:  # frozen programs often carry modules without their metadata
        return f"pip install {shlex.quote(f'{_NAME}[{extra}]')}"
    what = _requirement(json.loads(distribution.read_text("direct_url.json") or "{}"), extra)
    return f"{_installer((distribution.read_text('INSTALLER') or '').strip())} {what}"


def _installer(name: str) -> str:
    """Return the command of the installer of this environment; pipx and `uv tool` leave a marker file at its top."""
    top = Path(sys.prefix)
    if (top / "pipx_metadata.json").exists():
        return "pipx install --force"
    if (top / "uv-receipt.toml").exists():
        return "uv tool install --force"
    return "uv pip install" if name == "uv" else "pip install"


def _requirement(origin: dict[str, Any], extra: str) -> str:
    """Return the requirement to install, quoted for a shell, from the content of direct_url.json.

    See the packaging user guide, "Recording the Direct URL Origin of installed distributions"; a package without the
    file came from an index.
    """
    url = _without_account(origin.get("url", ""))
    name = f"{_NAME}[{extra}]"
    if "dir_info" in origin:
        from urllib.request import url2pathname  # 12 ms that only a hint needs

        editable = "-e " if origin["dir_info"].get("editable") else ""
        return editable + shlex.quote(f"{url2pathname(urlsplit(url).path)}[{extra}]")
    if "vcs_info" in origin:
        facts = origin["vcs_info"]
        return shlex.quote(f"{name} @ {facts.get('vcs', 'git')}+{url}@{facts.get('commit_id', 'HEAD')}")
    return shlex.quote(f"{name} @ {url}" if url else name)


def _without_account(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
