"""A verdict on a post: every label at the part that it belongs to, and nothing cut or executed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from samples import post_outcome, shown_table, vendor_post
from test_table import HARMFUL

from moderate_cli.models import Coverage, Judged, Label, Post, QueuedTask, RiskLevel

WIDTHS = [20, 40, 60, 80, 100, 120, 200]


def _outcome(post: dict[str, Any], *labels: Label) -> Judged:
    outcome = post_outcome("risk", post)
    return replace(outcome, verdict=replace(outcome.verdict, labels=labels, risk_level=RiskLevel.HIGH))


def _nested(depth: int) -> dict[str, Any]:
    """Return a post whose first comment has a reply that has a reply ..."""
    comment: dict[str, Any] = {"content": f"depth {depth}"}
    for level in range(depth - 1, 0, -1):
        comment = {"content": f"depth {level}", "commentDatas": [comment]}
    return {"mainData": {"mainTitle": "deep"}, "commentDatas": [comment]}


def _parents(shown: str) -> dict[str, str]:
    """Return the line above each leaf whose guide is shorter by one level, by the leaf's own text."""
    parents, above = {}, {}
    for line in shown.splitlines():
        text = line.lstrip("│├└─ ")
        depth = (len(line) - len(text)) // 4
        above[depth] = text.rstrip()
        parents[text.rstrip()] = above.get(depth - 1, "")
    return parents


def _together(shown: str) -> str:
    """Return what is shown without guides and spaces, so that it does not matter where lines were broken."""
    return "".join(c for c in shown if c not in "│├└─ \n")


def test_every_label_of_the_sample_stands_at_its_part() -> None:
    outcome = post_outcome("risk")
    labels = tuple(
        replace(label, label=f"label_{n}", description=None) for n, label in enumerate(outcome.verdict.labels)
    )
    parents = _parents(shown_table(replace(outcome, verdict=replace(outcome.verdict, labels=labels)), width=120))
    assert [parents[label.label] for label in labels] == [
        "2 images",
        "2 images",
        "comment 1 (2 images): Comment 1",
        "comment 1 (2 images): Comment 1",
        "reply 1.1 (1 image): Reply 1 to Comment 1",
        "reply 1.1 (1 image): Reply 1 to Comment 1",
        "comment 2: Comment 2",
    ]


@pytest.mark.parametrize("number", range(1, 8))
def test_a_label_at_any_comment(number: int) -> None:
    label = Label("the_label", 12.5, where=f"$.commentDatas[{number - 1}]")
    parents = _parents(shown_table(_outcome(vendor_post(), label), width=120))
    assert parents["the_label  12.50"].startswith(f"comment {number}")


@pytest.mark.parametrize("where", [None, "$", "$.commentDatas[99]", "$.mainData.mainTitle"])
def test_a_label_of_an_unknown_part_stands_at_the_root_with_its_path(where: str | None) -> None:
    shown = shown_table(_outcome(vendor_post(), Label("the_label", where=where)), width=120)
    lines = shown.splitlines()
    assert lines[0] == "posts/risk.yaml  high"
    assert lines[1] == "├── the_label" + (f"  at {where}" if where else "")


def test_details_stand_at_the_root() -> None:
    outcome = post_outcome("none")
    verdict = replace(outcome.verdict, ext={"public_figure": [{"figure_name": "Yang San"}]})
    assert shown_table(replace(outcome, verdict=verdict)).splitlines()[1] == "├── figure  Yang San"


def test_a_task_whose_post_is_known_is_shown_as_a_tree() -> None:
    outcome = post_outcome("risk")
    known = replace(outcome, item=replace(outcome.item, image=QueuedTask("task_1", "multimodal", post=vendor_post())))
    assert shown_table(known, width=80) == shown_table(outcome, width=80)


@pytest.mark.parametrize("width", [60, 120])
def test_a_task_whose_post_is_unknown_is_shown_with_paths(width: int) -> None:
    outcome = post_outcome("risk")
    unknown = replace(outcome, item=replace(outcome.item, image=QueuedTask("task_1", "multimodal")))
    shown = "".join(shown_table(unknown, width=width).split())
    for label in outcome.verdict.labels:
        assert f"at{label.where}" in shown
    assert "├" not in shown


