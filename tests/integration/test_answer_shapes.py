"""Each shape of an answer, asked for in each way: only what was read whole, and holds nothing, passes the gate."""

from __future__ import annotations

import base64
import io
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import md5
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest
from answer_shapes import DATA_ID, RISKY, SERVICES, SHAPES, Channel, Shape, Want, as_json, cells, clean_body
from faults import Answer, FaultServer, faults
from jsonschema import Draft202012Validator
from PIL import Image

from moderate_cli import cli
from moderate_cli.app.receiving import Inbox
from moderate_cli.app.spec import Request
from moderate_cli.callback import CallbackServer, checksum
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode
from moderate_cli.main import run
from moderate_cli.models import RiskLevel
from moderate_cli.records import record_schema, to_outcome, to_record
from moderate_cli.results import GatePolicy, RunSummary
from moderate_cli.store import NewTask, Store, TaskState

URL = "https://example.com/a.png"
UID, SEED = "100", "s"
VALIDATOR = Draft202012Validator(json.loads(record_schema()))
CELLS = list(cells())


@dataclass(frozen=True)
class Ran:
    """What became of one answer; `pushed` is the HTTP status of a callback, `state` that of the task behind it."""

    code: int
    record: dict[str, Any] | None
    stderr: str
    pushed: int | None = None
    state: str | None = None


@dataclass
class World:
    """A service on loopback that gives one answer to everything, a store, and a listener for callbacks."""

    service: FaultServer
    store: Store
    folder: Path
    answer: Answer = field(default_factory=Answer)
    tasks: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    uploaded: str = ""
    ran: dict[tuple[str, str, Channel], Ran] = field(default_factory=dict)
    url: str = ""
    inbox: Inbox = field(init=False)

    def reply(self, handler: BaseHTTPRequestHandler) -> Answer:
        """Answer one request of the program: for an upload, or about the image that was uploaded last."""
        if handler.command == "PUT":
            self.uploaded = handler.headers["Content-MD5"]
            return Answer(200, b"", {"ETag": '"x"', "x-oss-request-id": "1"})
        if handler.headers["x-acs-action"] == "DescribeUploadToken":
            return Answer(200, json.dumps({"Code": 200, "Data": self._token()}).encode())
        self.calls[self.uploaded] += 1
        return self.answers.get(self.uploaded, self.answer)

    def _token(self) -> dict[str, Any]:
        names = ("AccessKeyId", "AccessKeySecret", "SecurityToken", "BucketName", "FileNamePrefix")
        return {**dict.fromkeys(names, "bucket"), "Expiration": 4e9, "OssInternetEndPoint": self.service.endpoint}

    def moderate(self, *arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
        """Run a command line in this process; return its exit code, its records, and what it said."""
        stdout, stderr = io.StringIO(), io.StringIO()
        variables = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "AKID",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "AKSECRET",
            "MODERATE_ENDPOINT": self.service.endpoint,
            "HOME": str(self.folder),
        }
        common = ["--fail-on", "low", "--retries", "0", "--store", self.store.path, "-f", "jsonl"]
        argv = [str(argument) for argument in (*arguments, *common)]
        code = run(argv, Environment(stdout=stdout, stderr=stderr, variables=variables))
        return code, [json.loads(line) for line in stdout.getvalue().splitlines()], stderr.getvalue()

    def see(self, shape: Shape, channel: Channel) -> Ran:
        """Return what becomes of a shape that is asked for in one way; each is asked for once."""
        key = (shape.row, shape.name, channel)
        if key not in self.ran:
            self.answer = shape.make(channel)
            self.ran[key] = self._pushed(shape) if channel == "listen" else self._asked(shape, channel)
        return self.ran[key]

    def _asked(self, shape: Shape, channel: Channel) -> Ran:
        given = ["--data-id", shape.sent] if shape.sent else []
        if shape.suppressed:
            given += ["--suppressions", str(self._ignore_file(shape))]
        if channel in {"sync", "batch"}:
            asked = [] if channel == "sync" else ["-s", ",".join(SERVICES)]
            code, (record,), stderr = self.moderate(channel, URL, *asked, *given)
            return Ran(code, record, stderr)
        req_id = self.queue(channel, shape)
        code, (record,), stderr = self.moderate("poll", req_id, *(given[2:] if shape.sent else given))
        return Ran(code, record, stderr, state=self.state(req_id))

    def _ignore_file(self, shape: Shape) -> Path:
        path = self.folder / "allow.yaml"
        entries = [{"path": URL, "label": label, "reason": "known"} for label in shape.suppressed]
        path.write_text(json.dumps(entries), encoding="utf-8")
        return path

    def queue(self, channel: Channel, shape: Shape, **extent: Any) -> str:
        """Put a task into the store as `async-submit` and `multimodal` do, and return its id."""
        self.tasks += 1
        req_id = f"{'task_' if channel == 'post' else 'T'}{self.tasks}"
        post = {**shape.sent_post, "dataId": shape.sent} if shape.sent else dict(shape.sent_post)
        task = NewTask(
            kind="multimodal" if channel == "post" else "image",
            operation="MultimodalAsyncModeration" if channel == "post" else "ImageAsyncModeration",
            service="post_text_image_detection" if channel == "post" else SERVICES[0],
            source=URL,
            endpoint=self.service.endpoint.removeprefix("http://"),
            data_id=shape.sent,
            post=json.dumps(post) if channel == "post" else None,
            extents=json.dumps([extent]) if extent else None,
        )
        number = self.store.begin_task(task)
        self.store.accept_task(number, req_id=req_id, submitted_at=0, expires_at=4e9, request_id=None)
        return req_id

    def state(self, req_id: str) -> str:
        """Return the state of a task; one that is pending has no result, and any other has one."""
        task = self.store.find_task(req_id)
        assert task
        with sqlite3.connect(self.store.path) as database:
            results = database.execute("SELECT count(*) FROM results WHERE finishes = ?", (req_id,)).fetchone()[0]
        assert results == (task.state != TaskState.PENDING)
        return task.state

    def _pushed(self, shape: Shape) -> Ran:
        req_id = self.queue("listen", shape)
        pushed = self.push(self.answer.body.decode(), req_id)
        arrived = self.inbox.arrived
        record = None if arrived.empty() else json.loads(json.dumps(to_record(arrived.get())))
        code = ExitCode.INCOMPLETE if record is None else _gated(record)
        return Ran(code, record, "", pushed, self.state(req_id))

    def push(self, content: str, req_id: str) -> int:
        """Push a callback with a right checksum, whose content names the task where it is an object of JSON."""
        content = content.replace("{", f'{{"ReqId": "{req_id}", ', 1).replace(", }", "}")
        form = {"ReqId": req_id, "Checksum": checksum(UID, SEED, content), "Content": content}
        try:
            with build_opener(ProxyHandler({})).open(self.url, urlencode(form).encode(), timeout=10) as reply:
                return int(reply.status)
        except HTTPError as error:
            with error:
                return error.code


