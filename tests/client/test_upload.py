"""Uploads: the token and its age, the object's name, and whom files are entrusted to."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from moderate_cli.client.upload import Uploader, UploadToken, check_oss_endpoint
from moderate_cli.errors import ServiceError
from moderate_cli.settings.table import SETTINGS
from moderate_cli.verdicts import OssObject

DATA = {
    "AccessKeyId": "STS.id",
    "AccessKeySecret": "sts-secret",
    "SecurityToken": "sts-token",
    "BucketName": "oss-cip-shanghai",
    "FileNamePrefix": "upload/1xxb89/",
    "Expiration": 1_720_577_200,
    "OssInternetEndPoint": "https://oss-cn-shanghai.aliyuncs.com",
    "OssInternalEndPoint": "https://oss-cn-shanghai-internal.aliyuncs.com",
}


class Bucket:
    """Takes the place of oss2.Bucket and remembers what was put."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.objects: dict[str, bytes] = {}

    def put_object(self, key: str, file: io.BufferedReader, headers: dict[str, str]) -> None:
        assert headers.keys() == {"Content-MD5"}
        self.objects[key] = file.read()


class Cloud:
    """Gives tokens and buckets; `now` is its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any] = DATA) -> None:
        self.now = 0.0
        self.tokens = 0
        self.buckets: list[Bucket] = []
        self.sessions: list[Any] = []
        self._data = data
        monkeypatch.setattr("oss2.Bucket", self._open)

    def _open(self, _auth: object, endpoint: str, _name: str, *, session: Any, **_options: object) -> Bucket:
        self.sessions.append(session)
        self.buckets.append(Bucket(endpoint))
        return self.buckets[-1]

    def uploader(self, *, internal: bool = False) -> Uploader:
        return Uploader(self._token, internal=internal, timeouts=(3, 10), clock=lambda: self.now)

    def _token(self) -> UploadToken:
        self.tokens += 1
        return UploadToken.read({"Data": self._data})


def _file(content: bytes = b"bytes") -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]


def test_a_file_is_put_under_the_prefix_with_its_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(monkeypatch)
    file = _file(b"a picture")
    file.read(3)
    where = cloud.uploader().upload(file, extension=".png")
    assert where == OssObject("oss-cip-shanghai", where.key, "cn-shanghai")
    assert where.key.startswith("upload/1xxb89/")
    assert where.key.endswith(".png")
    assert cloud.buckets[0].objects == {where.key: b"a picture"}


@pytest.mark.parametrize(("internal", "host"), [(False, "oss-cn-shanghai"), (True, "oss-cn-shanghai-internal")])
def test_the_internal_endpoint_is_for_the_vendors_network(
    monkeypatch: pytest.MonkeyPatch, internal: bool, host: str
) -> None:
    cloud = Cloud(monkeypatch)
    assert cloud.uploader(internal=internal).upload(_file(), extension="").region == "cn-shanghai"
    assert cloud.buckets[0].endpoint == f"https://{host}.aliyuncs.com"


def test_a_token_serves_until_a_minute_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(monkeypatch)
    uploader = cloud.uploader()
    for now, tokens in [(0, 1), (DATA["Expiration"] - 61, 1), (DATA["Expiration"] - 60, 2)]:
        cloud.now = now
        uploader.upload(_file(), extension="")
        assert cloud.tokens == tokens


def test_many_threads_share_one_token(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(monkeypatch)
    uploader = cloud.uploader()
    with ThreadPoolExecutor(16) as pool:
        places = list(pool.map(lambda _: uploader.upload(_file(), extension=".png"), range(64)))
    assert cloud.tokens == 1
    assert len({place.key for place in places}) == 64


def test_every_worker_keeps_its_connection_and_a_new_token_closes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(monkeypatch)
    uploader = cloud.uploader()
    for now in (0, DATA["Expiration"]):
        cloud.now = now
        uploader.upload(_file(), extension="")
    first, second = cloud.sessions
    assert first is second
    kept = {adapter._pool_maxsize for adapter in first.session.adapters.values()}
    assert kept == {SETTINGS["jobs"].kind.high}


@pytest.mark.parametrize("missing", [name for name in DATA if name != "OssInternalEndPoint"])
def test_a_token_without_a_field_is_an_error_that_names_it(missing: str) -> None:
    with pytest.raises(ServiceError, match=missing):
        UploadToken.read({"Data": {name: value for name, value in DATA.items() if name != missing}})


def test_a_token_hides_its_secrets_in_text() -> None:
    text = repr(UploadToken.read({"Data": DATA}))
    assert "sts-" not in text


@pytest.mark.parametrize(
    "address",
    ["https://oss-cn-shanghai.aliyuncs.com", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080"],
)
def test_files_go_to_the_vendor_or_stay_here(address: str) -> None:
    assert check_oss_endpoint(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "http://oss-cn-shanghai.aliyuncs.com",
        "https://aliyuncs.com.example.org",
        "https://evilaliyuncs.com",
        "https://example.org/.aliyuncs.com",
        "https://user@oss.aliyuncs.com",
        "ftp://127.0.0.1",
        "",
    ],
)
def test_files_go_nowhere_else(address: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check_oss_endpoint(address)
    assert caught.value.code == "untrusted_upload_endpoint"
    assert caught.value.fatal
