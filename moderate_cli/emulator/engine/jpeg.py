"""What stands in a JPEG before its first scan: whether it can be decoded smaller, and what that takes.

Pillow tells neither. It believes that every JPEG can be scaled, and libjpeg writes lossless ones in full all the same,
beyond the end of Pillow's buffer (Pillow 13, JpegDecode.c, read in November 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

COEFFICIENT = 2
"""Bytes that libjpeg keeps of each coefficient where it goes over an image more than once."""

_START_OF_IMAGE = b"\xff\xd8"
_END_OF_IMAGE = 0xD9
_SCAN = 0xDA
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # none of those that stand within a scan
_SCALABLE = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # sequential and progressive, by Huffman and arithmetic coding
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_NO_FRAMES = frozenset({0xC4, 0xC8, 0xCC})  # of the markers from 0xC0 to 0xCF


@dataclass(frozen=True, slots=True)
class Header:
    """The kind of a JPEG's frame, the densities of its components across and down, and how many its first scan has."""

    kind: int
    densities: tuple[tuple[int, int], ...]
    in_scan: int

    @property
    def is_scalable(self) -> bool:
        """Whether libjpeg can decode it at a fraction of its size."""
        return self.kind in _SCALABLE

    @property
    def has_several_scans(self) -> bool:
        """Whether all has to be read before the first row is known."""
        return self.kind in _PROGRESSIVE or self.in_scan < len(self.densities)

    @property
    def coefficients(self) -> float:
        """The bytes a pixel that libjpeg keeps of one of several scans, at whatever size it is decoded."""
        densest = max(across for across, _ in self.densities) * max(down for _, down in self.densities)
        return COEFFICIENT * sum(across * down for across, down in self.densities) / densest


def read_header(content: bytes) -> Header | None:
    """Read a JPEG up to its first scan; None for one that holds anything else than one segment after the other."""
    kind = 0
    densities: tuple[tuple[int, int], ...] = ()
    for marker, body in _segments(content):
        if marker == _SCAN:
            return Header(kind, densities, body[0]) if kind and body and _are_plausible(densities) else None
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            kind, densities = marker, tuple((byte >> 4, byte & 15) for byte in body[7::3])
    return None


def count_scans(content: bytes) -> int:
    """Return how many scans a JPEG has; a few bytes are enough for one, and each goes over all the pixels."""
    return sum(marker == _SCAN for marker, _ in _segments(content))


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the body of each segment of a JPEG, as far as it is one."""
    if not content.startswith(_START_OF_IMAGE):
        return
    at = len(_START_OF_IMAGE)
    while (head := content[at : at + 4])[:1] == b"\xff" and len(head) == 4 and head[1] != _END_OF_IMAGE:
        end = at + 2 + int.from_bytes(head[2:], "big")
        yield head[1], content[at + 4 : end]
        at = end
        if head[1] == _SCAN:
            following = _MARKER.search(content, end)
            at = following.start() if following else len(content)


def _are_plausible(densities: tuple[tuple[int, int], ...]) -> bool:
    return bool(densities) and all(across and down for across, down in densities)
