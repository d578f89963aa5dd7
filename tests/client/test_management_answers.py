"""What the management client makes of answers: good ones, odd ones, and those that nobody can read."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from moderate_cli.client import (
    Credentials,
    KeywordsResult,
    ManagementClient,
    OutcomeUnknownError,
    RateLimits,
    Retrier,
    RetryPolicy,
    ServiceError,
)

URL = "https://green-cip.cn-shanghai.aliyuncs.com/"
TIME = {"since": datetime(2026, 3, 1, tzinfo=UTC), "until": datetime(2026, 3, 2, tzinfo=UTC)}
ENVELOPE = {"Code": 200, "Msg": "OK", "RequestId": "R", "Success": True}
SERVICE = {"ServiceCode": "baselineCheck", "ServiceName": "基线检测", "ServiceDesc": "d", "ServiceType": "plus"}
COPY = {"ServiceCode": "baselineCheck_01", "ServiceName": "Shop", "CopyFrom": "baselineCheck", "ServiceDesc": None}
LIBRARY = {"LibId": 12, "LibName": "图库", "Comment": "ours", "ImageNum": "3", "FreeInspection": 1}
IMAGE = {"ImageId": "158794", "ImageUrl": "https://x/y.jpg?sig", "GmtCreate": "2026-03-01 10:00:00"}
WORDS = {"LibId": "k1", "LibName": "slang", "KeywordCount": "500", "ServiceCodes": "a, b"}
WORD = {"Id": 16754493, "KeywordMd5Id": 7, "Word": "毒品"}
RESULT = {
    "RequestId": "A",
    "ServiceCode": "baselineCheck",
    "Labels": "violent_explosion",
    "ImageUrl": "https://x/1?s=1",
}
COUNTS = {"SuccessCount": 2, "RepeatCount": 1, "InvalidCount": 3, "InvalidKeywords": ["<a>"]}
COUNTS |= {"IllegalLengthKeywords": ["long" * 9]}

Call = Callable[[ManagementClient], Any]


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _client() -> ManagementClient:
    clock = Clock()
    return ManagementClient(
        Credentials("AKID", "AKSECRET"),
        region="cn-shanghai",
        retrier=Retrier(RetryPolicy(retries=3), sleep=clock.sleep),
        limits=RateLimits(monotonic=lambda: clock.now, sleep=clock.sleep),
    )


def _answer(call: Call, *bodies: Any) -> Any:
    """Return what a call returns for some bodies, of which the last is given for ever."""
    given = itertools.chain(bodies, itertools.repeat(bodies[-1]))

    def reply(_request: Any) -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps(next(given))

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock, _client() as client:
        mock.add_callback(responses.POST, URL, reply)
        found = call(client)
        return list(found) if isinstance(found, Iterator) else found


READS: dict[str, tuple[Call, dict[str, Any], Any]] = {
    "services": (
        lambda client: [(s.code, s.name, s.description, s.copy_of, s.kind) for s in client.services()],
        {"Data": [SERVICE, COPY]},
        [
            ("baselineCheck", "基线检测", "d", None, "plus"),
            ("baselineCheck_01", "Shop", "", "baselineCheck", None),
        ],
    ),
    "bindings": (
        lambda client: client.service("s"),
        {"Data": {"CustomServiceConf": {"KeywordFilterLibs": ["k1", 7], "KeywordHitLibs": None}}},
        {"ignored": ("k1", "7"), "flagged": ()},
    ),
    "no bindings": (lambda client: client.service("s"), {"Data": {"Uid": "1"}}, {"ignored": (), "flagged": ()}),
    "scope": (
        lambda client: client.scope("s", "pornographic"),
        {"CustomServiceConf": {"x": [1]}, "Option": {}},
        {"CustomServiceConf": {"x": [1]}, "Option": {}},
    ),
    "scene labels": (lambda client: client.scene_labels("s"), {"Data": [{"a": 1}, "b"]}, [{"a": 1}, "b"]),
    "image libraries": (
        lambda client: client.image_libraries(),
        {"LibList": [LIBRARY], "MaxLibCount": 10},
        [{"id": "12", "name": "图库", "comment": "ours", "images": 3, "exempt": True}],
    ),
    "image libraries without exemptions": (
        lambda client: [library.exempt for library in client.image_libraries()],
        {"LibList": [LIBRARY | {"FreeInspection": "0", "LibId": "1"}, LIBRARY | {"FreeInspection": None}]},
        [False, None],
    ),
    "images": (
        lambda client: client.library_images("7"),
        {"Items": [IMAGE], "TotalCount": 1},
        [{"id": "158794", "url": "https://x/y.jpg?sig", "created": "2026-03-01 10:00:00"}],
    ),
    "keyword libraries": (
        lambda client: client.keyword_libraries(),
        {"Data": [WORDS]},
        [{"id": "k1", "name": "slang", "keywords": 500, "services": ("a", "b")}],
    ),
    "keyword libraries of services as a list": (
        lambda client: [library.services for library in client.keyword_libraries()],
        {"Data": [WORDS | {"ServiceCodes": '["a","b"]'}, WORDS | {"LibId": "k2", "ServiceCodes": None}]},
        [("a", "b"), ()],
    ),
    "keywords": (
        lambda client: client.keywords("k1"),
        {"Data": {"Items": [WORD], "TotalCount": 1}},
        [{"id": "16754493", "word": "毒品"}],
    ),
    "usage": (lambda client: client.usage(**TIME), {"Data": {"X": ["2026-03"]}}, {"X": ["2026-03"]}),
    "activated": (
        lambda client: client.buy_status("c"),
        {"Data": {"Buy": True, "Indebt": False, "InstanceId": "i"}},
        {"bought": True, "in_debt": False, "instance": "i"},
    ),
    "overdue": (
        lambda client: client.buy_status("c"),
        {"Data": {"Buy": "false", "Indebt": "true"}},
        {"bought": False, "in_debt": True, "instance": None},
    ),
    "results": (
        lambda client: [page.items for page in client.results(**TIME)],
        {"Data": {"Items": [RESULT], "TotalCount": 1}},
        [(RESULT,)],
    ),
    "a new image library": (lambda client: client.create_image_library("n", ""), {"Data": {"LibId": 12}}, "12"),
    "a new keyword library": (lambda client: client.create_keyword_library("n"), {"Data": {"LibId": "k"}}, "k"),
    "added keywords": (
        lambda client: asdict(client.add_keywords("k", ["a"])),
        {"Data": {"LibId": "k", "KeywordsResult": COUNTS}},
        {"added": 2, "repeated": 1, "refused": 3, "invalid": ("<a>",), "wrong_length": ("long" * 9,)},
    ),
    "done": (lambda client: client.rename_service("s", "t", "d"), {"Data": True}, None),
    "done, in words": (lambda client: client.rename_service("s", "t", "d"), {"Data": "True"}, None),
}


def _plain(value: Any) -> Any:
    """Return types as dicts, without what the API said."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if hasattr(value, "raw"):
        return {name: field for name, field in asdict(value).items() if name != "raw"}
    return value


