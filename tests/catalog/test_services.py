"""The known services: where each is offered, and how often it may be called."""

from __future__ import annotations

from datetime import date

import pytest

from moderate_cli.catalog.services import (
    DEFAULT_REGION,
    JudgingOperation,
    default_service,
    find_service,
    is_large_model,
    is_offered,
    queries_per_second,
    regions,
    services,
    services_origin,
)
from moderate_cli.client.parameters import Operation

SYNC, BATCH, ASYNC, MULTIMODAL = JudgingOperation
MAINLAND = ("cn-shanghai", "cn-beijing", "cn-hangzhou", "cn-shenzhen", "cn-chengdu")
CLASSIC = ["baselineCheck", "baselineCheck_pro", "tonalityImprove", "aigcCheck"]
CLASSIC += ["profilePhotoCheck", "postImageCheck", "advertisingCheck", "liveStreamCheck"]


def test_the_data_hangs_together() -> None:
    assert date.fromisoformat(services_origin().date)
    assert services_origin().source
    for service in services().values():
        assert service.offers
        for offer in service.offers:
            assert offer.regions or offer.uncertain
            assert set(offer.regions + offer.uncertain) <= set(regions())
            assert not set(offer.regions) & set(offer.uncertain)


def test_the_operations_are_the_clients() -> None:
    assert {operation.value for operation in JudgingOperation} < {operation.value for operation in Operation}


def test_every_region_offers_its_default_service() -> None:
    assert all(is_offered(default_service(region), SYNC, region) for region in regions())


@pytest.mark.parametrize("region", MAINLAND)
def test_the_batch_page_lists_these_services(region: str) -> None:
    listed = {*CLASSIC, "aigcViolationDetection", "baselineCheckByVL", "postImageCheckByVL"}
    listed |= {"adCheckByVL"} if region in ("cn-shanghai", "cn-beijing") else set()
    assert {name for name in services() if is_offered(name, BATCH, region)} == listed


@pytest.mark.parametrize("region", list(regions()))
def test_the_async_pages_list_these_services(region: str) -> None:
    listed = {"cn-shanghai": CLASSIC, "cn-beijing": CLASSIC, DEFAULT_REGION: ["baselineCheck_global"]}
    assert [name for name in services() if is_offered(name, ASYNC, region)] == listed.get(region, [])


def test_posts_and_profiles_are_judged_in_two_regions() -> None:
    pairs = {(name, region) for name in services() for region in regions() if is_offered(name, MULTIMODAL, region)}
    named = ("post_text_image_detection", "profile_text_image_detection")
    assert pairs == {(name, region) for name in named for region in ("cn-shanghai", "cn-beijing")}


@pytest.mark.parametrize(
    ("service", "operation", "region", "offered"),
    [
        ("baselineCheck_global", SYNC, "us-east-1", True),
        ("baselineCheck_global_01", SYNC, "us-east-1", True),
        ("baselineCheck_global", SYNC, "cn-shanghai", False),
        ("baselineCheck", SYNC, "ap-southeast-1", False),
        ("baselineCheck_global", BATCH, "ap-southeast-1", False),
        ("aigcDetector", SYNC, "cn-hangzhou", False),
        ("post_text_image_detection", SYNC, "cn-shanghai", False),
        ("baselineCheck_cb", SYNC, "us-east-1", None),
        ("postImageCheckByVL_global", SYNC, "eu-central-1", None),
        ("postImageCheckByVL_ec", SYNC, "ap-southeast-1", None),
        ("brandNewCheck", SYNC, "cn-shanghai", None),
        ("baselineCheck", SYNC, "cn-hongkong", None),
        ("baselineCheck", "DescribeUploadToken", "cn-shanghai", None),
    ],
)
def test_what_is_doubtful_or_unheard_of_is_unknown(
    service: str, operation: str, region: str, offered: bool | None
) -> None:
    assert is_offered(service, operation, region) is offered


@pytest.mark.parametrize("name", ["baselineCheck_01", "baselineCheck_global_02", "postImageCheckByVL_123"])
def test_a_custom_copy_behaves_like_its_source(name: str) -> None:
    copy = find_service(name)
    source = name.rpartition("_")[0]
    assert copy
    assert (copy.name, copy.copy_of, copy.offers) == (name, source, services()[source].offers)


@pytest.mark.parametrize("name", ["", "_01", "baselineCheck_1", "baselineCheck_xy", "unheard_01", "baselinecheck"])
def test_other_names_are_unknown(name: str) -> None:
    assert find_service(name) is None


@pytest.mark.parametrize(
    ("operation", "service", "limit"),
    [
        ("ImageModeration", None, 100),
        ("ImageModeration", "baselineCheck_global", 100),
        ("ImageModeration", "postImageCheckByVL_global", 50),
        ("ImageModeration", "postImageCheckByVL_global_01", 50),
        ("ImageModeration", "brandNewCheckByVL_cb", 50),
        ("ImageBatchModeration", "baselineCheck,tonalityImprove", 100),
        ("ImageBatchModeration", "baselineCheck,baselineCheckByVL", 50),
        ("ImageAsyncModeration", "baselineCheck", 100),
        ("DescribeImageModerationResult", None, 100),
        ("MultimodalAsyncModeration", "post_text_image_detection", 10),
        ("DescribeMultimodalModerationResult", None, 10),
        ("DescribeUploadToken", "baselineCheckByVL", 100),
        ("DescribeImageResultExt", None, 100),
    ],
)
def test_the_limits_are_the_vendors(operation: str, service: str | None, limit: int) -> None:
    assert queries_per_second(operation, service) == limit


def test_large_models_are_those_named_so() -> None:
    assert {name for name in services() if is_large_model(name)} == {name for name in services() if "ByVL" in name}
