"""One card of the gallery: the picture, what was found in it, and its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from moderate_cli.records import Finding, GatePolicy, findings
from moderate_cli.render.coverage import remarks
from moderate_cli.render.details import confidence, details
from moderate_cli.render.html.text import name, text
from moderate_cli.render.words import (
    EXEMPT_WORD,
    exempted,
    label_names,
    level_word,
    meaning,
    pending_words,
    problem,
    problem_words,
    read_part,
    where_words,
)
from moderate_cli.verdicts import Frame, Judged, Label, Outcome, Pending, Verdict, highest

MOST_FRAMES = 100
"""How many frames of one input are shown."""

_SEPARATOR = "\n"  # between the labels in an attribute; no label holds one, since control characters are written out
_NOTHING = '<span class="quiet">nothing found</span>'


@dataclass(frozen=True, slots=True)
class Entry:
    """An outcome as it is shown; the picture of one that was `flagged` is blurred, also where all is suppressed."""

    outcome: Outcome
    flagged: bool


def card(entry: Entry, picture: str | None, policy: GatePolicy) -> str:
    """Return the card of an outcome; `picture` is the address of a small picture, if there is one."""
    outcome = entry.outcome
    word = level_word(outcome)
    labels = names_of(outcome)
    said = "".join(f'<p class="remark">{name(each)}</p>\n' for each in remarks(outcome, policy))
    words = [safe.lower() for safe in map(text, [outcome.item.source, *labels])]
    return (
        f'<article class="card" data-level="{word}" data-labels="{_SEPARATOR.join(map(text, labels))}"'
        f' data-words="{_SEPARATOR.join(words)}">\n'
        f"{_picture(entry, picture, word)}\n"
        f"<h3>{name(outcome.item.source)}</h3>\n"
        f'<p class="level {word}">{word}</p>\n'
        f"{''.join(_findings(outcome))}{said}</article>\n"
    )


def names_of(outcome: Outcome) -> list[str]:
    """Return the names of the labels of an outcome, each once, also of one that failed and could be read in part."""
    verdict = outcome.verdict if isinstance(outcome, Judged) else read_part(outcome)
    return label_names(verdict) if verdict else []


def _picture(entry: Entry, picture: str | None, word: str) -> str:
    if picture is None:
        return '<div class="picture empty">no preview</div>'
    image = f'<img src="{picture}" alt="" loading="lazy">'
    if not entry.flagged:
        return f'<div class="picture">{image}</div>'
    label = text(f"Show the picture {entry.outcome.item.source}, {word}")
    return (
        f'<button type="button" class="picture flagged" aria-pressed="false" aria-label="{label}">'
        f"{image}<span>Show</span></button>"
    )


def _findings(outcome: Outcome) -> Iterator[str]:
    if isinstance(outcome, Pending):
        yield f"<p>{text(pending_words(outcome))}</p>\n"
    elif error := problem(outcome):
        yield f"<p><code>{text(error.code)}</code> {text(problem_words(error))}</p>\n"
        if verdict := read_part(outcome):
            level = verdict.gate_level
            yield f'<p>could be read: <span class="level {level}">{level}</span></p>\n'
            yield from _found(verdict)
    elif isinstance(outcome, Judged):
        yield from _verdict(outcome.verdict)


def _verdict(verdict: Verdict) -> Iterator[str]:
    yield from _found(verdict) or [f"<p>{_NOTHING}</p>\n"]
    known = list(details(verdict.ext)) + [pair for part in verdict.per_service for pair in details(part.ext)]
    if known:
        rows = "".join(f"<dt>{text(what)}</dt><dd>{name(value)}</dd>" for what, value in known)
        yield f"<details><summary>Details</summary><dl>{rows}</dl></details>\n"
    yield from _frames(verdict)


def _found(verdict: Verdict) -> list[str]:
    """Return the list of what was found, and of exemptions; nothing where there are none."""
    found = [*map(_finding, findings(verdict, with_none=True)), *map(_exemption, exempted(verdict))]
    return [f'<ul class="findings">{"".join(found)}</ul>\n'] if found else []


def _finding(finding: Finding) -> str:
    words = meaning(finding.label) + where_words(finding)
    return f"<li>{_code(finding.label)}{_number(finding.label)} {name(words) if words else ''}</li>"


def _exemption(label: Label) -> str:
    head = f'<span class="level none">{EXEMPT_WORD}</span>{_number(label)}'
    return f"<li>{head} {_code(label)} {name(meaning(label)) if meaning(label) else ''}</li>"


def _code(label: Label) -> str:
    return f"<code>{name(label.label)}</code>"


def _number(label: Label) -> str:
    return f" <b>{text(confidence(label.confidence))}</b>" if label.confidence is not None else ""


def _frames(verdict: Verdict) -> Iterator[str]:
    if not verdict.frames:
        return
    frames = "".join(map(_frame, verdict.frames[:MOST_FRAMES]))
    left_out = len(verdict.frames) - MOST_FRAMES
    more = f"<li>and {left_out:,} more</li>" if left_out > 0 else ""
    # A strip that scrolls takes the focus, so that the arrow keys reach all of it.
    yield f'<ol class="frames" tabindex="0" aria-label="Frames">{frames}{more}</ol>\n'


def _frame(frame: Frame) -> str:
    word = highest([frame.risk_level, *(label.risk_level for label in frame.labels)])
    head = f'<span class="level {word or ""}">{frame.index + 1} {word or ""}</span>'
    labels = "".join(_code(each) if each.is_finding else f"{EXEMPT_WORD}{_number(each)}" for each in frame.labels)
    return f"<li>{head}{labels or _NOTHING}</li>"
