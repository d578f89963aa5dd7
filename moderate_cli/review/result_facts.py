"""What is shown of a result to whoever decides? The same for the page and the terminal, with nothing left to escape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.common.text import safe_text
from moderate_cli.levels import label_level
from moderate_cli.models import ImageUrl, Json, Outcome, QueuedTask, RiskLevel, Verdict, highest
from moderate_cli.render.wording import (
    confidence,
    details,
    exempted,
    finding_words,
    level_word,
    meaning,
    read_part,
    remarks,
    where_words,
)
from moderate_cli.results import Finding, findings, verdict_of
from moderate_cli.store import StoredDecision

if TYPE_CHECKING:
    from moderate_cli.render.post import PostPart

_MAX_LINK = 2_000  # characters
_MAX_FRAMES = 100  # as many as the service looks at


class FindingFacts(Struct, frozen=True):
    """A finding in words."""

    label: str
    level: str
    confidence: str
    meaning: str
    where: str
    words: str


class PictureFacts(Struct, frozen=True):
    """A picture of a post: its `number` in the post if it is a file, its name, and the address of one in the web."""

    number: int | None
    name: str
    link: str | None


class PartFacts(Struct, frozen=True):
    """A part of a post in its own words, which may have lines, and what is in it.

    A reply is deeper than what it replies to. `answer` stands in place of findings.
    """

    name: str
    text: str
    depth: int
    pictures: tuple[PictureFacts, ...] = ()
    findings: tuple[FindingFacts, ...] = ()
    answer: str = ""


class FrameFacts(Struct, frozen=True):
    """A frame in words, with the seconds after which it is shown where these are known.

    `number` is the one by which its picture is fetched, where that was saved.
    """

    name: str
    level: str
    seconds: float | None
    number: int | None
    findings: tuple[FindingFacts, ...]


class ResultFacts(Struct, frozen=True):
    """A result in words; `link` is the address of an image in the web, and `facts` are names with what stands there."""

    id: int
    source: str
    level: str
    findings: tuple[FindingFacts, ...]
    parts: tuple[PartFacts, ...]
    frames: tuple[FrameFacts, ...]
    remarks: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    link: str | None


def facts_of(
    number: int,
    outcome: Outcome,
    decisions: Iterable[StoredDecision],
    task: QueuedTask | None,
    starts: Sequence[float],
) -> ResultFacts:
    """Return a stored result in words; its `task` has the post, and `starts` are the seconds when frames are shown."""
    verdict = verdict_of(outcome)
    found = findings(verdict, with_none=True) if verdict else []
    parts: list[PartFacts] = []
    if verdict and task and task.post:
        from moderate_cli.render.post import post_parts  # loads Rich

        known = list(post_parts(task.post))
        parts += _parts(known, found, verdict)
        places = {part.where for part in known}
        found = [each for each in found if each.label.where not in places]
    return ResultFacts(
        id=number,
        source=safe_text(outcome.item.source),
        level=level_word(outcome) if read_part(outcome) is None or verdict is None else verdict.gate_level.value,
        findings=tuple(map(_finding, found)),
        parts=tuple(parts),
        frames=tuple(_frames(verdict, starts)) if verdict else (),
        remarks=tuple(remarks(outcome)),
        facts=tuple((name, safe_text(text)) for name, text in _facts(outcome, verdict, decisions) if text),
        link=_link(outcome),
    )


def _finding(finding: Finding) -> FindingFacts:
    label = finding.label
    return FindingFacts(
        safe_text(label.label),
        finding.level.value,
        safe_text(confidence(label.confidence)),
        safe_text(meaning(label)),
        safe_text(where_words(finding)).strip(" ()"),
        finding_words(finding),
    )


def _parts(parts: Iterable[PostPart], found: Iterable[Finding], verdict: Verdict) -> Iterator[PartFacts]:
    numbers = count()
    for part in parts:
        depth = len(part.number)
        inside = [
            replace(each, label=replace(each.label, where=None)) for each in found if each.label.where == part.where
        ]
        *before, (name, text) = part.lines
        yield from (PartFacts(safe_text(first), _lines(words), depth) for first, words in before)
        yield PartFacts(
            safe_text(name),
            _lines(text),
            depth,
            tuple(_picture(next(numbers), image) for image in part.images),
            tuple(map(_finding, inside)),
            "" if inside else "nothing found" if verdict.has_answered(part.where) else "not answered",
        )


def _lines(text: str) -> str:
    return "\n".join(map(safe_text, text.splitlines()))


def _picture(number: int, image: Json) -> PictureFacts:
    address = str(image.get("imageUrl") or "")
    bucket = f"oss://{image.get('ossBucketName')}/{image.get('ossObjectName')}" if image.get("ossObjectName") else ""
    name = safe_text(str(image.get("file") or address or bucket or "image"))
    return PictureFacts(number if "file" in image else None, name, _web_link(address))


def _frames(verdict: Verdict, starts: Sequence[float]) -> Iterator[FrameFacts]:
    for number, frame in enumerate(verdict.frames[:_MAX_FRAMES]):
        labels = [label for label in frame.labels if label.is_finding]
        found = [Finding(each, label_level(each, frame.risk_level, verdict.gate_level)) for each in labels]
        level = RiskLevel.HIGH if frame.misread else highest([frame.risk_level, *(each.level for each in found)])
        yield FrameFacts(
            f"frame {frame.index + 1}",
            (level or RiskLevel.NONE).value,
            starts[frame.index] if frame.index < len(starts) else None,
            number if frame.saved else None,
            tuple(map(_finding, found)),
        )


def _facts(outcome: Outcome, verdict: Verdict | None, decisions: Iterable[StoredDecision]) -> Iterator[tuple[str, str]]:
    """Yield the name of each fact with its words, which are empty where nothing is known."""
    if verdict:
        exts = [verdict.ext, *(part.ext for part in verdict.per_service), *(frame.ext for frame in verdict.frames)]
        yield from dict.fromkeys(each for ext in exts for each in details(ext))
        yield "exempt", ", ".join(label.label for label in exempted(verdict))
        yield "reported", verdict.reported_level or ""
        yield "request", verdict.request_id or ""
        yield "task", verdict.req_id or ""
    yield "data id", outcome.item.data_id or ""
    yield "service", ", ".join(outcome.call.services)
    yield "judged", "" if outcome.at is None else datetime.fromtimestamp(outcome.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    for said in decisions:
        undone = ", undone" if said.undone_at is not None else ""
        yield "decided", ": ".join(filter(None, [f"{said.value} by {said.by or 'unknown'}{undone}", said.note]))


def _link(outcome: Outcome) -> str | None:
    """Return the address of an image in the web, as long as it is one that a browser may open."""
    image = outcome.item.image
    return _web_link(image.url) if isinstance(image, ImageUrl) else None


def _web_link(url: str) -> str | None:
    is_plain = url.isascii() and url.isprintable() and len(url) <= _MAX_LINK
    return url if is_plain and url.lower().startswith(("http://", "https://")) else None