@pytest.mark.parametrize("width", WIDTHS)
def test_labels_and_descriptions_are_never_cut(width: int) -> None:
    wheres = ["$.mainData", "$.commentDatas[0]" + ".commentDatas[0]" * 11, None]
    description = "".join(f"{number:03d}" for number in range(40))
    labels = [Label(f"a_label_{'x' * 40}_{n}", 99.5, description, where=where) for n, where in enumerate(wheres)]
    shown = shown_table(_outcome(_nested(12), *labels), width=width)
    together = _together(shown)
    for label in labels:
        assert f"{label.label}99.50{description}" in together
    assert max(map(cell_len, shown.splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_replies_nested_deeper_than_the_terminal_is_wide_keep_their_numbers(width: int) -> None:
    shown = shown_table(_outcome(_nested(60), Label("the_label", where="$" + ".commentDatas[0]" * 60)), width=width)
    assert max(map(cell_len, shown.splitlines())) <= width
    together = _together(shown)
    assert f"reply1{'.1' * 59}:depth60the_label" in together
    assert together.count("depth") == 60


@pytest.mark.parametrize("width", [40, 60, 81])
@pytest.mark.parametrize("text", ["word " * 80, "字" * 200, "x" * 200, "one\ntwo\t three " * 30])
def test_what_the_user_wrote_is_one_line(width: int, text: str) -> None:
    post = {"mainData": {"mainTitle": text, "mainContent": text}, "commentDatas": [{"content": text}]}
    lines = shown_table(_outcome(post), width=width).splitlines()
    heads = [line for line in lines if "title: " in line or "text: " in line or "comment 1: " in line]
    assert len(heads) == 3
    assert all(line.endswith("…") and width - 4 <= cell_len(line) <= width for line in heads)


@pytest.mark.parametrize("text", HARMFUL.values(), ids=HARMFUL.keys())
@pytest.mark.parametrize("width", [60, 200])
def test_text_from_outside_is_only_text(text: str, width: int) -> None:
    comment = {"content": text, "images": [text], "commentDatas": [{"content": text}]}
    post = {"mainData": {"mainTitle": text, "mainContent": text}, "commentDatas": [comment]}
    wheres = ["$.mainData", "$.commentDatas[0]", "$.commentDatas[0].commentDatas[0]", text]
    outcome = _outcome(post, *(Label(text, 99, text, where=where) for where in wheres))
    shown = shown_table(replace(outcome, item=replace(outcome.item, source=text)), width=width)
    assert not [c for c in shown if not (c.isprintable() or c == "\n")]
    first_line = text.splitlines()[0]
    visible = first_line if first_line.isprintable() else repr(first_line)[1:-1].replace("\\'", "'")
    assert _together(shown).count(_together(visible[:12])) >= 1 + 4 + 2 * len(wheres)


@pytest.mark.parametrize(
    ("post", "lines"),
    [
        ({}, ["└── nothing found"]),
        ({"mainData": "text", "commentDatas": None}, ["└── nothing found"]),
        ({"mainData": {}}, ["└── no title, no text", "    └── nothing found"]),
        ({"mainData": {"mainImages": [{}]}}, ["└── 1 image", "    └── nothing found"]),
        ({"mainData": {"mainTitle": 7, "mainImages": {}}}, ["└── title: 7", "    1 image", "    └── nothing found"]),
        ({"commentDatas": ["[b]x"]}, ["└── comment 1: [b]x", "    └── nothing found"]),
        ({"commentDatas": {"images": [1, 2]}}, ["└── comment 1 (2 images)", "    └── nothing found"]),
    ],
)
def test_posts_of_other_shapes(post: dict[str, Any], lines: list[str]) -> None:
    outcome = _outcome({"placeholder": 1})
    verdict = replace(outcome.verdict, risk_level=RiskLevel.NONE, notes=())
    outcome = replace(outcome, item=replace(outcome.item, image=Post(post)), verdict=verdict)
    assert shown_table(outcome).splitlines()[1 : 1 + len(lines)] == lines


def _answers(answered: tuple[str, ...], *coverage: Coverage) -> list[str]:
    """Return what is said of each part of a post without findings: its main part, a comment, and a reply to that."""
    comment = {"content": "one", "commentDatas": [{"content": "two"}]}
    outcome = _outcome({"mainData": {"mainTitle": "zero"}, "commentDatas": [comment]})
    changes = {"answered": answered, "coverage": coverage, "notes": (), "risk_level": RiskLevel.NONE}
    lines = shown_table(replace(outcome, verdict=replace(outcome.verdict, **changes))).splitlines()
    return [line.lstrip("│├└─ ") for line in lines if line.endswith(("nothing found", "not answered"))]


_PATHS = ("$.mainData", "$.commentDatas[0]", "$.commentDatas[0].commentDatas[0]")


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (_PATHS, ["nothing found", "nothing found", "nothing found"]),
        (_PATHS[:2], ["nothing found", "nothing found", "not answered"]),
        (_PATHS[1:2], ["not answered", "nothing found", "not answered"]),
    ],
)
def test_a_part_without_an_answer_is_not_clean(answered: tuple[str, ...], expected: list[str]) -> None:
    assert _answers(answered) == expected


def test_where_no_part_has_an_answer_none_is_clean() -> None:
    assert _answers((), Coverage("parts", 0, 3, unanswered=True)) == ["not answered"] * 3


def test_a_verdict_of_an_earlier_run_names_no_parts_and_is_complete() -> None:
    assert _answers(()) == ["nothing found"] * 3


def test_a_risk_without_a_label_stands_at_the_root_and_remarks_too() -> None:
    outcome = _outcome({"mainData": {"mainTitle": "zero"}})
    verdict = replace(outcome.verdict, coverage=(Coverage("parts", 6, 10, unanswered=True),), notes=("odd",))
    assert shown_table(replace(outcome, verdict=verdict)).splitlines()[:4] == [
        "posts/risk.yaml  high",
        "├── unlabelled  a risk level without a label",
        "├── note  6 of 10 parts answered",
        "├── note  odd",
    ]
