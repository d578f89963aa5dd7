"""What calls cost, as far as any source tells."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from builders import call
from msgspec.structs import replace

from moderate_cli.catalog import data_origin, load_data
from moderate_cli.catalog.prices import Billed, Estimate, Price, Unit, billing_types, post_calls, price_of
from moderate_cli.catalog.services import services

IMAGE, TEXT = Unit
SINGAPORE, SHANGHAI = "ap-southeast-1", "cn-shanghai"
POST = "post_text_image_detection"
OWN = Price(amount=Decimal("0.5"), currency="EUR", per=1000, source="the setting prices")


def test_every_price_has_a_source_and_a_date() -> None:
    origin = data_origin("prices.json")
    assert origin.source
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", origin.date)
    for entry in [*load_data("prices.json")["prices"], *load_data("prices.json")["packages"]]:
        assert entry["source"]
        assert re.fullmatch(r"20\d\d(-\d\d){0,2}", entry["date"])
    for entry in load_data("prices.json")["prices"]:
        assert Decimal(entry["amount"]) > 0
        assert entry["per"] in {1000, 10_000}
        assert entry["currency"] == ("CNY" if entry["mainland"] else "USD")


def test_the_types_and_the_prices_belong_together() -> None:
    content = load_data("prices.json")
    assert {entry["service"] for entry in content["billing"]} <= set(services())
    types = {entry.get(unit) for entry in content["billing"] for unit in Unit} - {None}
    assert {entry["of"] for entry in content["prices"]} == types | {"aigcDetector_ultra"}
    assert {entry["of"] for entry in content["packages"]} == {"image_vl_standard", "text_llm_standard"} <= types
    assert len({(entry["of"], entry["mainland"]) for entry in content["prices"]}) == len(content["prices"])


@pytest.mark.parametrize(
    ("service", "unit", "region", "price", "uncertain"),
    [
        ("aigcDetector_global", IMAGE, SINGAPORE, "USD 0.60 / 1000", False),
        ("baselineCheck_global", IMAGE, SINGAPORE, "USD 0.60 / 1000", True),
        ("baselineCheck_global", IMAGE, "eu-west-1", "USD 0.60 / 1000", True),
        ("postImageCheckByVL_global", IMAGE, SINGAPORE, "USD 1.20 / 1000", False),
        ("aigcDetector_global_01", IMAGE, SINGAPORE, "USD 0.60 / 1000", True),
        (POST, IMAGE, SHANGHAI, "CNY 45 / 10000", False),
        (POST, TEXT, SHANGHAI, "CNY 20 / 10000", False),
        ("profile_text_image_detection", TEXT, "cn-beijing", "CNY 20 / 10000", False),
        ("aigcDetector_ultra", IMAGE, SHANGHAI, "CNY 200 / 10000", True),
        ("aigcDetector_ultra_01", IMAGE, SHANGHAI, "CNY 200 / 10000", True),
    ],
)
def test_a_known_price(service: str, unit: Unit, region: str, price: str, uncertain: bool) -> None:
    found = price_of(service, unit, region)
    assert found
    assert f"{found.currency} {found.amount} / {found.per}" == price
    assert found.uncertain == uncertain
    assert found.source
    assert found.date


@pytest.mark.parametrize(
    ("service", "unit", "region"),
    [
        ("baselineCheck", IMAGE, SHANGHAI),
        ("baselineCheck_global", IMAGE, SHANGHAI),
        ("baselineCheck_global", TEXT, SINGAPORE),
        ("baselineCheck_cb", IMAGE, SINGAPORE),
        ("aigcDetector_ultra_global", IMAGE, SINGAPORE),
        (POST, IMAGE, SINGAPORE),
        ("image_standard", TEXT, SINGAPORE),
        ("something_new", IMAGE, SINGAPORE),
        ("", IMAGE, SINGAPORE),
    ],
)
def test_a_price_that_nobody_names_is_not_made_up(service: str, unit: Unit, region: str) -> None:
    assert price_of(service, unit, region) is None


@pytest.mark.parametrize(
    ("own", "service", "unit", "region"),
    [
        ("baselineCheck_global", "baselineCheck_global", IMAGE, SINGAPORE),
        ("baselineCheck_global", "baselineCheck_global_01", IMAGE, SINGAPORE),
        ("image_standard", "aigcDetector_global", IMAGE, SINGAPORE),
        ("image_standard", "baselineCheck_global_01", IMAGE, SINGAPORE),
        ("baselineCheck", "baselineCheck", IMAGE, SHANGHAI),
        ("something_new", "something_new", IMAGE, SINGAPORE),
        ("text_llm_standard", POST, TEXT, SHANGHAI),
        ("image_vl_standard", POST, IMAGE, SHANGHAI),
    ],
)
def test_an_own_price_comes_first(own: str, service: str, unit: Unit, region: str) -> None:
    assert price_of(service, unit, region, {own: OWN}) is OWN


def test_the_nearest_own_price_counts() -> None:
    other, another = replace(OWN, per=1), replace(OWN, per=2)
    own = {"image_standard": OWN, "baselineCheck_global": other, "baselineCheck_global_01": another}
    assert price_of("baselineCheck_global_01", IMAGE, SINGAPORE, own) is another
    assert price_of("baselineCheck_global", IMAGE, SINGAPORE, own) is other
    assert price_of("aigcDetector_global", IMAGE, SINGAPORE, own) is OWN


def test_a_post_has_no_price_of_its_own() -> None:
    for unit in Unit:
        assert price_of(POST, unit, SHANGHAI, {POST: OWN}) == price_of(POST, unit, SHANGHAI)
    types = billing_types(POST)
    assert types
    assert types.names == {IMAGE: "image_vl_standard", TEXT: "text_llm_standard"}


# --- estimates


def test_the_vendors_two_examples() -> None:
    ask = call(services=(POST,), region=SHANGHAI)
    images = Estimate()
    for _ in range(10):
        images.add(ask, post_calls({"mainData": {"mainImages": [{"imageUrl": "https://a.example/a"}]}}))
    assert images.sums == {"CNY": Decimal("0.045")}
    text = Estimate()
    text.add(ask, post_calls({"mainData": {"mainContent": "x" * 3500}}))
    assert text.calls == 4
    assert text.sums == {"CNY": Decimal("0.008")}
    assert text.in_words() == "CNY 0.008 (list prices of 2026-11), or 10.68 calls of a resource package"


@pytest.mark.parametrize(
    ("images", "characters", "service", "region", "taken"),
    [
        (1, 0, POST, SHANGHAI, "6"),  # the vendor's two examples: one image, and 900 characters
        (0, 900, POST, SHANGHAI, "2.67"),
        (10, 3500, "profile_text_image_detection", "cn-beijing", "70.68"),
        (1, 900, POST, SINGAPORE, "0"),
        (1, 900, "baselineCheck", SHANGHAI, "0"),
        (1, 900, "foo", SHANGHAI, "0"),
    ],
)
def test_a_post_takes_calls_of_a_resource_package(
    images: int, characters: int, service: str, region: str, taken: str
) -> None:
    estimate = Estimate()
    pictures = [{"imageUrl": "https://a.example/a"}] * images
    post = {"mainData": {"mainContent": "x" * characters, "mainImages": pictures}}
    estimate.add(call(services=(service,), region=region), post_calls(post))
    assert estimate.package_calls == Decimal(taken)
    said = f"or {taken} calls of a resource package"
    assert estimate.in_words().endswith(said) == (taken != "0")


def test_an_estimate_adds_up_by_currency_and_keeps_the_unknown_apart() -> None:
    estimate = Estimate({"aigcCheck_cb": OWN})
    services = ("baselineCheck_global", "aigcDetector_global", "baselineCheck_cb", "aigcCheck_cb")
    for _ in range(1000):
        estimate.add(call(services=services), Billed(images=1))
    estimate.add(call(services=(POST,), region=SHANGHAI), Billed(images=2, text_units=1))
    assert estimate.calls == 4003
    assert estimate.sums == {"CNY": Decimal("0.011"), "EUR": Decimal("0.5"), "USD": Decimal("1.2")}
    assert estimate.unknown == {"baselineCheck_cb": 1000}
    assert estimate.uncertain == ("baselineCheck_global",)
    assert estimate.dates == ("2025-12", "2026-11")
    assert estimate.in_words() == (
        "CNY 0.011 + EUR 0.50 + USD 1.20 (list prices of 2025-12 and 2026-11, uncertain for baselineCheck_global), "
        "unknown for baselineCheck_cb (1000 calls), or 14.67 calls of a resource package"
    )


@pytest.mark.parametrize(
    ("service", "images", "words"),
    [
        ("aigcDetector_global", 1, "USD 0.0006 (list prices of 2025-12)"),
        ("aigcDetector_global", 1_000_000, "USD 600.00 (list prices of 2025-12)"),
        ("baselineCheck", 1, "unknown for baselineCheck (1 call)"),
        ("baselineCheck", 0, "nothing"),
    ],
)
def test_an_estimate_in_words(service: str, images: int, words: str) -> None:
    estimate = Estimate()
    estimate.add(call(services=(service,)), Billed(images=images))
    assert estimate.in_words() == words


def test_an_own_price_is_no_list_price_and_may_be_odd() -> None:
    estimate = Estimate({"baselineCheck": replace(OWN, amount=Decimal(1), per=3)})
    estimate.add(call(services=("baselineCheck",), region=SHANGHAI), Billed(images=1))
    assert estimate.in_words() == "EUR 0.333333"


def test_the_local_engine_costs_nothing() -> None:
    estimate = Estimate()
    estimate.add(call(region=None), Billed(images=5))
    assert estimate.calls == 0
    assert estimate.in_words() == "nothing"


def test_the_same_service_in_two_regions() -> None:
    estimate = Estimate()
    for region in (SINGAPORE, SHANGHAI):
        estimate.add(call(services=("aigcDetector_global",), region=region), Billed(images=10))
    assert estimate.sums == {"USD": Decimal("0.006")}
    assert estimate.unknown == {"aigcDetector_global": 10}
