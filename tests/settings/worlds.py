"""A folder to work in and a home, both empty, for the tests of settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.settings import Settings, Sourced, resolve
from moderate_cli.settings.locate import user_file
from moderate_cli.settings.resolved import FilesRead


def values(settings: Settings) -> Settings:
    """Return settings without what tells where they came from."""
    return replace(settings, region_is_the_accounts=False, files=FilesRead(), policy=None)


@dataclass(frozen=True)
class World:
    """Where settings come from in a test; the user trusts the project unless it is a stranger's."""

    folder: Path
    is_trusted: bool

    @classmethod
    def begin(cls, place: Path, monkeypatch: pytest.MonkeyPatch, *, is_trusted: bool = True) -> World:
        """Work in an empty repository below a folder, with a home beside it that is empty but for the trust."""
        folder = place / "project"
        (folder / ".git").mkdir(parents=True)
        monkeypatch.chdir(folder)
        for variable in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
            monkeypatch.setenv(variable, str(place / "home"))
        world = cls(folder, is_trusted)
        if is_trusted:
            world.user("")
        return world

    def project(self, text: str | bytes) -> None:
        (self.folder / "moderate.yaml").write_bytes(text.encode() if isinstance(text, str) else text)

    def user(self, text: str) -> None:
        user_file().parent.mkdir(parents=True, exist_ok=True)
        trust = f"\ntrusted_folders: {json.dumps([str(self.folder)])}\n" if self.is_trusted else ""
        user_file().write_text(text + trust, encoding="utf-8")

    def resolve(self, variables: Mapping[str, str] | None = None, **options: Any) -> Settings:
        given = {name: Sourced(value, f"--{name}") for name, value in options.items()}
        return resolve(given, Environment(variables=variables or {}))

    def refused(self, variables: Mapping[str, str] | None = None, **options: Any) -> UsageError:
        with pytest.raises(UsageError) as caught:
            self.resolve(variables, **options)
        error = caught.value
        assert error.exit_code is ExitCode.USAGE
        assert "\n" not in f"{error.message} {error.hint}"
        return error
