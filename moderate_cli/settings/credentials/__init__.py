"""Where the AccessKey comes from; flags never carry secrets."""

from __future__ import annotations

from moderate_cli.settings.credentials.chain import SOURCES, find_credentials

__all__ = ["SOURCES", "find_credentials"]