def _gated(record: Mapping[str, Any]) -> int:
    """Return the exit code that a stored record means under `--fail-on low`."""
    summary = RunSummary(policy=GatePolicy(fail_on=RiskLevel.LOW))
    summary.add(to_outcome(record))
    return summary.exit_code(allow_empty=False)


@contextmanager
def _world(folder: Path) -> Iterator[World]:
    with (
        patch.object(cli, "load", cache(cli.load)),  # to build a command takes longer than to run it
        Store.open(folder / "store.db") as store,
        faults(lambda handler: world.reply(handler)) as service,
    ):
        world = World(service, store, folder)
        world.inbox = Inbox(store, Request("listen", Environment(stderr=io.StringIO(), variables={}), {}))
        with CallbackServer(world.inbox.save, uid=UID, seed=SEED) as listener:
            world.url = listener.url
            yield world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    log = logging.getLogger("moderate_cli")  # a world for many tests is made before any of them notes the log
    before = log.handlers, log.level, log.propagate
    with _world(tmp_path_factory.mktemp("shapes")) as world:
        yield world
    log.handlers, log.propagate = before[0], before[2]
    log.setLevel(before[1])


def _name(cell: object) -> str:
    return f"{cell.row}: {cell.name}" if isinstance(cell, Shape) else str(cell)


