"""The auxiliary information of a verdict as short pairs of a name and a text, for formats that people read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moderate_cli.verdicts import Json


def details(ext: Json) -> Iterator[tuple[str, str]]:
    """Yield what stands behind the labels: libraries, keywords, text, figures and logos.

    Shapes that are not the documented ones are told as far as they can be, and left out otherwise.
    """
    return ((name, text) for name, text in _parts(ext) if text)


def _parts(ext: Json) -> Iterator[tuple[str, str]]:
    for hit in _objects(ext.get("custom_image")):
        yield (
            "library",
            _joined(_named(hit.get("lib_name"), hit.get("lib_id")), _prefixed("image", hit.get("image_id"))),
        )
    for text in _objects(ext.get("text_in_image")):
        for hit in _objects(text.get("custom_text")):
            library = _named(hit.get("lib_name"), hit.get("lib_id"))
            yield "keyword", _joined(hit.get("key_words"), _prefixed("in", library))
        yield "risk words", _joined(*_list(text.get("risk_word")))
        yield "text", " / ".join(filter(None, map(_line, _list(text.get("ocr_result")))))
    for figure in _objects(ext.get("public_figure")):
        yield "figure", str(figure.get("figure_name") or figure.get("figure_id") or "unnamed")
    for mark in _objects(ext.get("logo_data")):
        for logo in _objects(mark.get("logo")):
            yield "logo", _joined(logo.get("name"), logo.get("label"), confidence(logo.get("confidence")))


def confidence(value: object) -> str:
    """Return a confidence with its two decimals, nothing where there is none, and what is no number as it came."""
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, int | float) else str(value)


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _objects(value: object) -> list[dict[str, Any]]:
    return [part for part in _list(value) if isinstance(part, dict)]


def _line(line: object) -> str:
    return str((line.get("text") if isinstance(line, dict) else line) or "")


def _named(name: object, identity: object) -> str:
    return f"{name} ({identity})" if name and identity else str(name or identity or "")


def _prefixed(word: str, value: object) -> str:
    return f"{word} {value}" if value else ""


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)