@pytest.mark.parametrize("envelope", [ENVELOPE, {}, {"Code": "200"}, {"HttpStatusCode": 200, "Success": "true"}])
@pytest.mark.parametrize(("call", "body", "expected"), READS.values(), ids=READS)
def test_good_answers(call: Call, body: dict[str, Any], expected: Any, envelope: dict[str, Any]) -> None:
    assert _plain(_answer(call, envelope | body)) == expected


def test_what_the_api_said_is_kept() -> None:
    assert _answer(lambda client: client.services(), {"Data": [SERVICE]})[0].raw == SERVICE
    assert _answer(lambda client: client.image_libraries(), {"LibList": [LIBRARY]})[0].raw == LIBRARY
    body = {"Data": {"Items": [WORD], "TotalCount": 1}}
    assert _answer(lambda client: client.keywords("k"), body)[0].raw == WORD


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (lambda client: client.services(), {}),
        (lambda client: client.services(), {"Data": {}}),
        (lambda client: client.services(), {"Data": ["baselineCheck"]}),
        (lambda client: client.services(), {"Data": [COPY | {"ServiceCode": ""}]}),
        (lambda client: client.services(), {"Data": [COPY | {"ServiceCode": True}]}),
        (lambda client: client.services(), {"Data": [COPY | {"ServiceName": ["a"]}]}),
        (lambda client: client.service("s"), {}),
        (lambda client: client.service("s"), {"Data": [1]}),
        (lambda client: client.service("s"), {"Data": {"CustomServiceConf": "x"}}),
        (lambda client: client.service("s"), {"Data": {"CustomServiceConf": {"KeywordHitLibs": "k1"}}}),
        (lambda client: client.service("s"), {"Data": {"CustomServiceConf": {"KeywordHitLibs": [None]}}}),
        (lambda client: client.service("s"), {"Data": {"CustomServiceConf": {"KeywordHitLibs": False}}}),
        (lambda client: client.scope("s", "x"), {}),
        (lambda client: client.scene_labels("s"), {"Data": {}}),
        (lambda client: client.image_libraries(), {"Data": []}),
        (lambda client: client.image_libraries(), {"LibList": [LIBRARY | {"LibId": None}]}),
        (lambda client: client.image_libraries(), {"LibList": [LIBRARY | {"ImageNum": -1}]}),
        (lambda client: client.image_libraries(), {"LibList": [LIBRARY | {"ImageNum": "many"}]}),
        (lambda client: client.image_libraries(), {"LibList": [LIBRARY | {"FreeInspection": 2}]}),
        (lambda client: client.image_libraries(), {"LibList": [LIBRARY | {"FreeInspection": "yes"}]}),
        (lambda client: client.image_libraries("s"), {"LibList": [LIBRARY | {"FreeInspection": None}]}),
        (lambda client: client.library_images("7"), {"TotalCount": 0}),
        (lambda client: client.library_images("7"), {"Items": []}),
        (lambda client: client.library_images("7"), {"Items": [], "TotalCount": 1}),
        (lambda client: client.library_images("7"), {"Items": [IMAGE], "TotalCount": 0}),
        (lambda client: client.library_images("7"), {"Items": [IMAGE | {"ImageId": None}], "TotalCount": 1}),
        (lambda client: client.library_images("7"), {"Items": [IMAGE], "TotalCount": 10_000_000}),
        (lambda client: client.keyword_libraries(), {"Data": [WORDS | {"KeywordCount": None}]}),
        (lambda client: client.keyword_libraries(), {"Data": [WORDS | {"ServiceCodes": "[a"}]}),
        (lambda client: client.keyword_libraries(), {"Data": [WORDS | {"ServiceCodes": ["a"]}]}),
        (lambda client: client.keywords("k"), {"Items": [], "TotalCount": 0}),
        (lambda client: client.keywords("k"), {"Data": {"Items": [{"Word": "a"}], "TotalCount": 1}}),
        (lambda client: client.keywords("k"), {"Data": {"Items": [{"Id": 1}], "TotalCount": 1}}),
        (lambda client: client.usage(**TIME), {"Data": None}),
        (lambda client: client.buy_status("c"), {"Data": {"Indebt": False}}),
        (lambda client: client.rename_service("s", "t", ""), {}),
        (lambda client: client.rename_service("s", "t", ""), {"Data": None}),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_failure(call: Call, body: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as caught:
        _answer(call, ENVELOPE | body)
    assert caught.value.code == "unreadable_answer"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.copy_service("s", "t", "d"),
        lambda client: client.create_image_library("n", ""),
        lambda client: client.create_keyword_library("n"),
        lambda client: client.delete_keyword_library("k"),
        lambda client: client.add_keywords("k", ["a"]),
        lambda client: client.remove_keywords("k", ["1"]),
        lambda client: client.remove_images("7", ["1"]),
    ],
)
@pytest.mark.parametrize("body", [{}, {"Data": None}, {"Data": {}}, {"Data": "maybe"}, {"Data": [True]}])
def test_a_change_whose_answer_cannot_be_read_may_have_happened(call: Call, body: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        _answer(call, ENVELOPE | body)
    assert caught.value.code == "outcome_unknown"


DO: list[Call] = [
    lambda client: client.copy_service("s", "t", "d"),
    lambda client: client.rename_service("s", "t", "d"),
    lambda client: client.delete_keyword_library("k"),
    lambda client: client.update_service("s", ignored=[]),
    lambda client: client.give_feedback("R", "missOut"),
    lambda client: client.set_exemptions("s", {"7": True}),
]


@pytest.mark.parametrize("call", DO)
@pytest.mark.parametrize(
    "body",
    [{"Data": False}, {"Data": "false"}, {"Data": 0}, {"Data": True, "Success": False}, {"Success": "false"}],
    ids=["false", "text", "zero", "no success", "no success, no data"],
)
def test_what_was_not_carried_out_is_a_failure(call: Call, body: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as caught:
        _answer(call, ENVELOPE | {"Msg": "名称 exists"} | body)
    assert caught.value.code == "not_carried_out"
    assert not caught.value.retryable
    assert caught.value.request_id == "R"


@pytest.mark.parametrize("field", ["Code", "HttpStatusCode"])
@pytest.mark.parametrize(("code", "attempts"), [(400, 1), (403, 1), (404, 1), (429, 4), (500, 4), (503, 4)])
def test_a_code_in_the_body_is_an_error(field: str, code: int, attempts: int) -> None:
    with pytest.raises(ServiceError) as caught:
        _answer(lambda client: client.services(), ENVELOPE | {field: code, "Msg": "库不存在\n\x1b[31m", "Data": []})
    assert (caught.value.api_code, caught.value.code, caught.value.attempts) == (code, f"api_{code}", attempts)
    assert "库不存在" in caught.value.message
    assert "download" not in caught.value.message  # what 404 says of an image


def test_ids_that_come_twice_are_told_once() -> None:
    body = {"Data": [SERVICE, COPY, SERVICE | {"ServiceName": "again"}]}
    assert [service.name for service in _answer(lambda client: client.services(), body)] == ["基线检测", "Shop"]


def _images(*ids: int, total: int) -> dict[str, Any]:
    return {"Items": [IMAGE | {"ImageId": str(number)} for number in ids], "TotalCount": total}


@pytest.mark.parametrize(
    ("bodies", "ids"),
    [
        pytest.param([_images(total=0)], [], id="none"),
        pytest.param([_images(1, 2, total=3), _images(3, total=3)], ["1", "2", "3"], id="two pages"),
        pytest.param([_images(1, 2, total=4), _images(2, 3, total=4), _images(4, total=4)], list("1234"), id="grew"),
        pytest.param([_images(3, 1, 3, 2, total=4), _images(9, total=4)], ["3", "1", "2", "9"], id="twice in a page"),
    ],
)
def test_pages_are_followed_to_their_end(bodies: list[dict[str, Any]], ids: list[str]) -> None:
    assert [image.id for image in _answer(lambda client: client.library_images("7"), *bodies)] == ids


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param([_images(1, 2, total=5)], id="the same page for ever"),
        pytest.param([_images(1, 2, total=5), _images(total=5)], id="an empty page too early"),
        pytest.param([_images(1, 2, total=5), _images(2, 1, total=5)], id="nothing new"),
        pytest.param([_images(1, 2, 3, total=2)], id="more than all"),
        pytest.param([_images(1, 2, total=5), _images(5, total=3)], id="shrank, so that 3 and 4 are on no page"),
    ],
)
def test_pages_that_do_not_add_up_are_a_failure(bodies: list[dict[str, Any]]) -> None:
    with pytest.raises(ServiceError) as caught:
        _answer(lambda client: client.library_images("7"), *bodies)
    assert caught.value.code == "unreadable_answer"


