"""Ray Data over rows, with one quota in an actor: where Ray is installed (`pytest -m ray`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from copies import copies

POSTER = Path(__file__).parents[1] / "data" / "poster-qr.png"
_PROGRAM = """
import json, sys
import ray
from moderate_cli.client.limits import RateKey
from moderate_cli.scale import Judge, RayQuota

ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
paths = json.loads(sys.stdin.read())
judged = (
    ray.data.from_items([{"url": path} for path in paths])
    .repartition(target_num_rows_per_block=10)
    .map_batches(Judge, fn_constructor_kwargs={"quota": RayQuota(), "qps": 50}, batch_size=None, concurrency=2)
)
rows = judged.take_all()
print(json.dumps(sorted([row["url"], row["status"], row["risk_level"]] for row in rows)))
state = RayQuota().ask("rate", RateKey("", "", "", 1.0)).state
print(state.rate)
"""


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
def test_rows_are_judged_by_actors_under_one_quota(account: dict[str, str], tmp_path: Path) -> None:
    paths = copies(POSTER, tmp_path / "images", 60)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        env={**os.environ, **account, "RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows, rate = done.stdout.splitlines()[-2:]
    assert json.loads(rows) == sorted([path, "judged", "high"] for path in paths)
    assert float(rate) == pytest.approx(0.98)
