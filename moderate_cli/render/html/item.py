"""How does one input look? As a card of the gallery, whose body holds all that is known, so that it can be enlarged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from moderate_cli.common.masking import mask_address
from moderate_cli.common.text import visible_text
from moderate_cli.models import Frame, ImageUrl, Json, Judged, Label, Outcome, Pending, highest
from moderate_cli.records import data_id_of, req_id_of, request_id_of
from moderate_cli.render.html.marks import boxes, drawn, exts, flagged_words, lines, marked
from moderate_cli.render.html.markup import name, text
from moderate_cli.render.html.post_markup import post_markup, post_texts
from moderate_cli.render.html.thumbnails import MAX_FRAMES, Media, Picture
from moderate_cli.render.wording import (
    EXEMPT_WORD,
    confidence,
    details,
    exempted,
    label_names,
    level_word,
    meaning,
    pending_words,
    problem,
    problem_words,
    read_part,
    remarks,
    where_words,
)
from moderate_cli.results import Finding, GatePolicy, findings, verdict_of

_MAX_SEARCHED = 10_000  # characters of an input that the search looks at
_NOTHING = '<span class="quiet">nothing found</span>'
_WEB = ("http://", "https://")


class Entry(Struct, frozen=True):
    """An outcome as it is shown; the picture of one that was `flagged` is blurred, also where all is suppressed."""

    outcome: Outcome
    flagged: bool


def card(number: int, entry: Entry, media: Media, policy: GatePolicy) -> str:
    """Return the card of an outcome."""
    kind = "card flagged" if entry.flagged else "card"
    return f'<article class="{kind}" id="item-{number}">\n{item_body(entry, media, policy)}</article>\n'


class IndexEntry(Struct, frozen=True):
    """What a card is found and sorted by: texts in lower case, Unix seconds, and the highest confidence."""

    level: str
    labels: list[str]
    words: str
    at: int
    confidence: float


def index_entry(entry: Entry, media: Media) -> IndexEntry:
    """Return what the card of an outcome is found by; its words begin with its name."""
    outcome = entry.outcome
    labels = [visible_text(label) for label in names_of(outcome)]
    verdict = verdict_of(outcome)
    numbers = [label.confidence for label in verdict.labels if label.confidence is not None] if verdict else []
    words = "\n".join(map(visible_text, _searched(outcome, media)))
    at = _judged_at(outcome) or 0
    return IndexEntry(level_word(outcome), labels, words[:_MAX_SEARCHED].lower(), int(at), max(numbers, default=0))


def item_body(entry: Entry, media: Media, policy: GatePolicy) -> str:
    """Return all that is known of an input: picture, name, level, findings or post, remarks, frames, and facts."""
    outcome = entry.outcome
    word = level_word(outcome)
    said = "".join(f'<p class="remark">{name(each)}</p>\n' for each in remarks(outcome, policy))
    return (
        f"{_picture(outcome, media, word)}"
        f'<div class="told">\n<h3>{name(outcome.item.source)}</h3>\n'
        f'<p class="level {word}">{word}</p>\n'
        f"{''.join(_findings(outcome, media))}{said}{''.join(_frames(outcome, media))}{_facts(outcome, media)}</div>\n"
    )


def names_of(outcome: Outcome) -> list[str]:
    """Return the names of the labels of an outcome, each once, also of one that failed and could be read in part."""
    verdict = outcome.verdict if isinstance(outcome, Judged) else read_part(outcome)
    return label_names(verdict) if verdict else []


def _searched(outcome: Outcome, media: Media) -> Iterator[str]:
    """Yield the name, the labels, the request and data id, the text in the image or of the post, and what was hit."""
    yield outcome.item.source
    yield from names_of(outcome)
    yield from filter(None, (request_id_of(outcome), data_id_of(outcome)))
    if media.post:
        yield from post_texts(media.post)
    if verdict := verdict_of(outcome):
        for ext in (*exts(verdict), *(frame.ext for frame in verdict.frames)):
            yield from (value for _, value in details(ext))


def _judged_at(outcome: Outcome) -> float | None:
    return outcome.at if outcome.at is not None else outcome.call.answered_at


def _picture(outcome: Outcome, media: Media, word: str) -> str:
    label, picture = text(f"Enlarge {outcome.item.source}, {word}"), media.picture
    if picture is None:
        shown = "read the post" if media.post else "no preview"
        return f'<button type="button" class="picture empty" aria-label="{label}: {shown}">{shown}</button>\n'
    verdict = verdict_of(outcome)
    found = [box for ext in exts(verdict) for box in boxes(ext)] if verdict and not picture.turned else []
    drawing = drawn(found, picture.width, picture.height)
    return (
        f'<button type="button" class="picture" aria-label="{label}">'
        f'<img src="{picture.address}" alt="" loading="lazy">{drawing}</button>\n'
    )


def _findings(outcome: Outcome, media: Media) -> Iterator[str]:
    if isinstance(outcome, Pending):
        yield f"<p>{text(pending_words(outcome))}</p>\n"
    elif error := problem(outcome):
        yield f"<p><code>{text(error.code)}</code> {text(problem_words(error))}</p>\n"
        if verdict := read_part(outcome):
            level = verdict.gate_level
            yield f'<p>could be read: <span class="level {level}">{level}</span></p>\n'
            yield from _found(findings(verdict, with_none=True), exempted(verdict))
    elif isinstance(outcome, Judged):
        found, exempt = findings(outcome.verdict, with_none=True), exempted(outcome.verdict)
        if media.post:
            yield post_markup(media.post, outcome.verdict, media.images, found_at=_found_at(found, exempt))
        else:
            yield from _found(found, exempt) or [f"<p>{_NOTHING}</p>\n"]


def _found_at(found: Sequence[Finding], exempt: Sequence[Label]) -> dict[str | None, str]:
    """Return the lists of what was found, by the part of the post."""
    entries: dict[str | None, list[str]] = {}
    for finding in found:
        entries.setdefault(finding.label.where, []).append(_finding(finding, meaning(finding.label)))
    for label in exempt:
        entries.setdefault(label.where, []).append(_exemption(label))
    return {where: _list(listed) for where, listed in entries.items()}


def _found(found: Sequence[Finding], exempt: Sequence[Label]) -> list[str]:
    """Return the list of what was found, and of exemptions; nothing where there are none."""
    entries = [_finding(each, meaning(each.label) + where_words(each)) for each in found]
    entries += map(_exemption, exempt)
    return [_list(entries)] if entries else []


def _list(entries: Sequence[str]) -> str:
    return f'<ul class="findings">{"".join(entries)}</ul>\n'


def _finding(finding: Finding, words: str) -> str:
    return f"<li>{_code(finding.label)}{_number(finding.label)} {name(words) if words else ''}</li>"


def _exemption(label: Label) -> str:
    head = f'<span class="level none">{EXEMPT_WORD}</span>{_number(label)}'
    return f"<li>{head} {_code(label)} {name(meaning(label)) if meaning(label) else ''}</li>"


def _code(label: Label) -> str:
    """Return a label as a button that filters by it."""
    return f'<button type="button" class="label" data-label="{text(label.label)}">{name(label.label)}</button>'


def _number(label: Label) -> str:
    return f" <b>{text(confidence(label.confidence))}</b>" if label.confidence is not None else ""


def _frames(outcome: Outcome, media: Media) -> Iterator[str]:
    verdict = outcome.verdict if isinstance(outcome, Judged) else None
    if verdict is None or not verdict.frames:
        return
    frames = "".join(_frame(frame, media.frames.get(frame.index)) for frame in verdict.frames[:MAX_FRAMES])
    left_out = len(verdict.frames) - MAX_FRAMES
    more = f"<li>and {left_out:,} more</li>" if left_out > 0 else ""
    # A strip that scrolls takes the focus, so that the arrow keys reach all of it.
    yield f'<ol class="frames" tabindex="0" aria-label="Frames">{frames}{more}</ol>\n'


def _frame(frame: Frame, picture: Picture | None) -> str:
    word = highest([frame.risk_level, *(label.risk_level for label in frame.labels)])
    head = f'<span class="level {word or ""}">{frame.index + 1} {word or ""}</span>'
    labels = "".join(_code(each) if each.is_finding else f"{EXEMPT_WORD}{_number(each)}" for each in frame.labels)
    image = ""
    if picture is not None:
        drawing = "" if picture.turned else drawn(boxes(frame.ext), picture.width, picture.height)
        image = f'<span class="picture"><img src="{picture.address}" alt="" loading="lazy">{drawing}</span>'
    rows = _rows(_hits(frame.ext))
    return f"<li>{image}{head}{labels or _NOTHING}{f'<dl>{rows}</dl>' if rows else ''}</li>"


def _text_of(ext: Json) -> str:
    """Return the text of an image with the flagged words marked; nothing where none was read."""
    words = flagged_words(ext)
    shown = "".join(f'<span class="line"><bdi dir="auto">{marked(line, words)}</bdi></span>' for line in lines(ext))
    return f'<span class="ocr">{shown}</span>' if shown else ""


def _facts(outcome: Outcome, media: Media) -> str:
    rows = _rows(_known(outcome, media))
    return f'<details class="facts"><summary>Details</summary><dl>{rows}</dl></details>\n'


def _rows(facts: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<dt>{text(what)}</dt><dd>{value}</dd>" for what, value in facts if value)


def _hits(ext: Json) -> Iterator[tuple[str, str]]:
    """Yield libraries, keywords, text, figures and logos, and where they are, as names and markup."""
    for what, value in details(ext):
        yield what, _text_of(ext) if what == "text" else name(value)
    yield from (("place", name(f"{box.name}: {box.place}")) for box in boxes(ext))


def _known(outcome: Outcome, media: Media) -> Iterator[tuple[str, str]]:
    """Yield what is known beside the findings, as names and markup."""
    verdict = verdict_of(outcome)
    for ext in exts(verdict) if verdict else ():
        yield from _hits(ext)
    at = _judged_at(outcome)
    yield "judged", "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    call = outcome.call
    facts = {
        "service": ", ".join(call.services),
        "request": request_id_of(outcome),
        "task": req_id_of(outcome),
        "data id": data_id_of(outcome),
        "by": ", ".join(filter(None, [verdict.engine if verdict else None, call.region, call.endpoint])),
        "sha256": outcome.sha256,
        "bytes": None if outcome.size is None else f"{outcome.size:,}",
    }
    yield from ((what, name(value)) for what, value in facts.items() if value)
    yield "link", _link(outcome, media.picture)


def _link(outcome: Outcome, picture: Picture | None) -> str:
    """Return a link to an image on the web, or to the file that was read; a name alone may lead anywhere.

    A page is passed on, so that no signature or password stands in its links, which then may not open.
    """
    source, image = outcome.item.source, outcome.item.image
    if isinstance(image, ImageUrl) and image.url.lower().startswith(_WEB):
        address = mask_address(image.url)
    elif source.lower().startswith(_WEB):  # of a task, and of a record
        address = source
    elif picture is not None and picture.file is not None:
        address = picture.file.absolute().as_uri()
    else:
        return ""
    return f'<a href="{text(address)}" target="_blank" rel="noopener noreferrer">{name(source)}</a>'
