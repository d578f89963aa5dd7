"""A run ends when it says, and in the memory it should (faults.md, R5, R7, R8)."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from actions import CLEAN, KEYS, service, upload_token
from faults import Answer
from PIL import Image
from raw_servers import Talk, raw_server

from moderate_cli.common.errors import ExitCode

MODERATE = Path(sys.executable).with_name("moderate")
BODY = CLEAN.body
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _whole(content: bytes, more: bytes = b"") -> bytes:
    return HEAD + more + b"Content-Length: %d\r\n\r\n" % len(content) + content


def _drip(data: bytes, pause: float = 0.2) -> Talk:
    def talk(connection: socket.socket, _request: bytes) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return talk


def _endless_chunks(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1\r\n \r\n")
        time.sleep(0.05)


def _endless_headers(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        connection.sendall(b"X-%d: 1\r\n" % number)
        time.sleep(0.2)


def _silent(_connection: socket.socket, _request: bytes) -> None:
    time.sleep(60)


SLOW = {
    "a body of one byte at a time": _drip(_whole(BODY)),
    "headers of one byte at a time": _drip(HEAD * 50),
    "endless chunks": _endless_chunks,
    "endless headers": _endless_headers,
    "no answer at all": _silent,
}


def _run(endpoint: str, *arguments: str, wait: float = 60, **more: str) -> tuple[int, str, str, float]:
    environment = {**os.environ, "MODERATE_ENDPOINT": endpoint, **KEYS, **more}
    began = time.monotonic()
    done = subprocess.run(
        [MODERATE, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=wait
    )
    return done.returncode, done.stdout, done.stderr, time.monotonic() - began


@pytest.mark.parametrize("name", SLOW)
def test_the_time_out_bounds_the_whole_call(name: str) -> None:
    with raw_server(SLOW[name]) as endpoint:
        code, stdout, _, seconds = _run(
            endpoint, "sync", "https://example.com/a.jpg", "--timeout", "2", "--retries", "0", "-f", "jsonl"
        )
    assert code == ExitCode.INCOMPLETE
    assert json.loads(stdout)["error"]["code"] == "read_timeout"
    assert seconds < 15


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_within_the_time_out_and_starts_no_attempt(number: signal.Signals) -> None:
    requests: list[bytes] = []

    def talk(connection: socket.socket, request: bytes) -> None:
        requests.append(request)
        _endless_chunks(connection, request)

    with raw_server(talk) as endpoint:
        process = subprocess.Popen(
            [MODERATE, "sync", "https://example.com/a.jpg", "--timeout", "3", "--retries", "5"],
            env={**os.environ, "MODERATE_ENDPOINT": endpoint, **KEYS},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while not requests:
            time.sleep(0.02)
        began = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=30)
        assert time.monotonic() - began < 12
    assert process.returncode == ExitCode.INTERRUPTED
    assert len(requests) == 1


def test_an_interrupt_ends_a_wait_at_once() -> None:
    busy = Answer(503, b'{"Code": "ServiceUnavailable"}', {"x-acs-retry-after": "60000"})
    with service(ImageModeration=busy) as served:
        process = subprocess.Popen(
            [MODERATE, "sync", "https://example.com/a.jpg"],
            env={**os.environ, **served.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while not served.asked["ImageModeration"]:
            time.sleep(0.02)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert time.monotonic() - began < 5
        assert served.asked["ImageModeration"] == 1
    assert process.returncode == ExitCode.INTERRUPTED


def _peak(endpoint: str, *arguments: str) -> tuple[dict[str, object], int]:
    """Return the record of one image, and the peak memory of the process in MB."""
    script = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "print(done.stdout, end='')\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, MODERATE, *arguments],
        env={**os.environ, "MODERATE_ENDPOINT": endpoint, **KEYS},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    record, peak = done.stdout.splitlines()
    return json.loads(record), int(peak) // (1024 if sys.platform != "darwin" else 1024 * 1024)


def _bomb() -> bytes:
    return gzip.compress(b'{"Code": 200, "Data": "' + bytes(400_000_000) + b'"}', 9)


def _flood(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(HEAD + b"Content-Length: 400000000\r\n\r\n")
    piece = b" " * 1_000_000
    for _ in range(400):
        connection.sendall(piece)


@pytest.mark.parametrize("name", ["a bomb of gzip", "a body of 400 MB", "a packing that nobody knows", "no gzip"])
def test_an_answer_is_bounded_after_it_is_unpacked(name: str) -> None:
    bomb = _whole(_bomb(), b"Content-Encoding: gzip\r\n") if name == "a bomb of gzip" else b""
    talks: dict[str, Talk] = {
        "a bomb of gzip": lambda connection, _: connection.sendall(bomb),
        "a body of 400 MB": _flood,
        "a packing that nobody knows": lambda connection, _: connection.sendall(
            _whole(BODY, b"Content-Encoding: zstd\r\n")
        ),
        "no gzip": lambda connection, _: connection.sendall(_whole(BODY, b"Content-Encoding: gzip\r\n")),
    }
    with raw_server(talks[name]) as endpoint:
        record, peak = _peak(endpoint, "sync", "https://example.com/a.jpg", "-f", "jsonl", "--retries", "0")
    assert (record["status"], record["error"]["code"]) == ("failed", "unreadable_answer")  # type: ignore[index]
    assert peak < 120, f"{peak} MB"


def test_an_answer_that_is_packed_is_read() -> None:
    packed = _whole(gzip.compress(BODY), b"Content-Encoding: gzip\r\n")
    with raw_server(lambda connection, _: connection.sendall(packed)) as endpoint:
        code, stdout, _, _ = _run(endpoint, "sync", "https://example.com/a.jpg", "-f", "jsonl")
    assert (code, json.loads(stdout)["risk_level"]) == (ExitCode.OK, "none")


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Path]:
    """Five hundred images of different content."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (200, 200), "red").save(folder / "0.png")
    content = (folder / "0.png").read_bytes()
    for number in range(1, 500):
        (folder / f"{number}.png").write_bytes(content + b"%d" % number)
    yield folder


