"""One card of the gallery: the picture, what was found in it, and its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from moderate_cli.records import Finding, findings
from moderate_cli.render.details import confidence, details
from moderate_cli.render.html.text import name, text
from moderate_cli.render.words import level_word, meaning, pending_words, problem, problem_words, where_words
from moderate_cli.verdicts import Frame, Judged, Outcome, Pending, Verdict

MOST_FRAMES = 100
"""How many frames of one input are shown."""

_SEPARATOR = "\n"  # between the labels in an attribute; no label holds one, since control characters are written out
_NOTHING = '<span class="quiet">nothing found</span>'


@dataclass(frozen=True, slots=True)
class Entry:
    """An outcome as it is shown; the picture of one that was `flagged` is blurred, also where all of it is allowed."""

    outcome: Outcome
    flagged: bool


def card(entry: Entry, picture: str | None) -> str:
    """Return the card of an outcome; `picture` is the address of a small picture, if there is one."""
    outcome = entry.outcome
    word = level_word(outcome)
    labels = label_names(outcome)
    words = [safe.lower() for safe in map(text, [outcome.item.source, *labels])]
    return (
        f'<article class="card" data-level="{word}" data-labels="{_SEPARATOR.join(map(text, labels))}"'
        f' data-words="{_SEPARATOR.join(words)}">\n'
        f"{_picture(entry, picture, word)}\n"
        f"<h3>{name(outcome.item.source)}</h3>\n"
        f'<p class="level {word}">{word}</p>\n'
        f"{''.join(_findings(outcome))}</article>\n"
    )


def label_names(outcome: Outcome) -> list[str]:
    """Return the names of the labels of an outcome, each once."""
    if not isinstance(outcome, Judged):
        return []
    return list(dict.fromkeys(each.label.label for each in findings(outcome.verdict, with_none=True)))


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
    elif isinstance(outcome, Judged):
        yield from _verdict(outcome.verdict)


def _verdict(verdict: Verdict) -> Iterator[str]:
    found = findings(verdict, with_none=True)
    if found:
        yield f'<ul class="findings">{"".join(map(_finding, found))}</ul>\n'
    else:
        yield f"<p>{_NOTHING}</p>\n"
    known = list(details(verdict.ext)) + [pair for part in verdict.per_service for pair in details(part.ext)]
    if known:
        rows = "".join(f"<dt>{text(what)}</dt><dd>{name(value)}</dd>" for what, value in known)
        yield f"<details><summary>Details</summary><dl>{rows}</dl></details>\n"
    yield from _frames(verdict)


def _finding(finding: Finding) -> str:
    label = finding.label
    number = f" <b>{text(confidence(label.confidence))}</b>" if label.confidence is not None else ""
    words = meaning(label) + where_words(finding)
    return f"<li><code>{name(label.label)}</code>{number} {name(words) if words else ''}</li>"


def _frames(verdict: Verdict) -> Iterator[str]:
    if not verdict.frames:
        return
    frames = "".join(map(_frame, verdict.frames[:MOST_FRAMES]))
    left_out = len(verdict.frames) - MOST_FRAMES
    more = f"<li>and {left_out:,} more</li>" if left_out > 0 else ""
    # A strip that scrolls takes the focus, so that the arrow keys reach all of it.
    yield f'<ol class="frames" tabindex="0" aria-label="Frames">{frames}{more}</ol>\n'


def _frame(frame: Frame) -> str:
    levels = [level for level in (frame.risk_level, *(label.risk_level for label in frame.labels)) if level]
    word = max(levels, key=lambda level: level.rank, default=None)
    head = f'<span class="level {word or ""}">{frame.index + 1} {word or ""}</span>'
    labels = "".join(f"<code>{name(label.label)}</code>" for label in frame.labels)
    return f"<li>{head}{labels or _NOTHING}</li>"
