"""The vendor's SDK sets up an account on the emulator, whose verdicts follow."""

from __future__ import annotations

import hashlib
import json

import pytest
import requests
from managing import SERVICE, Manager
from photos import NAMES, PHOTOS, photo, resized, saved

from moderate_cli.emulator import Emulator, Fetch

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


RULES = """
version: 1
services:
  baselineCheck_global: {exempt: [brand]}
  baselineCheck_global_01: {copy_of: baselineCheck_global, title: Shop photos}
  post_text_image_detection: {flagged_keywords: [slang], ignored_keywords: [calm]}
image_libraries:
  seized: {images: seized, comment: evidence}
  brand: {images: brand}
keyword_libraries:
  slang: {keywords: [snow, white rabbit]}
  calm: {keywords: [will snow]}
"""
POSTS = "post_text_image_detection"


def by_the_sdk(emulator, caller):
    """Set an account up and ask it, operation by operation."""
    manager = Manager(emulator)
    seized = manager.call("create_image_lib", lib_name="seized", comment="evidence").data.lib_id
    brand = manager.call("create_image_lib", lib_name="brand", comment="").data.lib_id
    manager.add(seized, PHOTO)
    manager.add(brand, OTHER)
    manager.call("update_image_lib_free_inspection", service_code=SERVICE, config={brand: 1})
    manager.call("copy_service_config", service_code=SERVICE, service_name="Shop photos", service_desc="")
    slang = manager.call("add_keyword_lib", lib_name="slang", keywords="snow\nwhite rabbit").data.lib_id
    calm = manager.call("add_keyword_lib", lib_name="calm", keywords="will snow").data.lib_id
    manager.update(POSTS, keyword_hit_libs=[slang], keyword_filter_libs=[calm])
    ids = manager.words(slang)
    manager.call("delete_keyword", lib_id=slang, keyword_ids=json.dumps([ids["white rabbit"]]))
    scene = manager.scene("contraband")
    scene["LocalEngine"]["image_libraries"] = {"contraband_drug": [seized]}
    manager.update(scene="contraband", scene_config=scene)
    hit = judged(caller, PHOTO)
    manager.call("update_scan_result_feedback", query_request_id=hit["RequestId"], feedback="missOut")


def by_our_commands(emulator, moderate, folder):
    """Do the same by a rules file and the commands of `moderate console`."""
    key = emulator.access_key
    variables = {
        "MODERATE_ENDPOINT": emulator.endpoint,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.access_key_secret,
        "MODERATE_STORE": str(folder / "store.db"),
    }

    def run(*arguments):
        done = moderate(*arguments, variables=variables)
        assert done.code == 0, done.stderr
        return done.stdout

    for library, content in (("seized", PHOTO), ("brand", OTHER)):
        (folder / library).mkdir()
        (folder / library / "photo.png").write_bytes(content)
    (folder / "rules.yaml").write_text(RULES)
    run("console", "apply", folder / "rules.yaml", "--yes")
    run("console", "keywords", "slang", "remove", "white rabbit", "--yes")
    scene = json.loads(run("console", "scope", SERVICE, "contraband"))
    scene["LocalEngine"]["image_libraries"] = {
        "contraband_drug": [Manager(emulator).image_libraries()["seized"].lib_id]
    }
    (folder / "scene.json").write_text(json.dumps(scene))
    run("console", "scope", SERVICE, "contraband", "--put", folder / "scene.json", "--yes")
    record = json.loads(run("sync", folder / "seized", "--data-id-from", "name", "-f", "jsonl"))
    assert [label["label"] for label in record["labels"]] == ["contraband_drug_lib"]
    run("console", "feedback", record["request_id"], "missed")
    assert record["request_id"] in run("console", "results", "-f", "jsonl")
    assert json.loads(run("console", "usage", "-f", "json"))["calls"] == 1


def state_of(emulator):
    """Return all that an account has, with names in place of ids."""
    manager = Manager(emulator)
    libraries, words = manager.image_libraries(), manager.keyword_libraries()
    names = {each.lib_id: name for name, each in (libraries | words).items()}
    copies = {code: service for code, service in manager.services().items() if service.copy_from}
    scene = json.dumps(manager.scene("contraband"), sort_keys=True)
    for number, name in names.items():
        scene = scene.replace(json.dumps(number), json.dumps(name))
    found = manager.results().items
    return {
        "copies": {code: (service.copy_from, service.service_name) for code, service in copies.items()},
        "images": {
            (service, name): (each.comment, each.image_num, each.free_inspection)
            for service in (SERVICE, *copies)
            for name, each in manager.image_libraries(service).items()
        },
        "contents": {
            name: [
                hashlib.sha256(requests.get(image.image_url, timeout=10).content).hexdigest()
                for image in manager.call("list_images_from_lib", lib_id=each.lib_id, page_size=100).items
            ]
            for name, each in libraries.items()
        },
        "words": {name: sorted(manager.words(each.lib_id)) for name, each in words.items()},
        "bindings": {
            service: [
                [names[number] for number in bound]
                for configured in [manager.call("get_service_config", service_code=service, resource_type="image").data]
                for bound in (
                    configured.custom_service_conf.keyword_filter_libs,
                    configured.custom_service_conf.keyword_hit_libs,
                )
            ]
            for service in (SERVICE, *copies, POSTS)
        },
        "scene": scene,
        "results": [
            (item.service_code, item.labels, item.risk_level, "missOut" in item.ext_feedback) for item in found
        ],
    }


def test_our_commands_end_in_the_same_state_as_the_sdk(only_codes, connect, moderate, tmp_path):
    with Emulator(fetch=Fetch.PRIVATE) as theirs, Emulator() as ours:
        by_the_sdk(theirs, connect(theirs))
        by_our_commands(ours, moderate, tmp_path)
        state = state_of(ours)
        assert state == state_of(theirs)
    assert state["copies"] == {f"{SERVICE}_01": (SERVICE, "Shop photos")}
    assert (state["words"], len(state["results"])) == ({"slang": ["snow"], "calm": ["will snow"]}, 1)
