"""Image libraries of the account: uploads by a form, pages, exemptions and limits."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
import requests
from managing import SERVICE, Manager, Refused
from photos import NAMES, PHOTOS, photo, resized, saved, with_code

from moderate_cli.common.environment import Environment
from moderate_cli.emulator import Emulator, Fault, image_libraries
from moderate_cli.emulator.conditions import UPLOAD
from moderate_cli.rules import read_rules

PHOTO, OTHER, THIRD = (PHOTOS[name].read_bytes() for name in NAMES[:3])


@pytest.fixture
def manager(emulator):
    return Manager(emulator)


@pytest.fixture
def library(manager):
    return manager.call("create_image_lib", lib_name="seized", comment="evidence").data.lib_id


def listed(manager, library, **parameters):
    return manager.call("list_images_from_lib", lib_id=library, **parameters)


def test_a_library_is_made_and_renamed(manager, library):
    one = manager.image_libraries()["seized"]
    assert (one.lib_id, one.comment, one.image_num, one.free_inspection) == (library, "evidence", 0, 0)
    manager.call("update_image_lib", lib_id=library, lib_name="扣押", free_inspection=1)
    one = manager.image_libraries()["扣押"]
    assert (one.lib_id, one.comment, one.free_inspection) == (library, "evidence", 1)
    assert manager.call("list_image_lib").max_lib_count == 10


def test_an_image_can_be_seen_where_answers_say(manager, library):
    image = manager.add(library, PHOTO)
    [item] = listed(manager, library).items
    assert item.image_id == image
    assert requests.get(item.image_url, timeout=10).content == PHOTO
    assert requests.get(item.thumbnail_url, timeout=10).content == PHOTO
    assert manager.image_libraries()["seized"].image_num == 1
    for url in (item.image_url.partition("?")[0], item.image_url[:-1] + "?", item.image_url.replace(image, "1")):
        assert requests.get(url, timeout=10).status_code == 403
    manager.call("delete_images_from_lib", lib_id=library, image_ids=json.dumps([image]))
    assert requests.get(item.image_url, timeout=10).status_code == 404
    assert listed(manager, library).total_count == 0


def test_pages_and_filters(manager, library, clock):
    images = []
    for content in (PHOTO, OTHER, THIRD, PHOTO):
        images.append(manager.add(library, content))
        clock.offset += 60
    assert len(set(images)) == 4
    pages = [listed(manager, library, current_page=number, page_size=3) for number in (1, 2, 3)]
    assert [[item.image_id for item in page.items] for page in pages] == [images[:0:-1], images[:1], []]
    assert [(page.total_count, page.page_size, page.current_page) for page in pages] == [
        (4, 3, 1),
        (4, 3, 2),
        (4, 3, 3),
    ]
    oldest_first = [item.image_id for item in listed(manager, library, sort={"GmtCreate": "asc"}).items]
    assert oldest_first == images
    assert [item.image_id for item in listed(manager, library, img_id=images[1]).items] == [images[1]]
    times = [item.gmt_create for item in listed(manager, library).items]
    found = listed(manager, library, start_date=times[2], end_date=times[1]).items
    assert [item.image_id for item in found] == images[2:0:-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"current_page": 0},
        {"current_page": "x"},
        {"page_size": 1001},
        {"page_size": "9" * 30},
        {"start_date": "yesterday"},
        {"sort": {"Name": "asc"}},
        {"sort": {"GmtCreate": "up"}},
        {"lib_id": "gone"},
        {"lib_id": ""},
    ],
)
def test_wrong_pages(manager, library, wrong):
    with pytest.raises(Refused):
        manager.call("list_images_from_lib", **{"lib_id": library} | wrong)


def test_exemptions_are_of_a_service(manager, library, caller):
    other = manager.call("create_image_lib", lib_name="brand").data.lib_id
    manager.add(library, PHOTO)
    assert manager.call("update_image_lib_free_inspection", service_code=SERVICE, config={library: 1, other: 0}).data
    states = {service: manager.image_libraries(service)["seized"].free_inspection for service in (SERVICE, "aigcCheck")}
    assert states == {SERVICE: 1, "aigcCheck": 0}
    assert manager.image_libraries()["seized"].free_inspection == 0
    # What the library says is for the services that say nothing.
    manager.call("update_image_lib", lib_id=library, lib_name="seized", free_inspection=1)
    manager.call("update_image_lib_free_inspection", service_code=SERVICE, config={library: 0})
    states = {service: manager.image_libraries(service)["seized"].free_inspection for service in (SERVICE, "aigcCheck")}
    assert states == {SERVICE: 0, "aigcCheck": 1}
    caller.emulator.state.objects.put("bucket", "image", PHOTO)
    where = {"ossBucketName": "bucket", "ossObjectName": "image"}
    data = caller.service("ImageBatchModeration", f"{SERVICE},aigcCheck", **where).body["Data"]
    assert [part["Result"][0]["Label"] for part in data["Results"]] == ["nonLabel", "nonLabel_lib"]


def test_an_exempt_image_must_be_the_same_all_over(manager, library, caller):
    manager.add(library, PHOTO)
    manager.call("update_image_lib_free_inspection", service_code=SERVICE, config={library: 1})
    original = photo(NAMES[0])
    for picture, labels in ((resized(original, 0.5), ["nonLabel_lib"]), (with_code(original, 0.3), ["QRCode"])):
        found = caller.judge(saved(picture, "PNG")).body["Data"]["Result"]
        assert [one["Label"] for one in found] == labels


@pytest.mark.parametrize("config", [{}, {"gone": 1}, {"LIB": 2}])
def test_wrong_exemptions(manager, library, config):
    config = {name.replace("LIB", library): value for name, value in config.items()}
    with pytest.raises(Refused):
        manager.call("update_image_lib_free_inspection", service_code=SERVICE, config=config)


def test_the_limits_of_an_account(manager, library, monkeypatch):
    for number in range(9):
        manager.call("create_image_lib", lib_name=f"library {number}")
    with pytest.raises(Refused, match="10 image libraries"):
        manager.call("create_image_lib", lib_name="one more")
    monkeypatch.setattr(image_libraries, "MAX_IMAGES", 2)
    manager.add(library, PHOTO)
    manager.add(manager.image_libraries()["library 1"].lib_id, OTHER)
    with pytest.raises(Refused, match="2 images"):
        manager.add(library, THIRD)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no image", "no image|format|cannot"), (PHOTO + bytes(4 * 1024 * 1024), "larger than 4 MB")],
    ids=["text", "large"],
)
def test_what_is_no_image_of_a_library(manager, library, content, message):
    with pytest.raises(Refused, match=message):
        manager.add(library, content)
    assert manager.image_libraries()["seized"].image_num == 0


def test_what_was_not_uploaded_cannot_be_added(manager, library, clock):
    for key in ("upload/nothing.jpg", "https://example.com/photo.jpg"):
        with pytest.raises(Refused, match="no key of an uploaded image") as refused:
            manager.call("add_images_2lib", lib_id=library, img_url=key)
        assert refused.value.code == 404
    grant = manager.call("get_upload_info", name="photo.png", resource_type="image")
    manager.post(grant, PHOTO)
    clock.offset += 30 * 60
    with pytest.raises(Refused):
        manager.call("add_images_2lib", lib_id=library, img_url=grant.key)


@pytest.mark.parametrize("ids", ["", "[]x", "{}", '["gone"]', "[1.5]", "[158794, 1]"])
def test_wrong_images_are_not_removed(manager, library, ids):
    manager.add(library, PHOTO)
    with pytest.raises(Refused):
        manager.call("delete_images_from_lib", lib_id=library, image_ids=ids)
    assert listed(manager, library).total_count == 1


# --------------------------------------------------------------------------------------------- the upload by a form


def test_the_grant_of_an_upload(manager):
    grant = manager.call("get_upload_info", name="../私 photo.JPG", resource_type="image")
    assert grant.host == f"{manager.emulator.endpoint}/oss-cip-local"
    assert grant.key.startswith(grant.folder)
    assert grant.key.endswith(".JPG")
    assert (grant.folder[:7], grant.expire, grant.name) == ("upload/", 900, "../私 photo.JPG")
    policy = json.loads(base64.b64decode(grant.policy))
    assert ["starts-with", "$key", grant.folder] in policy["conditions"]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({}, 204, None),
        ({"success_action_status": "200"}, 200, None),
        ({"success_action_status": "999"}, 204, None),
        ({"OSSAccessKeyId": "other"}, 403, "InvalidAccessKeyId"),
        ({"x-oss-security-token": ""}, 403, "InvalidSecurityToken"),
        ({"Signature": "bm9uZQ=="}, 403, "SignatureDoesNotMatch"),
        ({"policy": "e30="}, 403, "SignatureDoesNotMatch"),
        ({"key": "elsewhere/a.png"}, 403, "AccessDenied"),
        ({"key": ""}, 400, "InvalidArgument"),
        ({"key": "FOLDER" + "x" * 1020}, 400, "InvalidObjectName"),
    ],
)
def test_forms(manager, changed, status, code):
    grant = manager.call("get_upload_info", name="a.png", resource_type="image")
    changed = {name: value.replace("FOLDER", grant.folder) for name, value in changed.items()}
    response = manager.post(grant, b"\r\n--content\r\n\x00", **changed)
    assert response.status_code == status
    assert (f"<Code>{code}</Code>" in response.text) if code else not response.content
    kept = manager.emulator.state.objects.get("oss-cip-local", grant.key)
    assert kept == (None if code else b"\r\n--content\r\n\x00")


def test_faults_of_uploads(manager, emulator):
    grant = manager.call("get_upload_info", name="a.png", resource_type="image")
    emulator.faults.add([Fault(operation=UPLOAD, status=503)])
    assert [manager.post(grant, b"content").status_code for _ in range(2)] == [503, 204]


def test_a_grant_expires(manager, clock):
    grant = manager.call("get_upload_info", name="a.png", resource_type="image")
    clock.offset += 901
    assert "Policy expired" in manager.post(grant, b"content").text


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b""),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\na\r\n--x--\r\n'),
    ],
)
def test_what_is_no_form(manager, kind, body):
    url = f"{manager.emulator.endpoint}/oss-cip-local"
    response = requests.post(url, data=body, headers={"Content-Type": kind}, timeout=10)
    assert response.status_code == 400


# --------------------------------------------------------------------------------------------- beginning with rules


@pytest.fixture
def rules(tmp_path):
    folder = tmp_path / "brand"
    folder.mkdir()
    for name in NAMES[:2]:
        (folder / name).write_bytes(PHOTOS[name].read_bytes())
    line = {"id": "line-1", "sha256": hashlib.sha256(THIRD).hexdigest(), "url": "https://example.com/1.png"}
    (tmp_path / "seized.jsonl").write_text(json.dumps(line))
    (tmp_path / "rules.yaml").write_text(
        """