def test_a_service_that_nobody_reaches_ends_the_run_soon(photos: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    code, stdout, stderr, seconds = _run(f"http://127.0.0.1:{port}", "sync", str(photos), "-f", "json")
    assert code == ExitCode.FATAL
    assert "Connection refused" in stderr.splitlines()[0]
    assert seconds < 20  # 5 on a machine that does nothing else
    summary = json.loads(stdout)["summary"]
    assert summary["failed"] + summary["not_tried"] == 500 or summary["at_least"]
    assert summary["failed"] >= 8
    assert summary["not_tried"] > 0
    assert "not tried" in stderr
    assert "moderate: stopped: no connection for 8 inputs in a row\n" in stderr


def test_one_image_that_nobody_can_send_does_not_end_the_run() -> None:
    """Refusals of the service are no want of a connection."""
    with service(ImageModeration=Answer(200, b'{"Code": 404, "Msg": "no"}')) as served:
        names = [f"https://example.com/{number}.jpg" for number in range(12)]
        code, stdout, _, _ = _run(served.server.endpoint, "sync", *names, "-f", "jsonl", "--retries", "0")
    assert code == ExitCode.INCOMPLETE
    assert len(stdout.splitlines()) == 12


@pytest.mark.parametrize("name", ["a body of one byte at a time", "endless headers", "no answer at all"])
def test_an_upload_is_bounded_as_a_whole(name: str, tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), "red").save(tmp_path / "a.png")
    with raw_server(SLOW[name]) as oss, service(ImageModeration=CLEAN) as served:
        served.replies["DescribeUploadToken"] = upload_token(oss)
        code, stdout, _, seconds = _run(
            *(served.server.endpoint, "sync", str(tmp_path / "a.png"), "--timeout", "2", "--retries", "0"),
            *("-f", "jsonl"),
        )
    assert code == ExitCode.INCOMPLETE
    assert json.loads(stdout)["error"]["code"] in {"upload_too_slow", "upload_failed"}
    assert seconds < 15
