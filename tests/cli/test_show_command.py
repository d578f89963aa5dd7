"""`moderate show` from the outside: one result by each of its names, with all that is known of it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from builders import NO_EXT, judged
from past_builders import write_past, writing

from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Label, RiskLevel
from moderate_cli.records import to_record
from moderate_cli.store import NewTask, Store

KNOWN = hashlib.sha256(b"the image").hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Path:
    """A store with one image in full, whose run has ended, and others."""
    path = write_past(folder / "store.db")
    text = {"ocr_result": [{"text": "澳门赌博"}], "risk_word": ["赌博"], "custom_text": []}
    library = [{"lib_id": "7", "lib_name": "mine", "image_id": "i1"}]
    label = Label("violent_gun", 81.22, risk_level=RiskLevel.HIGH)
    said = to_record(judged("high", label, source="a.png", billed_calls=1)) | {
        "request_id": "R1",
        "sha256": KNOWN,
        "bytes": 9,
        "ext": {**NO_EXT, "custom_image": library, "text_in_image": text},
    }
    with Store.open(path) as opened:
        run = opened.begin_run("sync")
        opened.add_result(run, said)
        opened.finish_run(run, exit_code=1, judged=1, skipped=0, failed=0)
    return path


def test_all_that_is_known_is_shown(moderate: Callable, store: Path, folder: Path) -> None:
    (folder / "a.png").write_bytes(b"the image")
    (folder / ".moderate-suppressions.yaml").write_text(
        "- path: '*.png'\n  label: violent_gun\n  reason: a water pistol\n"
    )
    moderate("feedback", "R1", "missed", "--note", "and a knife", "--store", store)
    done = moderate("show", "R1", "--store", store, "-f", "table")
    assert (done.code, done.stderr) == (ExitCode.OK, "")
    words = " ".join(done.stdout.split())
    for part in (
        "high a.png violent_gun high 81.22" if "high 81.22" in words else "high a.png violent_gun 81.22",
        "mine (7), image i1",
        "risk words 赌博 text 澳门赌博",
        "meaning violent_gun: ",
        "reported high (the service's word",
        "suppressed violent_gun by .moderate-suppressions.yaml:1: a water pistol",
        "decided missed (",
        "): and a knife",
        "request R1 asked ImageModeration: baselineCheck_global",
        "billed 1",
        f"image {folder / 'a.png'}, unchanged sha256 {KNOWN} bytes 9",
        "sync, ",
        "exit code 1: 1 judged, 0 skipped, 0 failed",
    ):
        assert part in words, words


@pytest.mark.parametrize("width", [30, 60, 100])
def test_it_fits_on_the_terminal(moderate: Callable, store: Path, width: int) -> None:
    shown = moderate("show", "R1", "--store", store, terminal=True, columns=width, variables={"NO_COLOR": "1"}).stdout
    assert max(map(len, shown.splitlines())) <= width
    assert KNOWN in "".join(shown.split())


def test_a_pipe_gets_one_document(moderate: Callable, store: Path) -> None:
    done = moderate("show", "R1", "--store", store)
    document = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert document["record"]["source"] == "a.png"
    assert document["run"]["command"] == "sync"
    assert document["meanings"]["violent_gun"]
    assert (document["task"], document["post"], document["suppressions"], document["decisions"]) == (None, None, [], [])
    assert document["place"] == "no such file, seen from this folder"


@pytest.mark.parametrize("name", ["R1", KNOWN, KNOWN.upper(), "a.png"])
def test_each_name_of_it_finds_it(moderate: Callable, store: Path, name: str) -> None:
    assert json.loads(moderate("show", name, "--store", store).stdout)["record"]["request_id"] == "R1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"the image", "a.png, unchanged"),
        (b"the imago", "a.png, another file, or changed since"),
        (b"x", "a.png, changed"),
    ],
)
def test_where_the_image_is(moderate: Callable, store: Path, folder: Path, content: bytes, said: str) -> None:
    (folder / "a.png").write_bytes(content)
    assert said in json.loads(moderate("show", "R1", "--store", store).stdout)["place"]


def test_of_several_results_of_one_image_the_latest_is_shown(moderate: Callable, store: Path) -> None:
    with writing(store) as writer:
        writer.add("2025-12-03", "photos/gun.png", request_id="R-again")
    done = moderate("show", "photos/gun.png", "--store", store)
    assert json.loads(done.stdout)["record"]["request_id"] == "R-again"
    assert done.stderr == "moderate: 1 earlier result: moderate history --runs --source photos/gun.png\n"
    assert json.loads(moderate("show", "R-photos/gun.png", "--store", store).stdout)["record"]["risk_level"] == "high"


def test_a_name_of_several_images_is_refused_with_what_to_name(moderate: Callable, store: Path) -> None:
    with writing(store) as writer:
        for number in range(7):
            writer.add("2025-12-03", "b.png", sha256=f"{number:064}", request_id=f"R-b{number}")
    done = moderate("show", "b.png", "--store", store)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (ExitCode.USAGE, "", 1)
    assert "'b.png' is the name of 7 different results (name one by its request ID: R-b" in done.stderr
    assert done.stderr.endswith("; and 2 more)\n")


def test_a_post_is_shown_with_its_texts(moderate: Callable, store: Path) -> None:
    task = NewTask(
        kind="multimodal",
        operation="MultimodalAsyncModeration",
        service="s",
        source="post.yaml",
        endpoint="e",
        post=json.dumps({"mainData": {"mainTitle": "a fine title"}}),
    )
    label = Label("violent_gun", 70.0, risk_level=RiskLevel.HIGH, where="$.mainData")
    said: dict[str, Any] = to_record(judged("high", label, source="post.yaml"))
    with Store.open(store) as opened:
        number = opened.begin_task(task)
        opened.accept_task(number, req_id="T1", submitted_at=0.0, expires_at=9e9, request_id="R2")
        changes = {"operation": "DescribeMultimodalModerationResult", "req_id": "T1", "request_id": "R3"}
        opened.finish_task("T1", said | changes)
    shown = moderate("show", "T1", "--store", store, "-f", "table").stdout
    assert shown.index("a fine title") < shown.index("violent_gun")
    assert "done, submitted 1970-01-01 00:00:00 UTC" in shown
    document = json.loads(moderate("show", "R3", "--store", store).stdout)
    assert document["post"] == {"mainData": {"mainTitle": "a fine title"}}
    assert document["task"]["state"] == "done"


@pytest.mark.parametrize("source", ["broken.png", "notes.txt", "other/batch.png"])
@pytest.mark.parametrize("choice", ["table", "json"])
def test_every_kind_of_result_is_shown(moderate: Callable, store: Path, source: str, choice: str) -> None:
    done = moderate("show", source, "--store", store, "-f", choice)
    assert (done.code, done.stderr) == (ExitCode.OK, "")
    assert source in done.stdout


@pytest.mark.parametrize("name", ["nothing", "", "\x1b", "0" * 64, "a\0b"])
def test_an_unknown_name_is_one_line(moderate: Callable, store: Path, name: str) -> None:
    done = moderate("show", name, "--store", store)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (ExitCode.USAGE, "", 1)
    assert done.stderr.startswith(f"moderate: no result in {store} is named ")
    assert "\x1b" not in done.stderr


def test_a_wrong_suppressions_file_is_told_and_the_rest_is_shown(moderate: Callable, store: Path, folder: Path) -> None:
    (folder / ".moderate-suppressions.yaml").write_text("- nonsense\n")
    done = moderate("show", "R1", "--store", store)
    assert json.loads(done.stdout)["suppressions"] == []
    assert ".moderate-suppressions.yaml:1" in done.stderr


@pytest.mark.parametrize("record", ["{", "[]", "5", '{"source": {}, "services": 5}'])
def test_a_result_that_cannot_be_read_is_one_clear_error(moderate: Callable, store: Path, record: str) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE results SET record = ? WHERE request_id = 'R1'", (record,))
        connection.commit()
    for command in (["show", "R1"], ["feedback", "R1", "confirmed"]):
        done = moderate(*command, "--store", store)
        assert (done.code, done.stdout) == (ExitCode.USAGE, "")
        assert done.stderr.count("\n") == 1
        assert "this result cannot be read: another version stored it, or it is damaged" in done.stderr
