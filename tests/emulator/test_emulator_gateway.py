"""Which calls the emulated gateway lets in, and how it refuses the others."""

import hashlib
from email.utils import parsedate_to_datetime
from uuid import UUID

import pytest

from moderate_cli.emulator import AccessKey

EMPTY = hashlib.sha256(b"").hexdigest()


def test_a_signed_call_is_let_in(caller):
    reply = caller.call("DescribeUploadToken")
    assert (reply.status, reply.body["Code"], reply.body["Msg"]) == (200, 200, "success")
    assert reply.headers["Content-Type"].startswith("application/json")


def test_request_id_and_date_are_in_every_answer(caller, clock):
    clock.offset = 3600
    for action, status in (("DescribeUploadToken", 200), ("Nothing", 404)):
        reply = caller.call(action)
        assert reply.status == status
        assert reply.body["RequestId"] == reply.headers["x-acs-request-id"]
        assert str(UUID(reply.body["RequestId"])).upper() == reply.body["RequestId"]
        assert parsedate_to_datetime(reply.headers["Date"]).timestamp() == pytest.approx(clock(), abs=5)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"late": {"authorization": None}}, 400, "MissingAccessKeyId"),
        ({"late": {"authorization": "ACS3-HMAC-SHA256 Credential=A"}}, 400, "IncompleteSignature"),
        ({"late": {"authorization": "acs A:b"}}, 400, "IncompleteSignature"),
        ({"signed": {"x-acs-action": None}}, 400, "MissingParameter"),
        ({"signed": {"x-acs-version": None}}, 400, "MissingParameter"),
        ({"signed": {"x-acs-date": None}}, 400, "MissingParameter"),
        ({"signed": {"x-acs-signature-nonce": None}}, 400, "MissingParameter"),
        ({"signed": {"x-acs-content-sha256": None}}, 400, "MissingParameter"),
        ({"signed": {"x-acs-version": "2018-05-09"}}, 400, "InvalidVersion"),
        ({"signed": {"x-acs-action": "TextModeration"}}, 404, "InvalidAction.NotFound"),
        ({"signed": {"x-acs-date": "Sat, 21 Nov 2026 08:00:00 GMT"}}, 400, "InvalidTimeStamp.Format"),
        ({"signed": {"x-acs-date": "2026-13-41T08:00:00Z"}}, 400, "InvalidTimeStamp.Format"),
        ({"signed": {"x-acs-date": "2020-01-01T00:00:00Z"}}, 400, "InvalidTimeStamp.Expired"),
        ({"signed": {"x-acs-date": "2120-01-01T00:00:00Z"}}, 400, "InvalidTimeStamp.Expired"),
        ({"key": AccessKey("nobody", "secret")}, 404, "InvalidAccessKeyId.NotFound"),
        ({"signed": {"x-acs-content-sha256": hashlib.sha256(b"x").hexdigest()}}, 400, "SignatureDoesNotMatch"),
        ({"late": {"x-acs-content-sha256": hashlib.sha256(b"x").hexdigest()}}, 400, "SignatureDoesNotMatch"),
        ({"late": {"x-acs-action": "ImageModeration"}}, 400, "SignatureDoesNotMatch"),
        ({"unsigned": ("host",)}, 400, "IncompleteSignature"),
        ({"unsigned": ("x-acs-action",)}, 400, "IncompleteSignature"),
        ({"unsigned": ("content-type",), "form": {"Service": "a"}}, 400, "IncompleteSignature"),
        ({"late": {"x-acs-extra": "1"}}, 400, "IncompleteSignature"),
        ({"signed": {"x-acs-security-token": "token"}}, 400, "InvalidSecurityToken.MismatchWithAccessKey"),
    ],
)
def test_refusals(caller, changes, status, code):
    reply = caller.call("DescribeUploadToken", **changes)
    assert (reply.status, reply.body["Code"]) == (status, code)
    assert set(reply.body) == {"Code", "Message", "RequestId", "HostId", "Recommend"}
    assert reply.body["Message"]
    assert reply.body["HostId"] == caller.emulator.endpoint.removeprefix("http://")


