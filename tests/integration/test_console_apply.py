"""`moderate console apply` as a process that is killed while it changes an account, and many results."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from emulating import MODERATE
from rules_files import SERVICE, apply_plan, plan_of, write_large

from moderate_cli.account import LOCK_NAME
from moderate_cli.client import Credentials, ManagementClient
from moderate_cli.emulator import Emulator

MOMENTS = int(os.environ.get("MODERATE_TEST_MOMENTS", "5"))  # 50 take four minutes


@pytest.fixture
def client(emulator: Emulator) -> Iterator[ManagementClient]:
    key = emulator.access_key
    credentials = Credentials(key.access_key_id, key.access_key_secret)
    with ManagementClient(credentials, endpoint=emulator.endpoint) as client:
        yield client


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write_large(folder, pictures=True)
    return folder


def _state(client: ManagementClient) -> dict[str, Any]:
    """Return what an account has, by names and contents."""
    images = {each.id: each.name for each in client.image_libraries()}
    words = {each.id: each.name for each in client.keyword_libraries()}
    ours = [each for each in client.services() if each.code == SERVICE or each.copy_of]
    return {
        "copies": [(each.name, each.copy_of) for each in ours],
        "exempt": [[one.name for one in client.image_libraries(each.code) if one.exempt] for each in ours],
        "ignored": [[words[one] for one in client.service(each.code).ignored] for each in ours],
        "flagged": [[words[one] for one in client.service(each.code).flagged] for each in ours],
        "images": {name: len(list(client.library_images(key))) for key, name in images.items()},
        "words": {name: sorted(one.word for one in client.keywords(key)) for key, name in words.items()},
    }


def test_killed_it_is_run_again_and_ends_in_the_same_state(
    client: ManagementClient, emulator: Emulator, repository: Path, tmp_path: Path
) -> None:
    expected: dict[str, Any] | None = None
    moments = random.Random(16)
    for number in range(MOMENTS):
        assert requests.post(f"{emulator.endpoint}/_emulator/reset", timeout=10).ok
        folder = tmp_path / str(number)
        shutil.copytree(repository, folder)
        _kill_after(moments.randrange(22), emulator, folder / "moderate-rules.yaml")
        with _apply(emulator, folder / "moderate-rules.yaml") as again:
            _, said = again.communicate(timeout=600)
        assert again.returncode == 0, said
        state = _state(client)
        assert state == (expected := expected or state)
        assert plan_of(client, folder / "moderate-rules.yaml").steps == ()
    assert expected
    assert expected["copies"] == [(SERVICE, None), ("Shop photos", SERVICE), ("Forum", SERVICE)]
    assert expected["images"] == {f"i{library}": 30 for library in range(4)}
    assert {name: len(words) for name, words in expected["words"].items()} == {f"k{n}": 500 for n in range(3)}


def _apply(emulator: Emulator, path: Path) -> subprocess.Popen[str]:
    key = emulator.access_key
    variables = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.access_key_secret,
        "MODERATE_ENDPOINT": emulator.endpoint,
    }
    return subprocess.Popen(
        [*MODERATE, "console", "apply", str(path), "--yes"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def _kill_after(steps: int, emulator: Emulator, path: Path) -> None:
    """Kill a run as soon as it says that so many steps are done; what it does then is left to chance."""
    with _apply(emulator, path) as process:
        assert process.stderr
        for _ in range(steps):
            process.stderr.readline()
        process.kill()


def test_a_second_machine_has_nothing_to_do(client: ManagementClient, repository: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(repository, first)
    apply_plan(client, first / "moderate-rules.yaml")
    shutil.copytree(repository, second)
    assert [note.kind for note in plan_of(client, second / "moderate-rules.yaml").notes] == ["unknown"] * 4
    shutil.copy(first / LOCK_NAME, second)
    plan = plan_of(client, second / "moderate-rules.yaml")
    assert (plan.steps, plan.notes) == ((), ())


READING = """
import io, resource, sys
from moderate_cli.client import ManagementClient, Page
from moderate_cli.common.environment import Environment
from moderate_cli.main import run

number, form, path = int(sys.argv[1]), *sys.argv[2:]
item = {"ServiceCode": "baselineCheck_global", "RiskLevel": "high", "RequestTime": "2026-11-29 12:00:00"}
item |= {"Result": [{"Label": "violent_explosion", "Confidence": "81.22", "Description": "fire"}]}

def results(self, **query):
    for start in range(0, number, 500):
        yield Page(1, tuple({"RequestId": f"R{start + index}", **item} for index in range(500)), number)

ManagementClient.results = results
words = ["console", "results", "-f", form, "-o", path, "--endpoint", "http://127.0.0.1:9"]
assert run(words, Environment(stdout=io.StringIO())) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("form", ["jsonl", "csv", "html"])
def test_many_results_take_little_memory(form: str, tmp_path: Path) -> None:
    def megabytes(number: int) -> int:
        words = [sys.executable, "-c", textwrap.dedent(READING), str(number), form, str(tmp_path / f"{number}.{form}")]
        keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "b"}
        done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, **keys})
        return int(done.stdout)

    few, many = megabytes(500), megabytes(8_000)
    assert many - few < 8
    if form == "jsonl":
        lines = (tmp_path / f"8000.{form}").read_text().splitlines()
        assert len({json.loads(line)["request_id"] for line in lines}) == 8_000