@pytest.mark.parametrize(("shape", "channel"), CELLS, ids=_name)
def test_each_shape_means_what_it_says(world: World, shape: Shape, channel: Channel) -> None:
    want, ran = shape.wants[channel], world.see(shape, channel)
    if channel == "listen":
        assert ran.pushed == (want.refusal or 200)
        assert (ran.record is None) == (want.refusal is not None)
    if ran.record is not None:
        VALIDATOR.validate(ran.record)
        assert ran.record["status"] == want.status, ran.record["error"]
        if want.level is not None or want.status != "failed":
            assert ran.record["risk_level"] == want.level, ran.record
        _holds(ran.record, want)
        message = (ran.record["error"] or {"message": ""})["message"]
        assert len(message) <= 1000
        assert message.isprintable()
    assert ran.code == want.code
    assert "Traceback" not in ran.stderr
    if ran.state is not None:
        is_over = want.status == "judged" or (want.refusal is None) or _is_about_the_image(ran.record)
        assert (ran.state != TaskState.PENDING) == is_over


def _is_about_the_image(record: Mapping[str, Any] | None) -> bool:
    """Tell whether asking again would change nothing."""
    codes = {404, 405, 406, 407, 480, 589, 590, 592, 594, 595}
    return bool(record and record["error"] and record["error"]["api_code"] in codes)


def _holds(record: Mapping[str, Any], want: Want) -> None:
    said = {
        "labels": lambda: [label["label"] for label in record["labels"]],
        "where": lambda: [label["where"] for label in record["labels"]],
        "of": lambda: [label["service"] for label in record["labels"]],
        "services": lambda: [part["service"] for part in record["per_service"]],
        "coverage": lambda: [tuple(part.values()) for part in record["coverage"]],
    }
    for name, value in want.holds.items():
        if name == "notes":
            assert value in "\n".join(record["notes"]) if value else not record["notes"]
        elif name == "error":
            assert value in record["error"]["message"]
        else:
            assert (said[name]() if name in said else record[name]) == value, name


def test_nothing_passes_that_is_not_rightly_clean(world: World) -> None:
    passed = [
        (_name(shape), channel)
        for shape, channel in CELLS
        if world.see(shape, channel).code == ExitCode.OK and not shape.wants[channel].clean
    ]
    assert passed == []
    assert len(SHAPES) >= 120
    assert len(CELLS) >= 5 * 120


def test_a_task_whose_callbacks_cannot_be_read_is_found_by_a_poll(world: World) -> None:
    shape = _shape("V17", "a bare result: no label")
    req_id = world.queue("listen", shape)
    for name in ("no label", "a broken frame", "critical"):
        content = _shape("V17", f"a bare result: {name}").make("listen").body.decode()
        assert world.push(content, req_id) == 503
        assert world.state(req_id) == TaskState.PENDING
    world.answer = _shape("found", "high with a label").make("image")
    code, (record,), _ = world.moderate("poll", req_id)
    assert (code, record["risk_level"], world.state(req_id)) == (ExitCode.FOUND, "high", TaskState.DONE)


def test_the_task_of_another_store_has_no_service(world: World) -> None:
    world.answer = as_json({**clean_body("image"), "Data": {"RiskLevel": "high", "Result": [RISKY]}})
    code, (record,), stderr = world.moderate("poll", "unknown-1")
    assert (code, record["services"], record["labels"][0]["service"]) == (ExitCode.FOUND, [], None)
    assert "not in the store" in stderr


def test_the_one_service_of_a_task_found_its_labels(world: World) -> None:
    ran = world.see(_shape("found", "high with a label"), "image")
    assert ran.record
    assert [label["service"] for label in ran.record["labels"]] == [SERVICES[0]]


def test_what_was_not_answered_may_be_allowed_and_is_told(world: World) -> None:
    shape = _shape("V10", "a reply that is null")
    world.answer = shape.make("post")
    for options, code in (([], ExitCode.INCOMPLETE), (["--allow-partial"], ExitCode.OK)):
        ended, (record,), stderr = world.moderate("poll", world.queue("post", shape), *options)
        assert ended == code
        assert record["coverage"] == [{"kind": "parts", "judged": 3, "total": 4}]
        assert "not answered: $.commentDatas[0].commentDatas[0]" in stderr


def test_a_contradiction_is_told(world: World) -> None:
    assert "contradicts itself" in world.see(_shape("V8", "none beside a label"), "sync").stderr


