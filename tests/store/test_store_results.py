"""Runs and results: what is kept of a record, and that it is kept at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import call, failed, item, judged, skipped
from store_builders import Clock, held, record, rows

from moderate_cli.client.verdicts import read_verdict
from moderate_cli.models import Judged, Label, Verdict
from moderate_cli.records import to_record
from moderate_cli.store import Store, StoreError


def _outcome(verdict: Verdict) -> Judged:
    return Judged(item=item(), call=verdict.call, verdict=verdict)


def test_a_run_is_recorded_from_its_begin_to_its_end(path: Path, store: Store, clock: Clock) -> None:
    run = store.begin_run("sync")
    assert rows(path, "SELECT command, started_at, finished_at FROM runs") == [("sync", 1000.0, None)]
    clock.now = 1010.5
    store.finish_run(run, exit_code=3, judged=5, skipped=1, failed=2)
    ended = rows(path, "SELECT finished_at, exit_code, judged, skipped, failed FROM runs WHERE number = ?", run)
    assert ended == [(1010.5, 3, 5, 1, 2)]


def test_a_result_is_there_for_others_when_the_method_returns(path: Path, store: Store) -> None:
    run = store.begin_run("sync")
    said = record(sha256="ab" * 32, data_id="d1", services=["a", "b"])
    store.add_result(run, said)
    names = "run, judged_at, status, source, sha256, operation, services, risk_level, request_id, data_id, region"
    assert rows(path, f"SELECT {names} FROM results") == [
        (run, 1000.0, "judged", "a.png", "ab" * 32, "ImageModeration", "a,b", "high", "R1", "d1", "ap-southeast-1")
    ]
    [(kept,)] = rows(path, "SELECT record FROM results")
    assert json.loads(kept) == said
    assert ", " not in kept


@pytest.mark.parametrize("outcome", [skipped(), failed()])
def test_what_was_not_judged_is_kept_too(path: Path, store: Store, outcome: object) -> None:
    said = to_record(outcome)  # type: ignore[arg-type]
    store.add_result(None, said)
    assert rows(path, "SELECT status, risk_level FROM results") == [(said["status"], None)]


def test_file_names_that_are_not_utf_8_survive(path: Path, store: Store) -> None:
    source = b"photo-\xff-\xe5\x9b\xbe.png".decode("utf-8", "surrogateescape")
    store.add_result(None, record(source=source))
    [(kept, column)] = rows(path, "SELECT record, source FROM results")
    assert json.loads(kept)["source"] == source
    assert column.decode("utf-8", "surrogatepass") == source


def test_chinese_and_control_characters_survive(path: Path, store: Store) -> None:
    source = "图片\x00\x1b[31m\u202e.png"
    store.add_result(None, record(source=source))
    [(kept, column)] = rows(path, "SELECT record, source FROM results")
    assert json.loads(kept)["source"] == column == source


def test_each_label_counts_once_an_input_and_service(path: Path, store: Store) -> None:
    said = judged(
        "high",
        Label("nsfw", 50.0, service="a"),
        Label("nsfw", 70.0, service="a", where="$.mainData"),
        Label("nsfw", 60.0, service="b"),
        Label("flag"),
        Label("knife", 99.0, where="$.frames[0]"),
        call=call(services=("a", "b")),
    )
    store.add_result(None, to_record(said))
    assert sorted(rows(path, "SELECT label, service, confidence FROM label_hits")) == [
        ("flag", "", None),
        ("knife", "", 99.0),
        ("nsfw", "a", 70.0),
        ("nsfw", "b", 60.0),
    ]


def test_the_only_service_made_the_labels_that_name_none(path: Path, store: Store) -> None:
    store.add_result(None, to_record(judged("high", Label("knife", where="$.frames[0]"))))
    assert rows(path, "SELECT label, service, confidence FROM label_hits") == [("knife", "baselineCheck_global", None)]


def test_labels_of_parts_alone_are_counted_as_the_answer_was_read(path: Path, store: Store) -> None:
    """V22: a service and a frame have labels that the list of the whole answer lacks."""
    knife, gun = ({"Label": name, "RiskLevel": "high"} for name in ("violent_knife", "violent_gun"))
    parts = [{"Service": "a", "RiskLevel": "high", "Result": [gun]}, {"Service": "b", "Result": [gun]}]
    batch = {"Code": 200, "Data": {"RiskLevel": "none", "Result": [], "Results": parts}}
    services = call(operation="ImageBatchModeration", services=("a", "b"))
    store.add_result(None, to_record(_outcome(read_verdict(batch, services))))
    frames = {"RiskLevel": "none", "Frame": json.dumps([{"Result": [knife]}, {"RiskLevel": "none"}])}
    poll = call(operation="DescribeImageModerationResult", services=("a",))
    store.add_result(None, to_record(_outcome(read_verdict({"Code": 200, "Data": frames}, poll))))
    assert rows(path, "SELECT result, label, service FROM label_hits") == [
        (1, "violent_gun", "a"),
        (1, "violent_gun", "b"),
        (2, "violent_knife", "a"),
    ]


def test_billed_calls_are_a_column(path: Path, store: Store) -> None:
    for billed in (3, 0, None):
        store.add_result(None, record(billed_calls=billed))
    assert rows(path, "SELECT billed_calls FROM results ORDER BY number") == [(3,), (0,), (None,)]


def test_a_locked_store_is_an_error_and_works_again_afterwards(path: Path, store: Store) -> None:
    with held(path), pytest.raises(StoreError) as caught:
        store.add_result(None, record())
    assert caught.value.code == "store_locked"
    store.add_result(None, record())
    assert rows(path, "SELECT count(*) FROM results") == [(1,)]


def test_a_full_disk_is_an_error_and_loses_nothing_older(path: Path, store: Store) -> None:
    store.add_result(None, record())
    [row] = store._database.read("PRAGMA page_count")
    store._database.read(f"PRAGMA max_page_count = {row[0] + 2}")
    with pytest.raises(StoreError) as caught:
        store.add_result(None, record(source="x" * 100_000))
    assert caught.value.code == "store_full"
    store.add_result(None, record())
    assert rows(path, "SELECT count(*) FROM results") == [(2,)]


def test_what_is_no_json_is_rolled_back(path: Path, store: Store) -> None:
    with pytest.raises(TypeError):
        store.add_result(None, record(ext=object()))
    store.add_result(None, record())
    assert rows(path, "SELECT count(*) FROM results") == [(1,)]


def test_a_closed_store_is_an_error(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError):
        store.add_result(None, record())
