"""Command lines that make no sense, and what was meant by them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from moderate_cli.common.errors import ExitCode


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["photo.jpg"], "No such command 'photo.jpg', did you mean `moderate sync photo.jpg`?"),
        (["img/**/*.png", "-q"], "did you mean `moderate sync 'img/**/*.png' -q`?"),
        (["https://example.com/a.png", "--fail-on", "high"], "did you mean `moderate sync https://example.com/a.png"),
        (["oss://bucket/key"], "did you mean `moderate sync oss://bucket/key`?"),
        (["post.yaml", "--wait"], "did you mean `moderate multimodal post.yaml --wait`?"),
        (["snyc"], "No such command 'snyc', did you mean `moderate sync`?"),
        (["Sync", "x.png"], "did you mean `moderate sync x.png`?"),
        (["--sync", "x.png"], "No such option '--sync', did you mean `moderate sync x.png`?"),
        (["--snyc", "x.png"], "No such option '--snyc', did you mean `moderate sync x.png`?"),
        (["-p", "local", "sync"], "No such option '-p', did you mean `moderate sync -p local`?"),
        (["-p", "local", "sync", "a b.png"], "did you mean `moderate sync -p local 'a b.png'`?"),
        (["--profile=local", "photo.jpg"], "did you mean `moderate sync --profile=local photo.jpg`?"),
        (["-v", "2"], "did you mean `moderate --version`, or -v behind a command?"),
        (["version"], "did you mean `moderate --version`?"),
        (["--verison"], "did you mean `moderate --version`?"),
        (["--region", "eu-west-1"], "No such option '--region', options stand behind a command"),
        (["help", "sync"], "did you mean `moderate sync --help`?"),
        (
            ["config", "shwo"],
            "No such command 'shwo', did you mean `moderate config show`? (see moderate config --help)",
        ),
        (["config"], "Missing command: show, init, path, trust or untrust (see moderate config --help)"),
    ],
)
def test_the_command_line_that_was_meant(moderate: Callable, words: list[str], said: str) -> None:
    done = moderate(*words)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_is_no_command(moderate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "did you mean `moderate sync photos -q`?" in moderate("photos", "-q").stderr
    assert "did you mean" not in moderate("nothing").stderr


def test_a_long_command_line_is_cut(moderate: Callable) -> None:
    done = moderate("a.png", *["b.png"] * 100)
    assert len(done.stderr) < 250
    assert "...`?" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["sync", "x", "--fail-on=hgih"],
            "--fail-on must be high, medium, low or never, not 'hgih', did you mean 'high'?",
        ),
        (["sync", "x", "--min-level", "lwo"], "not 'lwo', did you mean 'low'?"),
        (
            ["sync", "x", "--format=jsno"],
            "--format must be auto, table, jsonl, json, csv, markdown, sarif, junit, github ",
        ),
        (["sync", "x", "-f", "jsno"], "not 'jsno', did you mean 'json'? (see moderate sync --help)"),
        (["sync", "x", "--data-id-from", "hash"], "--data-id-from must be path, name or sha256, not 'hash' (see"),
        (["sync", "x", "-f"], "-f needs a value (see moderate sync --help)"),
        (["sync", "x", "--dry-run=yes"], "--dry-run takes no value (see moderate sync --help)"),
        (["sync", "x", "--falin-on", "high"], "No such option: --falin-on, did you mean --fail-on?"),
        (["poll", "--kind", "post"], "--kind must be image or multimodal, not 'post'"),
        (["async-submit", "x", "--interval", "two"], "--interval must be a whole number, not 'two'"),
        (["async-submit", "x", "--poll-interval", "3"], "--poll-interval must be a number of at least 5, not 3.0"),
        (["emulate", "--port", "99999"], "--port must be a whole number from 0 to 65535, not 99999"),
        (["completion", "bsh"], "SHELL must be bash, zsh or fish, not 'bsh', did you mean 'bash'?"),
    ],
)
def test_a_wrong_value_is_told_as_that_of_a_setting(moderate: Callable, words: list[str], said: str) -> None:
    done = moderate(*words)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_variable_is_named(moderate: Callable) -> None:
    done = moderate("sync", "x", variables={"MODERATE_FORMAT": "jsno"})
    assert done.stderr.startswith("moderate: MODERATE_FORMAT must be auto, ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sync", "a.png", "-v", "2"], "-v takes no value, and 2 is no file (did you mean -vv?)"),
        (["sync", "a.png", "--verbose", "2"], "(did you mean --verbose --verbose?)"),
        (["sync", "a.png", "-q", "true"], "-q takes no value, and true is no file (did you mean -q alone?)"),
        (["poll", "--wait", "60"], "(did you mean --wait-timeout 60?)"),
        (["sync", "-n", "yes", "a.png"], "-n takes no value, and yes is no file"),
    ],
)
def test_a_value_of_an_option_that_takes_none_is_no_source(moderate: Callable, words: list[str], said: str) -> None:
    done = moderate(*words)
    assert done.code == ExitCode.USAGE
    assert said in done.stderr


def test_a_file_with_such_a_name_is_one(moderate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "2").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    assert moderate("sync", "-v", "2", "--dry-run").code == ExitCode.INCOMPLETE
    assert "takes no value" not in moderate("poll", "-q", "12345", "-p", "local").stderr
