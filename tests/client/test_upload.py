"""Uploads: the token and its age, the object's name, and whom files are entrusted to."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import oss2
import pytest
from faults import Answer, body, faults

from moderate_cli.client import Credentials, GreenClient
from moderate_cli.client.upload import FileChangedError, Uploader, UploadToken, check_oss_endpoint
from moderate_cli.common.errors import InputError, ServiceError
from moderate_cli.common.masking import Secrets
from moderate_cli.models import OssObject
from moderate_cli.settings.schema import SETTINGS

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
    """Takes the place of oss2.Bucket and remembers what was put; takes it a few bytes at a time, as requests does."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.objects: dict[str, bytes] = {}
        self.before: Callable[[], None] = lambda: None
        self.between: Callable[[], None] = lambda: None

    def put_object(self, key: str, file: Any, headers: dict[str, str]) -> None:
        assert headers.keys() == {"Content-MD5"}
        self.before()
        pieces = [file.read(4)]
        self.between()
        while pieces[-1]:
            pieces.append(file.read(4))
        sent = b"".join(pieces)
        assert len(sent) == len(file)
        if base64.b64encode(hashlib.md5(sent).digest()).decode() != headers["Content-MD5"]:
            raise oss2.exceptions.ServerError(400, {}, b"", {"Code": "InvalidDigest"})
        self.objects[key] = sent


