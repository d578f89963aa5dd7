"""What the gate suppresses of a verdict, and the level that is left."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import SHA256, call, failed, judged, schema_1, skipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from repositories import Repository

from moderate_cli.client.responses import UnreadableResponseError
from moderate_cli.client.verdicts import read_verdict
from moderate_cli.common.errors import UsageError
from moderate_cli.gate import Gate, open_gate
from moderate_cli.gate.suppressions import SuppressionEntry, Suppressions
from moderate_cli.models import Item, Json, Judged, Label, LocalFile, RiskLevel, ServiceVerdict
from moderate_cli.records import to_record
from moderate_cli.results import Suppression, counted_level
from moderate_cli.settings.policy import Policy

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NONE, LOW, MEDIUM, HIGH = RiskLevel


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def _open(suppressions: Path | None = None, baseline: Path | None = None, now: datetime = NOON) -> Gate:
    return open_gate(suppressions, baseline, clock=now.timestamp)


def _suppressing(*labels: str) -> Gate:
    entries = [SuppressionEntry(path="**", label=label, reason="r", line=n) for n, label in enumerate(labels, start=1)]
    return Gate(Suppressions(entries, name="f", folder=Path(), today=NOON.date()))


def _level(gate: Gate, outcome: Judged) -> RiskLevel:
    return counted_level(outcome.verdict, gate.suppressions(outcome))


def test_without_files_nothing_is_suppressed() -> None:
    gate = _open()
    assert gate.suppressions(judged("high", "a")) == ()
    assert gate.notes(complete=True) == ()


def test_only_verdicts_have_findings() -> None:
    gate = _suppressing("*")
    assert gate.suppressions(failed()) == gate.suppressions(skipped()) == gate.suppressions(judged("none")) == ()


def test_an_entry_suppresses_and_says_why(folder: Path) -> None:
    (folder / ".moderate-suppressions.yaml").write_text(
        f"- sha256: {SHA256}\n  label: a\n  reason: ours\n- {{path: '*.gif', label: '*', reason: drawn}}\n"
    )
    gate = _open()
    outcome = replace(judged("high", "a", "b"), sha256=SHA256)
    assert gate.suppressions(outcome) == (Suppression("a", None, "ours", ".moderate-suppressions.yaml:1"),)
    local = replace(judged("high", "x", "y"), item=Item("c.gif", LocalFile(folder / "c.gif")))
    assert gate.suppressions(local) == tuple(
        Suppression(name, None, "drawn", ".moderate-suppressions.yaml:4") for name in "xy"
    )


def test_the_nearest_file_counts_up_to_the_top_of_the_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "- {path: '**', label: a, reason: r}"
    (folder.parent / ".moderate-suppressions.yaml").write_text(text)
    deep = folder / "x" / "y"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert _open().suppressions(judged("high", "a")) == ()
    (folder / ".moderate-suppressions.yaml").write_text(text)
    [suppressed] = _open().suppressions(judged("high", "a"))
    assert suppressed.source == f"{Path('..', '..', '.moderate-suppressions.yaml')}:1"
    (deep / ".moderate-suppressions.yaml").write_text("")
    assert _open().suppressions(judged("high", "a")) == ()


def test_a_file_that_was_asked_for_must_exist_and_no_other_counts(folder: Path) -> None:
    (folder / ".moderate-suppressions.yaml").write_text("- {path: '**', label: a, reason: r}")
    (folder / "other.yaml").write_text("- {path: '**', label: b, reason: r}")
    gate = _open(Path("other.yaml"))
    assert [each.label for each in gate.suppressions(judged("high", "a", "b"))] == ["b"]
    with pytest.raises(UsageError, match=r"there is no suppressions file none\.yaml"):
        _open(Path("none.yaml"))
    with pytest.raises(UsageError, match=r"there is no baseline none\.jsonl"):
        _open(None, Path("none.jsonl"))


def test_a_broken_file_is_an_error_even_if_nobody_asked_for_it(folder: Path) -> None:
    (folder / ".moderate-suppressions.yaml").write_text("- {path: '**', label: a}")
    with pytest.raises(UsageError, match=r"^\.moderate-suppressions\.yaml:1: the entry has no reason$"):
        _open()


def test_an_entry_counts_through_its_last_day_in_utc(folder: Path) -> None:
    (folder / ".moderate-suppressions.yaml").write_text("- {path: '**', label: a, reason: r, expires: 2026-11-21}")
    last, first = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
    assert _open(now=last).suppressions(judged("high", "a"))
    gate = _open(now=first)
    assert not gate.suppressions(judged("high", "a"))
    assert gate.notes(complete=False) == ("1 entry of .moderate-suppressions.yaml has expired: line 1 (2026-11-21)",)


def test_a_baseline_suppresses_what_it_knows(folder: Path) -> None:
    before = folder / "before.jsonl"
    before.write_text(json.dumps(to_record(judged("high", "a"))) + "\n")
    gate = _open(None, before)
    outcome = judged("high", "a", Label("b", risk_level=LOW))
    assert gate.suppressions(outcome) == (Suppression("a", None, "found by an earlier run too", "baseline"),)
    assert _level(gate, outcome) is LOW
    assert _level(gate, judged("high", "a", source="new.png")) is HIGH
    assert gate.notes(complete=True) == ()


def test_the_entries_come_before_the_baseline(folder: Path) -> None:
    (folder / ".moderate-suppressions.yaml").write_text("- {path: '**', label: a, reason: r}")
    before = folder / "before.jsonl"
    before.write_text(json.dumps(to_record(judged("high", "a", "b"))) + "\n")
    assert [each.source for each in _open(None, before).suppressions(judged("high", "a", "b"))] == [
        ".moderate-suppressions.yaml:1",
        "baseline",
    ]


def test_a_finding_that_a_further_service_has_too_is_news(folder: Path) -> None:
    before = folder / "before.jsonl"
    before.write_text(json.dumps(to_record(judged("low", "x", call=call(services=("A",))))) + "\n")
    parts = (ServiceVerdict("A", LOW, (Label("x"),), {}), ServiceVerdict("B", HIGH, (Label("x"),), {}))
    now = judged("high", Label("x", service="A"), call=call(services=("A", "B")), per_service=parts)
    gate = _open(None, before)
    assert gate.suppressions(now) == ()
    assert _level(gate, now) is HIGH


# --- the level that is left


@pytest.mark.parametrize(
    ("labels", "suppressed", "level"),
    [
        ([("a", HIGH), ("b", LOW)], ["a"], LOW),
        ([("a", HIGH), ("b", LOW)], ["b"], HIGH),
        ([("a", HIGH), ("b", LOW)], ["a", "b"], NONE),
        ([("a", HIGH), ("b", LOW)], ["*"], NONE),
        ([("a", HIGH), ("b", LOW)], ["c"], HIGH),
        ([("a", None), ("b", LOW)], ["b"], HIGH),
        ([("a", None), ("b", None)], ["b"], HIGH),
        ([("a", None)], ["a"], NONE),
        ([], ["*"], HIGH),
    ],
)
def test_the_level_of_labels(
    labels: list[tuple[str, RiskLevel | None]], suppressed: list[str], level: RiskLevel
) -> None:
    found = [Label(name, risk_level=own) for name, own in labels]
    assert _level(_suppressing(*suppressed), judged("high", *found)) is level


@pytest.mark.parametrize(
    ("suppressed", "level"),
    [("a", MEDIUM), ("b", HIGH), ("c", HIGH), ("*", NONE)],
    ids=["high", "medium", "low", "all"],
)
@pytest.mark.parametrize("in_frames", [True, False])
def test_the_level_of_parts(suppressed: str, level: RiskLevel, in_frames: bool) -> None:
    levels = {"a": HIGH, "b": MEDIUM, "c": LOW}
    parts = [
        {"Service": f"s{name}", "RiskLevel": own, "Result": [{"Label": name}, {"Label": "nonLabel_lib"}]}
        for name, own in levels.items()
    ]
    whole: list[Json] = [{"Label": name} for name in levels]
    key = "Frame" if in_frames else "Results"
    assert _level(_suppressing(suppressed), _answered({"RiskLevel": "high", key: parts})) is level
    assert _level(_suppressing(suppressed), _answered({key: parts})) is level
    # Where the whole names them too, those of services take their place, and those of frames stand beside them.
    repeated = _level(_suppressing(suppressed), _answered({"RiskLevel": "high", "Result": whole, key: parts}))
    assert repeated is (HIGH if in_frames and suppressed != "*" else level)


def _answered(data: Json) -> Judged:
    """The outcome of an image about which a service said this, readable or not."""
    operation = "ImageBatchModeration" if "Results" in data else "DescribeImageModerationResult"
    asked = call(operation=operation, services=tuple(part["Service"] for part in data.get("Results", ())) or ("s",))
    try:
        verdict = read_verdict({"Code": 200, "Data": data}, asked)
    except UnreadableResponseError as error:
        assert error.verdict
        verdict = error.verdict
    return Judged(item=judged().item, call=asked, verdict=verdict)


@pytest.mark.parametrize(
    ("data", "suppressed", "level"),
    [
        ({"RiskLevel": "low", "Result": [{"Label": "a", "RiskLevel": "high"}, {"Label": "b"}]}, ["b"], HIGH),
        ({"RiskLevel": "low", "Result": [{"Label": "a", "RiskLevel": "high"}, {"Label": "b"}]}, ["a"], LOW),
        ({"RiskLevel": "high", "Result": [{"Label": "a", "RiskLevel": "low"}]}, ["a"], HIGH),
        ({"RiskLevel": "high", "Result": [{"Label": "a"}]}, ["a"], NONE),
        ({"RiskLevel": "critical", "Result": [{"Label": "a"}]}, ["a"], HIGH),
        ({"RiskLevel": "medium", "Result": [{"Label": "a"}], "Frame": [{"RiskLevel": "high"}]}, ["a"], HIGH),
        ({"RiskLevel": "none", "Result": [{"Label": "nonLabel_lib"}]}, ["*"], NONE),
        ({"RiskLevel": "high", "Result": [{"Label": "nonLabel_lib"}]}, ["nonLabel_lib", "*"], HIGH),
    ],
)
def test_what_no_entry_names_still_counts(data: Json, suppressed: list[str], level: RiskLevel) -> None:
    assert _level(_suppressing(*suppressed), _answered(data)) is level


_LEVELS = st.sampled_from([*RiskLevel, None, "critical"])
_LABELS = st.lists(
    st.fixed_dictionaries(
        {"Label": st.sampled_from(["a", "b", "c", "nonLabel", "nonLabel_lib"]), "RiskLevel": _LEVELS}
    ),
    max_size=3,
)
_FRAMES = st.lists(st.fixed_dictionaries({"RiskLevel": _LEVELS, "Result": _LABELS}), max_size=2)
_SERVICES = st.lists(
    st.fixed_dictionaries({"Service": st.sampled_from("AB"), "RiskLevel": _LEVELS, "Result": _LABELS}),
    max_size=2,
    unique_by=lambda part: part["Service"],
)
_WHOLE = {"RiskLevel": _LEVELS, "Result": _LABELS}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no failure
@given(
    data=st.one_of(
        st.fixed_dictionaries({**_WHOLE, "Frame": _FRAMES}), st.fixed_dictionaries({**_WHOLE, "Results": _SERVICES})
    ),
    suppressed=st.lists(st.sampled_from("abcd"), unique=True),
)
def test_suppressing_more_never_raises_the_level(data: Json, suppressed: list[str]) -> None:
    outcome = _answered(data)
    levels = [_level(_suppressing(*suppressed[:count]), outcome) for count in range(len(suppressed) + 1)]
    assert levels[0] is outcome.verdict.gate_level
    assert levels == sorted(levels, key=lambda each: each.rank, reverse=True)
    assert _level(_suppressing("*"), outcome).rank >= outcome.verdict.unexplained.rank


# --- what it costs


def test_without_a_file_no_yaml_is_loaded() -> None:
    code = (
        "import sys, time; from moderate_cli.gate import open_gate; gate = open_gate(None, None, clock=time.time);"
        "print(sorted({'yaml', 'typer', 'requests', 'rich', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n", done.stdout


# --- how many findings do not count, and by which file


def test_what_was_suppressed_is_counted_by_its_file(folder: Path) -> None:
    (folder / ".moderate-suppressions.yaml").write_text("- {path: '**', label: a, reason: r}")
    earlier = folder / "before.jsonl"
    earlier.write_text(json.dumps(to_record(judged("high", "b", "c"))) + "\n")
    gate = _open(baseline=Path("before.jsonl"))
    assert gate.suppressed == {}
    gate.suppressions(judged("high", "a", "b", "x"))
    gate.suppressions(judged("high", "c", "b"))
    gate.suppressions(failed())
    assert gate.suppressed == {".moderate-suppressions.yaml": 1, "before.jsonl": 3}


def test_each_suppression_is_counted_by_its_own_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"a": "more/rules.yaml:12", "b": "--label-prefix", "c": "baseline", "d": "said: 7", "e": "x:1:2"}
    earlier = folder / "before.jsonl"
    earlier.write_text("")
    (folder / ".moderate-suppressions.yaml").write_text("- {path: '**', label: '*', reason: r}")
    monkeypatch.setattr(Suppressions, "match", lambda _, label, about: Suppression(label, None, "r", sources[label]))
    gate = _open(baseline=Path("before.jsonl"))
    gate.suppressions(judged("high", *sources))
    names = ("more/rules.yaml", "--label-prefix", "before.jsonl", "said: 7", "x:1")
    assert gate.suppressed == dict.fromkeys(names, 1)


def test_a_file_that_anybody_could_have_put_there_suppresses_nothing_and_is_told(folder: Path) -> None:
    (folder / ".moderate-suppressions.yaml").write_text("- {path: '**', label: a, reason: r}")
    folder.chmod(0o777)
    gate = _open()
    assert gate.suppressions(judged("high", "a")) == ()
    assert gate.notes(complete=True) == (".moderate-suppressions.yaml is ignored: its folder is world-writable",)


def test_a_policy_has_the_files_of_its_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.begin(tmp_path / "git")
    monkeypatch.chdir(repository.folder)
    allow = "- {{path: '**', label: {}, reason: r}}"
    before = json.dumps(to_record(judged("high", "b"))) + "\n"
    repository.commit(**{".moderate-suppressions.yaml": allow.format("a"), "before.jsonl": before})
    repository.write(".moderate-suppressions.yaml", allow.format("'*'"))
    repository.write("before.jsonl", before + json.dumps(to_record(judged("high", "c"))) + "\n")
    policy = Policy.open("HEAD")
    gate = open_gate(None, Path("before.jsonl"), clock=NOON.timestamp, policy=policy)
    suppressed = gate.suppressions(judged("high", "a", "b", "c"))
    assert [(each.label, each.source) for each in suppressed] == [
        ("a", "HEAD:.moderate-suppressions.yaml:1"),
        ("b", "baseline"),
    ]
    assert gate.suppressed == {"HEAD:.moderate-suppressions.yaml": 1, "HEAD:before.jsonl": 1}
    assert [line.split()[3] for line in policy.overridden] == [".moderate-suppressions.yaml", "before.jsonl"]
    assert open_gate(Path(".moderate-suppressions.yaml"), None, clock=NOON.timestamp, policy=policy).suppressions(
        judged("high", "a", "c")
    ) == (Suppression("a", None, "r", "HEAD:.moderate-suppressions.yaml:1"),)
    hint = "name a file that is committed there, or one outside of the repository"
    repository.write("new", allow.format("'*'"))
    for files, words in (((Path("new"), None), "suppressions file"), ((None, Path("new")), "baseline")):
        with pytest.raises(UsageError) as caught:
            open_gate(*files, clock=NOON.timestamp, policy=policy)
        assert (caught.value.message, caught.value.hint) == (f"there is no {words} HEAD:new", hint)
    outside = tmp_path / "outside.yaml"
    outside.write_text(allow.format("c"))
    gate = open_gate(outside, None, clock=NOON.timestamp, policy=policy)
    assert [each.label for each in gate.suppressions(judged("high", "a", "c"))] == ["c"]


# --- the former name of the file, and records of the former schema


NEW, FORMER = ".moderate-suppressions.yaml", ".moderateallow.yaml"
DEPRECATED = f"{FORMER} is a deprecated name: rename the file to {NEW}"


def _entry_for(label: str) -> str:
    return f"- {{path: '**', label: {label}, reason: r}}\n"


def test_a_file_of_the_former_name_counts_and_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / FORMER).write_text(_entry_for("a"))
    gate = _open()
    assert gate.suppressions(judged("high", "a")) == (Suppression("a", None, "r", f"{FORMER}:1"),)
    assert gate.notes(complete=True) == (DEPRECATED,)
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    assert _open().notes(complete=False) == (f"{Path('..', FORMER)} is a deprecated name: rename the file to {NEW}",)


def test_a_file_that_was_named_may_be_called_anything(folder: Path) -> None:
    (folder / FORMER).write_text(_entry_for("a"))
    assert _open(Path(FORMER)).notes(complete=False) == ()


def test_beside_a_file_of_the_new_name_the_former_does_not_count_and_that_is_told(folder: Path) -> None:
    (folder / FORMER).write_text(_entry_for("a"))
    (folder / NEW).write_text(_entry_for("b"))
    gate = _open()
    assert [each.source for each in gate.suppressions(judged("high", "a", "b"))] == [f"{NEW}:1"]
    assert gate.notes(complete=True) == (f"{FORMER} is ignored: {NEW} beside it takes precedence",)


def test_the_nearer_file_counts_whatever_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / NEW).write_text(_entry_for("a"))
    (folder / "deep").mkdir()
    (folder / "deep" / FORMER).write_text(_entry_for("b"))
    monkeypatch.chdir(folder / "deep")
    gate = _open()
    assert [each.label for each in gate.suppressions(judged("high", "a", "b"))] == ["b"]
    assert gate.notes(complete=True) == (DEPRECATED,)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes here")
def test_neither_name_counts_where_anybody_could_have_put_it(folder: Path) -> None:
    (folder / FORMER).write_text(_entry_for("a"))
    folder.chmod(0o777)
    for names in ([FORMER], [NEW, FORMER]):
        (folder / names[0]).write_text(_entry_for("a"))
        gate = _open()
        assert gate.suppressions(judged("high", "a")) == ()
        assert gate.notes(complete=True) == tuple(f"{name} is ignored: its folder is world-writable" for name in names)


def test_a_policy_knows_both_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.begin(tmp_path / "git")
    monkeypatch.chdir(repository.folder)

    def opened() -> tuple[Gate, Policy]:
        policy = Policy.open("HEAD")
        return open_gate(None, None, clock=NOON.timestamp, policy=policy), policy

    repository.commit(**{FORMER: _entry_for("a")})
    repository.write(NEW, _entry_for("'*'"))  # as a change might that would like to suppress its own findings
    gate, policy = opened()
    assert [each.source for each in gate.suppressions(judged("high", "a", "b"))] == [f"HEAD:{FORMER}:1"]
    assert gate.notes(complete=True) == (f"HEAD:{FORMER} is a deprecated name: rename the file to {NEW}",)
    assert [line.split()[3] for line in policy.overridden] == [NEW]
    repository.commit(**{NEW: _entry_for("b")})
    gate, policy = opened()
    assert [each.source for each in gate.suppressions(judged("high", "a", "b"))] == [f"HEAD:{NEW}:1"]
    assert gate.notes(complete=True) == (f"HEAD:{FORMER} is ignored: HEAD:{NEW} beside it takes precedence",)
    assert list(policy.overridden) == []
    repository.commit(**{FORMER: None, NEW: None})
    repository.write(FORMER, _entry_for("'*'"))
    gate, policy = opened()
    assert gate.suppressions(judged("high", "a")) == ()
    assert [line.split()[3] for line in policy.overridden] == [FORMER]


def test_a_baseline_of_the_former_schema_suppresses_and_is_told(folder: Path) -> None:
    before = folder / "before.jsonl"
    records = [schema_1(judged("high", "a")), schema_1(judged("high", "b", source="b.png"))]
    before.write_text("".join(json.dumps(record) + "\n" for record in records))
    gate = _open(None, Path("before.jsonl"))
    assert [each.label for each in gate.suppressions(judged("high", "a"))] == ["a"]
    assert gate.notes(complete=True) == (
        "before.jsonl has records of schema 1, which is deprecated: write it again, in schema 2",
    )
