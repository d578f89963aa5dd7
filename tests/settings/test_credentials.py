"""Where the AccessKey comes from: the environment, and the whole chain where nothing gives one."""

from __future__ import annotations

from pathlib import Path

import pytest

from moderate_cli.client import Credentials
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import CredentialsError, ExitCode, UsageError
from moderate_cli.settings import find_credentials, find_profile
from moderate_cli.settings.credentials import profiles

ID, SECRET, TOKEN = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)


@pytest.fixture(autouse=True)
def _empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(profiles, "METADATA_ADDRESS", ("127.0.0.1", 1))  # nobody listens there


def _find(**variables: str) -> Credentials:
    return find_credentials(Environment(variables=variables)).current()


def test_a_pair_of_keys_is_read_from_the_environment() -> None:
    assert _find(**{ID: "an-id", SECRET: "a-secret"}) == Credentials("an-id", "a-secret")
    assert _find(**{ID: "an-id", SECRET: "a-secret", TOKEN: ""}) == Credentials("an-id", "a-secret", None)


def test_a_temporary_pair_has_a_token() -> None:
    assert _find(**{ID: "an-id", SECRET: "a-secret", TOKEN: "a-token"}).security_token == "a-token"


def test_the_environment_has_no_others_to_give() -> None:
    source = find_credentials(Environment(variables={ID: "an-id", SECRET: "a-secret"}))
    assert source.origin == f"environment ({ID})"
    assert not source.renew(source.current())


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, f"{ID} and {SECRET} are not set"),
        ({ID: "", SECRET: ""}, f"{ID} and {SECRET} are not set"),
        ({SECRET: "a-secret"}, f"{ID} is not set"),
        ({ID: "an-id", TOKEN: "a-token"}, f"{SECRET} is not set"),
    ],
)
@pytest.mark.parametrize("source", ["auto", "environment"])
def test_the_error_names_what_is_missing_and_the_profile_that_needs_none(
    variables: dict[str, str], missing: str, source: str
) -> None:
    with pytest.raises(CredentialsError) as caught:
        find_credentials(Environment(variables=variables), source)
    error = caught.value
    assert (error.message, error.exit_code) == (f"no credentials: {missing}", ExitCode.FATAL)
    assert error.hint
    assert "--profile local" in error.hint
    assert not [secret for secret in variables.values() if secret and secret in error.message + error.hint]


def test_the_log_tells_of_each_link_why_it_gave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), pytest.raises(CredentialsError) as caught:
        _find()
    assert "aliyun configure" in (caught.value.hint or "")
    for reason in (
        "OIDC: ALIBABA_CLOUD_OIDC_TOKEN_FILE and ALIBABA_CLOUD_ROLE_ARN and ALIBABA_CLOUD_OIDC_PROVIDER_ARN not set",
        "~/.aliyun/config.json: absent",
        "~/.alibabacloud/credentials.ini: absent",
        "ECS role: no metadata service answers",
        "credentials URI: ALIBABA_CLOUD_CREDENTIALS_URI is not set",
    ):
        assert reason in caplog.text


@pytest.mark.parametrize(
    ("source", "variables", "reason"),
    [
        ("oidc", {"ALIBABA_CLOUD_ROLE_ARN": "x"}, "OIDC: ALIBABA_CLOUD_OIDC_TOKEN_FILE and "),
        ("cli", {}, "~/.aliyun/config.json: absent"),
        ("cli", {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "True"}, "ALIBABA_CLOUD_CLI_PROFILE_DISABLED is true"),
        ("ini", {}, "~/.alibabacloud/credentials.ini: absent"),
        ("ini", {"ALIBABA_CLOUD_CREDENTIALS_FILE": "/nowhere"}, "/nowhere: absent"),
        ("ecs", {}, "ECS role: no metadata service answers"),
        ("ecs", {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}, "ALIBABA_CLOUD_ECS_METADATA_DISABLED is true"),
        ("uri", {}, "ALIBABA_CLOUD_CREDENTIALS_URI is not set"),
        (
            "uri",
            {"ALIBABA_CLOUD_CREDENTIALS_URI": "file:///CANARY"},
            "credentials URI: the URI is not an http",
        ),
        (
            "uri",
            {"ALIBABA_CLOUD_CREDENTIALS_URI": "http://[CANARY"},
            "credentials URI: the URI is not an http",
        ),
    ],
)
def test_a_source_that_was_named_says_why_it_gives_nothing(source: str, variables: dict[str, str], reason: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        find_credentials(Environment(variables=variables), source)
    assert reason in caught.value.message
    assert "CANARY" not in f"{caught.value.message} {caught.value.hint}"


def test_a_source_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="unknown credentials source 'vault'") as caught:
        find_credentials(Environment(variables={}), "vault")
    assert caught.value.hint == "one of auto, environment, oidc, cli, ini, ecs, uri"


def test_an_account_without_a_home_folder(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", nowhere)
    with caplog.at_level("INFO"), pytest.raises(CredentialsError):
        _find()
    assert caplog.text.count("there is no home folder") == 2


def test_the_text_form_of_credentials_hides_the_secrets() -> None:
    text = repr(Credentials("an-id", "a-secret", "a-token"))
    assert "an-id" in text
    assert "a-secret" not in text
    assert "a-token" not in text


@pytest.mark.parametrize("name", [ID, SECRET, TOKEN])
def test_a_newline_at_the_end_of_a_variable_does_not_reach_a_header(name: str) -> None:
    found = _find(**({ID: "an-id", SECRET: "a-secret", TOKEN: "a-token"} | {name: "value\n"}))
    assert "\n" not in f"{found.access_key_id}{found.access_key_secret}{found.security_token}"


@pytest.mark.parametrize("name", [ID, SECRET, TOKEN])
@pytest.mark.parametrize("value", ["CANARY\nheader: x", "CANARY x", "CANARYé", "CANARY\x00"])
def test_what_cannot_stand_in_a_header_is_refused_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        _find(**({ID: "an-id", SECRET: "a-secret", TOKEN: "a-token"} | {name: value}))
    assert "CANARY" not in f"{caught.value.message} {caught.value.hint}"


def test_a_profile_of_another_account_is_that_of_a_file_whatever_the_environment_has() -> None:
    environment = Environment(variables={ID: "an-id", SECRET: "a-secret"})
    folder = Path.home() / ".alibabacloud"
    folder.mkdir()
    (folder / "credentials.ini").write_text("[partner]\ntype = access_key\naccess_key_id = p\naccess_key_secret = s\n")
    assert find_profile(environment, "partner").current() == Credentials("p", "s")
    with pytest.raises(CredentialsError, match="there is no section another"):
        find_profile(environment, "another")
