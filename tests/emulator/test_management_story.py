"""The vendor's SDK sets up an account on the emulator, whose verdicts follow."""

from __future__ import annotations

import json

import pytest
from managing import SERVICE, Manager
from photos import NAMES, PHOTOS, photo, resized, saved

PHOTO, OTHER = (PHOTOS[name].read_bytes() for name in NAMES[:2])


@pytest.fixture
def manager(emulator, only_codes):
    return Manager(emulator)


def judged(caller, content, service=SERVICE):
    caller.emulator.state.objects.put("bucket", "image", content)
    where = {"ossBucketName": "bucket", "ossObjectName": "image", "dataId": "photo-1"}
    body = caller.service("ImageModeration", service, **where).body
    assert body["Code"] == 200, body
    return body


def labels(body):
    return [one["Label"] for one in body["Data"]["Result"]]


def said(caller, text, service="post_text_image_detection"):
    data = caller.service("MultimodalAsyncModeration", service, mainData={"mainContent": text}).body
    assert data["Code"] == 200, data
    found = caller.result(data["Data"]["ReqId"], "DescribeMultimodalModerationResult").body["Data"]
    return [one["Label"] for one in found["MainData"]["Results"]]


def test_an_account_is_set_up_and_asked(manager, caller):
    # Image libraries: one is bound to a label, one is exempt.
    seized = manager.call("create_image_lib", lib_name="seized", comment="evidence").data.lib_id
    brand = manager.call("create_image_lib", lib_name="brand", comment="").data.lib_id
    image = manager.add(seized, PHOTO)
    manager.add(brand, OTHER)
    assert labels(judged(caller, PHOTO)) == ["nonLabel"]  # nothing follows from a library alone
    scene = manager.scene("contraband")
    scene["LocalEngine"]["image_libraries"] = {"contraband_drug": [seized]}
    assert manager.update(scene="contraband", scene_config=scene, dry_run=True)
    assert labels(judged(caller, PHOTO)) == ["nonLabel"]
    assert manager.update(scene="contraband", scene_config=scene)
    smaller = saved(resized(photo(NAMES[0]), 0.5), "JPEG", quality=60)
    for content in (PHOTO, smaller):
        data = judged(caller, content)["Data"]
        assert ([one["Label"] for one in data["Result"]], data["RiskLevel"]) == (["contraband_drug_lib"], "high")
        assert data["Ext"]["CustomImage"] == [{"LibId": seized, "LibName": "seized", "ImageId": image}]
    assert manager.call("update_image_lib_free_inspection", service_code=SERVICE, config={brand: 1}).data
    assert labels(judged(caller, OTHER)) == ["nonLabel_lib"]

    # A copy begins as its source is, and goes its own way from there.
    assert manager.call(
        "copy_service_config", service_code=SERVICE, service_name="Shop photos", service_desc="shop"
    ).data
    copy = manager.services()[f"{SERVICE}_01"]
    assert (copy.copy_from, copy.service_name, copy.service_desc) == (SERVICE, "Shop photos", "shop")
    assert labels(judged(caller, PHOTO, copy.service_code)) == ["contraband_drug_lib"]
    manager.call("update_image_lib_free_inspection", service_code=copy.service_code, config={brand: 0, seized: 1})
    assert labels(judged(caller, PHOTO, copy.service_code)) == ["nonLabel_lib"]
    assert labels(judged(caller, OTHER, copy.service_code)) == ["nonLabel"]
    assert labels(judged(caller, PHOTO)) == ["contraband_drug_lib"]

    # Words are flagged, ignored and taken away again.
    slang = manager.call("add_keyword_lib", lib_name="slang", keywords="snow\nwhite rabbit\nsnow").data
    assert (slang.keywords_result.success_count, slang.keywords_result.repeat_count) == (2, 1)
    posts = "post_text_image_detection"
    manager.update(posts, keyword_hit_libs=[slang.lib_id])
    assert said(caller, "it will snow") == ["contraband_drug_tii_lib"]
    calm = manager.call("add_keyword_lib", lib_name="calm", keywords="will snow").data.lib_id
    manager.update(posts, keyword_filter_libs=[calm])
    assert said(caller, "it will snow") == ["nonLabel"]
    assert said(caller, "follow the white rabbit") == ["contraband_drug_tii_lib"]
    ids = manager.words(slang.lib_id)
    assert manager.call("delete_keyword", lib_id=slang.lib_id, keyword_ids=json.dumps([ids["white rabbit"]])).data
    assert said(caller, "follow the white rabbit") == ["nonLabel"]

    # What was answered can be found, commented on and counted.
    hit = judged(caller, PHOTO)
    found = manager.results({"RequestId": hit["RequestId"]})
    assert (found.total_count, found.items[0].labels, found.items[0].data_id) == (1, "contraband_drug_lib", "photo-1")
    assert found.items[0].result[0].confidence == "100.0"
    assert manager.call("update_scan_result_feedback", query_request_id=hit["RequestId"], feedback="missOut").data
    assert "missOut" in manager.results({"RequestId": hit["RequestId"]}).items[0].ext_feedback
    assert manager.call("delete_images_from_lib", lib_id=seized, image_ids=json.dumps([int(image)])).data
    assert labels(judged(caller, PHOTO)) == ["nonLabel"]
