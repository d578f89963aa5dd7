"""Rules: which images and words they are for, and what answers say then."""

from __future__ import annotations

import hashlib
import json

import pytest
from rule_builders import GUN, laying_down

from moderate_cli.emulator import Emulator
from moderate_cli.rules import FixedVerdict

SHA256 = "ab" * 32


def _labels(data: dict) -> list[tuple]:
    return [(one["Label"], one.get("Confidence"), one.get("RiskLevel")) for one in data["Result"]]


def test_a_rule_by_name_decides_instead_of_the_detectors(clock, connect, draw) -> None:
    with Emulator(clock, rules=laying_down(FixedVerdict([GUN], name="gun-*"))) as emulator:
        caller = connect(emulator)
        data = caller.judge(b"no image at all", dataId="gun-1").body["Data"]
        other = caller.judge(draw.encoded(draw.gradient()), dataId="photo-1").body["Data"]
    assert _labels(data) == [("violent_gun", 81.5, "medium")]
    assert data["RiskLevel"] == "medium"
    assert data["Ext"]["LocalEngine"]["Checks"] == [{"Name": "rules", "Package": "local rules", "Rules": ["gun-*"]}]
    assert "no detector looked" in json.dumps(data["Ext"]["LocalEngine"]["NotChecked"])
    assert _labels(other) == [("nonLabel", None, None)]


@pytest.mark.parametrize("sha256", [hashlib.sha256(b"content").hexdigest(), SHA256])
def test_a_rule_by_content(clock, connect, sha256: str) -> None:
    with Emulator(clock, rules=laying_down(FixedVerdict([GUN], sha256=sha256))) as emulator:
        body = connect(emulator).judge(b"content").body
    assert body["Code"] == (407 if sha256 == SHA256 else 200)  # the detectors cannot read it


def test_the_first_rule_counts_and_services_limit_it(clock, connect, draw) -> None:
    rules = laying_down(FixedVerdict([], name="*", services=["aigcDetector_global"]), FixedVerdict([GUN], name="*"))
    with Emulator(clock, rules=rules) as emulator:
        emulator.state.objects.put("bucket", "image.png", b"content")
        source = {"ossBucketName": "bucket", "ossObjectName": "image.png"}
        services = "baselineCheck_global,aigcDetector_global"
        data = connect(emulator).service("ImageBatchModeration", services, **source).body["Data"]
    assert [part["Result"][0]["Label"] for part in data["Results"]] == ["violent_gun", "nonLabel"]
    assert data["RiskLevel"] == "medium"


def test_queued_images_and_posts_meet_the_rules_too(clock, connect) -> None:
    with Emulator(clock, rules=laying_down(FixedVerdict([GUN], name="image"))) as emulator:
        caller = connect(emulator)
        req_id = caller.submit(b"content", interval=1, maxFrameNum=3)
        assert caller.result(req_id).body["Data"]["Result"][0]["Label"] == "violent_gun"
        main = {"mainImages": [{"ossBucketName": "bucket", "ossObjectName": "image"}]}
        post = caller.service("MultimodalAsyncModeration", "post_text_image_detection", mainData=main).body["Data"]
        found = caller.result(post["ReqId"], "DescribeMultimodalModerationResult").body["Data"]
    assert "violent_gun" in json.dumps(found["MainData"])
