"""`--changed-since`: the files that git says were changed, in repositories made by git itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Repository
from trees import PNG

from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.sources import Selection, Sources
from moderate_cli.sources.changes import changed_since

OTHER = PNG + b"other"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository on a branch that left main after its first commit; main went on meanwhile."""
    repository = Repository.begin(tmp_path / "repository")
    old = dict.fromkeys(("kept.png", "changed.png", "moved.png", "gone.png", "sub/deep/a.png"), PNG)
    repository.commit(**old)
    repository.git("checkout", "--quiet", "-b", "branch")
    monkeypatch.chdir(repository.folder)
    return repository


def _on_main(repository: Repository, **files: str | bytes | None) -> None:
    repository.git("checkout", "--quiet", "main")
    repository.commit(**files)
    repository.git("checkout", "--quiet", "branch")


def _changed(*names: str, since: str = "main") -> set[str]:
    return set(changed_since(since, names).paths)


def _items(**options: object) -> tuple[set[str], Sources]:
    sources = Sources([], changes=changed_since("main", ()), **options)  # type: ignore[arg-type]
    return {item.source for item in sources}, sources


def test_what_was_added_modified_renamed_or_copied_is_changed(repository: Repository) -> None:
    repository.git("mv", "moved.png", "sub/moved.png")
    repository.commit(**{"new.png": PNG, "changed.png": OTHER, "copy.png": PNG, "gone.png": None, "notes.txt": "x"})
    _on_main(repository, **{"of-main.png": PNG, "kept.png": OTHER})
    expected = {"new.png", "changed.png", "copy.png", "sub/moved.png", "notes.txt"}
    assert _changed() == expected
    assert _changed(since="main~1") == expected
    items, sources = _items()
    assert items == expected - {"notes.txt"}
    assert sources.non_images == 1


def test_what_is_not_committed_yet_counts_too_once_git_knows_the_file(repository: Repository) -> None:
    repository.commit(**{"undone.png": OTHER, "removed.png": OTHER})
    for name in ("changed.png", "staged.png", "untracked.png"):
        repository.write(name, OTHER)
    repository.git("add", "staged.png")
    repository.write("removed.png", None)
    os.utime(repository.folder / "kept.png", (1, 1))
    assert _changed() == {"undone.png", "changed.png", "staged.png"}


@pytest.mark.parametrize("name", ['a b\n\t".png', "ümläut 图.png", "-rf.png", ":(top)x.png", "[1]*.png", " .png"])
def test_any_name_will_do(repository: Repository, name: str) -> None:
    repository.commit(**{name: OTHER})
    assert _changed() == {name}
    assert _changed(name) == {name}


def test_a_name_that_is_not_utf_8_will_do(repository: Repository) -> None:
    Path(os.fsdecode(b"\xff.png")).write_bytes(OTHER)
    repository.commit()
    assert _changed() == {"\udcff.png"}


def test_names_are_relative_to_the_working_folder(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit(**{"changed.png": OTHER, "sub/b.png": OTHER, "sub/deep/a.png": OTHER})
    repository.git("config", "diff.relative", "true")
    monkeypatch.chdir(repository.folder / "sub")
    assert _changed() == {"../changed.png", "b.png", "deep/a.png"}
    assert _changed(".") == {"b.png", "deep/a.png"}
    assert _items()[0] == {"../changed.png", "b.png", "deep/a.png"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["sub"], {"sub/b.png", "sub/deep/a.png"}),
        (["sub/", "changed.png"], {"changed.png", "sub/b.png", "sub/deep/a.png"}),
        (["sub/*.png"], {"sub/b.png"}),
        (["**/a.png"], {"sub/deep/a.png"}),
        (["kept.png"], set()),
        (["gone.png"], set()),
        (["link"], {"sub/deep/a.png"}),
        (["../repository/sub/deep"], {"sub/deep/a.png"}),
        (["*.gif"], set()),
    ],
)
def test_sources_limit_it(repository: Repository, names: list[str], expected: set[str]) -> None:
    repository.commit(**{"changed.png": OTHER, "sub/b.png": OTHER, "sub/deep/a.png": OTHER, "gone.png": None})
    Path("link").symlink_to("sub/deep")
    assert _changed(*names) == expected
    assert _changed(str(Path("sub").resolve()), Path("changed.png").resolve().as_uri()) == {
        *("changed.png", "sub/b.png", "sub/deep/a.png")
    }


def test_a_file_with_the_name_of_a_glob_hides_nothing_that_the_glob_matches(repository: Repository) -> None:
    repository.commit(**{"sub/*.png": OTHER, "sub/bad.png": OTHER, "a[1].png": OTHER, "a1.png": OTHER})
    assert _changed("sub/*.png") == {"sub/*.png", "sub/bad.png"}
    assert _changed("a[1].png") == {"a[1].png", "a1.png"}


