"""The README tells the truth: its library example runs, and its exit codes are those of the program."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from moderate_cli.emulator import Emulator
from moderate_cli.errors import ExitCode

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
DATA = Path(__file__).parent / "data"


def test_the_exit_codes_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in rows] == [(code.value, code.meaning) for code in ExitCode]


def test_the_library_example_runs(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    address = f"{emulator.endpoint}/a.jpg"  # the emulator is no picture: a code inside the body
    key = emulator.access_key
    code = code.replace("LTAI...", key.access_key_id).replace("the secret", key.access_key_secret)
    shutil.copy(DATA / "poster-qr.png", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("moderate_cli.client.green.region_endpoint", lambda _region, **_: emulator.endpoint)
    first, second = code.split("\n    with Path")
    exec(first.rsplit("    verdict", 1)[0] + "    with Path" + second)
    assert "QRCode" in capsys.readouterr().out
    from moderate_cli.client import ServiceError

    with pytest.raises(ServiceError) as caught:
        exec(first.replace("https://example.com/a.jpg", address))
    assert caught.value.api_code == 404
