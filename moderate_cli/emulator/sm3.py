"""The hash SM3 (GB/T 32905-2016), for a Python whose OpenSSL lacks it."""

from __future__ import annotations

import hashlib

_START = (
    0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E,
)  # fmt: skip
_MASK = 0xFFFFFFFF
_BLOCK = 64


def sm3_hex(content: bytes) -> str:
    """Return the SM3 of some bytes in lower-case hexadecimal digits."""
    try:
        return hashlib.new("sm3", content).hexdigest()
    except ValueError:
        return plain_sm3_hex(content)


def plain_sm3_hex(content: bytes) -> str:
    """Return the same as `sm3_hex`, computed in Python."""
    zeros = -(len(content) + 9) % _BLOCK
    padded = content + b"\x80" + bytes(zeros) + (8 * len(content)).to_bytes(8, "big")
    state: tuple[int, ...] = _START
    for start in range(0, len(padded), _BLOCK):
        state = _compress(state, padded[start : start + _BLOCK])
    return "".join(f"{word:08x}" for word in state)


def _compress(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    """Mix one block into the state."""
    words = _expand(block)
    a, b, c, d, e, f, g, h = state
    for round_ in range(64):
        early = round_ < 16
        constant = 0x79CC4519 if early else 0x7A879D8A
        first = _rotate(_rotate(a, 12) + e + _rotate(constant, round_), 7)
        second = first ^ _rotate(a, 12)
        mixed = a ^ b ^ c if early else (a & b) | (a & c) | (b & c)
        chosen = e ^ f ^ g if early else (e & f) | (~e & g)
        top = (mixed + d + second + (words[round_] ^ words[round_ + 4])) & _MASK
        middle = (chosen + h + first + words[round_]) & _MASK
        a, b, c, d = top, a, _rotate(b, 9), c
        e, f, g, h = middle ^ _rotate(middle, 9) ^ _rotate(middle, 17), e, _rotate(f, 19), g
    return tuple(old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True))


def _expand(block: bytes) -> list[int]:
    """Make 68 words of the 16 in a block."""
    words = [int.from_bytes(block[at : at + 4], "big") for at in range(0, _BLOCK, 4)]
    for at in range(16, 68):
        mixed = words[at - 16] ^ words[at - 9] ^ _rotate(words[at - 3], 15)
        spread = mixed ^ _rotate(mixed, 15) ^ _rotate(mixed, 23)
        words.append(spread ^ _rotate(words[at - 13], 7) ^ words[at - 6])
    return words


def _rotate(word: int, by: int) -> int:
    """Rotate the lowest 32 bits of a number to the left."""
    word, by = word & _MASK, by % 32
    return (word << by | word >> (32 - by)) & _MASK
