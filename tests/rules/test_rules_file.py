"""The rules file: what it says about services, and what is wrong with it, with its line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ModerateError, UsageError
from moderate_cli.models import RiskLevel
from moderate_cli.rules import Rules, read_rules
from moderate_cli.rules.model import RulesFile
from moderate_cli.rules.reader import MAX_KEYWORDS

WHOLE = """\
version: 1
services:
  baselineCheck_global:
    labels:
      inappropriate_tattoo: off
      pornographic_adultContent: {medium: 50, high: 85}
    exempt: [brand]
    image_libraries: {contraband_drug: [seized]}
    keyword_libraries: {contraband_drug_tii: [slang]}
    ignored_keywords: [harmless]
  baselineCheck_global_01:
    copy_of: baselineCheck_global
    title: Shop photos
    labels: {inappropriate_tattoo: on, violent_weapon: off}
    exempt: []
image_libraries:
  brand: {images: assets, comment: our own artwork}
  seized: {images: seized.jsonl}
keyword_libraries:
  slang: {keywords: words/slang.txt}
  harmless: {keywords: [is, a]}
verdicts:
  - {name: "*-violent.*", findings: [{label: violent_explosion, confidence: 81.22}]}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assets").mkdir()
    (tmp_path / "seized.jsonl").write_text("")
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "slang.txt").write_text("# words\n\nice\n  snow   white \n冰毒\nice\n", encoding="utf-8")
    path = Path("rules.yaml")
    path.write_text(WHOLE)
    return path


def test_a_service_has_what_is_said_of_it(file: Path) -> None:
    rules = read_rules(file, Environment())
    service = rules.service("baselineCheck_global")
    assert (service.exempt, service.image_libraries) == (["brand"], {"contraband_drug": ["seized"]})
    assert [
        (word.word, word.label, word.library, word.level) for word in rules.flagged_words("baselineCheck_global")
    ] == [(word, "contraband_drug_tii_lib", "slang", RiskLevel.HIGH) for word in ("ice", "snow white", "冰毒")]
    assert rules.ignored_words("baselineCheck_global") == ["is", "a"]
    assert rules.images_of("brand") == Path("assets")


def test_a_copy_has_the_rules_of_its_source_where_it_says_nothing(file: Path) -> None:
    rules = read_rules(file, Environment())
    copy = rules.service("baselineCheck_global_01")
    assert (copy.title, copy.exempt, copy.image_libraries) == ("Shop photos", [], {"contraband_drug": ["seized"]})
    assert rules.level("baselineCheck_global_01", "inappropriate_tattoo", 70) is RiskLevel.MEDIUM
    assert rules.level("baselineCheck_global_01", "pornographic_adultContent", 86) is RiskLevel.HIGH
    assert rules.level("baselineCheck_global", "violent_weapon", 70) is RiskLevel.MEDIUM
    assert rules.level("baselineCheck_global_01", "violent_weapon", 70) is None
    # One that was copied in the console and is not in the file.
    assert rules.service("baselineCheck_global_07") == rules.service("baselineCheck_global")


@pytest.mark.parametrize(
    ("label", "confidence", "level"),
    [
        ("pornographic_adultContent", 100, RiskLevel.HIGH),
        ("pornographic_adultContent", 85, RiskLevel.HIGH),
        ("pornographic_adultContent", 84.99, RiskLevel.MEDIUM),
        ("pornographic_adultContent", 50, RiskLevel.MEDIUM),
        ("pornographic_adultContent", 49.99, RiskLevel.LOW),
        ("QRCode", 90, RiskLevel.HIGH),
        ("QRCode", 89.99, RiskLevel.MEDIUM),
        ("QRCode", 59.99, RiskLevel.LOW),
        ("inappropriate_tattoo", 100, None),
    ],
)
def test_levels_follow_from_the_thresholds(file: Path, label: str, confidence: float, level: RiskLevel | None) -> None:
    assert read_rules(file, Environment()).level("baselineCheck_global", label, confidence) is level


def test_without_a_file_every_service_has_the_defaults() -> None:
    rules = Rules()
    assert rules.level("baselineCheck", "anything", 95) is RiskLevel.HIGH
    assert (rules.flagged_words("baselineCheck"), rules.ignored_words("baselineCheck"), list(rules.verdicts)) == (
        [],
        [],
        [],
    )


