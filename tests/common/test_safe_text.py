"""Text from outside, made harmless."""

from __future__ import annotations

import json
import unicodedata

import pytest

from moderate_cli.common.text import safe_json, safe_text, visible_text

HOSTILE = {
    "ansi colour": "\x1b[31mred\x1b[0m",
    "ansi clear screen": "\x1b[2J\x1b[H",
    "osc title": "\x1b]0;owned\x07",
    "osc link": "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "c1 csi": "\x9b31mred",
    "c1 osc": "\x9d0;owned\x9c",
    "carriage return": "good.png\rbad",
    "backspace": "ab\b\bcd",
    "nul and del": "a\x00b\x7fc",
    "lines": "a\nb\vc\fd\x85e\u2028f\u2029g",
    "bidi override": "gpj.\u202egnp.exe",
    "bidi isolate": "a\u2066b\u2067c\u2068d\u2069",
    "bidi marks": "a\u200eb\u200fc\u061cd",
    "zero width": "a\u200bb\u200cc\u200dd\u2060e\ufefff",
    "lone surrogate": "a\udcffb",
    "tag characters": "a\U000e0001\U000e0041\U000e007fb",
    "interlinear": "a\ufff9b\ufffac\ufffbd",
}
COMMANDS = {
    "x ##vso[task.complete result=Succeeded;]ok.png": r"x \x23#vso[task.complete result=Succeeded;]ok.png",
    "##VSO[a]": r"\x23#VSO[a]",
    "###[add-mask]x": r"#\x23#[add-mask]x",
    "##teamcity[a]": r"\x23#teamcity[a]",
    "\u202e##[a]": r"\u202e\x23#[a]",
    "::error::pwned.png": r"\x3a:error\x3a:pwned.png",
    ":::warning file=a::x": r":\x3a:warning file=a\x3a:x",
    "a::b": r"a\x3a:b",
}
HARMLESS = [
    "",
    "a.png",
    "été.jpg",
    "图片 1.png",
    "naïve — “quoted”",
    "צילום.png",
    "😀",
    "100 %",
    "a\\x1b",
    'say "hi"',
    "# ## [x] #[y]",
    "[::1]",
    "a:: b",
]


def _is_unsafe(character: str) -> bool:
    return (
        unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        or character in "\u034f\u115f\u1160\u3164\uffa0"
        or 0xE0000 <= ord(character) <= 0xE007F
        or 0xE0100 <= ord(character) <= 0xE01EF
    )


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_unsafe_is_left_in_text(text: str) -> None:
    safe = safe_text(text)
    assert [character for character in safe if _is_unsafe(character)] == []
    assert safe.encode("utf-8")
    assert safe != text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_keeps_its_meaning_and_nothing_unsafe(text: str) -> None:
    value = {text: [text, {"n": 1.5, "none": None}]}
    safe = safe_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(safe) == value
    assert [character for character in safe if _is_unsafe(character)] == []


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text
    assert safe_json(json.dumps(text, ensure_ascii=False)) == json.dumps(text, ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b", r"\x1b"),
        ("\n", r"\x0a"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_unsafe_characters_are_written_out(text: str, expected: str) -> None:
    assert safe_text(f"a{text}b") == f"a{expected}b"


@pytest.mark.parametrize(("text", "expected"), COMMANDS.items(), ids=COMMANDS)
def test_no_ci_reads_a_command(text: str, expected: str) -> None:
    assert safe_text(text) == expected
    assert safe_text(expected) == expected
    assert visible_text(text) == text.replace("\u202e", r"\u202e")


def test_a_character_beyond_the_first_plane_is_a_pair_in_json() -> None:
    assert safe_json('"\U000e0041"') == r'"\udb40\udc41"'


def test_no_unsafe_character_at_all_gets_through() -> None:
    every = "".join(filter(_is_unsafe, map(chr, range(0x110000))))
    assert len(every) > 2048
    assert not any(map(_is_unsafe, safe_text(every)))
    assert not any(map(_is_unsafe, safe_json(json.dumps(every, ensure_ascii=False))))


def test_every_single_character_survives_the_way_through_json() -> None:
    every = [chr(point) for point in range(0x110000)]
    assert json.loads(safe_json(json.dumps(every, ensure_ascii=False))) == every
