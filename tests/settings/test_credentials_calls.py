"""Credentials that a call is needed for: the vendor's library asks, stand-ins on loopback and faked HTTP answer."""

from __future__ import annotations

import json
import logging
import os
import shlex
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from standins import ROLE_PATH, TOKEN_PATH, StandIn, handed_out, stand_in, utc

from moderate_cli.client.auth import Credentials, CredentialSource
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import CredentialsError
from moderate_cli.common.installation import install_command
from moderate_cli.settings.credentials import find_credentials, profiles

SECRET, TOKEN = "CANARYsecret0123456789", "CANARYtoken0123456789"
STS = "https://sts.aliyuncs.com"
ROLE = "acs:ram::1:role/r"
AK = {"mode": "AK", "access_key_id": "an-id", "access_key_secret": SECRET}
OIDC = {"ALIBABA_CLOUD_ROLE_ARN": ROLE, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p"}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(profiles, "METADATA_ADDRESS", ("127.0.0.1", 1))  # nobody listens there
    return tmp_path


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Callable[[StandIn], None]:
    """Make this machine an instance, with a stand-in for its metadata service."""

    def make(service: StandIn) -> None:
        # The library read the variable, which all tests set, when it was imported.
        monkeypatch.setattr("alibabacloud_credentials.utils.auth_util.environment_ecs_metadata_disabled", "false")
        monkeypatch.setenv("HTTP_PROXY", service.url)  # the library's way to the service's fixed address
        monkeypatch.setattr(profiles, "METADATA_ADDRESS", service.address)

    return make


@pytest.fixture
def config(home: Path) -> Callable[..., Path]:
    def write(current: str = "default", **profiles: dict[str, Any]) -> Path:
        path = home / ".aliyun" / "config.json"
        path.parent.mkdir(exist_ok=True)
        named = [{"name": name, **profile} for name, profile in profiles.items()]
        path.write_text(json.dumps({"current": current, "profiles": named}), encoding="utf-8")
        return path

    return write


def _find(source: str = "auto", profile: str | None = None, **variables: str) -> CredentialSource:
    return find_credentials(Environment(variables=variables), source, profile)


def _session(key_id: str = "STS.id", *, lasts: float = 3600) -> dict[str, Any]:
    keys = {"AccessKeyId": key_id, "AccessKeySecret": SECRET, "SecurityToken": TOKEN}
    return {"Credentials": {**keys, "Expiration": utc(time.time() + lasts)}}


def _query(call: responses.Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(call.request.url or "").query).items()}


def _failure(source: CredentialSource, capfd: pytest.CaptureFixture[str] | None = None) -> str:
    """Return the message of the error of a source, which holds no secret in any form."""
    with pytest.raises(CredentialsError) as caught:
        source.current()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = f"{error!r} {error.message} {error.hint}" + "".join(traceback.format_exception(error))
    assert "CANARY" not in shown + ("".join(capfd.readouterr()) if capfd else "")
    return error.message


def _is_good(source: CredentialSource, key_id: str = "STS.id") -> bool:
    found = source.current()
    assert "CANARY" not in f"{source!r} {source.origin} {found!r}"
    return (found.access_key_id, found.access_key_secret, found.security_token) == (key_id, SECRET, TOKEN)


