"""How alike are two pictures? A perceptual hash whose differing bits are counted, and a closer look at a grid."""

from __future__ import annotations

import math
import statistics
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

BITS = 256
VERSION = 1
"""Changes with the hash, so that hashes of different kinds are never compared."""

_SIDE = 64  # pixels of the grey picture that is transformed
_HALF = _SIDE // 2
_FREQUENCIES = range(1, 17)
"""Those that are kept in each direction; 0 is the brightness."""

_FAINT = 1.0
"""Levels of grey below which a term is noise, with a transform that keeps the sum of the squares.

Measured in November 2026: of the grain of a camera (a deviation of 5 levels a pixel at 512 x 512), 41 of the 256 terms
reach it; of a gradient saved as JPEG 66; of a shape that is its own mirror image 128 at most, and of a circle, a
square or a chessboard 64; of 26 photos at least 237, and of a colour wheel 193.
"""

_ENOUGH = 160
"""Terms that must not be faint. Else the bits follow the noise, or are equal for all pictures of that kind."""

_GRID_SIDE = 32  # pixels of the grey picture that is compared
_MAX_DIFFERENCE = 30
"""Levels of grey by which a cell of the grid may differ.

Measured in November 2026 on pictures whose hashes differ by 6 bits or less: up to 22 for a resized or recompressed
photo, and 43 or more for one with a QR code or a line of text pasted on.
"""

_COSINES = tuple(
    tuple(math.cos(math.pi * (2 * place + 1) * frequency / (2 * _SIDE)) for place in range(_HALF))
    for frequency in _FREQUENCIES
)
_SCALE = 2 / _SIDE


def phash(picture: Image) -> int | None:
    """Return the hash of a picture in RGB or grey, None for one that is nearly flat or all symmetry.

    Each bit tells whether one of the 16 x 16 lowest terms of the discrete cosine transform of the picture, in grey and
    reduced to 64 x 64, is above their median.
    """
    grey = _grey(picture, _SIDE)
    rows = [_transformed(grey[start : start + _SIDE]) for start in range(0, len(grey), _SIDE)]
    terms = [term for column in zip(*rows, strict=True) for term in _transformed(column)]
    if sum(abs(term) * _SCALE >= _FAINT for term in terms) < _ENOUGH:
        return None
    median = statistics.median(terms)
    return int("".join("1" if term > median else "0" for term in terms), 2)


def _grey(picture: Image, side: int) -> bytes:
    from PIL.Image import Resampling

    return picture.resize((side, side), Resampling.LANCZOS, reducing_gap=3.0).convert("L").tobytes()


def _transformed(values: Sequence[float]) -> list[float]:
    """Return the low frequencies of 64 numbers.

    The cosines of the second half are those of the first, with the other sign where the frequency is odd.
    """
    pairs = list(zip(values[:_HALF], values[: _HALF - 1 : -1], strict=True))
    sums = [one + other for one, other in pairs]
    differences = [one - other for one, other in pairs]
    return [
        sum(map(mul, differences if frequency % 2 else sums, cosines))
        for frequency, cosines in zip(_FREQUENCIES, _COSINES, strict=True)
    ]


def grid(picture: Image) -> bytes:
    """Return a picture in RGB or grey as a grid of 32 x 32 levels of grey."""
    return _grey(picture, _GRID_SIDE)


def has_same_grid(one: bytes, other: bytes) -> bool:
    """Tell whether two pictures with nearly the same hash differ nowhere: the hash overlooks what is small."""
    return all(abs(level - counterpart) <= _MAX_DIFFERENCE for level, counterpart in zip(one, other, strict=True))
