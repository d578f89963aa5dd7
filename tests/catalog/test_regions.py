"""Regions and their endpoints."""

from __future__ import annotations

import pytest

from moderate_cli.catalog.services import DEFAULT_REGION, default_service, endpoint, regions
from moderate_cli.common.errors import ExitCode, UsageError

WITH_VPC = ["cn-shanghai", "cn-beijing", "cn-hangzhou", "cn-shenzhen", "ap-southeast-1", "us-east-1", "eu-central-1"]
WITHOUT_VPC = ["cn-chengdu", "eu-west-1", "us-west-1"]


def test_the_known_regions_are_these() -> None:
    assert sorted(regions()) == sorted(WITH_VPC + WITHOUT_VPC)
    assert DEFAULT_REGION in regions()
    assert all(region.id == name and region.name for name, region in regions().items())


@pytest.mark.parametrize("region", WITH_VPC + WITHOUT_VPC)
def test_every_region_has_an_endpoint_of_its_own(region: str) -> None:
    assert endpoint(region) == f"green-cip.{region}.aliyuncs.com"


@pytest.mark.parametrize("region", WITH_VPC)
def test_most_regions_have_one_inside_the_vendors_network(region: str) -> None:
    assert endpoint(region, vpc=True) == f"green-cip-vpc.{region}.aliyuncs.com"


@pytest.mark.parametrize("region", WITHOUT_VPC)
def test_a_missing_one_is_a_usage_error_that_names_the_region(region: str) -> None:
    with pytest.raises(UsageError, match=f"{region} .*no VPC endpoint") as caught:
        endpoint(region, vpc=True)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "--vpc" in str(caught.value.hint)


@pytest.mark.parametrize("vpc", [False, True])
@pytest.mark.parametrize("region", ["ap-southeast-99", "me-central-1", "cn-north-2-gov-1", "na-south-1"])
def test_an_unknown_region_follows_the_rule(region: str, vpc: bool) -> None:
    assert endpoint(region, vpc=vpc) == f"green-cip{'-vpc' if vpc else ''}.{region}.aliyuncs.com"


@pytest.mark.parametrize(
    "region",
    [
        "",
        "cn",
        "evil.com/",
        "evil.com#",
        "cn-shanghai.evil.com",
        "cn-shanghai/",
        "cn-shanghai@evil.com",
        "cn-shanghai:80",
        "cn-shanghai\n",
        " cn-shanghai",
        "cn-shanghai\x00",
        "cn--shanghai",
        "cn-shanghai-",
        "-cn-shanghai",
        "CN-SHANGHAI",
        "cn_shanghai",
        "cn-shanghaı",
        "ｃｎ-shanghai",
    ],
)
def test_what_is_no_region_id_never_becomes_part_of_a_host_name(region: str) -> None:
    for vpc in (False, True):
        with pytest.raises(UsageError, match="is not a region id") as caught:
            endpoint(region, vpc=vpc)
        assert "ap-southeast-1" in str(caught.value.hint)


def test_mainland_regions_name_the_general_check_otherwise() -> None:
    names = {region: default_service(region) for region in regions()}
    assert {region for region, name in names.items() if name == "baselineCheck"} == {
        region for region in regions() if region.startswith("cn-")
    }
    assert set(names.values()) == {"baselineCheck", "baselineCheck_global"}


def test_a_region_knows_its_endpoints_and_whose_console_settings_it_uses() -> None:
    known = regions()
    assert known["ap-southeast-1"].endpoint == "green-cip.ap-southeast-1.aliyuncs.com"
    assert known["ap-southeast-1"].vpc_endpoint == "green-cip-vpc.ap-southeast-1.aliyuncs.com"
    assert [region for region in known if known[region].vpc_endpoint is None] == WITHOUT_VPC
    consoles = {"eu-west-1": "ap-southeast-1", "us-west-1": "us-east-1", "eu-central-1": "us-east-1"}
    assert {region.id: region.console for region in known.values() if region.console} == consoles
