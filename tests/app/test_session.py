"""What is said of names that look mistyped, and when a region is refused, before anything is sent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Repository

from moderate_cli.common.errors import ExitCode

DATA = Path(__file__).parents[1] / "data"
KEYS = {"mode": "AK", "access_key_id": "an-id", "access_key_secret": "a-secret"}


@pytest.fixture
def account_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Keep keys where the aliyun CLI does, for some region."""

    def account_in(region: str) -> None:
        path = Path(os.environ["HOME"]) / ".aliyun" / "config.json"
        path.parent.mkdir(exist_ok=True)
        profiles = [{"name": "default", "region_id": region, **KEYS}]
        path.write_text(json.dumps({"current": "default", "profiles": profiles}))

    return account_in


def _to(account: dict[str, str]) -> list[str]:
    """Name the emulator again: a region that is named overrules an endpoint in a variable."""
    return ["--endpoint", account["MODERATE_ENDPOINT"]]


@pytest.mark.parametrize(
    ("command", "region", "where"),
    [
        ("sync", "cn-zhangjiakou", "cn-shanghai, cn-beijing, cn-hangzhou, cn-shenzhen, cn-chengdu"),
        ("async-submit", "cn-hangzhou", "cn-shanghai, cn-beijing"),
        ("async-submit", "eu-central-1", "ap-southeast-1"),
        ("multimodal", "eu-central-1", "cn-shanghai, cn-beijing"),
    ],
)
def test_a_region_that_only_goes_with_the_keys_must_offer_the_operation(
    moderate: Callable, account_in: Callable[[str], None], command: str, region: str, where: str
) -> None:
    account_in(region)
    what = ["--title", "x", "--image", DATA / "landscape.jpg"] if command == "multimodal" else [DATA / "landscape.jpg"]
    result = moderate(command, *what)
    assert result.code == ExitCode.USAGE
    line = result.stderr.splitlines()[-1]
    assert line.startswith(f"moderate: {region} is not known to offer ")
    assert "the region comes from ~/.aliyun/config.json, profile default" in line
    assert line.endswith(f"(choose one with --region: {where})")


def test_a_region_that_somebody_chose_is_asked(
    moderate: Callable, account_in: Callable[[str], None], account: dict[str, str]
) -> None:
    account_in("cn-zhangjiakou")
    result = moderate("sync", DATA / "landscape.jpg", "--region", "cn-zhangjiakou", *_to(account), variables=account)
    assert result.code == ExitCode.OK
    assert "unknown region cn-zhangjiakou" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-s", "baselinecheck_globl"], "unknown service baselinecheck_globl, did you mean baselineCheck_global?"),
        (["-s", "mine"], "unknown service mine; using it anyway"),
        (["--region", "us-est-1"], "unknown region us-est-1, did you mean us-east-1 or us-west-1?"),
        (["--region", "xx-y"], "unknown region xx-y; using it anyway"),
        (["-s", "baselineCheck_global_01"], None),
    ],
)
def test_unknown_services_and_regions_are_told_and_asked(
    moderate: Callable, account: dict[str, str], arguments: list[str], told: str | None
) -> None:
    result = moderate("sync", DATA / "landscape.jpg", *arguments, *_to(account), variables=account)
    assert result.code == ExitCode.OK
    assert "unknown" in result.stderr if told else "unknown" not in result.stderr
    assert told is None or told in result.stderr


def test_info_types_and_variables_are_refused_with_the_nearest(moderate: Callable) -> None:
    result = moderate("sync", ".", "--info-type", "textinimag")
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert result.stderr.startswith(
        "moderate: --info-type: unknown info type 'textinimag', did you mean 'textInImage'?"
    )
    result = moderate("sync", ".", variables={"MODERATE_FAILON": "high"})
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert result.stderr.startswith("moderate: unknown variable MODERATE_FAILON, did you mean MODERATE_FAIL_ON?")


def test_the_region_of_the_keys_is_shown_with_its_origin(moderate: Callable, account_in: Callable[[str], None]) -> None:
    account_in("cn-shanghai")
    shown = json.loads(moderate("config", "show", "-f", "json").stdout)
    origin = "~/.aliyun/config.json, profile default"
    assert shown["region"] == {"value": "cn-shanghai", "origin": origin}
    assert shown["services"]["value"] == ["baselineCheck"]