version: 1
services:
  baselineCheck_global:
    exempt: [brand]
    image_libraries: {contraband_drug: [seized]}
    keyword_libraries: {contraband_drug_tii: [slang]}
    ignored_keywords: [harmless]
  baselineCheck_global_01:
    copy_of: baselineCheck_global
    title: Shop photos
    exempt: []
image_libraries:
  brand: {images: brand, comment: our own}
  seized: {images: seized.jsonl}
keyword_libraries:
  slang: {keywords: [snow, white rabbit]}
  harmless: {keywords: [is, a]}
"""
    )
    return read_rules(tmp_path / "rules.yaml", Environment())


def test_an_account_begins_with_the_rules(clock, rules, connect):
    with Emulator(clock, rules=rules) as emulator:
        manager = Manager(emulator)
        libraries = manager.image_libraries(SERVICE)
        assert {name: (one.image_num, one.free_inspection, one.comment) for name, one in libraries.items()} == {
            "brand": (2, 1, "our own"),
            "seized": (1, 0, ""),
        }
        copy = manager.services()["baselineCheck_global_01"]
        assert (copy.copy_from, copy.service_name) == (SERVICE, "Shop photos")
        assert manager.image_libraries("baselineCheck_global_01")["brand"].free_inspection == 0
        words = {name: (one.keyword_count, one.service_codes) for name, one in manager.keyword_libraries().items()}
        both = "baselineCheck_global,baselineCheck_global_01"
        assert words == {"slang": ("2", both), "harmless": ("2", both)}
        conf = manager.call("get_service_config", service_code=SERVICE).data.custom_service_conf
        assert (conf.keyword_filter_libs, conf.keyword_hit_libs) == (["harmless"], ["slang"])
        own = manager.scene("contraband")["LocalEngine"]
        assert own["image_libraries"] == {"contraband_drug": ["seized"]}
        images = {item.image_id: item.image_url for item in listed(manager, "brand").items}
        assert set(images) == set(NAMES[:2])
        assert requests.get(images[NAMES[0]], timeout=10).content == PHOTO
        assert listed(manager, "seized").items[0].image_url == "https://example.com/1.png"


def test_libraries_of_the_rules_change_too(clock, rules, connect):
    with Emulator(clock, rules=rules) as emulator:
        manager, caller = Manager(emulator), connect(emulator)

        def labels(content):
            return [one["Label"] for one in caller.judge(content).body["Data"]["Result"]]

        assert [labels(content) for content in (PHOTO, OTHER, THIRD)] == [
            ["nonLabel_lib"],
            ["nonLabel_lib"],
            ["contraband_drug_lib"],
        ]
        manager.call("delete_images_from_lib", lib_id="brand", image_ids=json.dumps([NAMES[0]]))
        manager.add("seized", PHOTO)
        manager.call("delete_images_from_lib", lib_id="seized", image_ids='["line-1"]')
        assert [labels(content) for content in (PHOTO, OTHER, THIRD)] == [
            ["contraband_drug_lib"],
            ["nonLabel_lib"],
            ["nonLabel"],
        ]
        caller.send("POST", "/_emulator/reset", b"", {"content-length": "0"})
        assert [labels(content) for content in (PHOTO, THIRD)] == [["nonLabel_lib"], ["contraband_drug_lib"]]
