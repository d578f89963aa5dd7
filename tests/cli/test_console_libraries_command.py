"""`moderate console images` and `keywords`: one library of an emulated account, changed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from invocation import Result
from rules_files import write_images, write_pictures, write_rules

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator, Fault

Run = Callable[..., Result]


@pytest.fixture
def console(moderate: Run, account: dict[str, str], tmp_path: Path) -> Run:
    """Run a command on an emulator with a library of each kind."""

    def console(*arguments: str | Path, **options: object) -> Result:
        return moderate("console", *arguments, variables=account, **options)

    write_pictures(tmp_path / "brand", 1)
    text = "image_libraries: {brand: {images: brand}}\nkeyword_libraries: {slang: {keywords: [alpha, 暗号]}}\n"
    assert console("apply", write_rules(tmp_path, text), "--yes").code == ExitCode.OK
    return console


def _ids(console: Run) -> list[str]:
    return [each["id"] for each in json.loads(console("images", "brand", "list").stdout)["images"]]


def test_images_are_added_listed_and_removed(console: Run, tmp_path: Path) -> None:
    write_pictures(tmp_path / "more", 3)
    [first] = _ids(console)
    done = console("images", "brand", "add", tmp_path / "more", tmp_path / "brand" / "000.png")
    assert (done.code, len(done.stdout.split())) == (ExitCode.OK, 4)
    assert done.stderr == "moderate: added 4 images to brand\n"
    assert {*_ids(console)} == {first, *done.stdout.split()}
    assert console("images", "brand", "remove", *done.stdout.split()).code == ExitCode.USAGE, "nobody agreed"
    assert console("images", "brand", "remove", first, "nonsense", "--yes").code == ExitCode.USAGE
    assert len(_ids(console)) == 5
    assert console("images", "brand", "remove", *done.stdout.split(), "-y").code == ExitCode.OK
    assert _ids(console) == [first]
    assert json.loads(console("images", "brand", "list", "--raw").stdout)[0]["ImageId"]
    assert first in console("images", "brand", "list", "-f", "table").stdout


def test_a_large_image_is_refused_before_any_is_sent(console: Run, tmp_path: Path) -> None:
    write_pictures(tmp_path / "more", 1)
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(4 * 1024 * 1024))
    done = console("images", "brand", "add", tmp_path / "more", tmp_path / "large.png")
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert len(_ids(console)) == 1


def test_what_the_service_refuses_ends_the_command(console: Run, tmp_path: Path) -> None:
    write_images(tmp_path / "broken", 1)
    done = console("images", "brand", "add", tmp_path / "broken")
    assert done.code == ExitCode.INCOMPLETE
    assert len(_ids(console)) == 1


def test_keywords_are_added_listed_exported_and_removed(console: Run, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# rude\nbeta\n\n two words \n", encoding="utf-8")
    done = console("keywords", "slang", "add", "alpha", f"@{tmp_path / 'words.txt'}", "gamma")
    assert (done.code, done.stderr) == (ExitCode.OK, "moderate: added 3 keywords to slang (1 there already)\n")
    export = console("keywords", "slang", "export").stdout
    assert sorted(export.splitlines()) == ["alpha", "beta", "gamma", "two words", "暗号"]
    assert console("keywords", "slang", "remove", "beta").code == ExitCode.USAGE
    assert console("keywords", "slang", "remove", "beta", "delta", "-y").code == ExitCode.USAGE
    assert console("keywords", "slang", "remove", "beta", "two words", "-y").code == ExitCode.OK
    found = json.loads(console("keywords", "slang", "list").stdout)["keywords"]
    assert sorted(each["keyword"] for each in found) == ["alpha", "gamma", "暗号"]
    assert json.loads(console("keywords", "slang", "list", "--raw").stdout)[0]["Word"]


@pytest.mark.parametrize("word", ["c++", "x" * 21, "", "a\u202eb"])
def test_a_word_that_the_console_would_refuse_is_not_sent(console: Run, word: str, emulator: Emulator) -> None:
    done = console("keywords", "slang", "add", "fine", word)
    assert done.code == ExitCode.USAGE
    assert "fine" not in console("keywords", "slang", "export").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("images", "bran", "list"), "the account has no image library 'bran', did you mean 'brand'?"),
        (("keywords", "slan", "list"), "the account has no keyword library 'slan', did you mean 'slang'?"),
        (("images", "brand", "add"), "name a file, a folder or an id"),
        (("keywords", "slang", "remove"), "name a word or @FILE"),
        (("keywords", "slang", "list", "x"), "'x' has no meaning here"),
        (("images", "brand", "add", "missing.png"), "there is no file"),
    ],
)
def test_mistakes_are_told(console: Run, arguments: tuple[str, ...], message: str) -> None:
    done = console(*arguments)
    assert done.code == ExitCode.USAGE
    assert message in done.stderr


def test_text_of_the_account_does_not_reach_the_terminal(console: Run, tmp_path: Path, emulator: Emulator) -> None:
    nasty = "a\x1b[31m\u202e\nb"
    word = {"Code": 200, "Data": {"Items": [{"Id": 1, "Word": nasty}], "TotalCount": 1}}
    image = {"Code": 200, "Data": {"ImgId": nasty}}
    emulator.faults.add([Fault("ListKeywords", body=json.dumps(word)), Fault("AddImages2Lib", body=json.dumps(image))])
    assert console("keywords", "slang", "export").stdout == "a\\x1b[31m\\u202e\\x0ab\n"
    assert console("images", "brand", "add", tmp_path / "brand").stdout == "a\\x1b[31m\\u202e\\x0ab\n"
