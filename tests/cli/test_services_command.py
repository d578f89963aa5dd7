"""`moderate services` from the outside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from golden import check_golden
from invocation import Result

Moderate = Callable[..., Result]


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("color", ["never", "always"])
def test_the_table(moderate: Moderate, width: int, color: str) -> None:
    done = moderate("services", "--color", color, terminal=True, columns=width)
    assert (done.code, done.stderr) == (0, "")
    check_golden(f"catalog/services-{width}{'-color' if color == 'always' else ''}.txt", done.stdout)


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_the_table_fits(moderate: Moderate, width: int) -> None:
    shown = moderate("services", "-f", "table", columns=width).stdout
    assert max(map(len, shown.splitlines())) <= width


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--match", "PROFILE"], ["profilePhotoCheck", "profile_text_image_detection"]),
        (["--match", "tone of", "--region", "us-east-1"], ["tonalityImprove_cb"]),
        (["--operation", "ImageAsyncModeration", "--region", "ap-southeast-1"], ["baselineCheck_global"]),
        (
            ["--match", "large model", "--operation", "ImageBatchModeration"],
            ["baselineCheckByVL", "postImageCheckByVL", "adCheckByVL"],
        ),
        (["--operation", "MultimodalAsyncModeration"], ["post_text_image_detection", "profile_text_image_detection"]),
    ],
)
def test_filters_narrow_each_other(moderate: Moderate, arguments: list[str], names: list[str]) -> None:
    document = json.loads(moderate("services", *arguments).stdout)
    assert [service["service"] for service in document["services"]] == names


def test_json_tells_regions_and_limits_by_operation(moderate: Moderate) -> None:
    document = json.loads(moderate("services", "--match", "postImageCheckByVL_global").stdout)
    assert document["date"] == "2026-11-21"
    (service,) = document["services"]
    assert service["large_model"] is True
    assert service["uncertain"] is False
    assert service["regions"] == {"ImageModeration": ["ap-southeast-1"]}
    assert "eu-central-1" in service["uncertain_regions"]["ImageModeration"]
    assert service["calls_per_second"] == {"ImageModeration": 50}


def test_csv_has_a_row_a_service(moderate: Moderate) -> None:
    rows = list(csv.DictReader(io.StringIO(moderate("services", "-f", "csv").stdout, newline="")))
    of = {row["service"]: row for row in rows}
    assert len(of) == len(rows) == 32
    assert of["adCheckByVL"]["description"] == ""
    assert of["adCheckByVL"]["regions"].startswith("ImageModeration: cn-shanghai cn-beijing; ImageBatchModeration: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--region", "cn-bejing"], "--region cn-bejing (did you mean cn-beijing?)"),
        (["--region", "mars"], "--region mars (moderate regions lists the known ones)"),
        (
            ["--region", "eu-west-1", "--operation", "ImageBatchModeration"],
            "--region eu-west-1 --operation ImageBatchModeration",
        ),
    ],
)
def test_nothing_matched_is_6(moderate: Moderate, arguments: list[str], said: str) -> None:
    done = moderate("services", *arguments)
    assert done.code == 6
    assert json.loads(done.stdout)["services"] == []
    assert done.stderr == f"moderate: none of the known services match {said}\n"


def test_an_unknown_operation_is_a_usage_error(moderate: Moderate) -> None:
    done = moderate("services", "--operation", "TextModeration")
    assert done.code == 2
    assert "ImageModeration" in done.stderr
