"""The signer against the vendor's worked example and the vectors made with its SDK."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from moderate_cli.client.auth import (
    Credentials,
    UnsignedRequest,
    canonical_query,
    canonical_request,
    form_body,
    headers_to_sign,
    signed_headers,
    string_to_sign,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signatures.json").read_text(encoding="utf-8"))


def _request(vector: dict[str, Any]) -> UnsignedRequest:
    return UnsignedRequest(
        host=vector["host"],
        action=vector["action"],
        version=vector["version"],
        date=vector["date"],
        nonce=vector["nonce"],
        query=vector["query"],
        body=vector["body"].encode(),
        content_type=vector["content_type"],
        method=vector["method"],
    )


def _credentials(vector: dict[str, Any]) -> Credentials:
    return Credentials(vector["access_key_id"], vector["access_key_secret"], vector["security_token"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_vector_gives_its_signature(vector: dict[str, Any]) -> None:
    headers = signed_headers(_request(vector), _credentials(vector))
    authorization = headers["Authorization"]
    assert authorization.startswith(f"ACS3-HMAC-SHA256 Credential={vector['access_key_id']},SignedHeaders=")
    assert authorization.endswith(f",Signature={vector['signature']}")


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["canonical_request"]], ids=lambda vector: vector["name"])
def test_the_worked_example_agrees_at_each_step(vector: dict[str, Any]) -> None:
    request = _request(vector)
    canonical = canonical_request(request, headers_to_sign(request, _credentials(vector)))
    assert canonical == vector["canonical_request"]
    assert string_to_sign(canonical) == f"ACS3-HMAC-SHA256\n{vector['hashed_canonical_request']}"


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["form"]], ids=lambda vector: vector["name"])
def test_a_form_is_written_as_the_vectors_have_it(vector: dict[str, Any]) -> None:
    assert form_body(vector["form"]) == vector["body"].encode()
    assert hashlib.sha256(form_body(vector["form"])).hexdigest() == vector["body_sha256"]


def test_a_query_is_sorted_and_encoded_by_rfc_3986() -> None:
    assert canonical_query({"b": "你好 ~*'()!+ %", "a": ""}) == "a=&b=%E4%BD%A0%E5%A5%BD%20~%2A%27%28%29%21%2B%20%25"


def test_only_a_request_with_a_body_signs_a_content_type() -> None:
    vector = next(v for v in VECTORS if v["content_type"] is None)
    assert "content-type" not in headers_to_sign(_request(vector), _credentials(vector))


def test_credentials_hide_their_secrets_in_text() -> None:
    text = repr(Credentials("AKID", "hidden-secret", "hidden-token"))
    assert "AKID" in text
    assert "hidden" not in text