def test_a_wrong_secret_is_told_with_the_string_to_sign(caller, emulator):
    key = AccessKey(emulator.access_key.access_key_id, "another secret")
    reply = caller.call("DescribeUploadToken", key=key)
    assert (reply.status, reply.body["Code"]) == (400, "SignatureDoesNotMatch")
    assert "server StringToSign is [ACS3-HMAC-SHA256 " in reply.body["Message"]
    assert emulator.access_key.access_key_secret not in reply.body["Message"]


def test_another_body_than_the_signed_one_is_named(caller):
    reply = caller.call("DescribeUploadToken", signed={"x-acs-content-sha256": hashlib.sha256(b"x").hexdigest()})
    assert EMPTY in reply.body["Message"]


@pytest.mark.parametrize(("offset", "status"), [(-14 * 60, 200), (14 * 60, 200), (-16 * 60, 400), (16 * 60, 400)])
def test_dates_may_differ_by_fifteen_minutes(caller, clock, offset, status):
    now = caller._headers("", "", caller.key)["x-acs-date"]
    clock.offset = offset
    assert caller.call("DescribeUploadToken", signed={"x-acs-date": now}).status == status


def test_a_nonce_is_good_for_one_call(caller):
    first = caller.call("DescribeUploadToken", signed={"x-acs-signature-nonce": "n"})
    second = caller.call("DescribeUploadToken", signed={"x-acs-signature-nonce": "n"})
    assert first.status == 200
    assert (second.status, second.body["Code"]) == (400, "SignatureNonceUsed")


def test_a_forged_call_uses_up_no_nonce(caller, emulator):
    forged = AccessKey(emulator.access_key.access_key_id, "guess")
    caller.call("DescribeUploadToken", signed={"x-acs-signature-nonce": "n"}, key=forged)
    assert caller.call("DescribeUploadToken", signed={"x-acs-signature-nonce": "n"}).status == 200


def test_a_temporary_key_needs_exactly_its_token(caller, emulator):
    key = AccessKey("STS.ID", "secret", "token")
    emulator.add_key(key)
    assert caller.call("DescribeUploadToken", key=key).status == 200
    for other in (None, "", "another"):
        reply = caller.call("DescribeUploadToken", key=AccessKey("STS.ID", "secret", other))
        assert reply.body["Code"] == "InvalidSecurityToken.MismatchWithAccessKey"


def test_parameters_may_stand_in_the_query(caller):
    # The wire has + for a space, the signature has %20.
    query = {"Service": "a b", "ServiceParameters": '{"imageUrl": "ftp://x/ö~*"}'}
    reply = caller.call("ImageModeration", query=query)
    assert (reply.status, reply.body["Code"]) == (200, 401)


def test_a_changed_query_is_noticed(caller):
    reply = caller.call("DescribeUploadToken", query={"a": "1"})
    assert reply.status == 200
    headers = caller._headers("DescribeUploadToken", "", caller.key)
    signed = {name: value for name, value in headers.items() if value is not None}
    signed["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={caller.key.access_key_id},"
        f"SignedHeaders={';'.join(sorted(signed))},Signature={'0' * 64}"
    )
    assert caller.send("POST", "/?a=2", b"", signed).body["Code"] == "SignatureDoesNotMatch"


def test_only_post_is_supported(caller):
    reply = caller.send("GET", "/", b"", {})
    assert (reply.status, reply.body["Code"]) == (400, "UnsupportedHTTPMethod")


def test_secrets_are_not_in_the_repr(emulator):
    key = AccessKey("ID", "hidden-secret", "hidden-token")
    assert repr(key) == "AccessKey(access_key_id='ID')"
    token = emulator.state.issue_upload_token()
    assert token.access_key_secret not in repr(token)
    assert token.security_token not in repr(token)


def test_each_emulator_has_its_own_key():
    assert AccessKey.random() != AccessKey.random()
