"""JUnit XML: valid, counted, and as the gate decides."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from builders import failed, judged, skipped
from golden import check_golden
from msgspec.structs import replace
from render_builders import HOSTILE_NAMES, LOGO, local, mixed_run, shown
from samples import TESTS, pending_image

from moderate_cli.models import ImageUrl, Item, Label, LocalFile, Outcome, RiskLevel
from moderate_cli.render import Format
from moderate_cli.render import junit as module
from moderate_cli.results import MAX_CLEAN, GatePolicy, RunSummary, Suppression, is_clean


@cache
def _schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(TESTS / "vectors" / "junit.xsd"))


def _suite(
    *outcomes: Outcome, fail_on: RiskLevel | None = RiskLevel.MEDIUM, suppressions: list[Suppression] | None = None
) -> ElementTree.Element:
    text = shown(Format.JUNIT, outcomes, policy=GatePolicy(fail_on), suppressions=suppressions or [])
    _schema().validate(text)
    [suite] = ElementTree.fromstring(text.encode())
    cases = suite.findall("testcase")
    counts = {"tests": len(cases)}
    for name, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        counts[name] = sum(case.find(element) is not None for case in cases)
    assert {name: int(suite.attrib[name]) for name in counts} == counts
    return suite


def _what(suite: ElementTree.Element) -> list[str]:
    return [case[0].tag if len(case) else "passed" for case in suite]


def test_a_run_with_everything_is_valid() -> None:
    outcomes = mixed_run()
    suite = _suite(*outcomes)
    in_order = sorted(outcomes, key=is_clean)  # clean ones last
    assert [case.attrib["name"] for case in suite] == [outcome.item.source for outcome in in_order]
    assert suite.attrib["time"] == f"{sum(outcome.call.elapsed_ms or 0 for outcome in outcomes) / 1000:.3f}"


def test_a_run_as_it_is_written() -> None:
    check_golden("reports/run-junit.xml", shown(Format.JUNIT, mixed_run(), policy=GatePolicy(RiskLevel.MEDIUM)))


def test_a_run_without_inputs_is_an_empty_suite() -> None:
    assert _suite().attrib["tests"] == "0"


@pytest.mark.parametrize(
    ("fail_on", "what"),
    [
        (RiskLevel.HIGH, ["failure", "system-out", "system-out", "failure", "passed"]),
        (RiskLevel.MEDIUM, ["failure", "failure", "system-out", "failure", "passed"]),
        (RiskLevel.LOW, ["failure", "failure", "failure", "failure", "passed"]),
        (None, ["system-out", "system-out", "system-out", "system-out", "passed"]),
    ],
)
def test_the_gate_decides_what_fails(fail_on: RiskLevel | None, what: list[str]) -> None:
    levels = ("high", "medium", "low", "none", None)
    outcomes = [judged(level, *([] if level == "none" else ["smoke"])) for level in levels]
    assert _what(_suite(*outcomes, fail_on=fail_on)) == what


def test_a_case_has_its_file_and_the_class_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "assets/icons").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "assets")
    sources = ("icons/a.png", "../a.png", str(tmp_path / "b.png"), "/elsewhere/x/c.png")
    remote = replace(judged("high", "x"), item=Item("https://example.com/x/d.png", ImageUrl("")))
    cases = _suite(*(local("high", "x", source=source) for source in sources), remote)
    assert [(case.get("classname"), case.get("file")) for case in cases] == [
        ("moderate.assets.icons", "assets/icons/a.png"),
        ("moderate", "a.png"),
        ("moderate", "b.png"),
        ("moderate.elsewhere.x", None),
        ("moderate.example.com.x", None),
    ]
    assert [case.get("name") for case in cases] == [*sources, "https://example.com/x/d.png"]


def test_gitlab_reads_the_file_the_class_and_the_attachment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    [case] = _suite(local("high", "violent_gun", source="assets/a b.png"))
    # What GitLab's parser takes of a case: these four attributes, the first problem, and the first attachment.
    assert [case.get(name) for name in ("classname", "name", "file", "time")] == [
        *("moderate.assets", "assets/a b.png", "assets/a b.png"),
        "0.312",
    ]
    assert case.find("failure") is not None
    assert _attachment(case) == "assets/a b.png"


def _attachment(case: ElementTree.Element) -> str | None:
    """Return the attachment as GitLab's parser finds it."""
    found = re.search(r"\[\[ATTACHMENT\|(?P<path>[^\[\]|]+?)\]\]", case.findtext("system-out", ""))
    return found["path"] if found else None


