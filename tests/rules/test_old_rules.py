"""A rules file of 0.1.0: it is still read, and what is wrong with it has its line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ModerateError, UsageError
from moderate_cli.models import RiskLevel
from moderate_cli.rules import Rules, read_rules

SHA256 = "ab" * 32


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("rules.yaml")


def _read(file: Path) -> Rules:
    return read_rules(file, Environment(stderr=io.StringIO()))


def test_a_file_with_everything(file: Path) -> None:
    file.write_text(
        "keywords:\n"
        "  - {word: on sale, label: ad, level: low, services: [a, b]}\n"
        "  - {word: 1e3, label: off}\n"
        "images:\n"
        "  - name: '*.png'\n"
        "    services: a\n"
        "    findings: [{label: violent_gun, confidence: 81.5}, {label: x_lib, level: none}]\n"
        f"  - sha256: {SHA256.upper()}\n"
        "    findings: []\n"
    )
    stderr = io.StringIO()
    rules = read_rules(file, Environment(stderr=stderr))
    assert stderr.getvalue().count("deprecated") == len(stderr.getvalue().splitlines()) == 1
    first, second = rules.flagged_words("b")
    assert (first.word, first.label, first.level) == ("on sale", "ad", RiskLevel.LOW)
    assert (second.word, second.label, second.level) == ("1e3", "off", RiskLevel.HIGH)  # as it is written
    assert rules.flagged_words("c") == [second]
    by_name, by_content = rules.verdicts
    assert (by_name.title, by_name.services) == ("*.png", "a")
    assert [(one.label, one.confidence, one.level) for one in by_name.findings] == [
        ("violent_gun", 81.5, None),
        ("x_lib", 100, RiskLevel.NONE),
    ]
    assert (by_content.sha256, by_content.findings) == (SHA256.upper(), [])


@pytest.mark.parametrize("text", ["", "# nothing\n", "keywords:\nimages:\n", "{}", "\ufeffimages: []"])
def test_a_file_without_rules(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    rules = _read(file)
    assert (list(rules.verdicts), rules.flagged_words("a")) == ([], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- word: x", "1: a rules file must be a mapping"),
        ("nonsense", "1: a rules file must be a mapping"),
        ("image: []", "1: unknown key 'image'"),
        ("keywords: [", "1: broken YAML"),
        ("images: []\nimages: []", "2: the key 'images' stands here a second time"),
        ("keywords: spam", "1: keywords must be a list, not 'spam'"),
        ("keywords:\n  - spam", "2: an item of keywords must be a mapping, not 'spam'"),
        ("keywords:\n  - label: ad", "2: an item of keywords has no word"),
        ("keywords:\n  - word: x\n    lable: y", "3: unknown key 'lable', did you mean 'label'?"),
        ("keywords:\n  - word: ' '\n    label: y", "2: word must be a text, not the text ' '"),
        ("keywords:\n  - word: [x]\n    label: y", "2: word must be a text, not ['x']"),
        (
            "keywords:\n  - {word: x, label: y, level: bad}",
            "2: level must be one of none, low, medium, high, not 'bad'",
        ),
        ("images: {}", "1: images must be a list, not a mapping"),
        ("images:\n  - {findings: []}", "2: the verdict has neither name nor sha256, and one is needed"),
        (f"images: [{{name: x, sha256: {SHA256}, findings: []}}]", "1: the verdict has both name and sha256, and one"),
        ("images:\n  - name: x", "2: an item of images has no findings"),
        ("images:\n  - {name: x, findings: [y]}", "2: an item of findings must be a mapping, not 'y'"),
        ("images:\n  - {name: x, findings: [{level: low}]}", "2: an item of findings has no label"),
        ("images: [{name: x, findings: [{label: nonLabel}]}]", "1: nonLabel is no finding: write findings: []"),
        (
            "images: [{name: x, findings: [{label: y, confidence: 101}]}]",
            "1: confidence must be a number from 0 to 100, not 101",
        ),
    ],
)
def test_what_is_wrong_has_its_line_and_its_key(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        _read(file)
    assert caught.value.message.startswith(f"rules.yaml:{message}")
    assert "\n" not in caught.value.message


def test_files_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(ModerateError, match=r"there is no rules file rules\.yaml"):
        _read(file)
    file.write_bytes(b"keywords:\n  - word: \xff")
    with pytest.raises(ModerateError, match=r"rules\.yaml:2: not UTF-8 text"):
        _read(file)
    with pytest.raises(ModerateError, match=r"cannot read \.: Is a directory"):
        _read(Path())
    file.write_bytes(b"#" * 10_000_001)
    with pytest.raises(ModerateError, match=r"rules\.yaml: larger than 10 MB"):
        _read(file)
