"""One bad answer never takes the others with it, and a run that ends early accounts for every input."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from actions import CLEAN, RISKY, Reply, Service, service, upload_token
from faults import Answer, Reset, gateway
from invocation import Result
from PIL import Image

from moderate_cli.client import GreenClient
from moderate_cli.common.errors import ExitCode
from moderate_cli.records import record_schema

MODERATE = Path(sys.executable).with_name("moderate")
FORMATS = ("csv", "html", "json", "jsonl", "junit", "markdown", "sarif")
IMAGES = 60


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty images of different content, of which one is called wrong.png."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(IMAGES):
        name = "wrong.png" if number == 20 else f"{number:02}.png"
        Image.new("RGB", (200, 200), (number, 0, 0)).save(folder / name)
    return folder


def _reports(folder: Path) -> list[str]:
    return [word for name in FORMATS for word in (f"--{name}-output", str(folder / name))]


def _only_bad(fault: Answer | type[Reset]) -> Reply:
    """Answer one image so, whenever it is asked about; `--data-id-from name` tells which one it is."""
    return lambda request: fault if "wrong.png" in request["form"] else CLEAN


def _nested(depth: int) -> Answer:
    return Answer(200, b'{"Code":200,"Data":' + b"[" * depth + b"]" * depth + b"}")


def _first(fault: Callable[[Service], Answer]) -> Callable[[Service], dict[str, Reply]]:
    """Give the first upload token so, and good ones afterwards."""

    def replies(served: Service) -> dict[str, Reply]:
        good = upload_token(served.server.endpoint)
        return {"DescribeUploadToken": lambda request: fault(served) if request["number"] == "1" else good}

    return replies


def _token(**changes: Any) -> Callable[[Service], dict[str, Reply]]:
    return _first(lambda served: upload_token(served.server.endpoint, **changes))


FAULTS: dict[str, Callable[[Service], dict[str, Reply]]] = {
    "a body that breaks off": lambda _: {"ImageModeration": _only_bad(Answer(200, CLEAN.body, cut=10))},
    "an error whose body breaks off": lambda _: {"ImageModeration": _only_bad(Answer(500, CLEAN.body, cut=10))},
    "JSON nested 100,000 deep": lambda _: {"ImageModeration": _only_bad(_nested(100_000))},
    "an error nested 100,000 deep": lambda _: {
        "ImageModeration": _only_bad(Answer(400, _nested(100_000).body)),
    },
    "retry-after of 5,000 digits": lambda _: {
        "ImageModeration": _only_bad(gateway("ServiceUnavailable", 503, **{"x-acs-retry-after": "9" * 5_000}))
    },
    "a reset": lambda _: {"ImageModeration": _only_bad(Reset)},
    "a token with a list": _token(BucketName=["bucket"]),
    "a token with a bad bucket": _token(BucketName="Not_A_Bucket!"),
    "a token with an object as its prefix": _token(FileNamePrefix={"a": 1}),
    "a token that never expires": _token(Expiration="Infinity"),
    "a token that is text": _first(lambda _: Answer(200, b'{"Code": 200, "Data": "token"}')),
    "an OSS error that breaks off": lambda _: {
        "PUT": lambda request: (
            Answer(503, b"<Error><Code>Busy</Code></Error>", cut=9)
            if request["number"] == "7"
            else Answer(200, b"", {"ETag": '"1"'})
        )
    },
    "an OSS error that is no XML": lambda _: {
        "PUT": lambda request: Answer(500, b"<<<") if request["number"] == "7" else Answer(200, b"", {"ETag": '"1"'})
    },
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_bad_answer_is_one_failure(
    name: str, moderate: Callable[..., Result], photos: Path, tmp_path: Path
) -> None:
    with service(ImageModeration=CLEAN) as served:
        served.replies |= FAULTS[name](served)
        result = moderate(
            *("sync", photos, "--data-id-from", "name", "--retries", "0", "--fail-on", "low", "-f", "jsonl"),
            *_reports(tmp_path),
            variables=served.variables,
        )
    assert result.code == ExitCode.INCOMPLETE, result.stderr
    statuses = [record["status"] for record in result.records]
    assert (statuses.count("judged"), statuses.count("failed")) == (IMAGES - 1, 1)
    (failed,) = (record for record in result.records if record["status"] == "failed")
    assert failed["error"]["code"] not in {"bug", "call_cap"}
    assert failed["gate"] == {"fail_on": "low", "passed": False}
    _assert_reports_tell_of_one_failure(tmp_path)


def _assert_reports_tell_of_one_failure(folder: Path) -> None:
    from jsonschema import Draft202012Validator

    document = json.loads((folder / "json").read_text(encoding="utf-8"))
    assert (document["summary"]["judged"], document["summary"]["failed"]) == (IMAGES - 1, 1)
    schema = Draft202012Validator(json.loads(record_schema()))
    for record in document["results"]:
        schema.validate(record)
    assert len((folder / "jsonl").read_text(encoding="utf-8").splitlines()) == IMAGES
    rows = list(csv.DictReader(io.StringIO((folder / "csv").read_text(encoding="utf-8"))))
    assert [row["status"] for row in rows].count("failed") == 1
    (run,) = json.loads((folder / "sarif").read_text(encoding="utf-8"))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 1
    suite = ElementTree.parse(folder / "junit").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("errors")) == (str(IMAGES), "1")
    assert "| failed |" in (folder / "markdown").read_text(encoding="utf-8")
    assert 'data-level="failed"' in (folder / "html").read_text(encoding="utf-8")


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_of_our_own_is_told_once_the_others_are_done(
    debug: bool, moderate: Callable[..., Result], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = GreenClient.image_moderation

    def faulty(client: GreenClient, *arguments: Any, data_id: str, **options: Any) -> Any:
        if data_id == "wrong.png":
            raise ZeroDivisionError("injected")
        return judge(client, *arguments, data_id=data_id, **options)

    monkeypatch.setattr(GreenClient, "image_moderation", faulty)
    with service(ImageModeration=CLEAN) as served:
        result = moderate(
            *("sync", photos, "--data-id-from", "name", "-f", "jsonl", *(["--debug"] if debug else [])),
            *_reports(tmp_path),
            variables=served.variables,
        )
    assert result.code == ExitCode.BUG
    (failed,) = (record for record in result.records if record["status"] != "judged")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "bug")
    assert "ZeroDivisionError: injected" in failed["error"]["message"]
    assert ("Traceback" in result.stderr) is debug
    _assert_reports_tell_of_one_failure(tmp_path)


@pytest.fixture(scope="module")
def five_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 5,000 addresses."""
    path = tmp_path_factory.mktemp("lists") / "addresses"
    path.write_text("".join(f"https://example.com/{number}.jpg\n" for number in range(5_000)), encoding="utf-8")
    return path


