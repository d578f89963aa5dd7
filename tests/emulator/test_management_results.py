"""Results of the account: searched, commented on and counted through the vendor's SDK."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from managing import SERVICE, Manager, Refused
from rule_builders import GUN, laying_down

from moderate_cli.emulator import Emulator
from moderate_cli.emulator.scan_results import ScanResults
from moderate_cli.rules import FixedFinding, FixedVerdict

CHINA = timezone(timedelta(hours=8))
SOURCE = {"ossBucketName": "bucket", "ossObjectName": "image"}
RULES = laying_down(
    FixedVerdict([GUN, FixedFinding("violent_explosion", 99.5)], name="bad-*"),
    FixedVerdict([FixedFinding("ad_compliance", 55.0)], name="so-so"),
    FixedVerdict([], name="*"),
)


class Noon:
    """A clock that a test turns; it begins at noon of a day in China."""

    def __init__(self):
        self.now = datetime(2026, 11, 28, 12, tzinfo=CHINA).timestamp()

    def __call__(self):
        return self.now


@pytest.fixture
def noon():
    return Noon()


@pytest.fixture
def emulator(noon):
    with Emulator(noon, rules=RULES) as running:
        running.state.objects.put("bucket", "image", b"content")
        yield running


@pytest.fixture
def manager(emulator, monkeypatch, noon):
    # The SDK dates what it signs by the clock of this machine.
    monkeypatch.setattr("alibabacloud_tea_openapi.utils.Utils.get_timestamp", lambda: _stamp(noon()))
    return Manager(emulator)


def _stamp(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def judged(caller, data_id, services=SERVICE):
    operation = "ImageBatchModeration" if "," in services else "ImageModeration"
    caller.emulator.state.objects.put("bucket", "image", b"content")
    body = caller.service(operation, services, dataId=data_id, **SOURCE).body
    assert body["Code"] == 200, body
    return body["RequestId"]


def text(seconds):
    return datetime.fromtimestamp(seconds, CHINA).strftime("%Y-%m-%d %H:%M:%S")


def names(data):
    return [item.data_id for item in data.items]


def test_a_result_has_what_the_sdk_reads(manager, caller, noon):
    request_id = judged(caller, "bad-1")
    [item] = manager.results().items
    assert (item.request_id, item.data_id, item.service_code) == (request_id, "bad-1", SERVICE)
    assert (item.labels, item.risk_level, item.resource_type) == ("violent_gun,violent_explosion", "high", "image")
    assert [(one.label, one.confidence) for one in item.result] == [
        ("violent_gun", "81.5"),
        ("violent_explosion", "99.5"),
    ]
    assert json.loads(item.scan_result)[0]["Label"] == "violent_gun"
    assert item.request_time == item.gmt_create == text(noon()) == "2026-11-28 12:00:00"


def test_queries(manager, caller):
    first, _, _, batch = (
        judged(caller, "bad-1"),
        judged(caller, "so-so"),
        judged(caller, "good"),
        judged(caller, "bad-2", f"{SERVICE},aigcCheck"),
    )
    queries = [
        ({}, ["bad-2", "bad-2", "good", "so-so", "bad-1"]),
        ({"RequestId": first}, ["bad-1"]),
        ({"requestId": batch}, ["bad-2", "bad-2"]),
        ({"DataId": "good"}, ["good"]),
        ({"ServiceCode": "aigcCheck"}, ["bad-2"]),
        ({"Labels": "ad_compliance, violent_gun", "ServiceCode": SERVICE}, ["bad-2", "so-so", "bad-1"]),
        ({"Labels": "!=nonLabel"}, ["bad-2", "bad-2", "so-so", "bad-1"]),
        ({"Labels": "!=nonLabel,!=violent_gun"}, ["so-so"]),
        ({"Labels": "nonLabel"}, ["good"]),
        ({"RiskLevel": "low"}, ["so-so"]),
        ({"DataId": "none"}, []),
    ]
    for query, found in queries:
        data = manager.results(query, page_size=100)
        assert (names(data), data.total_count) == (found, len(found)), query


def test_times_and_pages(manager, caller, noon):
    for number in range(5):
        judged(caller, f"good-{number}")
        noon.now += 60
    start = noon.now - 5 * 60
    found = manager.results(start_date=text(start + 60), end_date=text(start + 180))
    assert names(found) == ["good-3", "good-2", "good-1"]
    pages = [manager.results(current_page=number, page_size=2) for number in (1, 2, 3, 4)]
    assert [names(page) for page in pages] == [["good-4", "good-3"], ["good-2", "good-1"], ["good-0"], []]
    assert {page.total_count for page in pages} == {5}
    assert names(manager.results(sort={"RequestTime": "asc"}, page_size=2)) == ["good-0", "good-1"]
    noon.now = start + 30 * 24 * 3600 + 90
    assert names(manager.results()) == ["good-4", "good-3", "good-2"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"query": {"Colour": "red"}},
        {"start_date": "2026-11-28"},
        {"page_size": -1},
        {"sort": {"Labels": "asc"}},
        {"resource_type": "text"},
    ],
)
def test_wrong_queries(manager, wrong):
    with pytest.raises(Refused):
        manager.call("get_scan_result", **wrong)


def test_queued_images_and_posts_are_results_too(manager, caller):
    req_id = caller.submit(b"content", dataId="bad-1")
    caller.result(req_id)
    main = {"mainContent": "hello", "mainImages": [SOURCE]}
    comments = [{"content": "ok", "images": [SOURCE | {"dataId": "bad"}]}]
    post = caller.service(
        "MultimodalAsyncModeration", "post_text_image_detection", mainData=main, commentDatas=comments, dataId="post-1"
    ).body["Data"]["ReqId"]
    caller.result(post, "DescribeMultimodalModerationResult")
    found = {item.request_id: item for item in manager.results().items}
    assert (found[req_id].data_id, found[req_id].labels) == ("bad-1", "violent_gun,violent_explosion")
    assert (found[post].data_id, found[post].service_code) == ("post-1", "post_text_image_detection")


def test_feedback(manager, caller):
    request_id = judged(caller, "so-so", f"{SERVICE},aigcCheck")
    call = {"query_request_id": request_id, "feedback": "missOut", "labels": "violent_gun", "risk_level": "high"}
    assert manager.call("update_scan_result_feedback", **call).data
    said = {"Feedback": "missOut", "Labels": "violent_gun", "RiskLevel": "high"}
    assert [json.loads(item.ext_feedback) for item in manager.results().items] == [said, said]
    for wrong in ({"query_request_id": "gone"}, {"feedback": ""}):
        # This operation has no code in its body, so the gateway tells.
        with pytest.raises(Refused) as refused:
            manager.call("update_scan_result_feedback", **call | wrong)
        assert refused.value.code == 400


def test_usage_by_day_and_by_month(manager, caller, noon):
    for data_id, services in (("bad-1", SERVICE), ("good", SERVICE), ("so-so", f"{SERVICE},aigcCheck")):
        judged(caller, data_id, services)
    noon.now += 3 * 24 * 3600
    judged(caller, "bad-2")
    span = {"start_date": text(noon.now - 10 * 24 * 3600), "end_date": text(noon.now)}
    data = manager.call("get_cip_stats", type="cip", by_month=False, **span).data
    assert data.x == ["2026-11-28", "2026-12-01"]
    assert {series.name: series.data for series in data.y} == {SERVICE: [3, 1], "aigcCheck": [1, 0]}
    assert {series.name: series.data for series in data.z} == {SERVICE: [2, 1], "aigcCheck": [1, 0]}
    assert data.total_stat == {SERVICE: {"Total": 4, "Share": "80.00%"}, "aigcCheck": {"Total": 1, "Share": "20.00%"}}
    chart = {chart.service_code: chart for chart in data.label_stat_chart}[SERVICE]
    assert (chart.total_count, chart.x) == (4, ["2026-11-28", "2026-12-01"])
    assert {series.name: series.data for series in chart.y} == {"hit": [2, 1], "nonLabel": [1, 0]}
    assert [(part.name, part.value) for part in chart.tree_chart][:2] == [
        ("violent_gun", "2"),
        ("violent_explosion", "2"),
    ]
    data = manager.call("get_cip_stats", by_month=True, service_code=SERVICE, **span).data
    assert (data.x, [(series.name, series.data) for series in data.y]) == (["2026-11", "2026-12"], [(SERVICE, [3, 1])])
    data = manager.call("get_cip_stats", type="risk_level", **span).data
    assert {series.name: sum(series.data) for series in data.y} == {"high": 2, "none": 1, "low": 2}
    empty = manager.call("get_cip_stats", type="cip", start_date=text(0), end_date=text(60)).data
    assert (empty.x, empty.y, empty.label_stat_chart) == ([], [], [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "prompt_attack"},
        {"start_date": ""},
        {"end_date": ""},
        {"end_date": "2027-01-30 00:00:00"},
        {"end_date": "2026-10-30 00:00:00"},
    ],
)
def test_wrong_statistics(manager, wrong):
    span = {"start_date": "2026-11-01 00:00:00", "end_date": "2026-11-30 00:00:00"}
    with pytest.raises(Refused):
        manager.call("get_cip_stats", **span | wrong)


def test_the_newest_results_are_kept():
    kept = ScanResults(lambda: 1000.0, 3)
    for number in range(5):
        kept.add(f"id-{number}", ["a"], "", {"DataId": str(number), "Result": [{"Label": "nonLabel"}]})
    assert [result.data_id for result in kept.between(None, None, 60)] == ["2", "3", "4"]
    assert kept.count() == 3
    kept.add("id-6", ["a"], "", {"Result": [], "Ext": {"TextInImage": "x" * 5000, "LocalEngine": {}}})
    kept.add("id-7", ["a"], "", {"Result": None, "Ext": None})
    assert [result.ext for result in kept.between(None, None, 60)] == ["", "", ""]
