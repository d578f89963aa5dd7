"""Text from outside made harmless: it never reaches a terminal as control or formatting characters."""

from __future__ import annotations

import re

# Control characters (C0, DEL, C1), line separators, and marks that reorder or hide text (Unicode TR 36, section 3.1;
# "Trojan Source", CVE-2021-42574), and surrogates, which stand for bytes of file names that are not UTF-8.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_UNSAFE_CHARACTER = re.compile(f"[{_UNSAFE}]")


def safe_text(text: str) -> str:
    r"""Return text for a terminal, each unsafe character written out, as `\x1b` or `\u202e`."""
    return _UNSAFE_CHARACTER.sub(_written_out, text)


def safe_json(text: str) -> str:
    r"""Return a JSON text with the same meaning, each unsafe character inside it written as `\uXXXX`."""
    return _UNSAFE_CHARACTER.sub(_json_escape, text)


def _written_out(found: re.Match[str]) -> str:
    point = ord(found[0])
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _json_escape(found: re.Match[str]) -> str:
    point = ord(found[0])
    if point < 0x10000:
        return f"\\u{point:04x}"
    high, low = divmod(point - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
