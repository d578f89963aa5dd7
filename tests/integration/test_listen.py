"""`moderate listen` as a gate: what is pushed decides the exit code, in every format."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest
from jsonschema import Draft202012Validator
from rule_builders import flagging

from moderate_cli.callback import checksum
from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator
from moderate_cli.records import record_schema
from moderate_cli.store import NewTask, Store

MODERATE = Path(sys.executable).with_name("moderate")
DATA = Path(__file__).parents[1] / "data"
SCHEMA = Draft202012Validator(json.loads(record_schema()))
UID, SEED = "100", "s"
WAIT = 120  # seconds that a busy machine may take; nothing here waits for them

HIGH = {"RiskLevel": "high", "Result": [{"Label": "QRCode", "Confidence": 100}]}
CLEAN = {"RiskLevel": "none", "Result": [{"Label": "nonLabel"}]}
NOT_DOWNLOADED = {"Code": 404, "Msg": "download failed"}
UNREADABLE: dict[str, Any] = {"Result": []}


@contextmanager
def _listening(store: Path, *options: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [MODERATE, "listen", "--uid", UID, "--port", "0", "--store", str(store), *options]
    environment = {**os.environ, "MODERATE_SEED": SEED, **variables}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stderr
            yield process, process.stderr.readline().split()[-1]
        finally:
            process.kill()


def _form(said: dict[str, Any], req_id: str = "R1", *, is_signed: bool = True) -> bytes:
    content = json.dumps({"ReqId": req_id, **said} if is_signed else said)
    return urlencode({"ReqId": req_id, "Checksum": checksum(UID, SEED, content), "Content": content}).encode()


def _push(url: str, *form: Any, **how: Any) -> int:
    try:
        with build_opener(ProxyHandler({})).open(url, _form(*form, **how), timeout=WAIT) as reply:
            return int(reply.status)
    except HTTPError as error:
        with error:
            return error.code


def _ended(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]], str]:
    stdout, stderr = process.communicate(timeout=WAIT)
    records = [json.loads(line) for line in stdout.splitlines()]
    for record in records:
        SCHEMA.validate(record)
    return process.returncode, records, stderr


@pytest.mark.parametrize(
    ("said", "options", "code"),
    [
        (HIGH, [], ExitCode.OK),
        (HIGH, ["--fail-on", "high"], ExitCode.FOUND),
        (CLEAN, ["--fail-on", "low"], ExitCode.OK),
        (NOT_DOWNLOADED, [], ExitCode.INCOMPLETE),
    ],
)
def test_what_is_pushed_decides_the_exit_code(tmp_path: Path, said: Any, options: list[str], code: ExitCode) -> None:
    with _listening(tmp_path / "s.db", "--once", "1", *options) as (process, url):
        assert _push(url, said) == 200
        ended, (record,), stderr = _ended(process)
    assert ended == code
    assert record["req_id"] == "R1"
    assert (record["gate"] or {"fail_on": "never"})["fail_on"] == (options[1] if options else "never")
    assert "1 saved, 0 seen before, 0 refused" in stderr


def test_variables_and_a_suppression_count_as_for_each_run(tmp_path: Path) -> None:
    suppressions = tmp_path / "s.yaml"
    suppressions.write_text(json.dumps([{"path": "https://example.com/1", "label": "QRCode", "reason": "ours"}]))
    with Store.open(tmp_path / "s.db") as store:
        for number in (1, 2):
            task = NewTask(
                kind="image",
                operation="ImageAsyncModeration",
                service="baselineCheck",
                source=f"https://example.com/{number}",
                endpoint="green-cip.cn-shanghai.aliyuncs.com",
            )
            queued = store.begin_task(task)
            store.accept_task(queued, req_id=f"R{number}", submitted_at=0, expires_at=4e9, request_id=None)
    options = {"MODERATE_FAIL_ON": "high", "MODERATE_ONCE": "2", "MODERATE_SUPPRESSIONS": str(suppressions)}
    with _listening(tmp_path / "s.db", **options) as (process, url):
        for req_id in ("R1", "R1", "R2"):
            assert _push(url, HIGH, req_id) == 200
        code, records, stderr = _ended(process)
    assert code == ExitCode.FOUND
    assert [(record["req_id"], record["gate"]["passed"]) for record in records] == [("R1", True), ("R2", False)]
    assert "2 saved, 1 seen before" in stderr


def test_what_is_missing_when_it_is_asked_to_end_is_pending(tmp_path: Path) -> None:
    with _listening(tmp_path / "s.db", "--once", "3", "--fail-on", "high") as (process, url):
        assert _push(url, HIGH) == 200
        process.send_signal(signal.SIGTERM)
        code, records, stderr = _ended(process)
    assert (code, len(records)) == (ExitCode.PENDING, 1)
    assert "1 judged (1 high), 2 pending" in stderr


def test_a_signal_ends_a_server_that_received_nothing(tmp_path: Path) -> None:
    for number, code in ((signal.SIGTERM, ExitCode.OK), (signal.SIGINT, ExitCode.INTERRUPTED)):
        with _listening(tmp_path / "s.db") as (process, _):
            process.send_signal(number)
            assert _ended(process)[:2] == (code, [])


def test_a_result_that_cannot_be_read_fails_unless_a_later_push_can(tmp_path: Path) -> None:
    with _listening(tmp_path / "s.db", "--fail-on", "high") as (process, url):
        assert _push(url, UNREADABLE, "R1") == 503
        assert _push(url, UNREADABLE, "R2") == 503
        assert _push(url, CLEAN, "R2") == 200
        process.send_signal(signal.SIGTERM)
        code, records, stderr = _ended(process)
    assert code == ExitCode.INCOMPLETE
    assert [(record["req_id"], record["status"]) for record in records] == [("R2", "judged"), ("R1", "failed")]
    assert records[1]["error"]["code"] == "unreadable_answer"
    assert "R1: failed: " in stderr
    with sqlite3.connect(tmp_path / "s.db") as database:
        assert database.execute("SELECT finishes FROM results").fetchall() == [("R2",)]


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [([], ExitCode.INCOMPLETE, "failed"), (["--accept-unverified"], ExitCode.FOUND, "judged")],
)
def test_a_result_whose_task_was_not_signed(tmp_path: Path, options: list[str], code: ExitCode, status: str) -> None:
    gate = ["--fail-on", "high", *options]
    with _listening(tmp_path / "s.db", "--once", "1", *gate) as (process, url):
        assert _push(url, HIGH, is_signed=False) == 200
        ended, (record,), _ = _ended(process)
    assert (ended, record["status"], record["risk_level"]) == (code, status, "high")
    recording = tmp_path / "callback.txt"
    recording.write_bytes(_form(HIGH, is_signed=False))
    verified = subprocess.run(
        [MODERATE, "listen", "--uid", UID, "--seed", SEED, "--verify", recording, *gate],
        capture_output=True,
        check=False,
        text=True,
    )
    assert (verified.returncode, json.loads(verified.stdout)["status"]) == (code, status)


@pytest.mark.parametrize(
    ("said", "options", "code", "words"),
    [
        (HIGH, ["--fail-on", "high", "-f", "table"], ExitCode.FOUND, "QRCode"),
        (HIGH, ["--fail-on", "high", "-f", "json"], ExitCode.FOUND, '"by_level":{"high":1}'),
        (HIGH, ["-f", "github"], ExitCode.OK, "QRCode"),
        (CLEAN, ["--fail-on", "low", "-f", "sarif"], ExitCode.OK, '"results"'),
        (NOT_DOWNLOADED, ["-f", "junit"], ExitCode.INCOMPLETE, "download_failed"),
        (UNREADABLE, [], ExitCode.INCOMPLETE, ""),
    ],
)
def test_a_recorded_callback_passes_the_same_gate(
    moderate: Callable, tmp_path: Path, said: Any, options: list[str], code: ExitCode, words: str
) -> None:
    recording = tmp_path / "callback.txt"
    recording.write_bytes(_form(said))
    result = moderate("listen", "--uid", UID, "--seed", SEED, "--verify", recording, *options)
    assert result.code == code
    assert words in result.stdout
    assert not (tmp_path / "s.db").exists()


def test_a_format_for_people_and_a_further_report(tmp_path: Path) -> None:
    report = tmp_path / "report.sarif"
    options = ["--once", "2", "-f", "table", "--sarif-output", str(report)]
    with _listening(tmp_path / "s.db", *options) as (process, url):
        assert _push(url, HIGH, "R1") == 200
        assert _push(url, CLEAN, "R2") == 200
        stdout, _ = process.communicate(timeout=WAIT)
    assert "QRCode" in stdout
    assert len(json.loads(report.read_text())["runs"][0]["results"]) == 1


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_result_that_a_killed_listener_did_not_tell_is_left_to_the_next_poll(tmp_path: Path, form: str) -> None:
    with _listening(tmp_path / "s.db", "-f", form) as (process, url):
        for req_id in ("R1", "R2"):
            assert _push(url, HIGH, req_id) == 200
            assert process.stdout
            if form == "jsonl":  # once R2 is printed, R1 is noted as told
                assert json.loads(process.stdout.readline())["req_id"] == req_id
        process.kill()
        process.wait(WAIT)
    assert ("R1" in _untold(tmp_path / "s.db")) == (form == "json")


def _untold(path: Path) -> list[str]:
    with Store.open(path) as store:
        return [found.req_id for found in store.untold()]


def test_a_post_is_pushed_too(tmp_path: Path, moderate: Callable) -> None:
    rules = flagging({"casino": "ad_compliance_promotion"})
    with (
        Emulator(account_id=UID, rules=rules) as emulator,
        _listening(tmp_path / "s.db", "--once", "1", "--fail-on", "low") as (process, url),
    ):
        variables = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": emulator.access_key.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": emulator.access_key.access_key_secret,
            "MODERATE_ENDPOINT": emulator.endpoint,
            "MODERATE_STORE": str(tmp_path / "s.db"),
            "MODERATE_SEED": SEED,
        }
        post = ["--text", "the casino opens", "--image", DATA / "landscape.jpg"]
        submitted = moderate("multimodal", *post, "--callback", url, variables=variables)
        code, (record,), _ = _ended(process)
    assert (submitted.code, submitted.records[0]["req_id"]) == (ExitCode.OK, record["req_id"])
    assert (code, record["source"], record["risk_level"]) == (ExitCode.FOUND, "the post given by options", "high")
    assert SEED not in (tmp_path / "s.db").read_text(errors="replace").split()


def test_a_callback_that_the_service_would_refuse_is_refused_before_a_post_is_sent(moderate: Callable) -> None:
    post = ["multimodal", "--text", "a", "--region", "cn-shanghai", "--callback", "https://x.example/cb"]
    result = moderate(*post)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert "a callback needs a seed" in result.stderr
    assert moderate(*post, "--seed", "a-b").code == ExitCode.USAGE
    told = moderate(*post, "--seed", "a_b", "--dry-run")
    assert told.code == ExitCode.OK
    assert "others can read --seed" in told.stderr
