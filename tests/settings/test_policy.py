"""`--policy-from`: the files of a revision in place of the working tree's, read without running anything of either."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from repositories import Repository
from worlds import World

from moderate_cli.common.errors import UsageError
from moderate_cli.settings import policy as policy_module
from moderate_cli.settings.locate import user_file
from moderate_cli.settings.notices import lines_about
from moderate_cli.settings.policy import Policy
from moderate_cli.sources import ignore


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World.begin(tmp_path, monkeypatch, is_trusted=False)
    shutil.rmtree(world.folder / ".git")
    return world


@pytest.fixture
def repository(world: World) -> Repository:
    return Repository.begin(world.folder)


def _read(policy: Policy, path: Path) -> bytes | None:
    return policy.read_ignore_file(str(path), otherwise=lambda name: Path(name).read_bytes())


def _overridden(policy: Policy) -> list[str]:
    return [line.removeprefix("the working tree's ").split(" is ignored")[0] for line in policy.overridden]


def test_the_projects_file_is_that_of_the_revision_and_trusted(world: World, repository: Repository) -> None:
    base = repository.commit(**{"moderate.yaml": "services: a\nprofile: p\nprofiles: {p: {jobs: 3}}"})
    repository.commit(**{"moderate.yaml": "services: b\nendpoint: evil.example\nfail_no: x"})
    for revision, name in ((base, base[:12]), ("main~1", "main~1"), ("HEAD^", "HEAD^")):
        for settings in (world.resolve(policy_from=revision), world.resolve({"MODERATE_POLICY_FROM": revision})):
            assert (settings.services, settings.jobs, settings.endpoint) == (("a",), 3, None)
            assert settings.origins["services"] == f"{name}:moderate.yaml:1"
            assert settings.policy
            assert _overridden(settings.policy) == ["moderate.yaml"]
            assert next(lines_about(settings)).startswith(f"settings from {name}:moderate.yaml (policy from {name}); ")
    assert world.refused().message.startswith("moderate.yaml:3: unknown key 'fail_no'")


def test_a_file_that_the_revision_lacks_does_not_count(world: World, repository: Repository) -> None:
    repository.commit()
    repository.write("moderate.yaml", "jobs: 3")
    settings = world.resolve(policy_from="HEAD")
    assert settings.jobs == 64
    assert settings.policy
    assert list(settings.policy.overridden) == ["the working tree's moderate.yaml is ignored: policy from HEAD"]


def test_the_nearest_file_of_the_revision_counts(
    world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(**{"moderate.yaml": "services: top", "a/moderate.yaml": "services: a", "a/b/x": ""})
    repository.write("a/b/moderate.yaml", "services: b")
    repository.write("a/moderate.yaml", None)
    monkeypatch.chdir(world.folder / "a" / "b")
    settings = world.resolve(policy_from="main")
    assert settings.origins["services"] == "main:a/moderate.yaml:1"
    assert settings.policy
    assert _overridden(settings.policy) == ["moderate.yaml"]
    assert settings.policy.nearest(".moderate-suppressions.yaml").exists is False


def test_the_ends_of_lines_are_no_difference(world: World, repository: Repository) -> None:
    repository.commit(**{"moderate.yaml": "jobs: 3\nvpc: true\n"})
    repository.write("moderate.yaml", "jobs: 3\r\nvpc: true\r\n")
    settings = world.resolve(policy_from="HEAD")
    assert settings.policy
    assert not settings.policy.overridden


def test_files_that_are_named_are_those_of_the_revision_too(world: World, repository: Repository) -> None:
    repository.commit(**{"ci/mine.yaml": "services: a"})
    repository.write("ci/mine.yaml", "services: b")
    repository.write("new.yaml", "services: c")
    assert world.resolve(policy_from="HEAD", config="ci/mine.yaml").services == ("a",)
    outside = world.folder.with_name("outside.yaml")
    outside.write_text("services: d")
    assert world.resolve(policy_from="HEAD", config=str(outside)).services == ("d",)
    error = world.refused(policy_from="HEAD", config="new.yaml")
    assert error.message == "there is no settings file HEAD:new.yaml"
    assert error.hint == "name a file that is committed there, or one outside of the repository"


def test_nor_does_a_home_in_the_checkout_help(
    world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some runners have the working tree as their home, where a change could bring a user's file along."""
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(world.folder))
    repository.commit()
    world.user("endpoint: evil.example")
    assert world.resolve().endpoint == "evil.example"
    settings = world.resolve(policy_from="HEAD")
    assert (settings.endpoint, settings.files.user) == (None, None)
    assert settings.policy
    assert _overridden(settings.policy) == [os.path.relpath(user_file())]


@pytest.mark.parametrize("name", ["moderate.yaml", "sub"])
def test_a_link_or_a_folder_of_the_revision_is_refused(world: World, repository: Repository, name: str) -> None:
    repository.commit(**{"other.yaml": "jobs: 3", "sub/moderate.yaml": "jobs: 3"})
    if name == "moderate.yaml":
        (world.folder / name).symlink_to("other.yaml")
        repository.commit()
        assert world.refused(policy_from="HEAD").message == "HEAD:moderate.yaml is not a regular file"
    assert world.refused(policy_from="HEAD", config=name).message == f"HEAD:{name} is not a regular file"


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("nope", "unknown revision 'nope'"),
        ("0" * 40, f"unknown revision '{'0' * 40}'"),
        ("main:moderate.yaml", "unknown revision 'main:moderate.yaml'"),
        ("", "'' is not a revision"),
        (" ", "' ' is not a revision"),
        ("--all", "'--all' is not a revision"),
        ("-x", "'-x' is not a revision"),
        ("a\0b", "'a\\x00b' is not a revision"),
        ("main; touch x", "unknown revision 'main; touch x'"),
        ("$(touch x)", "unknown revision '$(touch x)'"),
    ],
)
def test_a_revision_that_does_not_exist(world: World, repository: Repository, revision: str, words: str) -> None:
    repository.commit(**{"moderate.yaml": "jobs: 3"})
    error = world.refused(policy_from=revision)
    assert error.message == f"--policy-from: {words}"
    assert error.hint
    assert not (world.folder / "x").exists()


