"""Judging images from a program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from actions import CLEAN, RISKY, service
from faults import Answer
from PIL import Image

from moderate_cli.app import ScanSpec, SourceOptions, scan
from moderate_cli.app.spec import CostOptions, GateOptions, OutputOptions, ServiceOptions
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import CredentialsError, ModerateError, UsageError
from moderate_cli.models import Failed, Judged, Planned, RiskLevel
from moderate_cli.store import Filters, Store, default_path

ORDERED = ScanSpec(sources=SourceOptions(ordered=True))


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[list[Path]]:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("RGB", (200, 200), (number, 0, 0)).save(path)
    yield paths


def test_each_outcome_is_yielded_in_order_and_stored(photos: list[Path]) -> None:
    with service(ImageModeration=RISKY) as served:
        outcomes = list(scan(photos, ORDERED, Environment(variables=served.variables), fail_on="high"))
    assert all(isinstance(outcome, Judged) for outcome in outcomes)
    assert [outcome.item.source for outcome in outcomes] == [str(path) for path in photos]
    with Store.open(default_path()) as store:
        assert {entry.record["source"] for entry in store.history(Filters())} == {str(path) for path in photos}


def test_one_failure_ends_no_other(photos: list[Path]) -> None:
    broken = photos[1].with_name("broken.png")
    broken.write_bytes(b"")
    with service(ImageModeration=CLEAN) as served:
        outcomes = list(scan([*photos, broken], ORDERED, Environment(variables=served.variables)))
    assert [isinstance(outcome, Judged) for outcome in outcomes] == [True, True, True, False]


def test_nothing_is_asked_twice_with_reuse(photos: list[Path]) -> None:
    with service(ImageModeration=CLEAN) as served:
        environment = Environment(variables=served.variables)
        first = list(scan(photos, environment=environment))
        again = list(scan(photos, environment=environment, reuse="7d"))
        assert served.asked["ImageModeration"] == len(photos) == len(first)
    assert [outcome.reused for outcome in again if isinstance(outcome, Judged)] == [True] * 3


def test_an_answer_that_nobody_can_read_is_a_failure(photos: list[Path]) -> None:
    with service(ImageModeration=Answer(200, json.dumps({"Code": 200, "Data": {}}).encode())) as served:
        outcomes = list(scan(photos, environment=Environment(variables=served.variables)))
    assert all(isinstance(outcome, Failed) for outcome in outcomes)


def test_several_services_are_asked_in_one_call(photos: list[Path]) -> None:
    found = {"Service": "b", "RiskLevel": "high", "Result": [{"Label": "x", "Confidence": 90}]}
    clean = {"Service": "a", "RiskLevel": "none", "Result": [{"Label": "nonLabel"}]}
    data = {"RiskLevel": "high", "Results": [clean, found]}
    answer = Answer(200, json.dumps({"Code": 200, "Data": data}).encode())
    with service(ImageBatchModeration=answer) as served:
        environment = Environment(variables=served.variables)
        [outcome] = scan(photos[:1], environment=environment, services=["a", "b"])
        assert served.asked["ImageBatchModeration"] == 1, outcome
    assert isinstance(outcome, Judged), outcome
    assert outcome.verdict.risk_level is RiskLevel.HIGH


def test_closing_it_ends_the_run(photos: list[Path]) -> None:
    with service(ImageModeration=CLEAN) as served:
        outcomes = scan(photos, environment=Environment(variables=served.variables), jobs=1)
        next(outcomes)
        outcomes.close()
        assert served.asked["ImageModeration"] < 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"jobs": "many"}, "jobs= must be"), ({"fail_on": "worst"}, "fail_on= must be"), ({"speed": 9}, "speed")],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    photos: list[Path], settings: dict[str, object], said: str
) -> None:
    with service(ImageModeration=CLEAN) as served:
        with pytest.raises(UsageError, match=said):
            list(scan(photos, environment=Environment(variables=served.variables), **settings))
        assert not served.asked


def test_settings_in_the_spec_count_after_the_keywords(photos: list[Path]) -> None:
    spec = ScanSpec(service=ServiceOptions(service=["a"]), cost=CostOptions(max_calls="1"))
    with service(ImageModeration=CLEAN) as served:
        environment = Environment(variables=served.variables)
        [outcome] = scan(photos[:1], spec, environment)
        assert outcome.call.services == ("a",)
        assert [each.call.services for each in scan(photos, spec, environment, max_calls=3, services="b")] == [
            ("b",)
        ] * 3
        assert served.asked["ImageModeration"] == 4


def test_a_run_that_ends_before_all_images_says_so(photos: list[Path]) -> None:
    outcomes = []
    with (
        service(ImageModeration=CLEAN) as served,
        pytest.raises(ModerateError, match="2 inputs were not tried") as told,
    ):
        for outcome in scan(photos, environment=Environment(variables=served.variables), jobs=1, max_calls=1):
            outcomes.append(outcome)  # noqa: PERF402 - what came before the error
    assert told.value.code == "not_tried"
    assert [isinstance(outcome, Judged) for outcome in outcomes] == [True]


def test_folders_are_gone_through_as_the_spec_says(photos: list[Path]) -> None:
    spec = ScanSpec(sources=SourceOptions(exclude=["1.png"], include=["*.png"]))
    with service(ImageModeration=CLEAN) as served:
        outcomes = list(scan([photos[0].parent], spec, Environment(variables=served.variables)))
    assert sorted(outcome.item.source for outcome in outcomes) == [str(photos[0]), str(photos[2])]


def test_a_dry_run_asks_nobody(photos: list[Path]) -> None:
    spec = ScanSpec(cost=CostOptions(dry_run=True))
    outcomes = list(scan(photos, spec, Environment(variables={"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"})))
    assert [isinstance(outcome, Planned) for outcome in outcomes] == [True] * 3


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ScanSpec(service=ServiceOptions(jobs="many")), "ServiceOptions.jobs must be"),
        (ScanSpec(gate=GateOptions(suppressions=Path("x.yaml"))), "no use for GateOptions.suppressions"),
        (ScanSpec(output=OutputOptions(sarif_output=Path("x.sarif"))), "no use for OutputOptions.sarif_output"),
    ],
)
def test_what_a_spec_asks_for_in_vain_is_refused(photos: list[Path], spec: ScanSpec, said: str) -> None:
    with service(ImageModeration=CLEAN) as served:
        with pytest.raises(UsageError, match=said):
            list(scan(photos, spec, Environment(variables=served.variables)))
        assert not served.asked


@pytest.mark.parametrize("name", ["/photos", b"/photos", Path("/photos")])
def test_one_name_is_not_taken_for_a_list_of_its_characters(name: object) -> None:
    with service(ImageModeration=CLEAN) as served:
        with pytest.raises(UsageError, match="sources must be a list"):
            next(scan(name, environment=Environment(variables=served.variables)))  # type: ignore[arg-type]
        assert not served.asked


def test_without_credentials_nothing_is_sent(photos: list[Path]) -> None:
    variables = {"MODERATE_REGION": "cn-shanghai", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    with pytest.raises(CredentialsError):
        list(scan(photos, environment=Environment(variables=variables)))
