"""SVG: version 1.1, chapter 7, and the units of CSS."""

from __future__ import annotations

import re
from collections.abc import Mapping

from moderate_cli.preflight.formats import HEAD_SIZE, svg_root
from moderate_cli.preflight.headers.window import BUDGET, DamagedError, Header, UnknownSizeError, Window

# Repetitions are possessive: none of these texts may take long, whatever they are.
_TAG = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE = re.compile(r"""\s([\w:.-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)')""")
_LENGTH = re.compile(
    r"\s*+\+?((?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?)(px|pt|pc|in|cm|mm|q|em|ex)?\s*+", re.ASCII | re.IGNORECASE
)
# Pixels of a unit; em and ex are those of text in the usual size of 16 pixels.
_CM = 96 / 2.54
_PIXELS = {"px": 1, "pt": 4 / 3, "pc": 16, "in": 96, "cm": _CM, "mm": _CM / 10, "q": _CM / 40, "em": 16, "ex": 8}
_LONGEST = 1e9  # pixels: beyond any limit, and printable


def read_svg(window: Window) -> Header:
    """Read the root element: its width and height, else its view box.

    Where one of the two is missing, it follows from the other and the shape of the view box.
    """
    attributes = _root_attributes(window)
    width, height = _pixels(attributes.get("width", "")), _pixels(attributes.get("height", ""))
    if width is None or height is None:
        box_width, box_height = _view_box(attributes.get("viewBox", ""))
        if width is not None:
            height = width * box_height / box_width
        elif height is not None:
            width = height * box_width / box_height
        else:
            width, height = box_width, box_height
    return Header(_rounded(width), _rounded(height))


def _root_attributes(window: Window) -> Mapping[str, str]:
    tag = _start_tag(window.head)
    if tag is None:
        data = window.head + window.read(HEAD_SIZE, min(window.size, BUDGET) - HEAD_SIZE)
        tag = _start_tag(data)
    if tag is None and window.size > BUDGET:
        raise UnknownSizeError
    if tag is None:
        raise DamagedError("its first tag has no end")
    return {name: double or single for name, double, single in _ATTRIBUTE.findall(tag)}


def _start_tag(data: bytes) -> str | None:
    root = svg_root(data)
    found = _TAG.match(root) if root else None
    return found.group() if found else None


def _pixels(length: str) -> float | None:
    found = _LENGTH.fullmatch(length)
    pixels = float(found[1]) * _PIXELS[(found[2] or "px").lower()] if found else 0.0
    return min(pixels, _LONGEST) or None  # none given, given in percent, or no size at all


def _view_box(text: str) -> tuple[float, float]:
    parts = re.split(r"[\s,]+", text.strip())
    width, height = (_pixels(part) for part in parts[2:]) if len(parts) == 4 else (None, None)
    if width is None or height is None:
        raise UnknownSizeError
    return width, height


def _rounded(pixels: float) -> int:
    return max(1, round(min(pixels, _LONGEST)))
