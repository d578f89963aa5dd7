"""Looking into buckets of the emulated OSS, driven by the vendor's oss2."""

import hashlib
import re
import urllib.error
import urllib.request

import oss2
import pytest

from moderate_cli.emulator import AccessKey
from moderate_cli.emulator.state import UPLOAD_LIFETIME

TEMPORARY = AccessKey("STS.temporary", "secret", "token")


@pytest.fixture(params=["v1", "v4"])
def version(request):
    return request.param


@pytest.fixture
def bucket(emulator, version):
    """Open a bucket as the owner of the account, or with another key."""
    emulator.add_key(TEMPORARY)
    session = oss2.Session()

    def open_bucket(name="photos", key=emulator.access_key, region="cn-shanghai"):
        auth = oss2.make_auth(key.access_key_id, key.access_key_secret, version)
        if key.security_token:
            auth = oss2.StsAuth(key.access_key_id, key.access_key_secret, key.security_token, version)
        return oss2.Bucket(auth, emulator.endpoint, name, session=session, region=region)

    yield open_bucket
    session.session.close()


@pytest.fixture
def put(emulator):
    def put_objects(*keys, bucket="photos"):
        for key in keys:
            emulator.state.objects.put(bucket, key, key.encode())

    return put_objects


def refusal(call, *args, **options):
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        call(*args, **options)
    return caught.value.status, caught.value.code


def test_objects_are_listed_by_prefix(bucket, put, emulator, clock):
    put("b/2", "a/1", "b/1", "b", "ü/1", "\U0001f5bc")
    put("b/3", bucket="another")
    listed = bucket().list_objects_v2("b/")
    assert [one.key for one in listed.object_list] == ["b/1", "b/2"]
    assert not listed.is_truncated
    first = listed.object_list[0]
    assert (first.etag, first.size) == (hashlib.md5(b"b/1").hexdigest().upper(), 3)
    assert first.last_modified == pytest.approx(clock(), abs=5)
    assert [one.key for one in bucket().list_objects_v2().object_list] == [
        "a/1",
        "b",
        "b/1",
        "b/2",
        "ü/1",
        "\U0001f5bc",
    ]


@pytest.mark.parametrize("key", ["a b+c&d=e?f#g%2F~*.png", "图/ü.png", "x<&>\"'.png", "a\nb"])
@pytest.mark.parametrize("encoding", ["url", ""])
def test_any_key_can_be_listed(bucket, put, key, encoding):
    put(key, "other")
    listed = bucket().list_objects_v2(key, encoding_type=encoding)
    assert [one.key for one in listed.object_list] == [key]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_pages_add_up(bucket, put, size):
    names = [f"{number}/ü" for number in range(7)]
    put(*names)
    assert [one.key for one in oss2.ObjectIteratorV2(bucket(), max_keys=size)] == names


def test_a_page_has_as_many_objects_as_were_asked_for(bucket, put):
    put(*(f"{number:04}" for number in range(150)))
    assert len(bucket().list_objects_v2().object_list) == 100
    assert len(bucket().list_objects_v2(max_keys=120).object_list) == 120


@pytest.mark.parametrize("size", [0, 1001, -1, "many"])
def test_sizes_of_a_page_that_are_refused(bucket, put, size):
    put("a")
    assert refusal(bucket().list_objects_v2, max_keys=size) == (400, "InvalidArgument")


@pytest.mark.parametrize("token", ["a", "////", "gICA"])
def test_a_token_that_is_none(bucket, put, token):
    put("a")
    assert refusal(bucket().list_objects_v2, continuation_token=token) == (400, "InvalidArgument")


@pytest.mark.parametrize("options", [{"delimiter": "/"}, {"start_after": "a"}])
def test_parameters_that_are_not_known_are_not_passed_over(bucket, put, options):
    put("a")
    assert refusal(bucket().list_objects_v2, **options) == (501, "NotImplemented")


def test_a_bucket_is_where_its_client_takes_it_to_be(bucket, put, version):
    put("a")
    info = bucket().get_bucket_info()
    assert info.name == "photos"
    assert info.location == ("oss-cn-shanghai" if version == "v4" else "oss-ap-southeast-1")


def test_a_bucket_without_objects_is_none(bucket):
    for call in (bucket().list_objects_v2, bucket().get_bucket_info):
        assert refusal(call) == (404, "NoSuchBucket")


def test_objects_are_listed_as_long_as_they_live(bucket, put, emulator):
    put("a")
    emulator.state.objects._clock = lambda: emulator.state.clock() + UPLOAD_LIFETIME + 1
    assert refusal(bucket().list_objects_v2) == (404, "NoSuchBucket")


def test_temporary_keys(bucket, put):
    put("a")
    assert len(bucket(key=TEMPORARY).list_objects_v2().object_list) == 1


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (AccessKey("unknown", "secret"), "InvalidAccessKeyId"),
        (AccessKey("STS.temporary", "other", "token"), "SignatureDoesNotMatch"),
        (AccessKey("STS.temporary", "secret", "other"), "InvalidSecurityToken"),
        (AccessKey("STS.temporary", "secret"), "InvalidSecurityToken"),
    ],
)
def test_keys_that_are_refused(bucket, put, key, code):
    put("a")
    assert refusal(bucket(key=key).list_objects_v2) == (403, code)


def test_an_upload_token_may_not_look(bucket, put, emulator):
    put("a")
    token = emulator.state.issue_upload_token()
    key = AccessKey(token.access_key_id, token.access_key_secret, token.security_token)
    assert refusal(bucket(key=key).list_objects_v2) == (403, "AccessDenied")


