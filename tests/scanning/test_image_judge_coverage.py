"""How much of an input was looked at, by what it consists of, what was asked for and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import call, verdict
from scan_images import drawn

from moderate_cli.models import (
    Coverage,
    Extent,
    Frame,
    ImageUrl,
    Item,
    Judged,
    Known,
    LocalFile,
    OssObject,
    Outcome,
    PartKind,
    Post,
    RiskLevel,
    Verdict,
)
from moderate_cli.preflight import FIRST_ASSUMED
from moderate_cli.scanning import ImageJudge, Sampling
from moderate_cli.scanning.image_judge import answered, covered, unseen_extents
from moderate_cli.scanning.post_judge import PostJudge


def _said(frames: int = 0, *missing: Coverage) -> Verdict:
    found = tuple(Frame(index, None, RiskLevel.NONE, (), {}) for index in range(frames))
    return verdict("none", frames=found, coverage=missing)


def _missing(kind: PartKind, there: int, asked: int) -> Coverage:
    return Coverage(kind, there, asked, unanswered=True)


def _gif(total: int | None, interval: int | None = None, most: int | None = None) -> Extent:
    return Extent("frames", total, interval, most)


@pytest.mark.parametrize(
    ("extents", "said", "expected"),
    [
        # one picture that was judged
        ((), _said(), ()),
        ((), _said(3), ()),
        # sync, batch and async without an interval look at one picture
        ((_gif(3),), _said(), (Coverage("frames", 1, 3),)),
        ((_gif(300),), _said(1), (Coverage("frames", 1, 300),)),
        ((_gif(None),), _said(), (Coverage("frames", 1, None),)),
        ((Extent("pages", 2),), _said(), (Coverage("pages", 1, 2),)),
        ((Extent("slices", 4),), _said(), (Coverage("slices", 1, 4),)),
        # where the service answers for all of them all the same
        ((_gif(3),), _said(3), ()),
        ((_gif(3),), _said(2), (Coverage("frames", 2, 3),)),
        # async with an interval: full where as many were judged as were asked for
        ((_gif(3, 1, 10),), _said(3), ()),
        ((_gif(3, 1, 10),), _said(2), (Coverage("frames", 2, 3),)),
        ((_gif(3, 1, 10),), _said(), (Coverage("frames", 1, 3),)),
        ((_gif(10, 3, 10),), _said(3), ()),
        ((_gif(10, 3, 10),), _said(4), ()),
        ((_gif(10, 3, 10),), _said(2), (Coverage("frames", 2, 10),)),
        ((_gif(5, 10, 10),), _said(1), ()),
        ((_gif(300, 1, 100),), _said(100), (Coverage("frames", 100, 300),)),
        ((_gif(300, 3, 100),), _said(100), ()),
        ((Extent("slices", 4, 1, 10),), _said(4), ()),
        ((Extent("slices", 4, 1, 10),), _said(1), (Coverage("slices", 1, 4),)),
        # nobody knows how many there are: more than one, and fewer than were allowed, are all of them
        ((_gif(None, 1, 10),), _said(9), ()),
        ((_gif(None, 1, 10),), _said(10), (Coverage("frames", 10, None),)),
        ((_gif(None, 1, 10),), _said(), (Coverage("frames", 1, None),)),
        # frames that were announced and are not there, whatever was asked for and counted
        ((), _said(2, _missing("frames", 2, 30)), (_missing("frames", 2, 30),)),
        ((_gif(30, 1, 100),), _said(2, _missing("frames", 2, 30)), (_missing("frames", 2, 30),)),
        ((_gif(300, 10, 100),), _said(2, _missing("frames", 2, 30)), (_missing("frames", 2, 300),)),
        ((_gif(3, 1, 100),), _said(2, _missing("frames", 2, 30)), (_missing("frames", 2, 30),)),
        ((_gif(None, 1, 100),), _said(2, _missing("frames", 2, 30)), (_missing("frames", 2, 30),)),
        ((_gif(30),), _said(2, _missing("frames", 2, 30)), (_missing("frames", 2, 30),)),
        ((_gif(None),), _said(2, _missing("frames", 2, 30)), (_missing("frames", 2, 30),)),
        # a batch of which a service is missing
        ((), _said(0, _missing("services", 1, 2)), (_missing("services", 1, 2),)),
        ((_gif(3),), _said(0, _missing("services", 1, 2)), (_missing("services", 1, 2), Coverage("frames", 1, 3))),
        # a post with several images that move, and parts without an answer
        ((_gif(3), _gif(5)), _said(), (Coverage("frames", 2, 8),)),
        ((_gif(3), _gif(5), _gif(2)), _said(), (Coverage("frames", 3, 10),)),
        ((_gif(3), _gif(None)), _said(), (Coverage("frames", 2, None),)),
        ((_gif(None), _gif(3)), _said(), (Coverage("frames", 2, None),)),
        (
            (_gif(3), Extent("slices", 4), Extent("pages", 2), Extent("slices", 3)),
            _said(0, _missing("parts", 6, 10)),
            (_missing("parts", 6, 10), Coverage("frames", 1, 3), Coverage("slices", 2, 7), Coverage("pages", 1, 2)),
        ),
    ],
)
def test_what_was_not_looked_at(extents: Sequence[Extent], said: Verdict, expected: tuple[Coverage, ...]) -> None:
    assert covered(said, extents) == expected


@pytest.mark.parametrize(
    ("image", "extents"),
    [
        (ImageUrl("https://example.com/a.gif"), (_gif(None),)),
        (ImageUrl("https://example.com/A.GIF?size=2"), (_gif(None),)),
        (ImageUrl("https://example.com/a.webp#x"), (_gif(None),)),
        (ImageUrl("https://example.com/a.apng"), (_gif(None),)),
        (ImageUrl("https://example.com/a.png"), ()),
        (ImageUrl("https://example.com/a.jpg?b=c.gif"), ()),
        (ImageUrl("https://example.com/"), ()),
        (ImageUrl("https://example.com"), ()),
        (ImageUrl("http://["), ()),
        (ImageUrl("http://[/a.gif"), (_gif(None),)),
        (OssObject("bucket", "folder/a.gif"), (_gif(None),)),
        (OssObject("bucket", "folder/a.gif/b.png"), ()),
        (LocalFile(Path("a.gif")), ()),  # those are opened and counted
        (Post({}), ()),
    ],
)
def test_of_an_image_that_only_the_service_can_open_the_suffix_is_all_that_tells(
    image: object, extents: tuple[Extent, ...]
) -> None:
    assert unseen_extents(image) == extents


def _judge(item: Item, said: Verdict, sampling: Sampling | None = None, *, preflight: bool = True) -> Judged:
    outcome = ImageJudge(
        call=call(), send=lambda known, file, calls: answered(known, said), sampling=sampling, preflight=preflight
    )(item)
    assert isinstance(outcome, Judged), outcome
    return outcome


@pytest.mark.parametrize("preflight", [True, False])
@pytest.mark.parametrize(
    ("name", "number", "size", "expected", "is_assumed"),
    [
        ("still.gif", 1, (60, 40), (), False),
        ("a.gif", 3, (60, 40), (Coverage("frames", 1, 3),), False),
        ("a.webp", 4, (60, 40), (Coverage("frames", 1, 4),), True),
        ("a.apng", 5, (60, 40), (Coverage("frames", 1, 5),), True),
        ("renamed.png", 1, (60, 40), (), False),
        ("a.tiff", 2, (60, 40), (Coverage("pages", 1, 2),), True),
        ("still.tiff", 1, (60, 40), (), False),
        ("a.ico", 3, (64, 64), (Coverage("frames", 1, 3),), False),
        ("long.png", 1, (100, 401), (Coverage("slices", 1, 4),), False),
        ("wide.jpg", 1, (1200, 300), (Coverage("slices", 1, 4),), False),
        ("not-long.png", 1, (100, 400), (), False),
        ("not-long.jpg", 1, (1000, 400), (), False),
    ],
)
def test_a_file_is_counted_whole_and_judged_in_part(
    tmp_path: Path,
    name: str,
    number: int,
    size: tuple[int, int],
    expected: tuple[Coverage, ...],
    is_assumed: bool,
    preflight: bool,
) -> None:
    path = drawn(tmp_path, name, number, size)
    outcome = _judge(Item(name, LocalFile(path)), _said(), preflight=preflight)
    assert outcome.verdict.coverage == expected
    assert (FIRST_ASSUMED in outcome.notes) is is_assumed


def test_a_name_says_nothing_about_a_file(tmp_path: Path) -> None:
    path = drawn(tmp_path, "a.gif", 3).rename(tmp_path / "a.jpg")
    assert _judge(Item("a.jpg", LocalFile(path)), _said()).verdict.coverage == (Coverage("frames", 1, 3),)


@pytest.mark.parametrize(
    ("interval", "most", "frames", "expected"),
    [
        (1, 10, 6, ()),
        (2, 10, 3, ()),
        (1, 10, 5, (Coverage("frames", 5, 6),)),
        (1, 4, 4, (Coverage("frames", 4, 6),)),
        (1, 10, 0, (Coverage("frames", 1, 6),)),
    ],
)
def test_an_interval_covers_an_animation(
    tmp_path: Path, interval: int, most: int, frames: int, expected: tuple[Coverage, ...]
) -> None:
    one = Item("a.webp", LocalFile(drawn(tmp_path, "a.webp", 6, (300, 200))))
    outcome = _judge(one, _said(frames), Sampling(interval, most))
    assert outcome.extents == (Extent("frames", 6, interval, most),)
    assert outcome.verdict.coverage == expected
    assert outcome.notes == ()  # nobody needs to know which is the first one


def test_an_address_of_an_animation_is_told_to_be_unknown() -> None:
    url = "https://example.com/a.gif"
    assert _judge(Item(url, ImageUrl(url)), _said()).verdict.coverage == (Coverage("frames", 1, None),)
    assert _judge(Item(url, ImageUrl(url)), _said(5), Sampling(1, 10)).verdict.coverage == ()
    still = "https://example.com/a.jpg"
    assert _judge(Item(still, ImageUrl(still)), _said()).verdict.coverage == ()


@pytest.mark.parametrize("preflight", [True, False])
def test_the_images_of_a_post_are_counted_together(tmp_path: Path, preflight: bool) -> None:
    seen: list[Outcome] = []

    def submit(client: object, known: Known, post: object) -> None:
        seen.append(known)
        raise ZeroDivisionError  # far enough

    images = [
        {"file": str(drawn(tmp_path, name, number))} for name, number in (("a.gif", 3), ("b.gif", 5), ("c.png", 1))
    ]
    comment = {"content": "c", "images": [{"imageUrl": "https://example.com/d.gif"}], "commentDatas": []}
    reply = {"content": "r", "images": [{"file": str(drawn(tmp_path, "e.tiff", 2))}]}
    comment["commentDatas"] = [reply]
    post = {"mainData": {"mainContent": "t", "mainImages": images}, "commentDatas": [comment]}
    client = _Uploading()
    PostJudge(clients=[client], call=call(), submit=submit, preflight=preflight)(Item("post.yaml", Post(post)))  # type: ignore[list-item,arg-type]
    [known] = seen
    assert covered(_said(), known.extents) == (Coverage("frames", 3, None), Coverage("pages", 1, 2))
    assert known.notes == (FIRST_ASSUMED,)


class _Uploading:
    """Takes files, and says nothing."""

    def upload(self, file: object, *, extension: str = "", sha256: str | None = None) -> OssObject:
        return OssObject("bucket", "key")
