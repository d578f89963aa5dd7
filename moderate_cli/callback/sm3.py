"""The hash SM3 (GB/T 32905-2016, ISO/IEC 10118-3) for a Python whose OpenSSL lacks it."""

from __future__ import annotations

import struct

_START = (
    0x7380166F,
    0x4914B2B9,
    0x172442D7,
    0xDA8A0600,
    0xA96F30BC,
    0x163138AA,
    0xE38DEE4D,
    0xB0FB0E4E,
)
_MASK = 0xFFFFFFFF


def sm3(data: bytes) -> str:
    """Return the digest in lower-case hexadecimal; it takes some 3 seconds a megabyte."""
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack(">Q", 8 * len(data))
    state: tuple[int, ...] = _START
    for block in struct.iter_unpack(">16I", padded):
        state = _compress(state, block)
    return struct.pack(">8I", *state).hex()


def _compress(state: tuple[int, ...], block: tuple[int, ...]) -> tuple[int, ...]:
    """Mix one block of 16 words into the state; the names are those of the standard."""
    words = _expand(block)
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        a12 = _rotate(a, 12)
        ss1 = _rotate((a12 + e + _CONSTANTS[j]) & _MASK, 7)
        if j < 16:
            ff, gg = a ^ b ^ c, e ^ f ^ g
        else:
            ff, gg = (a & b) | (a & c) | (b & c), (e & f) | (~e & g)
        tt1 = (ff + d + (ss1 ^ a12) + (words[j] ^ words[j + 4])) & _MASK
        tt2 = (gg + h + ss1 + words[j]) & _MASK
        a, b, c, d = tt1, a, _rotate(b, 9), c
        e, f, g, h = _spread(tt2, 9, 17), e, _rotate(f, 19), g
    return tuple(old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True))


def _expand(block: tuple[int, ...]) -> list[int]:
    words = list(block)
    for j in range(16, 68):
        mixed = words[j - 16] ^ words[j - 9] ^ _rotate(words[j - 3], 15)
        words.append(_spread(mixed, 15, 23) ^ _rotate(words[j - 13], 7) ^ words[j - 6])
    return words


def _spread(word: int, first: int, second: int) -> int:
    return word ^ _rotate(word, first) ^ _rotate(word, second)


def _rotate(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & _MASK


_CONSTANTS = tuple(_rotate(0x79CC4519 if j < 16 else 0x7A879D8A, j % 32) for j in range(64))