PARTLY_LOOKED_AT: dict[str, tuple[str, int, int | None]] = {
    "moving.gif": ("frames", 1, 3),
    "pages.tiff": ("pages", 1, 3),
    "long.png": ("slices", 1, 4),
    "https://example.com/a.gif": ("frames", 1, None),
}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    one = [Image.new("RGB", (300, 300), colour) for colour in ("red", "green", "blue")]
    one[0].save(tmp_path / "moving.gif", save_all=True, append_images=one[1:])
    one[0].save(tmp_path / "pages.tiff", save_all=True, append_images=one[1:])
    Image.new("RGB", (250, 1000)).save(tmp_path / "long.png")
    return tmp_path


@pytest.mark.parametrize("channel", ["sync", "batch"])
@pytest.mark.parametrize("name", PARTLY_LOOKED_AT)
def test_a_clean_answer_about_a_part_of_an_image(world: World, pictures: Path, channel: Channel, name: str) -> None:
    world.answer = _shape("clean", "the plain answer").make(channel)
    asked = [] if channel == "sync" else ["-s", ",".join(SERVICES)]
    source = name if "://" in name else pictures / name
    for options, code in (([], ExitCode.OK), (["--require-full", "--allow-partial"], ExitCode.INCOMPLETE)):
        ended, (record,), _ = world.moderate(channel, source, *asked, "--data-id", DATA_ID, *options)
        assert [tuple(part.values()) for part in record["coverage"]] == [PARTLY_LOOKED_AT[name]]
        assert ended == code


@pytest.mark.parametrize(
    ("interval", "total", "coverage"),
    [(1, 2, []), (1, 300, [("frames", 2, 300)]), (2, 4, []), (2, None, [])],
)
def test_a_clean_answer_about_some_frames(
    world: World, interval: int, total: int | None, coverage: list[tuple[str, int, int]]
) -> None:
    shape = _shape("V6", "two frames as text")
    world.answer = shape.make("image")
    extent = {"kind": "frames", "total": total, "interval": interval, "most": 10}
    for options in ([], ["--require-full"]):
        code, (record,), _ = world.moderate("poll", world.queue("image", shape, **extent), *options)
        assert [tuple(part.values()) for part in record["coverage"]] == coverage
        assert code == (ExitCode.INCOMPLETE if coverage and options else ExitCode.OK)


def _shape(row: str, name: str) -> Shape:
    return next(shape for shape in SHAPES if (shape.row, shape.name) == (row, name))


# A fatal answer ends the run, one of too many calls slows it down, and a finding is suppressed for an address.
THROTTLED = {"Code 403", "Code 588", "HTTP 429 with a readable body"}
IN_A_FOLDER = {
    f"{number}.png": shape
    for number, shape in enumerate(SHAPES)
    if "sync" in shape.wants and shape.wants["sync"].code != ExitCode.FATAL
    if shape.sent and not shape.suppressed and shape.name not in THROTTLED
}


@pytest.fixture(scope="module")
def asked_twice(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How often each shape was asked for by two runs over a folder with an image for each, the second with --reuse."""
    folder = tmp_path_factory.mktemp("images")
    keys = {name: base64.b64encode(md5(name.encode()).digest()).decode() for name in IN_A_FOLDER}
    with _world(tmp_path_factory.mktemp("reuse")) as world:
        for name, shape in IN_A_FOLDER.items():
            (folder / name).write_bytes(name.encode())
            world.answers[keys[name]] = shape.make("sync")
        for _ in range(2):
            options = ["-j", "1", "--reuse", "7d", "--no-preflight", "--data-id", DATA_ID]
            code, records, _ = world.moderate("sync", folder, *options)
            assert code == ExitCode.INCOMPLETE
            assert len(records) == len(IN_A_FOLDER)
        return {name: world.calls[key] for name, key in keys.items()}


@pytest.mark.parametrize("name", IN_A_FOLDER, ids=lambda name: _name(IN_A_FOLDER[name]))
def test_what_was_not_read_whole_is_asked_again(asked_twice: dict[str, int], name: str) -> None:
    want = IN_A_FOLDER[name].wants["sync"]
    if want.again or want.clean:
        assert asked_twice[name] == (2 if want.again else 1)
