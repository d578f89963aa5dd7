"""`moderate regions` from the outside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from golden import check_golden
from invocation import Result

from moderate_cli.catalog.services import regions

Moderate = Callable[..., Result]


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("color", ["never", "always"])
def test_the_table(moderate: Moderate, width: int, color: str) -> None:
    done = moderate("regions", "--color", color, terminal=True, columns=width)
    assert (done.code, done.stderr) == (0, "")
    check_golden(f"catalog/regions-{width}{'-color' if color == 'always' else ''}.txt", done.stdout)


@pytest.mark.parametrize("width", [50, 80, 120])
def test_no_endpoint_is_broken(moderate: Moderate, width: int) -> None:
    shown = moderate("regions", "-f", "table", columns=width).stdout
    assert max(map(len, shown.splitlines())) <= width
    assert {known.endpoint for known in regions().values()} <= set(shown.split())


def test_json_tells_what_is_offered(moderate: Moderate) -> None:
    (london,) = json.loads(moderate("regions", "--match", "london").stdout)["regions"]
    assert london["region"] == "eu-west-1"
    assert london["vpc_endpoint"] is None
    assert london["console"] == "ap-southeast-1"
    assert london["default_service"] in london["services"]
    assert not set(london["services"]) & set(london["uncertain_services"])


def test_csv_has_a_row_a_region(moderate: Moderate) -> None:
    rows = list(csv.DictReader(io.StringIO(moderate("regions", "-f", "csv").stdout, newline="")))
    assert [row["region"] for row in rows] == list(regions())


@pytest.mark.parametrize(
    ("service", "found"),
    [
        ("aigcDetector", ["cn-shanghai", "cn-beijing"]),
        ("aigcDetector_01", ["cn-shanghai", "cn-beijing"]),
        ("aigcCheck_cb", ["ap-southeast-1", "eu-west-1", "us-east-1", "us-west-1"]),
    ],
)
def test_the_regions_of_a_service(moderate: Moderate, service: str, found: list[str]) -> None:
    done = moderate("regions", "--service", service)
    assert [region["region"] for region in json.loads(done.stdout)["regions"]] == found
    assert ("copy of aigcDetector" in done.stderr) is service.endswith("_01")


def test_doubt_is_said_by_operation(moderate: Moderate) -> None:
    shown = moderate("regions", "--service", "postImageCheckByVL_global", "-f", "table", columns=120).stdout
    assert shown.count("ImageModeration (uncertain)") == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--service", "aigcDetectr"], "--service aigcDetectr (did you mean aigcDetector?)"),
        (["--match", "mars"], "--match mars"),
    ],
)
def test_nothing_matched_is_6(moderate: Moderate, arguments: list[str], said: str) -> None:
    done = moderate("regions", *arguments)
    assert done.code == 6
    assert json.loads(done.stdout)["regions"] == []
    assert done.stderr == f"moderate: none of the known regions match {said}\n"
