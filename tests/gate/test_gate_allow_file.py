"""What a suppressions file may say, and where its errors are."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest
import yaml
from builders import item, judged
from msgspec.structs import replace
from yaml_loaders import LOADERS, use_loader

from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.gate.suppressions import SuppressionEntry, Suppressions, parse_suppressions, read_date, read_text
from moderate_cli.settings.locate import Location

SHA = "0123456789abcdef" * 4
NAME = ".moderate-suppressions.yaml"


@pytest.fixture(params=LOADERS, autouse=True)
def _each_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use_loader(request.param, monkeypatch)


def _read(text: str) -> tuple[SuppressionEntry, ...]:
    return parse_suppressions(text, NAME)


def _refused(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        _read(text)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "\n" not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null", "[]"])
def test_nothing_suppresses_nothing(text: str) -> None:
    assert _read(text) == ()


def test_a_whole_file() -> None:
    text = f"""
# swimwear
- sha256: {SHA.upper()}
  label: sexual_skin
  reason: the brand's own advertisement
  expires: 2027-01-31

- path: ./assets/**/*.png
  label: '*'
  reason: "drawn by us: checked"
  expires:
- {{path: 'https://a.example/[?]', label: no, reason: 2024, expires: '2028-02-29'}}
"""
    assert _read(text) == (
        SuppressionEntry(
            sha256=SHA,
            label="sexual_skin",
            reason="the brand's own advertisement",
            expires=date(2027, 1, 31),
            line=3,
        ),
        SuppressionEntry(path="assets/**/*.png", label="*", reason="drawn by us: checked", line=8),
        SuppressionEntry(path="https://a.example/[?]", label="no", reason="2024", expires=date(2028, 2, 29), line=12),
    )


def test_the_same_entry_may_stand_twice() -> None:
    entry = "- {path: a, label: b, reason: c}\n"
    assert [each.line for each in _read(entry * 2)] == [1, 2]


def test_a_number_of_64_digits_is_a_hash_too() -> None:
    digits = "12345678" * 8
    assert _read(f"- {{sha256: {digits}, label: a, reason: b}}")[0].sha256 == digits


ENTRY = f"- sha256: {SHA}\n  label: a\n  reason: b\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label: a", "1: the file must be a list of entries, not a mapping"),
        ("a", "1: the file must be a list of entries, not 'a'"),
        (ENTRY + "- a", "4: an entry must be a mapping, not 'a'"),
        (ENTRY + "\n-\n", "5: an entry must be a mapping, not nothing"),
        (ENTRY + "- [a]", "4: an entry must be a mapping, not ['a']"),
        (ENTRY + "- {}", "4: the entry has no label"),
        (ENTRY + "- path: a", "4: the entry has no label"),
        (ENTRY + "- path: a\n  label: b", "4: the entry has no reason"),
        (ENTRY + "- path: a\n  label: b\n  reason: ''", "4: the entry has no reason"),
        (ENTRY + "- path: a\n  label: b\n  reason: ~", "4: the entry has no reason"),
        (ENTRY + "- label: b\n  reason: c", "4: the entry has neither sha256 nor path, and one is needed"),
        (ENTRY + "  path: a", "1: the entry has both sha256 and path, and one is needed"),
        (ENTRY + "  expire: 2027-01-31", "4: unknown key 'expire', did you mean 'expires'?"),
        (ENTRY + "  service: x", "4: unknown key 'service'"),
        (ENTRY + "  label: c", "4: the key 'label' stands here a second time, first in line 2"),
        (ENTRY + "  expires: soon", "4: expires must be a date such as 2027-01-31, not 'soon'"),
        (ENTRY + "  expires: 20270131", "4: expires must be a date such as 2027-01-31, not 20270131"),
        (ENTRY + "  expires: '2027-02-30'", "4: expires must be a date such as 2027-01-31, not the text '2027-02-30'"),
        (ENTRY + "  expires: 2027-02-30", "4: '2027-02-30' cannot be read as timestamp"),
        (
            ENTRY + "  expires: 2027-01-31T10:00:00",
            "4: expires must be a date such as 2027-01-31, not 2027-01-31T10:00:00",
        ),
        ("- sha256: abc", "1: sha256 must be 64 hexadecimal digits, not 'abc'"),
        (f"- sha256: {SHA}0", f"1: sha256 must be 64 hexadecimal digits, not '{SHA[:40]}...'"),
        ("- path: /etc/a.png", "1: path must be relative to the folder of this file, not '/etc/a.png'"),
        ("- path: assets/", "1: path must be one of files, such as folder/** for all that is below it, not 'assets/'"),
        ("- path: 'a[z-a]'", "1: path must be a path or a glob, not the text 'a[z-a]'"),
        ("- label: sexual_*", "1: label must be a whole label, or '*' for each, not 'sexual_*'"),
        ("- label: [a, b]", "1: label must be a text, not ['a', 'b']"),
        ("- reason: {a: b}", "1: reason must be a text, not a mapping"),
        ("- !!python/object:os.system {}", "1: a tag that has no meaning here"),
        ("- [", "1: broken YAML: expected the node content, but found '<stream end>'"),
        (ENTRY + "- path: \x07", "4: a control character, which YAML does not allow"),
    ],
)
def test_what_is_wrong_has_its_line(text: str, message: str) -> None:
    assert _refused(text).message == f"{NAME}:{message}"


@pytest.mark.parametrize("text", ["a", "- a", "- path: a", "- {label: a, reason: b}", "- pth: a"])
def test_errors_say_what_to_do(text: str) -> None:
    assert "label" in (_refused(text).hint or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2027-01-31", date(2027, 1, 31)), ("2027-1-31", None), ("2027-W01-1", None), ("20270131", None), ("", None)],
)
def test_a_date(text: str, expected: date | None) -> None:
    assert read_date(text) == expected


# --- the text of a file


def _location(path: Path) -> Location:
    return Location(path, "the file", required=True)


def test_a_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeff- {path: ü, label: a, reason: b}\r\n".encode())
    text = read_text(_location(path))
    assert text == "\ufeff- {path: ü, label: a, reason: b}\r\n"
    assert _read(text)[0].path == "ü"


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"# 1\n# caf\xe9\n")
    (tmp_path / "large").write_bytes(b"#" * 10_000_001)
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, message in {
        "none": "there is no suppressions file the file",
        "dangling": "there is no suppressions file the file",
        ".": "cannot read the file: not a regular file",
        "latin": "the file:2: not UTF-8 text",
        "latin/below": "cannot read the file: Not a directory",
        "large": "the file: larger than 10 MB",
    }.items():
        with pytest.raises(UsageError) as caught:
            read_text(_location(tmp_path / name))
        assert caught.value.message == message


# --- a large file


@pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML's own loader takes ten times as long")
@pytest.mark.parametrize(
    "entry",
    [
        f"- {{sha256: {SHA[:-6]}%06d, label: a, reason: b}}\n",
        "- path: assets/%d/*.png\n  label: violent_gun\n  reason: drawn by us\n",
        "- path: '*_%d.png'\n  label: '*'\n  reason: \"a toy\"\n  expires: 2027-01-31\n",
        "- path: assets/%d.png  # a comment\n  label: violent_gun\n  reason: a toy\n",
    ],
)
def test_100_000_entries_are_read_and_used_at_once(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_loader(yaml.CSafeLoader, monkeypatch)
    text = "".join(entry % number for number in range(100_000))
    started = time.process_time()
    entries = _read(text)
    suppressions = Suppressions(entries, name=NAME, folder=Path.cwd(), today=date(2026, 11, 21))
    found = suppressions.about(replace(judged("high", "a"), item=item("assets/77/x_77.png")))
    assert time.process_time() - started < 20  # 54 s in 0.1.0
    assert len(entries) == 100_000
    assert [each.line for each in found] in ([], [77 * 3 + 1], [77 * 4 + 1])
