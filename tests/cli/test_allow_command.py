"""`moderate allow` from the command line, and what the other commands make of what it writes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from past_builders import asked

from moderate_cli.common.errors import ExitCode
from moderate_cli.gate.suppressions import SuppressionEntry, parse_suppressions

SUPPRESSIONS_FILE = ".moderate-suppressions.yaml"
LAST = "2999-03-04"
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
    for line, label in ((4, "violent_gun"), (7, "violent_fire")):
        result = moderate("allow", "a.png", "--label", label, "--reason", "a toy", *option, variables=variables)
        assert result.stderr.endswith(f"moderate: ci/allow.yaml:{line} suppresses {label} in a.png\n")
    assert "# ../a.png\n" in (folder / "ci" / "allow.yaml").read_text()
    assert not (folder / SUPPRESSIONS_FILE).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png", *AT], "none.png: no such file (check the name)"),
        (["/dev/null", *AT], "/dev/null: neither a file nor a folder (give an image, a folder or a glob)"),
        (["a.png/b", *AT], "a.png/b: cannot be read: Not a directory"),
        (["", *AT], ": neither a file nor a folder (give an image, a folder or a glob)"),
        (["a.png", "list", *AT], "list: no such file (check the name)"),
        (["-", "a.png", *AT], "- stands alone: each line names its image"),
        (["remove"], "remove needs an IMAGE, or the LINE of an entry (moderate allow list shows them)"),
        (["prune", "a.png"], "list, remove and prune take no --reason and no --expires, and prune takes nothing"),
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


# --- several at once


def test_several_images_and_labels(moderate: Callable, folder: Path) -> None:
    (folder / "b.png").write_bytes(CONTENT + b"2")
    result = moderate(
        *("allow", "a.png", "b.png", "--label", "violent_gun,QRCode", "--label", "violent_gun", "--reason", "r")
    )
    assert result.code == ExitCode.OK
    assert result.stderr.count("suppresses") == 4
    entries = _entries(folder / SUPPRESSIONS_FILE)
    assert [(entry.label, (entry.sha256 or "")[:4]) for entry in entries] == [
        ("violent_gun", SHA256[:4]),
        ("QRCode", SHA256[:4]),
        ("violent_gun", hashlib.sha256(CONTENT + b"2").hexdigest()[:4]),
        ("QRCode", hashlib.sha256(CONTENT + b"2").hexdigest()[:4]),
    ]
    again = moderate("allow", "a.png", "--label", "QRCode,violent_gun", "--reason", "r")
    assert again.stderr == "moderate: .moderate-suppressions.yaml: 2 entries there before\n"
    assert _entries(folder / SUPPRESSIONS_FILE) == entries


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("deep", "deep/**"),
        ("deep/", "deep/**"),
        (".", "**"),
        ("[x]", "[[]x]/**"),
        ("deep/*.png", "deep/*.png"),
        ("./deep/**", "deep/**"),
        ("../else/*", "../else/*"),
    ],
)
def test_a_folder_and_a_glob_are_suppressed_by_path(moderate: Callable, folder: Path, name: str, path: str) -> None:
    (folder / "deep").mkdir()
    (folder / "[x]").mkdir()
    assert moderate("allow", name, *AT).code == ExitCode.OK
    [entry] = _entries(folder / SUPPRESSIONS_FILE)
    assert (entry.path, entry.sha256) == (path, None)


def test_a_folder_is_as_seen_from_the_file(moderate: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / SUPPRESSIONS_FILE).write_text("")
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a")
    moderate("allow", "b", "*.jpg", *AT)
    assert [entry.path for entry in _entries(folder / SUPPRESSIONS_FILE)] == ["a/b/**", "a/*.jpg"]


def test_lines_of_json_are_read(folder: Path) -> None:
    (folder / "sub").mkdir()
    records = [
        {"source": "a.png", "sha256": SHA256, "labels": [{"label": "violent_gun"}, {"label": "nonLabel_lib"}]},
        {"source": "x.png", "labels": ["QRCode"], "reason": "own", "expires": "2999-01-02"},
        {"source": "https://a.example/[x].png", "sha256": None, "label": "*", "reason": " a \n b "},
        {"source": "c.png", "labels": [{"label": "nonLabel"}], "reason": "nothing was found"},
        {"source": "d.png", "labels": ["a"], "decision": {"value": "confirmed", "note": "bad"}},
        {
            "source": "e.png",
            "labels": ["a"],
            "decision": {"value": "suppressed", "note": "ok", "expires": "2999-03-04"},
        },
        {"source": "f.png", "labels": ["a"], "decision": {"value": "false-positive", "note": "no"}},
    ]
    records[0]["reason"] = "toy"
    text = "".join(json.dumps(each) + "\n" for each in records)
    result = asked("allow", "-", answer=text, terminal=False)
    assert (result.code, result.stderr) == (
        ExitCode.OK,
        "moderate: .moderate-suppressions.yaml: 5 entries added, 0 entries there before\n",
    )
    found = [
        (entry.sha256 or entry.path, entry.label, entry.reason, entry.expires)
        for entry in _entries(folder / SUPPRESSIONS_FILE)
    ]
    assert found == [
        (SHA256, "violent_gun", "toy", None),
        ("x.png", "QRCode", "own", date(2999, 1, 2)),
        ("https://a.example/[[]x].png", "*", "a b", None),
        ("e.png", "a", "ok", date.fromisoformat(LAST)),
        ("f.png", "a", "no", None),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x", "stdin:2: not a JSON object on one line"),
        ('{"source": "a", "labels": ["b"]}', "stdin:2: it says no reason, and --reason is not given"),
        ('{"labels": ["b"], "reason": "c"}', "stdin:2: it has neither a source nor a sha256"),
        ('{"source": "a", "labels": ["b"], "reason": "c", "expires": "soon"}', "stdin:2: its last day is no date"),
        ('{"source": "a", "labels": ["b*"], "reason": "c"}', "must be a whole label"),
        ('{"source": "a", "labels": [{}], "reason": "c"}', "stdin:2: "),
        ('{"source": "a", "sha256": "12", "labels": ["b"], "reason": "c"}', "an entry at its end would not be read"),
    ],
)
def test_of_lines_that_cannot_be_read_nothing_is_written(folder: Path, line: str, said: str) -> None:
    good = '{"source": "a.png", "labels": ["b"], "reason": "c"}'
    result = asked("allow", "-", answer=f"{good}\n{line}\n", terminal=False)
    assert result.code == ExitCode.USAGE
    assert said in result.stderr
    assert not (folder / SUPPRESSIONS_FILE).exists()


# --- list, remove and prune

WRITTEN = f"""\
# ours
- path: img/*.png  # those
  label: QRCode
  reason: our code

# about a
- sha256: {SHA256}  # a.png
  # why: a toy
  label: violent_gun
  reason: >
    a toy,
    really
  expires: 2020-01-31
# before the last
- {{path: b.png, label: a, reason: c, expires: 2999-01-01}} # last
# the end
"""


def test_what_is_written_is_listed(moderate: Callable, folder: Path) -> None:
    assert moderate("allow", "list").stdout.endswith('"suppressions":[]}\n')
    (folder / SUPPRESSIONS_FILE).write_text(WRITTEN)
    rows = json.loads(moderate("allow", "list").stdout)["suppressions"]
    assert [(row["line"], row["label"], row["expires"], row["expired"]) for row in rows] == [
        (2, "QRCode", None, False),
        (7, "violent_gun", "2020-01-31", True),
        (15, "a", "2999-01-01", False),
    ]
    table = moderate("allow", "list", "-f", "table").stdout
    assert "img/*.png" in table
    assert "2020-01-31 (expired)" in " ".join(table.split())
    assert len(moderate("allow", "list", "-f", "jsonl", "--label", "a").records) == 1


@pytest.mark.parametrize(
    ("names", "gone"),
    [
        (["2"], range(2, 5)),
        ([f"{SUPPRESSIONS_FILE}:7"], range(7, 14)),
        (["a.png"], range(7, 14)),
        (["a.png", "--label", "violent_gun"], range(7, 14)),
        (["img/*.png"], range(2, 5)),
        (["b.png"], range(15, 16)),
        (["2", "a.png", "b.png"], [*range(2, 5), *range(7, 14), 15]),
    ],
)
def test_an_entry_is_removed_and_comments_stay(
    moderate: Callable, folder: Path, names: list[str], gone: Iterable[int]
) -> None:
    (folder / SUPPRESSIONS_FILE).write_text(WRITTEN)
    (folder / "b.png").write_bytes(b"b")
    result = moderate("allow", "remove", *names)
    if names == ["b.png"]:  # a file there is meant by its content, unless an entry has that path
        assert "b.png: c" in result.stderr
    assert result.code == ExitCode.OK
    left = [line for number, line in enumerate(WRITTEN.splitlines(), start=1) if number not in set(gone)]
    assert (folder / SUPPRESSIONS_FILE).read_text().splitlines() == left
    assert "# the end" in left


@pytest.mark.parametrize("names", [["3"], ["none.png"], ["a.png", "--label", "QRCode"], ["other/*.png"]])
def test_what_is_not_there_is_not_removed(moderate: Callable, folder: Path, names: list[str]) -> None:
    (folder / SUPPRESSIONS_FILE).write_text(WRITTEN)
    assert moderate("allow", "remove", *names).code == ExitCode.USAGE
    assert (folder / SUPPRESSIONS_FILE).read_text() == WRITTEN


def test_what_has_expired_is_pruned(moderate: Callable, folder: Path) -> None:
    assert moderate("allow", "prune").stderr == f"moderate: {SUPPRESSIONS_FILE}: nothing to remove\n"
    (folder / SUPPRESSIONS_FILE).write_text(WRITTEN)
    result = moderate("allow", "prune")
    assert result.stderr == (
        f"moderate: {SUPPRESSIONS_FILE}:7 removed: violent_gun in sha256 {SHA256}: a toy, really\n"
    )
    assert [entry.label for entry in _entries(folder / SUPPRESSIONS_FILE)] == ["QRCode", "a"]
    assert moderate("allow", "prune").stderr == f"moderate: {SUPPRESSIONS_FILE}: nothing to remove\n"


@pytest.mark.parametrize(
    "text",
    [
        "[{path: a, label: b, reason: c}, {path: d, label: e, reason: f}]\n",
        "- {path: a, label: b,\n   reason: c}\n- {path: d, label: e, reason: f}\n",
        "- path: a\n  label: b\n  reason: |\n    x\n    # y\n\n# z\n- {path: d, label: e, reason: f}\n",
        "---\n- path: a\n  label: b\n  reason: c\n- {path: d, label: e, reason: f}\n...\n",
        "\ufeff- path: a\r\n  label: b\r\n  reason: c\r\n- {path: d, label: e, reason: f}\r\n",
        "  - path: a\n    label: &x b\n    reason: c\n  - {path: d, label: *x, reason: f}\n",
    ],
)
def test_the_rest_is_read_as_before_or_nothing_is_changed(moderate: Callable, folder: Path, text: str) -> None:
    path = folder / SUPPRESSIONS_FILE
    path.write_bytes(text.encode())
    result = moderate("allow", "remove", "1" if "---" not in text else "2")
    if result.code == ExitCode.OK:
        assert [entry.path for entry in parse_suppressions(path.read_bytes().decode(), "x")] == ["d"]
        assert "# z" in path.read_bytes().decode() or "# z" not in text
    else:
        assert path.read_bytes() == text.encode()
        said = ("cannot be taken out by itself", "several entries begin at one line", "alias")
        assert any(words in result.stderr for words in said)


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
