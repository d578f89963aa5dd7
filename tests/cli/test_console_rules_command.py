"""`moderate console`: an account is read, planned for and changed by a rules file, on an emulator."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from invocation import Result, Terminal
from msgspec.structs import replace
from rules_files import SERVICE, write_pictures, write_rules

from moderate_cli.account import LOCK_NAME
from moderate_cli.client import ManagementClient
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator, Fault
from moderate_cli.main import run

TEXT = f"""services:
  {SERVICE}:
    labels: {{inappropriate_tattoo: off}}
    exempt: [brand]
    ignored_keywords: [harmless]
  {SERVICE}_01: {{copy_of: {SERVICE}, title: 商店 photos, flagged_keywords: [slang]}}
image_libraries:
  brand: {{images: brand, comment: our own artwork}}
keyword_libraries:
  slang: {{keywords: [alpha, beta, gamma]}}
  harmless: {{keywords: [is, a]}}
"""

Run = Callable[..., Result]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "brand", 3)
    return write_rules(tmp_path, TEXT)


@pytest.fixture
def console(moderate: Run, account: dict[str, str]) -> Run:
    """Run a command of `moderate console` on the emulator."""

    def console(*arguments: str | Path, **options: object) -> Result:
        return moderate("console", *arguments, variables=account, **options)

    return console


def _asked(variables: dict[str, str], *arguments: str | Path, answer: str = "", terminal: bool = True) -> Result:
    """Run a command in front of which somebody sits who types an answer."""
    stdout, stderr = Terminal(), Terminal() if terminal else io.StringIO()
    stdin = Terminal(answer) if terminal else io.StringIO(answer)
    environment = Environment(stdin=stdin, stdout=stdout, stderr=stderr, variables={**variables, "COLUMNS": "100"})
    code = run(["console", *map(str, arguments)], environment)
    return Result(code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, account: dict[str, str]) -> Run:
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments, **options: _asked(account, *arguments, **options)


def test_a_plan_is_shown_and_has_its_exit_code(console: Run, rules: Path) -> None:
    done = console("plan", rules)
    assert done.code == ExitCode.FOUND
    steps, notes = done.stdout.split("\n\n", 1)
    assert steps == (
        f"""\
+ service {SERVICE}_01 (商店 photos), a copy of {SERVICE}
+ keyword library slang
+ 3 keywords in slang
    alpha, beta, gamma
+ keyword library harmless
+ 2 keywords in harmless
    is, a
+ image library brand: our own artwork
+ 3 images in brand
    000.png, 001.png, 002.png
~ exempt image libraries of {SERVICE}
    + brand
~ ignored keyword libraries of {SERVICE}
    + harmless
~ exempt image libraries of {SERVICE}_01 (商店 photos)
    + brand
~ ignored keyword libraries of {SERVICE}_01 (商店 photos)
    + harmless
