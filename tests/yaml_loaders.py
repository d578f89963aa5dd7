"""The loaders of YAML: libyaml's where PyYAML was built with it, and PyYAML's own."""

from __future__ import annotations

import pytest
import yaml

LOADERS = [getattr(yaml, name) for name in ("CSafeLoader", "SafeLoader") if hasattr(yaml, name)]


def use_loader(loader: type[yaml.SafeLoader], monkeypatch: pytest.MonkeyPatch) -> None:
    """Read YAML with a loader."""
    monkeypatch.setattr("moderate_cli.common.yaml_doc.FAST_LOADER", loader)
