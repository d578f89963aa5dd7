"""The benchmarks work, in sizes that say nothing about speed; and no kill costs more than the calls in flight."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "benchmarks"
_PATIENCE = 120


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=_PATIENCE)


def test_one_command_prints_each_figure_beside_its_peer_and_its_target() -> None:
    done = _run(_FOLDER, "--quick", "walking", "12", "uploads")
    assert done.returncode == 0, done.stderr
    head, *lines = [line for line in done.stdout.splitlines() if not line.startswith("    ")]
    assert head.split()[:5] == ["#", "figure", "moderate", "beside", "that"]
    found = [re.search(r"^ *(\d+)  .+ (\S+)  ([\d.]+ or (?:less|more)) +(met|MISSED)$", line) for line in lines]
    assert [match and match.group(1, 3) for match in found] == [
        ("9", "1.15 or less"),
        ("12", "5 or less"),
        ("13", "0.95 or more"),
    ]
    assert all(match and float(match[2]) > 0 for match in found)


def test_the_figure_of_uploads_tells_how_they_overlapped_and_that_connections_were_used_again() -> None:
    done = _run(_FOLDER, "--quick", "uploads")
    note = done.stdout.splitlines()[-1]
    uploads, calls, connections = map(int, re.findall(r"(\d+) (?:uploads|calls at once|connections)", note))
    assert uploads > 1
    assert calls > 1
    # One for each worker that calls and one for each that uploads, for 200 images.
    assert connections <= 2 * 64


def test_an_unknown_benchmark_is_a_usage_error() -> None:
    done = _run(_FOLDER, "speed")
    assert done.returncode == 2
    assert "no benchmark is named speed" in done.stderr


def test_kills_cost_no_verdict_and_no_call_but_those_in_flight() -> None:
    done = _run(_FOLDER / "kill_sync.py", "5", "100")
    assert done.returncode == 0, done.stderr
    counts = dict(re.findall(r"(\w+)=(\w+)", done.stdout))
    assert (counts["lines"], counts["judged"], counts["is_sound"]) == ("100", "100", "True")
    assert int(counts["killed"]) > 0
    assert 0 <= int(counts["beyond"]) <= int(counts["in_flight"])


def test_shards_that_are_killed_cost_no_verdict_and_no_call_but_those_in_flight() -> None:
    done = _run(_FOLDER / "kill_shards.py", "4", "2", "120")
    assert done.returncode == 0, done.stderr
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", done.stdout)}
    assert (counts["lines"], counts["judged"], counts["records"]) == (120, 120, 120)
    assert counts["killed"] > 0
    assert 0 <= counts["beyond"] <= counts["in_flight"]


def test_the_figures_of_a_shared_quota_are_those_of_each_place() -> None:
    done = _run(_FOLDER, "--quick", "16")
    assert done.returncode == 0, done.stderr
    places = re.findall(r"^16  quota, 2 by (\w+), sliding log, throttled ", done.stdout, re.MULTILINE)
    assert places == (["file", "redis"] if shutil.which("redis-server") else ["file"])
