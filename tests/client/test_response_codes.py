"""What the service's codes mean, and whether trying again helps."""

from __future__ import annotations

from typing import Any

import pytest

from moderate_cli.catalog import load_data
from moderate_cli.client.responses import body_code, gateway_code

CODES: dict[str, Any] = load_data("codes.json")
BODY: list[dict[str, Any]] = CODES["body"]
GATEWAY: list[dict[str, Any]] = CODES["gateway"]


@pytest.mark.parametrize("entry", BODY, ids=lambda entry: str(entry["code"]))
def test_every_body_code_has_a_name_a_meaning_and_a_remedy(entry: dict[str, Any]) -> None:
    facts = body_code(entry["code"])
    assert facts.name.replace("_", "").isalpha()
    assert facts.meaning
    assert not facts.meaning.endswith(".")
    assert bool(facts.remedy) == (entry["code"] != 200)
    assert not (facts.retryable and facts.fatal)
    assert facts.billed == (entry["code"] == 200)


@pytest.mark.parametrize("entry", GATEWAY, ids=lambda entry: entry["prefix"])
def test_every_gateway_code_has_a_meaning_and_a_remedy(entry: dict[str, Any]) -> None:
    facts = gateway_code(entry["prefix"], 400)
    assert (facts.name, facts.meaning, facts.remedy) == (entry["prefix"], entry["meaning"], entry["remedy"])
    assert facts.meaning
    assert facts.remedy
    assert not (facts.retryable and facts.fatal)


def test_no_code_is_listed_twice() -> None:
    codes = [entry["code"] for entry in BODY]
    assert codes == sorted(set(codes))
    prefixes = [entry["prefix"] for entry in GATEWAY]
    assert len(prefixes) == len(set(prefixes))


def test_no_prefix_hides_a_longer_one_behind_it() -> None:
    prefixes = [entry["prefix"] for entry in GATEWAY]
    hidden = [
        (early, late) for at, early in enumerate(prefixes) for late in prefixes[at + 1 :] if late.startswith(early)
    ]
    assert hidden == []


@pytest.mark.parametrize(
    ("code", "name", "retryable", "fatal", "max_attempts"),
    [
        (280, "in_progress", True, False, None),
        (400, "parameter_missing", False, False, None),
        (401, "parameter_invalid", False, False, None),
        (402, "parameter_too_long", False, False, None),
        (403, "rate_limited", True, False, None),
        (404, "download_failed", True, False, 2),
        (405, "download_timeout", True, False, 2),
        (406, "too_large", False, False, None),
        (407, "format_unsupported", False, False, None),
        (408, "not_permitted", False, True, None),
        (500, "service_failed", True, False, None),
        (588, "rate_limited", True, False, None),
        (594, "expired", False, False, None),
        (596, "not_permitted", False, True, None),
        (0, "api_0", False, False, None),
        (499, "api_499", False, False, None),
        (501, "api_501", True, False, None),
        (599, "api_599", True, False, None),
    ],
)
def test_body_codes_tell_what_to_do(
    code: int, name: str, retryable: bool, fatal: bool, max_attempts: int | None
) -> None:
    facts = body_code(code)
    assert (facts.name, facts.retryable, facts.fatal, facts.max_attempts) == (name, retryable, fatal, max_attempts)


def test_an_unknown_body_code_is_told_with_its_number() -> None:
    assert body_code(777).meaning == "unknown code 777"
    assert body_code(777).remedy


@pytest.mark.parametrize(
    ("code", "status", "meaning", "retryable", "fatal"),
    [
        ("Forbidden.RiskControl", 403, "the account is under risk control", False, True),
        ("Forbidden.RAM", 403, "this account may not call the operation", False, True),
        ("Forbidden", 403, "this account may not call the operation", False, True),
        ("InvalidAccessKeyId.NotFound", 404, "the AccessKey ID is unknown or disabled", False, True),
        ("InvalidAccessKeyId.Inactive", 400, "the AccessKey ID is unknown or disabled", False, True),
        ("SignatureDoesNotMatch", 400, "the signature does not match", False, True),
        ("SignatureNonceUsed", 400, "the request's nonce was used before", True, False),
        ("InvalidSecurityToken.Expired", 400, "the security token is invalid or has expired", False, True),
        ("Throttling.User", 400, "more calls a second than the account may make", True, False),
        ("InvalidParameter.Service", 400, "the gateway refused a parameter", False, False),
        ("MissingAccessKeyId", 400, "the gateway misses a part of the request", False, False),
        ("Unheard.Of", 400, "HTTP 400", False, False),
        ("Unheard.Of", 408, "HTTP 408", True, False),
        ("Unheard.Of", 429, "HTTP 429", True, False),
        ("Forbidden.RAM", 408, "this account may not call the operation", False, True),
        ("Unheard.Of", 502, "HTTP 502", True, False),
        ("throttling", 400, "HTTP 400", False, False),
    ],
)
def test_gateway_codes_are_judged_by_their_prefix_and_else_by_the_status(
    code: str, status: int, meaning: str, retryable: bool, fatal: bool
) -> None:
    facts = gateway_code(code, status)
    assert (facts.name, facts.meaning, facts.retryable, facts.fatal) == (code, meaning, retryable, fatal)
