"""What an input is billed for."""

from __future__ import annotations

from typing import Any

import pytest

from moderate_cli.catalog.prices import Billed, frame_calls, image_calls, post_calls, slices


def test_an_image_is_billed_once_a_service() -> None:
    assert image_calls(["baselineCheck"]) == 1
    assert image_calls(("baselineCheck", "tonalityImprove", "aigcCheck")) == 3


@pytest.mark.parametrize(
    ("frames", "interval", "max_frames", "calls"),
    [
        (1, None, None, 1),
        (40, None, None, 1),
        (None, None, None, 1),
        (1, 1, 50, 1),
        (40, 1, 50, 40),
        (40, 10, 50, 40),
        (400, 1, 50, 50),
        (None, 1, 50, 50),
        (400, 5, None, 10),
        (3, 5, None, 3),
        (400, None, 50, 50),
        (0, 1, 5, 1),
    ],
)
def test_a_queued_image_is_billed_by_frame_at_most(
    frames: int | None, interval: int | None, max_frames: int | None, calls: int
) -> None:
    assert frame_calls(frames, interval=interval, max_frames=max_frames) == calls


@pytest.mark.parametrize(
    ("width", "height", "number"),
    [
        (300, 1200, 4),
        (1200, 300, 4),
        (400, 1000, 1),
        (400, 1001, 3),
        (100, 400, 1),
        (100, 401, 4),
        (160, 720, 5),
        (1000, 1000, 1),
        (0, 500, 1),
        (0, 0, 1),
    ],
)
def test_a_long_image_is_cut(width: int, height: int, number: int) -> None:
    assert slices(width, height) == number


def _texts(*lengths: int) -> dict[str, Any]:
    title, content, *comments = lengths
    main = {"mainTitle": "t" * title, "mainContent": "文" * content, "mainImages": []}
    return {"mainData": main, "commentDatas": [{"content": "c" * length} for length in comments]}


@pytest.mark.parametrize(
    ("post", "units"),
    [
        (_texts(0, 0), 0),
        (_texts(0, 1), 1),
        (_texts(0, 1000), 1),
        (_texts(1, 1000), 2),
        (_texts(0, 3500), 4),
        (_texts(500, 2000, 600, 400), 4),
        ({}, 0),
        ({"mainData": None}, 0),
        ({"mainData": {"mainTitle": None, "mainContent": "x"}, "commentDatas": None}, 1),
    ],
)
def test_the_text_of_a_post_is_billed_by_started_thousands_of_the_whole_call(post: dict[str, Any], units: int) -> None:
    assert post_calls(post) == Billed(images=0, text_units=units)


def test_the_images_of_a_post_are_billed_wherever_they_stand() -> None:
    reply = {"images": [{"file": "c.png"}], "commentDatas": [{"images": [{"imageUrl": "https://a.example/d"}]}]}
    post = {
        "mainData": {"mainImages": [{"imageUrl": "https://a.example/a"}, {"file": "b.png"}]},
        "commentDatas": [{"content": "x", "commentDatas": [reply]}, {"images": []}],
        "dataId": "1",
    }
    assert post_calls(post) == Billed(images=4, text_units=1)