def test_results_end_at_fifty_thousand() -> None:
    numbers = itertools.count()
    calls = 0

    def reply(_request: Any) -> tuple[int, dict[str, str], str]:
        nonlocal calls
        calls += 1
        items = [{"RequestId": f"R{next(numbers)}", "Thumbnail": "https://x/t"} for _ in range(1200)]
        return 200, {}, json.dumps({"Data": {"Items": items, "TotalCount": 2_000_000}})

    with responses.RequestsMock() as mock, _client() as client:
        mock.add_callback(responses.POST, URL, reply)
        pages = client.results(**TIME)
        first = next(pages)
        assert (first.number, first.total, len(first.items), calls) == (1, 2_000_000, 1200, 1)  # none is fetched ahead
        assert sum(len(page.items) for page in pages) == 48_800
        assert calls == 42


def test_a_result_is_told_once_though_its_addresses_are_signed_anew() -> None:
    again = RESULT | {"ImageUrl": "https://x/1?s=2"}
    other = RESULT | {"ServiceCode": "other"}
    bodies = [
        {"Data": {"Items": items, "TotalCount": 3}} for items in ([RESULT], [again, other], [RESULT | {"Ext": "e"}])
    ]
    pages = _answer(lambda client: client.results(**TIME), *bodies)
    assert [page.items for page in pages] == [(RESULT,), (other,), (RESULT | {"Ext": "e"},)]


