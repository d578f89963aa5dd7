"""Prefixes in OSS: listed through oss2, by the emulator over HTTP, and by answers that it cannot give."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import requests
import responses

from moderate_cli.client import Credentials
from moderate_cli.common.errors import CredentialsError, InputError, ServiceError, UsageError
from moderate_cli.emulator import AccessKey, Emulator
from moderate_cli.models import BrokenInput, Item, OssObject
from moderate_cli.sources import Selection, Sources
from moderate_cli.sources.oss import OssAccount, oss_endpoint

REGION = "ap-southeast-1"
HERE = f"https://photos.oss-{REGION}.aliyuncs.com/"
THERE = "https://photos.oss-cn-shanghai.aliyuncs.com/"
KEYS = Credentials("LTAI0", "CanarySecret0123456789abcdefgh", "CanaryToken0123456789abcdefghij")


@pytest.fixture
def pauses() -> list[float]:
    """How long somebody waited before trying again."""
    return []


@pytest.fixture
def account(emulator: Emulator, pauses: list[float]) -> OssAccount:
    return OssAccount(
        credentials=lambda: emulator.access_key, region="cn-shanghai", endpoint=emulator.endpoint, sleep=pauses.append
    )


def _put(emulator: Emulator, *keys: str, bucket: str = "photos") -> None:
    for key in keys:
        emulator.state.objects.put(bucket, key, key.encode())


def _list(account: OssAccount, *names: str, **options: Any) -> list[Item]:
    return list(Sources(names, open_bucket=account, **options))


def _error(item: Item) -> Any:
    assert isinstance(item.image, BrokenInput)
    return item.image.error


def test_the_images_below_a_prefix_are_judged_in_place(emulator: Emulator, account: OssAccount) -> None:
    _put(emulator, "2026/a.png", "2026/sub/b.JPG", "2025/c.png", "2026/notes.txt", "2026/README", "2026/", "2026/sub/")
    sources = Sources(["oss://photos/2026/"], open_bucket=account)
    first, second = sources
    etag = hashlib.md5(b"2026/a.png").hexdigest().upper()
    assert first.image == OssObject("photos", "2026/a.png", "cn-shanghai", etag)
    assert [first.source, second.source] == ["oss://photos/2026/a.png", "oss://photos/2026/sub/b.JPG"]
    assert sources.non_images == 2


@pytest.mark.parametrize("name", ["oss://photos", "oss://photos/", "OSS://photos/"])
def test_a_bucket_alone_is_listed_whole(emulator: Emulator, account: OssAccount, name: str) -> None:
    _put(emulator, "a.png", "sub/b.png")
    assert [item.source for item in _list(account, name)] == ["oss://photos/a.png", "oss://photos/sub/b.png"]


@pytest.mark.parametrize("key", ["a b+c&d=e?f#g%2F~*.png", "图/ü.png", "x<&>.png", "a/../b.png", "[1]*.png"])
def test_any_key_is_listed_as_it_is(emulator: Emulator, account: OssAccount, key: str) -> None:
    _put(emulator, f"odd {key}/{key}")
    (item,) = _list(account, f"oss://photos/odd {key}/")
    assert isinstance(item.image, OssObject)
    assert item.image.key == f"odd {key}/{key}"
    assert item.source == f"oss://photos/{item.image.key}"


def test_a_listing_goes_on_page_by_page_only_when_it_is_asked(
    emulator: Emulator, account: OssAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number:05}.png" for number in range(2500)]
    _put(emulator, *names)
    requests_seen = []
    real = requests.Session.request
    monkeypatch.setattr(
        requests.Session, "request", lambda *args, **more: (requests_seen.append(args[2]), real(*args, **more))[1]
    )
    items = iter(Sources(["oss://photos/"], open_bucket=account))
    assert requests_seen == []
    assert [item.source for item in islice(items, 1000)] == [f"oss://photos/{name}" for name in names[:1000]]
    assert len(requests_seen) == 2  # where the bucket is, and the first page
    assert [item.source for item in items] == [f"oss://photos/{name}" for name in names[1000:]]
    assert len(requests_seen) == 4


def test_include_and_exclude_are_relative_to_the_prefix(emulator: Emulator, account: OssAccount) -> None:
    _put(emulator, "2026/a.png", "2026/b.jpg", "2026/raw/c.png", "2026/raw.png")
    selection = Selection(include=("*.png",), exclude=("/raw",))
    sources = Sources(["oss://photos/2026/"], open_bucket=account, selection=selection)
    assert [item.source for item in sources] == ["oss://photos/2026/a.png", "oss://photos/2026/raw.png"]
    assert sources.ignored == 2


def test_temporary_keys_are_asked_for_before_each_request(emulator: Emulator, account: OssAccount) -> None:
    _put(emulator, *(f"{number}.png" for number in range(1001)))
    keys = [AccessKey(f"STS.{number}", f"secret{number}", f"token{number}") for number in range(3)]
    for key in keys:
        emulator.add_key(key)
    given: Iterator[AccessKey] = iter(keys)
    assert len(
        _list(OssAccount(credentials=lambda: next(given), region=REGION, endpoint=account.endpoint), "oss://photos")
    ) == (1001)
    assert next(given, None) is None


def test_one_failing_listing_is_not_the_end(emulator: Emulator, account: OssAccount) -> None:
    _put(emulator, "a.png")
    broken, whole = _list(account, "oss://missing/", "oss://photos/")
    assert whole.source == "oss://photos/a.png"
    assert broken.source == "oss://missing/"
    error = _error(broken)
    assert isinstance(error, InputError)
    assert (error.message, error.code) == ("no such bucket", "oss_NoSuchBucket")


def test_a_name_that_no_bucket_has(account: OssAccount) -> None:
    assert _error(_list(account, "oss://No_Bucket/")[0]).message == "'No_Bucket' is not a bucket name"


@pytest.mark.parametrize(
    ("key", "code"),
    [(AccessKey("unknown", "secret"), "InvalidAccessKeyId"), (None, "SignatureDoesNotMatch")],
)
def test_keys_that_are_refused(emulator: Emulator, pauses: list[float], key: AccessKey | None, code: str) -> None:
    _put(emulator, "a.png")
    used = key or AccessKey(emulator.access_key.access_key_id, "another secret")
    account = OssAccount(credentials=lambda: used, region=REGION, endpoint=emulator.endpoint, sleep=pauses.append)
    error = _error(_list(account, "oss://photos/")[0])
    assert isinstance(error, ServiceError)
    assert error.message == f"OSS refused to list the bucket ({code})"
    assert (error.code, error.http_status) == (f"oss_{code}", 403)
    assert error.request_id
    assert pauses == []


def test_keys_that_are_not_to_be_had_are_an_outcome(emulator: Emulator) -> None:
    def none() -> AccessKey:
        raise CredentialsError("no credentials")

    account = OssAccount(credentials=none, region=REGION, endpoint=emulator.endpoint)
    assert isinstance(_error(_list(account, "oss://photos/")[0]), CredentialsError)


def _answer(code: str, *, status: int = 403, endpoint: str = "") -> dict[str, Any]:
    parts = f"<Code>{code}</Code><Message>secret headers</Message><RequestId>R1</RequestId>"
    body = f"<Error>{parts}{f'<Endpoint>{endpoint}</Endpoint>' if endpoint else ''}</Error>"
    return {"status": status, "body": body, "headers": {"x-oss-request-id": "R1"}}


def _page(*keys: str, more: str = "") -> str:
    contents = "".join(
        f'<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"E"</ETag>'
        "<Type>Normal</Type><Size>1</Size><StorageClass>Standard</StorageClass></Contents>"
        for key in keys
    )
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    return f"<ListBucketResult><IsTruncated>{str(bool(more)).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"


@pytest.fixture
def cloud() -> Iterator[responses.RequestsMock]:
    """Answers in the place of the vendor's; those of one address come in the order in which they were added."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as cloud:
        yield cloud


