"""Answers that hosts share through Redis: what one has paid for, no other pays for again."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from copies import copies
from redis_server import RedisServer, needs_redis, running_redis

from moderate_cli.common.errors import ExitCode

IMAGE = Path(__file__).parents[1] / "data" / "poster-qr.png"

pytestmark = needs_redis


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


Host = Callable[..., dict[str, Any]]


@pytest.fixture
def host(moderate: Callable, account: dict[str, str], tmp_path: Path, redis: RedisServer) -> Host:
    """Judge something on a host with a store of its own, and return its record."""

    def host(name: str, source: Path | str, *options: str) -> dict[str, Any]:
        arguments = ["--reuse", "7d", "--reuse-from", redis.address, "--store", tmp_path / f"{name}.db", *options]
        done = moderate("sync", source, *arguments, "-f", "jsonl", variables=account)
        assert done.code in {ExitCode.OK, ExitCode.FATAL}, done.stderr
        return json.loads(done.stdout) | {"said": done.stderr}

    return host


def test_what_one_host_had_judged_no_other_asks_again(host: Host, tmp_path: Path) -> None:
    first = host("a", IMAGE)
    copy = tmp_path / "copy.png"
    copy.write_bytes(IMAGE.read_bytes())
    second = host("b", copy)
    assert (first["reused"], second["reused"]) == (False, True)
    assert second["source"] == str(copy)
    assert second["labels"] == first["labels"]
    assert second["request_id"] == first["request_id"]


def test_another_question_is_asked(host: Host) -> None:
    host("a", IMAGE)
    assert not host("b", IMAGE, "-s", "tonalityImprove")["reused"]


@pytest.fixture
def url() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(IMAGE.read_bytes())

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a.png"
        server.shutdown()


def test_addresses_are_taken_for_the_same_only_where_that_is_asked_for(host: Host, url: str) -> None:
    assert not host("a", url, "--reuse-addresses")["reused"]
    assert not host("b", url)["reused"]
    assert host("c", url, "--reuse-addresses")["reused"]


def test_an_answer_that_is_too_old_is_asked_again(host: Host, redis: RedisServer) -> None:
    host("a", IMAGE)
    (key,) = redis.client().keys("moderate:answer:*")
    assert 0 < redis.client().ttl(key) <= 7 * 86_400
    assert host("c", IMAGE, "--reuse", "forever")["reused"]


@pytest.mark.parametrize("content", [b"", b"x", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_an_answer_that_cannot_be_read_is_asked_again(host: Host, redis: RedisServer, content: bytes) -> None:
    host("a", IMAGE)
    (key,) = redis.client().keys("moderate:answer:*")
    redis.client().set(key, content)
    again = host("b", IMAGE)
    assert not again["reused"]
    assert "cannot be read; asking again" in again["said"]


def test_a_plan_knows_them_too(moderate: Callable, account: dict[str, str], redis: RedisServer, tmp_path: Path) -> None:
    arguments = ["--reuse", "7d", "--reuse-from", redis.address]
    moderate("sync", IMAGE, *arguments, "-q", variables=account)
    done = moderate("sync", IMAGE, *arguments, "-n", "-f", "jsonl", "--store", tmp_path / "b.db", variables=account)
    assert "1 reused" in done.stderr, (done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--reuse-from", "redis://127.0.0.1:9"], ExitCode.USAGE, "--reuse-from needs --reuse"),
        (["--reuse-from", "file:x", "--reuse", "7d"], ExitCode.USAGE, "--reuse-from must be redis://HOST:PORT/DB"),
        (
            ["--reuse-from", "redis://:OpenSesame99@127.0.0.1:9/0", "--reuse", "7d"],
            ExitCode.FATAL,
            "the answers at redis://127.0.0.1:9/0 cannot be read: ",
        ),
    ],
)
def test_a_place_that_cannot_be_used(
    moderate: Callable, account: dict[str, str], arguments: list[str], code: ExitCode, said: str
) -> None:
    done = moderate("sync", IMAGE, *arguments, variables=account)
    assert done.code == code
    assert said in done.stderr
    assert "Sesame" not in done.stderr


def test_redis_is_killed_in_the_middle_and_the_run_goes_on(
    account: dict[str, str], redis: RedisServer, tmp_path: Path
) -> None:
    images = copies(IMAGE, tmp_path / "images", 40)
    command = [Path(sys.executable).with_name("moderate"), "sync", *images, "-f", "jsonl", "--qps", "20"]
    with subprocess.Popen(
        [*command, "--reuse", "7d", "--reuse-from", redis.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **account},
    ) as process:
        assert process.stdout
        assert process.stderr
        records = [process.stdout.readline() for _ in range(5)]
        redis.kill()
        records += process.stdout.readlines()
        said = process.stderr.read()
        assert process.wait(timeout=120) == ExitCode.OK
    assert len({json.loads(record)["source"] for record in records}) == 40
    assert sum("going on with those of this machine" in line for line in said.splitlines()) == 1
