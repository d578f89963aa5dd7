"""What is wrong in a file, a variable or an option is one line that names the place and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from worlds import World
from yaml_loaders import LOADERS, use_loader

from moderate_cli.settings import SETTINGS, Setting


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


@pytest.fixture(params=LOADERS, autouse=True)
def _each_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use_loader(request.param, monkeypatch)


each_setting = pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)

NAMES = "must be a list of names, or names separated by commas"
CREDENTIALS = "credentials must be auto, environment, cli, ini, ecs, oidc or uri, or a mapping with source and profile"

PRICES = "prices must be services or billing types, each with amount, currency, per"


def _price(**changes: Any) -> str:
    """A setting with one price, some of whose parts are wrong."""
    parts = {"amount": 1, "currency": "USD", "per": 1000} | changes
    return f"prices: {{a: {{{', '.join(f'{key}: {part}' for key, part in parts.items())}}}}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("regoin: eu-west-1", "moderate.yaml:1: unknown key 'regoin', did you mean 'region'?"),
        ("\n\nservice: x", "moderate.yaml:3: unknown key 'service', did you mean 'services'?"),
        ("profile_s: {}", "moderate.yaml:1: unknown key 'profile_s', did you mean 'profiles'?"),
        ("fail-on: high", "moderate.yaml:1: unknown key 'fail-on', did you mean 'fail_on'?"),
        ("Jobs: 3", "moderate.yaml:1: unknown key 'Jobs', did you mean 'jobs'?"),
        ("zzz:", "moderate.yaml:1: unknown key 'zzz'"),
        ("profiles:\n  p:\n    job: 3", "moderate.yaml:3: unknown key 'job', did you mean 'jobs'?"),
        ("credentials:\n  sorce: ini", "moderate.yaml:2: unknown key 'sorce', did you mean 'source'?"),
        ("credentials:\n  zone: x", "moderate.yaml:2: unknown key 'zone'"),
        ("profiles: [p]", "moderate.yaml:1: profiles must be a mapping of names to settings, not ['p']"),
        ("profiles:\n  p: 3", "moderate.yaml:2: the profile 'p' must be a mapping of settings, not 3"),
        ("profiles:\n  local: {}", "moderate.yaml:2: the built-in profile 'local' cannot be redefined"),
        (
            "profiles:\n  'a b': {}",
            "moderate.yaml:2: a profile name must have 1 to 64 letters, digits, dots, dashes and underscores",
        ),
        ("profile: [p]", "moderate.yaml:1: profile must be the name of a profile, not ['p']"),
        ("profile: 'a b'", "moderate.yaml:1: profile must be the name of a profile, not the text 'a b'"),
        ("- region", "moderate.yaml:1: the file must contain settings as KEY: VALUE, not ['region']"),
        ("region", "moderate.yaml:1: the file must contain settings as KEY: VALUE, not 'region'"),
    ],
)
def test_the_shape_of_a_file(world: World, text: str, message: str) -> None:
    world.project(text)
    assert world.refused().message == message


def test_an_unknown_key_with_nothing_near_it_names_all(world: World) -> None:
    world.project("zzz: 1")
    hint = world.refused().hint
    assert all(name in hint for name in [*SETTINGS, "profile", "profiles"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs: many", "jobs must be a whole number from 1 to 64, not 'many'"),
        ("jobs: '8'", "jobs must be a whole number from 1 to 64, not the text '8'"),
        ("jobs: 65", "jobs must be a whole number from 1 to 64, not 65"),
        ("jobs: 0", "jobs must be a whole number from 1 to 64, not 0"),
        ("jobs: 8.0", "jobs must be a whole number from 1 to 64, not 8.0"),
        ("jobs: yes", "jobs must be a whole number from 1 to 64, not yes"),
        ("jobs: [1]", "jobs must be a whole number from 1 to 64, not [1]"),
        ("jobs: {a: 1}", "jobs must be a whole number from 1 to 64, not a mapping"),
        ("jobs: ''", "jobs must be a whole number from 1 to 64, not the text ''"),
        (f"jobs: {'x' * 99}", f"jobs must be a whole number from 1 to 64, not '{'x' * 40}...'"),
        ("retries: -1", "retries must be a whole number from 0 to 10, not -1"),
        ("retries: 11", "retries must be a whole number from 0 to 10, not 11"),
        ("qps: 0", "qps must be a number from 0.01 to 10000, or auto, not 0"),
        ("qps: .nan", "qps must be a number from 0.01 to 10000, or auto, not .nan"),
        ("qps: true", "qps must be a number from 0.01 to 10000, or auto, not true"),
        ("timeout: .inf", "timeout must be a number from 0.1 to 3600, not .inf"),
        ("timeout: 10s", "timeout must be a number from 0.1 to 3600, not '10s'"),
        ("vpc: 1", "vpc must be true or false, not 1"),
        ("vpc: 'yes'", "vpc must be true or false, not the text 'yes'"),
        ("fail_on: off", "fail_on must be high, medium, low or never, not off"),
        ("fail_on: High", "fail_on must be high, medium, low or never, not 'High', did you mean 'high'?"),
        ("min_level: never", "min_level must be none, low, medium or high, not 'never'"),
        ("params_in: body", "params_in must be query or form, not 'body'"),
        ("reuse: 7", "reuse must be an age such as 30m, 12h or 7d, forever or never, not 7"),
        ("reuse: 1:30", "reuse must be an age such as 30m, 12h or 7d, forever or never, not 1:30"),
        ("reuse: 0d", "reuse must be an age such as 30m, 12h or 7d, forever or never, not '0d'"),
        ("reuse: 2024-01-31", "reuse must be an age such as 30m, 12h or 7d, forever or never, not 2024-01-31"),
        ("reuse: [7d]", "reuse must be an age such as 30m, 12h or 7d, forever or never, not ['7d']"),
        ("services: []", "services must be a list of names, or names separated by commas, not []"),
        ("services: ''", "services must be a list of names, or names separated by commas, not the text ''"),
        ("services: [1, a]", "services must be a list of names, or names separated by commas, not [1, 'a']"),
        ("services: [[a]]", "services must be a list of names, or names separated by commas, not [...]"),
        ("services: a b", "services must be a list of names, or names separated by commas, not 'a b'"),
        ("info_types: [logoDate]", "info_types: unknown info type 'logoDate', did you mean 'logoData'?"),
        ("info_types: faces", "info_types: unknown info type 'faces'"),
        ("max_calls: -1", "max_calls must be a whole number of at least 0, not -1"),
        ("max_calls: some", "max_calls must be a whole number of at least 0, not 'some'"),
        ("store: ''", "store must be a file path, not the text ''"),
        ("store: ~nobody-at-all/x", "cannot expand the home folder in '~nobody-at-all/x'"),
        ("exclude: 3", "exclude must be a pattern or a list of patterns, not 3"),
        ("include: ['']", "include must be a pattern or a list of patterns, not [the text '']"),
        ("info_types: {a: b}", "info_types must be a list of names, or names separated by commas, not a mapping"),
        ("failover: 3", "failover must be a list of region ids, or region ids separated by commas, not 3"),
        ("failover: [eu-west-1, x/y]", "failover: 'x/y' is not a region id"),
        ("region: 3", "region must be a region id, not 3"),
        ("region: evil.example/", "region: 'evil.example/' is not a region id"),
        ("endpoint: 3", "endpoint must be HOST, HOST:PORT or https://HOST, not 3"),
        ("endpoint: a b", "endpoint: 'a b' is not an endpoint"),
        ("endpoint: http://example.com", "endpoint: 'http://example.com' is plain http to another machine"),
        ("prices: 3", f"{PRICES}, not 3"),
        ("prices: [a]", f"{PRICES}, not ['a']"),
        ("prices: {a: 0.5}", "prices: a needs amount, currency and per, and nothing else"),
        ("prices: {a: {amount: 1, per: 1}}", "prices: a needs amount, currency and per, and nothing else"),
        ("prices: {a: {amount: 1, prr: 1}}", "unknown key 'prr', did you mean 'per'?"),
        ("prices: {a b: 1}", "prices: a name must have 1 to 64 letters, digits, dots, dashes and underscores"),
        (_price(amount="free"), "prices: the amount of a must be a number from 0 to 1000000"),
        (_price(amount=-1), "prices: the amount of a must be a number from 0 to 1000000"),
        (_price(amount=".nan"), "prices: the amount of a must be a number from 0 to 1000000"),
        (_price(amount="yes"), "prices: the amount of a must be a number from 0 to 1000000"),
        (_price(amount="{x: 1}"), "prices: the amount of a must be a number from 0 to 1000000"),
        (_price(currency="usd"), "prices: the currency of a must be three capital letters, such as USD or CNY"),
        (_price(currency=840), "prices: the currency of a must be three capital letters, such as USD or CNY"),
        (_price(per=0), "prices: per of a must be a whole number from 1 to 1000000"),
        (_price(per=1.5), "prices: per of a must be a whole number from 1 to 1000000"),
        (_price(per="true"), "prices: per of a must be a whole number from 1 to 1000000"),
        (
            "prices: {post_text_image_detection: {amount: 1, currency: CNY, per: 1}}",
            "prices: post_text_image_detection is billed by image and by text",
        ),
        (
            "credentials: vault",
            f"{CREDENTIALS}, not 'vault'",
        ),
        (
            "credentials: {source: ini, profile: 3}",
            f"{CREDENTIALS}, not a mapping",
        ),
    ],
)
def test_the_values_of_a_file(world: World, text: str, message: str) -> None:
    world.project(f"# a comment\n{text}")
    assert world.refused().message == f"moderate.yaml:2: {message}"
    world.project(f"profiles:\n  unused:\n    {text}")
    assert world.refused().message == f"moderate.yaml:3: {message}"
    world.project("")
    world.user(text)
    error = world.refused()
    assert error.message.startswith("~")
    assert error.message.endswith(f"config.yaml:1: {message}")


def test_what_is_wrong_with_a_price_has_its_own_line(world: World) -> None:
    world.project("prices:\n  a: {amount: 1, currency: USD, per: 1}\n  b:\n    amount: 1\n    curency: USD")
    assert world.refused().message == "moderate.yaml:5: unknown key 'curency', did you mean 'currency'?"
    world.project("prices:\n  a: {amount: 1, currency: USD, per: 1}\n  text_llm_standard: 3")
    assert world.refused().message.startswith("moderate.yaml:3: prices: text_llm_standard needs")


def test_prices_by_image_and_text_are_by_billing_type(world: World) -> None:
    world.project("prices: {profile_text_image_detection: 1}")
    assert world.refused().hint == "give the prices of image_vl_standard and text_llm_standard"


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("MODERATE_PRICES", "USD 1", f"MODERATE_PRICES{PRICES[6:]}, not 'USD 1'"),
        ("MODERATE_PRICES", "[1]", f"MODERATE_PRICES{PRICES[6:]}, not '[1]'"),
        ("MODERATE_PRICES", '{"a": 1}', "MODERATE_PRICES: a needs amount, currency and per, and nothing else"),
        (
            "MODERATE_PRICES",
            '{"a": {"amount": NaN, "currency": "USD", "per": 1}}',
            "MODERATE_PRICES: the amount of a must be a number from 0 to 1000000",
        ),
        ("MODERATE_JOBS", "many", "MODERATE_JOBS must be a whole number from 1 to 64, not 'many'"),
        ("MODERATE_JOBS", "0", "MODERATE_JOBS must be a whole number from 1 to 64, not 0"),
        ("MODERATE_QPS", "nan", "MODERATE_QPS must be a number from 0.01 to 10000, or auto, not nan"),
        ("MODERATE_VPC", "maybe", "MODERATE_VPC must be true or false, not 'maybe'"),
        (
            "MODERATE_SERVICE",
            "a/b",
            f"MODERATE_SERVICE {NAMES}, not 'a/b'",
        ),
        ("MODERATE_REGION", "x/y", "MODERATE_REGION: 'x/y' is not a region id"),
        ("ALIBABA_CLOUD_REGION_ID", "x/y", "ALIBABA_CLOUD_REGION_ID: 'x/y' is not a region id"),
        ("MODERATE_REUSE", "7", "MODERATE_REUSE must be an age such as 30m, 12h or 7d, forever or never, not '7'"),
    ],
)
def test_the_values_of_variables(world: World, variable: str, text: str, message: str) -> None:
    assert world.refused({variable: text}).message == message


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("qps", "0", "--qps must be a number from 0.01 to 10000, or auto, not 0"),
        (
            "services",
            ["x" * 99],
            f"--services must be a list of names, or names separated by commas, not ['{'x' * 39}...]",
        ),
        ("qps", 0.0, "--qps must be a number from 0.01 to 10000, or auto, not 0.0"),
        ("endpoint", "http://example.com", "--endpoint: 'http://example.com' is plain http to another machine"),
        ("services", ["a b"], "--services must be a list of names, or names separated by commas, not ['a b']"),
    ],
)
def test_the_values_of_options(world: World, option: str, value: Any, message: str) -> None:
    assert world.refused(**{option: value}).message == message


@each_setting
def test_no_setting_takes_what_fits_nowhere(world: World, setting: Setting) -> None:
    for odd in ("[[]]", "{x: {y: z}}", "[{a: b}]", '"\\x00"', '"\\x1b[31m"', "[~]"):
        world.project(f"{setting.name}: {odd}")
        assert world.refused().message.startswith("moderate.yaml:1: ")


@each_setting
def test_a_value_shows_as_a_file_writes_it(setting: Setting) -> None:
    shown = setting.type.show(setting.default) if setting.default is not None else None
    if shown is not None:
        assert setting.type.check(shown) == setting.default


@pytest.mark.parametrize("text", ["30m", "12h", "7d", "90s", "36h", "forever", "never"])
def test_an_age_shows_as_it_was_written(text: str) -> None:
    kind = SETTINGS["reuse"].type
    assert kind.show(kind.check(text)) == text
