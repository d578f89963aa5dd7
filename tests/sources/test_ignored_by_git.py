"""Git itself is asked what the lines of an ignore file mean: a corpus of lines and paths, and random ones."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from trees import put

from moderate_cli.sources.folders import walk
from moderate_cli.sources.ignore import Patterns, read_patterns

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

# A byte that is not UTF-8 is written as Python has it in names: "\udcff" is 0xff.
FILES = (
    *("a.png", "b.png", "A.png", "ab", "abc", "bab", "x", "-", "#x", "!x", "\\x", "*", "[", "]", "a]", "[a]"),
    *("a*b", "?", " a.png", "a.png ", "a.png  ", "a.png\\", "a.png\\ ", "a.png\t", "\ta.png", "a.png\r"),
    *("a.png\r\r", "Icon\r", "\r", "Icon/a.png", "x\ny", "x\ny.png", "a b", "é", "é.png", "e\u0301.png", "图.png"),
    *("0", "7", "_", "^", "\x01", "\x7f", "sub/a.png", "sub/b.png", "sub/deep/a.png", "sub/deep/er/c.png"),
    *("sub/deep/a/b", "subway/a.png", "sub.d/a.png", "Sub/a.png", "deep/a.png", "other/sub/a.png"),
    *("other/sub/x/a.png", "a/b", "a/x/b", "a/x/y/b", "a/b.d/c", "ax/b", "é.d/a.png", "é.d/é", "x y/a.png"),
    *("x[1]/a.png", "x\nz/a.png", "build/out/a.png", "build/keep.png", "\x0b", "a.b/c", "\udcff", "\udcff.png"),
    *("\udce9.png", "raw-\udc80/a.png", "raw-\udc80/\udcfe", ":", "b:", "\\", "a\\", "a,b"),
)
# Each is all that an ignore file says.
CORPUS = (
    # spaces, tabs, carriage returns
    *("a.png", "a.png ", "a.png   ", "a.png\\ ", "a.png\\  ", "a.png\\ \\ ", "a.png\\\\", "a.png\\\\ "),
    *("a.png\\\\\\ ", " a.png", "a.png\t", "a.png \t", "a.png\t ", "\ta.png", "a b", "a\\ b", "x y/", " ", "sub "),
    *("sub/ ", "sub /", "a.png\r", "a.png\r\r", "a.png\r\r\r", "a.png \r", "a.png\r ", "a.png\\ \r", "a.png\\\r"),
    *("\r", "\r\r", "\\\r", "Icon\r", "Icon\r\r", "Icon\r\r\n", "Icon", "Icon?", "a.png\r\nb.png\r\n", "sub/ \r\n"),
    *("sub \r\n", "", "\n\n", "\ufeffa.png", "\n\ufeffa.png", "\ufeff\ufeffa.png", "\ufeff#x", "a.png\0b", "\0"),
    *("a.png \0", "x\\\ny"),
    # marks at the start
    *("#x", "\\#x", " #x", "#", "!#x", "!x", "\\!x", "x\n!x", "*\n!x", "*\n!\\!x", "*\n!!x", "!", "!!", "*\n!"),
    *("*\n# !x", "*.png\n!a.png", "!a.png\n*.png", "*\n!*/", "*\n!*/\n!a.png", "/*\n!/sub", "/*\n!/sub/"),
    *("sub\n!sub/a.png", "*\n! x", "sub/*\n!sub/a.png", "sub/**\n!sub/deep/", "sub/**\n!**/a.png"),
    *("*\n!/sub/\n!/sub/a.png", "**\n!sub/", "!sub/\nsub/", "*\n!sub/deep/a.png", "a*\n!ab\nab*"),
    *("build/\n!build/keep.png", "build/*\n!build/keep.png", "*\n!*/\n!a.png\n/sub"),
    # anchors, slashes at the end
    *("/a.png", "/sub", "sub", "sub/", "/sub/", "sub//", "//sub", "/", "//", "sub/a.png", "/sub/a.png", "a.png/"),
    *("ab/", "./a.png", "../a.png", "sub/.", "sub/..", "sub/deep", "sub/deep/", "deep/", "/deep", "deep/er"),
    *("sub\\/", "er/", "sub\\/a.png", "\\/a.png", "sub/\\a.png", "s\\ub/", "sub/a.png/", "sub/deep//", "/er"),
    *("sub//a.png", "b", "/b", "b/"),
    # one star, question marks
    *("*", "*.png", "a*", "*a*", "*b", "*/", "/*", "*/*", "*/*/*", "sub/*", "sub/*/", "*/a.png", "/*/a.png"),
    *("s*/a.png", "*b/a.png", "sub*/a.png", "sub*a.png", "sub/*a*", "sub/*/*", "*/*/a.png", "a*b", "*a*b*", "*.d"),
    *("*.d/", "*.d/c", "?.png", "??.png", "???.png", "????.png", "?", "??", "sub?a.png", "sub/?.png", "a?b"),
    *("?ub/", "a/?/b", "*?", "?*", "*.*", "*.", ".*", "*\n!?", "*/deep/*", "*ub/*ee*/*.png", "*\\*", "\\**"),
    *("a\\*b", "\\?", "*a*n*", "a*a*a*a*a*ab*"),
    # two stars
    *("**", "**/", "/**", "/**/", "**/a.png", "**/sub", "**/sub/", "**/sub/a.png", "**/deep/**", "**/er/c.png"),
    *("**/b", "sub/**", "sub/**/", "sub/**/a.png", "sub/**/deep", "sub/**/er/**", "sub/deep/**/c.png", "**/**"),
    *("**/*", "a/**/b", "**/**/a.png", "**/*/a.png", "*/**", "*/**/a.png", "*/**/", "sub/*/**/c.png"),
    *("sub/**/*/c.png", "/**/a.png", "a/**", "/**/sub/**/a.png", "**a.png", "**.png", "a**", "sub**"),
    *("sub**/a.png", "su**/a.png", "**b/", "sub/**a.png", "sub/a**", "sub/de**", "sub/de**/a.png", "su**/deep"),
    *("a**/b", "/a**/b", "?**/b", "[a]**/b", "***", "***/a.png", "sub/***", "sub/***/a.png", "****/b", "a/***/b"),
    *("a***b", "**/*.png", "**/?", "**/**/", "**\\/a.png", "**\\/b", "a**\\/b", "a/**\\/b", "a\\/**/b", "a\\/**"),
    *("\\**/b", "*\\*/b", "sub/**\\/", "**\\", "sub/**/**/a.png", "**/a*", "sub/**/*/**/a.png", "**/**/**"),
    *("*\n!**/\n!**/a.png", "a/**\n!a/x/**", "sub/de**\n!sub/deep", "**/é.d/**", "/**/b"),
    # brackets
    *("[a]", "[ab].png", "[!a].png", "[^a].png", "[a-b].png", "[!a-b].png", "[^a-b].png", "[A-Z].png", "[b-a].png"),
    *("[z-a]", "[]a]", "[!]a]", "[^]a]", "a[]]", "[]-a]", "[a-]", "[-a]", "[!-a]", "[a-a]", "[^^]", "[!!]"),
    *("[!^]x", "[]]", "[][]", "[a\\]]", "[\\a]", "[\\]]", "[\\\\]x", "[a\\-c]", "[\\a-\\c]", "[a-\\c]", "[^\\]]"),
    *("[\\!]x", "[\\^]", "[\\*]", "[a-c-e]", "[", "[a", "a[", "[!", "[]", "[!]", "[^]", "[a-", "[\\", "[a\\]"),
    *("[[", "[[]", "[[]a[]]", "\\[a\\]", "[[]", "[ab", "[a-c-e]b", "[--9]", "[*]", "[?]", "[*-?]", "a[*]b"),
    *("sub[/]a.png", "sub[!a]a.png", "[s/]ub", "sub/[a/]*", "[!/]", "su[b/]/", "[a/x]/b", "x[[]1]", "x[[]1]/"),
    *("x[[1]1]", "[a-z]*", "[!a-z]*", "[0-9]", "sub/[!a]*", "[a-/]b", "[.-0]"),
    *(f"[[:{name}:]]" for name in ("alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print")),
    *(f"[[:{name}:]]" for name in ("graph", "cntrl", "xdigit", "foo", "", "ALPHA", "a:b", "word")),
    *("[![:alpha:]]", "[^[:alnum:]]*", "[[:digit:][:upper:]]*", "[[:alpha:]-z]", "[a[:digit:]]", "[[:alpha:]_]"),
    *("[[:]", "[[:alpha:]", "[[:alpha]", "[[:", "[[:]]", "[:alpha:]", "[[:alpha:a]", "[a-[:digit:]]", "[[:-a]"),
    *("[![:print:]]",),
    # backslashes
    *("\\a.png", "a\\.png", "\\\\x", "\\x", "\\", "a.png\\", "sub\\", "sub/\\", "\\*", "\\[", "\\]", "\\[a]"),
    *("\\ a.png", "\\\ta.png", "a*\\", "\\\\", "\\\\\\", "*\\x", "*\\\\x", "\\é.png", "\\\\*", "a\\\\", "*\\"),
    *("**/\\a.png", "\\a\\b"),
    # beyond ASCII, and beyond UTF-8
    *("é", "é.png", "é*", "*é", "é.d/", "é.d/é", "?.png\n!é.png", "[é].png", "[!é].png", "e\u0301.png", "图.png"),
    *("图*", "\udcff", "\udcff.png", "\udcff*", "\udcc3*", "*\udca9", "\udcc3?", "\udcc3\udca9", "[\udcc3][\udca9]"),
    *("[\udc80-\udcff]", "[\udcff]", "raw-\udc80/", "raw-\udc80/*", "raw-?/", "*\udcfe", "**/\udcfe"),
    *("[^\udcff].png", "[a-\udcff]*", "\udce9.png"),
    # upper and lower case
    *("A.png", "A.PNG", "*.PNG", "SUB/", "Sub", "[a-z].png", "[[:upper:]].png", "icon\r\r", "SUB/A.PNG"),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the files of the corpus."""
    root = tmp_path_factory.mktemp("tree")
    put(root, *FILES)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "config", "core.ignoreCase", "false"], check=True)
    return root


