"""A result counts as told only once a run that told it has finished (faults.md, V20)."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from actions import service
from faults import Answer, body
from invocation import Result

from moderate_cli.client.parameters import Operation
from moderate_cli.common.errors import ExitCode
from moderate_cli.store import NewTask, Store

MODERATE = Path(sys.executable).with_name("moderate")
TASKS = 60
HIGH = range(0, TASKS, 7)  # the numbers of the tasks at high
KILLS = 20


def _store(path: Path, endpoint: str, count: int = TASKS) -> None:
    """Put pending tasks into a store, as submissions leave them."""
    with Store.open(path) as store:
        for number in range(count):
            task = NewTask(
                kind="image",
                operation=Operation.IMAGE_ASYNC_MODERATION.value,
                service="baselineCheck_global",
                source=f"image-{number:02}.png",
                endpoint=endpoint.removeprefix("http://"),
                region="ap-southeast-1",
            )
            now = time.time()
            key = store.begin_task(task)
            store.accept_task(key, req_id=f"T{number:02}", submitted_at=now, expires_at=now + 9_000, request_id=None)


def _result(request: dict[str, str]) -> Answer:
    number = int(re.search(r"ReqId=T(\d\d)", request["path"])[1])  # type: ignore[index]
    level, label = ("high", "violent_explosion") if number in HIGH else ("none", "nonLabel")
    data = {"ReqId": f"T{number:02}", "RiskLevel": level, "Result": [{"Label": label}]}
    return Answer(200, body(200, data).body, delay=0.02)


def _told(output: str) -> set[str]:
    return set(re.findall(r"image-\d\d\.png", output))


def test_a_poll_that_is_killed_leaves_nothing_untold(tmp_path: Path) -> None:
    rng = random.Random(20261129)
    finished: list[str] = []
    command = [MODERATE, "poll", "-f", "csv", "--fail-on", "high", "-j", "2", "--store", str(tmp_path / "store.db")]
    kills = 0
    with service(DescribeImageModerationResult=_result) as served:
        _store(tmp_path / "store.db", served.server.endpoint)
        environment = {**os.environ, **served.variables, "COLUMNS": "100"}
        while kills < KILLS:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
            before = served.asked["DescribeImageModerationResult"]
            began = time.monotonic()
            while served.asked["DescribeImageModerationResult"] == before and process.poll() is None:
                assert time.monotonic() < began + 120
                time.sleep(0.005)
                if before >= TASKS and time.monotonic() > began + 0.7:
                    break  # nothing is left to ask: it only tells
            time.sleep(rng.random() * 0.05)
            process.kill()
            stdout, _ = process.communicate()
            kills += 1
            if process.returncode in {0, 1}:  # it was quicker than the signal
                finished.append(stdout.decode())
        last = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    untold = {f"image-{number:02}.png" for number in range(TASKS)} - set().union(*map(_told, finished), set())
    assert untold <= _told(last.stdout)
    untold_high = {f"image-{number:02}.png" for number in HIGH} & untold
    assert untold_high
    assert last.returncode == ExitCode.FOUND
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert again.returncode == ExitCode.NO_INPUT
    assert not _told(again.stdout)


@pytest.mark.parametrize("way", ["a closed pipe", "a report that cannot be written"])
def test_a_poll_that_breaks_off_tells_again(way: str, moderate: Callable[..., Result], tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with service(DescribeImageModerationResult=_result) as served:
        _store(store, served.server.endpoint, count=3)
        variables = {**served.variables, "MODERATE_STORE": str(store)}
        if way == "a closed pipe":
            read, write = os.pipe()
            os.close(read)
            process = subprocess.Popen(
                [MODERATE, "poll", "-f", "jsonl"], stdout=write, stderr=subprocess.PIPE, env={**os.environ, **variables}
            )
            os.close(write)
            process.communicate(timeout=60)
            assert process.returncode == ExitCode.BROKEN_PIPE
        else:
            code = moderate("poll", "-f", "jsonl", "-o", "/dev/full", variables=variables).code
            assert code == ExitCode.FATAL
        asked = served.asked["DescribeImageModerationResult"]
        again = moderate("poll", "-f", "jsonl", "--fail-on", "high", variables=variables)
        assert {record["source"] for record in again.records} == {f"image-{number:02}.png" for number in range(3)}
        assert again.code == ExitCode.FOUND
        if way == "a closed pipe":  # what was on its way was still collected
            assert served.asked["DescribeImageModerationResult"] == asked
        assert moderate("poll", "-f", "jsonl", variables=variables).code == ExitCode.NO_INPUT


def test_what_a_wait_collected_is_told_by_the_run_that_waited(moderate: Callable[..., Result], tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with service(DescribeImageModerationResult=_result) as served:
        _store(store, served.server.endpoint, count=2)
        variables = {**served.variables, "MODERATE_STORE": str(store)}
        first = moderate("poll", "-f", "jsonl", variables=variables)
        assert [json.loads(line)["req_id"] for line in first.stdout.splitlines()]
        assert moderate("poll", "-f", "jsonl", variables=variables).code == ExitCode.NO_INPUT