@responses.activate
def test_an_oidc_role_of_the_environment(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("CANARY-oidc", encoding="utf-8")
    answer = responses.get(STS, json=_session())
    source = _find(**OIDC, ALIBABA_CLOUD_OIDC_TOKEN_FILE=str(token))
    assert answer.call_count == 0, "nothing is asked before credentials are needed"
    assert _is_good(source)
    query = _query(responses.calls[0])
    assert (query["Action"], query["RoleArn"]) == ("AssumeRoleWithOIDC", ROLE)
    assert (query["RoleSessionName"], query["OIDCToken"]) == ("moderate", "CANARY-oidc")
    assert source.current().expiration is not None


@responses.activate
def test_a_role_that_is_renewed_before_it_ends() -> None:
    now = [time.time()]
    environment = Environment(
        variables={**OIDC, "ALIBABA_CLOUD_OIDC_TOKEN_FILE": os.devnull, "ALIBABA_CLOUD_ROLE_SESSION_NAME": "me"},
        clock=lambda: now[0],
    )
    responses.get(STS, json=_session("STS.first"))
    responses.get(STS, json=_session("STS.second", lasts=7200))
    responses.get(STS, json=_session("STS.third", lasts=9999))
    source = find_credentials(environment)
    assert source.current().access_key_id == "STS.first"
    now[0] += 3600 - 200
    assert source.current().access_key_id == "STS.first"
    now[0] += 30
    second = source.current()
    assert second.access_key_id == "STS.second"
    assert source.renew(second)
    assert source.current().access_key_id == "STS.third"
    assert _query(responses.calls[0])["RoleSessionName"] == "me"


@responses.activate
@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({}, STS),
        ({"ALIBABA_CLOUD_STS_REGION": "cn-shanghai"}, "https://sts.cn-shanghai.aliyuncs.com"),
        (
            {"ALIBABA_CLOUD_STS_REGION": "cn-shanghai", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true"},
            "https://sts-vpc.cn-shanghai.aliyuncs.com",
        ),
    ],
)
def test_the_role_of_a_profile(config: Callable, variables: dict[str, str], host: str) -> None:
    role = {"ram_role_arn": ROLE, "ram_session_name": "me", "expired_seconds": 0, "external_id": "ext"}
    config(default={**AK, **role, "mode": "ramrolearn"})
    responses.get(host, json=_session())
    source = _find(**variables)
    assert source.origin == "~/.aliyun/config.json, profile default (RamRoleArn)"
    assert _is_good(source)
    query = _query(responses.calls[0])
    assert (query["Action"], query["AccessKeyId"], query["RoleArn"]) == ("AssumeRole", "an-id", ROLE)
    assert (query["RoleSessionName"], query["DurationSeconds"], query["ExternalId"]) == ("me", "3600", "ext")


@responses.activate
def test_a_role_that_starts_from_another_profile(config: Callable) -> None:
    config(
        default={"mode": "ChainableRamRoleArn", "ram_role_arn": ROLE, "source_profile": "b", "expired_seconds": 900},
        b={"mode": "ChainableRamRoleArn", "ram_role_arn": f"{ROLE}-b", "source_profile": "c"},
        c={**AK, "mode": "StsToken", "sts_token": TOKEN},
    )
    responses.get(STS, json=_session("STS.between"))
    responses.get(STS, json=_session())
    assert _is_good(_find())
    first, second = map(_query, responses.calls)
    assert (first["AccessKeyId"], first["SecurityToken"], first["RoleArn"]) == ("an-id", TOKEN, f"{ROLE}-b")
    assert (second["AccessKeyId"], second["RoleArn"], second["DurationSeconds"]) == ("STS.between", ROLE, "900")


@responses.activate
def test_the_oidc_role_of_a_profile_has_the_session_name_of_the_cli(config: Callable) -> None:
    values = {"ram_role_arn": ROLE, "oidc_provider_arn": "p", "oidc_token_file": os.devnull, "ram_session_name": "me"}
    config(default={"mode": "OIDC", **values})
    responses.get(STS, json=_session())
    assert _is_good(_find())
    assert _query(responses.calls[0])["RoleSessionName"] == "me"


@responses.activate
def test_the_roles_of_the_ini_file(home: Path) -> None:
    private = home / "key"
    private.write_text(SECRET, encoding="utf-8")
    path = home / "credentials"
    path.write_text(
        f"[ram]\ntype = ram_role_arn\naccess_key_id = an-id\naccess_key_secret = a#b\nrole_arn = {ROLE}\n"
        f"[oidc]\ntype = oidc_role_arn\nrole_arn = {ROLE}\noidc_provider_arn = p\noidc_token_file_path = /dev/null\n"
        f"[rsa]\ntype = rsa_key_pair\npublic_key_id = an-id\nprivate_key_file = {private}\n",
        encoding="utf-8",
    )
    responses.get(STS, json=_session())
    session = {"SessionAccessKeyId": "id", "SessionAccessKeySecret": SECRET, "Expiration": utc(time.time() + 3600)}
    responses.get("https://sts.ap-northeast-1.aliyuncs.com", json={"SessionAccessKey": session})
    for section, action in (("ram", "AssumeRole"), ("oidc", "AssumeRoleWithOIDC")):
        source = _find(profile=section, ALIBABA_CLOUD_CREDENTIALS_FILE=str(path))
        assert _is_good(source)
        assert _query(responses.calls[-1])["Action"] == action
    assert source.origin == "~/credentials, section oidc (oidc_role_arn)"
    found = _find(profile="rsa", ALIBABA_CLOUD_CREDENTIALS_FILE=str(path)).current()
    assert (found.access_key_id, found.security_token) == ("id", None)


