"""An account becomes what a rules file says, however often that is cut off, and nothing is done twice."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from accounts import FakeAccount, Words
from rules_files import SERVICE, apply_plan, plan_of, write_images, write_large, write_rules

from moderate_cli.account import LOCK_NAME
from moderate_cli.client import OutcomeUnknownError
from moderate_cli.common.errors import ModerateError, ServiceError, UsageError

MOMENTS = 50


class Killed(BaseException):
    """The process ends here."""


def _at(moment: int, end: Callable[[str], None]) -> Callable[[str], None]:
    left = [moment]

    def count(name: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            end(name)

    return count


def _die(name: str) -> None:
    raise Killed(name)


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount()


def test_an_account_becomes_what_the_file_says(account: FakeAccount, tmp_path: Path) -> None:
    path = write_large(tmp_path)
    apply_plan(account, path)
    found = account.summary()
    assert found["services"] == [
        ("Baseline", None, ["i0"], ["k0"], []),
        ("Profile photos", None, [], [], []),
        ("Shop photos", SERVICE, ["i1", "i2"], ["k0"], []),
        ("Forum", SERVICE, ["i0"], ["k0"], ["k1", "k2"]),
    ]
    assert [(name, comment, len(images)) for name, comment, images in found["images"]] == [
        (f"i{number}", f"c{number}", 30) for number in range(4)
    ]
    assert [(name, len(words)) for name, words in found["words"]] == [(f"k{number}", 500) for number in range(3)]
    assert plan_of(account, path).steps == ()


def test_a_second_machine_has_nothing_to_do(account: FakeAccount, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    path = write_large(first)
    apply_plan(account, path)
    shutil.copytree(first, second)
    assert plan_of(account, second / path.name).steps == ()


@pytest.fixture
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the disk out of it, which would take a minute."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.mark.usefixtures("_unsynced")
@pytest.mark.parametrize("seed", range(MOMENTS))
def test_killed_at_any_moment_it_ends_in_the_same_state(
    seed: int, tmp_path: Path, large: tuple[Path, dict[str, object], int]
) -> None:
    folder, expected, calls = large
    shutil.copytree(folder, tmp_path / "repository")
    path = tmp_path / "repository" / "moderate-rules.yaml"
    account, moments = FakeAccount(), random.Random(seed)
    where = moments.choice(["before", "after"])
    setattr(account, where, _at(moments.randrange(calls), _die))
    with pytest.raises(Killed):
        apply_plan(account, path)
    setattr(account, where, lambda name: None)
    apply_plan(account, path)
    assert account.summary() == expected
    assert plan_of(account, path).steps == ()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object], int]:
    """Return the folder of a large rules file, what an account is after it, and how many calls that takes."""
    folder = tmp_path_factory.mktemp("large")
    path, account = write_large(folder), FakeAccount()
    apply_plan(account, path)
    (folder / LOCK_NAME).unlink()
    return folder, account.summary(), len(account.calls)


@pytest.mark.parametrize(
    "name", ["copy_service", "create_image_library", "add_image", "create_keyword_library", "add_keywords"]
)
@pytest.mark.parametrize("where", ["before", "after"])
def test_after_a_lost_answer_the_state_is_read_first(
    account: FakeAccount, tmp_path: Path, name: str, where: str
) -> None:
    path, lost = write_large(tmp_path, images=3, words=5), []

    def lose(called: str) -> None:
        if called == name and not lost:
            lost.append(called)
            raise OutcomeUnknownError(name, ServiceError("connection lost", code="connection_lost"))

    setattr(account, where, lose)
    if (name, where) == ("copy_service", "before"):
        with pytest.raises(ModerateError, match="does not list the copy") as error:
            apply_plan(account, path)
        assert error.value.code == "copy_not_listed"
    apply_plan(account, path)
    assert lost
    expected = FakeAccount()
    apply_plan(expected, write_large(_made(tmp_path / "again"), images=3, words=5))
    assert len(account.summary()["services"]) == 4
    assert account.summary()["words"] == expected.summary()["words"]
    assert account.summary()["images"] == expected.summary()["images"]
    assert plan_of(account, path).steps == ()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_answers_that_are_lost_again_and_again_end_the_run(account: FakeAccount, tmp_path: Path) -> None:
    def lose(called: str) -> None:
        if called == "add_keywords":
            raise OutcomeUnknownError(called, ServiceError("connection lost", code="connection_lost"))

    account.before = lose
    path = write_rules(tmp_path, "keyword_libraries: {slang: {keywords: [one]}}\n")
    with pytest.raises(OutcomeUnknownError):
        apply_plan(account, path)
    assert account.calls.count("add_keywords") == 3


def test_a_second_image_that_appears_meanwhile_cannot_be_told_apart(account: FakeAccount, tmp_path: Path) -> None:
    write_images(tmp_path / "brand", 2)
    path = write_rules(tmp_path, "image_libraries: {brand: {images: brand}}\n")
    account.after = lambda name: _die(name) if name == "add_image" else None
    with pytest.raises(Killed):
        apply_plan(account, path)
    account.after = lambda name: None
    [library] = account.image_libs.values()
    assert len(library.images) == 1
    library.images["elsewhere"] = b"somebody else's"
    with pytest.raises(ModerateError, match="2 images of brand are new") as error:
        apply_plan(account, path)
    assert error.value.code == "unsettled"


def test_a_file_that_changes_meanwhile_is_not_added(account: FakeAccount, tmp_path: Path) -> None:
    write_images(tmp_path / "brand", 2)
    path = write_rules(tmp_path, "image_libraries: {brand: {images: brand}}\n")

    def change(name: str) -> None:
        if name == "create_image_library":
            (tmp_path / "brand" / "001.png").write_bytes(b"something else")

    account.after = change
    with pytest.raises(UsageError, match="was changed while it was to be added"):
        apply_plan(account, path)
    assert account.calls.count("add_image") == 1


def test_words_that_the_service_refuses_are_told(account: FakeAccount, tmp_path: Path) -> None:
    account.refused = {"two"}
    path = write_rules(tmp_path, "keyword_libraries: {slang: {keywords: [one, two]}}\n")
    assert apply_plan(account, path)[-1] == "the service refused 1 keyword: two"


def test_what_is_removed_needs_prune(account: FakeAccount, tmp_path: Path) -> None:
    write_images(tmp_path / "brand", 3)
    text = "image_libraries: {brand: {images: brand}}\nkeyword_libraries: {slang: {keywords: [one, two]}}\n"
    path = write_rules(tmp_path, text)
    apply_plan(account, path)
    account.keyword_libs["old"] = type(account.keyword_libs["words1"])("old", {"7": "seven"})
    (tmp_path / "brand" / "001.png").unlink()
    write_rules(tmp_path, text.replace("one, two", "two"))
    assert plan_of(account, path).steps == ()
    assert [note.kind for note in plan_of(account, path).notes] == ["kept"] * 3
    apply_plan(account, path, prune=True)
    assert account.summary()["words"] == [("slang", ["two"])]
    [(_, _, images)] = account.summary()["images"]
    assert len(images) == 2
    assert plan_of(account, path, prune=True).steps == ()
    assert plan_of(account, path).notes == ()


@pytest.mark.parametrize("change", ["used", "grown"])
def test_a_library_that_changed_since_the_plan_is_not_deleted(
    account: FakeAccount, tmp_path: Path, change: str
) -> None:
    path = write_rules(tmp_path, "keyword_libraries: {slang: {keywords: [one]}}\n")
    account.keyword_libs["old"] = Words("old", {"7": "seven"})

    def by_hand(name: str) -> None:
        if name == "create_keyword_library" and change == "used":
            account.services_by_code[SERVICE].flagged = ("old",)
        elif name == "create_keyword_library":
            account.keyword_libs["old"].words["8"] = "eight"

    account.after = by_hand
    with pytest.raises(ModerateError, match="keyword library old was changed since the plan") as error:
        apply_plan(account, path, prune=True)
    assert error.value.code == "changed"
    assert "old" in account.keyword_libs