@pytest.fixture
def abroad(pauses: list[float]) -> OssAccount:
    return OssAccount(credentials=lambda: KEYS, region=REGION, endpoint=oss_endpoint(REGION), sleep=pauses.append)


def test_a_bucket_of_another_region_is_found_there(cloud: responses.RequestsMock, abroad: OssAccount) -> None:
    cloud.get(HERE, **_answer("AccessDenied", endpoint="oss-cn-shanghai.aliyuncs.com"))
    cloud.get(THERE, body=_page("a.png"))
    assert [item.image for item in _list(abroad, "oss://photos/")] == [OssObject("photos", "a.png", "cn-shanghai", "E")]
    assert "/cn-shanghai/oss/" in cloud.calls[1].request.headers["Authorization"]


@pytest.mark.parametrize("endpoint", ["oss-x.aliyuncs.com.evil.example", "evil.example", "oss-x.aliyuncs.com:8080"])
def test_an_answer_cannot_send_the_keys_elsewhere(
    cloud: responses.RequestsMock, abroad: OssAccount, endpoint: str
) -> None:
    cloud.get(HERE, **_answer("AccessDenied", endpoint=endpoint))
    cloud.get(HERE, **_answer("AccessDenied", endpoint=endpoint))
    assert _error(_list(abroad, "oss://photos/")[0]).message == "the account is not allowed to list the bucket"