class Cloud:
    """Gives tokens and buckets; `now` is its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any] = DATA) -> None:
        self.now = 0.0
        self.tokens = 0
        self.buckets: list[Bucket] = []
        self.sessions: list[Any] = []
        self._data = data
        self.before: Callable[[], None] = lambda: None
        self.between: Callable[[], None] = lambda: None
        monkeypatch.setattr("oss2.Bucket", self._open)

    def _open(self, _auth: object, endpoint: str, _name: str, *, session: Any, **_options: object) -> Bucket:
        self.sessions.append(session)
        self.buckets.append(Bucket(endpoint))
        self.buckets[-1].before, self.buckets[-1].between = self.before, self.between
        return self.buckets[-1]

    def uploader(self, *, internal: bool = False) -> Uploader:
        return Uploader(self._token, internal=internal, timeouts=(3, 10), clock=lambda: self.now)

    def _token(self) -> UploadToken:
        self.tokens += 1
        return UploadToken.read({"Data": self._data}, Secrets())


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
    assert kept == {SETTINGS["jobs"].type.high}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_kept_under_the_hash_of_the_bytes_that_were_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud = Cloud(monkeypatch)
    uploader = cloud.uploader()
    path = tmp_path / "a.png"
    path.write_bytes(b"what is there now")
    with path.open("rb") as file:
        with pytest.raises(FileChangedError) as caught:  # it was hashed before it became what it is now
            uploader.upload(file, extension=".png", sha256=_sha256(b"what was there before"))
        assert (caught.value.code, caught.value.exit_code) == ("file_changed", 3)
        place = uploader.upload(file, extension=".png", sha256=_sha256(b"what is there now"))
    assert cloud.buckets[0].objects[place.key] == b"what is there now"
    path.write_bytes(b"what was there before")
    with path.open("rb") as file:  # what was sent under that hash by mistake is not taken for it
        assert uploader.upload(file, extension="", sha256=_sha256(b"what was there before")) != place


@pytest.mark.parametrize(
    "changed",
    [b"AS LONG AS BEFORE", b"shorter", b"", b"quite a bit longer than what was there before"],
    ids=["overwritten", "shorter", "empty", "longer"],
)
@pytest.mark.parametrize("moment", ["before", "between"])
def test_a_file_that_changes_while_it_is_sent_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: bytes, moment: str
) -> None:
    cloud = Cloud(monkeypatch)
    path = tmp_path / "a.png"
    content = b"as long as before" * 2_000  # more than any buffer in between holds
    path.write_bytes(content)
    setattr(cloud, moment, lambda: path.write_bytes(changed * 2_000))
    with path.open("rb", buffering=16) as file, pytest.raises(FileChangedError):
        cloud.uploader().upload(file, extension="", sha256=_sha256(content))
    assert cloud.buckets[0].objects == {}


def test_what_is_appended_while_a_file_is_sent_is_not_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cloud = Cloud(monkeypatch)
    path = tmp_path / "a.png"
    path.write_bytes(b"so far")

    def append() -> None:
        with path.open("ab") as file:
            file.write(b" and more")

    cloud.between = append
    with path.open("rb") as file:
        place = cloud.uploader().upload(file, extension="", sha256=_sha256(b"so far"))
    assert cloud.buckets[0].objects == {place.key: b"so far"}


def test_a_file_that_cannot_be_read_any_more_is_no_failure_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(monkeypatch)
    file = _file()

    def fail(_amount: int = -1) -> bytes:
        raise OSError(5, "Input/output error")

    cloud.before = lambda: setattr(file, "read", fail)
    with pytest.raises(InputError, match="cannot be read: Input/output error"):
        cloud.uploader().upload(file, extension="", sha256=_sha256(b"bytes"))


@pytest.mark.parametrize("missing", [name for name in DATA if name != "OssInternalEndPoint"])
@pytest.mark.parametrize("value", [None, "", [], {}, ["x"], {"a": 1}, True])
def test_a_token_without_a_usable_field_is_an_error_that_names_it(missing: str, value: object) -> None:
    with pytest.raises(ServiceError, match=missing) as caught:
        UploadToken.read({"Data": DATA | {missing: value}}, Secrets())
    assert (caught.value.code, caught.value.fatal) == ("unreadable_answer", False)
    with pytest.raises(ServiceError, match=missing):
        UploadToken.read({"Data": {name: field for name, field in DATA.items() if name != missing}}, Secrets())


@pytest.mark.parametrize("data", [None, "", [], "token", [DATA], 7])
def test_a_token_that_is_no_object_is_an_error(data: object) -> None:
    with pytest.raises(ServiceError, match="the upload token lacks") as caught:
        UploadToken.read({"Data": data}, Secrets())
    assert caught.value.code == "unreadable_answer"


@pytest.mark.parametrize("bucket", ["a", "UPPER", "with space", "x" * 200, "../etc", "ends-"])
def test_a_bucket_that_cannot_be_one_is_an_error_and_no_bug(bucket: str) -> None:
    uploader = Uploader(
        lambda: UploadToken.read({"Data": DATA | {"BucketName": bucket}}, Secrets()),
        internal=False,
        timeouts=(3, 10),
        clock=lambda: 0.0,
    )
    with pytest.raises(ServiceError, match="names an invalid bucket") as caught:
        uploader.upload(_file(), extension="")
    assert (caught.value.code, caught.value.fatal) == ("unreadable_answer", False)


def test_a_token_hides_its_secrets_in_text() -> None:
    text = repr(UploadToken.read({"Data": DATA}, Secrets()))
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


class Shrinking(io.FileIO):
    """A file that loses its second half while it is sent, which is when it is read for the second time."""

    rounds = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.rounds += offset == 0 and whence == 0
        if self.rounds > 1:
            os.truncate(self.name, 300_000)
        return super().seek(offset, whence)


@pytest.mark.parametrize("kind", [io.FileIO, Shrinking])
def test_what_oss_is_sent_over_http_is_held_against_the_hash(tmp_path: Path, kind: type[io.FileIO]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content := bytes(range(256)) * 4_000)

    def token(_handler: object) -> Answer:
        return body(200, DATA | {"Expiration": 9e9, "OssInternetEndPoint": server.endpoint})

    with (
        faults(token, Answer(200, b"", {"ETag": '"x"'})) as server,
        GreenClient(Credentials("AKID", "AKSECRET"), endpoint=server.endpoint) as client,
        io.BufferedReader(kind(str(path))) as file,
    ):
        if kind is Shrinking:
            with pytest.raises(FileChangedError):
                client.upload(file, sha256=_sha256(content))
            return
        assert client.upload(file, sha256=_sha256(content)).bucket == DATA["BucketName"]
        assert server.requests[-1][2]["content-length"] == str(len(content))
        with pytest.raises(FileChangedError):
            client.upload(file, sha256=_sha256(b"what was there before"))
