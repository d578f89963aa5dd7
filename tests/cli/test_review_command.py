"""`moderate review` from the outside: in the terminal, of a file, how it ends, and what it writes then."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from past_builders import asked
from review_builders import MODERATE, fill, found, reviewing

from moderate_cli.common.errors import ExitCode
from moderate_cli.gate.suppressions import parse_suppressions
from moderate_cli.store import Filters, NewTask, Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOGNAME", "mo")
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "store.db", tmp_path / "images", "hmmmn")
    return tmp_path / "store.db"


def _decisions(store: Path) -> dict[str, tuple[str, str | None, str | None]]:
    with Store.open(store) as opened:
        records = [entry.record for entry in opened.history(Filters(decision="any"))]
    said = {Path(record["source"]).name: record["decision"] for record in records}
    return {name: (each["value"], each["by"], each["note"]) for name, each in said.items()}


def test_the_terminal_walks_the_same_queue(store: Path, tmp_path: Path) -> None:
    keys = ["c", "u", "x", "n", "look here", "e", "s", "our own", "2999-12-31", "k", "f"]
    done = asked("review", "--terminal", "--write-suppressions", "--store", store, answer="\n".join([*keys, ""]))
    assert (done.code, done.stdout) == (ExitCode.OK, "")
    assert _decisions(store) == {
        "000-h.png": ("escalated", "mo", "look here"),
        "003-m.png": ("suppressed", "mo", "our own"),
        "001-m.png": ("false-positive", "mo", None),
    }
    assert f"high  {tmp_path / 'images' / '000-h.png'}" in done.stderr
    assert "[0 decided, 4 left, 0 a minute] c confirm, f false positive" in done.stderr
    assert "nothing is left to decide" not in done.stderr.split("2 decided")[0]
    assert "moderate: 3 decided" in done.stderr
    assert "moderate: 1 skipped, 1 undone, 1 left\n" in done.stderr
    assert "moderate: .moderate-suppressions.yaml: 1 entry added\n" in done.stderr
    [entry] = parse_suppressions((tmp_path / ".moderate-suppressions.yaml").read_text(encoding="utf-8"), "x")
    assert (entry.label, entry.reason, str(entry.expires)) == ("violent_gun", "our own", "2999-12-31")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["s", "", "q"], "a suppression needs a reason"),
        (["s", "why", "soon", "q"], "the last day must be a date such as 2027-01-31, not 'soon'"),
        (["s", "why", "1999-01-01", "q"], "the last day 1999-01-01 is past"),
        (["u", "q"], "there is nothing to undo"),
        (["?"], "c confirm, f false positive"),
        ([], "0 decided"),
    ],
)
def test_what_cannot_be_done_is_said(store: Path, keys: list[str], said: str) -> None:
    done = asked("review", "--terminal", "--store", store, answer="\n".join([*keys, ""]) if keys else "")
    assert done.code == ExitCode.OK
    assert said in done.stderr
    assert _decisions(store) == {}


def test_what_is_suppressed_in_the_store_only_is_said(store: Path) -> None:
    done = asked("review", "--terminal", "--store", store, answer="s\nwhy\n\nq\n")
    assert done.stderr.endswith(
        "moderate: 1 result suppressed in the store only; "
        "for the gate: moderate history --decision suppressed -f jsonl | moderate allow -\n"
    )


def test_names_from_outside_are_harmless(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as opened:
        opened.add_result(None, found(tmp_path / "a.png", 1, "high", "\x1b[31mred", source="\x1b[2J\u202egnp.a"))
    done = asked("review", "--terminal", "--store", tmp_path / "store.db", answer="q\n")
    assert "\x1b" not in done.stderr
    assert "\\x1b[2J\\u202egnp.a" in done.stderr


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_what_was_decided_is_exported(store: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"decided{suffix}"
    done = asked("review", "--terminal", "--export", path, "--store", store, answer="c\nf\nu\nm\nq\n")
    assert f"moderate: {path}: 2 decisions\n" in done.stderr
    text = path.read_text(encoding="utf-8")
    if suffix == ".csv":
        assert [row["decision"] for row in csv.DictReader(io.StringIO(text))] == ["confirmed", "missed"]
    else:
        assert [json.loads(line)["decision"]["value"] for line in text.splitlines()] == ["confirmed", "missed"]


def test_filters_and_order(store: Path) -> None:
    done = asked("review", "--terminal", "--risk", "medium", "--order", "oldest", "--store", store, answer="c\nq\n")
    assert "1 skipped" not in done.stderr
    assert list(_decisions(store)) == ["001-m.png"]
    asked("review", "--terminal", "--decision", "confirmed", "--by", "ann", "--store", store, answer="m\nq\n")
    assert _decisions(store)["001-m.png"] == ("missed", "ann", None)
    asked("review", "--terminal", "--source", "*4-n.png", "--risk", "none", "--store", store, answer="m\nq\n")
    assert _decisions(store)["004-n.png"] == ("missed", "mo", None)


@pytest.mark.parametrize("choice", ["json", "jsonl"])
def test_the_results_of_a_file_are_reviewed(store: Path, tmp_path: Path, choice: str) -> None:
    results, other = tmp_path / f"results.{choice}", tmp_path / "other.db"
    fill(other, tmp_path / "elsewhere", "mh")
    with Store.open(other) as opened:
        for number in (0, 1):
            opened.add_result(None, found(tmp_path / "elsewhere" / f"new-{number}.png", 50 + number, "medium"))
    results.write_text(asked("history", "-f", choice, "--store", other).stdout, encoding="utf-8")
    done = asked("review", results, "--terminal", "--store", store, answer="c\nc\nc\nc\nc\n")
    assert f"moderate: 4 results of {results} were not in the store, and are now\n" in done.stderr
    assert "nothing is left to decide" in done.stderr
    assert sorted(_decisions(store)) == ["000-m.png", "001-h.png", "new-0.png", "new-1.png"]
    again = asked("review", results, "--terminal", "--store", store, answer="c\n")
    assert "were not in the store" not in again.stderr
    assert "moderate: 0 decided" in again.stderr
    told = asked("history", "--decision", "any", "-f", "jsonl", "--store", store).stdout
    (tmp_path / "decided.jsonl").write_text(told, encoding="utf-8")
    third = fill(tmp_path / "third.db", tmp_path / "third", "h")
    assert third
    asked("review", tmp_path / "decided.jsonl", "--terminal", "--store", tmp_path / "third.db", answer="q\n")
    assert sorted(_decisions(tmp_path / "third.db")) == sorted(_decisions(store))


@pytest.mark.parametrize(
    ("content", "said"),
    [("no json\n", "results.jsonl:1: broken JSON"), ('{"schema": 9}\n', "a record of schema 9"), (None, "cannot read")],
)
def test_a_file_that_cannot_be_read(store: Path, tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "results.jsonl"
    if content is not None:
        path.write_text(content)
    done = asked("review", path, "--terminal", "--store", store, answer="c\n")
    assert done.code == ExitCode.USAGE
    assert said in done.stderr
    assert _decisions(store) == {}


def test_a_post_is_shown_as_it_reads(tmp_path: Path) -> None:
    main = {"mainTitle": "A title", "mainContent": "buy \x1b now"}
    post = {"mainData": main, "commentDatas": [{"content": "me too"}]}
    label = {"label": "ad", "confidence": 90, "description": None, "risk_level": "high", "service": None}
    said = found(tmp_path / "a.png", 1, "high", req_id="Q1", sha256=None) | {
        "operation": "DescribeMultimodalModerationResult",
        "source": "post.yaml",
        "labels": [label | {"where": "$.commentDatas[0]", "suppressed": None}],
    }
    with Store.open(tmp_path / "store.db") as opened:
        task = NewTask(
            kind="multimodal",
            operation="MultimodalAsyncModeration",
            service="post_text_detection",
            source="post.yaml",
            endpoint="e",
            post=json.dumps(post),
        )
        number = opened.begin_task(task)
        opened.accept_task(number, req_id="Q1", submitted_at=1.0, expires_at=2e9, request_id=None)
        opened.finish_task("Q1", said)
    done = asked("review", "--terminal", "--store", tmp_path / "store.db", answer="c\n")
    lines = [line.strip() for line in done.stderr.splitlines()]
    assert "title: A title" in lines
    assert "text: buy \\x1b now" in lines
    assert lines[lines.index("comment 1: me too") + 1].startswith("high  ad 90")


def test_the_browser_is_started_without_the_token(store: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\nprintf '%s ' browser \"$@\" >&2\necho >&2\n")
    browser.chmod(0o700)
    with reviewing(store, browser=browser) as (process, url):
        token = url.split("/")[3]
        assert process.stderr
        [_, opened] = process.stderr.readline().split()
        assert token not in opened
        assert opened.startswith(url.removesuffix(f"{token}/") + "open/")
        with urllib.request.urlopen(opened, timeout=60) as response:
            assert response.url == url
            assert b"<title>Review</title>" in response.read()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(opened, timeout=60)
        with caught.value as refused:
            assert refused.code == 410


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary(store: Path, number: signal.Signals) -> None:
    with reviewing(store) as (process, url):
        with urllib.request.urlopen(url, timeout=60) as response:
            assert response.status == 200
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0
    assert "moderate: 0 decided (0 a minute)\nmoderate: 0 skipped, 0 undone, 4 left\n" in said


def test_it_ends_where_nobody_is(store: Path) -> None:
    with reviewing(store, "--idle", "1s") as (process, _):
        assert process.stderr
        assert "nobody is there any more" in process.stderr.read()
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--export", "x.txt"], "--export must end with .csv or .jsonl, not 'x.txt'"),
        (["--idle", "soon"], "--idle must be an age such as"),
        (["--order", "best"], "--order must be worst or oldest, not 'best'"),
        (["--limit", "3"], "--limit"),
    ],
)
def test_what_is_refused(moderate: Callable, store: Path, arguments: list[str], said: str) -> None:
    done = moderate("review", *arguments, "--store", store)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert said in done.stderr


def test_there_must_be_a_store(moderate: Callable, tmp_path: Path) -> None:
    assert moderate("review", "--store", tmp_path / "none.db").code == ExitCode.USAGE


def _wait_for(process: subprocess.Popen[bytes], text: bytes) -> None:
    """Read what a process says until it has said a text."""
    assert process.stderr
    said = b""
    while text not in said:
        said += process.stderr.read(1)
        assert process.poll() is None


def test_one_key_is_enough_on_a_terminal(store: Path) -> None:
    ours, theirs = pty.openpty()
    command = [MODERATE, "review", "--terminal", "--store", store]
    with subprocess.Popen(
        command, stdin=theirs, stderr=subprocess.PIPE, env={**os.environ, "LOGNAME": "mo"}
    ) as process:
        os.close(theirs)
        try:
            assert process.stderr
            keys = (
                (b"[0 ", b"c"),
                (b"[1 ", b"s"),
                (b"reason: ", b"our own\n"),
                (b"nothing): ", b"\n"),
                (b"[2 ", b"fq"),
            )
            for question, answer in keys:  # no line ends a key
                _wait_for(process, question)
                os.write(ours, answer)
            assert b"3 decided" in process.communicate(timeout=60)[1]
            assert process.returncode == 0
        finally:
            process.kill()
            os.close(ours)
    assert sorted(word for word, *_ in _decisions(store).values()) == ["confirmed", "false-positive", "suppressed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_on_a_terminal_too(store: Path, number: signal.Signals) -> None:
    ours, theirs = pty.openpty()
    # As a shell starts what runs in the background: it would ignore SIGINT, unless it says otherwise.
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", ignoring, MODERATE, "review", "--terminal", "--store", store]
    with subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        try:
            assert process.stderr
            while not process.stderr.readline().startswith(b"["):
                pass
            process.send_signal(number)
            assert b"0 decided" in process.communicate(timeout=60)[1]
            assert process.returncode == 0
        finally:
            process.kill()
            os.close(ours)