@responses.activate
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"status": 403, "json": {"Code": "NoPermission", "Message": SECRET}}, "refused with HTTP 403, NoPermission"),
        ({"status": 404, "body": f'\n{{"Message":"{SECRET}",\n"Code":"EntityNotExist.Role"}}'}, "EntityNotExist.Role"),
        ({"status": 500, "body": SECRET}, "refused with HTTP 500"),
        ({"body": SECRET}, "no credentials in the answer (JSONDecodeError)"),
        ({"json": {"Secret": SECRET}}, "no credentials in the answer (CredentialException)"),
        ({"json": {"Credentials": SECRET}}, "no credentials in the answer (CredentialException)"),
        ({"json": _session() | {"x": 1}, "headers": {"x": SECRET}}, ""),
        ({"json": _session(lasts=-9999)}, "the credentials have already expired"),
        ({"json": _session("CANARY é")}, "the AccessKey ID is empty or contains invalid characters"),
        ({"json": {"Credentials": {**_session()["Credentials"], "AccessKeyId": 7}}}, "(AttributeError)"),
        ({"body": requests.ConnectionError(f"url: /?Token={TOKEN}")}, "cannot be reached"),
    ],
)
def test_a_role_that_is_not_to_be_had(
    config: Callable, answer: dict[str, Any], problem: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config(default={**AK, "mode": "RamRoleArn", "ram_role_arn": ROLE})
    responses.get(STS, **answer)
    if not problem:
        assert _is_good(_find())
        return
    message = _failure(_find(), capfd)
    assert message.startswith("~/.aliyun/config.json, profile default (RamRoleArn): ")
    assert problem in message


def test_a_file_that_the_library_reads_and_that_is_not_there() -> None:
    source = _find(**OIDC, ALIBABA_CLOUD_OIDC_TOKEN_FILE="/nowhere/token")
    assert _failure(source) == f"OIDC role {ROLE}: /nowhere/token cannot be read (No such file or directory)"


def test_the_role_of_an_instance(instance: Callable) -> None:
    answers = {TOKEN_PATH: "a-metadata-token", ROLE_PATH: "a-role"}
    answers[f"{ROLE_PATH}a-role"] = handed_out("STS.id", SECRET, TOKEN)
    with stand_in(answers) as service:
        instance(service)
        source = _find()
        assert source.origin == "ECS role of this instance"
        assert _is_good(source)
        get = f"GET {ROLE_PATH}"
        assert service.asked == [f"PUT {TOKEN_PATH}", get, f"PUT {TOKEN_PATH}", f"{get}a-role"]
        assert service.headers[-1]["x-aliyun-ecs-metadata-token"] == "a-metadata-token"
        named = _find(ALIBABA_CLOUD_ECS_METADATA="a-role")
        assert named.origin == "ECS role a-role"
        assert _is_good(named)
        assert service.asked[4:] == [f"PUT {TOKEN_PATH}", f"{get}a-role"]


def test_something_that_answers_on_the_address_and_is_no_metadata_service(instance: Callable) -> None:
    with stand_in({ROLE_PATH: SECRET}) as service:
        instance(service)
        assert _find(ALIBABA_CLOUD_CREDENTIALS_URI="http://127.0.0.1:1/").origin == "credentials URI"
        with pytest.raises(CredentialsError, match="ECS role: refused with HTTP 404") as caught:
            _find("ecs")
        assert "CANARY" not in f"{caught.value.message} {caught.value.hint}"


def test_a_machine_without_a_metadata_service_is_not_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[float] = []

    def vanish(address: object, timeout: float) -> None:
        attempts.append(timeout)
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", vanish)
    with pytest.raises(CredentialsError):
        _find()
    assert len(attempts) == 1
    assert attempts[0] <= 1


def test_a_credentials_uri(capfd: pytest.CaptureFixture[str]) -> None:
    with stand_in({"/keys": handed_out("STS.id", SECRET, TOKEN)}) as service:
        source = _find(ALIBABA_CLOUD_CREDENTIALS_URI=f"{service.url}/keys?token={TOKEN}\n")
        assert source.origin == "credentials URI"
        assert _is_good(source)
        assert service.asked == ["GET /keys"]
        for answer in (None, SECRET, {"Code": SECRET}, {"Code": "Success", "AccessKeyId": SECRET}, [SECRET]):
            service.answers["/keys"] = answer
            assert not source.renew(source.current())
            uri = f"{service.url}/keys?token={TOKEN}"
            assert _failure(_find(ALIBABA_CLOUD_CREDENTIALS_URI=uri), capfd).startswith("credentials URI: ")


def test_the_credentials_uri_of_a_profile(config: Callable) -> None:
    with stand_in({"/keys": handed_out("STS.id", SECRET, TOKEN)}) as service:
        config(default={"mode": "CredentialsURI", "credentials_uri": f"{service.url}/keys"})
        assert _is_good(_find())


@pytest.mark.parametrize("role", ["a-role", ""])
def test_the_instance_role_of_a_profile_and_of_a_section(
    config: Callable, home: Path, instance: Callable, role: str
) -> None:
    config(default={"mode": "EcsRamRole", "ram_role_name": role})
    (home / "credentials").write_text(f"[default]\ntype = ecs_ram_role\nrole_name = {role}\n", encoding="utf-8")
    answers = {TOKEN_PATH: "t", ROLE_PATH: "a-role", f"{ROLE_PATH}a-role": handed_out("STS.id", SECRET, TOKEN)}
    with stand_in(answers) as service:
        instance(service)
        assert _is_good(_find())
        assert _is_good(_find("ini", ALIBABA_CLOUD_CREDENTIALS_FILE=str(home / "credentials")))


def _command(home: Path, text: str) -> str:
    script = home / "command.py"
    script.write_text(text, encoding="utf-8")
    return shlex.join([sys.executable, str(script)])


def test_an_external_command_runs_for_its_profile_alone_and_its_secrets_stay_out_of_the_file(
    config: Callable, home: Path
) -> None:
    keys = {"mode": "StsToken", "access_key_id": "STS.id", "access_key_secret": SECRET, "sts_token": TOKEN}
    command = _command(home, f"print({json.dumps(json.dumps(keys))})\nopen({str(home / 'ran')!r}, 'a').write('x')")
    path = config(default={"mode": "External", "process_command": command}, other=AK)
    before = path.read_bytes()
    assert _find(profile="other").current().access_key_id == "an-id"
    source = _find()
    assert not (home / "ran").exists()
    assert _is_good(source)
    assert _is_good(source)
    assert (home / "ran").read_text(encoding="utf-8") == "x"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"import sys; sys.exit('{SECRET}')", "its command ended with status 1"),
        (f"print('{SECRET}')", "its command printed no JSON"),
        (f'print(\'{{"x": "{SECRET}"}}\')', "no credentials in the answer"),
    ],
)
def test_an_external_command_that_fails(
    config: Callable, home: Path, text: str, problem: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config(default={"mode": "External", "process_command": _command(home, text)})
    assert problem in _failure(_find(), capfd)
    config(default={"mode": "External", "process_command": f"/nowhere/{SECRET}"})
    assert "its command cannot be run" in _failure(_find(), capfd)


@responses.activate
def test_a_cloud_sso_login(config: Callable) -> None:
    values = {
        "cloud_sso_sign_in_url": "https://signin.example/x/login",
        "cloud_sso_account_id": "1",
        "cloud_sso_access_config": "ac",
        "access_token": TOKEN,
        "cloud_sso_access_token_expire": int(time.time()) + 3600,
    }
    config(default={"mode": "CloudSSO", **values})
    responses.post("https://signin.example/cloud-credentials", json={"CloudCredential": _session()["Credentials"]})
    assert _is_good(_find())
    assert responses.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"


OAUTH = {"mode": "OAuth", "oauth_access_token": "access", "oauth_refresh_token": "refresh", "region_id": "cn-x"}


@responses.activate
def test_an_oauth_login_goes_back_into_the_file(config: Callable) -> None:
    path = config(default=OAUTH, other=AK)
    path.chmod(0o640)
    fresh = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 3600}
    responses.post("https://oauth.aliyun.com/v1/token", json=fresh)
    responses.post("https://oauth.aliyun.com/v1/exchange", json=_session()["Credentials"])
    assert _is_good(_find())
    first, other = json.loads(path.read_text(encoding="utf-8"))["profiles"]
    assert (first["oauth_refresh_token"], first["oauth_access_token"]) == ("refresh-2", "access-2")
    assert (first["access_key_id"], first["sts_token"], first["region_id"]) == ("STS.id", TOKEN, "cn-x")
    assert first["sts_expiration"] > time.time()
    assert other == {"name": "other", **AK}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]
    calls = len(responses.calls)
    assert _is_good(_find()), "what the exchange left is used"
    assert len(responses.calls) == calls


