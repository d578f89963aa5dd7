"""What a person sees on a terminal of 60, 80 and 120 columns, of both streams: screens that were looked at."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from actions import CLEAN, RISKY, Service, service
from faults import Answer, body
from golden import check_golden
from invocation import Terminal
from past_builders import write_past
from PIL import Image

from moderate_cli.app import collect, images
from moderate_cli.app.run import nobody_knows
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode
from moderate_cli.main import run
from moderate_cli.render.progress import WAIT_LINE_EVERY
from moderate_cli.scanning.polling import Polling

WIDTHS = (60, 80, 120)
FOLDER = "assets/campaigns/2026/summer/landing-page-with-a-long-name"

each_width = pytest.mark.parametrize("width", WIDTHS)
Screen = Callable[..., tuple[int, str]]


class Clock:
    """A time that passes only where somebody sleeps by it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Screen:
    """Run a command line on a terminal, and return its exit code and what the terminal shows of both streams."""

    def screen(*words: str, width: int, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
        terminal = Terminal()
        # A bar comes and goes by real time; a terminal that cannot move its cursor has plain lines in its place.
        for name, value in {"COLUMNS": str(width), "TERM": "dumb", **(variables or {})}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdout", terminal)  # to which Typer writes help
        environment = Environment(
            stdin=io.StringIO(), stdout=terminal, stderr=terminal, clock=lambda: 1_767_225_600.0, monotonic=clock
        )
        code = run(words, environment)
        return code, terminal.getvalue()

    return screen


def _answer(asked: Mapping[str, str]) -> Answer:
    return RISKY if "poster" in asked["form"] else CLEAN


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    with service(ImageModeration=_answer) as served:
        yield served


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a folder of 500 images, two of which are posters, and one that is none."""
    root = tmp_path_factory.mktemp("project")
    folder = root / FOLDER
    folder.mkdir(parents=True)
    drawn = io.BytesIO()
    Image.new("RGB", (256, 256), "white").save(drawn, "JPEG")
    names = [f"picture-{number:03}.jpg" for number in range(497)] + ["poster-1.jpg", "poster-2.jpg"]
    for name in names:
        (folder / name).write_bytes(drawn.getvalue() + name.encode())
    (folder / "broken.jpg").write_bytes(b"no image")
    return root


@each_width
def test_no_arguments(screen: Screen, width: int) -> None:
    code, shown = screen(width=width)
    assert code == ExitCode.USAGE
    check_golden(f"screens/alone-{width}.txt", shown)


@each_width
def test_the_short_help(screen: Screen, width: int) -> None:
    code, shown = screen("sync", "-h", width=width)
    assert code == ExitCode.OK
    check_golden(f"screens/sync-h-{width}.txt", shown)


@each_width
def test_no_credentials(screen: Screen, width: int) -> None:
    code, shown = screen("sync", "a.png", width=width)
    assert code == ExitCode.FATAL
    assert shown.count("moderate: ") == 3
    check_golden(f"screens/no-credentials-{width}.txt", shown)


@each_width
def test_a_folder_of_500_and_a_failed_gate(
    screen: Screen, served: Service, project: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.chdir(project)
    store = str(project.parent / f"{project.name}.db")
    words = ["sync", "assets", "--data-id-from", "name", "--store", store, "--reuse", "forever"]
    screen(*words, "-q", width=width, variables=served.variables)  # so that all screens are of a second run
    code, shown = screen(*words, width=width)
    assert code == ExitCode.INCOMPLETE
    assert len(shown.splitlines()) < 24
    check_golden(f"screens/folder-{width}.txt", shown)
    code, shown = screen(*words, "--fail-on", "high", "--exclude", "broken.jpg", width=width)
    assert code == ExitCode.FOUND
    check_golden(f"screens/gate-{width}.txt", shown)
    quiet = screen(*words, "--fail-on", "high", "--exclude", "broken.jpg", "-q", "-f", "sarif", width=width)[1]
    assert quiet.splitlines()[-1] == shown.splitlines()[-1]


@each_width
def test_a_wait_of_three_polls(
    screen: Screen, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int
) -> None:
    monkeypatch.setattr(collect, "Polling", partial(Polling, sleep=clock.sleep))
    monkeypatch.setattr(images, "Count", lambda _: nobody_knows)  # a thread of its own counts, sooner or later
    (tmp_path / "clip.gif").write_bytes((Path(__file__).parents[1] / "animation.gif").read_bytes())
    monkeypatch.chdir(tmp_path)
    store = str(tmp_path / "store.db")

    def poll(asked: Mapping[str, str]) -> Any:
        return RISKY if int(asked["number"]) == 3 else body(280)

    submitted = body(200, {"ReqId": "B0963D30-BAB4-562F-9ED0-7A23AEC51C7C"})
    with service(ImageAsyncModeration=submitted, DescribeImageModerationResult=poll) as served:
        words = ["async-submit", "clip.gif", "--interval", "1", "--max-frames", "10", "--wait", "--store", store]
        code, shown = screen(*words, width=width, variables=served.variables)
    assert code == ExitCode.OK
    assert clock.now >= 90 > WAIT_LINE_EVERY
    check_golden(f"screens/wait-{width}.txt", shown)


@each_width
def test_a_history(screen: Screen, tmp_path: Path, width: int) -> None:
    store = write_past(tmp_path / "store.db")
    code, shown = screen("history", "--store", str(store), "--limit", "6", width=width)
    assert code == ExitCode.OK
    check_golden(f"screens/history-{width}.txt", shown)