def test_the_key_changes_with_the_rules_and_with_their_words(file: Path) -> None:
    before = read_rules(file, Environment()).key
    assert read_rules(file, Environment()).key == before
    Path("words/slang.txt").write_text("ice\n")
    with_other_words = read_rules(file, Environment()).key
    file.write_text(WHOLE.replace("high: 85", "high: 86"))
    assert len({before, with_other_words, read_rules(file, Environment()).key}) == 3


def test_a_key_without_a_value_is_left_to_the_source(file: Path) -> None:
    file.write_text(WHOLE.replace("exempt: []", "exempt:"))
    assert read_rules(file, Environment()).service("baselineCheck_global_01").exempt == ["brand"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("exempt: [brand]", "exempt: [brnd]", "7: unknown library 'brnd', did you mean 'brand'?"),
        ("exempt: [brand]", "exempt: brand", "7: exempt must be a list, not 'brand'"),
        ("exempt: [brand]", "exempt: [slang]", "7: unknown library 'slang'"),
        (
            "inappropriate_tattoo: off",
            "inappropriate_tatoo: off",
            "5: unknown label 'inappropriate_tatoo', did you mean",
        ),
        ("inappropriate_tattoo: off", "inappropriate_tattoo: of", "5: inappropriate_tattoo must be on or off or a map"),
        ("inappropriate_tattoo: off", "inappropriate_tattoo: {}\n      x: {}", "6: unknown label 'x'"),
        ("inappropriate_tattoo: off", "nonLabel: off", "5: unknown label 'nonLabel'"),
        ("medium: 50", "medium: 90", "6: pornographic_adultContent is medium from 90, which is above high: 85"),
        ("medium: 50", "medium: 101", "6: medium must be a number from 0 to 100, not 101"),
        ("medium: 50", "medum: 50", "6: unknown key 'medum', did you mean 'medium'?"),
        ("contraband_drug_tii:", "contraband_drug:", "9: contraband_drug is not about text in images: such labels end"),
        ("[slang]", "[slung]", "9: unknown library 'slung', did you mean 'slang'?"),
        (
            "copy_of: baselineCheck_global",
            "copy_of: baselineCheck_globl",
            "12: unknown service 'baselineCheck_globl', did",
        ),
        (
            "copy_of: baselineCheck_global",
            "copy_of: baselineCheck_global_01",
            "11: baselineCheck_global_01 is a copy of it",
        ),
        (
            "  baselineCheck_global:",
            "  basiclineCheck:",
            "3: unknown service 'basiclineCheck', did you mean 'baselineC",
        ),
        ("title: Shop photos", "titel: x", "13: unknown key 'titel', did you mean 'title'?"),
        ("title: Shop photos", "title: [x]", "13: title must be a text, not ['x']"),
        ("version: 1", "version: 2", "1: version must be 1, not 2"),
        ("version: 1\n", "", "1: the file has no version"),
        ("{images: assets, comment: our own artwork}", "{}", "17: brand has no images"),
        ("images: assets", "images: asets", "17: there is neither a folder nor a file asets"),
        ("{keywords: [is, a]}", "{keywords: {}}", "21: keywords must be a text or a list, not a mapping"),
        ("[is, a]", "[is, 'c/d']", "21: a keyword has letters and digits only, not '/' as in 'c/d'"),
        ("[is, a]", "[is, abcdefghijklmnopqrstu]", "21: a keyword has 1 to 20 characters, not 21"),
        ("[is, a]", "[is, ' ']", "21: a keyword has 1 to 20 characters, not 0"),
        ("confidence: 81.22", "confidence: sure", "23: confidence must be a number from 0 to 100, not 'sure'"),
        ("label: violent_explosion", "label: nonLabel", "23: nonLabel is no finding: write findings: []"),
        ('name: "*-violent.*"', "services: []", "23: the verdict has neither name nor sha256, and one is needed"),
        ('name: "*-violent.*"', "sha256: abc", "23: sha256 must be a text, not 'abc'"),
        ("findings:", "finding:", "23: unknown key 'finding', did you mean 'findings'?"),
        ("label: violent_explosion", r'label: "\udcff"', r"23: '\udcff' is not UTF-8 text"),
        ("brand: {images: assets", r'"\udcff": {images: assets', r"16: '\udcff' is not UTF-8 text"),
        ("[is, a]", r'["\ud835\udcb3"]', "21: broken YAML: "),
        ("verdicts:", "verdict:", "22: unknown key 'verdict', did you mean 'verdicts'?"),
    ],
)
def test_what_is_wrong_has_its_line_and_the_nearest_name(file: Path, old: str, new: str, said: str) -> None:
    assert old in WHOLE
    file.write_text(WHOLE.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        read_rules(file, Environment())
    assert caught.value.message.startswith(f"rules.yaml:{said}")
    assert "\n" not in caught.value.message


def test_a_wrong_word_in_a_list_has_the_line_of_the_list(file: Path) -> None:
    Path("words/slang.txt").write_text("ice\nthis has far too many letters\n")
    with pytest.raises(UsageError, match=r"^words/slang\.txt:2: a keyword has 1 to 20 characters"):
        read_rules(file, Environment())
    Path("words/slang.txt").unlink()
    with pytest.raises(ModerateError, match=r"there is no list of keywords words/slang\.txt"):
        read_rules(file, Environment())


def test_more_than_an_account_may_have_is_refused(file: Path) -> None:
    libraries = "".join(f"  l{number}: {{images: assets}}\n" for number in range(9))
    file.write_text(WHOLE.replace("image_libraries:\n", f"image_libraries:\n{libraries}"))
    with pytest.raises(UsageError, match=r"rules\.yaml:16: 11 image libraries; an account has 10 at most"):
        read_rules(file, Environment())
    libraries = "".join(f"  l{number}: {{keywords: [x]}}\n" for number in range(19))
    file.write_text(WHOLE.replace("\nkeyword_libraries:\n", f"\nkeyword_libraries:\n{libraries}"))
    with pytest.raises(UsageError, match=r"rules\.yaml:19: 21 keyword libraries; an account has 20 at most"):
        read_rules(file, Environment())
    file.write_text(WHOLE)
    Path("words/slang.txt").write_text("".join(f"{number}\n" for number in range(MAX_KEYWORDS)))
    with pytest.raises(UsageError, match=r"rules\.yaml:19: 100,002 keywords; an account has 100,000 at most"):
        read_rules(file, Environment())


def test_words_flagged_in_all_of_a_service_have_one_label(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        """version: 1
services:
  baselineCheck_global: {flagged_keywords: [slang], keyword_libraries: {violence_weapons_tii: [arms]}}
  baselineCheck_global_01: {copy_of: baselineCheck_global, title: Shop}
keyword_libraries:
  slang: {keywords: [one]}
  arms: {keywords: [two]}
"""
    )
    rules = read_rules(path, Environment())
    for service in ("baselineCheck_global", "baselineCheck_global_01"):
        found = {word.word: (word.label, word.level) for word in rules.flagged_words(service)}
        assert found == {
            "two": ("violence_weapons_tii_lib", RiskLevel.HIGH),
            "one": ("contraband_drug_tii_lib", RiskLevel.HIGH),
        }
    path.write_text(path.read_text().replace("[slang]", "[slng]"))
    with pytest.raises(UsageError, match=r"rules.yaml:3: unknown library 'slng', did you mean 'slang'\?"):
        read_rules(path, Environment())


def test_what_is_opaque_may_have_any_shape(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    raw = {"services": {"baselineCheck": {"X": [{"a": [1, 2.5, None, True, "off"], "b": {}}]}}}
    path.write_text(f"version: 1\nraw: {json.dumps(raw)}\n")
    file = read_rules(path, Environment()).file
    assert file.raw.services == raw["services"]
    path.write_text("version: 1\nraw: {service: {}}\n")
    with pytest.raises(UsageError, match=r"rules.yaml:2: unknown key 'service', did you mean 'services'\?"):
        read_rules(path, Environment())


def test_each_key_has_its_place(file: Path) -> None:
    rules = read_rules(file, Environment())
    text = file.read_text().splitlines()
    assert text[int(rules.place("keyword_libraries").rpartition(":")[2]) - 1].startswith("keyword_libraries:")
    assert rules.place("keyword_libraries", "no such library") == rules.place("keyword_libraries")
    assert rules.place("no such key") == f"{file}:1"


def test_the_schema_takes_what_the_reader_takes() -> None:
    schema = msgspec.json.schema(RulesFile)
    file = {
        "version": 1,
        "services": {"baselineCheck": {"flagged_keywords": ["a"]}},
        "raw": {"services": {"baselineCheck": {"X": [1, None]}}, "keyword_libraries": {}},
    }
    jsonschema.validate(file, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**file, "raw": {"other": {}}}, schema)
