"""Which texts a glob matches, and in which time."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderate_cli.common.globs import Matcher, compile_git, compile_glob, fixed_ends, is_glob


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("a.png", "a.png", True),
        ("a.png", "aXpng", False),
        ("a.png", "b/a.png", False),
        ("*.png", "a.png", True),
        ("*.png", ".png", True),
        ("*.png", "png", False),
        ("*.png", "b/a.png", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*ab*ab*", "ab_ab", True),
        ("*ab*ab*", "xab", False),
        ("b/*", "b/a.png", True),
        ("b/*", "b/c/a.png", False),
        ("b/*/a.png", "b/c/a.png", True),
        ("b/*/a.png", "b/a.png", False),
        ("b/**", "b/a.png", True),
        ("b/**", "b/c/d/a.png", True),
        ("b/**", "bb/a.png", False),
        ("**/a.png", "a.png", True),
        ("**/a.png", "b/c/a.png", True),
        ("**/a.png", "b/xa.png", False),
        ("b/**/a.png", "b/a.png", True),
        ("b/**/a.png", "b/c/d/a.png", True),
        ("**/**/a", "a", True),
        ("**/*/**/a", "a", False),
        ("**/*/**/a", "b/c/d/a", True),
        ("a**b", "a/c/b", True),
        ("a**/b", "ab", True),
        ("a**/b", "ac/d/b", True),
        ("a**/b", "acb", False),
        ("***", "b/c", True),
        ("a?.png", "ab.png", True),
        ("a?.png", "a.png", False),
        ("a?b", "a/b", False),
        ("?", "图", True),
        ("??", "图", False),
        ("[ab].png", "b.png", True),
        ("[a-c].png", "b.png", True),
        ("[!a-c].png", "b.png", False),
        ("[!a-c].png", "d.png", True),
        ("[a-]", "-", True),
        ("[-a]", "-", True),
        ("[a-c-e]", "-", True),
        ("[a-c-e]", "d", False),
        ("[一-龥]*", "图.png", True),
        ("[!一-龥]*", "图.png", False),
        ("x[!a]y", "x/y", False),
        ("x[.-0]y", "x/y", False),
        ("[]].png", "].png", True),
        ("[!]].png", "a.png", True),
        ("[^].png", "^.png", True),
        ("[a\\].png", "\\.png", True),
        ("a[.png", "a[.png", True),
        ("[]", "[]", True),
        ("[!]", "[!]", True),
        ("[[", "[[", True),
        ("[[:alpha:]]", "a]", True),
        ("[z-a]", "z", False),
        ("\\*", "\\a", True),
        ("A.png", "a.png", False),
        ("*.png", "a\nb.png", True),
        ("**", "a\nb/c", True),
        ("bücher/*", "bücher/ü.png", True),
        ("https://a.example/**", "https://a.example/x/y.png", True),
        ("../x/*", "../x/a.png", True),
        ("a+b(c).{2}|$", "a+b(c).{2}|$", True),
        ("[&&||~~]", "~", True),
    ],
)
def test_a_glob(pattern: str, path: str, matches: bool) -> None:
    assert compile_glob(pattern).matches(path) == matches


def test_what_is_a_glob() -> None:
    assert all(map(is_glob, ["a*", "a?", "a[", "**"]))
    assert not any(map(is_glob, ["a.png", "a]", "", "a!b"]))


def test_what_no_text_can_match() -> None:
    assert all(compile_glob(text).is_hopeless for text in ("[z-a]", "a[/]*", "[z-ac-b]"))
    assert all(compile_git(text).is_hopeless for text in ("a\\", "[", "a[b", "[[:foo:]]", "[[::]]", "[\\]", "[/]"))
    assert not any(compile_glob(text).is_hopeless for text in ("", "a", "[a-a]", "[!z-a]", "[", "*", "\\"))
    assert not any(compile_git(text).is_hopeless for text in ("", "a", "[a-a]", "[!z-a]", "[z-a]", "*", "\\a"))


@given(st.text())
def test_an_escaped_name_is_itself_and_no_other(name: str) -> None:
    pattern = compile_glob(glob.escape(name))
    assert pattern.matches(name)
    assert not pattern.matches(name + "x")


@given(st.text("ab*?[]!-/^\\:", max_size=20), st.text("ab/-", max_size=10))
def test_no_pattern_is_a_surprise(pattern: str, path: str) -> None:
    for compiled in (compile_glob(pattern), compile_git(pattern)):
        assert not (compiled.is_hopeless and compiled.matches(path))


@given(st.text("ab?*.[]", max_size=8), st.text("ab.[]", max_size=8))
def test_within_one_name_it_is_as_everywhere(pattern: str, name: str) -> None:
    assert compile_glob(pattern).matches(name) == fnmatchcase(name, pattern)


@given(st.text("ab*?[]!/", max_size=10), st.text("ab/]", max_size=10))
def test_what_a_glob_matches_has_its_fixed_ends(pattern: str, path: str) -> None:
    if is_glob(pattern) and compile_glob(pattern).matches(path):
        start, end = fixed_ends(pattern)
        assert path.startswith(start)
        assert path.endswith(end)


@pytest.mark.parametrize(
    ("pattern", "ends"),
    [
        ("a/b*.png", ("a/", ".png")),
        ("a/b/**/c.png", ("a/b/", "c.png")),
        ("*", ("", "")),
        ("a/[bc]/d", ("a/", "d")),
        ("a]/b?c", ("", "c")),
    ],
)
def test_the_fixed_ends(pattern: str, ends: tuple[str, str]) -> None:
    assert fixed_ends(pattern) == ends


def _slow(pieces: str) -> str:
    """What regular expressions that backtrack need years for, where the last character is not there."""
    return "".join(f"{piece}a" for piece in pieces) + "b*"


@pytest.mark.parametrize("compiled", [compile_glob, compile_git])
@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a*a*a*a*a*a*ab*", "a" * 255),
        (_slow("*" * 40), "a" * 255),
        (_slow("?*?*?*?*?*"), "a" * 255),
        ("*?*?*?*?*?*b", "a" * 255),
        ("[a-z]*[a-z]*[!b]*[a-z]*[a-z]*b*", "a" * 255),
        ("**a**a**a**a**a**b", "a" * 255),
        ("**/*a*a*/**/*a*a*/**/*a*a*/**/b", "/".join(["a" * 50] * 80)),
        ("**/a/**/a/**/a/**/a/**/a/**/b", "/".join(["a"] * 2000)),
        ("a**a/**a/**/a**a/**/**/**/b", "/".join(["aa"] * 1300)),
        ("*" * 4000 + "b", "a" * 255),
        ("*a" * 4000 + "b", "a" * 255),
        ("[" * 4000 + "b", "a" * 255),
        ("[[:" * 4000 + "b", "a" * 255),
        ("\\]" * 4000 + "[[:" * 4000 + "\\]", "a" * 255),
        ("[" + "a-z" * 4000 + "]*b*", "a" * 255),
    ],
)
def test_no_pattern_takes_long(compiled: Callable[[str], Matcher], pattern: str, text: str) -> None:
    started = time.process_time()
    assert not compiled(pattern).matches(text)
    assert time.process_time() - started < 0.1


def test_what_is_remembered_does_not_grow_with_the_characters_of_texts() -> None:
    pattern = compile_glob("a*?b*?c")
    for number in range(0x4E00, 0x9FFF):
        assert pattern.matches(f"a{chr(number)}b{chr(number)}c")
    assert pattern._machine is not None
    assert len(pattern._machine._known) < 300