RULES = "version: 1\nimage_libraries: {brand: {images: LIBRARY}}\nverdicts: [{name: '*', findings: []}]\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The working folder: a change to a repository, with an image, and rules and a store of its own."""
    repository = Repository.begin(tmp_path / "checkout")
    repository.commit(**{"a.jpg": (DATA / "landscape.jpg").read_bytes(), "moderate.yaml": "rules: rules.yaml\n"})
    (tmp_path / "library").mkdir()
    (tmp_path / "outside.yaml").write_text(RULES.replace("LIBRARY", "library"))
    repository.commit(
        **{"rules.yaml": RULES.replace("LIBRARY", str(tmp_path / "library")), "cache/s.db": b"", "brand/a": b""}
    )
    monkeypatch.chdir(repository.folder)
    return repository


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ([], "rules.yaml"),
        (["--rules", "rules.yaml"], "rules.yaml"),
        (["--rules", "LINK"], "link.yaml"),
        (["--rules", "../outside.yaml"], None),
    ],
)
def test_rules_of_a_change_do_not_count_beside_a_policy(
    moderate: Callable, checkout: Repository, arguments: list[str], refused: str | None
) -> None:
    link = checkout.folder.with_name("link.yaml")
    link.symlink_to(checkout.folder / "rules.yaml")
    words = [link if word == "LINK" else word for word in arguments]
    result = moderate("sync", "a.jpg", "-p", "local", "--dry-run", "--policy-from", "HEAD~1", *words)
    assert result.code == (ExitCode.USAGE if refused else ExitCode.OK), result.stderr
    if refused:
        line = result.stderr.splitlines()[-1]
        assert line.startswith("moderate: --policy-from refuses ")
        assert f"{refused}: rules of the working tree are those of the change (keep the rules" in line


@pytest.mark.parametrize("library", ["checkout/brand", ".", "words: {keywords: checkout/words.txt}"])
def test_nor_do_libraries_of_a_change(moderate: Callable, checkout: Repository, library: str) -> None:
    outside = checkout.folder.with_name("outside.yaml")
    if library.startswith("words"):
        checkout.write("words.txt", "good\n")
        outside.write_text(f"version: 1\nkeyword_libraries: {{{library}}}\n")
    else:
        outside.write_text(RULES.replace("LIBRARY", library))
    arguments = ["sync", "a.jpg", "-p", "local", "--dry-run", "--rules", outside]
    assert moderate(*arguments).code == ExitCode.OK
    result = moderate(*arguments, "--policy-from", "HEAD")
    assert result.code == ExitCode.USAGE
    assert "rules of the working tree are those of the change" in result.stderr


def test_the_cloud_leaves_rules_alone_beside_a_policy(
    moderate: Callable, account: dict[str, str], checkout: Repository
) -> None:
    assert moderate("sync", "a.jpg", "--dry-run", "--policy-from", "HEAD", variables=account).code == ExitCode.OK


@pytest.mark.parametrize(
    ("store", "arguments", "refused"),
    [
        ("new.db", [], False),
        ("new.db", ["--reuse", "30d"], True),
        ("cache/s.db", [], True),
        ("../link.db", [], True),
        ("../outside.db", ["--reuse", "30d"], False),
    ],
)
def test_a_store_of_a_change_is_not_believed_beside_a_policy(
    moderate: Callable,
    account: dict[str, str],
    checkout: Repository,
    store: str,
    arguments: list[str],
    refused: bool,
) -> None:
    checkout.folder.with_name("link.db").symlink_to(checkout.folder / "cache" / "s.db")
    checkout.commit(**{"moderate.yaml": f"store: {store}\n"})
    for named in ([], ["--store", store]):
        words = [*arguments, "--policy-from", "HEAD", "--dry-run"]
        result = moderate("sync", "a.jpg", *words, *named, variables=account)
        assert result.code == (ExitCode.USAGE if refused else ExitCode.OK), result.stderr
        assert ("a change could bring answers along" in result.stderr) == refused
        assert (checkout.folder / "cache" / "s.db").read_bytes() == b""
