"""Rules: which images they are for, what answers say then, and what is wrong with a rules file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from moderate_cli.common.errors import UsageError
from moderate_cli.emulator import Emulator, ImageRule
from moderate_cli.emulator.engine import Finding
from moderate_cli.emulator.rules import Rules, read_rules
from moderate_cli.models import RiskLevel

GUN = Finding("violent_gun", 81.5, "local rule (local engine)", RiskLevel.MEDIUM)
SHA256 = "ab" * 32


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("rules.yaml")


# ------------------------------------------------------------------------------------------ reading the file


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
    rules = read_rules(file)
    first, second = rules.keywords
    assert (first.word, first.label, first.level, first.services) == ("on sale", "ad", RiskLevel.LOW, {"a", "b"})
    assert (second.word, second.label, second.level) == ("1e3", "off", RiskLevel.HIGH)  # as it is written
    by_name, by_content = rules.images
    assert (by_name.title, by_name.name, by_name.services) == ("*.png", "*.png", {"a"})
    assert by_name.findings == (GUN, Finding("x_lib", 100, "local rule (local engine)", RiskLevel.NONE))
    assert by_content == ImageRule(SHA256, (), sha256=SHA256)


@pytest.mark.parametrize("text", ["", "# nothing\n", "keywords:\nimages:\n", "{}", "\ufeffimages: []"])
def test_a_file_without_rules(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    assert read_rules(file) == Rules()


@pytest.mark.parametrize(
    ("confidence", "level"), [(100, "high"), (90, "high"), (89.9, "medium"), (60, "medium"), (59, "low")]
)
def test_the_level_follows_from_the_confidence(file: Path, confidence: float, level: str) -> None:
    file.write_text(f"images: [{{name: x, findings: [{{label: y, confidence: {confidence}}}]}}]")
    ((finding,),) = (rule.findings for rule in read_rules(file).images)
    assert finding.risk_level == level


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- word: x", "rules.yaml:1: the file must be a mapping with keywords, images, not [...]"),
        ("nonsense", "rules.yaml:1: the file must be a mapping with keywords, images, not 'nonsense'"),
        ("image: []", "rules.yaml:1: unknown key 'image', did you mean 'images'?"),
        ("keywords: [", "rules.yaml:1: broken YAML"),
        ("images: []\nimages: []", "rules.yaml:2: the key 'images' stands here a second time"),
        ("keywords: spam", "rules.yaml:1: keywords must be a list, not 'spam'"),
        ("keywords:\n  - spam", "rules.yaml:2: a keyword must be a mapping with word, label, level, services, not 'sp"),
        ("keywords:\n  - label: ad", "rules.yaml:2: the keyword has no word"),
        ("keywords:\n  - word: x", "rules.yaml:2: the keyword has no label"),
        ("keywords:\n  - word: x\n    lable: y", "rules.yaml:3: unknown key 'lable', did you mean 'label'?"),
        ("keywords:\n  - word: ' '\n    label: y", "rules.yaml:2: word must be a text, not the text ' '"),
        ("keywords:\n  - word: [x]\n    label: y", "rules.yaml:2: word must be a text, not ['x']"),
        (
            "keywords:\n  - {word: x, label: y, level: bad}",
            "rules.yaml:2: level must be none, low, medium or high, not",
        ),
        (
            "keywords:\n  - {word: x, label: y, services: 1}",
            "rules.yaml:2: services must be a list of names, or names separated by",
        ),
        ("images: {}", "rules.yaml:1: images must be a list, not a mapping"),
        ("images:\n  - {findings: []}", "rules.yaml:2: the rule has neither name nor sha256, and one is needed"),
        (f"images: [{{name: x, sha256: {SHA256}}}]", "rules.yaml:1: the rule has both name and sha256, and one"),
        ("images:\n  - name: x", "rules.yaml:2: the rule has no findings"),
        ("images:\n  - {name: x, findings: y}", "rules.yaml:2: findings must be a list, not 'y'"),
        ("images:\n  - {sha256: abc, findings: []}", "rules.yaml:2: sha256 must be 64 hexadecimal digits, not 'abc'"),
        ("images:\n  - {name: x, findings: [y]}", "rules.yaml:2: a finding must be a mapping with label, confidence,"),
        ("images:\n  - {name: x, findings: [{level: low}]}", "rules.yaml:2: the finding has no label"),
        (
            "images: [{name: x, findings: [{label: nonLabel}]}]",
            "rules.yaml:1: label must be a label (nonLabel is `findings: []`), not 'nonLabel'",
        ),
        (
            "images: [{name: x, findings: [{label: y, confidence: 101}]}]",
            "rules.yaml:1: confidence must be a number from 0 to 100, not 101",
        ),
        (
            "images: [{name: x, findings: [{label: y, confidence: sure}]}]",
            "rules.yaml:1: confidence must be a number from 0 to 100, not 'sure'",
        ),
    ],
)
def test_what_is_wrong_has_its_line_and_its_key(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_rules(file)
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


def test_files_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no rules file rules\.yaml"):
        read_rules(file)
    file.write_bytes(b"keywords:\n  - word: \xff")
    with pytest.raises(UsageError, match=r"rules\.yaml:2: not UTF-8 text"):
        read_rules(file)
    with pytest.raises(UsageError, match=r"cannot read \.: Is a directory"):
        read_rules(Path())
    file.write_bytes(b"#" * 10_000_001)
    with pytest.raises(UsageError, match=r"rules\.yaml: larger than 10 MB"):
        read_rules(file)


# --------------------------------------------------------------------------------------- what answers say then


def _labels(data: dict) -> list[tuple]:
    return [(one["Label"], one.get("Confidence"), one.get("RiskLevel")) for one in data["Result"]]


def test_a_rule_by_name_decides_instead_of_the_detectors(clock, connect, draw) -> None:
    rule = ImageRule("guns", (GUN,), name="gun-*")
    with Emulator(clock, image_rules=[rule]) as emulator:
        caller = connect(emulator)
        data = caller.judge(b"no image at all", dataId="gun-1").body["Data"]
        other = caller.judge(draw.encoded(draw.gradient()), dataId="photo-1").body["Data"]
    assert _labels(data) == [("violent_gun", 81.5, "medium")]
    assert data["RiskLevel"] == "medium"
    assert data["Ext"]["LocalEngine"]["Checks"] == [{"Name": "rules", "Package": "local rules", "Rules": ["guns"]}]
    assert "no detector ran" in json.dumps(data["Ext"]["LocalEngine"]["NotChecked"])
    assert _labels(other) == [("nonLabel", None, None)]


@pytest.mark.parametrize("sha256", [hashlib.sha256(b"content").hexdigest(), SHA256])
def test_a_rule_by_content(clock, connect, sha256: str) -> None:
    with Emulator(clock, image_rules=[ImageRule("x", (GUN,), sha256=sha256)]) as emulator:
        body = connect(emulator).judge(b"content").body
    assert body["Code"] == (407 if sha256 == SHA256 else 200)  # the detectors cannot read it


def test_the_first_rule_counts_and_services_limit_it(clock, connect, draw) -> None:
    rules = [
        ImageRule("cleared", (), name="*", services=frozenset({"aigcDetector_global"})),
        ImageRule("guns", (GUN,), name="*"),
    ]
    with Emulator(clock, image_rules=rules) as emulator:
        emulator.state.objects.put("bucket", "image.png", b"content")
        source = {"ossBucketName": "bucket", "ossObjectName": "image.png"}
        services = "baselineCheck_global,aigcDetector_global"
        data = connect(emulator).service("ImageBatchModeration", services, **source).body["Data"]
    assert [part["Result"][0]["Label"] for part in data["Results"]] == ["violent_gun", "nonLabel"]
    assert data["RiskLevel"] == "medium"


def test_queued_images_and_posts_meet_the_rules_too(clock, connect) -> None:
    with Emulator(clock, image_rules=[ImageRule("guns", (GUN,), name="image")]) as emulator:
        caller = connect(emulator)
        req_id = caller.submit(b"content", interval=1, maxFrameNum=3)
        assert caller.result(req_id).body["Data"]["Result"][0]["Label"] == "violent_gun"
        main = {"mainImages": [{"ossBucketName": "bucket", "ossObjectName": "image"}]}
        post = caller.service("MultimodalAsyncModeration", "post_text_image_detection", mainData=main).body["Data"]
        found = caller.result(post["ReqId"], "DescribeMultimodalModerationResult").body["Data"]
    assert "violent_gun" in json.dumps(found["MainData"])
