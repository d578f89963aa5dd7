"""A project's file is a stranger's: what counts of one that nobody trusts, where it is looked for, who is trusted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worlds import World, values

from moderate_cli.common.errors import UsageError
from moderate_cli.settings import SETTINGS, Settings
from moderate_cli.settings.edit import distrust, trust
from moderate_cli.settings.locate import user_file, why_unsafe
from moderate_cli.settings.notices import lines_about

posix = pytest.mark.skipif(os.name != "posix", reason="no owners and modes here")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch, is_trusted=False)


def _ignored(settings: Settings) -> tuple[str, ...]:
    assert settings.files.project
    return settings.files.project.ignored


# --- what counts


def test_of_a_strangers_file_only_these_keys_may_count() -> None:
    """A new setting belongs to one side or the other: whoever adds it decides here."""
    may_count = {"info_types", "fail_on", "require_full", "min_level", "qps", "jobs", "max_calls", "confirm_above"}
    ignored = {"region", "endpoint", "vpc", "services", "allow_partial", "retries", "timeout", "failover", "reuse"}
    ignored |= {"store", "rules", "fetch_urls", "include", "exclude", "prices", "params_in", "credentials", "quota"}
    ignored |= {"oss_profile"}
    assert may_count | ignored == set(SETTINGS)
    assert not may_count & ignored


@pytest.mark.parametrize(
    "name",
    [
        *("region", "endpoint", "vpc", "services", "allow_partial", "retries", "timeout", "failover", "reuse"),
        *("store", "rules", "fetch_urls", "include", "exclude", "prices", "params_in", "credentials", "quota"),
        "oss_profile",
    ],
)
def test_a_strangers_file_has_no_say_in_whom_what_and_how(world: World, name: str) -> None:
    before = world.resolve()
    world.project(f"{name}: {SETTINGS[name].example}")
    settings = world.resolve()
    assert values(settings) == values(before)
    assert _ignored(settings) == (name,)


def test_nor_has_its_profile(world: World) -> None:
    world.project("profile: local\nprofiles: {p: {endpoint: evil.example}}")
    settings = world.resolve()
    assert not settings.local
    assert _ignored(settings) == ("profile", "profiles")
    for error in (world.refused(profile="p"), world.refused({"MODERATE_PROFILE": "p"})):
        assert error.message == "the profile 'p' is defined in moderate.yaml, which is not trusted"
        assert error.hint
        assert "moderate config trust" in error.hint
    world.user("profiles: {p: {jobs: 5}}")
    assert (world.resolve(profile="p").jobs, world.resolve(profile="p").endpoint) == (5, None)


def test_nor_can_it_trust_itself(world: World) -> None:
    world.project(f"region: cn-beijing\ntrusted_folders: [{world.folder}]")
    settings = world.resolve()
    assert settings.region == "ap-southeast-1"
    assert _ignored(settings) == ("region", "trusted_folders")
    trust(world.folder)
    settings = world.resolve()
    assert (settings.region, _ignored(settings)) == ("cn-beijing", ("trusted_folders",))


@pytest.mark.parametrize(
    ("key", "stricter", "weaker"),
    [
        ("fail_on", "low", "high"),
        ("fail_on", "medium", "never"),
        ("require_full", "true", "false"),
        ("min_level", "low", "high"),
        ("qps", "2", "50"),
        ("jobs", "2", "20"),
        ("max_calls", "3", "1000"),
        ("confirm_above", "3", "1000"),
    ],
)
def test_what_is_stricter_counts(world: World, key: str, stricter: str, weaker: str) -> None:
    own = {
        "fail_on": "medium",
        "require_full": "true",
        "min_level": "medium",
        "qps": 10,
        "jobs": 10,
        "max_calls": 10,
        "confirm_above": 10,
    }
    world.user(f"{key}: {own[key]}")
    before = world.resolve()
    world.project(f"{key}: {weaker}")
    assert (values(world.resolve()), _ignored(world.resolve())) == (values(before), (key,))
    world.project(f"{key}: {stricter}")
    settings = world.resolve()
    assert settings.origins[key] == "moderate.yaml:1"
    assert _ignored(settings) == ()
    option = SETTINGS[key].type.check(getattr(before, key))
    assert world.resolve({SETTINGS[key].variable: str(own[key])}).origins[key] == SETTINGS[key].variable
    assert world.resolve(**{key: option}).origins[key] == f"--{key}"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("fail_on: high", True),
        ("require_full: false", True),
        ("min_level: low", False),
        ("qps: 100", True),
        ("qps: 101", False),
        ("jobs: 64", True),
        ("max_calls: 0", True),
        ("info_types: []", True),
    ],
)
def test_what_is_stricter_than_the_defaults_counts(world: World, text: str, counts: bool) -> None:
    world.project(text)
    assert bool(_ignored(world.resolve())) is not counts


def test_a_quota_is_that_of_the_services_in_force(world: World) -> None:
    world.project("qps: 60")
    assert world.resolve().qps == 60
    assert world.resolve(services=["baselineCheckByVL"]).qps is None


def test_what_is_broken_is_an_error_of_a_strangers_file_too(world: World) -> None:
    world.project("endpoint: evil.example\nfail_no: never")
    assert world.refused().message == "moderate.yaml:2: unknown key 'fail_no', did you mean 'fail_on'?"


# --- whom the user trusts


@pytest.mark.parametrize("place", [".", "..", "deep/er"])
def test_a_trusted_folder_and_what_is_below_it(world: World, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = world.folder / place
    folder.mkdir(parents=True, exist_ok=True)
    world.project("services: a")
    (world.folder / "deep").mkdir(exist_ok=True)
    trust(folder)
    assert (world.resolve().services == ("a",)) == (place != "deep/er")
    monkeypatch.chdir(world.folder / "deep")
    assert (world.resolve().services == ("a",)) == (place != "deep/er")


def test_a_folder_beside_it_is_not_trusted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    other = world.folder.with_name("project-of-mallory")
    other.mkdir()
    (other / "moderate.yaml").write_text("services: a")
    trust(world.folder)
    monkeypatch.chdir(other)
    assert world.resolve().services == ("baselineCheck_global",)


def test_a_file_that_is_named_is_trusted(world: World) -> None:
    (world.folder / "mine.yaml").write_text("services: a")
    for settings in (world.resolve(config="mine.yaml"), world.resolve({"MODERATE_CONFIG": "mine.yaml"})):
        assert settings.services == ("a",)
        assert settings.files.project
        assert settings.files.project.trust == "named by you"


def test_links_are_followed_before_a_folder_is_trusted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = world.folder.with_name("theirs")
    theirs.mkdir()
    (theirs / "moderate.yaml").write_text("services: a")
    (world.folder / "link").symlink_to(theirs)
    trust(world.folder)
    monkeypatch.chdir(world.folder / "link")
    assert world.resolve().services == ("baselineCheck_global",)


# --- where the search ends, and whose files are passed over


def test_the_search_ends_at_the_home_folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moderate.yaml").write_text("jobs: 3")
    inside = tmp_path / "home" / "pictures"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert world.resolve().jobs == 64
    (tmp_path / "home" / "moderate.yaml").write_text("jobs: 5")
    assert world.resolve().jobs == 5


@posix
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_file_in_a_folder_that_is_writable_for_all(
    world: World, monkeypatch: pytest.MonkeyPatch, mode: int, tmp_path: Path
) -> None:
    shared, work = tmp_path / "shared", tmp_path / "shared" / "mine" / "deep"
    work.mkdir(parents=True)
    shared.chmod(mode)
    (shared / "moderate.yaml").write_text("jobs: 3")
    monkeypatch.chdir(work)
    settings = world.resolve()
    assert (settings.jobs, settings.files.project) == (64, None)
    reason = f"{Path('..', '..', 'moderate.yaml')} is ignored: its folder is world-writable"
    assert settings.files.refused == (reason,)
    assert list(lines_about(settings, quiet=True)) == [reason]
    (tmp_path / "moderate.yaml").write_text("jobs: 5")
    assert world.resolve().jobs == 5  # as if the refused one were not there
    with pytest.raises(UsageError, match="its folder is world-writable"):
        trust(shared)
    assert world.resolve(config=str(shared / "moderate.yaml")).jobs == 3


@posix
def test_a_file_that_is_writable_for_all(world: World) -> None:
    world.project("jobs: 3")
    (world.folder / "moderate.yaml").chmod(0o666)
    settings = world.resolve()
    assert settings.files.refused == ("moderate.yaml is ignored: it is world-writable",)
    assert (settings.jobs, settings.files.project) == (64, None)


@posix
def test_what_belongs_to_somebody_else_and_what_to_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "moderate.yaml"
    path.write_text("jobs: 3")
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1 if me else 0)
    assert why_unsafe(path) == ("its folder belongs to another user" if me else None)


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else(world: World) -> None:
    world.project("jobs: 3")
    os.chown(world.folder / "moderate.yaml", 12345, -1)
    assert world.resolve().files.refused == ("moderate.yaml is ignored: it belongs to another user",)
    assert world.resolve().jobs == 64
    os.chown(world.folder, 12345, -1)
    assert world.resolve().files.refused == ("moderate.yaml is ignored: its folder belongs to another user",)
    assert world.resolve().jobs == 64


# --- what is said


def test_one_line_names_the_files_what_is_ignored_and_the_endpoint(world: World) -> None:
    assert list(lines_about(world.resolve())) == []
    world.user("jobs: 5")
    assert list(lines_about(world.resolve())) == []
    world.project("endpoint: evil.example\nservices: a\nfail_on: high")
    own = str("~" / user_file().relative_to(Path.home()))
    told = (
        "settings from moderate.yaml (not trusted: endpoint, services ignored; `moderate config trust` trusts this "
        f"folder) and {own}; endpoint green-cip.ap-southeast-1.aliyuncs.com"
    )
    assert list(lines_about(world.resolve())) == list(lines_about(world.resolve(), quiet=True)) == [told]
    trust(world.folder)
    told = f"settings from moderate.yaml ({world.folder} is trusted) and {own}; endpoint evil.example"
    assert list(lines_about(world.resolve())) == [told]
    assert list(lines_about(world.resolve(), quiet=True)) == []
    assert next(lines_about(world.resolve(profile="local"))).endswith("; the local engine")
    world.project("# nothing")
    assert list(lines_about(world.resolve())) == []


# --- the list of trusted folders


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "{head}\ntrusted_folders:\n- {new}\n"),
        ("jobs: 3", "jobs: 3\n{head}\ntrusted_folders:\n- {new}\n"),
        ("# mine\njobs: 3 # few\n", "# mine\njobs: 3 # few\n{head}\ntrusted_folders:\n- {new}\n"),
        ("trusted_folders:\njobs: 3\n", "trusted_folders:\n- {new}\njobs: 3\n"),
        ("trusted_folders: []\n# x\njobs: 3\n", "trusted_folders:\n- {new}\n# x\njobs: 3\n"),
        ("trusted_folders: [\n  /a, /b\n]\njobs: 3\n", "trusted_folders:\n- /a\n- /b\n- {new}\njobs: 3\n"),
        (
            "trusted_folders:\n  - /a\n  - '/b c'\n\n# x\njobs: 3\n",
            "trusted_folders:\n- /a\n- /b c\n- {new}\n\n# x\njobs: 3\n",
        ),
        ("jobs: 3\r\nvpc: true\r\n", "jobs: 3\r\nvpc: true\r\n{head}\r\ntrusted_folders:\r\n- {new}\r\n"),
    ],
)
def test_only_the_list_is_rewritten(world: World, before: str, after: str) -> None:
    path = user_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(before.encode())
    said = trust(world.folder)
    head = "# Folders whose moderate.yaml counts in full; `moderate config trust` and `untrust` write them."
    assert path.read_bytes().decode() == after.format(head=head, new=world.folder)
    assert said.startswith(f"trusted {world.folder} and its subfolders, in ~")
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert trust(world.folder) == f"{world.folder} is trusted"
    assert distrust(world.folder) == f"{world.folder} is no longer trusted"
    text = path.read_bytes().decode()
    assert str(world.folder) not in text
    assert head not in text
    assert distrust(world.folder) == f"{world.folder} is not trusted"


def test_a_folder_below_a_trusted_one_stays_trusted(world: World) -> None:
    deep = world.folder / "deep"
    deep.mkdir()
    trust(deep)
    trust(world.folder)
    with pytest.raises(UsageError, match="is still trusted") as caught:
        distrust(deep)
    assert caught.value.hint == "`moderate config untrust` that one"
    distrust(world.folder)
    assert trust(deep).startswith("trusted ")


@pytest.mark.parametrize("text", ["{jobs: 3}", "jobs: 3\n...\n"])
def test_a_file_that_cannot_be_added_to_stays_as_it_is(world: World, text: str) -> None:
    world.user(text)
    with pytest.raises(UsageError, match="cannot change ~") as caught:
        trust(world.folder)
    assert caught.value.hint
    assert user_file().read_text() == text


def _file(world: World) -> Path:
    world.project("")
    return world.folder / "moderate.yaml"


def _odd(world: World) -> Path:
    odd = world.folder / "a\nb"
    odd.mkdir()
    return odd


@pytest.mark.parametrize(("place", "words"), [(_file, "is not a folder"), (_odd, "whose name is not plain text")])
def test_what_cannot_be_trusted(world: World, place: Callable[[World], Path], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        trust(place(world))
    assert not user_file().exists()


@pytest.mark.parametrize("value", ["here", "[here]", "[~/x]", "3", "{a: b}", "[3]", "[[/a]]"])
def test_the_list_holds_absolute_paths(world: World, value: Any) -> None:
    world.user(f"trusted_folders: {value}")
    assert "config.yaml:1: trusted_folders must be a list of absolute paths, not" in world.refused().message
