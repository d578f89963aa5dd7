"""What the local engine did not check follows from what it checked."""

import pytest

from moderate_cli.catalog.checks import not_checked


@pytest.mark.parametrize(
    ("ran", "missing"),
    [
        (["qr_code", "adult_content", "text_in_image", "declared_origin"], ["other_risks"]),
        (["qr_code", "adult_content", "declared_origin"], ["text_in_image", "other_risks"]),
        (["text_in_image", "image_libraries"], ["qr_code", "adult_content", "other_risks"]),
        (["rules"], ["image"]),
        (["a check of another version"], ["other_risks"]),
        ([], ["other_risks"]),
    ],
)
def test_of_an_image(ran: list[str], missing: list[str]) -> None:
    assert [check.name for check in not_checked(ran, is_post=False)] == missing


@pytest.mark.parametrize(
    ("ran", "missing"),
    [
        (["keywords"], ["meaning_of_text", "tokens"]),
        (["qr_code", "adult_content", "text_in_image"], ["other_risks", "keywords", "meaning_of_text", "tokens"]),
        (["rules", "keywords"], ["image", "meaning_of_text", "tokens"]),
        ([], ["keywords", "meaning_of_text", "tokens"]),
    ],
)
def test_of_a_post(ran: list[str], missing: list[str]) -> None:
    assert [check.name for check in not_checked(ran, is_post=True)] == missing


def test_each_has_the_extra_that_brings_it() -> None:
    assert {check.name: check.extra for check in not_checked(["qr_code"], is_post=False)} == {
        "adult_content": "local",
        "text_in_image": "ocr",
        "other_risks": None,
    }
