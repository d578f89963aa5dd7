"""Where the AccessKey comes from."""

from __future__ import annotations

import pytest

from moderate_cli.client import Credentials
from moderate_cli.environment import Environment
from moderate_cli.errors import CredentialsError, ExitCode
from moderate_cli.settings import find_credentials

ID, SECRET, TOKEN = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)


def _find(**variables: str) -> Credentials:
    return find_credentials(Environment(variables=variables))


def test_a_pair_of_keys_is_read_from_the_environment() -> None:
    assert _find(**{ID: "an-id", SECRET: "a-secret"}) == Credentials("an-id", "a-secret")
    assert _find(**{ID: "an-id", SECRET: "a-secret", TOKEN: ""}) == Credentials("an-id", "a-secret", None)


def test_a_temporary_pair_has_a_token() -> None:
    assert _find(**{ID: "an-id", SECRET: "a-secret", TOKEN: "a-token"}).security_token == "a-token"


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, f"{ID} and {SECRET} are not set"),
        ({ID: "", SECRET: ""}, f"{ID} and {SECRET} are not set"),
        ({SECRET: "a-secret"}, f"{ID} is not set"),
        ({ID: "an-id", TOKEN: "a-token"}, f"{SECRET} is not set"),
    ],
)
def test_the_error_names_what_is_missing_every_way_to_give_it_and_the_profile_that_needs_none(
    variables: dict[str, str], missing: str
) -> None:
    with pytest.raises(CredentialsError) as caught:
        _find(**variables)
    error = caught.value
    assert (error.message, error.exit_code) == (f"no credentials: {missing}", ExitCode.FATAL)
    assert error.hint
    for way in (ID, SECRET, TOKEN, "--profile local"):
        assert way in error.hint
    assert not [secret for secret in variables.values() if secret and secret in error.message + error.hint]


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