def test_an_account_that_may_only_list_has_the_region_of_the_endpoint(
    cloud: responses.RequestsMock, abroad: OssAccount
) -> None:
    cloud.get(HERE, **_answer("AccessDenied"))
    cloud.get(HERE, body=_page("a.png"))
    assert [item.image for item in _list(abroad, "oss://photos/")] == [OssObject("photos", "a.png", REGION, "E")]


def test_a_bucket_that_moves_while_it_is_listed_says_where_it_is(
    cloud: responses.RequestsMock, abroad: OssAccount
) -> None:
    cloud.get(HERE, **_answer("AccessDenied"))
    cloud.get(HERE, **_answer("AccessDenied", endpoint="oss-cn-shanghai-internal.aliyuncs.com"))
    error = _error(_list(abroad, "oss://photos/")[0])
    assert (error.message, error.code) == ("the bucket is in region cn-shanghai", "oss_elsewhere")
    assert "cn-shanghai" in error.hint


def test_what_passes_is_tried_again(cloud: responses.RequestsMock, abroad: OssAccount, pauses: list[float]) -> None:
    cloud.get(HERE, **_answer("AccessDenied"))
    cloud.get(HERE, body=_page("a.png", more="T"))
    cloud.get(HERE, **_answer("InternalError", status=500))
    cloud.get(HERE, body=requests.ConnectionError("secret headers"))
    cloud.get(HERE, body=_page("b.png"))
    assert [item.source for item in _list(abroad, "oss://photos/")] == ["oss://photos/a.png", "oss://photos/b.png"]
    assert pauses == [1.0, 4.0]


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        (_answer("InternalError", status=500), "OSS refused to list the bucket (InternalError)", "oss_InternalError"),
        ({"status": 502, "body": "<html>"}, "OSS refused to list the bucket (HTTP 502)", "oss_refused"),
        ({"body": requests.ConnectionError("secret headers")}, "no response from OSS", "oss_unreachable"),
        ({"body": "<html>no listing"}, "unreadable response from OSS", "unreadable_answer"),
        ({"body": "<ListBucketResult/>"}, "unreadable response from OSS", "unreadable_answer"),
    ],
)
def test_what_does_not_pass_is_an_outcome_after_the_items_before_it(
    cloud: responses.RequestsMock,
    abroad: OssAccount,
    pauses: list[float],
    answer: dict[str, Any],
    message: str,
    code: str,
) -> None:
    cloud.get(HERE, **_answer("AccessDenied"))
    cloud.get(HERE, body=_page("a.png", more="T"))
    for _ in range(3):
        cloud.get(HERE, **answer)
    first, broken = _list(abroad, "oss://photos/")
    error = _error(broken)
    assert (first.source, broken.source) == ("oss://photos/a.png", "oss://photos/")
    assert (error.message, error.code, error.retryable) == (message, code, True)
    assert len(pauses) == 2
    assert "secret" not in f"{error} {error.hint} {error.__cause__}"


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://oss-cn-shanghai.aliyuncs.com", "https://oss.example.com", "oss-cn-shanghai.aliyuncs.com", ""),
        *("https://aliyuncs.com.evil.example", "https://u:p@oss-cn-shanghai.aliyuncs.com", "http://10.0.0.1:80"),
        *("https://oss-cn-shanghai.aliyuncs.com/path", "https://oss-cn-shanghai.aliyuncs.com\n"),
    ],
)
def test_only_endpoints_of_the_vendor_and_of_this_machine_are_trusted(endpoint: str) -> None:
    with pytest.raises(UsageError, match="is not an OSS endpoint"):
        OssAccount(credentials=lambda: KEYS, region=REGION, endpoint=endpoint)


@pytest.mark.parametrize(
    "endpoint", [oss_endpoint("cn-shanghai", vpc=True), "http://127.0.0.1:80", "https://localhost"]
)
def test_endpoints_that_are_trusted(endpoint: str) -> None:
    assert "secret" not in repr(OssAccount(credentials=lambda: KEYS, region=REGION, endpoint=endpoint)).lower()


def test_an_endpoint_belongs_to_a_region() -> None:
    assert oss_endpoint("cn-shanghai") == "https://oss-cn-shanghai.aliyuncs.com"
    assert oss_endpoint("cn-shanghai", vpc=True) == "https://oss-cn-shanghai-internal.aliyuncs.com"
