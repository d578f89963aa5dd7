"""The server's signature code agrees with the vendor's worked example and SDK."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from moderate_cli.emulator import AccessKey, gateway
from moderate_cli.emulator.gateway import API_VERSION, admit
from moderate_cli.emulator.messages import GatewayError, Request
from moderate_cli.emulator.state import State

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signatures.json").read_text(encoding="utf-8"))
GREEN = [vector for vector in VECTORS if vector["version"] == API_VERSION]


def named(vector):
    return vector["name"]


def headers_of(vector):
    headers = {
        "host": vector["host"],
        "x-acs-action": vector["action"],
        "x-acs-version": vector["version"],
        "x-acs-date": vector["date"],
        "x-acs-signature-nonce": vector["nonce"],
        "x-acs-content-sha256": hashlib.sha256(vector["body"].encode()).hexdigest(),
        "x-acs-security-token": vector["security_token"],
        "content-type": vector["content_type"],
    }
    return {name: value for name, value in headers.items() if value is not None}


@pytest.mark.parametrize("vector", VECTORS, ids=named)
def test_vectors_of_the_vendor(vector):
    headers = headers_of(vector)
    text = gateway.string_to_sign(vector["method"], "/", vector["query"].items(), headers, headers)
    if vector["hashed_canonical_request"]:
        assert text == f"ACS3-HMAC-SHA256\n{vector['hashed_canonical_request']}"
    assert gateway.sign(vector["access_key_secret"], text) == vector["signature"]


@pytest.mark.parametrize("vector", GREEN, ids=named)
@pytest.mark.parametrize(("secret", "code"), [(None, None), ("another", "SignatureDoesNotMatch")])
def test_the_gateway_admits_vectors_signed_with_the_secret_it_knows(vector, secret, code):
    state = State(datetime.fromisoformat(vector["date"]).timestamp)
    secret = secret or vector["access_key_secret"]
    state.add_key(AccessKey(vector["access_key_id"], secret, vector["security_token"]))
    headers = headers_of(vector)
    headers["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={vector['access_key_id']},"
        f"SignedHeaders={';'.join(sorted(headers))},Signature={vector['signature']}"
    )
    # urlencode writes + for a space, as the vendor's SDK does.
    request = Request("POST", "/?" + urlencode(vector["query"]), headers, vector["body"].encode())
    refused = None
    try:
        admit(request, state)
    except GatewayError as error:
        refused = error.code
    assert refused == code


def test_there_are_the_official_and_four_green_vectors():
    assert (len(VECTORS), len(GREEN)) >= (5, 4)


def test_order_of_query_and_headers_does_not_matter():
    headers = {"host": "h", "x-acs-date": " d "}
    one = gateway.string_to_sign("POST", "/", [("b", "1"), ("a", "2")], headers, ["x-acs-date", "host"])
    two = gateway.string_to_sign("POST", "/", [("a", "2"), ("b", "1")], headers, ["host", "x-acs-date"])
    assert one == two


def test_authorization_is_taken_apart():
    value = f"ACS3-HMAC-SHA256 Credential=ID,SignedHeaders=host;X-Acs-Date,Signature={'0a' * 32}"
    parsed = gateway.parse_authorization(value)
    assert parsed == gateway.Authorization("ID", frozenset({"host", "x-acs-date"}), "0a" * 32)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic abc",
        "ACS3-HMAC-SHA256 Credential=ID",
        f"ACS3-HMAC-SM3 Credential=ID,SignedHeaders=host,Signature={'0a' * 32}",
        "ACS3-HMAC-SHA256 Credential=ID,SignedHeaders=host,Signature=",
        f"ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature={'0a' * 32}",
    ],
)
def test_other_authorizations_are_not(value):
    assert gateway.parse_authorization(value) is None
