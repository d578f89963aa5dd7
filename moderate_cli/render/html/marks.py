"""Where in a picture, and in the text on it, was something found? Boxes in pixels, and words in lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from moderate_cli.models import Json, Verdict
from moderate_cli.render.html.markup import text
from moderate_cli.render.wording import confidence, line_of, list_of, objects_of

_SIDES = ("x", "y", "w", "h")
_FAR = 1_000_000  # pixels; not a number is not less either
_MAX_BOXES = 100  # of one picture
_LETTERS = 34  # that fit beside each other on a picture, in the size of the names of its boxes
# Several keywords of one hit stand in one text (the vendor's page has one keyword, and no word about more).
_SEPARATORS = re.compile(r"\s*[,，、;；&|\n]\s*")


class Box(Struct, frozen=True):
    """A part of an image, in its pixels from the upper left corner, and what was found there."""

    name: str
    x: float
    y: float
    width: float
    height: float

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"{self.x:g}, {self.y:g}, {self.width:g} \u00d7 {self.height:g} pixels"


def exts(verdict: Verdict) -> Iterator[Json]:
    """Yield the details of the whole, and of each service."""
    yield verdict.ext
    yield from (part.ext for part in verdict.per_service)


def boxes(ext: Json) -> list[Box]:
    """Return where logos and figures are; shapes that are not documented have no place.

    `Location` is an object or a list of objects with X, Y, W and H in pixels, from the upper left corner (vendor's page
    of ImageModeration, tables 10 to 12, read in November 2026).
    """
    found: list[Box] = []
    for mark in objects_of(ext.get("logo_data")):
        logos = objects_of(mark.get("logo"))
        name = ", ".join(f"{logo.get('name') or 'logo'} {confidence(logo.get('confidence'))}".strip() for logo in logos)
        found += _boxes(name or "logo", mark.get("location"))
    for figure in objects_of(ext.get("public_figure")):
        found += _boxes(str(figure.get("figure_name") or figure.get("figure_id") or "figure"), figure.get("location"))
    return found[:_MAX_BOXES]


def _boxes(name: str, location: object) -> Iterator[Box]:
    for place in objects_of(location):
        sides = [place.get(side) for side in _SIDES]
        numbers = [side for side in sides if isinstance(side, int | float) and not isinstance(side, bool)]
        if len(numbers) == len(_SIDES) and all(abs(side) < _FAR for side in numbers) and min(numbers[2:]) > 0:
            yield Box(name, *numbers)


def drawn(found: Sequence[Box], width: int, height: int) -> str:
    """Return boxes as a drawing that lies over an image of a size in pixels; what is outside of it is left out."""
    inside = [box for box in found if _is_inside(box, width, height)]
    if not inside:
        return ""
    size = max(width, height) / _LETTERS
    shapes = "".join(_drawn(box, size) for box in inside)
    return f'<svg class="boxes" aria-hidden="true" viewBox="0 0 {width} {height}">{shapes}</svg>'


def _is_inside(box: Box, width: int, height: int) -> bool:
    return 0 <= box.x < width and 0 <= box.y < height and box.x + box.width <= width and box.y + box.height <= height


def _drawn(box: Box, size: float) -> str:
    base = box.y - size / 3 if box.y > 1.4 * size else box.y + box.height + size
    rectangle = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
    return (
        f'<rect class="edge" {rectangle}/><rect {rectangle}/>'
        f'<text x="{box.x:g}" y="{base:g}" font-size="{size:g}">{text(box.name)}</text>'
    )


def lines(ext: Json) -> list[str]:
    """Return the lines of text that were read in an image."""
    parts = objects_of(ext.get("text_in_image"))
    return [line for part in parts for line in map(line_of, list_of(part.get("ocr_result"))) if line]


def flagged_words(ext: Json) -> list[str]:
    """Return the words of the text that were found to be a risk, or in a library of keywords."""
    words: list[str] = []
    for part in objects_of(ext.get("text_in_image")):
        words += map(str, filter(None, list_of(part.get("risk_word"))))
        words += [str(hit["key_words"]) for hit in objects_of(part.get("custom_text")) if hit.get("key_words")]
    single = [word for each in words for word in _SEPARATORS.split(each)]
    return list(dict.fromkeys(filter(None, map(str.strip, words + single))))


def marked(line: str, words: Sequence[str]) -> str:
    """Return a line of text with some words marked, whatever their case."""
    if not words:
        return text(line)
    longest_first = sorted(words, key=len, reverse=True)
    pieces = re.split(f"({'|'.join(map(re.escape, longest_first))})", line, flags=re.IGNORECASE)
    return "".join(f"<mark>{text(piece)}</mark>" if number % 2 else text(piece) for number, piece in enumerate(pieces))
