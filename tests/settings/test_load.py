"""Which of several values counts, and what is told about where it came from."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from worlds import World, values

from moderate_cli.catalog.prices import Price
from moderate_cli.models import RiskLevel
from moderate_cli.settings import (
    SETTINGS,
    CredentialsChoice,
    CredentialsSource,
    FailOn,
    ParamsIn,
    QuotaAddress,
    Settings,
)
from moderate_cli.settings.locate import user_file


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


# For each setting: its text in a variable, what YAML or an option gives, and what programs get; one a layer.
VALUES: dict[str, list[tuple[str, Any, Any]]] = {
    "region": [
        (region, region, region)
        for region in ("eu-west-1", "us-east-1", "us-west-1", "cn-beijing", "cn-hangzhou", "eu-central-1")
    ],
    "endpoint": [(f"h{n}.example", f"h{n}.example", f"h{n}.example") for n in range(6)],
    "vpc": [("yes", True, True), ("0", False, False), ("ON", True, True), ("no", False, False)] * 2,
    "services": [(f"a{n}, b", [f"a{n}", "b"], (f"a{n}", "b")) for n in range(6)],
    "info_types": [
        (text, text, (name,))
        for text, name in (
            *(("customImage", "customImage"), ("textinimage", "textInImage"), ("PUBLICFIGURE", "publicFigure")),
            *(("logoData", "logoData"), ("LogoData", "logoData"), ("textInImage", "textInImage")),
        )
    ],
    "fail_on": [(word.value, word.value, word) for word in FailOn] * 2,
    "allow_partial": [("yes", True, True), ("0", False, False), ("ON", True, True), ("no", False, False)] * 2,
    "require_full": [("true", True, True), ("off", False, False), ("1", True, True), ("NO", False, False)] * 2,
    "min_level": [(word.value, word.value, word) for word in RiskLevel] * 2,
    "qps": [("auto", "auto", math.inf), *((f"{n}.5", n + 0.5, n + 0.5) for n in range(5))],
    "quota": [
        (text, text, QuotaAddress(text))
        for text in ("file:", "file:/x/quota", "file:~/quota", "redis://h", "rediss://h:1/2", "redis://h:6379")
    ],
    "jobs": [(str(n), n, n) for n in range(1, 7)],
    "retries": [(str(n), n, n) for n in range(6)],
    "timeout": [(str(n), n, float(n)) for n in range(1, 7)],
    "failover": [
        (region, [region], (region,))
        for region in ("eu-west-1", "us-east-1", "us-west-1", "cn-beijing", "cn-hangzhou", "cn-x")
    ],
    "reuse": [("7d", "7d", 604_800.0), ("forever", "forever", math.inf), ("never", "never", None)] * 2,
    "max_calls": [(str(n), n, n) for n in range(6)],
    "confirm_above": [(str(n), n, n) for n in range(6)],
    "store": [(f"/x/{n}.db", f"/x/{n}.db", Path(f"/x/{n}.db")) for n in range(6)],
    "rules": [(f"/x/{n}.yaml", f"/x/{n}.yaml", Path(f"/x/{n}.yaml")) for n in range(6)],
    "fetch_urls": [("yes", True, True), ("0", False, False), ("ON", True, True), ("no", False, False)] * 2,
    "include": [(f"*.a{n} b,c", [f"*.a{n}", "b,c"], (f"*.a{n}", "b,c")) for n in range(6)],
    "exclude": [(f"a{n}", f"a{n}", (f"a{n}",)) for n in range(6)],
    "prices": [
        (json.dumps(price), price, {"a": Price(amount=Decimal(n), currency="USD", per=10, source="the setting prices")})
        for n in range(6)
        for price in [{"a": {"amount": n, "currency": "USD", "per": 10}}]
    ],
    "params_in": [(word.value, word.value, word) for word in ParamsIn] * 3,
    "oss_profile": [(name, name, name) for name in ("a", "b c", "图", "d.e", "f-g", "x" * 64)],
    "credentials": [(word.value, word.value, CredentialsChoice(word)) for word in CredentialsSource],
}
LAYERS = ["option", "variable", "project's profile", "project's top", "user's profile", "user's top"]


def _shown(path: Path) -> str:
    return str("~" / path.relative_to(Path.home()))


def _file(name: str, profile: Any, top: Any) -> str:
    return f"profiles:\n p:\n  {name}: {_yaml(profile)}\n{name}: {_yaml(top)}\nprofile: p"


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def test_each_setting_has_values_here() -> None:
    assert set(VALUES) == set(SETTINGS)


@pytest.mark.parametrize("first", range(6), ids=LAYERS)
@pytest.mark.parametrize("name", SETTINGS)
def test_for_each_key_the_first_layer_that_has_it_counts(world: World, name: str, first: int) -> None:
    native = [value[1] if layer >= first else None for layer, value in enumerate(VALUES[name][:6])]
    variables = {SETTINGS[name].variable: VALUES[name][1][0]} if first <= 1 else {}
    for write, profile, top in ((world.project, *native[2:4]), (world.user, *native[4:6])):
        # A key that is null is not set; the lines stay where they are.
        write(_file(name, profile, top))
    settings = world.resolve(variables, **({name: native[0]} if native[0] is not None else {}))
    assert getattr(settings, name) == VALUES[name][first][2]
    origins = [f"--{name}", SETTINGS[name].variable, "moderate.yaml:3 (profile p)", "moderate.yaml:4"]
    origins += [f"{_shown(user_file())}:3 (profile p)", f"{_shown(user_file())}:4"]
    assert settings.origins[name] == origins[first]


def test_the_defaults_need_nothing(world: World) -> None:
    names = ["profile", *SETTINGS]
    assert values(world.resolve()) == Settings(
        profile=None,
        region="ap-southeast-1",
        endpoint=None,
        vpc=False,
        services=("baselineCheck_global",),
        info_types=("customImage", "textInImage"),
        fail_on=FailOn.NEVER,
        allow_partial=False,
        require_full=False,
        min_level=RiskLevel.NONE,
        qps=None,
        quota=None,
        jobs=64,
        retries=3,
        timeout=10.0,
        failover=(),
        reuse=None,
        max_calls=None,
        confirm_above=None,
        store=None,
        rules=None,
        fetch_urls=False,
        include=(),
        exclude=(),
        prices={},
        params_in=ParamsIn.QUERY,
        oss_profile=None,
        credentials=CredentialsChoice(CredentialsSource.AUTO),
        origins=dict.fromkeys(names, "default"),
    )


@pytest.mark.parametrize(
    ("option", "own", "vendors", "expected"),
    [
        ("eu-west-1", "us-east-1", "us-west-1", ("eu-west-1", "--region")),
        (None, "us-east-1", "us-west-1", ("us-east-1", "MODERATE_REGION")),
        ("", "us-east-1", "us-west-1", ("us-east-1", "MODERATE_REGION")),
        (None, "", "us-west-1", ("us-west-1", "ALIBABA_CLOUD_REGION_ID")),
        (None, "", "", ("cn-beijing", "moderate.yaml:1")),
    ],
)
def test_the_vendors_variable_for_the_region_stands_before_the_files(
    world: World, option: str | None, own: str, vendors: str, expected: tuple[str, str]
) -> None:
    world.project("region: cn-beijing")
    settings = world.resolve({"MODERATE_REGION": own, "ALIBABA_CLOUD_REGION_ID": vendors}, region=option)
    assert (settings.region, settings.origins["region"]) == expected


@pytest.mark.parametrize(
    ("region", "service"),
    [
        ("cn-shanghai", "baselineCheck"),
        ("ap-southeast-1", "baselineCheck_global"),
        ("xx-new-1", "baselineCheck_global"),
    ],
)
def test_the_service_follows_the_region_unless_it_is_given(world: World, region: str, service: str) -> None:
    assert world.resolve(region=region).services == (service,)
    assert world.resolve(region=region, services=["mine"]).services == ("mine",)
    world.project(f"region: {region}")
    assert world.resolve().services == (service,)


def test_an_option_can_take_the_details_away_and_a_blank_one_changes_nothing_else(world: World) -> None:
    settings = world.resolve(info_types="", region="", endpoint="", services=("", " "))
    assert settings.info_types == ()
    assert settings.origins["info_types"] == "--info_types"
    assert {settings.origins[name] for name in ("region", "endpoint", "services")} == {"default"}


# --- profiles


@pytest.mark.parametrize(
    ("option", "variable", "project", "user", "expected"),
    [
        ("a", "b", "c", "d", ("a", "--profile")),
        (None, "b", "c", "d", ("b", "MODERATE_PROFILE")),
        (None, "", "c", "d", ("c", "moderate.yaml:5")),
        (None, "", "~", "a", ("a", "config.yaml:5")),
        (None, "", "~", "~", (None, "default")),
    ],
)
def test_which_profile_counts(
    world: World, option: str | None, variable: str, project: str, user: str, expected: tuple[str, str]
) -> None:
    profiles = "profiles:\n  a: {jobs: 1}\n  b: {jobs: 2}\n  c:\nprofile: "
    world.project(profiles + project)
    world.user(profiles + user)
    settings = world.resolve({"MODERATE_PROFILE": variable}, **({"profile": option} if option else {}))
    assert settings.profile == expected[0]
    assert settings.origins["profile"].endswith(expected[1])


def test_a_project_may_name_a_profile_of_the_users_file(world: World) -> None:
    world.project("profile: mine\njobs: 3")
    world.user("profiles:\n  mine:\n    jobs: 5\n    retries: 7")
    settings = world.resolve()
    assert (settings.jobs, settings.retries) == (3, 7)


@pytest.mark.parametrize("name", ["on", "2024", "1.5", "no", "null_"])
def test_a_profile_is_called_what_is_written(world: World, name: str) -> None:
    world.project(f"profile: {name}\nprofiles:\n  {name}: {{jobs: 3}}")
    assert world.resolve().jobs == world.resolve(profile=name).jobs == 3


@pytest.mark.parametrize(
    ("profile", "words", "hint"),
    [
        ("prod", "unknown profile 'prod'", "the built-in profile is 'local'"),
        ("LOCAL", "unknown profile 'LOCAL'", "the built-in profile is 'local'"),
        ("locl", "unknown profile 'locl', did you mean 'local'?", "the built-in profile is 'local'"),
        ("", "unknown profile ''", "the built-in profile is 'local'"),
    ],
)
def test_a_profile_that_does_not_exist(world: World, profile: str, words: str, hint: str) -> None:
    error = world.refused(profile=profile)
    assert (error.message, error.hint) == (words, hint)


def test_the_error_about_a_profile_names_those_that_exist_and_the_line_that_asked(world: World) -> None:
    world.project("jobs: 3\nprofile: productoin\nprofiles: {production: {}}")
    world.user("profiles: {drafts: {}}")
    error = world.refused()
    assert error.message == "moderate.yaml:2: unknown profile 'productoin', did you mean 'production'?"
    assert error.hint == "your profiles are 'drafts', 'production'; the built-in profile is 'local'"


# --- the profile local


def test_the_local_profile_has_neither_region_nor_endpoint_whatever_files_say(world: World) -> None:
    world.project("region: cn-beijing\nendpoint: example.com\nvpc: true\njobs: 3")
    settings = world.resolve({"ALIBABA_CLOUD_REGION_ID": "us-east-1"}, profile="local")
    assert settings.local
    assert (settings.region, settings.endpoint, settings.vpc, settings.jobs) == (None, None, False, 3)
    assert settings.services == ("baselineCheck_global",)
    assert {settings.origins[name] for name in ("region", "endpoint", "vpc")} == {"profile local"}
    assert not world.resolve().local


def test_a_file_may_choose_the_local_profile(world: World) -> None:
    world.project("profile: local")
    assert world.resolve().local


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({}, {"endpoint": "example.com"}),
        ({}, {"vpc": True}),
        ({"MODERATE_ENDPOINT": "example.com"}, {}),
        ({"MODERATE_VPC": "1"}, {}),
    ],
)
def test_the_local_profile_takes_no_other_endpoint(
    world: World, variables: dict[str, str], options: dict[str, Any]
) -> None:
    error = world.refused(variables, profile="local", **options)
    assert error.message == "the profile 'local' has an endpoint of its own"
    assert not world.resolve(profile="local", vpc=False).vpc


def test_settings_cannot_be_changed_afterwards(world: World) -> None:
    with pytest.raises(AttributeError):
        world.resolve().jobs = 3


@pytest.mark.parametrize(
    ("options", "variables", "endpoint"),
    [
        ({}, {}, "proxy.example"),
        ({"region": "us-east-1"}, {}, None),
        ({"region": "us-east-1", "endpoint": "mine.example"}, {}, "mine.example"),
        ({}, {"MODERATE_REGION": "us-east-1"}, None),
        ({"region": "us-east-1"}, {"MODERATE_ENDPOINT": "mine.example"}, None),
        ({}, {"ALIBABA_CLOUD_REGION_ID": "us-east-1"}, "proxy.example"),
    ],
)
def test_a_region_that_is_named_is_not_overruled_by_an_endpoint_further_down(
    world: World, options: dict[str, str], variables: dict[str, str], endpoint: str | None
) -> None:
    world.project("region: cn-beijing\nendpoint: proxy.example")
    settings = world.resolve(variables, **options)
    assert settings.endpoint == endpoint
    assert endpoint or settings.origins["endpoint"].endswith("names a region")
