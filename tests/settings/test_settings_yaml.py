"""YAML has corners; none of them surprises."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from worlds import World
from yaml_loaders import LOADERS, use_loader


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


@pytest.fixture(params=LOADERS, autouse=True)
def _each_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use_loader(request.param, monkeypatch)


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        ("", 64),
        ("# only a comment\n", 64),
        ("---\n...\n", 64),
        ("~", 64),
        ("jobs:", 64),
        ("jobs: null", 64),
        ("profiles:\nprofile:", 64),
        ("{jobs: 3}", 3),
        ("---\njobs: 3", 3),
        ("jobs: 0x10", 16),
        ("'jobs': 3", 3),
        ("? jobs\n: 3", 3),
        ("\ufeffjobs: 3", 3),
        ("jobs: 3\r\nretries: 1\r\n", 3),
        ("jobs: &n 5\nretries: *n", 5),
        ("profiles:\n  a: &a {jobs: 3}\n  b: *a\nprofile: b", 3),
        ("profiles:\n  a: &a {jobs: 3, retries: 1}\n  b: {<<: *a, jobs: 4}\nprofile: b", 4),
        ("profiles:\n  a: &a {jobs: 3}\n  b: &b {jobs: 4}\n  c: {<<: [*a, *b]}\nprofile: c", 3),
        ("profiles:\n  a: {&k jobs: 3}\n  b: {*k : 4}\nprofile: b", 4),
        ("jobs: !!int '3'", 3),
        ("jobs: ! 3", 3),
        ("jobs: 3 #\tthree", 3),
    ],
)
def test_what_is_understood(world: World, text: str, jobs: int) -> None:
    world.project(text)
    assert world.resolve().jobs == jobs


@pytest.mark.parametrize("word", ["on", "yes", "true", "True", "ON"])
def test_the_words_for_true(world: World, word: str) -> None:
    world.project(f"vpc: {word}")
    assert world.resolve().vpc is True


@pytest.mark.parametrize("word", ["off", "no", "false"])
def test_the_words_for_false(world: World, word: str) -> None:
    world.project(f"vpc: {word}")
    assert world.resolve().vpc is False


def test_a_merged_value_has_the_line_where_it_is_written(world: World) -> None:
    world.project("profiles:\n  a: &a\n    jobs: 3\n  b:\n    <<: *a\nprofile: b")
    assert world.resolve().origins["jobs"] == "moderate.yaml:3 (profile b)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs: 3\njobs: 4", "2: the key 'jobs' stands here a second time, first in line 1"),
        ("profiles:\n  a: {}\n  b: {}\n  a: {}", "4: the key 'a' stands here a second time, first in line 2"),
        ("zzz: {x: 1, x: 2}", "1: the key 'x' stands here a second time, first in line 1"),
        ("profiles:\n\ta: {}", "2: broken YAML: found character '\\t' that cannot start any token"),
        ("jobs: [1\nretries: 3", "2: broken YAML: "),
        ("jobs: *nowhere", "1: broken YAML: found undefined alias ..."),
        ("jobs: 3\n---\njobs: 4", "2: broken YAML: but found another document"),
        ("jobs: 'x", "1: broken YAML: found unexpected end of stream"),
        ("a: &a [*a]", "1: an anchor that holds itself"),
        ("a: &a {b: *a}", "1: an anchor that holds itself"),
        ("jobs: !!python/object/apply:os.getcwd []", "1: a tag that has no meaning here"),
        ("\njobs: !mine 3", "2: a tag that has no meaning here"),
        ("services: !!set {a}", "1: a tag that has no meaning here"),
        ("[a]: 3", "1: a key must be a word"),
        ("{a: 1}: 3", "1: a key must be a word"),
        ("<<: 3", "1: << takes a mapping, or a list of them"),
        ("a: &x 3\nb:\n  <<: *x", "1: << takes a mapping, or a list of them"),
        ("a: &x [3]\n*x : 3", "1: a key must be a word"),
        ("*x : 3", "1: broken YAML: found undefined alias 'x'"),
        ("a: &x 3\nb: &x 4", "2: broken YAML: second occurrence"),
        ("jobs: <<", "1: a tag that has no meaning here"),
        ("jobs: =", "1: a tag that has no meaning here"),
        ("jobs: 3\t", "1: broken YAML: found character '\\t' that cannot start any token"),
        ("jobs: !!int many", "1: 'many' cannot be read as int"),
        ("jobs: !!int ''", "1: '' cannot be read as int"),
        ("vpc: !!bool maybe", "1: 'maybe' cannot be read as bool"),
        ("jobs: !!timestamp x", "1: 'x' cannot be read as timestamp"),
        ("reuse: 2024-13-45", "1: '2024-13-45' cannot be read as timestamp"),
        ("jobs: " + "9" * 5000, "1: '" + "9" * 40 + "...' is too long for a number"),
        ("jobs: 0x" + "f" * 4000, "1: '0x" + "f" * 38 + "...' is too long for a number"),
        ("jobs: 0b" + "1" * 40_000, "1: '0b" + "1" * 38 + "...' is too long for a number"),
        ("jobs: 1" + ":1" * 20_000, "1: '" + "1:" * 20 + "...' is too long for a number"),
        ("jobs: !!int 1" + ":1" * 20_000, "1: '" + "1:" * 20 + "...' is too long for a number"),
        ("\nqps: 1" + ":1" * 200 + ".5", "2: '" + "1:" * 20 + "...' is too long for a number"),
        ("jobs: 0x" + "f" * 98, "1: jobs must be a whole number from 1 to "),
        ("qps: 1" + ":59" * 32 + ".5", "1: qps must be a number from "),
        (r'jobs: "\ud835"', "1: broken YAML: "),
        ('exclude:\n  - "x\\ud835\\udcb3"', "2: broken YAML: "),
        (r'exclude: "\U00110000"', "1: broken YAML: "),
        ("jobs: 3\n# \x07", "2: a control character, which YAML does not allow"),
        ("[" * 5000, "1: too deeply nested"),
        ("[" * 60_000, "1: too deeply nested"),
        ("a:\n" + "".join(f"{' ' * depth}a:\n" for depth in range(1, 200)), "101: too deeply nested"),
        ("a: " * 3 + "b", "1: broken YAML: mapping values are not allowed here"),
    ],
)
def test_what_is_not(world: World, text: str, message: str) -> None:
    world.project(text)
    assert world.refused().message.startswith(f"moderate.yaml:{message}")


@pytest.mark.parametrize("first", ["[x]", "{x: 1}"])
@pytest.mark.parametrize("step", ["[{}]", "{{k: [{}]}}", "{{<<: [{}]}}"])
def test_anchors_upon_anchors_do_not_grow(world: World, first: str, step: str) -> None:
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {step.format(', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, 30)]
    world.project("\n".join(lines))
    started = time.monotonic()
    world.refused()
    assert time.monotonic() - started < 5