def test_each_format_accounts_for_every_input_beyond_the_cap(
    moderate: Callable[..., Result], five_thousand: Path, tmp_path: Path
) -> None:
    with service(ImageModeration=CLEAN) as served:
        result = moderate(
            *("sync", "--files-from", five_thousand, "--max-calls", "500", "--qps", "10000", "-f", "github"),
            *_reports(tmp_path),
            variables=served.variables,
        )
        assert served.asked["ImageModeration"] == 500
    assert result.code == ExitCode.INCOMPLETE
    told = "4,500 inputs were not tried"
    assert "4,500 not tried" in result.stderr  # for csv and jsonl, which have no summary
    assert "raise --max-calls, or continue with --reuse" in result.stderr
    assert told in result.stdout
    document = json.loads((tmp_path / "json").read_text(encoding="utf-8"))
    assert len(document["results"]) == 500
    summary = document["summary"]
    assert (summary["inputs"], summary["not_tried"], summary["at_least"], summary["cut_off"]) == (
        500,
        4500,
        False,
        True,
    )
    assert len((tmp_path / "jsonl").read_text(encoding="utf-8").splitlines()) == 500
    (run,) = json.loads((tmp_path / "sarif").read_text(encoding="utf-8"))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert any(told in note["message"]["text"] for note in invocation["toolExecutionNotifications"])
    suite = ElementTree.parse(tmp_path / "junit").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("skipped")) == ("501", "1")
    assert any(told in (case.get("name") or "") for case in suite.iter("testcase"))
    for name in ("markdown", "html"):
        assert told in (tmp_path / name).read_text(encoding="utf-8")


def test_a_pipe_that_stays_open_is_not_waited_for(tmp_path: Path) -> None:
    with service(ImageModeration=CLEAN) as served:
        process = _start(served, tmp_path, "sync", "-", "--max-calls", "2", "-f", "json")
        assert process.stdin is not None
        process.stdin.write("".join(f"https://example.com/{number}.jpg\n" for number in range(10)))
        process.stdin.flush()
        began = time.monotonic()
        assert process.wait(timeout=60) == ExitCode.INCOMPLETE
        assert time.monotonic() - began < 30
        stdout, stderr = process.communicate()
    summary = json.loads(stdout)["summary"]
    assert (summary["inputs"], summary["not_tried"], summary["at_least"]) == (2, 8, True)
    assert "at least 8 not tried" in stderr


def test_a_fatal_answer_and_a_signal_leave_the_rest_not_tried(tmp_path: Path, five_thousand: Path) -> None:
    fatal = gateway("InvalidAccessKeyId.NotFound", 404)

    def thirteenth(request: dict[str, str]) -> Answer:
        return fatal if int(request["number"]) >= 13 else CLEAN

    with service(ImageModeration=thirteenth) as served:
        process = _start(served, tmp_path, "sync", "--files-from", str(five_thousand), "-f", "json", "-j", "4")
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.FATAL
    summary = json.loads(stdout)["summary"]
    assert summary["cut_off"]
    assert summary["not_tried"] > 0
    assert summary["at_least"]
    assert "not tried" in stderr
    with service(ImageModeration=Answer(200, RISKY.body, delay=0.1)) as served:
        process = _start(served, tmp_path, "sync", "--files-from", str(five_thousand), "-f", "json", "-j", "4")
        while not served.asked["ImageModeration"]:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    summary = json.loads(stdout)["summary"]
    assert summary["cut_off"]
    assert summary["not_tried"] > 0
    assert "at least" in stderr


def _start(served: Service, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    import os

    return subprocess.Popen(
        [MODERATE, *arguments, "--store", str(folder / "store.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **served.variables},
    )
