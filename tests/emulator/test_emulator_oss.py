"""PutObject on the emulated OSS, driven by the vendor's oss2."""

import hashlib
import http.client

import oss2
import pytest
from msgspec.structs import replace

from moderate_cli.emulator.state import UPLOAD_LIFETIME

CONTENT = b"content of an object"


@pytest.fixture
def token(emulator):
    return emulator.state.issue_upload_token()


@pytest.fixture
def put(emulator, token):
    """Put an object with oss2; keywords replace parts of the upload token."""
    session = oss2.Session()

    def put_object(key, content=CONTENT, *, bucket=token.bucket, headers=None, auth=None, **changes):
        used = replace(token, **changes)
        auth = auth or oss2.StsAuth(used.access_key_id, used.access_key_secret, used.security_token)
        return oss2.Bucket(auth, emulator.endpoint, bucket, session=session).put_object(key, content, headers)

    yield put_object
    session.session.close()


@pytest.fixture
def refused(put):
    """Put an object in vain, and return the status and the code of the refusal."""

    def put_in_vain(*args, **options):
        with pytest.raises(oss2.exceptions.ServerError) as caught:
            put(*args, **options)
        assert caught.value.message
        assert caught.value.request_id == caught.value.details["RequestId"]
        assert caught.value.details["HostId"].startswith("127.0.0.1:")
        return caught.value.status, caught.value.code

    return put_in_vain


@pytest.mark.parametrize("name", ["a.png", "folder/a.png", "a b+c&d=e?f#g%2F~*.png", "图/ü.png"])
def test_objects_are_stored(put, token, emulator, name):
    result = put(token.prefix + name)
    assert result.status == 200
    assert result.etag == hashlib.md5(CONTENT).hexdigest().upper()
    assert len(result.request_id) == 24
    assert emulator.state.objects.get(token.bucket, token.prefix + name) == CONTENT


def test_the_etag_is_quoted(put, token):
    assert put(token.prefix + "a").headers["ETag"].startswith('"')


def test_content_md5_is_checked(put, refused, token):
    key = token.prefix + "a"
    assert put(key, headers={"Content-MD5": oss2.utils.content_md5(CONTENT)}).status == 200
    assert refused(key, b"other", headers={"Content-MD5": oss2.utils.content_md5(CONTENT)}) == (400, "InvalidDigest")


def test_own_headers_are_signed(put, token):
    headers = {"x-oss-meta-b": "2", "x-oss-meta-a": "ä", "Content-Type": "image/png"}
    assert put(token.prefix + "a", headers={**headers, "x-oss-meta-a": "1"}).status == 200


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"auth": oss2.AnonymousAuth()}, 403, "AccessDenied"),
        ({"access_key_id": "STS.unknown"}, 403, "InvalidAccessKeyId"),
        ({"security_token": "other"}, 403, "InvalidSecurityToken"),
        ({"access_key_secret": "other"}, 403, "SignatureDoesNotMatch"),
        ({"bucket": "another-bucket"}, 404, "NoSuchBucket"),
    ],
)
def test_refusals(refused, token, changes, status, code):
    assert refused(token.prefix + "a", **changes) == (status, code)


@pytest.mark.parametrize("key", ["a.png", "upload/a.png"])
def test_keys_outside_the_prefix(refused, key):
    assert refused(key) == (403, "AccessDenied")


def test_the_prefix_alone_is_no_key(refused, token):
    assert refused(token.prefix) == (403, "AccessDenied")


def test_a_key_pair_without_its_token(refused, token):
    auth = oss2.Auth(token.access_key_id, token.access_key_secret)
    assert refused(token.prefix + "a", auth=auth) == (403, "InvalidSecurityToken")


def test_the_key_of_the_green_api_is_no_key_of_oss(refused, token, emulator):
    auth = oss2.Auth(emulator.access_key.access_key_id, emulator.access_key.access_key_secret)
    assert refused(token.prefix + "a", auth=auth) == (403, "InvalidAccessKeyId")


@pytest.mark.parametrize(
    ("date", "code"),
    [("yesterday", "AccessDenied"), ("Sat, 01 Jan 2000 00:00:00 GMT", "RequestTimeTooSkewed")],
)
def test_dates(refused, token, monkeypatch, date, code):
    monkeypatch.setattr(oss2.utils, "http_date", lambda: date)
    assert refused(token.prefix + "a") == (403, code)


@pytest.mark.parametrize(
    ("offset", "code"),
    [(16 * 60, "RequestTimeTooSkewed"), (-16 * 60, "RequestTimeTooSkewed"), (3601, "SecurityTokenExpired")],
)
def test_the_clock(refused, token, clock, offset, code):
    clock.offset = offset
    assert refused(token.prefix + "a") == (403, code)


def test_another_signature_version(refused, token):
    auth = oss2.StsAuth(token.access_key_id, token.access_key_secret, token.security_token, "v2")
    assert refused(token.prefix + "a", auth=auth)[0] == 400


def raw(emulator, method, target, body=b"", headers=None):
    connection = http.client.HTTPConnection(emulator.endpoint.removeprefix("http://"), timeout=10)
    connection.request(method, target, body, headers or {})
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def test_a_malformed_authorization(emulator):
    status, body = raw(emulator, "PUT", "/bucket/key", headers={"Authorization": "OSS nothing"})
    assert status == 400
    assert "<Code>InvalidArgument</Code>" in body


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/bucket/key?acl"), ("POST", "/bucket/key"), ("PUT", "/bucket/key?acl")]
)
def test_other_operations(emulator, method, target):
    status, body = raw(emulator, method, target)
    assert status == 501
    assert "<Code>NotImplemented</Code>" in body


def test_errors_are_escaped(emulator):
    _, body = raw(emulator, "GET", "/bucket/key", headers={"Host": "<&>"})
    assert "<HostId>&lt;&amp;&gt;</HostId>" in body


def test_objects_expire_after_half_an_hour(put, token, emulator, clock):
    put(token.prefix + "a")
    clock.offset = UPLOAD_LIFETIME - 60
    assert emulator.state.objects.get(token.bucket, token.prefix + "a") == CONTENT
    clock.offset = UPLOAD_LIFETIME + 1
    assert emulator.state.objects.get(token.bucket, token.prefix + "a") is None
    assert list(emulator.state.objects.folder.iterdir()) == []


def test_an_upload_token_describes_itself(caller, emulator, clock):
    data = caller.call("DescribeUploadToken").body["Data"]
    assert set(data) == {
        "AccessKeyId",
        "AccessKeySecret",
        "SecurityToken",
        "BucketName",
        "FileNamePrefix",
        "Expiration",
        "OssInternetEndPoint",
        "OssInternalEndPoint",
    }
    assert data["AccessKeyId"].startswith("STS.")
    assert data["FileNamePrefix"].endswith("/")
    assert data["Expiration"] == pytest.approx(clock() + 3600, abs=5)
    assert isinstance(data["Expiration"], int)
    assert data["OssInternetEndPoint"] == data["OssInternalEndPoint"] == emulator.endpoint
