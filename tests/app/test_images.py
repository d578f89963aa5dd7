"""From a command line to a scan: reuse, retries, dry runs, caps, ids and reports, end to end against the emulator."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from builders import call, failed, item, judged, pending, skipped, unreadable_answer, verdict
from copies import copies
from formats import NAMES_ALL, NAMES_FEW, NAMES_NONE
from msgspec.structs import replace
from PIL import Image

from moderate_cli.app.run import async_cost, billed
from moderate_cli.catalog.prices import Billed
from moderate_cli.client import AsyncOptions, GreenClient
from moderate_cli.client.responses import Response
from moderate_cli.client.transport import Transport
from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Extent, ImageUrl, Known, LocalFile, Outcome, Planned, Post, QueuedTask, Verdict
from moderate_cli.render import Format
from moderate_cli.results import RunSummary

DATA = Path(__file__).parents[1] / "data"
JPEG = DATA / "landscape.jpg"
LONG_AGO = 1_000_000_000
POST = Post(
    {
        "mainData": {"mainContent": "x" * 3500, "mainImages": [{"imageUrl": "https://example.com/a.png"}]},
        "commentDatas": [{"content": "c", "images": [{"imageUrl": "https://example.com/b.png"}]}],
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of five distinct images, which were changed long ago."""
    for path in copies(JPEG, tmp_path / "images", 5):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return tmp_path / "images"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each operation is called."""
    counts: Counter[str] = Counter()
    send = Transport.send

    def counting(self: Transport, action: str, *arguments: Any, **options: Any) -> Response:
        counts[action] += 1
        return send(self, action, *arguments, **options)

    monkeypatch.setattr(Transport, "send", counting)
    return counts


def test_nothing_is_paid_for_twice(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path
) -> None:
    first = moderate("sync", folder, "--reuse", "7d", variables=account)
    again = moderate("sync", folder, "--reuse", "7d", variables=account)
    assert (first.code, again.code) == (0, 0)
    assert [record["reused"] for record in first.records] == [False] * 5
    assert [record["reused"] for record in again.records] == [True] * 5
    assert {record["attempts"] for record in again.records} == {0}
    assert calls["ImageModeration"] == 5
    assert "5 reused" in again.stderr


def test_touching_a_file_sends_nothing_and_changing_it_does(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path
) -> None:
    moderate("sync", folder, variables=account)
    (folder / "000001.jpg").touch()
    moderate("sync", folder, "--reuse", "forever", variables=account)
    assert calls["ImageModeration"] == 5
    (folder / "000001.jpg").write_bytes(JPEG.read_bytes() + b"changed")
    moderate("sync", folder, "--reuse", "forever", variables=account)
    assert calls["ImageModeration"] == 6


@pytest.mark.parametrize(
    "change", [["-s", "another_service"], ["--info-type", "logoData"], ["--region", "eu-central-1"], ["-p", "other"]]
)
def test_another_question_is_asked_again(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path, tmp_path: Path, change: list[str]
) -> None:
    config = tmp_path / "moderate.yaml"
    config.write_text("profiles: {other: {jobs: 1}}\n")
    arguments = ["sync", folder, "--reuse", "forever", "--config", config, "--endpoint", account["MODERATE_ENDPOINT"]]
    moderate(*arguments, variables=account)
    result = moderate(*arguments, *change, variables=account)
    assert [record["reused"] for record in result.records] == [False] * 5
    assert calls["ImageModeration"] == 10


def test_an_answer_that_is_too_old_is_asked_for_again(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store.db"
    moderate("sync", folder, "--store", store, variables=account)
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE results SET judged_at = judged_at - 7000")
    moderate("sync", folder, "--store", store, "--reuse", "2h", variables=account)
    assert calls["ImageModeration"] == 5
    moderate("sync", folder, "--store", store, "--reuse", "1h", variables=account)
    assert calls["ImageModeration"] == 10


def test_one_content_under_50_names_is_sent_once(
    moderate: Callable, account: dict[str, str], calls: Counter[str], tmp_path: Path
) -> None:
    for index in range(50):
        (tmp_path / f"{index}.jpg").write_bytes(JPEG.read_bytes())
    result = moderate("sync", *sorted(tmp_path.glob("*.jpg")), variables=account)
    assert calls["ImageModeration"] == 1
    assert sorted(record["reused"] for record in result.records) == [False, *[True] * 49]
    assert len({record["source"] for record in result.records}) == 50


def test_clean_files_that_nobody_wants_to_see_are_counted(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path
) -> None:
    moderate("sync", folder, variables=account)
    result = moderate("sync", folder, "--reuse", "1h", "--min-level", "low", "-f", "json", variables=account)
    document = json.loads(result.stdout)
    assert document["results"] == []
    assert (document["summary"]["inputs"], document["summary"]["by_level"]) == (5, {"none": 5})
    assert (result.code, calls["ImageModeration"]) == (0, 5)


def test_only_what_failed_in_the_last_run_of_the_same_command_is_sent_again(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path
) -> None:
    names = [str(folder / "000000.jpg"), str(folder / "missing.jpg")]
    assert moderate("sync", *names, variables=account).code == ExitCode.INCOMPLETE
    moderate("sync", folder, variables=account)  # another command line in between
    (folder / "missing.jpg").write_bytes(JPEG.read_bytes() + b"found")
    result = moderate("sync", *names, "--retry-failed", variables=account)
    assert [(record["source"], record["status"]) for record in result.records] == [(names[1], "judged")]
    nothing = moderate("sync", *names, "--retry-failed", variables=account)
    assert (nothing.code, nothing.records) == (0, [])
    assert nothing.stderr == "moderate: nothing failed in the last run\n"
    planned = moderate("sync", *names, "--retry-failed", "--dry-run", variables=account)
    assert (planned.code, planned.stderr) == (0, "moderate: nothing failed in the last run\n")


def test_what_failed_and_is_gone_is_not_what_did_not_fail(
    moderate: Callable, account: dict[str, str], folder: Path
) -> None:
    (folder / "broken.jpg").symlink_to(folder / "nowhere")
    assert moderate("sync", folder, variables=account).code == ExitCode.INCOMPLETE
    (folder / "broken.jpg").unlink()
    again = moderate("sync", folder, "--retry-failed", variables=account)
    assert again.code == ExitCode.OK
    assert "what failed in the last run is no longer there" in again.stderr


def test_there_is_nothing_to_retry_without_an_earlier_run(
    moderate: Callable, account: dict[str, str], folder: Path
) -> None:
    result = moderate("sync", folder, "--retry-failed", variables=account)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert result.stderr.startswith("moderate: no earlier run of this command is known")
    assert result.stderr.count("\n") == 1


def test_a_dry_run_needs_no_account_and_sends_nothing(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path
) -> None:
    (folder / "bad.jpg").write_bytes(b"a text")
    (folder / "twin.jpg").write_bytes((folder / "000003.jpg").read_bytes())
    moderate("sync", folder / "000000.jpg", variables=account)
    variables = {"MODERATE_ENDPOINT": account["MODERATE_ENDPOINT"]}
    result = moderate("sync", folder, "-n", "--reuse", "1d", "--ordered", variables=variables)
    actions = {Path(plan["source"]).name: (plan["action"], plan["calls"]) for plan in result.records}
    assert actions["000000.jpg"] == ("reuse", 0)
    assert actions["bad.jpg"] == ("skip", 0)
    assert sorted(actions.values()) == [("once", 0), ("reuse", 0), *[("send", 1)] * 4, ("skip", 0)]
    assert result.code == ExitCode.INCOMPLETE
    assert calls["ImageModeration"] == 1
    assert "4 images to send, 1 duplicate, 1 reused, 1 refused" in result.stderr
    assert "4 billed calls at most: USD 0.0024" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (["batch", "-s", "baselineCheck_global,aigcDetector_global"], 2),
        (["async-submit"], 1),
        (["async-submit", "--interval", "2", "--max-frames", "7"], 1),
    ],
)
def test_a_dry_run_tells_what_a_call_costs(moderate: Callable, arguments: list[str], calls: int) -> None:
    result = moderate(*arguments, JPEG, "-n", variables={"MODERATE_REGION": "ap-southeast-1"})
    assert [plan["calls"] for plan in result.records] == [calls]


FILE, ADDRESS = LocalFile(Path("a.gif")), ImageUrl("https://example.com/a.gif")


@pytest.mark.parametrize(
    ("image", "extents", "costs"),
    [
        # by default, with an interval of 1 (10 frames at most), with 30 at most, and of those each second or 50th
        (FILE, (), [1, 1, 1, 1, 1]),
        (FILE, (Extent("frames", 3),), [1, 3, 3, 2, 1]),
        (FILE, (Extent("frames", 50),), [1, 10, 30, 25, 1]),
        (FILE, (Extent("frames", 61),), [1, 10, 30, 30, 2]),
        (FILE, (Extent("slices", 5),), [1, 5, 5, 5, 5]),
        (FILE, (Extent("pages", 5),), [1, 5, 5, 5, 5]),
        (FILE, (Extent("frames", None),), [1, 10, 30, 30, 30]),  # nobody has counted them
        (FILE, (Extent("slices", None),), [1, 10, 30, 30, 30]),
        (ADDRESS, (), [1, 10, 30, 30, 30]),
        (ADDRESS, (Extent("frames", None),), [1, 10, 30, 30, 30]),
    ],
)
def test_an_animation_costs_as_many_frames_as_are_looked_at_most(
    image: LocalFile | ImageUrl, extents: tuple[Extent, ...], costs: list[int]
) -> None:
    known = Known(item=item(image=image), call=call(), extents=extents)
    options = [AsyncOptions(), AsyncOptions(interval=1)]
    options += [AsyncOptions(interval=interval, max_frames=30) for interval in (1, 2, 50)]
    assert [async_cost(each)(known) for each in options] == costs


def test_a_dry_run_counts_the_frames_of_an_animation(moderate: Callable, tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (300, 300), colour) for colour in ("red", "green", "blue")]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    arguments = ["async-submit", tmp_path / "a.gif", "--interval", "1", "--max-frames", "50", "-n"]
    result = moderate(*arguments, "--max-calls", "10")
    assert (result.code, [plan["calls"] for plan in result.records]) == (0, [3])
    (plan,) = moderate(*arguments, "--interval", "2").records
    assert plan["calls"] == 2


@pytest.mark.parametrize("options", [[], ["--no-preflight"]])
def test_a_dry_run_of_what_nobody_can_count_names_the_maximum(
    moderate: Callable, tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>')
    picture = Image.new("RGB", (300, 300))
    picture.save(tmp_path / "b.gif", save_all=True, append_images=[Image.new("RGB", (300, 300), "red")])
    with (tmp_path / "b.gif").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 20)  # within the second frame
    sources = [tmp_path / "a.svg", tmp_path / "b.gif", "oss://bucket/a.png", "https://example.com/a"]
    asked = ["async-submit", *sources, "--interval", "1", "--max-frames", "50", "-n", *options]
    assert [plan["calls"] for plan in moderate(*asked).records] == [50, 50, 50, 50]
    assert [plan["calls"] for plan in moderate("async-submit", *sources, "-n", *options).records] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (judged(billed_calls=1), Billed(images=1)),
        (judged(billed_calls=30), Billed(images=30)),
        (judged(billed_calls=6, call=call(services=("a", "b"))), Billed(images=3)),  # frames, by each service
        (judged(billed_calls=0, engine="local"), Billed()),
        (judged(billed_calls=None), Billed()),
        (replace(judged(billed_calls=3), reused=True), Billed()),
        (pending(), Billed(images=1)),
        (pending(reused=True), Billed()),
        (skipped(), Billed()),
        (failed(), Billed()),
        (failed(error=unreadable_answer()), Billed()),
        (failed(error=unreadable_answer(), verdict=verdict(billed_calls=3)), Billed(images=3)),
        (replace(judged(), item=item(image=POST)), Billed(images=2, text_units=4)),
        (replace(judged(engine="local"), item=item(image=POST)), Billed()),
        (replace(judged(), item=item(image=QueuedTask("Q1", "multimodal", post=POST.content))), Billed(2, 4)),
        (replace(judged(billed_calls=None), item=item(image=QueuedTask("Q1", "multimodal"))), Billed()),
        (pending(item=item(image=POST)), Billed(images=2, text_units=4)),
        (Planned(item=item(), call=call(services=("a", "b")), calls=2), Billed(images=1)),
        (Planned(item=item(image=POST), call=call(), calls=6), Billed(images=2, text_units=4)),
    ],
)
def test_what_each_service_charges(outcome: Outcome, expected: Billed) -> None:
    assert billed(outcome) == expected


def test_a_dry_run_of_a_post_counts_images_and_thousands_of_characters(moderate: Callable) -> None:
    arguments = ["--text", "x" * 3500, "--image", "https://example.com/a.png", "-n"]
    result = moderate("multimodal", *arguments)
    assert [plan["calls"] for plan in result.records] == [1 + 4]
    assert "1 post to send" in result.stderr


def test_the_cap_stops_the_run(moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path) -> None:
    result = moderate("sync", folder, "--max-calls", "2", "-j", "1", variables=account)
    assert result.code == ExitCode.INCOMPLETE
    assert calls["ImageModeration"] == 2
    assert [record["status"] for record in result.records] == ["judged", "judged"]
    assert "3 not tried" in result.stderr
    rest = moderate("sync", folder, "--max-calls", "3", "--reuse", "1d", variables=account)
    assert (rest.code, calls["ImageModeration"]) == (0, 5)
    assert "not tried" not in rest.stderr


def test_a_document_counts_what_the_cap_left(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path
) -> None:
    result = moderate("sync", folder, "--max-calls", "2", "-f", "json", "--fail-on", "high", variables=account)
    document = json.loads(result.stdout)
    assert (result.code, calls["ImageModeration"]) == (ExitCode.INCOMPLETE, 2)
    assert (len(document["results"]), document["summary"]["inputs"]) == (2, 2)
    assert document["summary"]["not_tried"] == 3


def test_an_input_that_meets_a_bug_is_a_failure_and_the_others_are_judged(
    moderate: Callable, account: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = GreenClient.image_moderation

    def broken(self: GreenClient, service: str, image: Any, **options: Any) -> Verdict:
        if options["data_id"] == "000003.jpg":
            raise ZeroDivisionError("injected")
        return real(self, service, image, **options)

    monkeypatch.setattr(GreenClient, "image_moderation", broken)
    arguments = ["sync", folder, "--data-id-from", "name", "--ordered"]
    result = moderate(*arguments, variables=account)
    assert result.code == ExitCode.BUG
    assert [record["status"] for record in result.records] == [*["judged"] * 3, "failed", "judged"]
    error = result.records[3]["error"]
    assert (error["code"], error["message"]) == ("bug", "a bug in moderate: ZeroDivisionError: injected")
    assert "Traceback" not in result.stderr
    assert "Traceback" in moderate(*arguments, "--debug", variables=account).stderr


def test_three_bad_files_among_a_hundred_are_named_at_the_end(
    moderate: Callable, account: dict[str, str], tmp_path: Path
) -> None:
    copies(JPEG, tmp_path, 97)
    (tmp_path / "bad1.jpg").write_bytes(b"a text")
    (tmp_path / "bad2.png").write_bytes(b"")
    (tmp_path / "bad3.gif").write_bytes(b"GIF89a")
    (tmp_path / "zz-found.png").write_bytes((DATA / "poster-qr.png").read_bytes())
    arguments = ["sync", tmp_path, "--fail-on", "high", "--reuse", "1d", "--no-progress"]
    result = moderate(*arguments, variables=account)
    assert result.code == ExitCode.INCOMPLETE
    lines = result.stderr.splitlines()
    assert sorted(line.split(": ")[1].rpartition("/")[2] for line in lines[:3]) == ["bad1.jpg", "bad2.png", "bad3.gif"]
    assert lines[3].startswith("moderate: 98 judged (1 high, 97 none), 3 skipped in ")
    for name in ("bad1.jpg", "bad2.png", "bad3.gif"):
        (tmp_path / name).unlink()
    assert moderate(*arguments, variables=account).code == ExitCode.FOUND


@pytest.mark.parametrize(("choice", "expected"), [("path", "images_000000.jpg"), ("name", "000000.jpg")])
def test_ids_are_made_of_names(
    moderate: Callable,
    account: dict[str, str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    choice: str,
    expected: str,
) -> None:
    monkeypatch.chdir(folder.parent)
    result = moderate("sync", "images/000000.jpg", "--data-id-from", choice, variables=account)
    assert [record["data_id"] for record in result.records] == [expected]


def test_ids_are_made_of_contents(moderate: Callable, account: dict[str, str], folder: Path) -> None:
    result = moderate("sync", folder, "--data-id-from", "sha256", variables=account)
    assert all(record["data_id"] == record["sha256"] for record in result.records)


def test_a_manifest_names_sources_with_their_ids(moderate: Callable, account: dict[str, str], folder: Path) -> None:
    manifest = folder / "list.jsonl"
    lines = [{"source": str(folder / f"{index:06d}.jpg"), "data_id": f"id-{index}"} for index in range(3)]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = moderate("sync", "--files-from", manifest, "--ordered", variables=account)
    assert [(record["source"], record["data_id"]) for record in result.records] == [
        (line["source"], line["data_id"]) for line in lines
    ]


def test_sources_are_needed(moderate: Callable, account: dict[str, str]) -> None:
    result = moderate("sync", variables=account)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert "no source given" in result.stderr


@pytest.mark.parametrize("command", ["sync", "batch", "async-submit"])
def test_no_source_at_all_is_an_empty_run_where_that_is_allowed(
    moderate: Callable, account: dict[str, str], command: str
) -> None:
    for more in ((), ("--dry-run",)):
        result = moderate(command, "--allow-empty", *more, variables=account | {"MODERATE_REGION": "ap-southeast-1"})
        assert (result.code, result.stdout) == (ExitCode.OK, "")
        assert "no image found" in result.stderr


def test_one_run_writes_several_reports(
    moderate: Callable, account: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    names = {kind: tmp_path / f"report.{kind}" for kind in ("csv", "json", "jsonl", "junit", "markdown", "sarif")}
    options = [part for kind, path in names.items() for part in (f"--{kind}-output", path)]
    result = moderate("sync", folder, "-f", "table", *options, variables=account)
    assert result.code == 0
    assert all(path.stat().st_size for path in names.values())
    assert len(names["jsonl"].read_text().splitlines()) == 5
    assert json.loads(names["json"].read_text())["summary"]["judged"] == 5


def test_two_reports_in_one_file_are_refused(
    moderate: Callable, account: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    result = moderate("sync", folder, "-o", report, "--sarif-output", report, variables=account)
    assert (result.code, report.exists()) == (ExitCode.USAGE, False)
    assert "two reports write to the same file" in result.stderr


@pytest.mark.parametrize("second", ["folder/report", "link"])
def test_one_file_under_two_names_is_one_file(
    moderate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").symlink_to(tmp_path)
    Path("link").symlink_to("report")
    for first in ("report", str(tmp_path / "report")):
        result = moderate("sync", JPEG, "-p", "local", "-o", first, "--csv-output", second)
        assert (result.code, Path("report").exists()) == (ExitCode.USAGE, False)
        assert "two reports write to the same file" in result.stderr


@pytest.mark.parametrize("option", ["-o", "--csv-output"])
def test_a_report_never_takes_the_place_of_the_store(
    moderate: Callable, account: dict[str, str], tmp_path: Path, option: str
) -> None:
    store, link = tmp_path / "store", tmp_path / "link"
    link.symlink_to(store)
    for more in ((), ("--dry-run",)):
        result = moderate("sync", JPEG, option, link, "--store", store, *more, variables=account)
        assert (result.code, store.exists()) == (ExitCode.USAGE, False)
        assert "would overwrite the store" in result.stderr


def test_a_task_that_is_pending_already_is_not_pushed_to_a_new_callback_without_a_word(
    moderate: Callable, account: dict[str, str], calls: Counter[str], tmp_path: Path
) -> None:
    first, second, third = copies(JPEG, tmp_path / "images", 3)
    note = "queued by an earlier run: the result goes to the callback that was given then, if any"
    moderate("async-submit", first, variables=account)
    assert note not in moderate("async-submit", first, variables=account).stderr
    push = ["--callback", "http://127.0.0.1:1/", "--seed", "s"]
    result = moderate("async-submit", first, second, *push, variables=account)
    assert sorted(tuple(record["notes"]) for record in result.records) == [(), (note,)]
    assert f"1 image: {note}" in result.stderr
    assert note not in moderate("async-submit", third, third, *push, variables=account).stderr
    assert calls["ImageAsyncModeration"] == 3


@pytest.mark.parametrize("command", [["async-submit", JPEG], ["multimodal", "--title", "x"]])
def test_frames_are_saved_of_what_is_waited_for_only(moderate: Callable, tmp_path: Path, command: list[str]) -> None:
    refused = moderate(*command, "-p", "local", "--save-frames", tmp_path / "frames")
    assert (refused.code, (tmp_path / "frames").exists()) == (ExitCode.USAGE, False)
    assert "--save-frames needs --wait" in refused.stderr


def test_addresses_are_reused_where_something_is(moderate: Callable, account: dict[str, str]) -> None:
    refused = moderate("sync", "https://example.com/a.png", "--reuse-addresses", variables=account)
    assert (refused.code, refused.stdout) == (ExitCode.USAGE, "")
    assert "--reuse-addresses needs --reuse" in refused.stderr


def test_a_region_of_oss_that_nobody_knows_is_told_once_and_one_that_is_none_is_refused(moderate: Callable) -> None:
    names = ["oss://b/a.png", "oss://b/b.png?region=us-est-1", "oss://b/c.png?region=cn-beijing"]
    told = moderate("sync", *names, "--oss-region", "nope", "--dry-run", variables={})
    lines = [line for line in told.stderr.splitlines() if "unknown region" in line]
    assert lines == [
        "moderate: unknown region nope; using it anyway",
        "moderate: unknown region us-est-1, did you mean us-east-1 or us-west-1?; using it anyway",
    ]
    refused = moderate("sync", *names, "--oss-region", "cn_beijing", "--dry-run", variables={})
    assert (refused.code, refused.stdout) == (ExitCode.USAGE, "")
    assert "--oss-region: 'cn_beijing' is not a region id" in refused.stderr


def test_the_same_animation_twice_is_queued_once_and_told_twice(
    moderate: Callable, account: dict[str, str], calls: Counter[str], tmp_path: Path
) -> None:
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in paths:
        path.write_bytes(JPEG.read_bytes())
    arguments = ["async-submit", *paths, "-j", "1", "--poll-interval", "5"]
    submitted = moderate(*arguments, variables=account)
    assert [record["reused"] for record in submitted.records] == [False, True]
    assert len({record["req_id"] for record in submitted.records}) == 1
    again = moderate(*arguments, "--reuse", "1d", variables=account)
    assert [(record["status"], record["reused"]) for record in again.records] == [("pending", True)] * 2
    waited = moderate(*arguments, "--reuse", "1d", "--wait", variables=account)
    assert sorted(record["source"] for record in waited.records) == sorted(map(str, paths))
    assert {record["status"] for record in waited.records} == {"judged"}
    assert calls["ImageAsyncModeration"] == 1


def test_the_same_animation_under_another_id_is_told_under_its_own(
    moderate: Callable, account: dict[str, str], calls: Counter[str], tmp_path: Path
) -> None:
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in paths:
        path.write_bytes(JPEG.read_bytes())
    options = ["--data-id-from", "name", "--poll-interval", "5"]
    assert moderate("async-submit", paths[0], *options, variables=account).code == 0
    result = moderate("async-submit", paths[1], *options, "--reuse", "1d", "--wait", variables=account)
    assert [(record["status"], record["source"]) for record in result.records] == [("judged", str(paths[1]))]
    assert (result.code, calls["ImageAsyncModeration"]) == (0, 1)


def test_a_glob_that_matches_nothing_is_told(moderate: Callable, account: dict[str, str], folder: Path) -> None:
    for more in ([], ["-n"]):
        result = moderate("sync", folder, folder / "*.heic", *more, variables=account)
        assert result.code == 0
        assert f"no file matches {folder}/*.heic" in " ".join(result.stderr.split())


def test_a_wrong_endpoint_of_oss_is_a_mistake_of_usage(moderate: Callable, account: dict[str, str]) -> None:
    variables = {**account, "MODERATE_OSS_ENDPOINT": "https://oss.example.com"}
    result = moderate("sync", "oss://bucket/prefix/", variables=variables)
    assert result.code == 2
    assert "'https://oss.example.com' is not an OSS endpoint" in result.stderr


LOCAL = ("-p", "local")


@pytest.fixture
def unchanged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many clean files each run left to the store."""
    numbers: list[int] = []
    real = RunSummary.add_clean

    def counting(self: RunSummary, number: int, **options: bool) -> None:
        numbers.append(number)
        real(self, number, **options)

    monkeypatch.setattr(RunSummary, "add_clean", counting)
    return numbers


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder of 30 distinct clean images, which were changed long ago."""
    for path in copies(JPEG, tmp_path / "many", 30):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return tmp_path / "many"


@pytest.mark.parametrize("options", [["--min-level", "low"], *(["-f", choice] for choice in (*NAMES_FEW, *NAMES_NONE))])
def test_a_folder_that_is_known_to_be_clean_stays_counted(
    moderate: Callable, calls: Counter[str], many: Path, options: list[str]
) -> None:
    arguments = ["sync", many, "--reuse", "forever", *options]
    first = moderate(*arguments, *LOCAL)
    again = moderate(*arguments, *LOCAL)
    assert "30 judged (30 none)" in first.stderr
    assert "30 judged (30 none), 30 reused" in again.stderr
    assert calls["ImageModeration"] == 30
    assert again.stdout == first.stdout or options == ["-f", "junit"]  # which tells how long it took
    (many / "000001.jpg").write_bytes(JPEG.read_bytes() + b"changed")
    assert "30 judged (30 none), 29 reused" in moderate(*arguments, *LOCAL).stderr
    assert calls["ImageModeration"] == 31


@pytest.mark.parametrize(
    ("options", "number"),
    [
        *((["-f", choice], 10) for choice in NAMES_FEW),
        *((["-f", choice], 29 if choice is Format.TABLE else 30) for choice in NAMES_NONE),
        (["-f", "table", "--show-clean"], 0),
        (["-f", "table", "--min-level", "none"], 0),
        *((["-f", choice], 0) for choice in NAMES_ALL),
        ([], 0),  # JSONL, for a pipe
        (["-f", "sarif", "--markdown-output", "{}/a.md"], 30),
        (["-f", "sarif", "--junit-output", "{}/a.xml"], 10),
        (["-f", "sarif", "--html-output", "{}/a.html"], 0),
        (["-f", "jsonl", "--min-level", "low"], 30),
        (["-f", "sarif", "--show-suppressed"], 0),
    ],
)
def test_clean_files_are_left_to_the_store_as_far_as_the_formats_bear_it(
    moderate: Callable, unchanged: list[int], many: Path, options: list[str], number: int
) -> None:
    moderate("sync", many, "--reuse", "forever", *LOCAL)
    further = [option.format(many.parent) for option in options]
    again = moderate("sync", many, "--reuse", "forever", *further, *LOCAL)
    assert again.code == ExitCode.OK, again.stderr
    assert unchanged == [0, number]
    assert "30 judged (30 none), 30 reused" in again.stderr


def test_clean_images_are_listed_where_they_were_named_or_asked_for(moderate: Callable, folder: Path) -> None:
    named = folder / "000001.jpg"
    shown = moderate("sync", folder, named, "-f", "table", *LOCAL).stdout
    assert shown.count(".jpg") == shown.count("000001.jpg") == 2  # in the folder, and by its name
    assert "clean ones are only counted; --show-clean lists them" in shown
    for option in (["--show-clean"], ["--min-level", "none"]):
        shown = moderate("sync", folder, "-f", "table", *option, *LOCAL).stdout
        assert all(f"00000{number}.jpg" in shown for number in range(5))
        assert "--show-clean" not in shown
    assert "--show-clean" not in moderate("sync", named, "-f", "table", *LOCAL).stdout
    assert "none         5" in moderate("sync", folder, "-f", "table", *LOCAL).stdout


def test_show_clean_takes_back_a_level_of_a_settings_file(moderate: Callable, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("min_level: high\n")
    arguments = ["sync", folder, "-f", "jsonl", "--config", tmp_path / "my.yaml", *LOCAL]
    assert moderate(*arguments).records == []
    assert len(moderate(*arguments, "--show-clean").records) == 5


@pytest.mark.parametrize("quiet", [["-q"], []])
@pytest.mark.parametrize("choice", ["table", "jsonl", "sarif", "github"])
def test_a_failed_gate_names_what_to_type_next(moderate: Callable, folder: Path, choice: str, quiet: list[str]) -> None:
    for name in ("b c.png", "a.png"):
        (folder / name).write_bytes((DATA / "poster-qr.png").read_bytes() + name.encode())
    failed_gate = moderate("sync", folder, "--fail-on", "high", "-f", choice, *quiet, *LOCAL)
    assert failed_gate.code == ExitCode.FOUND
    next_ = f"to accept one: moderate allow {folder / 'a.png'} --label QRCode --reason TEXT"
    assert failed_gate.stderr.splitlines()[-1] == f"moderate: gate: 2 images at or above high; {next_}"
    passed = moderate("sync", JPEG, "--fail-on", "high", "-f", choice, *quiet, *LOCAL)
    assert (passed.code, "gate" in passed.stderr) == (ExitCode.OK, False)


def test_the_command_to_type_next_works(moderate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b.png").write_bytes((DATA / "poster-qr.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    arguments = ["sync", ".", "--fail-on", "low", *LOCAL]
    line = moderate(*arguments).stderr.splitlines()[-1]
    _, _, command = line.partition("moderate allow ")
    assert moderate("allow", *shlex.split(command)).code == ExitCode.OK
    assert moderate(*arguments).code == ExitCode.OK


def test_junit_counts_each_image_whether_it_was_judged_now_or_before(moderate: Callable, many: Path) -> None:
    (many / "zz-found.png").write_bytes((DATA / "poster-qr.png").read_bytes())
    for _ in range(2):
        result = moderate("sync", many, "--reuse", "forever", "-f", "junit", "--fail-on", "low", *LOCAL)
        assert 'tests="31" failures="1" errors="0" skipped="0"' in result.stdout
        assert result.stdout.count("<testcase") == 2
        assert result.code == ExitCode.FOUND


def test_a_plan_tells_of_each_image_in_any_format(moderate: Callable, unchanged: list[int], folder: Path) -> None:
    moderate("sync", folder, "--reuse", "forever", *LOCAL)
    plan = moderate("sync", folder, "--reuse", "forever", "-n", "-f", "jsonl", "--min-level", "low", *LOCAL)
    assert [json.loads(line)["action"] for line in plan.stdout.splitlines()] == ["reuse"] * 5
    assert unchanged == [0]


def test_what_is_retried_is_counted_alone(moderate: Callable, unchanged: list[int], folder: Path) -> None:
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    arguments = ["sync", folder, "--reuse", "forever", "-f", "sarif"]
    moderate(*arguments, *LOCAL)
    (folder / "gone.jpg").unlink()
    (folder / "gone.jpg").write_bytes(JPEG.read_bytes() + b"found again")
    result = moderate(*arguments, "--retry-failed", *LOCAL)
    assert "1 judged (1 none) in" in result.stderr
    assert unchanged == [0, 0]


def test_what_there_is_something_to_say_of_is_never_left_to_the_store(
    moderate: Callable, unchanged: list[int], tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "found.png").write_bytes((DATA / "poster-qr.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no image")
    frames = [Image.new("RGB", (256, 256), color) for color in ("red", "green", "blue")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    for path in folder.iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))
    arguments = ["sync", folder, "--reuse", "forever", "-f", "sarif", "--fail-on", "low"]
    first, again = (moderate(*arguments, *LOCAL) for _ in range(2))
    assert unchanged == [0, 0]
    assert again.stdout == first.stdout
    assert again.code == first.code == ExitCode.INCOMPLETE
    assert "1 of 3 frames" in again.stdout


def test_what_is_suppressed_is_told_again(moderate: Callable, unchanged: list[int], tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    folder.mkdir()
    image = folder / "found.png"
    image.write_bytes((DATA / "poster-qr.png").read_bytes())
    os.utime(image, (LONG_AGO, LONG_AGO))
    first = moderate("sync", image, *LOCAL)
    rules = [{"path": "**", "label": label["label"], "reason": "ours"} for label in first.records[0]["labels"]]
    (tmp_path / "allowed.yaml").write_text(json.dumps(rules))
    arguments = ["sync", folder, "--reuse", "forever", "-f", "sarif", "--ignore-file", tmp_path / "allowed.yaml"]
    first, again = (moderate(*arguments, *LOCAL) for _ in range(2))
    assert again.stdout == first.stdout
    assert '"justification":"ours"' in again.stdout
    assert unchanged == [0, 0, 0]


def test_what_another_engine_judged_than_is_expected_is_told_again(
    moderate: Callable, account: dict[str, str], unchanged: list[int], folder: Path
) -> None:
    arguments = ["sync", folder, "--reuse", "forever", "-f", "markdown"]
    for _ in range(2):  # an emulator at an endpoint
        assert "The local engine judged these" in moderate(*arguments, variables=account).stdout
    for _ in range(2):
        assert "The local engine judged these" in moderate(*arguments, *LOCAL).stdout
    assert unchanged == [0, 0, 0, 5]


def test_an_id_that_the_service_refuses_is_a_mistake_of_usage(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path
) -> None:
    result = moderate("sync", folder, "--data-id", "=x", variables=account)
    assert result.code == 2
    assert "--data-id '=x'" in result.stderr
    assert not calls


def test_a_dash_is_no_file(
    moderate: Callable, account: dict[str, str], calls: Counter[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for option in ("-o", "--sarif-output"):
        result = moderate("sync", folder, option, "-", variables=account)
        assert result.code == 2
        assert "- is not a file name here" in result.stderr
    assert not (folder / "-").exists()
    assert not calls
