"""What stands in a JPEG before its first scan: whether it can be decoded smaller, and what that takes.

Pillow tells neither. It believes that every JPEG can be scaled, and libjpeg writes lossless ones in full all the same,
beyond the end of Pillow's buffer (Pillow 13, JpegDecode.c, read in November 2026).
"""

from __future__ import annotations

from dataclasses import dataclass

SCAN = b"\xff\xda"
"""The marker of a scan."""

COEFFICIENT = 2
"""Bytes that libjpeg keeps of each coefficient where it goes over an image more than once."""

_START_OF_IMAGE = b"\xff\xd8"
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
    if not content.startswith(_START_OF_IMAGE):
        return None
    kind = 0
    densities: tuple[tuple[int, int], ...] = ()
    at = len(_START_OF_IMAGE)
    while (segment := content[at : at + 4])[:1] == b"\xff" and len(segment) == 4:
        marker, length = segment[1], int.from_bytes(segment[2:], "big")
        body = content[at + 4 : at + 2 + length]
        if segment.startswith(SCAN):
            return Header(kind, densities, body[0]) if kind and body and _are_plausible(densities) else None
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            kind, densities = marker, tuple((byte >> 4, byte & 15) for byte in body[7::3])
        at += 2 + length
    return None


def _are_plausible(densities: tuple[tuple[int, int], ...]) -> bool:
    return bool(densities) and all(across and down for across, down in densities)