@pytest.mark.parametrize("offset", [16 * 60, -16 * 60])
def test_the_clock(bucket, put, clock, offset):
    put("a")
    clock.offset = offset
    assert refusal(bucket().list_objects_v2) == (403, "RequestTimeTooSkewed")


@pytest.mark.parametrize("name", ["prefix", "max-keys", "new"])
def test_v4_signs_every_parameter(bucket, put, monkeypatch, version, name):
    put("a", "b")
    real = oss2.http.Session.do_request

    def forge(session, request, timeout):
        request.params[name] = "7"
        return real(session, request, timeout)

    monkeypatch.setattr(oss2.http.Session, "do_request", forge)
    if version == "v4":
        assert refusal(bucket().list_objects_v2) == (403, "SignatureDoesNotMatch")
    else:
        bucket().list_objects_v2()


def test_v4_signs_headers_too(bucket, put, monkeypatch, version):
    put("a")
    real = oss2.http.Session.do_request

    def forge(session, request, timeout):
        request.headers["x-oss-forged"] = "1"
        return real(session, request, timeout)

    monkeypatch.setattr(oss2.http.Session, "do_request", forge)
    assert refusal(bucket().list_objects_v2) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    "authorization",
    [
        "OSS4-HMAC-SHA256",
        "OSS4-HMAC-SHA256 Credential=key/20260101/cn-shanghai/oss/aliyun_v4_request",
        "OSS4-HMAC-SHA256 Credential=key/2026/cn-shanghai/oss/aliyun_v4_request, Signature=0",
        "OSS4-HMAC-SHA256 Credential=key/20260101/cn-shanghai/ecs/aliyun_v4_request, Signature=0",
        "OSS4-HMAC-SHA256 nothing",
    ],
)
def test_a_malformed_v4_authorization(bucket, put, monkeypatch, authorization):
    put("a")
    real = oss2.http.Session.do_request

    def forge(session, request, timeout):
        request.headers["authorization"] = authorization
        return real(session, request, timeout)

    monkeypatch.setattr(oss2.http.Session, "do_request", forge)
    assert refusal(bucket().list_objects_v2) == (400, "InvalidArgument")


def test_a_v4_date_that_is_none(bucket, put, monkeypatch, version):
    put("a")
    real = oss2.http.Session.do_request

    def forge(session, request, timeout):
        request.headers["x-oss-date"] = "yesterday"
        return real(session, request, timeout)

    monkeypatch.setattr(oss2.http.Session, "do_request", forge)
    assert refusal(bucket().list_objects_v2) == (403, "AccessDenied")


def test_uploads_may_be_signed_with_v4(emulator):
    token = emulator.state.issue_upload_token()
    session = oss2.Session()
    auth = oss2.StsAuth(token.access_key_id, token.access_key_secret, token.security_token, "v4")
    bucket = oss2.Bucket(auth, emulator.endpoint, token.bucket, session=session, region="cn-shanghai")
    bucket.put_object(f"{token.prefix}ü b.png", b"content", headers={"Content-Type": "image/png", "x-oss-meta-a": "1"})
    session.session.close()
    assert emulator.state.objects.get(token.bucket, f"{token.prefix}ü b.png") == b"content"


@pytest.mark.parametrize("key", ["a.png", "图/a b+c&d=e?f#g%2F~*.png"])
def test_an_object_is_for_its_owner(bucket, put, key):
    put(key)
    assert bucket().get_object(key).read() == key.encode()
    assert refusal(bucket().get_object, "another") == (404, "NoSuchKey")
    assert refusal(bucket("missing").get_object, key) == (404, "NoSuchBucket")
    stranger = AccessKey("nobody", "secret")
    assert refusal(bucket(key=stranger).get_object, key) == (403, "InvalidAccessKeyId")


def _opened(address):
    try:
        with urllib.request.urlopen(address, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, re.search(rb"<Code>(.*?)</Code>", error.read())[1].decode()


@pytest.mark.parametrize("version", ["v4"])
@pytest.mark.parametrize("key", ["a.png", "图/a b+c&d=e?f#g%2F~*.png"])
@pytest.mark.parametrize("is_temporary", [False, True])
def test_an_address_that_its_owner_signed_is_for_anybody(bucket, put, emulator, key, is_temporary):
    put(key)
    signer = bucket(key=TEMPORARY if is_temporary else emulator.access_key)
    assert _opened(signer.sign_url("GET", key, 60, slash_safe=True)) == (200, key.encode())
    assert _opened(signer.sign_url("GET", "another", 60)) == (404, "NoSuchKey")


@pytest.mark.parametrize("version", ["v4"])
def test_an_address_is_good_for_one_object_and_its_time(bucket, put, emulator, clock):
    put("a.png", "b.png")
    address = bucket(key=TEMPORARY).sign_url("GET", "a.png", 600)
    assert _opened(address.replace("/a.png", "/b.png")) == (403, "SignatureDoesNotMatch")
    assert _opened(address.replace("expires=600", "expires=9999")) == (403, "SignatureDoesNotMatch")
    assert _opened(re.sub("x-oss-security-token=[^&]*&", "", address)) == (403, "InvalidSecurityToken")
    assert _opened(address.replace("expires=600", "expires=soon")) == (400, "InvalidArgument")
    clock.offset = 500
    assert _opened(address)[0] == 200
    clock.offset = 700
    assert _opened(address) == (403, "AccessDenied")
