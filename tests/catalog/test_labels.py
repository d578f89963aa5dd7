"""The known labels, and what their names mean."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from moderate_cli.catalog.labels import KnownLabel, label_meaning, labels, labels_origin, provenance


def test_every_service_has_its_labels() -> None:
    assert Counter(label.service for label in labels()) == {
        "baselineCheck_global": 73,
        "baselineCheck": 34,
        "profilePhotoCheck": 84,
        "tonalityImprove": 2,
        "aigcDetector_ultra": 3,
        "post_text_image_detection": 2,
        "unattributed": 7,
        "*": 2,
    }


def test_no_label_stands_twice_in_a_service() -> None:
    assert not [key for key, count in Counter((each.service, each.label) for each in labels()).items() if count > 1]


def test_doubt_is_a_field_and_not_part_of_the_meaning() -> None:
    assert not [label for label in labels() if "inferred" in label.meaning or "Text in image" in label.meaning]
    assert all(label.meaning == label.meaning.strip() != "" for label in labels())
    inferred = {label.label for label in labels("baselineCheck_global") if label.inferred}
    assert {"religion_clothing", "political_CNFlag"} <= inferred
    assert not inferred & {"violent_gun", "political_politicalFigure_name_tii"}


def test_each_services_labels_say_where_they_are_from() -> None:
    assert set(provenance()) == {label.service for label in labels()}
    official = {name for name, of in provenance().items() if of.official}
    assert official == {"baselineCheck_global", "tonalityImprove", "post_text_image_detection", "*"}
    assert all(of.source and (of.date or "20")[:2] == "20" for of in provenance().values())
    assert provenance()["baselineCheck_global"].date == "2026-03-03"
    assert provenance()["unattributed"].date is None
    assert date.fromisoformat(labels_origin().date)


@pytest.mark.parametrize(
    ("service", "label", "scope"),
    [
        ("baselineCheck_global", "violent_gun", "image"),
        ("baselineCheck_global", "profanity_Oral_tii", "text"),
        ("post_text_image_detection", "violent_explosion", "post"),
        ("*", "nonLabel", "any"),
    ],
)
def test_the_name_tells_where_the_finding_is(service: str, label: str, scope: str) -> None:
    assert _known(service, label).scope == scope


def test_a_custom_copy_has_the_labels_of_its_source() -> None:
    assert labels("baselineCheck_global_01") == labels("baselineCheck_global")
    assert labels("postImageCheck") == labels("no such service") == labels("") == ()


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("violent_gun", "guns"),
        ("contraband_drug_tii", "text in image: illegal drugs"),
        ("violent_gun_lib", "custom library: guns"),
        ("violent_gun_tii", "text in image: guns"),
        ("violent_gun_tii_lib", "custom library: text in image: guns"),
        ("contraband_drug_tii_lib", "custom library: text in image: illegal drugs"),
        ("nonLabel_lib", "close to an image of an exemption library; the confidence is the similarity"),
        ("pt_custom_01", "custom label 01"),
    ],
)
def test_a_suffix_adds_to_the_meaning_but_an_exact_name_comes_first(name: str, meaning: str) -> None:
    assert label_meaning(name) == meaning


@pytest.mark.parametrize(
    "name", ["", "_lib", "_tii", "brand_new", "violent_GUN", "Violent_gun", "nonLabel_tii", "nonLabel_tii_lib"]
)
def test_spelling_is_exact_and_an_unknown_label_has_no_meaning(name: str) -> None:
    assert label_meaning(name) is None


def test_the_service_asked_for_comes_first_and_then_the_official_one() -> None:
    assert label_meaning("violent_explosion") == label_meaning("violent_explosion", "unheard_of") == "smoke or fire"
    assert label_meaning("violent_explosion", "profilePhotoCheck_02") == "fireworks, smoke or fire"
    assert label_meaning("violent_gun", "baselineCheck") == "guns"


def _known(service: str, name: str) -> KnownLabel:
    return next(label for label in labels(service) if label.label == name)
