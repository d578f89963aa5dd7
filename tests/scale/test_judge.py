"""A judge for engines of others: batches in, the same rows out with the columns of the record, whatever is in them."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from copies import copies
from redis_server import needs_redis, running_redis

from moderate_cli.common.errors import CredentialsError, UsageError
from moderate_cli.scale import COLUMNS, Judge

DATA = Path(__file__).parents[1] / "data"
POSTER = DATA / "poster-qr.png"


@pytest.fixture
def world(account: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in account.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def judge(world: None) -> Iterator[Judge]:
    judge = Judge("url", jobs=4)
    yield judge
    judge.close()


def test_each_row_keeps_its_place_and_gets_the_columns_of_the_record(judge: Judge) -> None:
    batch = {"id": [1, 2, 3], "url": [str(POSTER), str(DATA / "landscape.jpg"), str(POSTER)]}
    out = judge(batch)
    assert set(out) == {"id", "url", *COLUMNS}
    assert (out["id"], out["url"]) == (batch["id"], batch["url"])
    assert out["status"] == ["judged"] * 3
    assert out["risk_level"] == ["high", "none", "high"]
    assert [json.loads(labels) for labels in out["labels"]] == [["QRCode"], [], ["QRCode"]]
    assert [json.loads(record)["source"] for record in out["record"]] == batch["url"]
    assert judge({"url": []})["status"] == []


def test_nothing_in_a_row_raises(judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    rows = ["missing.png", "", None, 7, str(tmp_path), "https://", "s3a://b/k", str(tmp_path / "a.png"), "*.png"]
    out = judge({"url": [*rows, POSTER.read_bytes()]})
    assert len(out["status"]) == len(rows) + 1
    assert "judged" not in out["status"][:-1]
    assert all(out["error"][:-1])
    assert (out["status"][-1], out["risk_level"][-1]) == ("judged", "high")


def test_it_travels_before_and_after_it_has_begun(judge: Judge) -> None:
    batch = {"url": [str(POSTER)]}
    copy = pickle.loads(pickle.dumps(judge))
    assert copy(batch)["risk_level"] == ["high"]
    later = pickle.loads(pickle.dumps(copy))
    assert later(batch)["risk_level"] == ["high"]
    copy.close()
    copy.close()
    later.close()


def test_what_is_wrong_for_all_rows_is_raised(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="there is no column 'url'"):
        judge({"uri": []})
    with pytest.raises(UsageError, match="unknown setting regoin"):
        Judge(regoin="x")
    monkeypatch.delenv("ALIBABA_CLOUD_ACCESS_KEY_ID")
    with pytest.raises(CredentialsError):
        Judge()({"url": [str(POSTER)]})


def test_a_batch_that_is_too_large_is_told_once(judge: Judge, caplog: pytest.LogCaptureFixture) -> None:
    rows = {"url": ["missing.png"] * 201}
    with caplog.at_level(logging.WARNING, "moderate_cli"):
        judge(rows)
        judge(rows)
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith("a batch has 201 rows: ")
    assert line.endswith("; repartition to 50 rows a block")


@needs_redis
def test_each_verdict_is_kept_as_it_comes(world: None, tmp_path: Path) -> None:
    rows = {"url": copies(POSTER, tmp_path / "images", 6)}
    with running_redis() as server:
        first, second = (Judge(reuse=server.address, quota=server.address) for _ in range(2))
        assert first(rows)["reused"] == [False] * 6
        assert second(rows)["reused"] == [True] * 6
        first.close()
        second.close()