@responses.activate
def test_an_oauth_login_that_cannot_be_saved(
    config: Callable, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(default={**OAUTH, "oauth_site_type": "intl", "oauth_access_token_expire": int(time.time()) + 9999})
    before = path.read_bytes()

    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "replace", refuse)
    responses.post("https://oauth.alibabacloud.com/v1/exchange", json=_session()["Credentials"])
    assert _is_good(_find())
    assert "the new login of profile default could not be saved" in caplog.text
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("mode", "found"), [("RamRoleArn", "config.json, profile default (RamRoleArn)"), (None, f"OIDC role {ROLE}")]
)
def test_without_the_extra_the_error_names_it_and_what_was_found(
    config: Callable, monkeypatch: pytest.MonkeyPatch, mode: str | None, found: str
) -> None:
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)
    config(default={**AK, "mode": mode or "AK", "ram_role_arn": ROLE})
    variables = {} if mode else {**OIDC, "ALIBABA_CLOUD_OIDC_TOKEN_FILE": os.devnull}
    with pytest.raises(CredentialsError) as caught:
        _find(**variables)
    assert found in caught.value.message
    assert "extra 'ram'" in caught.value.message
    assert caught.value.hint == install_command("ram")


def test_plain_keys_need_no_extra(
    config: Callable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)
    config(default=AK)
    assert _find().current() == Credentials("an-id", SECRET)
    config()
    with stand_in({}) as service:
        monkeypatch.setattr(profiles, "METADATA_ADDRESS", service.address)
        with caplog.at_level("INFO"), pytest.raises(CredentialsError):
            _find()
    assert f"ECS role: a metadata service may be there, {install_command('ram')}" in caplog.text


