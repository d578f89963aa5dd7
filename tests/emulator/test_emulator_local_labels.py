"""What `labels --engine local` lists: every label that a detector gives, and what to install for it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from moderate_cli.common.installation import install_command
from moderate_cli.emulator import engine


def _listed(moderate: Callable, *arguments: str) -> dict[tuple[str, str], dict]:
    result = moderate("labels", "--engine", "local", "-f", "json", *arguments)
    assert result.code == 0, result.stderr
    return {(row["label"], row["detector"]): row for row in json.loads(result.stdout)["labels"]}


def test_each_label_names_its_detector(moderate: Callable) -> None:
    assert list(_listed(moderate)) == [
        ("QRCode", "qr_code"),
        ("pornographic_adultContent", "adult_content"),
        ("*_tii_lib", "text_in_image"),
        ("*_lib", "image_libraries"),
        ("nonLabel_lib", "image_libraries"),
        ("risk_aigc", "declared_origin"),
        ("*_lib", "keywords"),
    ]


def test_what_is_missing_names_its_command(moderate: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "is_installed", lambda module: module not in {"left_out_of_tests", "zxingcpp"})
    listed = _listed(moderate)
    assert listed["*_tii_lib", "text_in_image"]["install"] == install_command("ocr")
    assert listed["QRCode", "qr_code"]["install"] == install_command("local")
    assert listed["*_lib", "keywords"]["install"] is None


def test_a_service_makes_no_difference_and_is_refused(moderate: Callable) -> None:
    result = moderate("labels", "--engine", "local", "-s", "baselineCheck")
    assert (result.code, "for every service" in result.stderr) == (2, True)