def test_an_image_is_attached_where_there_is_something_to_say_about_it_and_it_could_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    low, clean, odd = local("low", "x", source="low.png"), local("none", source="clean.png"), "a[1].png"
    missing, broken = failed("gone.png"), replace(failed("broken.png"), sha256="1" * 64)
    files = [
        replace(each, item=Item(each.item.source, LocalFile(Path(each.item.source)))) for each in (missing, broken)
    ]
    suite = _suite(low, clean, local("high", "x", source=odd), *files, judged("high", "x"))
    assert {case.attrib["name"]: _attachment(case) for case in suite} == {
        "low.png": "low.png",
        "clean.png": None,
        odd: None,
        "gone.png": None,
        "broken.png": "broken.png",
        "a.png": None,
    }
    assert suite[0].findtext("system-out") == "low: x 81.22\n[[ATTACHMENT|low.png]]"


def test_a_description_attaches_nothing() -> None:
    [case] = _suite(judged("low", Label("x", description="[[ATTACHMENT|/etc/passwd]]")))
    assert _attachment(case) is None


def test_what_has_no_verdict_is_an_error_or_skipped() -> None:
    suite = _suite(failed("a.png"), skipped("b.png"), pending_image())
    assert _what(suite) == ["error", "skipped", "skipped"]
    assert [case[0].attrib["type"] for case in suite] == ["not_found", "not_an_image", "pending"]
    assert suite[0][0].attrib["message"] == "no such file; check the name"
    assert "moderate poll" in suite[2][0].attrib["message"]


def test_a_failure_names_its_labels_once_and_tells_all_of_them() -> None:
    label = Label("violent_explosion", 81.2, service="baselineCheck_global")
    [case] = _suite(judged("high", label, Label("violent_explosion", where="$.x"), "weapon"))
    assert case[0].attrib == {"type": "high", "message": "high risk: violent_explosion, weapon"}
    assert case[0].text
    assert "high: violent_explosion 81.20: smoke or fire\n" in case[0].text


def test_a_level_without_a_label_fails_too() -> None:
    [case] = _suite(judged("high"))
    assert case[0].attrib["message"] == "high risk: unlabelled"


def test_what_is_suppressed_passes_and_is_told() -> None:
    [case] = _suite(judged("high", LOGO.label), suppressions=[LOGO])
    assert case[0].tag == "system-out"
    assert "(suppressed: our own logo)" in (case[0].text or "")
    [case] = _suite(judged("high", LOGO.label, "weapon"), suppressions=[LOGO])
    assert case[0].attrib["message"] == "high risk: weapon"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_every_name_is_legal(name: str) -> None:
    label = Label(name, description=name)
    suite = _suite(judged("high", label, source=name), judged("low", label, source=name), failed(name))
    assert len({case.attrib["name"] for case in suite}) == 1
    if "\uffff" not in name and name.isprintable():
        assert suite[0].attrib["name"] == name


def test_many_cases_wait_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IN_MEMORY", 100)
    assert len(_suite(*[judged("high", "x")] * 50)) == 50


@pytest.mark.parametrize(("seen", "unlisted"), [(MAX_CLEAN + 1, 0), (MAX_CLEAN, 1), (0, 100_000)])
def test_many_clean_inputs_are_one_case_and_each_is_counted(seen: int, unlisted: int) -> None:
    outcomes = [judged(source=f"{number}.png") for number in range(seen)]
    summary = RunSummary(unlisted=unlisted)
    text = shown(Format.JUNIT, [*outcomes, judged("high", "x")], policy=GatePolicy(RiskLevel.HIGH), summary=summary)
    _schema().validate(text)
    [suite] = ElementTree.fromstring(text.encode())
    assert (suite.attrib["tests"], suite.attrib["failures"]) == (str(seen + unlisted + 1), "1")
    _, clean = suite
    assert clean.attrib["name"] == "clean inputs"
    assert clean[0].text == f"{seen + unlisted:,} inputs, not listed; -f jsonl lists all"
    assert float(clean.attrib["time"]) == sum(outcome.call.elapsed_ms or 0 for outcome in outcomes) / 1000
