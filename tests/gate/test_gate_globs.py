"""Which paths a glob names."""

from __future__ import annotations

import glob
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moderate_cli.gate.globs import compile_glob, is_glob


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.png", "a.png", True),
        ("a.png", "aXpng", False),
        ("a.png", "b/a.png", False),
        ("*.png", "a.png", True),
        ("*.png", ".png", True),
        ("*.png", "b/a.png", False),
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
        ("***", "b/c", True),
        ("a?.png", "ab.png", True),
        ("a?.png", "a.png", False),
        ("a?b", "a/b", False),
        ("[ab].png", "b.png", True),
        ("[a-c].png", "b.png", True),
        ("[!a-c].png", "b.png", False),
        ("[!a-c].png", "d.png", True),
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
    assert (compile_glob(pattern).fullmatch(path) is not None) == matches


def test_what_is_a_glob() -> None:
    assert all(map(is_glob, ["a*", "a?", "a[", "**"]))
    assert not any(map(is_glob, ["a.png", "a]", "", "a!b"]))


@given(st.text())
def test_an_escaped_name_is_itself_and_no_other(name: str) -> None:
    pattern = compile_glob(glob.escape(name))
    assert pattern.fullmatch(name)
    assert not pattern.fullmatch(name + "x")


@example("[?--]", "-")
@given(st.text("ab*?[]!-/^\\", max_size=20), st.text("ab/-", max_size=10))
def test_no_glob_is_a_surprise(text: str, path: str) -> None:
    try:
        compile_glob(text).fullmatch(path)
    except re.error as error:
        assert "bad character range" in str(error)


@given(st.text("ab?.", max_size=8), st.text("ab.", max_size=8))
def test_within_one_name_it_is_as_everywhere(pattern: str, name: str) -> None:
    from fnmatch import fnmatchcase

    assert (compile_glob(pattern).fullmatch(name) is not None) == fnmatchcase(name, pattern)
