"""Credentials out of files: the aliyun CLI's config.json and the SDKs' ini file, sound and broken."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moderate_cli.client import Credentials
from moderate_cli.client.auth import CredentialSource
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import CredentialsError
from moderate_cli.settings.credentials import find_credentials, profiles

CANARY, TOKEN_CANARY = "CANARYsecret0123456789", "CANARYtoken0123456789"
AK = {"mode": "AK", "access_key_id": "an-id", "access_key_secret": CANARY}
ROLE = {**AK, "mode": "RamRoleArn", "ram_role_arn": "acs:ram::1:role/r"}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(profiles, "METADATA_ADDRESS", ("127.0.0.1", 1))  # nobody listens there
    return tmp_path


@pytest.fixture
def config(home: Path) -> Callable[..., Path]:
    """Write config.json: profiles by name, or any text."""

    def write(content: str | bytes | None = None, current: str = "default", **profiles: dict[str, Any]) -> Path:
        path = home / ".aliyun" / "config.json"
        path.parent.mkdir(exist_ok=True)
        named = [{"name": name, **profile} for name, profile in profiles.items()]
        content = json.dumps({"current": current, "profiles": named}) if content is None else content
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def ini(home: Path) -> Callable[..., Path]:
    def write(content: str, name: str = "credentials.ini") -> Path:
        path = home / ".alibabacloud" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return write


def _find(source: str = "auto", profile: str | None = None, **variables: str) -> CredentialSource:
    return find_credentials(Environment(variables=variables), source, profile)


def _refused(source: str = "auto", profile: str | None = None, **variables: str) -> str:
    """Return the message of an error that holds no secret, in whatever form it is shown."""
    with pytest.raises(CredentialsError) as caught:
        _find(source, profile, **variables).current()
    error = caught.value
    shown = f"{error!r} {error} {error.message} {error.hint} {error.args}" + "".join(traceback.format_exception(error))
    assert "CANARY" not in shown
    assert not _canaries_below(error)
    assert "\n" not in error.message
    return error.message


def _canaries_below(error: BaseException | None) -> bool:
    """Tell whether an exception that led to an error holds a secret, shown or not."""
    while error is not None:
        if "CANARY" in f"{error} {vars(error)} {error.args}":
            return True
        error = error.__cause__ or error.__context__
    return False


def test_a_key_of_the_aliyun_cli(config: Callable) -> None:
    config(default=AK)
    source = _find()
    assert source.current() == Credentials("an-id", CANARY)
    assert source.origin == "~/.aliyun/config.json, profile default (AK)"
    assert "CANARY" not in repr(source)


@pytest.mark.parametrize("mode", ["StsToken", "ststoken", "STSTOKEN"])
def test_a_temporary_key_of_the_aliyun_cli_whatever_the_case_of_its_mode(config: Callable, mode: str) -> None:
    config(default={**AK, "mode": mode, "sts_token": TOKEN_CANARY, "sts_expiration": 4102444800})
    source = _find()
    assert source.current() == Credentials("an-id", CANARY, TOKEN_CANARY, expiration=4102444800)
    assert source.origin == "~/.aliyun/config.json, profile default (StsToken)"


def test_the_profile_is_the_one_asked_for_then_that_of_the_environment_then_the_current_one(config: Callable) -> None:
    config(current="a", **{name: {**AK, "access_key_id": f"id-{name}"} for name in ("a", "b", "c")})
    assert _find().current().access_key_id == "id-a"
    assert _find(ALIBABA_CLOUD_PROFILE="b").current().access_key_id == "id-b"
    assert _find(profile="c", ALIBABA_CLOUD_PROFILE="b").current().access_key_id == "id-c"
    config(current="", default={**AK, "access_key_id": "id-default"})
    assert _find().current().access_key_id == "id-default"


def test_a_file_with_a_byte_order_mark(config: Callable) -> None:
    path = config(default=AK)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert _find().current().access_key_id == "an-id"


def test_a_key_of_the_ini_file(ini: Callable) -> None:
    ini(f"[default]\ntype = access_key\naccess_key_id = an-id\naccess_key_secret = {CANARY}\n")
    source = _find()
    assert source.current() == Credentials("an-id", CANARY)
    assert source.origin == "~/.alibabacloud/credentials.ini, section default (access_key)"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a#b", "a#b"),
        ("#ab", "#ab"),
        ("ab#", "ab#"),
        ("a;b", "a;b"),
        ("a%b%(c)s", "a%b%(c)s"),
        ("ab   # Secret", "ab"),
        ("ab # a # b", "ab"),
        ("a#b # c", "a#b"),
        ("ab ; Secret", "ab"),
    ],
)
def test_a_hash_belongs_to_a_secret_unless_a_blank_sets_it_off(ini: Callable, written: str, read: str) -> None:
    ini(f"[default]   # me\ntype = access_key # kind\naccess_key_id = an-id\naccess_key_secret = {written}\n")
    assert _find().current().access_key_secret == read


def test_a_section_by_name_in_any_of_the_files(ini: Callable, home: Path) -> None:
    text = "[{0}]\ntype = access_key\naccess_key_id = id-{0}\naccess_key_secret = s\n"
    ini(text.format("a"))
    ini(text.format("b"), "credentials")
    chosen = home / "chosen"
    chosen.write_text(text.format("c"), encoding="utf-8")
    assert _find(profile="a").current().access_key_id == "id-a"
    source = _find(ALIBABA_CLOUD_PROFILE="b")
    assert source.current().access_key_id == "id-b"
    assert source.origin == "~/.alibabacloud/credentials, section b (access_key)"
    assert _find(profile="c", ALIBABA_CLOUD_CREDENTIALS_FILE=str(chosen)).current().access_key_id == "id-c"
    message = _refused(profile="c")
    assert message == "no credentials: ~/.alibabacloud/credentials.ini: there is no section c"


def test_the_chain_has_an_order(config: Callable, ini: Callable, home: Path) -> None:
    config(default=AK)
    ini("[default]\ntype = access_key\naccess_key_id = an-id\naccess_key_secret = s\n")
    keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "an-id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}
    oidc = {
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(home / "token"),
        "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/r",
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p",
    }
    metadata = {"ALIBABA_CLOUD_ECS_METADATA": "a-role"}
    uri = {"ALIBABA_CLOUD_CREDENTIALS_URI": "http://127.0.0.1:9/"}
    off = {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}
    everything = keys | oidc | metadata | uri

    def origin(variables: dict[str, str]) -> str:
        return find_credentials(Environment(variables=variables)).origin

    assert origin(everything) == "environment (ALIBABA_CLOUD_ACCESS_KEY_ID)"
    assert origin(oidc | metadata | uri) == "OIDC role acs:ram::1:role/r"
    assert origin(metadata | uri) == "~/.aliyun/config.json, profile default (AK)"
    assert origin(metadata | uri | off) == "~/.alibabacloud/credentials.ini, section default (access_key)"
    (home / ".alibabacloud" / "credentials.ini").unlink()
    assert origin(metadata | uri | off) == "ECS role a-role"
    assert origin(uri | off) == "credentials URI"
    for source, name in (("oidc", "OIDC"), ("cli", "~/.aliyun"), ("ecs", "ECS"), ("uri", "credentials URI")):
        assert find_credentials(Environment(variables=everything), source).origin.startswith(name)


def test_a_key_that_was_changed_on_disk_is_picked_up(config: Callable, ini: Callable) -> None:
    config(default=AK)
    source = _find()
    before = source.current()
    config(default={**AK, "access_key_id": "another"}, current="elsewhere")
    assert source.current() == before
    assert source.renew(before)
    assert source.current().access_key_id == "another"
    assert source.renew(before), "another thread has renewed them already"
    config("{")
    assert not source.renew(source.current())
    assert source.current().access_key_id == "another"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (f'{{"{CANARY}', "it is not valid JSON (line 1)"),
        (f'{{\n"current": "{CANARY}",,', "it is not valid JSON (line 2)"),
        (b'{"current": "CANARY\xff"}', "it is not UTF-8 text"),
        ("[" * 100_000, "it is not valid JSON (line 1)"),
        (f'["{CANARY}"]', "it has no list of profiles"),
        (f'{{"profiles": "{CANARY}"}}', "it has no list of profiles"),
        (f'{{"profiles": ["{CANARY}"]}}', "it has no list of profiles"),
        ("null", "it has no list of profiles"),
    ],
)
def test_a_config_file_that_is_none(config: Callable, content: str | bytes, problem: str) -> None:
    config(content)
    message = f"no credentials: ~/.aliyun/config.json: {problem}"
    assert _refused() == _refused("cli") == _refused(profile="p") == message


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        ({}, "mode is missing"),
        ({"mode": CANARY}, "its mode must be one of AK, StsToken, RamRoleArn, EcsRamRole, ChainableRamRoleArn, OIDC, "),
        ({"mode": 7}, "mode is not text"),
        ({**AK, "access_key_id": ""}, "access_key_id is missing"),
        ({**AK, "access_key_secret": [CANARY]}, "access_key_secret is not text"),
        ({**AK, "access_key_secret": f"{CANARY} x"}, "the AccessKey secret is empty or contains invalid characters"),
        ({**AK, "mode": "StsToken"}, "sts_token is missing"),
        ({**AK, "mode": "StsToken", "sts_token": "CANARYé"}, "the security token is empty or contains invalid"),
        ({**AK, "mode": "StsToken", "sts_token": "t", "sts_expiration": CANARY}, "sts_expiration is not a whole"),
        ({**AK, "mode": "RamRoleArn"}, "ram_role_arn is missing"),
        ({**ROLE, "expired_seconds": 60}, "expired_seconds is below 900"),
        ({**ROLE, "expired_seconds": CANARY}, "expired_seconds is not a whole number"),
        ({**ROLE, "expired_seconds": True}, "expired_seconds is not a whole number"),
        ({**ROLE, "mode": "ChainableRamRoleArn"}, "source_profile is missing"),
        ({**ROLE, "mode": "ChainableRamRoleArn", "source_profile": "nowhere"}, "there is no profile nowhere"),
        ({"mode": "OIDC", "ram_role_arn": "r", "oidc_provider_arn": "p"}, "oidc_token_file is missing"),
        ({"mode": "External"}, "process_command is missing"),
        ({"mode": "CredentialsURI"}, "credentials_uri is missing"),
        ({"mode": "CredentialsURI", "credentials_uri": f"ftp://{CANARY}"}, "the URI is not an http or https URL"),
        ({"mode": "CloudSSO", "access_token": CANARY, "cloud_sso_access_token_expire": 1}, "its login has expired"),
        ({"mode": "CloudSSO", "access_token": CANARY}, "its login has expired"),
        ({"mode": "OAuth"}, "it has no login"),
        ({"mode": "OAuth", "oauth_site_type": CANARY}, "its oauth_site_type is neither CN nor INTL"),
    ],
)
def test_a_profile_that_is_broken(config: Callable, profile: dict[str, Any], problem: str) -> None:
    config(default=profile)
    for message in (_refused(), _refused("cli"), _refused(profile="default")):
        assert message.startswith("no credentials: ~/.aliyun/config.json, profile default: ")
        assert problem in message


def test_an_instance_role_where_the_metadata_service_is_switched_off(config: Callable) -> None:
    config(default={"mode": "EcsRamRole", "ram_role_name": "a-role"})
    assert "ALIBABA_CLOUD_ECS_METADATA_DISABLED" in _refused(ALIBABA_CLOUD_ECS_METADATA_DISABLED="true")


def test_profiles_in_a_circle(config: Callable) -> None:
    chained = {"mode": "ChainableRamRoleArn", "ram_role_arn": "r"}
    config(default={**chained, "source_profile": "b"}, b={**chained, "source_profile": "default"})
    assert _refused() == ("no credentials: ~/.aliyun/config.json: the profiles form a circle: default -> b -> default")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (f"{CANARY}\n", ": it is not a valid ini file (line 1)"),
        (f"[default]\n{CANARY}\n", ": it is not a valid ini file (line 2)"),
        (f"[default]\naccess_key_secret = {CANARY}\n", ", section default: type is missing"),
        (f"[default]\ntype = {CANARY}\n", ", section default: its type must be one of access_key, ram_role_arn, "),
        ("[default]\ntype = access_key\naccess_key_id = # my id\n", ", section default: access_key_id is missing"),
        (f"[default]\ntype = access_key\naccess_key_id = i\naccess_key_secret = {CANARY} x\n", "AccessKey secret"),
        ("[default]\ntype = oidc_role_arn\n", "role_arn is missing"),
        ("[default]\ntype = rsa_key_pair\n", "public_key_id is missing"),
        (f"[other]\naccess_key_secret = {CANARY}\n", ": there is no section default"),
    ],
)
def test_an_ini_file_that_is_broken(ini: Callable, content: str, problem: str) -> None:
    ini(content)
    message = _refused("ini")
    assert message.startswith("no credentials: ~/.alibabacloud/credentials.ini")
    assert problem in message
    _refused()


def test_a_file_that_cannot_be_read(config: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(default=AK)
    path.unlink()
    path.mkdir()
    assert _refused() == "no credentials: ~/.aliyun/config.json: it cannot be read (Is a directory)"


def test_a_key_that_became_unreadable_during_a_run(config: Callable, caplog: pytest.LogCaptureFixture) -> None:
    path = config(default=AK)
    source = _find()
    path.unlink()
    assert not source.renew(source.current())
    assert "no others are available: ~/.aliyun/config.json: absent" in caplog.text


def test_a_broken_file_is_passed_over_unless_its_profile_was_asked_for(config: Callable, ini: Callable) -> None:
    config("{")
    ini("[default]\ntype = access_key\naccess_key_id = an-id\naccess_key_secret = s\n")
    assert _find().origin.startswith("~/.alibabacloud/credentials.ini")
    assert "config.json" in _refused(profile="default")
    config(default={"mode": "AK"})
    assert _find().origin.startswith("~/.alibabacloud/credentials.ini")
    assert "config.json, profile default" in _refused(ALIBABA_CLOUD_PROFILE="default")


def test_a_profile_that_was_asked_for_and_is_in_no_file_is_not_replaced_by_another_account(
    config: Callable, ini: Callable
) -> None:
    uri = {"ALIBABA_CLOUD_CREDENTIALS_URI": "http://127.0.0.1:9/"}
    assert _find(profile="prod", **uri).origin == "credentials URI", "no file is there at all"
    config(default=AK)
    assert _refused(profile="prod", **uri) == "no credentials: ~/.aliyun/config.json: there is no profile prod"
    ini("[prod]\ntype = access_key\naccess_key_id = an-id\naccess_key_secret = s\n")
    assert _find(profile="prod", **uri).origin.startswith("~/.alibabacloud/credentials.ini, section prod")