TASK = {"Data": {"TaskId": "t"}}


def test_keywords_that_are_added_in_the_background_are_waited_for() -> None:
    progress = [{"Data": COUNTS | {"Progress": percent}} for percent in (0, 60, 100)]
    result = _answer(lambda client: client.add_keywords("k", ["a"]), TASK, *progress)
    assert (result.added, result.repeated, result.refused) == (2, 1, 3)
    unfinished = {"Data": {"TaskId": "t", "KeywordsResult": {"Progress": 10, "SuccessCount": 0}}}
    assert _answer(lambda client: client.add_keywords("k", ["a"]), unfinished, progress[-1]).added == 2


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param([TASK, {"Data": COUNTS | {"Progress": 5}}], id="never done"),
        pytest.param([TASK, {"Data": COUNTS}], id="no progress told"),
        pytest.param([TASK, {"Code": 404, "Msg": "no such task"}], id="task gone"),
        pytest.param([{"Data": {"LibId": "k"}}], id="neither result nor task"),
        pytest.param([{"Data": {"KeywordsResult": {"RepeatCount": 1}}}], id="no count"),
    ],
)
def test_keywords_of_which_nothing_is_known_may_have_been_added(bodies: list[dict[str, Any]]) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        _answer(lambda client: client.add_keywords("k", ["a"]), *bodies)
    assert caught.value.code == "outcome_unknown"
    assert "AddKeywords" in caught.value.message


def test_counts_of_several_calls_are_added_up() -> None:
    body = {"Data": {"KeywordsResult": COUNTS}}
    result = _answer(lambda client: client.add_keywords("k", ["a"] * 501), body)
    assert result == KeywordsResult(4, 2, 6, ("<a>",) * 2, ("long" * 9,) * 2)
    assert _answer(lambda client: client.add_keywords("k", []), body) == KeywordsResult()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value inside an answer."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _places(inner, (*path, index))


def _changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(value[path[0]], path[1:], new)
    return copy


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_value_in_any_place_is_read_or_a_service_error(data: st.DataObject) -> None:
    call, body, _ = READS[data.draw(st.sampled_from(sorted(READS)))]
    body = ENVELOPE | body
    place = data.draw(st.sampled_from(list(_places(body))))
    with contextlib.suppress(ServiceError):
        _answer(call, _changed(body, place, data.draw(JSON)))