def _by_git(root: Path) -> set[str]:
    """Return the files that Git ignores."""
    command = ["git", "-C", str(root), "check-ignore", "--no-index", "-z", "--stdin"]
    names = os.fsencode("\0".join(f"./{name}" for name in _files(root)))  # `:` alone would be magic
    done = subprocess.run(command, input=names, capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return {os.fsdecode(name.removeprefix(b"./")) for name in done.stdout.split(b"\0") if name}


def _by_us(root: Path) -> set[str]:
    """Return the files that a walk leaves out."""
    kept = {os.path.relpath(chunk.prefix + file[0], root) for chunk in walk(str(root)) for file in chunk.files}
    return set(_files(root)) - kept


def _files(root: Path) -> list[str]:
    paths = (path for path in root.rglob("*") if not path.is_dir() and ".git" not in path.relative_to(root).parts)
    return [str(path.relative_to(root)) for path in paths]


def test_the_corpus_is_large() -> None:
    assert len(set(CORPUS)) * len(set(FILES)) > 30_000


@pytest.mark.parametrize("text", sorted(set(CORPUS)), ids=ascii)
def test_a_line_ignores_what_git_ignores(tree: Path, text: str) -> None:
    (tree / ".gitignore").write_bytes(os.fsencode(text))
    assert _by_us(tree) == _by_git(tree)


PIECES = (
    *("a", "b", "sub", "*", "**", "?", "/", "/", "[ab]", "[!a]", "[^b]", "[]a]", "[a-c]", "[[:alpha:]]"),
    *("[[:punct:]]", "\\", "\\*", "\\/", "!", " ", "\t", "\r", "é", "\udcff", "-", "]", "[", "**/", "/**", "[/]"),
    *("[b/]", "#", "[z-a]", "[[:foo:]]", "[\\]]", "[a-", "[:", "\x01", ".png", "deep"),
)


@pytest.mark.parametrize("seed", range(3))
def test_random_lines_ignore_what_git_ignores(tmp_path: Path, seed: int) -> None:
    jitter = random.Random(seed)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for number in range(60):
        put(tmp_path / str(number), *FILES)
        lines = ["".join(jitter.choices(PIECES, k=jitter.randint(1, 6))) for _ in range(jitter.randint(1, 4))]
        lines += [f"!{jitter.choice(lines)}"] if jitter.random() < 0.3 else []
        (tmp_path / str(number) / ".gitignore").write_bytes(os.fsencode("\n".join(lines)))
    assert _by_us(tmp_path) == _by_git(tmp_path)


@pytest.mark.parametrize("text", sorted(set(CORPUS)), ids=ascii)
def test_no_line_matches_a_name_that_a_quick_look_rules_out(text: str) -> None:
    patterns = Patterns(read_patterns(os.fsencode(text)))
    for name in {part for file in FILES for part in file.split("/")}:
        for folder in ("", "a/", "sub/deep/", "é.d/"):
            for is_folder in (True, False):
                if patterns.decide(folder, name, is_folder=is_folder):
                    assert patterns.names.may_match(name), (folder, name)


def test_a_link_is_no_ignore_file(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tree / ".gitignore").unlink(missing_ok=True)
    (tree / ".gitignore").symlink_to("rules")
    (tree / "rules").write_text("*.png\n")
    try:
        assert _by_us(tree) == _by_git(tree) == set()
        assert f"ignored {tree / '.gitignore'}: it is a link" in caplog.messages
    finally:
        (tree / ".gitignore").unlink()
        (tree / "rules").unlink()
