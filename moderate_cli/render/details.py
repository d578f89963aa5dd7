"""The auxiliary information of a verdict as short pairs of a name and a text, for formats that people read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moderate_cli.verdicts import Json


def details(ext: Json) -> Iterator[tuple[str, str]]:
    """Yield what stands behind the labels: libraries, keywords, text, figures and logos."""
    for hit in ext.get("custom_image", ()):
        yield (
            "library",
            _joined(_named(hit.get("lib_name"), hit.get("lib_id")), _prefixed("image", hit.get("image_id"))),
        )
    text = ext.get("text_in_image") or {}
    for hit in text.get("custom_text", ()):
        yield "keyword", _joined(hit.get("key_words"), _prefixed("in", _named(hit.get("lib_name"), hit.get("lib_id"))))
    if text.get("risk_word"):
        yield "risk words", ", ".join(map(str, text["risk_word"]))
    if text.get("ocr_result"):
        yield "text", " / ".join(_line(line) for line in text["ocr_result"])
    for figure in ext.get("public_figure", ()):
        yield "figure", str(figure.get("figure_name") or figure.get("figure_id") or "unnamed")
    for mark in ext.get("logo_data", ()):
        for logo in mark.get("logo") or ():
            yield "logo", _joined(logo.get("name"), logo.get("label"), confidence(logo.get("confidence")))


def confidence(value: float | None) -> str:
    """Return a confidence with its two decimals, or nothing where there is none."""
    return "" if value is None else f"{value:.2f}"


def _line(line: Any) -> str:
    return str(line.get("text", "")) if isinstance(line, dict) else str(line)


def _named(name: object, identity: object) -> str:
    return f"{name} ({identity})" if name and identity else str(name or identity or "")


def _prefixed(word: str, value: object) -> str:
    return f"{word} {value}" if value else ""


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)
