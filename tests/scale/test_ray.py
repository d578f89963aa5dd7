"""Ray Data over rows, as the manual shows it, with one quota in an actor: where Ray is installed (`pytest -m ray`)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from copies import copies
from redis_server import needs_redis, running_redis

from moderate_cli.cli.help import topics

POSTER = Path(__file__).parents[1] / "data" / "poster-qr.png"
_GAVE_UP = "The current node timed out during startup"  # Ray waits for itself for 30 seconds, which cannot be changed
ROWS, FILES = 120, 8
_STARTED = """
import sys
import ray
options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
ray.init(num_cpus=4, object_store_memory=100_000_000, _temp_dir=sys.argv[1], **options)
"""
# Whoever asked first may go: on an actor's end Ray ends what it has made.
_FIRST_TO_ASK_GOES = """
from moderate_cli.client.limits import RateKey

key = RateKey("", "", "", 0.001)

@ray.remote(num_cpus=0)
class Worker:
    def ask(self):
        return RayQuota("of-this-test").ask("reserve", key, "first").delay

first, second = Worker.remote(), Worker.remote()
delays = [ray.get(first.ask.remote())]
ray.kill(first)
delays.append(ray.get(second.ask.remote()))
print(*delays)
"""


@pytest.mark.ray
@needs_redis
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
def test_the_example_of_the_manual_judges_each_row_once(account: dict[str, str], tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    paths = copies(POSTER, tmp_path / "pictures", ROWS)
    (tmp_path / "images").mkdir()
    for number in range(FILES):
        table = pyarrow.table({"url": paths[number::FILES]})
        parquet.write_table(table, tmp_path / "images" / f"{number}.parquet")
    with running_redis() as server, tempfile.TemporaryDirectory(prefix="ray") as folder:  # short, for its sockets
        example = _example().replace("redis://HOST:6379/0", server.address)
        done = subprocess.run(
            [sys.executable, "-c", f"{_STARTED}{example}{_FIRST_TO_ASK_GOES}", folder],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **account, "RAY_USAGE_STATS_ENABLED": "0"},
            timeout=600,
        )
    if _GAVE_UP in done.stderr:
        pytest.skip("Ray could not be started in time on this machine")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = parquet.read_table(tmp_path / "judged").to_pylist()
    assert sorted(row["url"] for row in rows) == sorted(paths)
    assert Counter((row["status"], row["risk_level"], row["reused"]) for row in rows) == {
        ("judged", "high", False): ROWS
    }
    before, after = map(float, done.stdout.split()[-2:])
    assert before == 0
    assert after > 0


@pytest.mark.ray
@needs_redis
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
def test_a_kill_costs_no_verdict_and_no_call_but_those_in_flight() -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "kill_ray.py"
    done = subprocess.run([sys.executable, script, "1", "120"], capture_output=True, text=True, timeout=900)
    if _GAVE_UP in done.stderr:
        pytest.skip("Ray could not be started in time on this machine")
    assert done.returncode == 0, done.stderr
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", done.stdout)}
    assert (counts["rows"], counts["killed"], counts["judged"]) == (120, 1, 120)
    assert 0 <= counts["beyond"] <= counts["in_flight"]


def _example() -> str:
    blocks = topics()["scale"].text.split("```text\n")
    (found,) = (block.partition("```")[0] for block in blocks if "import ray\n" in block)
    return found
