"""Services of the account: lists, copies, names, and configurations that go round as they came."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from managing import SERVICE, Manager, Refused

from moderate_cli.catalog.services import services
from moderate_cli.emulator import Emulator, Fault

OPAQUE = {"scopes": [{"name": "下注", "on": True, "score": 61.5}], "empty": {}, "none": None}


@pytest.fixture
def manager(emulator):
    return Manager(emulator)


def test_the_services_of_the_catalog_are_listed(manager):
    found = manager.services()
    assert set(found) == set(services())
    one = found[SERVICE]
    assert (one.service_name, one.copy_from, one.use_status) == (SERVICE, None, "in")
    assert (one.custom_service_conf.keyword_filter_libs, one.custom_service_conf.keyword_hit_libs) == ([], [])
    assert manager.call("list_service_configs", use_status="out").data == []


def test_copies_are_numbered_and_named(manager):
    for title in ("Shop", "Forum"):
        manager.call("copy_service_config", service_code=SERVICE, service_name=title, resource_type="image")
    manager.call("copy_service_config", service_code=f"{SERVICE}_01", service_name="Copy of a copy")
    manager.call("modify_service_info", service_code=f"{SERVICE}_02", service_name="论坛", service_desc="Fotos")
    copies = {code: (one.service_name, one.copy_from) for code, one in manager.services().items() if one.copy_from}
    assert copies == {
        f"{SERVICE}_01": ("Shop", SERVICE),
        f"{SERVICE}_02": ("论坛", SERVICE),
        f"{SERVICE}_03": ("Copy of a copy", f"{SERVICE}_01"),
    }


def test_there_are_as_many_copies_as_two_digits_can_count(manager):
    for _ in range(99):
        manager.call("copy_service_config", service_code=SERVICE, service_name="Shop")
    with pytest.raises(Refused, match="99 copies"):
        manager.call("copy_service_config", service_code=SERVICE, service_name="Shop")


def test_what_has_no_documented_shape_goes_round(manager):
    assert manager.update(scene="pornographic", scene_config=OPAQUE)
    assert manager.update(service_config={"all": [1]})
    assert manager.update(manual_machine_config={"Enable": True, "AuditRiskLevels": ["high"]})
    assert manager.scene("pornographic") == OPAQUE
    assert manager.scene("") == {"all": [1]}
    assert set(manager.scene("violent")) == {"LocalEngine"}
    assert manager.scene("pornographic", by_default=True) != OPAQUE
    conf = manager.call("get_service_config", service_code=SERVICE).data.custom_service_conf
    assert (conf.manual_machine_config.enable, conf.manual_machine_config.audit_risk_levels) == (True, ["high"])
    # A copy takes it along, and another service has none of it.
    manager.call("copy_service_config", service_code=SERVICE, service_name="Shop")
    assert manager.scene("pornographic", f"{SERVICE}_01") == OPAQUE
    assert manager.scene("pornographic", "baselineCheck") != OPAQUE


def test_a_dry_run_checks_and_changes_nothing(manager):
    library = manager.call("add_keyword_lib", lib_name="slang").data.lib_id
    before = manager.scene("pornographic")
    assert manager.update(scene="pornographic", scene_config=OPAQUE, keyword_hit_libs=[library], dry_run=True)
    assert manager.scene("pornographic") == before
    assert manager.services()[SERVICE].custom_service_conf.keyword_hit_libs == []
    with pytest.raises(Refused, match="no keyword library 'gone'"):
        manager.update(keyword_hit_libs=["gone"], dry_run=True)


def test_what_is_not_given_stays(manager):
    first, second = (manager.call("add_keyword_lib", lib_name=name).data.lib_id for name in ("a", "b"))
    manager.update(keyword_hit_libs=[first, second, first], keyword_filter_libs=[second])
    manager.update(keyword_filter_libs=[])
    conf = manager.call("get_service_config", service_code=SERVICE).data.custom_service_conf
    assert (conf.keyword_hit_libs, conf.keyword_filter_libs) == ([first, second], [])
    assert manager.keyword_libraries()["a"].service_codes == SERVICE


def test_the_preprocessing_of_words(manager):
    first, second = (manager.call("add_keyword_lib", lib_name=name).data.lib_id for name in ("a", "b"))
    steps = [({first: ["fps"], second: ["fps"]}, (["fps"], ["fps"])), ({first: []}, ([], ["fps"])), ({}, ([], []))]
    for given, kept in steps:
        manager.update(keyword_lib_process_conf=given)
        found = manager.keyword_libraries()
        assert (found["a"].preprocess_list, found["b"].preprocess_list) == kept


def test_our_part_of_a_scene_is_as_a_rules_file_has_it(manager, caller, draw):
    scene = manager.scene("QRCode")
    assert scene == {
        "LocalEngine": {
            "labels": {"QRCode": {"medium": 60.0, "high": 90.0}},
            "image_libraries": {},
            "keyword_libraries": {},
        }
    }
    content = draw.encoded(draw.code("QRCode", "hello"))
    assert caller.judge(content).body["Data"]["RiskLevel"] == "high"
    for scope, labels in (("off", ["nonLabel"]), ("on", ["QRCode"])):
        manager.update(scene="QRCode", scene_config={"LocalEngine": {"labels": {"QRCode": scope}}, "more": 1})
        assert [one["Label"] for one in caller.judge(content).body["Data"]["Result"]] == labels
        assert manager.scene("QRCode")["more"] == 1
    # Without our part what is found stays as it is set.
    manager.update(scene="QRCode", scene_config={"LocalEngine": {"labels": {"QRCode": "off"}}})
    manager.update(scene="QRCode", scene_config={"more": 2})
    assert [one["Label"] for one in caller.judge(content).body["Data"]["Result"]] == ["nonLabel"]
    assert manager.scene("QRCode", by_default=True)["LocalEngine"]["labels"]["QRCode"]["high"] == 90


def test_words_of_a_scene_are_flagged_and_no_more(manager):
    drug, other = (manager.call("add_keyword_lib", lib_name=name).data.lib_id for name in ("a", "b"))
    manager.update(keyword_hit_libs=[other])
    bound = {"LocalEngine": {"keyword_libraries": {"contraband_drug_tii": [drug]}}}
    manager.update(scene="contraband", scene_config=bound)
    conf = manager.services()[SERVICE].custom_service_conf
    assert conf.keyword_hit_libs == [other, drug]
    manager.update(scene="contraband", scene_config={"LocalEngine": {}})
    assert manager.services()[SERVICE].custom_service_conf.keyword_hit_libs == [other]


def test_the_labels_of_a_service_by_scene(manager):
    data = manager.call("get_image_scene_label_list_conf", image_service_code=SERVICE).data
    found = {part["Scene"]: [label["Label"] for label in part["Labels"]] for part in data}
    assert "contraband_drug" in found["contraband"]
    assert all(label.startswith(scene) for scene, labels in found.items() for label in labels)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "nothing to change"),
        ({"scene_config": {}}, "Scene is empty"),
        ({"scene": "violent", "scene_config": "{"}, "SceneConfig is not the JSON"),
        ({"scene": "violent", "scene_config": "[" * 5_000}, "SceneConfig is not the JSON"),
        ({"scene": "violent", "scene_config": "[]"}, "SceneConfig is not the JSON"),
        ({"scene": "violent", "scene_config": '{"a":' * 101 + "1" + "}" * 101}, "more than 100 levels"),
        ({"scene": "violent", "scene_config": json.dumps({"a": "x" * 1024 * 1024})}, "longer than"),
        ({"scene": "violent", "scene_config": {"LocalEngine": {"label": {}}}}, "unknown field"),
        ({"scene": "violent", "scene_config": {"LocalEngine": {"labels": {"QRCode": "off"}}}}, "no label of the scene"),
        (
            {"scene": "violent", "scene_config": {"LocalEngine": {"labels": {"violent_x": {"medium": 95}}}}},
            "above the high one",
        ),
        (
            {"scene": "violent", "scene_config": {"LocalEngine": {"image_libraries": {"violent_x": ["gone"]}}}},
            "no image library 'gone'",
        ),
        ({"keyword_filter_libs": ["gone"]}, "no keyword library 'gone'"),
        ({"keyword_filter_libs": {"a": 1}}, "KeywordFilterLibs is not the JSON"),
        ({"keyword_lib_process_conf": {"gone": []}}, "no keyword library 'gone'"),
        ({"video_config": {}}, "no VideoConfig"),
        ({"service": "nothing", "service_config": {}}, "no service 'nothing'"),
        ({"service": "", "service_config": {}}, "ServiceCode is empty"),
        ({"service_config": {}, "dry_run": "perhaps"}, "DryRun is neither"),
    ],
)
def test_what_is_refused(manager, changed, message):
    before = manager.services()[SERVICE].to_map()
    with pytest.raises(Refused, match=message) as refused:
        manager.update(**changed)
    assert refused.value.code in (400, 404)
    assert manager.services()[SERVICE].to_map() == before


def test_other_resources_are_refused(manager):
    with pytest.raises(Refused, match="ResourceType"):
        manager.call("list_service_configs", resource_type="text")


@pytest.mark.parametrize(("commodity", "bought"), [("lvwang_public_cn", True), ("something_else", False)])
def test_what_was_bought(manager, commodity, bought):
    data = manager.call("get_user_buy_status", commodity_code=commodity).data
    assert (data.buy, data.indebt) == (bought, False)


@pytest.mark.parametrize(
    ("version", "action", "code"),
    [
        ("2022-09-26", "ImageModeration", "InvalidAction.NotFound"),
        ("2022-03-02", "ListImageLib", "InvalidAction.NotFound"),
        ("2022-09-26", "DeleteImageLib", "InvalidAction.NotFound"),
        ("2020-01-01", "ListImageLib", "InvalidVersion"),
    ],
)
def test_each_version_has_its_operations(caller, version, action, code):
    assert caller.call(action, signed={"x-acs-version": version}).body["Code"] == code


def test_a_reset_brings_back_the_beginning(manager, emulator, caller):
    manager.call("copy_service_config", service_code=SERVICE, service_name="Shop")
    manager.call("create_image_lib", lib_name="seized")
    manager.call("add_keyword_lib", lib_name="slang", keywords="snow\nrain")
    state = caller.send("GET", "/_emulator/state", b"", {}).body
    assert state["account"] == {
        "copies": 1,
        "image_libraries": 1,
        "images": 0,
        "keyword_libraries": 1,
        "keywords": 2,
    }
    caller.send("POST", "/_emulator/reset", b"", {"content-length": "0"})
    assert f"{SERVICE}_01" not in manager.services()
    assert (manager.image_libraries(), manager.keyword_libraries()) == ({}, {})


def test_faults_reach_these_operations_too(manager, emulator):
    emulator.faults.add([Fault(operation="ListImageLib", code=500, message="a system error occurred")])
    with pytest.raises(Refused, match="a system error"):
        manager.call("list_image_lib")
    assert manager.call("list_image_lib").success


def test_many_at_once_lose_nothing(emulator):
    managers = [Manager(emulator) for _ in range(4)]
    library = managers[0].call("add_keyword_lib", lib_name="slang").data.lib_id

    def add(number):
        managers[number % 4].call("add_keywords", lib_id=library, keywords=f"word {number}")
        managers[number % 4].call("copy_service_config", service_code=SERVICE, service_name=str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(20)))
    assert len(managers[0].words(library)) == 20
    assert sorted(one.service_name for one in managers[0].services().values() if one.copy_from) == sorted(
        map(str, range(20))
    )


def test_another_emulator_has_another_account(manager, clock):
    manager.call("create_image_lib", lib_name="seized")
    with Emulator(clock) as other:
        assert Manager(other).image_libraries() == {}
