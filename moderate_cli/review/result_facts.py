"""What is shown of a result to whoever decides? The same for the page and the terminal, with nothing left to escape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from msgspec import Struct

from moderate_cli.common.text import safe_text
from moderate_cli.models import ImageUrl, Json, Outcome, Post, QueuedTask, Verdict
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

_MAX_LINK = 2_000  # characters


class FindingFacts(Struct, frozen=True):
    """A finding in words."""

    label: str
    level: str
    confidence: str
    meaning: str
    where: str
    words: str


class PartFacts(Struct, frozen=True):
    """A part of a post in its own words, and the findings in it."""

    name: str
    text: str
    findings: tuple[FindingFacts, ...]


class ResultFacts(Struct, frozen=True):
    """A result in words; `link` is the address of an image in the web, and `facts` are names with what stands there."""

    id: int
    source: str
    level: str
    findings: tuple[FindingFacts, ...]
    parts: tuple[PartFacts, ...]
    remarks: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    link: str | None


def facts_of(number: int, outcome: Outcome, decisions: Iterable[StoredDecision], post: Json | None) -> ResultFacts:
    """Return a stored result in words; `post` is the one that was judged, where it is known."""
    verdict = verdict_of(outcome)
    found = findings(verdict, with_none=True) if verdict else []
    parts = tuple(_parts(post, found)) if post else ()
    laid = {finding for part in parts for finding in part.findings}
    rest = tuple(each for each in map(_finding, found) if each not in laid)
    return ResultFacts(
        id=number,
        source=safe_text(outcome.item.source),
        level=level_word(outcome) if read_part(outcome) is None or verdict is None else verdict.gate_level.value,
        findings=rest,
        parts=parts,
        remarks=tuple(remarks(outcome)),
        facts=tuple((name, safe_text(text)) for name, text in _facts(outcome, verdict, decisions) if text),
        link=_link(outcome),
    )


def post_of(outcome: Outcome) -> Json | None:
    """Return the post of a result, where its record or its task has it."""
    image = outcome.item.image
    if isinstance(image, Post):
        return image.content or None
    return image.post if isinstance(image, QueuedTask) else None


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


def _parts(post: Json, found: Iterable[Finding]) -> Iterator[PartFacts]:
    from moderate_cli.render.post import post_parts  # loads Rich

    for part in post_parts(post):
        inside = tuple(_finding(each) for each in found if each.label.where == part.where)
        for number, (name, text) in enumerate(part.lines):
            yield PartFacts(safe_text(name), safe_text(text), inside if number == len(part.lines) - 1 else ())


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
    url = image.url if isinstance(image, ImageUrl) else ""
    is_plain = url.isascii() and url.isprintable() and len(url) <= _MAX_LINK
    return url if is_plain and url.lower().startswith(("http://", "https://")) else None
