"""What tests of several formats share: a run shown in a format, and outcomes with names that want to be more."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from builders import failed, judged, skipped
from msgspec.structs import replace
from samples import async_outcome, batch_outcome, pending_image, post_outcome, vendor_outcome

from moderate_cli.common.environment import Environment
from moderate_cli.models import Item, Judged, Label, LocalFile, Outcome, RiskLevel
from moderate_cli.render import Format, renderer
from moderate_cli.results import NO_GATE, GatePolicy, RunSummary, Suppression

HOSTILE_NAMES = (
    "<script>alert(1)</script>.png",
    "quote\"'&amp;.png",
    "emoji-\U0001f98a.png",
    "rtl-\u202egpj.exe.png",
    "עברית.png",
    "line\nbreak,50%::x.png",
    "\x1b[31mred\x07.png",
    "not-utf8-\udcff.png",
    "no-character-\uffff.png",
    "]]>.png",
    "=1+1.png",
    "-- --> `a|b` *c* @me #1 www.example.com.png",
)
LOGO = Suppression("pt_logotoSocialNetwork", None, "our own logo", ".moderate-suppressions.yaml")


def mixed_run() -> list[Outcome]:
    """One outcome of each kind that there is."""
    return [
        vendor_outcome("risk"),
        vendor_outcome("none"),
        vendor_outcome("allowlist"),
        vendor_outcome("custom_keyword"),
        batch_outcome("risk"),
        async_outcome("risk"),
        post_outcome("risk"),
        pending_image(),
        skipped("notes.txt"),
        failed("gone.png"),
        local("low", Label("violent_burning", 60.5, risk_level=RiskLevel.LOW), source="assets/a b.png"),
        local("medium", "violent_smoke", source="assets/b.png"),
        judged(None, "brand_new_label", source="new.png"),
    ]


def local(level: str | None, *labels: str | Label, source: str, sha256: str | None = None, **changes: Any) -> Judged:
    """A file with a verdict."""
    outcome = judged(level, *labels, source=source, **changes)
    return replace(outcome, item=Item(source, LocalFile(Path(source))), sha256=sha256)


def shown(
    choice: Format,
    outcomes: Iterable[Outcome],
    *,
    suppressions: Sequence[Suppression] = (),
    variables: Mapping[str, str] | None = None,
    stderr: io.StringIO | None = None,
    summary: RunSummary | None = None,
    policy: GatePolicy = NO_GATE,
    **options: Any,
) -> str:
    """Return what a format makes of a run; `suppressions` hold for every outcome."""
    stream = io.StringIO(newline="")
    environment = Environment(
        variables=variables or {}, clock=lambda: 1_767_225_600.0, stderr=stderr if stderr is not None else io.StringIO()
    )
    counted = RunSummary(policy=policy) if summary is None else summary
    renders = renderer(choice, stream, environment, color="never", raw=False, policy=policy, **options)
    for outcome in outcomes:
        counted.add(outcome, suppressions)
        renders.add(outcome, suppressions=suppressions)
    renders.finish(counted)
    return stream.getvalue()