@pytest.mark.parametrize("name", ["sbu", "sub/c.png", "-", "https://example.com/a.png", "oss://b/k", ""])
def test_a_source_that_stands_for_nothing_is_refused(repository: Repository, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        changed_since("main", [name])
    assert repr(name) in caught.value.message


def test_ignore_files_and_patterns_count(repository: Repository) -> None:
    repository.commit(**{"a.png": OTHER, "b.png": OTHER, "sub/c.png": OTHER, ".moderateignore": "b.*\n*ignore\n"})
    items, sources = _items(selection=Selection(exclude=("sub/",)))
    assert items == {"a.png"}
    assert (sources.ignored, dict(sources.ignored_by)) == (3, {".moderateignore": 1})
    assert _items(selection=Selection(include=("sub/",), ignore_files=False))[0] == {"sub/c.png"}


def test_links_are_followed_inside_of_the_repository_only(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PNG)
    for name, target in (("in.png", "kept.png"), ("out.png", "../secret.png"), ("folder.png", "sub"), ("no.png", "x")):
        Path(name).symlink_to(target)
    repository.commit()
    items, sources = _items()
    assert items == {"in.png", "no.png"}
    assert sources.links == 1
    assert _items(selection=Selection(follow_links=True))[0] == {"in.png", "no.png", "out.png"}


def test_a_submodule_has_changes_of_its_own(repository: Repository, tmp_path: Path) -> None:
    other = Repository.begin(tmp_path / "other")
    other.commit(**{"x.png": PNG})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "module")
    repository.commit(**{"a.png": OTHER})
    assert _items()[0] == {"a.png"}


@pytest.mark.parametrize("revision", ["", " ", "-O/tmp/x", "--output=x", "a\0b", "nope", "main..branch", "origin/"])
def test_what_is_no_revision_is_refused(repository: Repository, revision: str) -> None:
    with pytest.raises(UsageError) as caught:
        changed_since(revision, ())
    assert caught.value.message.startswith("--changed-since: ")
    assert caught.value.hint


def test_a_shallow_clone_says_what_to_fetch(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(**{"a.png": OTHER})
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=1", repository.folder.as_uri(), str(shallow))
    monkeypatch.chdir(shallow)
    for revision in ("origin/main", "FETCH_HEAD"):
        with pytest.raises(UsageError) as caught:
            changed_since(revision, ())
        assert "fetch-depth: 0" in (caught.value.hint or "")
        Repository(shallow).git("fetch", "--quiet", "--depth=1", "origin", "main")
    Repository(shallow).git("fetch", "--quiet", "--unshallow", "origin", "main")
    assert _changed(since="FETCH_HEAD") == {"a.png"}


def test_without_a_repository_and_without_git(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="not a git repository"):
        changed_since("main", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="--changed-since needs git"):
        changed_since("main", ())


def test_a_repository_without_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Repository.begin(tmp_path / "new").folder)
    with pytest.raises(UsageError, match="unknown revision 'HEAD'"):
        changed_since("HEAD", ())


def test_nothing_of_the_repository_is_run(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "was-run"
    command = f"touch '{marker}'; cat"
    repository.commit(**{".gitattributes": "* diff=x filter=x\n*.png filter=y=z", "a.png": OTHER})
    keys = ("core.fsmonitor", "diff.external", "diff.x.command", "diff.x.textconv", "core.pager", "filter.x.clean")
    for key in (*keys, "filter.x.process", "filter.y=z.clean", "filter.y=z.smudge"):
        repository.git("config", key, command)
    repository.git("config", "filter.x.required", "true")
    for hook in ("post-checkout", "post-index-change", "fsmonitor-watchman"):
        repository.write(f".git/hooks/{hook}", f"#!/bin/sh\n{command}\n").chmod(0o755)
    repository.write("changed.png", OTHER)
    os.utime("kept.png", (1, 1))
    assert _changed() == {".gitattributes", "a.png", "changed.png"}
    assert not marker.exists()
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(["git", "config", "core.worktree", str(tmp_path)], check=True, capture_output=True)
    with pytest.raises(UsageError, match="working tree is not where the repository is"):
        changed_since("main", ())


def test_the_users_own_settings_for_git_are_kept(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.git("config", "filter.x.clean", "cat")
    repository.commit(**{"a.png": OTHER})
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bare")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "maybe")
    with pytest.raises(UsageError, match=r"core\.bare"):
        changed_since("main", ())


@pytest.mark.parametrize("command", ["sync", "batch", "async-submit"])
def test_each_command_judges_what_was_changed(
    moderate: Callable, account: dict[str, str], repository: Repository, command: str
) -> None:
    nothing = moderate(command, "--changed-since", "main", variables=account)
    assert (nothing.code, nothing.stdout) == (ExitCode.OK, "")
    assert "no changed image found" in nothing.stderr
    poster = Path(__file__).parents[1] / "data" / "poster-qr.png"
    repository.commit(**{"sub/new.png": poster.read_bytes()})
    for more in ((), ("sub", "--dry-run")):
        result = moderate(command, "--changed-since", "main", *more, variables=account)
        assert result.code == ExitCode.OK, result.stderr + result.stdout
        assert (result.code, [record["source"] for record in result.records]) == (ExitCode.OK, ["sub/new.png"])
    refused = moderate(command, "--changed-since", "nope", variables={})
    assert (refused.code, refused.stdout) == (ExitCode.USAGE, "")
    refused = moderate(command, "--changed-since", "main", "--files-from", "x", variables={})
    assert refused.code == ExitCode.USAGE
    assert "--changed-since takes no list" in refused.stderr
