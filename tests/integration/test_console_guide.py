"""The examples and rules of the vendor's console guide, by the command, by the vendor's SDK, and in posts.

Source: "User guide for the Image Moderation 2.0 console" (4 December 2025). The vendor gives no level for the parts of
posts, and no confidence, so that only labels are visible there.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from photos import photo, resized
from PIL import Image, ImageDraw, ImageFont

from moderate_cli.common.environment import Environment
from moderate_cli.emulator import Emulator, Fetch
from moderate_cli.rules import read_rules

RULES = """\
version: 1
services:
  baselineCheck_global:
    labels: {QRCode: {medium: 50, high: 100}}
    exempt: [brand]
    image_libraries: {contraband_drug: [seized, brand]}
    keyword_libraries: {contraband_drug_tii: [slang]}
    ignored_keywords: [harmless]
  baselineCheck_global_01:
    copy_of: baselineCheck_global
    title: Without exemptions
    exempt: []
  post_text_image_detection:
    exempt: [brand]
    image_libraries: {contraband_drug: [seized]}
    keyword_libraries: {contraband_drug: [slang]}
    ignored_keywords: [harmless]
image_libraries:
  brand: {images: brand}
  seized: {images: seized}
keyword_libraries:
  slang: {keywords: [small cat, here small, 冰毒]}
  harmless: {keywords: [is, a]}
"""

# From Python 3.12 on: the SDK dates its requests with datetime.utcnow().
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning:alibabacloud_tea_openapi")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rules with two image libraries, and images beside them: from each library, of neither, and with text."""
    folder = tmp_path_factory.mktemp("guide")
    for library, name in (("brand", "coffee.png"), ("seized", "chelsea.png")):
        (folder / library).mkdir()
        picture = photo(name)
        picture.save(folder / library / f"{library}.png")
        resized(picture, 0.6).save(folder / f"{library}-again.jpg", quality=60)
    photo("rocket.jpg").save(folder / "other.png")
    text = Image.new("RGB", (640, 240), "white")
    ImageDraw.Draw(text).text((30, 90), "Here is a small cat", "black", ImageFont.load_default(48))
    text.save(folder / "text.png")
    (folder / "moderate-rules.yaml").write_text(RULES, encoding="utf-8")
    return folder


class ByCommand:
    """Judges by `moderate sync --profile local`."""

    def __init__(self, moderate: Callable[..., Any], folder: Path) -> None:
        self._moderate = moderate
        self._folder = folder

    def __call__(self, name: str, service: str = "baselineCheck_global") -> dict[str, Any]:
        rules = ("--rules", self._folder / "moderate-rules.yaml")
        result = self._moderate("sync", self._folder / name, "-p", "local", "-s", service, *rules)
        [record] = result.records
        assert record["status"] == "judged", result.stderr
        labels = [(label["label"], label["risk_level"]) for label in record["labels"]]
        return {"level": record["risk_level"], "labels": labels, "ext": record["ext"]}