def test_outside_of_a_repository(world: World) -> None:
    error = world.refused(policy_from="main")
    assert error.message.startswith("--policy-from: git failed: 'fatal: not a git repository")


def test_without_git(world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit()
    monkeypatch.setenv("PATH", str(world.folder))
    assert world.refused(policy_from="main").message == "--policy-from needs git"
    program = repository.write("git", "#!/bin/sh\ntouch was-run\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", ".")
    assert world.refused(policy_from="main").message == "--policy-from needs git"
    assert not (world.folder / "was-run").exists()


def test_ignore_files_are_those_of_the_revision(
    world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(
        **{".gitignore": "a", "sub/.moderateignore": "b", "same/.gitignore": "c", "ümläut \n/.gitignore": "d"}
    )
    repository.write(".gitignore", "*")
    repository.write("sub/.moderateignore", None)
    repository.write("new/.gitignore", "*")
    policy = Policy.open("HEAD")
    said: list[str] = []
    policy.tell(said.append)

    def read(name: str) -> bytes | None:
        return _read(policy, world.folder / name)

    assert [read(".gitignore"), read("sub/.moderateignore"), read("same/.gitignore")] == [b"a", b"b", b"c"]
    assert [read("ümläut \n/.gitignore"), read("new/.gitignore"), read("sub/.gitignore")] == [b"d", None, None]
    assert read(".gitignore") == b"a"
    assert said == [
        "the working tree's .gitignore is ignored: policy from HEAD",
        f"the working tree's {Path('new', '.gitignore')} is ignored: policy from HEAD",
    ]
    outside = world.folder.with_name(".gitignore")
    outside.write_bytes(b"e")
    assert _read(policy, outside) == b"e"
    monkeypatch.chdir(world.folder / "sub")
    link = world.folder.with_name("link")
    link.symlink_to(world.folder)
    assert _read(policy, link / "same" / ".gitignore") == b"c"


def test_all_ignore_files_are_looked_for() -> None:
    assert policy_module.IGNORE_FILES == ignore.IGNORE_FILES


def test_a_link_is_no_ignore_file(world: World, repository: Repository) -> None:
    (world.folder / ".gitignore").symlink_to("other")
    repository.commit(other="*")
    policy = Policy.open("HEAD")
    assert _read(policy, world.folder / ".gitignore") is None
    assert _overridden(policy) == [".gitignore"]


def test_many_files_that_do_not_count_are_told_in_a_few_lines(world: World, repository: Repository) -> None:
    repository.commit()
    policy = Policy.open("HEAD")
    said: list[str] = []
    policy.tell(said.append)
    for number in range(100):
        _read(policy, repository.write(f"{number:02}/.gitignore", "*"))
    assert len(said) == 21
    assert said[-1] == "the working tree's further files are ignored: policy from HEAD"
    assert said == list(policy.overridden)


def test_nothing_of_a_repository_is_run(
    world: World, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither hooks nor what the configuration names, nor that of a bare repository inside of the working tree."""
    marker = tmp_path / "was-run"
    command = f"touch '{marker}'"
    repository.commit(**{"moderate.yaml": "jobs: 3", ".gitattributes": "* diff=x filter=x", "a.x": "x"})
    for key in (
        "core.fsmonitor",
        "diff.external",
        "diff.x.textconv",
        "filter.x.smudge",
        "core.pager",
        "core.sshCommand",
    ):
        repository.git("config", key, command)
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        repository.write(f".git/hooks/{hook}", f"#!/bin/sh\n{command}\n").chmod(0o755)
    policy = world.resolve(policy_from="HEAD").policy
    assert policy
    assert _read(policy, world.folder / ".gitignore") is None
    bare = world.folder / "bare"
    repository.git("init", "--quiet", "--bare", str(bare))
    repository.git("--git-dir", str(bare), "config", "core.fsmonitor", command)
    monkeypatch.chdir(bare)
    message = world.refused(policy_from="HEAD").message
    assert message.startswith("--policy-from: git failed: ")
    assert not marker.exists()


def test_objects_are_taken_as_they_are(world: World, repository: Repository) -> None:
    base = repository.commit(**{"moderate.yaml": "jobs: 3"})
    other = repository.commit(**{"moderate.yaml": "jobs: 5"})
    repository.git("replace", base, other)
    assert world.resolve(policy_from=base).jobs == 3


def test_the_users_own_variables_for_git_are_kept(
    world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository.commit(**{"moderate.yaml": "jobs: 3"})
    moved = tmp_path / "elsewhere.git"
    (world.folder / ".git").rename(moved)
    with pytest.raises(UsageError):
        Policy.open("main")
    monkeypatch.setenv("GIT_DIR", str(moved))
    monkeypatch.setenv("GIT_WORK_TREE", str(world.folder))
    assert world.resolve(policy_from="main").jobs == 3
