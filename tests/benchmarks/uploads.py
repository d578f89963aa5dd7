"""Target 13: a folder of local images over the quota of 100 a second, each uploaded and then judged.

The wall is that of the whole process of the installed command, from its start to its end.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from counting import Counts
from measuring import IMAGE, MODERATE, run, world
from report import Figure
from serving import serving

sys.path.append(str(Path(__file__).parents[1]))
from copies import copies

_QUOTA = 100
_CALL_MS = 300
_UPLOAD_MS = 100


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figure of 6,000 images: the start of the process, a second, is in it."""
    images = 200 if quick else 6000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies(IMAGE, folder / "images", images)
        runs = [_run(folder, number) for number in range(1 if quick else 3)]
    counts = runs[0][0]
    overlap = counts.overlap_seconds / counts.upload_seconds
    yield Figure(
        target=13,
        name=f"{images:,} local images, uploads and calls",
        ours=median(images / seconds for _, seconds in runs),
        peer="the quota",
        theirs=_QUOTA,
        unit="images/s",
        bound=0.95,
        side="or more",
        note=f"at most {counts.most_uploads} uploads and {counts.most_calls} calls at once; "
        f"calls were under way in {overlap:.0%} of the time with uploads; {counts.connections} connections; "
        f"{counts.refused} calls throttled",
    )


def _run(folder: Path, number: int) -> tuple[Counts, float]:
    with serving(call_ms=_CALL_MS, upload_ms=_UPLOAD_MS, window="sliding log", per_second=_QUOTA) as service:
        variables = world(folder, {**service.variables, "MODERATE_STORE": str(folder / f"{number}.db")})
        command = [MODERATE, "sync", str(folder / "images"), "-o", str(folder / "out.jsonl"), "-q"]
        done = run(command, variables, timeout=300).expect(0)
        return service.take(), done.seconds