~ flagged keyword libraries of {SERVICE}_01 (商店 photos)
    + slang"""
    )
    assert " ".join(notes.split()) == (
        "To be set by hand or with `moderate console scope`, for the API documents no shape: "
        f"! {rules}:4: scope and scores of 1 label of {SERVICE} 7 to add, 5 to change, 1 thing left alone"
    )


def test_apply_then_plan_is_empty(console: Run, rules: Path, emulator: Emulator) -> None:
    done = console("apply", rules, "--yes")
    assert done.code == ExitCode.OK
    assert done.stderr.splitlines()[-2:] == [
        f"moderate: 12/12 done: ~ flagged keyword libraries of {SERVICE}_01 (商店 photos)",
        "moderate: what services are set to takes effect in 2 to 5 minutes, and a new copy can be called in 1 to 2",
    ]
    assert len(json.loads((rules.parent / LOCK_NAME).read_text())["image_libraries"]["brand"]["images"]) == 3
    again = console("plan", rules)
    assert again.code == ExitCode.OK
    assert again.stdout.endswith("\nnothing to change, 1 thing left alone\n")
    applied = console("apply", rules)
    assert (applied.code, applied.stderr) == (ExitCode.OK, ""), "nothing to ask about"


def test_a_plan_for_programs(console: Run, rules: Path) -> None:
    found = json.loads(console("plan", rules, "-f", "json").stdout)
    assert found["changes"] == len(found["steps"]) == 12
    assert found["steps"][0] == {
        "sign": "+",
        "step": "copy_service",
        "service": {"code": f"{SERVICE}_01", "known_as": None, "copy_of": SERVICE, "title": "商店 photos"},
    }
    assert found["notes"] == [
        {"kind": "by_hand", "place": f"{rules}:4", "text": f"scope and scores of 1 label of {SERVICE}"}
    ]
    done = json.loads(console("apply", rules, "-f", "json", "--yes").stdout)
    assert [step["done"] for step in done["steps"]] == [True] * 12


def test_applying_needs_somebody_who_agrees(console: Run, asked: Run, rules: Path) -> None:
    assert console("apply", rules).code == ExitCode.USAGE
    for answer in ("n\n", "\n", ""):
        done = asked("apply", rules, answer=answer)
        assert done.code == ExitCode.USAGE
        assert "make 12 changes in the account of 127.0.0.1" in done.stderr
        assert "not confirmed; nothing was changed" in done.stderr
    dry = console("apply", rules, "--dry-run")
    assert (dry.code, dry.stdout) == (ExitCode.OK, console("plan", rules).stdout)
    assert not (rules.parent / LOCK_NAME).exists()
    assert asked("apply", rules, answer="y\n").code == ExitCode.OK
    assert console("plan", rules).code == ExitCode.OK


def test_an_error_says_how_far_it_came(console: Run, rules: Path, emulator: Emulator) -> None:
    emulator.faults.add([Fault("AddImages2Lib", status=403, code="NoPermission")])
    done = console("apply", rules, "--yes")
    assert done.code == ExitCode.FATAL
    assert "moderate: 6 of 12 steps done; run it again for the rest\n" in done.stderr
    assert console("apply", rules, "--yes").code == ExitCode.OK
    assert console("plan", rules).code == ExitCode.OK


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_no_line_is_wider_than_the_terminal(console: Run, rules: Path, columns: int, command: str) -> None:
    done = console(command, rules, *(["--dry-run"] if command == "apply" else []), columns=columns)
    assert all(len(line) <= columns and line == line.rstrip() for line in done.stdout.splitlines())


def test_text_of_the_account_does_not_reach_the_terminal(console: Run, tmp_path: Path, emulator: Emulator) -> None:
    path = write_rules(tmp_path, f'services: {{{SERVICE}_01: {{copy_of: {SERVICE}, title: "a\\e]0;x\\a\\u202e"}}}}\n')
    done = console("plan", path)
    assert "(a\\x1b]0;x\\x07\\u202e)" in done.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)


def test_colour_is_for_terminals(console: Run, rules: Path) -> None:
    assert "\x1b[32m+" in console("plan", rules, "--color", "always").stdout
    assert "\x1b" not in console("plan", rules).stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {baselineChek_global: {}}\n", "2: unknown service 'baselineChek_global'"),
        ("keyword_libraries: {a: {keywords: [c++]}}\n", "2: a keyword has letters and digits only"),
        (f"keyword_libraries: {{a: {{keywords: [{'x' * 21}]}}}}\n", "2: a keyword has 1 to 20 characters, not 21"),
        ("image_libraries: {a: {images: missing}}\n", "2: there is neither a folder nor a file"),
        ("image_libraries: {" + ", ".join(f"l{n}: {{images: .}}" for n in range(11)) + "}\n", "2: 11 image libraries"),
    ],
)
def test_what_the_console_would_refuse_has_its_line_before_any_call(
    moderate: Run, tmp_path: Path, text: str, message: str
) -> None:
    path = write_rules(tmp_path, text)
    variables = {
        "MODERATE_ENDPOINT": "http://127.0.0.1:9",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "nobody",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "nothing",
    }
    done = moderate("console", "apply", path, "--yes", variables=variables)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert f"{path}:{message}" in done.stderr


def test_every_service_is_asked_before_a_library_is_deleted(
    console: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "services: {tonalityImprove: {ignored_keywords: [old]}}\nkeyword_libraries: {old: {keywords: [one]}}\n"
    assert console("apply", write_rules(tmp_path, text), "--yes").code == ExitCode.OK
    libraries = ManagementClient.keyword_libraries
    silent = lambda self: [replace(each, services=()) for each in libraries(self)]  # noqa: E731
    monkeypatch.setattr(ManagementClient, "keyword_libraries", silent)
    done = console("plan", write_rules(tmp_path, ""), "--prune")
    assert (done.code, "used by tonalityImprove: kept" in " ".join(done.stdout.split())) == (ExitCode.OK, True)


def test_no_connection_has_its_exit_code(moderate: Run, account: dict[str, str], rules: Path) -> None:
    nowhere = {**account, "MODERATE_ENDPOINT": "http://127.0.0.1:1", "MODERATE_RETRIES": "0"}
    for arguments in (("plan", rules), ("services",), ("results",)):
        assert moderate("console", *arguments, variables=nowhere).code == ExitCode.FATAL


def test_the_local_engine_has_no_account(moderate: Run, rules: Path) -> None:
    done = moderate("console", "plan", rules, "-p", "local")
    assert done.code == ExitCode.USAGE
    assert "the local engine has no account" in done.stderr


def test_an_old_rules_file_is_refused(console: Run, tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("keywords: [{word: a, label: b}]\n")
    done = console("plan", path)
    assert done.code == ExitCode.USAGE
    assert "for the local engine only" in done.stderr


# --------------------------------------------------------------------------------------------------------------- pull


def test_pull_then_plan_is_empty(console: Run, rules: Path, tmp_path: Path) -> None:
    console("apply", rules, "--yes")
    pulled = tmp_path / "elsewhere" / "moderate-rules.yaml"
    pulled.parent.mkdir()
    done = console("pull", "-o", pulled)
    assert done.code == ExitCode.OK
    assert done.stderr == f"moderate: wrote {pulled} and 1 file beside it\n"
    plan = console("plan", pulled)
    assert (plan.code, plan.stdout) == (ExitCode.OK, "nothing to change\n")


def test_a_file_is_not_written_over_without_being_asked(console: Run, asked: Run, rules: Path) -> None:
    console("apply", rules, "--yes")
    before = rules.read_text()
    assert console("pull", "-o", rules).code == ExitCode.USAGE
    assert asked("pull", "-o", rules, answer="n\n").code == ExitCode.USAGE
    assert rules.read_text() == before
    assert console("pull", "-o", rules, "--yes").code == ExitCode.OK
    assert "inappropriate_tattoo" in rules.read_text()
    assert "images: brand," in rules.read_text(), "the folder is known from the file alone"
    assert console("plan", rules).code == ExitCode.OK


def test_a_list_of_something_else_is_not_written_over_without_being_asked(
    console: Run, asked: Run, rules: Path, tmp_path: Path
) -> None:
    console("apply", rules, "--yes")
    (tmp_path / "images").mkdir()
    mine = tmp_path / "images" / "brand.jsonl"
    mine.write_text("mine")
    pulled = tmp_path / "pulled.yaml"
    done = console("pull", "-o", pulled)
    assert (done.code, f"write {mine} anew?" in done.stderr) == (ExitCode.USAGE, True)
    assert asked("pull", "-o", pulled, answer="n\n").code == ExitCode.USAGE
    assert (mine.read_text(), pulled.exists()) == ("mine", False)
    assert console("pull", "-o", pulled, "--yes").code == ExitCode.OK
    assert mine.read_text().startswith("{")


def test_pull_prints_a_file(console: Run, rules: Path, tmp_path: Path) -> None:
    console("apply", rules, "--yes")
    done = console("pull")
    assert done.stdout.startswith("# What the account has")
    assert "title: 商店 photos" in done.stdout
    assert done.stderr == "moderate: 1 list of images not written: -o FILE does\n"


# -------------------------------------------------------------------------------------------------- services and scope


def test_services_are_listed(console: Run, rules: Path) -> None:
    console("apply", rules, "--yes")
    found = json.loads(console("services").stdout)["services"]
    assert {each["service"]: each["copy_of"] for each in found}[f"{SERVICE}_01"] == SERVICE
    table = console("services", "-f", "table", columns=120).stdout
    assert f"copy of {SERVICE}" in table
    raw = json.loads(console("services", "--raw").stdout)
    assert raw[-1]["CopyFrom"] == SERVICE


def test_a_service_is_shown_with_what_is_set_for_it(console: Run, rules: Path) -> None:
    console("apply", rules, "--yes")
    found = json.loads(console("services", f"{SERVICE}_01").stdout)
    assert (found["title"], found["copy_of"]) == ("商店 photos", SERVICE)
    assert (found["exempt"], found["ignored_keywords"], found["flagged_keywords"]) == (
        ["brand"],
        ["harmless"],
        ["slang"],
    )
    raw = json.loads(console("services", SERVICE, "--raw").stdout)
    assert set(raw) == {"GetServiceConfig", "GetImageSceneLabelListConf"}


def test_a_scope_goes_round(console: Run, tmp_path: Path) -> None:
    path = tmp_path / "scope.json"
    path.write_text(console("scope", SERVICE, "pornographic").stdout)
    found = json.loads(path.read_text())
    assert "ServiceCode" in json.loads(console("scope", SERVICE, "pornographic", "--raw").stdout)
    found["LocalEngine"]["labels"]["pornographic_cartoon"] = "off"
    found["new"] = {"neu": [1, None, "ü"]}
    path.write_text(json.dumps(found))
    checked = console("scope", SERVICE, "pornographic", "--put", path, "--dry-run")
    assert (checked.code, checked.stderr) == (
        ExitCode.OK,
        f"moderate: the API would take {path} for pornographic of {SERVICE}\n",
    )
    assert json.loads(console("scope", SERVICE, "pornographic").stdout) != found
    assert console("scope", SERVICE, "pornographic", "--put", path).code == ExitCode.USAGE
    assert console("scope", SERVICE, "pornographic", "--put", path, "--yes").code == ExitCode.OK
    assert json.loads(console("scope", SERVICE, "pornographic").stdout) == found
    assert json.loads(console("scope", SERVICE, "pornographic", "--by-default").stdout) != found


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"'])
def test_a_scope_that_is_no_object_is_refused(console: Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "scope.json"
    path.write_text(text)
    assert console("scope", SERVICE, "pornographic", "--put", path, "--yes").code == ExitCode.USAGE
    assert console("scope", SERVICE, "pornographic", "--dry-run").code == ExitCode.USAGE


def test_help_says_what_was_not_tried(moderate: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert moderate("console", "--help").code == ExitCode.OK
    assert "None of this was tried against the live service" in " ".join(capsys.readouterr().out.split())
