"""The question before a run that may cost much: asked once, on a terminal, before anything is sent."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from copies import copies
from faults import Answer, FaultServer, faults
from invocation import Result, Terminal

from moderate_cli.app import ScanSpec, scan
from moderate_cli.app.spec import CostOptions
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.main import run

DATA = Path(__file__).parents[1] / "data"
CLEAN = {"RiskLevel": "none", "Result": [{"Label": "nonLabel"}], "ReqId": "Q1"}
TOKEN = dict.fromkeys(("AccessKeyId", "AccessKeySecret", "SecurityToken", "BucketName", "FileNamePrefix"), "bucket")
QUESTION = "continue? [y/N] "


class World:
    """A service on loopback that finds everything clean, and counts what it is asked."""

    def __init__(self, service: FaultServer, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self.asked: Counter[str] = Counter()

    def environment(self, answer: str | None, **variables: str) -> Environment:
        """Return the streams of somebody who answers on a terminal, or of a run without one (None)."""
        stdin, stderr = (io.StringIO(), io.StringIO()) if answer is None else (Terminal(answer), Terminal())
        given = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "AKID",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "AKSECRET",
            "MODERATE_ENDPOINT": self.service.endpoint,
            "MODERATE_STORE": str(self.folder / "s.db"),
            "HOME": str(self.folder),
        }
        return Environment(stdin=stdin, stdout=io.StringIO(), stderr=stderr, variables=given | variables)

    def moderate(self, *arguments: str | Path, answer: str | None, **variables: str) -> Result:
        environment = self.environment(answer, **variables)
        code = run([str(argument) for argument in arguments], environment)
        assert isinstance(environment.stdout, io.StringIO)
        assert isinstance(environment.stderr, io.StringIO)
        return Result(code, environment.stdout.getvalue(), environment.stderr.getvalue())


@contextmanager
def _world(folder: Path) -> Iterator[World]:
    def reply(handler: object) -> Answer:
        if handler.command == "PUT":  # type: ignore[attr-defined]
            world.asked["PUT"] += 1
            etag = handler.headers["Content-MD5"]  # type: ignore[attr-defined]
            return Answer(200, b"", {"ETag": f'"{etag}"', "x-oss-request-id": "1"})
        action = handler.headers["x-acs-action"]  # type: ignore[attr-defined]
        world.asked[action] += 1
        if action == "DescribeUploadToken":
            data: dict[str, object] = {**TOKEN, "Expiration": 4e9, "OssInternetEndPoint": world.service.endpoint}
        elif action == "ImageBatchModeration":
            data = {**CLEAN, "Results": [{"Service": name, **CLEAN} for name in ("a", "b")]}
        else:
            data = CLEAN
        return Answer(200, json.dumps({"Code": 200, "Data": data, "RequestId": "R"}).encode())

    with faults(reply) as service:
        world = World(service, folder)
        yield world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with _world(tmp_path) as world:
        yield world


URLS = [f"https://example.com/{number}.jpg" for number in range(5)]


@pytest.mark.parametrize("answer", ["y\n", "yes\n", " Y \n", "YES\n"])
def test_a_yes_lets_the_run_go_on(world: World, answer: str) -> None:
    result = world.moderate("sync", *URLS, "--confirm-above", "4", answer=answer)
    assert (result.code, len(result.records)) == (ExitCode.OK, 5)
    assert result.stderr.count(QUESTION) == 1
    assert "may make more than 4 billed calls; the first 5: USD 0.003" in result.stderr
    assert world.asked["ImageModeration"] == 5


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yeah\n", "no\ny\n"])
def test_anything_else_ends_it_before_anything_is_sent(world: World, answer: str) -> None:
    named = copies(DATA / "landscape.jpg", world.folder / "images", 2)
    result = world.moderate("sync", *named, *URLS, "--confirm-above", "4", answer=answer)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert "not confirmed; nothing was sent (--yes answers beforehand)" in result.stderr
    assert not world.asked


@pytest.mark.parametrize(
    "more",
    [
        ["--confirm-above", "5"],
        ["--confirm-above", "4", "--yes"],
        ["--confirm-above", "4", "-y"],
        ["--confirm-above", "4", "--max-calls", "4"],
        ["--confirm-above", "0", "--dry-run"],
        [],
    ],
)
def test_nobody_is_asked_without_need(world: World, more: list[str]) -> None:
    result = world.moderate("sync", *URLS, *more, answer="")
    assert QUESTION not in result.stderr
    assert result.code in {ExitCode.OK, ExitCode.INCOMPLETE}
    assert world.asked["ImageModeration"] == (0 if "--dry-run" in more else 4 if "--max-calls" in more else 5)


def test_without_a_terminal_it_never_waits(world: World) -> None:
    result = world.moderate("sync", *URLS, answer=None, MODERATE_CONFIRM_ABOVE="1")
    assert (result.code, world.asked["ImageModeration"]) == (ExitCode.OK, 5)
    assert "--confirm-above 1: not asked, no terminal (--max-calls stops without asking)" in result.stderr


def test_a_list_on_standard_input_leaves_nobody_to_ask(world: World) -> None:
    result = world.moderate("sync", "-", "--confirm-above", "1", answer="\n".join(URLS))
    assert (result.code, world.asked["ImageModeration"]) == (ExitCode.OK, 5)
    assert "not asked, standard input is the list" in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
@pytest.mark.parametrize(("answer", "calls"), [("y\n", 5), ("n\n", 0)])
def test_a_pipe_that_can_be_read_once_is_asked_about_unread(world: World, answer: str, calls: int) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write("\n".join(URLS))
    try:
        listed = f"/dev/fd/{reading}"
        result = world.moderate("sync", "--files-from", listed, "--confirm-above", "4", answer=answer)
    finally:
        os.close(reading)
    assert f"the calls of {listed} cannot be counted beforehand" in result.stderr
    assert world.asked["ImageModeration"] == calls
    assert result.code == (ExitCode.OK if calls else ExitCode.USAGE)


def test_each_service_and_each_frame_counts(world: World, tmp_path: Path) -> None:
    batch = world.moderate("batch", *URLS[:2], "-s", "a,b", "--confirm-above", "3", answer="n\n")
    assert "the first 4" in batch.stderr
    frames = ["--interval", "1", "--max-frames", "50", "--confirm-above", "10"]
    queued = world.moderate("async-submit", "https://example.com/a.gif", *frames, answer="n\n")
    assert "the first 50" in queued.stderr
    local = world.moderate("async-submit", DATA.parent / "animation.gif", *frames, answer="n\n")
    assert QUESTION not in local.stderr
    assert local.code == ExitCode.OK
    assert world.asked["ImageAsyncModeration"] == 1


@pytest.mark.parametrize(("answer", "calls"), [("y\n", 2), ("n\n", 0)])
def test_posts_are_asked_about_by_their_images_and_texts(world: World, tmp_path: Path, answer: str, calls: int) -> None:
    path = tmp_path / "posts.yaml"
    post = {"mainData": {"mainContent": "text", "mainImages": [DATA.joinpath("landscape.jpg").as_posix()]}}
    path.write_text(f"---\n{json.dumps(post)}\n---\n{json.dumps(post)}\n")
    result = world.moderate("multimodal", path, "--confirm-above", "2", answer=answer)
    assert "the first 4: CNY 0.013" in result.stderr
    assert "17.34 calls of a resource package" in result.stderr
    assert world.asked["MultimodalAsyncModeration"] == calls
    assert (world.asked["PUT"] > 0) == (calls > 0)


def test_what_an_earlier_run_answered_is_not_counted(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    copies(DATA / "landscape.jpg", folder, 3)
    asked = ["sync", folder, "--reuse", "forever", "--confirm-above", "2"]
    assert world.moderate(*asked, "--yes", answer="").code == ExitCode.OK
    again = world.moderate(*asked, answer="")
    assert (again.code, QUESTION in again.stderr) == (ExitCode.OK, False)


def test_a_run_that_was_not_confirmed_is_none_that_the_store_knows(world: World) -> None:
    missing = world.folder / "missing.png"
    first = world.moderate("sync", missing, *URLS, answer="")
    assert first.code == ExitCode.INCOMPLETE
    world.moderate("sync", missing, *URLS, "--confirm-above", "1", answer="n\n")
    (record,) = world.moderate("sync", missing, *URLS, "--retry-failed", answer="").records
    assert record["source"] == str(missing)


def test_the_count_ends_with_the_first_call_too_many(world: World, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(f"https://example.com/{number}.jpg" for number in range(200_000)))
    result = world.moderate("sync", "--files-from", listed, "--confirm-above", "10", "--jobs", "1", answer="n\n")
    assert "the first 11: " in result.stderr
    assert result.code == ExitCode.USAGE


def test_the_local_engine_costs_nothing(world: World, moderate: Callable) -> None:
    arguments = ["sync", DATA / "landscape.jpg", DATA / "poster-qr.png", "-p", "local", "--confirm-above", "0"]
    result = world.moderate(*arguments, answer="", MODERATE_ENDPOINT="")
    assert (result.code, QUESTION in result.stderr) == (ExitCode.OK, False)


def test_a_program_is_never_asked(world: World) -> None:
    environment = world.environment("", MODERATE_CONFIRM_ABOVE="1")
    assert len(list(scan(URLS, environment=environment))) == 5
    with pytest.raises(UsageError, match=r"no use for CostOptions\.confirm_above"):
        list(scan(URLS, ScanSpec(cost=CostOptions(confirm_above="1")), environment))
    with pytest.raises(UsageError, match="no use for confirm_above"):
        list(scan(URLS, environment=environment, confirm_above=1))


def test_a_number_that_makes_no_sense(world: World) -> None:
    result = world.moderate("sync", *URLS, "--confirm-above", "many", answer="")
    assert result.code == ExitCode.USAGE
    assert "--confirm-above must be a whole number of at least 0, not 'many'" in result.stderr