class BySdk:
    """Judges by the vendor's SDK, which calls an emulator with the same rules."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        key = emulator.access_key
        self._emulator = emulator
        self._folder = folder
        self._client = Client(
            Config(
                endpoint=emulator.endpoint.removeprefix("http://"),
                protocol="http",
                access_key_id=key.access_key_id,
                access_key_secret=key.access_key_secret,
                read_timeout=600_000,
            )
        )

    def __call__(self, name: str, service: str = "baselineCheck_global") -> dict[str, Any]:
        self._emulator.state.objects.put("bucket", name, (self._folder / name).read_bytes())
        what = json.dumps({"ossBucketName": "bucket", "ossObjectName": name})
        body = self._client.image_moderation(models.ImageModerationRequest(service, what)).body
        assert body.code == 200, body
        data = body.data.to_map()
        labels = [(one["Label"], one.get("RiskLevel")) for one in data["Result"] if one["Label"] != "nonLabel"]
        ext = data.get("Ext", {})
        known = [{"lib_name": image["LibName"], "image_id": image["ImageId"]} for image in ext.get("CustomImage") or ()]
        return {"level": data["RiskLevel"], "labels": labels, "ext": {"custom_image": known}}


@pytest.fixture(scope="module")
def emulator(folder: Path) -> Iterator[Emulator]:
    rules = read_rules(folder / "moderate-rules.yaml", Environment(stderr=io.StringIO()))
    with Emulator(rules=rules, fetch=Fetch.NONE) as running:
        yield running


@pytest.fixture(params=["command", "sdk"])
def judge(
    request: pytest.FixtureRequest, moderate: Callable[..., Any], emulator: Emulator, folder: Path
) -> Callable[..., dict[str, Any]]:
    return ByCommand(moderate, folder) if request.param == "command" else BySdk(emulator, folder)


def test_an_image_of_a_library_is_high_by_its_label(judge: Callable[..., dict[str, Any]]) -> None:
    found = judge("seized-again.jpg")
    assert (found["level"], found["labels"]) == ("high", [("contraband_drug_lib", "high")])
    [image] = found["ext"]["custom_image"]
    assert (image["lib_name"], image["image_id"]) == ("seized", "seized.png")


def test_an_exempt_image_has_one_label_and_is_safe(judge: Callable[..., dict[str, Any]]) -> None:
    """It is in a library that flags, too."""
    found = judge("brand-again.jpg")
    assert found["level"] == "none"
    assert [label for label, _ in found["labels"]] in (["nonLabel_lib"], [])


def test_a_copied_service_has_a_scope_of_its_own(judge: Callable[..., dict[str, Any]]) -> None:
    found = judge("brand-again.jpg", "baselineCheck_global_01")
    assert found["labels"] == [("contraband_drug_lib", "high")]
    assert judge("seized-again.jpg", "baselineCheck_global_01")["level"] == "high"


def test_an_image_of_no_library_is_safe(judge: Callable[..., dict[str, Any]]) -> None:
    assert judge("other.png")["level"] == "none"


@pytest.mark.ocr
@pytest.mark.skipif(find_spec("rapidocr") is None, reason="the extra ocr is not installed, so that no text is read")
def test_ignored_words_are_taken_out_before_the_others_are_looked_for(judge: Callable[..., dict[str, Any]]) -> None:
    """Of "Here is a small cat" the guide's search sees "Here small cat": "here small" is in it only so."""
    found = judge("text.png")
    assert found["labels"] == [("contraband_drug_tii_lib", "high")]


# ---------------------------------------------------------------------------------------------------------- in posts


def _post(moderate: Callable[..., Any], folder: Path, *arguments: object) -> dict[str, Any]:
    rules = ("--rules", folder / "moderate-rules.yaml")
    result = moderate("multimodal", "-p", "local", "--wait", *rules, *arguments)
    assert len(result.records) == 1, result.stderr
    [record] = result.records
    assert record["status"] == "judged", result.stderr
    return record


def test_texts_of_posts_are_matched_alike(moderate: Callable[..., Any], folder: Path) -> None:
    record = _post(
        moderate, folder, "--title", "Here is a small cat", "--text", "nothing", "--image", folder / "other.png"
    )
    assert [label["label"] for label in record["labels"]] == ["contraband_drug_lib"]
    assert record["risk_level"] == "high"
    clean = _post(
        moderate, folder, "--title", "Here is the smallest cat", "--text", "x", "--image", folder / "other.png"
    )
    assert (clean["risk_level"], clean["labels"]) == ("none", [])


@pytest.mark.parametrize(
    ("name", "level", "labels"),
    [("seized-again.jpg", "high", ["contraband_drug_lib"]), ("brand-again.jpg", "none", [])],
)
def test_images_of_posts_are_known_by_the_libraries(
    moderate: Callable[..., Any], folder: Path, name: str, level: str, labels: list[str]
) -> None:
    record = _post(moderate, folder, "--text", "x", "--image", folder / name)
    assert record["risk_level"] == level
    assert [label["label"] for label in record["labels"] if label["label"] != "nonLabel_lib"] == labels


# --------------------------------------------------------------------------------------------------- the six levels


@pytest.mark.parametrize(
    ("findings", "level", "labels"),
    [
        ([("violent_explosion", 95)], "high", ["high"]),  # rule 1
        ([("violent_explosion", 75)], "medium", ["medium"]),  # rule 2
        ([("violent_explosion", 30)], "low", ["low"]),  # rule 3
        ([("violent_explosion", 30), ("violent_gunKnives", 75)], "medium", ["low", "medium"]),  # rule 4
        ([], "none", []),  # rule 5
    ],
)
def test_levels_follow_the_rules(
    moderate: Callable[..., Any],
    tmp_path: Path,
    folder: Path,
    findings: list[tuple[str, int]],
    level: str,
    labels: list[str],
) -> None:
    """Rule 6, that a custom library is high, is the first test of this file."""
    said = [{"label": label, "confidence": confidence} for label, confidence in findings]
    rules = tmp_path / "rules.yaml"
    rules.write_text(json.dumps({"version": 1, "verdicts": [{"name": "other.png", "findings": said}]}))
    result = moderate("sync", folder / "other.png", "-p", "local", "--rules", rules, "--data-id-from", "name")
    [record] = result.records
    assert record["risk_level"] == level
    assert sorted(label["risk_level"] for label in record["labels"]) == sorted(labels)
