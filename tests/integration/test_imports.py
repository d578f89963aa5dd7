"""What the hot paths load: modules are counted, because milliseconds depend on the machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    *("requests", "urllib3", "oss2", "sqlite3", "yaml", "PIL", "numpy", "onnxruntime", "zxingcpp"),
    *("ahocorasick_rs", "rapidocr", "cv2"),
    "http.server",
}


def _loaded(*arguments: str, **variables: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "moderate_cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "COVERAGE_PROCESS_START": "", **variables},
        timeout=60,
    )
    return set(re.findall(r"^import time:.*\|\s+(\S+)$", done.stderr, re.MULTILINE))


def _heavy(modules: set[str]) -> set[str]:
    return {heavy for heavy in HEAVY if heavy in modules or any(name.startswith(f"{heavy}.") for name in modules)}


def test_the_version_needs_nothing_heavy() -> None:
    modules = _loaded("--version")
    assert not _heavy(modules)
    assert not {name for name in modules if name.startswith("rich")}
    assert len({name for name in modules if name.startswith("moderate_cli")}) <= 8


@pytest.mark.parametrize("arguments", [["--help"], ["sync", "--help"], ["schema"]])
def test_help_and_schema_need_no_network_and_no_database(arguments: list[str]) -> None:
    allowed = {"requests", "urllib3", "sqlite3"} if arguments[0] == "sync" else set()
    assert not _heavy(_loaded(*arguments)) - allowed


def test_a_url_as_jsonl_needs_neither_rich_nor_oss2(account: dict[str, str]) -> None:
    arguments = ["sync", "http://127.0.0.1:9/x.png", "-f", "jsonl"]
    modules = _loaded(*arguments, **account)
    assert "requests" in modules
    assert _heavy(modules) <= {"requests", "urllib3", "sqlite3"}
    assert not {
        name for name in modules if name.startswith(("rich", "moderate_cli.emulator", "moderate_cli.render.table"))
    }


def test_the_local_engine_waits_until_it_is_asked(tmp_path: Path) -> None:
    modules = _loaded("sync", str(tmp_path), "--profile", "local")
    assert not {name for name in modules if name.startswith(("PIL", "numpy", "onnxruntime", "zxingcpp", "oss2"))}
