"""Where each setting comes from."""

from __future__ import annotations

from typing import Any

import pytest

from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode, UsageError
from moderate_cli.settings import Settings, resolve

NOTHING_GIVEN = dict.fromkeys(
    ("service", "info_types", "profile", "region", "endpoint", "vpc", "timeout", "jobs"), None
)


def _resolve(variables: dict[str, str] | None = None, **given: Any) -> Settings:
    return resolve(NOTHING_GIVEN | given, Environment(variables=variables or {}))


def test_the_defaults_need_nothing() -> None:
    assert _resolve() == resolve({}, Environment(variables={}))
    assert _resolve() == Settings(
        local=False,
        region="ap-southeast-1",
        endpoint=None,
        vpc=False,
        service="baselineCheck_global",
        info_types=("customImage", "textInImage"),
        jobs=8,
        timeout=10.0,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service", "postImageCheck"),
        ("info_types", ("logoData",)),
        ("info_types", ()),
        ("region", "eu-central-1"),
        ("endpoint", "127.0.0.1:8443"),
        ("vpc", True),
        ("timeout", 2.5),
        ("jobs", 1),
    ],
)
def test_what_is_given_wins_over_the_default(name: str, value: object) -> None:
    assert getattr(_resolve(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [
        (None, None, "ap-southeast-1"),
        (None, "", "ap-southeast-1"),
        (None, "us-east-1", "us-east-1"),
        ("cn-beijing", "us-east-1", "cn-beijing"),
        ("", "us-east-1", "us-east-1"),
    ],
)
def test_the_region_is_given_or_the_environments_or_the_default(
    given: str | None, variable: str | None, expected: str
) -> None:
    variables = {} if variable is None else {"ALIBABA_CLOUD_REGION_ID": variable}
    assert _resolve(variables, region=given).region == expected


@pytest.mark.parametrize(
    ("region", "service"),
    [
        ("cn-shanghai", "baselineCheck"),
        ("ap-southeast-1", "baselineCheck_global"),
        ("xx-new-1", "baselineCheck_global"),
    ],
)
def test_the_service_follows_the_region_unless_it_is_given(region: str, service: str) -> None:
    assert _resolve(region=region).service == service
    assert _resolve({"ALIBABA_CLOUD_REGION_ID": region}).service == service
    assert _resolve(region=region, service="mine").service == "mine"


def test_the_local_profile_has_no_region() -> None:
    settings = _resolve({"ALIBABA_CLOUD_REGION_ID": "us-east-1"}, profile="local")
    assert (settings.local, settings.region) == (True, None)


@pytest.mark.parametrize("profile", ["prod", "LOCAL", ""])
def test_a_profile_that_does_not_exist_is_a_usage_error(profile: str) -> None:
    with pytest.raises(UsageError, match="there is no profile") as caught:
        _resolve(profile=profile)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "'local'" in str(caught.value.hint)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        _resolve().jobs = 3  # type: ignore[misc]