def test_a_damaged_library(monkeypatch: pytest.MonkeyPatch) -> None:
    source = _find(ALIBABA_CLOUD_CREDENTIALS_URI="http://127.0.0.1:1/")
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials.provider", None)
    monkeypatch.delattr("alibabacloud_credentials.provider", raising=False)
    with pytest.raises(CredentialsError, match="alibabacloud-credentials is damaged") as caught:
        source.current()
    assert caught.value.hint == install_command("ram")


def test_the_library_prints_nothing_and_starts_no_threads(tmp_path: Path) -> None:
    program = (
        "import sys, threading\n"
        "from moderate_cli.common.environment import Environment\n"
        "from moderate_cli.common.errors import CredentialsError\n"
        "from moderate_cli.settings import find_credentials\n"
        "source = find_credentials(Environment(), 'ecs')\n"
        "assert 'alibabacloud_credentials' not in sys.modules, 'nothing slow before it is needed'\n"
        "try:\n    source.current()\nexcept CredentialsError as error:\n    print(error.message)\n"
        "assert threading.active_count() == 1\n"
    )
    variables = {"HOME": str(tmp_path), "ALIBABA_CLOUD_ECS_METADATA": "r", "HTTP_PROXY": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**variables, "DEBUG": "sdk"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "ECS role r: the issuer of the credentials cannot be reached\n"
    assert done.stderr == ""
    assert logging.getLogger("credentials").disabled
