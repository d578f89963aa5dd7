"""Text in images: which records have a word in the text that was recognised, or in the keywords that matched.

SQLite finds the candidates with LIKE on the JSON of the records that have text, which an index lists, and each of them
is then read. That takes 0.6 s for 200,000 records with text among 1,000,000, and next to nothing when they are written.
A full-text index would have to be fed with each result, and SQLite's tokenisers find no Chinese word of two characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

HAS_TEXT = """instr(record, '"text_in_image":{') > 0"""
"""The expression of the index `results_with_text`; see database.py."""
MAY_CONTAIN = r"(record LIKE ? ESCAPE '\' OR instr(record, '\ud'))"
"""The condition for a `like_pattern`; records with names that are not UTF-8 escape all that is not ASCII."""
_SPECIAL = re.compile(r"[%_\\]")
_WHITE_SPACE = re.compile(r"\s+")


def like_pattern(text: str) -> str:
    """Return a pattern for SQLite that the JSON of all records with a text matches, and few others.

    LIKE ignores the case of ASCII only, so that other letters with two cases match anything; so does what JSON escapes.
    Lines may break after any Chinese character.
    """
    return f"%{''.join(map(_pattern, text.casefold()))}%"


def _pattern(character: str) -> str:
    if not character.isascii():
        return f"{character}%" if character.upper() == character.lower() else "%"
    if character.isspace() or character in '"\\' or not character.isprintable():
        return "%"
    return _SPECIAL.sub(r"\\\g<0>", character)


def contains(record: Mapping[str, Any], text: str) -> bool:
    """Return whether recognised text or a matched keyword contains a text; case and line breaks do not matter."""
    wanted = _folded(text)
    return any(wanted in _folded(found) for found in _texts(record))


def _folded(text: str) -> str:
    return _WHITE_SPACE.sub(" ", text.casefold()).strip()


def _texts(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts in the auxiliary information of a record, of its services and of its frames."""
    for part in (record, *_objects(record.get("per_service")), *_objects(record.get("frames"))):
        for ext in _objects(part.get("ext")):
            for text in _objects(ext.get("text_in_image")):
                lines = list(map(_line, _listed(text.get("ocr_result"))))
                yield " ".join(lines)
                yield "".join(lines)  # Chinese has no space where a line breaks
                yield from map(str, _listed(text.get("risk_word")))
                yield from (str(hit.get("key_words") or "") for hit in _objects(text.get("custom_text")))


def _line(line: object) -> str:
    return str((line.get("text") if isinstance(line, Mapping) else line) or "")


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [part for part in _listed(value) if isinstance(part, Mapping)]


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
