"""`moderate console results`, `feedback` and `usage`: what an emulated account judged, beside our own store."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from invocation import Result
from rules_files import write_pictures

from moderate_cli.client import ManagementClient, Page
from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator
from moderate_cli.store import default_path

Run = Callable[..., Result]
ORIGINS = {
    "both": "known from the account and from this machine",
    "account": "known from the account only",
    "here": "known from this machine only",
}


@pytest.fixture
def ask(moderate: Run, account: dict[str, str]) -> Run:
    def ask(*arguments: str | Path, **options: object) -> Result:
        return moderate(*arguments, variables=account, **options)

    return ask


@pytest.fixture
def judged(ask: Run, tmp_path: Path, emulator: Emulator) -> list[dict[str, object]]:
    """Judge three images, one of which has a finding, and return their records."""
    write_pictures(tmp_path / "images", 3)
    finding = {"label": "violent_explosion", "confidence": 81.22}
    emulator.seed([{"name": "001*", "findings": [finding]}, {"name": "*", "findings": []}])  # no detector looks
    done = ask("sync", tmp_path / "images", "--data-id-from", "name", "-f", "jsonl", "-q", "--ordered")
    return done.records


def _notes(result: Result) -> dict[str, str]:
    return {record["request_id"]: record["notes"][-1] for record in result.records}


def test_a_result_says_where_it_is_known_from(
    ask: Run, judged: list[dict[str, object]], emulator: Emulator, tmp_path: Path
) -> None:
    ids = [str(record["request_id"]) for record in judged]
    found = ask("console", "results")
    assert found.code == ExitCode.OK
    assert _notes(found) == dict.fromkeys(ids, ORIGINS["both"])
    assert {record["source"] for record in found.records} == {str(record["source"]) for record in judged}
    aside = tmp_path / "aside.db"
    default_path().rename(aside)
    alone = ask("console", "results")
    assert _notes(alone) == dict.fromkeys(ids, ORIGINS["account"])
    by_id = {record["request_id"]: record for record in alone.records}
    for record in judged:
        other = by_id[record["request_id"]]
        assert (other["risk_level"], other["data_id"], other["services"], other["operation"]) == (
            record["risk_level"],
            record["data_id"],
            record["services"],
            "GetScanResult",
        )
        assert [label["label"] for label in other["labels"]] == [label["label"] for label in record["labels"]]
    assert not default_path().exists(), "looking makes no store"


def test_what_only_this_machine_knows_is_told_too(
    ask: Run, judged: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ManagementClient, "results", lambda self, **query: iter(()))
    found = ask("console", "results")
    assert found.records == [], "the local engine's own results are none of the account's"
    # An answer of the cloud says so itself.
    monkeypatch.setattr("moderate_cli.app.account_results._is_from_cloud", lambda outcome: True)
    assert set(_notes(ask("console", "results")).values()) == {ORIGINS["here"]}
    assert ask("console", "results", "--query", "RiskLevel=high").records == []


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--label", "!=nonLabel"), ["001.png"]),
        (("--label", "violent_explosion,other"), ["001.png"]),
        (("--label", "nonLabel"), ["000.png", "002.png"]),
        (("--data-id", "002.png"), ["002.png"]),
        (("--service", "baselineCheck_global"), ["000.png", "001.png", "002.png"]),
        (("--service", "other,another"), []),
        (("--query", "RiskLevel=none"), ["000.png", "002.png"]),
        (("--until", "1d"), []),
        (("--since", "1h", "--limit", "1"), ["002.png"]),
    ],
)
def test_filters_hold_for_the_account_and_for_this_machine(
    ask: Run, judged: list[dict[str, object]], options: tuple[str, ...], names: list[str]
) -> None:
    found = ask("console", "results", *options)
    assert found.code == ExitCode.OK
    if "--limit" in options:
        assert len(found.records) == 1
        return
    assert sorted(Path(record["source"]).name for record in found.records) == names
    assert ("no result found" in found.stderr) == (not names)


def test_one_request_is_found(ask: Run, judged: list[dict[str, object]]) -> None:
    request_id = str(judged[1]["request_id"])
    assert list(_notes(ask("console", "results", "--request-id", request_id))) == [request_id]
    shown = ask("console", "results", "--request-id", request_id, "-f", "table").stdout
    assert ORIGINS["both"] in shown
    assert "violent_explosion" in shown


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "sarif", "junit", "github", "html", "table"])
def test_every_format_of_history(ask: Run, judged: list[dict[str, object]], form: str) -> None:
    done = ask("console", "results", "-f", form)
    assert done.code == ExitCode.OK
    assert "violent_explosion" in done.stdout.replace("&#95;", "_")


def test_the_answer_of_the_api_can_be_seen(ask: Run, judged: list[dict[str, object]], tmp_path: Path) -> None:
    default_path().unlink()
    for record in ask("console", "results", "--raw").records:
        assert record["raw"]["RequestId"] == record["request_id"]
        assert "Signature" not in record["source"]


@pytest.mark.parametrize(
    "broken",
    [
        {"RequestTime": "yesterday"},
        {"RequestTime": "0001-01-01 00:00:00"},
        {"Ext": "{"},
        {"RiskLevel": None, "Result": None},
        {"RiskLevel": []},
        {"RiskLevel": 0},
        {"Result": '[{"Label":"X"}]'},
        {"Result": {"Label": "X"}},
        {"Result": [7]},
        {"Labels": [{"Label": "X"}]},
        {"Code": 500},
    ],
)
def test_a_result_that_cannot_be_read_is_a_failure(
    ask: Run, monkeypatch: pytest.MonkeyPatch, broken: dict[str, object]
) -> None:
    item = {"RequestId": "R", "ServiceCode": "baselineCheck_global", "RequestTime": "2026-11-29 12:00:00"}
    item |= {"RiskLevel": "none", "Result": [{"Label": "nonLabel", "Confidence": ""}]}
    pages = [Page(1, ({**item, "RequestId": "good"}, {**item, **broken}), 2)]
    monkeypatch.setattr(ManagementClient, "results", lambda self, **query: iter(pages))
    done = ask("console", "results", "--since", "2026-11-01", "--until", "2026-12-01")
    assert done.code == ExitCode.INCOMPLETE
    assert [(record["request_id"], record["status"]) for record in done.records] == [
        ("good", "judged"),
        ("R", "failed"),
    ]


@pytest.mark.parametrize(
    ("fields", "level", "labels"),
    [
        ({"RiskLevel": "none", "Labels": "violent_explosion, nonLabel"}, "low", ["violent_explosion"]),
        ({"riskLevel": "high", "Result": [{"Label": "nonLabel"}]}, "high", []),
        ({"RiskLevel": "none", "result": [{"label": "X", "riskLevel": "high", "confidence": "81.2"}]}, "high", ["X"]),
        ({"RiskLevel": "high", "Result": [{"Label": "X"}], "Labels": "X,Y"}, "high", ["X", "Y"]),
        ({"RiskLevel": "none", "Labels": "nonLabel", "Result": []}, "none", []),
        ({"Ext": {"CustomImage": [{"LibId": "L"}]}}, "high", []),
    ],
)
def test_all_that_decides_is_read_wherever_it_stands(
    ask: Run, monkeypatch: pytest.MonkeyPatch, fields: dict[str, object], level: str, labels: list[str]
) -> None:
    item = {"requestId": "R", "serviceCode": "s", "requestTime": "2026-11-29 12:00:00", **fields}
    monkeypatch.setattr(ManagementClient, "results", lambda self, **query: iter([Page(1, (item,), 1)]))
    [record] = ask("console", "results", "--since", "2026-11-01", "--until", "2026-12-01").records
    assert (record["status"], record["request_id"], record["risk_level"]) == ("judged", "R", level)
    assert [label["label"] for label in record["labels"]] == labels


@pytest.mark.parametrize(
    "broken", [{"ImageUrl": "http://["}, {"RequestId": None}, {"RequestId": {}}, {"RequestId": ""}]
)
def test_a_strange_result_takes_no_other_with_it(
    ask: Run, monkeypatch: pytest.MonkeyPatch, broken: dict[str, object]
) -> None:
    item = {"RequestId": "R", "RequestTime": "2026-11-29 12:00:00", "RiskLevel": "none", "ImageUrl": "https://x/a?s=1"}
    pages = [Page(1, ({**item, **broken}, {**item, "RequestId": "good"}), 2)]
    monkeypatch.setattr(ManagementClient, "results", lambda self, **query: iter(pages))
    first, second = ask("console", "results", "--since", "2026-11-01", "--until", "2026-12-01").records
    assert first["status"] == ("judged" if "ImageUrl" in broken else "failed")
    assert (second["request_id"], second["status"], second["source"]) == ("good", "judged", "https://x/a")


def test_a_list_that_ends_before_the_last_result_says_so(ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    item = {"RequestId": "R", "ServiceCode": "baselineCheck_global", "RequestTime": "2026-11-29 12:00:00"}
    item |= {"RiskLevel": "none", "Result": [{"Label": "nonLabel", "Confidence": ""}]}
    monkeypatch.setattr(ManagementClient, "results", lambda self, **query: iter([Page(1, (item,), 60_000)]))
    done = ask("console", "results", "--since", "2026-11-01", "--until", "2026-12-01")
    assert "the account lists 1 of 60,000 results; a shorter time or a filter shows the others" in done.stderr


@pytest.mark.parametrize("option", [("--query", "x"), ("--query", "=x"), ("--label", ""), ("--since", "soon")])
def test_mistakes_are_told(ask: Run, option: tuple[str, str]) -> None:
    assert ask("console", "results", *option).code == ExitCode.USAGE


# ----------------------------------------------------------------------------------------------------------- feedback


def test_feedback_reaches_the_account(ask: Run, judged: list[dict[str, object]]) -> None:
    request_id = str(judged[0]["request_id"])
    done = ask("console", "feedback", request_id, "missed")
    assert (done.code, done.stderr) == (ExitCode.OK, f"moderate: the vendor was told: {request_id} is missOut\n")
    assert _said(ask, request_id)["Feedback"] == "missOut"
    refused = ask("console", "feedback", request_id, "false-positive")
    assert refused.code == ExitCode.USAGE
    assert "--value WORD" in refused.stderr
    assert ask("console", "feedback", request_id, "false-positive", "--value", "misHit").code == ExitCode.OK
    assert _said(ask, request_id)["Feedback"] == "misHit"
    assert ask("console", "feedback", "unknown", "missed").code == ExitCode.INCOMPLETE


def test_feedback_here_can_be_sent(ask: Run, judged: list[dict[str, object]]) -> None:
    request_id = str(judged[0]["request_id"])
    assert ask("feedback", request_id, "false-positive", "--send").code == ExitCode.USAGE
    assert ask("history", "--feedback", "any").records == [], "nothing was noted"
    done = ask("feedback", request_id, "missed", "--note", "a knife", "--send")
    assert done.code == ExitCode.OK
    assert done.stderr.splitlines()[-1] == f"moderate: the vendor was told: {request_id} is missOut"
    assert len(ask("history", "--feedback", "missed").records) == 1
    assert _said(ask, request_id)["Feedback"] == "missOut"
    shown = ask("console", "results", "--request-id", request_id, "-f", "table").stdout
    assert "missed" in shown
    assert "a knife" in shown


def _said(ask: Run, request_id: str) -> dict[str, str]:
    aside = default_path().with_name("aside.db")
    default_path().rename(aside)
    [record] = ask("console", "results", "--request-id", request_id, "--raw").records
    aside.rename(default_path())
    return json.loads(record["raw"]["ExtFeedback"])


# -------------------------------------------------------------------------------------------------------------- usage


def test_usage_has_calls_and_hits(ask: Run, judged: list[dict[str, object]]) -> None:
    [row] = ask("console", "usage", "--by", "month").records
    assert (row["calls"], row["hits"], set(row)) == (3, 1, {"month", "calls", "hits", "share"})
    assert len(row["month"]) == len("2026-11")
    [row] = ask("console", "usage").records
    assert (row["calls"], len(row["day"])) == (3, len("2026-11-01"))
    assert ask("console", "usage", "--by", "service").records[0]["service"] == "baselineCheck_global"
    assert [row["label"] for row in ask("console", "usage", "--by", "label").records] == ["violent_explosion"]
    assert ask("console", "usage", "--service", "other").records == []
    assert ask("console", "usage", "--until", "40d", "--since", "300d").records == []


@pytest.mark.parametrize("form", ["table", "json", "csv", "html"])
def test_usage_is_shown_as_that_of_this_machine(ask: Run, judged: list[dict[str, object]], form: str) -> None:
    shown = ask("console", "usage", "-f", form).stdout
    assert "3" in shown
    assert "illed" not in shown, "the account does not say what it bills"


def test_the_export_has_the_columns_of_the_guide(ask: Run, judged: list[dict[str, object]], tmp_path: Path) -> None:
    ask("console", "usage", "--by", "month", "--export", tmp_path / "usage.csv")
    [head, row] = csv.reader(io.StringIO((tmp_path / "usage.csv").read_text()))
    assert head == ["Account UID", "Service", "Usage", "Date"]
    assert row[:3] == ["1000000000000000", "baselineCheck_global", "3"]
    pytest.importorskip("xlsxwriter")
    ask("console", "usage", "--by", "month", "--export", tmp_path / "usage.xlsx")
    with zipfile.ZipFile(tmp_path / "usage.xlsx") as workbook:
        texts = workbook.read("xl/sharedStrings.xml").decode()
    assert [text for text in head if f"<t>{text}</t>" in texts] == head
    assert "Billed" not in texts


def test_the_answers_of_the_api_can_be_seen(ask: Run, judged: list[dict[str, object]]) -> None:
    [answer] = json.loads(ask("console", "usage", "--raw").stdout)
    assert answer["Y"][0]["Name"] == "baselineCheck_global"
    assert len(json.loads(ask("console", "usage", "--by", "month", "--raw").stdout)) == 7, "two months at once"


@pytest.mark.parametrize(
    ("change", "is_readable"),
    [
        ({}, True),
        ({"X": ["20261129"]}, True),
        ({"X": ["soon"]}, False),
        ({"X": []}, False),
        ({"X": None}, False),
        ({"Y": None}, False),
        ({"Z": None}, True),
        ({"Y": "many"}, False),
        ({"Uids": -1}, False),
        ({"Uids": True}, False),
        ({"Y": [{"Name": "a", "Data": [-1]}]}, False),
        (
            {"LabelStatChart": [{"ServiceCode": "a", "TotalCount": 4, "TreeChart": [{"Name": "l", "Value": "25%"}]}]},
            True,
        ),
        (
            {"LabelStatChart": [{"ServiceCode": "a", "TotalCount": 4, "TreeChart": [{"Name": "l", "Value": "0.25"}]}]},
            True,
        ),
        ({"LabelStatChart": [{"ServiceCode": "a", "TotalCount": 4, "TreeChart": [{"Name": "l", "Value": "1"}]}]}, True),
        (
            {"LabelStatChart": [{"ServiceCode": "a", "TotalCount": 4, "TreeChart": [{"Name": "l", "Value": "?"}]}]},
            False,
        ),
    ],
)
def test_statistics_are_read_strictly(
    ask: Run, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], is_readable: bool
) -> None:
    data = {"X": ["2026-11-29"], "Y": [{"Name": "a", "Data": [4]}], "Z": [{"Name": "a", "Data": [1]}], **change}
    monkeypatch.setattr(ManagementClient, "usage", lambda self, **query: data)
    done = ask("console", "usage", "--by", "label", "--since", "2026-11-20", "--until", "2026-11-29")
    assert done.code == (ExitCode.OK if is_readable else ExitCode.INCOMPLETE)
    if "LabelStatChart" in change and is_readable:
        assert done.records == [{"label": "l", "calls": 1, "share": 0.25}]
