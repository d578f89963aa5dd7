"""What tests of several rooms share: a world of their own, a command line that runs in it, and the vendor's samples."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from invocation import Result, Terminal

from moderate_cli.common.environment import Environment
from moderate_cli.emulator import AccessKey, Emulator, Fetch
from moderate_cli.emulator.engine.ocr import TextReader
from moderate_cli.main import run

# `HYPOTHESIS_PROFILE=thorough pytest tests/client/test_mutated_answers.py` takes some minutes.
settings.register_profile("thorough", max_examples=100_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Few tests that take long each: begun last, one of these files would keep one worker busy when all others are done.
_LONG = (
    "test_readme.py",
    "test_strangers_files.py",
    "test_sample_pipelines.py",
    "test_github_sample.py",
    "test_emulator_engine_bounds.py",
    "test_benchmarks.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, then with those of many tests."""
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in _LONG, -sizes[item.path], str(item.path)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run three workers on two processors: the tests wait for processes and sockets as long as they compute."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


# Secrets with which most tests run; none of them may ever be seen again.
CANARIES = ("CanarySecret0123456789abcdefgh", "CanaryToken0123456789abcdefghij")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith(("MODERATE_", "ALIBABA", "ALICLOUD")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # Neither files in the home folder nor a metadata service beyond loopback have a say in tests.
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")


@pytest.fixture
def without_sm3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this Python's OpenSSL have no SM3, as one that is held to FIPS has none."""
    really_new = hashlib.new

    def new(name: str, *more: Any, **options: Any) -> Any:
        if name == "sm3":
            raise ValueError(f"unsupported hash type {name}")
        return really_new(name, *more, **options)

    monkeypatch.setattr(hashlib, "new", new)


@pytest.fixture(autouse=True)
def _read_no_text(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the text in images only in tests that are marked `ocr`, where that is installed: it takes a second each."""
    if "ocr" not in request.keywords:
        monkeypatch.setattr(TextReader, "requirements", {"left_out_of_tests": "rapidocr"})


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Undo what `--verbose` does to the program's log."""
    log = logging.getLogger("moderate_cli")
    handlers, level, propagate = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture(autouse=True)
def _no_canary_in_files(tmp_path: Path, _clean_environment: None) -> Iterator[None]:
    """Search what a test wrote for secrets, the usual store among it."""
    state = Path(os.environ["XDG_STATE_HOME"])
    yield
    for path in [*tmp_path.rglob("*"), *state.rglob("*")]:
        if path.is_file() and path.stat().st_size < 10_000_000:
            content = path.read_bytes()
            assert not [canary for canary in CANARIES if canary.encode() in content], path


@pytest.fixture
def moderate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run one command line in this process."""

    def moderate(
        *arguments: str | Path, variables: Mapping[str, str] | None = None, terminal: bool = False, columns: int = 100
    ) -> Result:
        stdout = Terminal() if terminal else io.StringIO()
        stderr = io.StringIO()
        with monkeypatch.context() as patch:
            for name, value in {"COLUMNS": str(columns), **(variables or {})}.items():
                patch.setenv(name, value)
            code = run([str(argument) for argument in arguments], Environment(stdout=stdout, stderr=stderr))
        result = Result(code, stdout.getvalue(), stderr.getvalue())
        assert not [canary for canary in CANARIES if canary in result.stdout + result.stderr]
        return result

    return moderate


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(fetch=Fetch.PRIVATE) as emulator:
        yield emulator


@pytest.fixture
def account(emulator: Emulator) -> dict[str, str]:
    """The environment variables with which a client of the emulator is known to it."""
    secret, token = CANARIES
    emulator.add_key(AccessKey("LTAICanary", secret, token))
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAICanary",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": token,
        "MODERATE_ENDPOINT": emulator.endpoint,
        # Its detectors share the processors with all other tests: that takes long, and is no failure.
        "MODERATE_TIMEOUT": "600",
    }
