"""`moderate allow` from the command line, and what the other commands make of what it writes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from moderate_cli.common.errors import ExitCode
from moderate_cli.gate.suppressions import SuppressionEntry, parse_suppressions

SUPPRESSIONS_FILE = ".moderate-suppressions.yaml"
CONTENT = b"\x89PNG not much of an image"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = "https://a.example/[x]/y.png?size=*"
AT = ["--label", "violent_gun", "--reason", "a toy"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    (folder / ".git").mkdir(parents=True)
    (folder / "a.png").write_bytes(CONTENT)
    monkeypatch.chdir(folder)
    return folder


def _entries(path: Path) -> list[SuppressionEntry]:
    return list(parse_suppressions(path.read_text(encoding="utf-8"), path.name))


def test_the_content_of_a_file_is_suppressed(moderate: Callable, folder: Path) -> None:
    result = moderate("allow", "a.png", *AT, "--expires", "2999-01-31")
    assert (result.code, result.stdout) == (ExitCode.OK, "")
    assert (
        result.stderr == "moderate: .moderate-suppressions.yaml:4 suppresses violent_gun in a.png through 2999-01-31\n"
    )
    [entry] = _entries(folder / SUPPRESSIONS_FILE)
    assert entry == SuppressionEntry(
        sha256=SHA256, label="violent_gun", reason="a toy", expires=date(2999, 1, 31), line=4
    )
    assert f"- sha256: {SHA256}  # a.png\n" in (folder / SUPPRESSIONS_FILE).read_text()


@pytest.mark.parametrize("address", [URL, "oss://bucket/a/b*.png", "https://a.example/"])
def test_an_address_is_suppressed_as_it_is_written(moderate: Callable, folder: Path, address: str) -> None:
    assert moderate("allow", address, *AT).code == ExitCode.OK
    [entry] = _entries(folder / SUPPRESSIONS_FILE)
    assert entry.sha256 is None
    assert entry.path is not None
    assert entry.path.replace("[[]", "[").replace("[*]", "*").replace("[?]", "?") == address
    assert "#" not in (folder / SUPPRESSIONS_FILE).read_text().splitlines()[-3]


def test_any_label(moderate: Callable, folder: Path) -> None:
    result = moderate("allow", "a.png", "--label", "*", "--reason", "drawn by us")
    assert result.stderr == "moderate: .moderate-suppressions.yaml:4 suppresses every finding in a.png\n"
    assert [entry.label for entry in _entries(folder / SUPPRESSIONS_FILE)] == ["*"]


def test_the_nearest_file_is_added_to(moderate: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / SUPPRESSIONS_FILE
    path.write_text("# ours\n-   {path: x, label: y, reason: z}   # odd, but ours\n")
    (folder / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(folder / "deep" / "er")
    result = moderate("allow", "../../a.png", *AT)
    assert result.stderr == f"moderate: {Path('..', '..', SUPPRESSIONS_FILE)}:3 suppresses violent_gun in ../../a.png\n"
    assert path.read_text().startswith("# ours\n-   {path: x, label: y, reason: z}   # odd, but ours\n- sha256: ")
    assert f"{SHA256}  # a.png\n" in path.read_text()
    assert not (folder / "deep" / "er" / SUPPRESSIONS_FILE).exists()


@pytest.mark.parametrize("by_variable", [True, False])
def test_another_file_may_be_named(moderate: Callable, folder: Path, by_variable: bool) -> None:
    option = [] if by_variable else ["--suppressions", "ci/allow.yaml"]
    variables = {"MODERATE_SUPPRESSIONS": "ci/allow.yaml"} if by_variable else {}
    for line, label in ((4, "violent_gun"), (7, "violent_knife")):
        result = moderate("allow", "a.png", *AT, "--label", label, *option, variables=variables)
        assert result.stderr == f"moderate: ci/allow.yaml:{line} suppresses {label} in a.png\n"
    assert "# ../a.png\n" in (folder / "ci" / "allow.yaml").read_text()
    assert not (folder / SUPPRESSIONS_FILE).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png", *AT], "none.png: no such file (check the name)"),
        ([".git", *AT], ".git: not a file (give one image; in the file, a glob suppresses many by their path)"),
        (["a.png/b", *AT], "a.png/b: cannot be read: Not a directory"),
        (["", *AT], ": not a file (give one image; in the file, a glob suppresses many by their path)"),
        (["a.png", "--label", "a", "--reason", " \n\t"], "--reason is empty (say why the finding is acceptable)"),
        (["a.png", "--label", " ", "--reason", "b"], "--label is empty (give the label, or '*' for any)"),
        (["a.png", "--label", "a*", "--reason", "b"], "--label must be a whole label, or '*' for any, not 'a*'"),
        (
            ["a.png", "--label", "nonLabel", "--reason", "b"],
            "nonLabel says that nothing was found, so there is nothing to suppress",
        ),
        (["a.png", *AT, "--expires", "soon"], "--expires must be a date such as 2027-01-31, not 'soon'"),
        (["a.png", *AT, "--expires", "2999-02-29"], "--expires must be a date such as 2027-01-31, not '2999-02-29'"),
        (["a.png", "--reason", "b"], "Missing option '--label' (see moderate allow --help)"),
        (["a.png", "--label", "b"], "Missing option '--reason' (see moderate allow --help)"),
    ],
)
def test_what_is_refused_writes_nothing(moderate: Callable, folder: Path, arguments: list[str], message: str) -> None:
    result = moderate("allow", *arguments)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert result.stderr == f"moderate: {message}\n"
    assert not (folder / SUPPRESSIONS_FILE).exists()


def test_a_date_is_past_from_the_day_after_it(moderate: Callable, folder: Path) -> None:
    today = datetime.now(UTC).date()
    result = moderate("allow", "a.png", *AT, "--expires", str(today - timedelta(days=1)))
    assert result.code == ExitCode.USAGE
    assert " is past (today is " in result.stderr
    assert moderate("allow", "a.png", *AT, "--expires", str(today + timedelta(days=1))).code == ExitCode.OK


def test_an_unknown_label_passes_with_a_note(moderate: Callable, folder: Path) -> None:
    for label, hint in (
        ("violent_gnu", "did you mean violent_gun?"),
        ("zzzzzz", "moderate labels lists the known ones"),
    ):
        result = moderate("allow", "a.png", "--label", label, "--reason", "b")
        assert result.code == ExitCode.OK
        note = f"moderate: unknown label {label} ({hint}); suppressed anyway\n"
        assert result.stderr.startswith(note)
    assert [entry.label for entry in _entries(folder / SUPPRESSIONS_FILE)] == ["violent_gnu", "zzzzzz"]
    for label in ("violent_gun_lib", "violent_gun_tii"):
        assert "unknown label" not in moderate("allow", "a.png", "--label", label, "--reason", "b").stderr


def test_odd_characters_are_written_and_shown_as_text(moderate: Callable, folder: Path) -> None:
    name = "\x1b[31m'a\n\u202e# b.png"
    (folder / name).write_bytes(CONTENT)
    reason = " it's: # \x1b[31m \u202e 图 \U0001f600\n- sha256: x \\ \" "
    result = moderate("allow", name, "--label", "*", "--reason", reason)
    assert result.code == ExitCode.OK, result.stderr
    text = (folder / SUPPRESSIONS_FILE).read_text(encoding="utf-8")
    [entry] = _entries(folder / SUPPRESSIONS_FILE)
    assert entry.reason == " ".join(reason.split())
    for shown in (text, result.stderr):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert result.stderr.count("\n") == 1


def test_a_name_that_is_not_utf_8(moderate: Callable, folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        (folder / name).write_bytes(CONTENT)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert moderate("allow", name, "--label", "*", "--reason", "caf\udce9").code == ExitCode.OK
    [entry] = _entries(folder / SUPPRESSIONS_FILE)
    assert (entry.sha256, entry.reason) == (SHA256, "caf\udce9")


def test_a_broken_file_stays_as_it_is(moderate: Callable, folder: Path) -> None:
    (folder / SUPPRESSIONS_FILE).write_text("- path: a\n  lable: b\n")
    result = moderate("allow", "a.png", *AT)
    assert result.code == ExitCode.USAGE
    assert result.stderr == (
        "moderate: .moderate-suppressions.yaml:2: unknown key 'lable', did you mean 'label'? "
        "(the keys are sha256, path, label, reason, expires)\n"
    )
    assert (folder / SUPPRESSIONS_FILE).read_text() == "- path: a\n  lable: b\n"


# --- the former names


FORMER = ".moderateallow.yaml"


@pytest.mark.parametrize("by_variable", [True, False])
def test_the_former_name_of_the_option_works_and_is_told(moderate: Callable, folder: Path, by_variable: bool) -> None:
    option = [] if by_variable else ["--ignore-file", "ours.yaml"]
    variables = {"MODERATE_IGNORE_FILE": "ours.yaml"} if by_variable else {}
    result = moderate("allow", "a.png", *AT, *option, variables=variables)
    told = "MODERATE_IGNORE_FILE is deprecated: use MODERATE_SUPPRESSIONS"
    if not by_variable:
        told = "--ignore-file is deprecated: use --suppressions"
    assert result.stderr == f"moderate: {told}\nmoderate: ours.yaml:4 suppresses violent_gun in a.png\n"
    assert len(_entries(folder / "ours.yaml")) == 1


def test_a_file_of_the_former_name_is_added_to_and_told(moderate: Callable, folder: Path) -> None:
    (folder / FORMER).write_text("- {path: x, label: y, reason: z}\n")
    result = moderate("allow", "a.png", *AT)
    assert result.stderr == (
        f"moderate: {FORMER} is a deprecated name: rename the file to {SUPPRESSIONS_FILE}\n"
        f"moderate: {FORMER}:2 suppresses violent_gun in a.png\n"
    )
    assert len(_entries(folder / FORMER)) == 2
    assert not (folder / SUPPRESSIONS_FILE).exists()


def test_beside_a_file_of_the_new_name_the_former_is_left_alone(moderate: Callable, folder: Path) -> None:
    for name in (FORMER, SUPPRESSIONS_FILE):
        (folder / name).write_text("- {path: x, label: y, reason: z}\n")
    result = moderate("allow", "a.png", *AT)
    assert result.stderr == (
        f"moderate: {FORMER} is ignored: {SUPPRESSIONS_FILE} beside it takes precedence\n"
        f"moderate: {SUPPRESSIONS_FILE}:2 suppresses violent_gun in a.png\n"
    )
    assert len(_entries(folder / FORMER)) == 1
