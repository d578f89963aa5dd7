"""`moderate config` from the command line, and how options become settings."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from invocation import Result

from moderate_cli.app.spec import GateOptions, ImageOptions, OutputOptions, ServiceOptions
from moderate_cli.cli import COMMANDS, load
from moderate_cli.cli.flatten import flatten_options
from moderate_cli.cli.options import SettingsCommand, given_settings
from moderate_cli.common.errors import ExitCode
from moderate_cli.settings import SETTINGS
from moderate_cli.store import Store, default_path

DATA = Path(__file__).parents[1] / "data"
KEY = "zQ7canaryCANARY"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    for variable in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    return folder


def _trust(moderate: Callable, folder: Path) -> None:
    assert moderate("config", "trust", folder).code == ExitCode.OK


def _shown(result: Any) -> dict[str, tuple[Any, str]]:
    assert result.code == ExitCode.OK, result.stderr
    assert result.stderr == ""
    return {name: (row["value"], row["origin"]) for name, row in json.loads(result.stdout).items()}


def test_every_value_is_shown_with_its_origin(moderate: Callable, folder: Path) -> None:
    _trust(moderate, folder)
    (folder / "moderate.yaml").write_text(
        "jobs: 3\nreuse: 7d\nprofiles:\n  p:\n    vpc: on\n    credentials: {source: ini, profile: green}\n"
    )
    variables = {
        "MODERATE_QPS": "50",
        "ALIBABA_CLOUD_REGION_ID": "us-east-1",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": KEY,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY,
        "ALIBABA_CLOUD_SECURITY_TOKEN": KEY,
    }
    table = moderate("config", "show", "-p", "p", variables=variables)
    shown = _shown(moderate("config", "show", "-p", "p", "-f", "json", variables=variables))
    assert list(shown) == ["profile", *SETTINGS, "access key", "project file", "user file"]
    assert shown["profile"] == ("p", "--profile")
    assert shown["jobs"] == (3, "moderate.yaml:1")
    assert shown["reuse"] == ("7d", "moderate.yaml:2")
    assert shown["vpc"] == (True, "moderate.yaml:5 (profile p)")
    assert shown["credentials"] == ({"source": "ini", "profile": "green"}, "moderate.yaml:6 (profile p)")
    assert shown["qps"] == (50.0, "MODERATE_QPS")
    assert shown["region"] == ("us-east-1", "ALIBABA_CLOUD_REGION_ID")
    assert shown["info_types"] == (["customImage", "textInImage"], "default")
    assert shown["endpoint"] == (None, "default")
    assert KEY not in table.stdout
    assert KEY not in json.dumps(shown)


def test_the_table(moderate: Callable) -> None:
    result = moderate("config", "show", variables={"MODERATE_TIMEOUT": "2.5"})
    assert [re.split(" {2,}", line) for line in result.stdout.splitlines()] == [
        ["Setting", "Value", "Origin"],
        ["profile", "-", "default"],
        ["region", "ap-southeast-1", "default"],
        ["endpoint", "the region's", "default"],
        ["vpc", "false", "default"],
        ["services", "baselineCheck_global", "default"],
        ["info_types", "customImage,textInImage", "default"],
        ["fail_on", "never", "default"],
        ["allow_partial", "false", "default"],
        ["require_full", "false", "default"],
        ["min_level", "none", "default"],
        ["qps", "the documented quota", "default"],
        ["quota", "none is shared", "default"],
        ["jobs", "64", "default"],
        ["retries", "3", "default"],
        ["timeout", "2.5", "MODERATE_TIMEOUT"],
        ["failover", "none", "default"],
        ["reuse", "never", "default"],
        ["max_calls", "unlimited", "default"],
        ["confirm_above", "never", "default"],
        ["store", "store.db in the platform's state folder", "default"],
        ["rules", "none", "default"],
        ["fetch_urls", "false", "default"],
        ["include", "all images", "default"],
        ["exclude", "none", "default"],
        ["prices", "the list prices", "default"],
        ["params_in", "query", "default"],
        ["oss_profile", "oss:// is in your own account", "default"],
        ["credentials", "auto", "default"],
        [
            "access key",
            "not found",
            "no credentials: ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET are not set",
        ],
        ["project file", "-", "missing; its folder is not trusted"],
        ["user file", "-", "missing"],
    ]


def test_the_place_of_the_access_key_is_told_and_not_the_key(moderate: Callable, account: dict[str, str]) -> None:
    shown = _shown(moderate("config", "show", "-f", "json", variables=account))
    assert shown["access key"] == ("found", "environment (ALIBABA_CLOUD_ACCESS_KEY_ID)")


def test_the_table_for_the_local_profile_and_for_a_choice_of_credentials(moderate: Callable, folder: Path) -> None:
    _trust(moderate, folder)
    (folder / "moderate.yaml").write_text("credentials: {source: cli, profile: mine}\n")
    lines = moderate("config", "show", "-p", "local").stdout.splitlines()
    assert lines[2].split() == ["region", "-", "profile", "local"]
    assert re.split(" {2,}", lines[-3]) == ["access key", "found", "the local engine's own"]
    assert re.split(" {2,}", lines[-4]) == ["credentials", "source cli, profile mine", "moderate.yaml:1"]


def test_own_prices_are_shown_as_they_were_written(moderate: Callable, folder: Path) -> None:
    _trust(moderate, folder)
    (folder / "moderate.yaml").write_text("prices: {a: {amount: 0.5, currency: USD, per: 1000}}\n")
    [line] = [line for line in moderate("config", "show").stdout.splitlines() if line.startswith("prices")]
    assert re.split(" {2,}", line) == ["prices", "a amount 0.5, currency USD, per 1000", "moderate.yaml:1"]
    value = {"a": {"amount": 0.5, "currency": "USD", "per": 1000}}
    shown = _shown(moderate("config", "show", "-f", "json"))
    assert shown["prices"] == (value, "moderate.yaml:1")
    variables = {"MODERATE_PRICES": json.dumps(shown["prices"][0])}
    assert _shown(moderate("config", "show", "-f", "json", variables=variables))["prices"] == (value, "MODERATE_PRICES")


def test_a_bad_file_is_one_line_and_exit_2(moderate: Callable, folder: Path) -> None:
    (folder / "moderate.yaml").write_text("regoin: x\n")
    for arguments in (["config", "show"], ["sync", "."]):
        result = moderate(*arguments)
        assert result.code == ExitCode.USAGE
        assert result.stdout == ""
        assert result.stderr == "moderate: moderate.yaml:1: unknown key 'regoin', did you mean 'region'?\n"


def test_control_characters_do_not_reach_the_terminal(moderate: Callable, folder: Path) -> None:
    path = folder / "\x1b[31mred\u202e.yaml"
    path.write_text("jobs: 3\nregoin: x\n")
    broken = moderate("config", "show", "--config", path)
    path.write_text("jobs: 3\n")
    for result in (
        broken,
        moderate("config", "show", "--config", path),
        moderate("config", "show", "-f", "json", "--config", path),
        moderate("config", "path", "--config", path),
    ):
        text = result.stdout + result.stderr
        assert "red" in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert _shown(moderate("config", "show", "-f", "json", "--config", path))["jobs"] == (3, f"{path}:1")


# --- init


def test_init_writes_a_file_that_changes_nothing(moderate: Callable, folder: Path) -> None:
    before = _shown(moderate("config", "show", "-f", "json"))
    result = moderate("config", "init")
    assert (result.code, result.stdout, result.stderr) == (ExitCode.OK, "", "moderate: wrote moderate.yaml\n")
    after = _shown(moderate("config", "show", "-f", "json"))
    assert after.pop("project file") == ("moderate.yaml", "not trusted, but none of it is ignored")
    assert after == {name: row for name, row in before.items() if name != "project file"}
    assert [path.name for path in folder.iterdir() if path.name != ".git"] == ["moderate.yaml"]


def test_init_writes_over_nothing_unless_it_is_told_to(moderate: Callable, folder: Path) -> None:
    (folder / "moderate.yaml").write_text("jobs: 3\n")
    result = moderate("config", "init")
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert result.stderr == "moderate: 'moderate.yaml' already exists (--force overwrites it)\n"
    assert (folder / "moderate.yaml").read_text() == "jobs: 3\n"
    assert moderate("config", "init", "--force").code == ExitCode.OK
    assert "#jobs: 16" in (folder / "moderate.yaml").read_text()


def test_init_of_the_users_file_makes_its_folders(moderate: Callable, tmp_path: Path, folder: Path) -> None:
    assert moderate("config", "init", "--user").code == ExitCode.OK
    [path] = (tmp_path / "home").rglob("config.yaml")
    assert sys.platform == "win32" or path.stat().st_mode & 0o777 == 0o600
    assert not (folder / "moderate.yaml").exists()
    assert moderate("config", "init", "--user").code == ExitCode.USAGE
    assert moderate("config", "init", "--user", "--force").code == ExitCode.OK


# --- path


def test_path_tells_which_files_are_read(moderate: Callable, folder: Path, tmp_path: Path) -> None:
    def paths(*arguments: str | Path) -> list[list[str]]:
        result = moderate("config", "path", *arguments)
        assert (result.code, result.stderr) == (ExitCode.OK, "")
        return [line.split("\t") for line in result.stdout.splitlines()]

    (project, no, _), (user, neither, _), last = paths()
    assert (project, no, neither) == (str(folder / "moderate.yaml"), "missing", "missing")
    assert last == [str(default_path()), "missing", "store"]
    moderate("config", "init")
    moderate("config", "init", "--user")
    assert paths() == [[project, "read", "settings"], [user, "read", "settings"], last]
    assert paths("settings") == [[project], [user]]
    (tmp_path / "other.yaml").write_text("retries: 3")
    assert paths("--config", tmp_path / "other.yaml")[0] == [str(tmp_path / "other.yaml"), "read", "settings"]


def test_path_tells_where_the_store_is(moderate: Callable, folder: Path) -> None:
    variables = {"MODERATE_STORE": "state/store.db"}
    path = folder / "state" / "store.db"

    def lines(*arguments: str) -> list[str]:
        return moderate("config", "path", *arguments, variables=variables).stdout.splitlines()

    assert lines("store") == [str(path)]
    assert lines()[-1] == f"{path}\tmissing\tstore"
    Store.open(path).close()
    assert lines()[-1] == f"{path}\tthere\tstore"
    path.chmod(0o400)
    assert lines()[-1] == f"{path}\tread-only\tstore"
    checks = json.loads(moderate("doctor", "-p", "local", "-f", "json", variables=variables).stdout)["checks"]
    [check] = [check for check in checks if check["name"] == "store"]
    assert (check["status"], check["detail"].split(" is ")[0]) == ("skipped", str(path))


def test_path_tells_what_it_can_where_the_settings_are_wrong(moderate: Callable, folder: Path) -> None:
    done = moderate("config", "path", "--config", "no.yaml")
    assert (done.code, done.stdout.splitlines()[0]) == (ExitCode.OK, "no.yaml\tmissing\tsettings")
    assert "there is no settings file no.yaml" in done.stderr
    assert len(done.stdout.splitlines()) == 2
    done = moderate("config", "path", "store", "--config", "no.yaml")
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")


def test_a_group_needs_one_of_its_commands(moderate: Callable) -> None:
    for arguments in (["config"], ["config", "shwo"]):
        result = moderate(*arguments)
        assert (result.code, result.stdout) == (ExitCode.USAGE, "")
        assert "moderate config --help" in result.stderr
    assert moderate("config", "show", "--nope").stderr.endswith("(see moderate config show --help)\n")


# --- from options to settings


def _given(*arguments: str) -> dict[str, tuple[Any, str]]:
    seen: dict[str, tuple[Any, str]] = {}
    app = typer.Typer(add_completion=False)

    @app.command()
    @flatten_options
    def command(
        ctx: typer.Context, asked: ServiceOptions, images: ImageOptions, gate: GateOptions, output: OutputOptions
    ) -> None:
        seen.update({name: (sourced.value, sourced.origin) for name, sourced in given_settings(ctx).items()})

    typer.main.get_command(app).main(list(arguments), standalone_mode=False)
    return seen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--region", "eu-west-1"], {"region": ("eu-west-1", "--region")}),
        (["-s", "a,b", "--service", "c"], {"services": (("a,b", "c"), "--service")}),
        (["--info-type", ""], {"info_types": ("", "--info-type")}),
        (["-j", "3"], {"jobs": ("3", "--jobs")}),
        (["-p", "x", "--config", "y"], {"profile": ("x", "--profile"), "config": ("y", "--config")}),
        (["--vpc"], {"vpc": (True, "--vpc")}),
        (["--no-vpc"], {"vpc": (False, "--no-vpc")}),
        (["--qps", "2"], {"qps": ("2", "--qps")}),
        (["--retries", "0"], {"retries": ("0", "--retries")}),
        (["--timeout", "2"], {"timeout": ("2", "--timeout")}),
        (["--endpoint", "h"], {"endpoint": ("h", "--endpoint")}),
        (["--fail-on", "high"], {"fail_on": ("high", "--fail-on")}),
        (["--min-level", "low"], {"min_level": ("low", "--min-level")}),
        (["--quiet", "--data-id", "x"], {}),
    ],
)
def test_options_are_given_with_their_names(arguments: list[str], expected: dict[str, tuple[Any, str]]) -> None:
    assert _given(*arguments) == expected


def test_variables_are_left_to_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATE_JOBS", "3")
    monkeypatch.setenv("MODERATE_SERVICE", "a,b")
    assert _given() == {}


def test_several_services_are_for_batch(moderate: Callable, account: dict[str, str]) -> None:
    for arguments, variables in (
        (["-s", "a", "-s", "b"], {}),
        (["-s", "a,b"], {}),
        ([], {"MODERATE_SERVICE": "a,b"}),
        ([], {"MODERATE_SERVICE": "a b"}),
    ):
        result = moderate("sync", ".", *arguments, variables=account | variables)
        assert result.code == ExitCode.USAGE
        assert result.stderr == (
            "moderate: this command takes one service, not 2: a, b (`moderate batch` takes several)\n"
        )


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("jobs", "100", "must be a whole number from 1 to 64, not 100"),
        ("jobs", "many", "must be a whole number from 1 to 64, not 'many'"),
        ("timeout", "0.01", "must be a number from 0.1 to 3600, not 0.01"),
        ("retries", "9" * 50, f"must be a whole number from 0 to 10, not {'9' * 40}..."),
        ("max_calls", "-1", "must be a whole number of at least 0, not -1"),
        ("fail_on", "severe", "must be high, medium, low or never, not 'severe'"),
        ("min_level", "x" * 99, f"must be none, low, medium or high, not '{'x' * 40}...'"),
        ("reuse", "0d", "must be an age such as 30m, 12h or 7d, forever or never, not '0d'"),
        ("region", "x" * 40 + "/y", f": '{'x' * 40}...' is not a region id"),
    ],
)
def test_one_fault_has_one_text_wherever_the_value_came_from(
    moderate: Callable[..., Result], tmp_path: Path, name: str, text: str, fault: str
) -> None:
    (tmp_path / "some.yaml").write_text(f"{name}: {text}\n", encoding="utf-8")
    flag, variable = f"--{name.replace('_', '-')}", f"MODERATE_{name.upper()}"
    places = {
        flag: moderate("sync", tmp_path, f"{flag}={text}"),
        variable: moderate("sync", tmp_path, variables={variable: text}),
        f"{tmp_path / 'some.yaml'}:1: {name}": moderate("sync", tmp_path, "--config", tmp_path / "some.yaml"),
    }
    for place, result in places.items():
        assert result.code == ExitCode.USAGE
        space = "" if fault.startswith(":") else " "
        assert result.stderr.startswith(f"moderate: {place}{space}{fault}"), result.stderr


@pytest.mark.parametrize("variable", ["MODERATE_VPC", "MODERATE_ALLOW_PARTIAL", "MODERATE_REQUIRE_FULL"])
def test_the_variable_of_a_flag_is_read_as_all_are(
    moderate: Callable[..., Result], tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "maybe")
    for command in (("sync", tmp_path), ("poll",), ("multimodal", "--text", "x")):
        result = moderate(*command, variables={variable: "maybe"})
        assert result.code == ExitCode.USAGE
        assert result.stderr == f"moderate: {variable} must be true or false, not 'maybe'\n"
    assert moderate("sync", "--help", variables={variable: "maybe"}).code == ExitCode.OK


def test_each_command_with_a_flag_of_a_setting_reads_its_variable_so() -> None:
    variables = {setting.variable for setting in SETTINGS.values()}
    for command in (load(entry.name) for entry in COMMANDS):
        flags = [option for option in command.params if getattr(option, "is_bool_flag", False)]
        if any(option.envvar in variables for option in flags):
            assert isinstance(command, SettingsCommand), command.name


@pytest.mark.parametrize("group", [ServiceOptions, ImageOptions, GateOptions, OutputOptions])
def test_the_options_of_settings_are_those_of_the_table(group: type) -> None:
    by_variable = {setting.variable: setting for setting in SETTINGS.values()}
    for annotation in flatten_options(_with(group)).__annotations__.values():
        [option] = annotation.__metadata__
        setting = by_variable.get(option.envvar)
        if setting:
            assert option.help.startswith(setting.help)
            assert f"default: {setting.shown_default}]" in option.help
            assert (option.min, option.max) == (None, None)


def _with(group: type) -> Callable[..., None]:
    def command(options: Any) -> None:
        """Only the options count here."""

    command.__annotations__["options"] = group
    return command


def test_showing_settings_loads_neither_yaml_nor_tables(moderate: Callable) -> None:
    import subprocess

    code = (
        "import sys; from moderate_cli.common.environment import Environment; from moderate_cli.main import run;"
        "assert run(['config', 'show'], Environment()) == 0;"
        "print(sorted({'yaml', 'rich.table', 'oss2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


# --- trust


def test_trust_and_untrust(moderate: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "moderate.yaml").write_text("services: a\nprofile: local\n")
    deep = folder / "deep"
    deep.mkdir()
    monkeypatch.chdir(deep)  # the folder that is trusted is that of the file

    def row() -> tuple[Any, str]:
        return _shown(moderate("config", "show", "-f", "json"))["project file"]

    name = str(Path("..", "moderate.yaml"))
    assert row() == (name, "not trusted: services, profile ignored; `moderate config trust` trusts this folder")
    result = moderate("config", "trust")
    assert (result.code, result.stdout) == (ExitCode.OK, "")
    assert result.stderr.startswith(f"moderate: trusted {folder} and its subfolders, in ~")
    assert row() == (name, f"{folder} is trusted")
    shown = _shown(moderate("config", "show", "-f", "json"))
    assert shown["services"] == (["a"], f"{name}:1")
    assert shown["user file"][1] == "your own"
    assert moderate("config", "untrust", folder).stderr == f"moderate: {folder} is no longer trusted\n"
    assert row()[1].startswith("not trusted: ")
    assert moderate("config", "trust", folder / "moderate.yaml").code == ExitCode.USAGE


@pytest.mark.skipif(sys.platform == "win32", reason="no modes here")
def test_what_is_refused_is_shown_with_its_reason(moderate: Callable, folder: Path) -> None:
    (folder / "moderate.yaml").write_text("services: a\n")
    folder.chmod(0o777)
    reason = "moderate.yaml is ignored: its folder is world-writable"
    assert _shown(moderate("config", "show", "-f", "json"))["refused"] == (None, reason)
    paths = moderate("config", "path")
    assert f"moderate: {reason}\n" in paths.stderr
    assert paths.stdout.splitlines()[0] == f"{folder / 'moderate.yaml'}\trefused\tsettings"
    doctor = json.loads(moderate("doctor", "-p", "local", "-f", "json").stdout)
    assert [check["detail"] for check in doctor["checks"] if check["name"] == "refused"] == [reason]


def test_the_doctor_tells_of_a_projects_file(moderate: Callable, folder: Path) -> None:
    def detail() -> list[str]:
        document = json.loads(moderate("doctor", "-p", "local", "-f", "json").stdout)
        return [check["detail"] for check in document["checks"] if check["name"] == "project file"]

    assert detail() == []
    (folder / "moderate.yaml").write_text("services: a\n")
    words = "not trusted: services ignored; `moderate config trust` trusts this folder"
    assert detail() == [f"moderate.yaml ({words})"]
    _trust(moderate, folder)
    assert detail() == [f"moderate.yaml ({folder} is trusted)"]


# --- settings that files can say since they are settings


def test_max_calls_store_and_exclude_of_a_file(moderate: Callable, folder: Path, account: dict[str, str]) -> None:
    for name in ("a.jpg", "b.jpg", "left/out.jpg"):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((DATA / "landscape.jpg").read_bytes() + name.encode())
    (folder / "ours.yaml").write_text("max_calls: 1\nstore: kept/store.db\nexclude: [left]\n")
    result = moderate("sync", "images", "--config", "ours.yaml", "--jobs", "1", variables=account)
    assert result.code == ExitCode.INCOMPLETE
    assert [record["source"] for record in result.records] == ["images/a.jpg"]
    assert (folder / "kept" / "store.db").exists()
    variables = {"MODERATE_CONFIG": "ours.yaml"}
    assert [record["source"] for record in moderate("history", variables=variables).records] == ["images/a.jpg"]
    again = moderate(
        "sync", "images", "--config", "ours.yaml", "--max-calls", "9", "--exclude", "b.*", variables=account
    )
    assert {record["source"] for record in again.records} == {"images/a.jpg", "images/left/out.jpg"}
