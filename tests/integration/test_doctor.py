"""`moderate doctor`: each thing that can be wrong is the first line that fails, with what to do."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from faults import Answer, body, faults, gateway

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator, Fault

NAMES = ["settings", "store", "credentials", "dns", "tls", "clock", "signature", "permission", "oss"]


def _checks(result: Any) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def _statuses(result: Any) -> list[str]:
    return [check["status"] for check in _checks(result).values()]


def test_all_is_well(moderate: Callable, account: dict[str, str]) -> None:
    result = moderate("doctor", "-f", "json", variables=account)
    assert result.code == ExitCode.OK
    assert list(_checks(result)) == NAMES
    assert set(_statuses(result)) == {"ok"}
    assert _checks(result)["credentials"]["detail"] == "environment (ALIBABA_CLOUD_ACCESS_KEY_ID)"


@pytest.mark.parametrize(
    ("answer", "status", "detail"),
    [
        (None, "ok", "lvwang_public_cn is activated"),
        ({"Buy": False, "Indebt": False}, "failed", "lvwang_public_cn is not activated"),
        ({"Buy": True, "Indebt": True}, "failed", "a payment for lvwang_public_cn is overdue"),
        ({}, "failed", "unreadable response: it lacks Buy"),
    ],
)
def test_a_commodity_is_activated(
    moderate: Callable,
    account: dict[str, str],
    emulator: Emulator,
    answer: dict[str, Any] | None,
    status: str,
    detail: str,
) -> None:
    if answer is not None:
        text = json.dumps({"Code": 200, "Msg": "OK", "RequestId": "R", "Data": answer})
        emulator.faults.add([Fault("GetUserBuyStatus", body=text)])
    result = moderate("doctor", "-f", "json", "--commodity", "lvwang_public_cn", variables=account)
    assert list(_checks(result)) == [*NAMES, "activation"]
    assert (_checks(result)["activation"]["status"], _checks(result)["activation"]["detail"]) == (status, detail)
    assert result.code == (ExitCode.OK if status == "ok" else ExitCode.FATAL)


def test_the_local_engine_is_well(moderate: Callable) -> None:
    result = moderate("doctor", "--profile", "local")
    assert result.code == ExitCode.OK
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [["ok", name] for name in NAMES]


def test_no_credentials(moderate: Callable) -> None:
    result = moderate("doctor", variables={"MODERATE_ENDPOINT": "http://127.0.0.1:9"})
    assert result.code == ExitCode.FATAL
    assert result.stdout.splitlines()[2].startswith("failed  credentials  no credentials: ")
    assert "--profile local" in result.stdout
    assert "Traceback" not in result.stderr


def test_without_credentials_the_rest_is_checked(moderate: Callable) -> None:
    with faults(Answer(404, b"", {"Date": formatdate(usegmt=True)})) as server:
        result = moderate("doctor", "-f", "json", variables={"MODERATE_ENDPOINT": server.endpoint})
        assert {method for method, _, _ in server.requests} == {"GET"}
    assert result.code == ExitCode.FATAL
    assert _statuses(result) == ["ok", "ok", "failed", "ok", "ok", "ok", "skipped", "skipped", "skipped"]
    assert _checks(result)["signature"]["detail"] == "unknown without credentials"


def test_a_service_that_is_mistyped(moderate: Callable) -> None:
    done = moderate("doctor", "-p", "local", "-s", "baselinecheck_globl")
    assert "unknown service baselinecheck_globl, did you mean baselineCheck_global?" in done.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId.NotFound"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "CANARY"}, "SignatureDoesNotMatch"),
        ({"ALIBABA_CLOUD_SECURITY_TOKEN": "CANARY"}, "InvalidSecurityToken"),
    ],
)
def test_a_signature_that_is_refused(
    moderate: Callable, account: dict[str, str], variables: dict[str, str], words: str
) -> None:
    result = moderate("doctor", "-f", "json", variables={**account, **variables})
    assert result.code == ExitCode.FATAL
    assert _statuses(result) == ["ok"] * 6 + ["failed", "skipped", "skipped"]
    assert words in _checks(result)["signature"]["detail"]
    assert _checks(result)["signature"]["hint"]
    assert "CANARY" not in result.stdout + result.stderr


@pytest.mark.parametrize("answer", [body(408), gateway("Forbidden.RAM", 403), gateway("NoPermission", 403)])
def test_a_permission_that_is_missing(moderate: Callable, account: dict[str, str], answer: Answer) -> None:
    with faults(Answer(404, b""), answer) as server:
        result = moderate("doctor", "-f", "json", variables={**account, "MODERATE_ENDPOINT": server.endpoint})
    assert result.code == ExitCode.FATAL
    assert _statuses(result) == ["ok", "ok", "ok", "ok", "ok", "skipped", "ok", "failed", "skipped"]
    assert "AliyunYundunGreenWebFullAccess" in _checks(result)["permission"]["hint"]


@pytest.mark.parametrize(("skew", "status"), [(3600, "failed"), (-3600, "failed"), (300, "ok")])
def test_a_clock_that_is_off(moderate: Callable, account: dict[str, str], skew: int, status: str) -> None:
    date = formatdate(time.time() - skew, usegmt=True)
    with faults(Answer(404, b"", {"Date": date})) as server:
        result = moderate("doctor", "-f", "json", variables={**account, "MODERATE_ENDPOINT": server.endpoint})
    assert _checks(result)["clock"]["status"] == status
    assert ("ahead of" if skew > 0 else "behind") in _checks(result)["clock"]["detail"]


def test_nobody_answers(moderate: Callable, account: dict[str, str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        result = moderate("doctor", "-f", "json", variables={**account, "MODERATE_ENDPOINT": endpoint})
    assert result.code == ExitCode.FATAL
    assert _statuses(result) == ["ok", "ok", "ok", "ok", "failed", "skipped", "skipped", "skipped", "skipped"]


def test_an_upload_address_that_cannot_be_reached(moderate: Callable, account: dict[str, str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        token = {
            "AccessKeyId": "STS.x",
            "AccessKeySecret": "CANARY",
            "SecurityToken": "CANARY",
            "BucketName": "b",
            "FileNamePrefix": "p/",
            "Expiration": 1,
            "OssInternetEndPoint": f"http://127.0.0.1:{closed.getsockname()[1]}",
        }
        with faults(Answer(404, b""), body(200, token)) as server:
            result = moderate("doctor", "-f", "json", variables={**account, "MODERATE_ENDPOINT": server.endpoint})
    assert _statuses(result)[-2:] == ["ok", "failed"]
    assert "CANARY" not in result.stdout + result.stderr


@pytest.mark.parametrize("color", ["always", "never"])
def test_colour_never_stands_alone(moderate: Callable, account: dict[str, str], color: str) -> None:
    result = moderate("doctor", "--color", color, variables=account)
    assert ("\x1b[" in result.stdout) == (color == "always")
    assert result.stdout.count("ok ") == len(NAMES)
