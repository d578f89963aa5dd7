"""Completion in real shells: bash and zsh at a terminal, bash by its variables, and fish by `complete -C`."""

from __future__ import annotations

from pathlib import Path

import pytest
from shells import SCRIPTS, completed, run_script

LINES = [
    ("moderate hist", "moderate history "),
    ("moderate sync --region eu-c", "moderate sync --region eu-central-1 "),
    ("moderate sync --region=eu-c", "moderate sync --region=eu-central-1 "),
    ("moderate sync --profile prod", "moderate sync --profile production "),
    ("moderate sync -s baselineCheck,aigcV", "moderate sync -s baselineCheck,aigcViolationDetection "),
    ("moderate history --label '!=nonLabel_", "moderate history --label '!=nonLabel_lib' "),
    ("moderate sync b", "moderate sync b\\ c.png "),
    ("moderate sync --sarif-output=b", "moderate sync --sarif-output=b\\ c.png "),
    ("moderate poll --save-frames s", "moderate poll --save-frames sub/"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file whose name has a space, a folder, another file, and settings."""
    (tmp_path / "b c.png").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sum.png").touch()
    (tmp_path / "moderate.yaml").write_text("profiles: {production: {}}\n")
    return tmp_path


@pytest.mark.parametrize(("line", "expected"), LINES)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_tabulator(shell: str, line: str, expected: str, folder: Path) -> None:
    assert completed(shell, line, folder) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sync", "--fail-on", ""], ["high", "medium", "low", "never"]),
        (["sync", "--region", "=", "eu-"], ["eu-west-1", "eu-central-1"]),
        (["config", ""], ["show", "init", "path", "trust", "untrust"]),
        (["sync", "--profile", ""], ["local", "production"]),
        (["sync", "--data-id", ""], []),
    ],
)
def test_all_candidates_in_bash(words: list[str], expected: list[str], folder: Path) -> None:
    words = ["moderate", *words]
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"source '{SCRIPTS}/moderate.bash'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        f"""_moderate moderate '{words[-1]}' '{words[-2]}'; printf '%s\\n' "${{COMPREPLY[@]}}" """
    )
    assert run_script(["bash", "--norc"], script, folder).split() == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("moderate hist", ["history\tFind what was judged, newest first, in every format."]),
        ("moderate sync --region eu-c", ["eu-central-1\tGermany (Frankfurt)"]),
        ("moderate sync --region=eu-c", ["--region=eu-central-1\tGermany (Frankfurt)"]),
        ("moderate sync --profile prod", ["production"]),
        ("moderate sync --fail-on ", ["high", "medium", "low", "never"]),
        ("moderate sync b", ["b c.png"]),
        ("moderate sync --sarif-output=b", ["--sarif-output=b c.png"]),
        ("moderate poll --save-frames s", ["sub/\tDirectory"]),
        ("moderate sync --data-id ", []),
    ],
)
def test_fish(line: str, expected: list[str], folder: Path) -> None:
    script = f"source '{SCRIPTS}/moderate.fish'; complete -C '{line}'"
    assert run_script(["fish", "--no-config"], script, folder).splitlines() == expected


@pytest.mark.parametrize("quote", ['"', "\\'"])
def test_a_quote_that_is_still_open_in_fish(quote: str, folder: Path) -> None:
    script = f"source '{SCRIPTS}/moderate.fish'; complete -C 'moderate history --label {quote}!=nonLabel_'"
    assert run_script(["fish", "--no-config"], script, folder).startswith("!=nonLabel_lib\t")
