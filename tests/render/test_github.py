"""GitHub's annotations and the job summary."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from builders import failed, judged, skipped
from golden import check_golden
from render_builders import HOSTILE_NAMES, LOGO, local, mixed_run, shown
from samples import pending_image

from moderate_cli.models import Label, Outcome, RiskLevel
from moderate_cli.render import Format
from moderate_cli.render.github import SUMMARY_VARIABLE
from moderate_cli.results import GatePolicy

_COMMAND = re.compile(r"::(error|warning|notice) (?:file=([^,:]+),)?title=([^,:]*)::(.*)")


@pytest.fixture(autouse=True)
def _in_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)


def _unescaped(text: str) -> str:
    """What GitHub's runner makes of a value: it reads the percent sign last."""
    for escape, character in {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}.items():
        text = text.replace(escape, character)
    return text


def _annotations(*outcomes: Outcome, **options: object) -> list[tuple[str, str, str, str]]:
    lines = shown(Format.GITHUB, outcomes, **options).splitlines()
    found = [match for line in lines if (match := _COMMAND.fullmatch(line))]
    assert len(found) == len([line for line in lines if line.startswith("::")])
    return [tuple(_unescaped(group or "") for group in match.groups()) for match in found]


def test_a_run_as_it_is_written() -> None:
    check_golden("reports/run-github.txt", shown(Format.GITHUB, mixed_run(), policy=GatePolicy(RiskLevel.HIGH)))


@pytest.mark.parametrize(
    ("fail_on", "kinds"),
    [
        (None, ["error", "error", "warning", "notice"]),
        (RiskLevel.HIGH, ["error", "error", "warning", "notice"]),
        (RiskLevel.MEDIUM, ["error", "error", "error", "notice"]),
        (RiskLevel.LOW, ["error", "error", "error", "error"]),
    ],
)
def test_what_fails_the_step_is_an_error(fail_on: RiskLevel | None, kinds: list[str]) -> None:
    outcomes = [judged(level, "smoke") for level in ("high", None, "medium", "low")]
    assert [kind for kind, *_ in _annotations(*outcomes, judged("none"), policy=GatePolicy(fail_on))] == kinds


def test_what_has_no_verdict_is_told_too() -> None:
    annotations = _annotations(skipped("b.png"), failed("a.png"), pending_image())
    assert [(kind, title) for kind, _, title, _ in annotations] == [
        ("error", "not_found"),
        ("error", "not_an_image"),
        ("notice", "pending"),
    ]


def test_an_annotation_says_which_file_and_what_was_found() -> None:
    label = Label("violent_explosion", 81.2, service="baselineCheck_global")
    outcome = local("high", label, Label("violent_explosion", where="$.x"), source="assets/a.png")
    [(kind, file, title, message)] = _annotations(outcome)
    assert (kind, file, title) == ("error", "assets/a.png", "high: violent_explosion")
    assert message.splitlines() == [
        "assets/a.png: violent_explosion 81.20: smoke or fire",
        "violent_explosion: smoke or fire (at $.x)",
    ]


def test_what_is_elsewhere_has_no_file() -> None:
    assert [file for _, file, *_ in _annotations(mixed_run()[0], local("high", "x", source="/other/a.png"))] == ["", ""]


def test_what_is_suppressed_is_not_annotated() -> None:
    assert _annotations(judged("high", LOGO.label), suppressions=[LOGO]) == []
    [annotation] = _annotations(judged("high", LOGO.label, "weapon"), suppressions=[LOGO])
    assert annotation[2] == "high: weapon"
    assert LOGO.label not in annotation[3]


def test_the_worst_ten_of_each_kind_stand_first_and_the_others_are_counted() -> None:
    outcomes: list[Outcome] = [judged("low", "smoke", source=f"low-{number:02d}.png") for number in range(13)]
    outcomes += [failed(f"gone-{number}.png") for number in range(9)]
    outcomes += [judged("high", "weapon", source=f"high-{number}.png") for number in range(9)]
    text = shown(Format.GITHUB, outcomes)
    assert text.count("::error ") == text.count("::notice ") == 10
    assert text.count("high-") == 9 * 2
    assert text.index("::error") < text.index("::notice")
    assert text.endswith("::notice title=not annotated::and 12 more, not annotated; -f jsonl lists all\n")


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "a\r\nb", "100%", "%0A::error::x", "a:b,c"])
def test_a_name_stays_one_command_on_one_line(name: str) -> None:
    label = Label(name, description=name)
    text = shown(Format.GITHUB, [local("high", label, source=name), failed(name)])
    assert len(text.splitlines()) == text.count("\n") == 2
    assert all(_COMMAND.fullmatch(line) for line in text.splitlines())


def test_a_file_is_named_as_it_is_though_its_name_has_newlines_and_colons() -> None:
    name = "50%\r\n::error file=x,title=y::z, %0A.png"
    [(kind, file, *_)] = _annotations(local("high", "smoke", source=name))
    assert (kind, file) == ("error", name)


def test_the_summary_is_appended_as_markdown(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("# before\n", encoding="utf-8")
    shown(Format.GITHUB, mixed_run(), policy=GatePolicy(RiskLevel.HIGH), variables={SUMMARY_VARIABLE: str(path)})
    text = path.read_text(encoding="utf-8")
    assert text.removeprefix("# before\n") == shown(Format.MARKDOWN, mixed_run(), policy=GatePolicy(RiskLevel.HIGH))


@pytest.mark.parametrize("place", [".", "missing/summary.md", "a\0b"])
def test_a_summary_that_cannot_be_written_spoils_nothing(place: str) -> None:
    stderr = io.StringIO()
    outcomes = [judged("high", "x")]
    text = shown(Format.GITHUB, outcomes, variables={SUMMARY_VARIABLE: place}, stderr=stderr)
    assert text.startswith("::error ")
    assert "cannot write the job summary" in stderr.getvalue()
