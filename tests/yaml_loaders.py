"""The loaders of YAML: libyaml's where PyYAML was built with it, and PyYAML's own."""

from __future__ import annotations

import pytest
import yaml

from moderate_cli.common.yaml_doc import FAST_LOADER, OwnLoader

LOADERS = list(dict.fromkeys((FAST_LOADER, OwnLoader)))


def use_loader(loader: type[yaml.SafeLoader], monkeypatch: pytest.MonkeyPatch) -> None:
    """Read YAML with a loader."""
    monkeypatch.setattr("moderate_cli.common.yaml_doc.FAST_LOADER", loader)
