"""Queued tasks from end to end: batch, async-submit, poll, multimodal and listen, with the store between them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest
from copies import copies
from digests import needs_sm3
from jsonschema import Draft202012Validator
from PIL import Image
from rule_builders import flagging

from moderate_cli.callback import checksum
from moderate_cli.client import AsyncOptions, Credentials, GreenClient
from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator
from moderate_cli.records import record_schema
from moderate_cli.store import NewTask, Store

MODERATE = Path(sys.executable).with_name("moderate")
DATA = Path(__file__).parents[1] / "data"
SAMPLE_POST = Path(__file__).parents[2] / "sample_configs" / "post.yaml"
SCHEMA = Draft202012Validator(json.loads(record_schema()))
LOCAL = ["--profile", "local"]


@pytest.fixture
def animation(tmp_path: Path) -> Path:
    """An animation of three frames, of which the second holds a QR code."""
    with Image.open(DATA / "poster-qr.png") as picture:
        poster = picture.convert("RGB").resize((300, 400))
    plain = Image.new("RGB", poster.size, "lightblue")
    path = tmp_path / "animation.gif"
    plain.save(path, save_all=True, append_images=[poster, Image.new("RGB", poster.size, "beige")], duration=100)
    return path


@pytest.fixture
def store_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "store.db"
    monkeypatch.setenv("MODERATE_STORE", str(path))
    return path


def _valid(result: Any) -> list[dict[str, Any]]:
    for record in result.records:
        SCHEMA.validate(record)
    return result.records


def test_several_services_in_one_call(moderate: Callable) -> None:
    result = moderate("batch", DATA / "poster-qr.png", "-s", "baselineCheck,tonalityImprove", *LOCAL)
    (record,) = _valid(result)
    assert result.code == ExitCode.OK
    assert record["operation"] == "ImageBatchModeration"
    assert [part["service"] for part in record["per_service"]] == ["baselineCheck", "tonalityImprove"]
    assert all(part["labels"][0]["label"] == "QRCode" for part in record["per_service"])


def test_a_service_that_a_region_is_not_known_to_offer_is_a_warning(
    moderate: Callable, account: dict[str, str]
) -> None:
    service = ["-s", "adCheckByVL", "--region", "cn-chengdu", "--endpoint", account["MODERATE_ENDPOINT"]]
    result = moderate("batch", DATA / "landscape.jpg", *service, variables=account)
    assert result.code == ExitCode.OK
    assert "cn-chengdu is not known to offer adCheckByVL for ImageBatchModeration" in result.stderr


def test_an_animation_is_submitted_and_waited_for(moderate: Callable, animation: Path, store_path: Path) -> None:
    result = moderate("async-submit", animation, "--interval", "1", "--max-frames", "10", "--wait", *LOCAL)
    (record,) = _valid(result)
    assert (result.code, record["status"], record["risk_level"]) == (ExitCode.OK, "judged", "high")
    assert [[label["label"] for label in frame["labels"]] for frame in record["frames"]] == [[], ["QRCode"], []]
    assert record["source"] == str(animation)
    assert record["sha256"]
    with Store.open(store_path) as store:
        task = store.find_task(record["req_id"])
    assert task
    assert task.state == "done"


def test_what_was_submitted_is_polled_by_another_run(moderate: Callable, animation: Path, store_path: Path) -> None:
    submitted = moderate("async-submit", animation, DATA / "landscape.jpg", *LOCAL)
    assert submitted.code == ExitCode.OK
    assert {record["status"] for record in _valid(submitted)} == {"pending"}
    assert "2 pending" in submitted.stderr
    polled = moderate("poll", *LOCAL)
    assert polled.code == ExitCode.OK
    assert {record["source"] for record in _valid(polled)} == {str(animation), str(DATA / "landscape.jpg")}
    assert {record["req_id"] for record in polled.records} == {record["req_id"] for record in submitted.records}
    again = moderate("poll", *LOCAL)
    assert (again.code, again.stdout) == (ExitCode.NO_INPUT, "")
    assert "no pending task found" in again.stderr


def test_tasks_are_named_by_ids_or_by_our_own_records(
    moderate: Callable, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = moderate("async-submit", DATA / "landscape.jpg", *LOCAL)
    (record,) = submitted.records
    assert moderate("poll", record["req_id"], *LOCAL).records[0]["risk_level"] == "none"
    for text in (submitted.stdout, f"{record['req_id']}\n\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        (polled,) = _valid(moderate("poll", "-", *LOCAL))
        assert (polled["req_id"], polled["status"]) == (record["req_id"], "judged")
    for text in ("{broken", '{"req_id": {"a": 1}}'):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        refused = moderate("poll", "-", *LOCAL)
        assert refused.code == ExitCode.USAGE
        assert "line 1 of standard input is neither a task ID nor a record" in refused.stderr


def test_frames_are_saved_while_their_addresses_live(moderate: Callable, animation: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    arguments = ["--interval", "1", "--max-frames", "10", "--wait", "--save-frames", folder]
    (record,) = moderate("async-submit", animation, *arguments, *LOCAL).records
    assert sorted(path.name for path in folder.iterdir()) == [f"{record['req_id']}-{n}.jpg" for n in range(3)]
    with Image.open(folder / f"{record['req_id']}-1.jpg") as frame:
        assert frame.size == (300, 400)
    for frame in record["frames"]:
        path = folder / f"{record['req_id']}-{frame['index']}.jpg"
        assert frame["saved"] == {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_page_has_the_pictures_of_saved_frames_in_any_folder(
    moderate: Callable, animation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--interval", "1", "--max-frames", "10", "--wait", "--save-frames", "frames"]
    results = tmp_path / "results.jsonl"
    page = moderate("async-submit", animation, *arguments, "-f", "html", "--jsonl-output", results, *LOCAL).stdout
    assert _frames_of(page) == 3
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for command in (["history"], ["convert", results]):
        assert _frames_of(moderate(*command, "-f", "html").stdout) == 3
    for path in (tmp_path / "frames").glob("*-[01].jpg"):
        path.write_bytes(b"another")
    assert _frames_of(moderate("convert", results, "-f", "html").stdout) == 1


def test_a_page_has_the_pictures_of_a_post_in_any_folder(
    moderate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        shutil.copy(DATA / "poster-qr.png", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    post = ["--title", "t", "--text", "words", "--image", "a.png", "--image", "b.png"]
    moderate("multimodal", *post, "--wait", *LOCAL)
    shutil.copy(DATA / "landscape.jpg", tmp_path / "b.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    page = moderate("history", "-f", "html").stdout
    assert page.count("data:image/jpeg") == 1
    assert str(tmp_path / "b.png") in page


def _frames_of(page: str) -> int:
    """How many pictures of frames a page has."""
    strip = page[page.index('<ol class="frames"') :]
    return strip[: strip.index("</ol>")].count("data:image/jpeg")


def _account(emulator: Emulator, store: Path) -> dict[str, str]:
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": emulator.access_key.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": emulator.access_key.access_key_secret,
        "MODERATE_ENDPOINT": emulator.endpoint,
        "MODERATE_STORE": str(store),
    }


def test_a_task_that_is_pending_at_the_deadline_is_exit_5(moderate: Callable, store_path: Path) -> None:
    with Emulator(polls_before_result=2) as emulator:
        variables = _account(emulator, store_path)
        (submitted,) = moderate("async-submit", DATA / "poster-qr.png", variables=variables).records
        pending = moderate("poll", variables=variables)
        assert pending.code == ExitCode.PENDING
        assert _valid(pending)[0]["status"] == "pending"
        moderate("poll", variables=variables)
        done = moderate("poll", "--fail-on", "high", variables=variables)
    assert done.code == ExitCode.FOUND
    assert (done.records[0]["req_id"], done.records[0]["risk_level"]) == (submitted["req_id"], "high")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--interval", "0"], "interval must be at least 1, not 0"),
        (["--max-frames", "101"], "maxFrameNum must be 1 to 100, not 101"),
        (["--callback", "http://127.0.0.1:1/"], "a callback needs a seed"),
        (["--crypt-type", "MD5"], "cryptType must be SHA256 or SM3"),
    ],
)
def test_options_that_the_service_would_refuse(moderate: Callable, arguments: list[str], words: str) -> None:
    result = moderate("async-submit", DATA, *arguments, *LOCAL)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert words in result.stderr


def test_a_post_is_judged_part_by_part(moderate: Callable, store_path: Path) -> None:
    result = moderate("multimodal", SAMPLE_POST, "--wait", *LOCAL)
    (record,) = _valid(result)
    assert (result.code, record["risk_level"]) == (ExitCode.OK, "high")
    assert [(label["label"], label["where"]) for label in record["labels"]] == [("QRCode", "$.mainData")]
    assert record["services"] == ["post_text_image_detection"]
    assert record["usage"]["total_tokens"]
    tree = moderate("multimodal", SAMPLE_POST, "--wait", "--color", "never", *LOCAL, terminal=True).stdout
    assert tree.index("Flea market") < tree.index("QRCode") < tree.index("Is there parking")


def test_findings_stand_at_the_comment_that_they_belong_to(
    moderate: Callable, store_path: Path, tmp_path: Path
) -> None:
    post = tmp_path / "post.json"
    reply = {"content": "harmless", "images": [str(DATA / "poster-qr.png")]}
    comments = [{"content": "fine"}, {"content": "SPAM here", "commentDatas": [{"content": "also fine"}, reply]}]
    post.write_text(json.dumps({"mainData": {"mainContent": "a post"}, "commentDatas": comments}))
    with Emulator(rules=flagging({"spam": "ad_spam"})) as emulator:
        variables = _account(emulator, store_path)
        moderate("multimodal", post, variables=variables)
        deadline = time.monotonic() + 30
        while (polled := moderate("poll", variables=variables)).code == ExitCode.PENDING:
            assert time.monotonic() < deadline
    (record,) = _valid(polled)
    assert sorted((label["label"], label["where"]) for label in record["labels"]) == [
        ("QRCode", "$.commentDatas[1].commentDatas[1]"),
        ("ad_spam", "$.commentDatas[1]"),
    ]


def test_a_post_given_by_options(moderate: Callable, store_path: Path) -> None:
    options = ["--title", "t", "--text", "x", "--image", DATA / "poster-qr.png", "--comment", "c"]
    (record,) = moderate("multimodal", *options, "--wait", *LOCAL).records
    assert record["risk_level"] == "high"
    for arguments in ([], [SAMPLE_POST, "--title", "t"]):
        assert moderate("multimodal", *arguments, *LOCAL).code == ExitCode.USAGE


def test_a_post_over_its_limits_uploads_nothing(moderate: Callable, account: dict[str, str]) -> None:
    result = moderate("multimodal", "--text", "x" * 5001, "--image", DATA / "landscape.jpg", variables=account)
    assert result.code == ExitCode.INCOMPLETE
    assert "at most 5,000 characters, not 5,001" in result.stderr
    assert result.records[0]["attempts"] == 0


@pytest.mark.parametrize("command", ["sync", "batch"])
def test_a_store_that_cannot_be_opened_is_a_warning(moderate: Callable, tmp_path: Path, command: str) -> None:
    (tmp_path / "store.db").write_text("this is no database, and long enough to be looked at as if it were one")
    result = moderate(command, DATA / "landscape.jpg", "--store", tmp_path / "store.db", *LOCAL)
    assert result.code == ExitCode.OK
    assert "this run is not stored" in result.stderr
    assert result.records[0]["risk_level"] == "none"


def test_without_a_store_no_id_is_lost(moderate: Callable, tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("this is no database, and long enough to be looked at as if it were one")
    result = moderate("async-submit", DATA, "--store", tmp_path / "store.db", *LOCAL)
    assert result.code == ExitCode.OK
    assert len({record["req_id"] for record in result.records}) == 3


def test_results_are_kept_and_secrets_are_not(moderate: Callable, account: dict[str, str], store_path: Path) -> None:
    moderate("sync", DATA, variables=account)
    with sqlite3.connect(store_path) as database:
        assert database.execute("SELECT count(*) FROM results").fetchone() == (3,)
        assert database.execute("SELECT exit_code, judged FROM runs").fetchone() == (0, 3)
    assert store_path.stat().st_mode & 0o777 == 0o600


def _push(url: str, content: bytes, **headers: str) -> int:
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(url, content, timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


@pytest.fixture
def listener(store_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A `moderate listen` for the account 100 and the seed s, and its address."""
    command = [MODERATE, "listen", "--uid", "100", "--port", "0"]
    environment = {**os.environ, "MODERATE_SEED": "s"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr
        yield process, process.stderr.readline().split()[-1]
        process.kill()


def _form(content: str, given: str | None = None) -> bytes:
    fields = {"ReqId": "R1", "Checksum": given or checksum("100", "s", content), "Content": content}
    return urlencode(fields).encode()


CONTENT = json.dumps({"ReqId": "R1", "RiskLevel": "high", "Result": [{"Label": "QRCode", "Confidence": 100}]})


def test_a_callback_is_stored_once_printed_once_and_answered(
    listener: tuple[subprocess.Popen[str], str], store_path: Path
) -> None:
    process, url = listener
    assert _push(url, _form(CONTENT)) == 200
    assert _push(url, _form(CONTENT)) == 200
    assert _push(url, _form(CONTENT, given="0" * 64)) == 403
    broken = "{broken"
    assert _push(url, _form(broken)) == 400
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == ExitCode.OK
    (record,) = [json.loads(line) for line in stdout.splitlines()]
    SCHEMA.validate(record)
    assert (record["req_id"], record["risk_level"]) == ("R1", "high")
    assert "1 saved, 1 seen before, 2 refused" in stderr
    with sqlite3.connect(store_path) as database:
        assert database.execute("SELECT count(*) FROM results").fetchone() == (1,)


def test_the_emulators_callback_finishes_the_task_here(
    listener: tuple[subprocess.Popen[str], str], moderate: Callable, animation: Path, store_path: Path
) -> None:
    process, url = listener
    with Emulator(account_id="100") as emulator:
        variables = _account(emulator, store_path)
        callback = ["--callback", url, "--seed", "s", "--interval", "1", "--max-frames", "5"]
        (submitted,) = moderate("async-submit", animation, *callback, variables=variables).records
        assert process.stdout
        record = json.loads(process.stdout.readline())
    assert (record["req_id"], record["source"]) == (submitted["req_id"], str(animation))
    assert len(record["frames"]) == 3
    with Store.open(store_path) as store:
        assert not list(store.pending_tasks())


@pytest.mark.parametrize("empty", [["--uid", "", "--seed", "s"], ["--uid", "100", "--seed", " "]])
def test_a_checksum_that_anybody_could_make_is_no_checksum(moderate: Callable, empty: list[str]) -> None:
    result = moderate("listen", *empty, "--port", "0")
    assert result.code == ExitCode.USAGE
    assert "must not be empty" in result.stderr


def test_a_recorded_callback_that_may_need_sm3_is_not_taken_for_right_without_it(
    moderate: Callable, tmp_path: Path, without_sm3: None
) -> None:
    recording = tmp_path / "callback.txt"
    recording.write_bytes(_form(CONTENT, given="0" * 64))
    result = moderate("listen", "--uid", "100", "--verify", recording, "--seed", "s")
    assert (result.code, result.stdout) == (ExitCode.INCOMPLETE, "")
    assert f"{recording}: this Python's OpenSSL has no SM3" in result.stderr


@pytest.mark.parametrize("algorithm", ["SHA256", pytest.param("SM3", marks=needs_sm3)])
def test_a_recorded_callback_is_checked_offline(moderate: Callable, tmp_path: Path, algorithm: Any) -> None:
    recording = tmp_path / "callback.txt"
    recording.write_bytes(_form(CONTENT, given=checksum("100", "s", CONTENT, algorithm)))
    arguments = ["listen", "--uid", "100", "--verify", recording, "--seed"]
    right = moderate(*arguments, "s")
    assert (right.code, _valid(right)[0]["req_id"]) == (ExitCode.OK, "R1")
    wrong = moderate(*arguments, "other")
    assert (wrong.code, wrong.stdout) == (ExitCode.INCOMPLETE, "")
    assert "the checksum is wrong" in wrong.stderr


def test_two_pollers_share_one_store(store_path: Path, tmp_path: Path) -> None:
    with Emulator(polls_before_result=1) as emulator:
        environment = {**os.environ, **_account(emulator, store_path)}
        sources = copies(DATA / "landscape.jpg", tmp_path / "images", 40)
        subprocess.run([MODERATE, "async-submit", *sources, "-q"], env=environment, check=True, capture_output=True)
        command = [MODERATE, "poll", "--wait", "--poll-interval", "5", "--wait-timeout", "40"]
        pollers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [poller.communicate(timeout=90)[0] for poller in pollers]
    printed = [json.loads(line)["req_id"] for output in outputs for line in output.splitlines()]
    assert len(printed) == len(set(printed)) == 40
    with sqlite3.connect(store_path) as database:
        assert database.execute("SELECT count(*) FROM tasks WHERE state = 'done'").fetchone() == (40,)
        assert database.execute("SELECT count(DISTINCT req_id), count(*) FROM results").fetchone() == (40, 40)


OPERATIONS: dict[str, Callable[[GreenClient, Any], Any]] = {
    "ImageModeration": lambda client, image: client.image_moderation("s", image).risk_level,
    "ImageBatchModeration": lambda client, image: client.image_batch_moderation(["a", "b"], image).risk_level,
    "ImageAsyncModeration": lambda client, image: (
        _result(lambda: client.describe_image_moderation_result(submitted.req_id))
        if (submitted := client.image_async_moderation("s", image, options=AsyncOptions()))
        else None
    ),
    "MultimodalAsyncModeration": lambda client, image: (
        _result(lambda: client.describe_multimodal_moderation_result(submitted.req_id))
        if (
            submitted := client.multimodal_async_moderation(
                "post_text_image_detection",
                {"mainData": {"mainImages": [{"ossBucketName": image.bucket, "ossObjectName": image.key}]}},
            )
        )
        else None
    ),
}


def _result(ask: Callable[[], Any]) -> str:
    deadline = time.monotonic() + 30
    while (verdict := ask()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return verdict.risk_level


@pytest.mark.parametrize("operation", OPERATIONS)
def test_our_client_drives_every_operation(operation: str) -> None:
    with (
        Emulator(polls_before_result=1) as emulator,
        GreenClient(
            Credentials(emulator.access_key.access_key_id, emulator.access_key.access_key_secret),
            endpoint=emulator.endpoint,
        ) as client,
        (DATA / "poster-qr.png").open("rb") as file,
    ):
        uploaded = client.upload(file, extension=".png")
        assert OPERATIONS[operation](client, uploaded) == "high"
        verdict = client.image_moderation("s", uploaded)
        assert client.describe_image_result_ext(str(verdict.request_id), ["textInImage"])["custom_image"] == []


def test_a_kill_loses_no_task_that_the_service_accepted() -> None:
    rounds = Path(__file__).parents[1] / "benchmarks" / "kill_async_submit.py"
    done = subprocess.run([sys.executable, rounds, "4", "100"], capture_output=True, text=True, check=True, timeout=120)
    assert "lost=0)" in done.stdout
    assert "killed=0" not in done.stdout
    assert "accepted=0" not in done.stdout


def _states(store: Path) -> dict[str, str]:
    with sqlite3.connect(store) as database:
        return dict(database.execute("SELECT source, state FROM tasks").fetchall())


def test_no_service_is_asked_about_the_task_of_another(moderate: Callable, store_path: Path) -> None:
    with Emulator() as emulator:
        variables = _account(emulator, store_path)
        moderate("async-submit", DATA / "landscape.jpg", variables=variables)
        elsewhere = moderate("poll", *LOCAL)
        assert elsewhere.code == ExitCode.INCOMPLETE
        assert "the task belongs to 127.0.0.1" in elsewhere.stderr
        assert set(_states(store_path).values()) == {"pending"}
        assert moderate("poll", variables=variables).code in {ExitCode.OK, ExitCode.PENDING}


def test_a_task_is_asked_after_in_the_region_where_it_was_submitted(
    moderate: Callable, store_path: Path, account: dict[str, str]
) -> None:
    with Store.open(store_path) as store:
        task = NewTask(
            kind="image",
            operation="ImageAsyncModeration",
            service="s",
            source="a.gif",
            region="cn-shanghai",
            endpoint="green-cip.cn-shanghai.aliyuncs.com",
        )
        now = time.time()
        store.accept_task(store.begin_task(task), req_id="R", submitted_at=now, expires_at=now + 1e5, request_id=None)
    keys = {name: value for name, value in account.items() if name != "MODERATE_ENDPOINT"}
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    result = moderate("poll", "--retries", "0", variables={**keys, **proxy, "MODERATE_STORE": str(store_path)})
    assert result.records[0]["endpoint"] == "green-cip.cn-shanghai.aliyuncs.com"
    assert "green-cip.cn-shanghai" in result.stderr


def test_an_account_that_may_not_ask_gives_no_task_up(moderate: Callable, store_path: Path) -> None:
    with Emulator() as emulator:
        moderate("async-submit", DATA / "landscape.jpg", variables=_account(emulator, store_path))
        key = emulator.access_key.access_key_id
        refused = moderate(
            "poll", variables={**_account(emulator, store_path), "ALIBABA_CLOUD_ACCESS_KEY_ID": f"{key}x"}
        )
        assert refused.code == ExitCode.FATAL
        assert set(_states(store_path).values()) == {"pending"}


def test_an_expired_task_is_an_outcome(moderate: Callable, store_path: Path) -> None:
    moderate("async-submit", DATA / "landscape.jpg", *LOCAL)
    with sqlite3.connect(store_path) as database:
        database.execute("UPDATE tasks SET expires_at = 1, req_id = 'forgotten'")
    result = moderate("poll", *LOCAL)
    assert result.code == ExitCode.INCOMPLETE
    assert result.records[0]["source"] == str(DATA / "landscape.jpg")
    assert result.records[0]["error"]["code"] == "expired"
    assert moderate("poll", *LOCAL).code == ExitCode.NO_INPUT


def test_a_task_of_an_unknown_kind_does_not_stop_the_rest(moderate: Callable, store_path: Path) -> None:
    moderate("async-submit", DATA / "landscape.jpg", DATA / "poster-qr.png", "-j", "1", *LOCAL)
    with sqlite3.connect(store_path) as database:
        database.execute("UPDATE tasks SET kind = 'video' WHERE number = 1")
    result = moderate("poll", *LOCAL)
    assert result.code == ExitCode.INCOMPLETE
    assert sorted(record["status"] for record in result.records) == ["failed", "judged"]


def test_a_refused_image_leaves_no_task_behind(moderate: Callable, store_path: Path) -> None:
    assert moderate("async-submit", "http://127.0.0.1:1/中.png", *LOCAL).code == ExitCode.INCOMPLETE
    assert _states(store_path) == {}


def test_a_record_without_an_id_is_not_passed_over(
    moderate: Callable, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = moderate("async-submit", "missing.png", DATA / "landscape.jpg", *LOCAL)
    monkeypatch.setattr("sys.stdin", io.StringIO(submitted.stdout))
    polled = moderate("poll", "-", *LOCAL)
    assert polled.code == ExitCode.INCOMPLETE
    assert sorted((record["source"], record["status"]) for record in polled.records) == [
        (str(DATA / "landscape.jpg"), "judged"),
        ("missing.png", "failed"),
    ]


@pytest.mark.parametrize("line", ["{broken", "[1]", '"abc"', '{"a":' * 100_000])
def test_what_is_neither_an_id_nor_a_record_is_refused(
    moderate: Callable, store_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(line + "\n"))
    assert moderate("poll", "-", *LOCAL).code == ExitCode.USAGE


@pytest.mark.parametrize("option", [["--poll-interval", "nan"], ["--wait-timeout", "inf"]])
def test_a_time_is_a_number_of_seconds(moderate: Callable, store_path: Path, option: list[str]) -> None:
    result = moderate("async-submit", DATA / "landscape.jpg", "--wait", *option, *LOCAL)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert not store_path.exists()


def test_a_folder_for_frames_that_cannot_be_made_is_told_before_any_call(
    moderate: Callable, store_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    result = moderate("async-submit", DATA, "--wait", "--save-frames", tmp_path / "file", *LOCAL)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert not store_path.exists()


def test_a_closed_pipe_loses_no_id(store_path: Path, tmp_path: Path) -> None:
    with Emulator() as emulator:
        environment = {**os.environ, **_account(emulator, store_path)}
        command = [MODERATE, "async-submit", *copies(DATA / "landscape.jpg", tmp_path / "images", 60), "-j", "8"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
        ) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.readline()
            process.stdout.close()
            said = process.stderr.read()
        accepted = emulator.state.tasks.ids()
    assert process.returncode == ExitCode.BROKEN_PIPE, said
    assert "Traceback" not in said
    with sqlite3.connect(store_path) as database:
        stored = {row[0] for row in database.execute("SELECT req_id FROM tasks")}
    assert accepted == stored


def test_listen_ends_with_its_reader_and_keeps_what_was_pushed(
    listener: tuple[subprocess.Popen[str], str], store_path: Path
) -> None:
    process, url = listener
    assert process.stdout
    process.stdout.close()
    assert _push(url, _form(CONTENT)) == 200
    assert process.wait(timeout=20) == ExitCode.BROKEN_PIPE
    with sqlite3.connect(store_path) as database:
        assert database.execute("SELECT count(*) FROM results").fetchone() == (1,)


def test_a_locked_store_makes_the_service_push_again(
    listener: tuple[subprocess.Popen[str], str], store_path: Path
) -> None:
    _, url = listener
    with sqlite3.connect(store_path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert _push(url, _form(CONTENT)) == 503
        other.execute("ROLLBACK")
        assert other.execute("SELECT count(*) FROM results").fetchone() == (0,)
    assert _push(url, _form(CONTENT)) == 200
