"""Small pictures: of what was judged, upright, and never an exception."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pytest
from builders import judged
from msgspec.structs import replace
from PIL import Image
from samples import TESTS

from moderate_cli.models import ImageUrl, Item, Judged, LocalFile, QueuedTask
from moderate_cli.render.html import thumbnails as module
from moderate_cli.render.html.thumbnails import SIDE, Picture, Thumbnails, side_for
from moderate_cli.render.originals import Originals


def _outcome(path: Path, sha256: str | None = None) -> Judged:
    return replace(judged("high", "x"), item=Item(str(path), LocalFile(path)), sha256=sha256)


def _decoded(picture: Picture | None) -> Image.Image:
    assert picture
    kind, content = picture.address.split(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def _picture(path: Path) -> Image.Image:
    return _decoded(Thumbnails(lambda: 0.0).of(_outcome(path)))


def _saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["landscape.jpg", "poster-qr.png", "still-life.webp"])
def test_a_picture_is_small_and_keeps_its_shape(name: str) -> None:
    path = TESTS / "data" / name
    with Image.open(path) as image:
        ratio = image.width / image.height
    small = _picture(path)
    assert max(small.size) == SIDE
    assert small.width / small.height == pytest.approx(ratio, rel=0.03)


def test_a_small_picture_is_not_made_larger(tmp_path: Path) -> None:
    assert _picture(_saved(tmp_path / "a.png", Image.new("RGB", (20, 10)))).size == (20, 10)


def test_a_picture_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = _saved(tmp_path / "a.jpg", Image.new("RGB", (400, 200)), exif=exif)
    assert _picture(path).size == (SIDE // 2, SIDE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_pixels_is_shown(tmp_path: Path, mode: str) -> None:
    suffix = "tiff" if mode == "CMYK" else "png"
    assert _picture(_saved(tmp_path / f"a.{suffix}", Image.new(mode, (300, 300)))).mode == "RGB"


def test_sixteen_bits_do_not_become_white(tmp_path: Path) -> None:
    gray = _picture(_saved(tmp_path / "a.png", Image.new("I;16", (50, 50), 0x8000)))
    assert gray.getpixel((25, 25)) == pytest.approx((128, 128, 128), abs=3)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    clear = _picture(_saved(tmp_path / "a.png", Image.new("RGBA", (50, 50), (0, 0, 0, 0))))
    assert clear.getpixel((25, 25)) == (255, 255, 255)


def _nothing(path: Path) -> None:
    del path


def _no_image(path: Path) -> None:
    path.write_text("no image")


def _damaged(path: Path) -> None:
    content = (TESTS / "data" / "poster-qr.png").read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _bomb(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path, "PNG")


def _postscript(path: Path) -> None:
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


@pytest.mark.parametrize("make", [_nothing, Path.mkdir, _no_image, _damaged, _bomb, _postscript])
def test_what_cannot_be_decoded_has_no_picture(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a.png"
    make(path)
    assert Thumbnails(lambda: 0.0).of(_outcome(path)) is None


def test_a_file_that_changed_since_is_not_what_was_judged(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.png", Image.new("RGB", (50, 50)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Thumbnails(lambda: 0.0).of(_outcome(path, digest))
    assert Thumbnails(lambda: 0.0).of(_outcome(path, "0" * 64)) is None


def test_a_task_has_the_picture_of_its_file_if_that_is_still_the_same(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.gif", Image.new("RGB", (50, 50)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    task = replace(_outcome(path, digest), item=Item(str(path), QueuedTask("R", "image")))
    assert Thumbnails(lambda: 0.0).of(task)
    assert Thumbnails(lambda: 0.0).of(replace(task, sha256=None)) is None


def test_remote_images_are_not_downloaded() -> None:
    url = "https://example.com/a.png"
    assert Thumbnails(lambda: 0.0).of(replace(judged("high", "x"), item=Item(url, ImageUrl(url)))) is None


@pytest.mark.parametrize(("limit", "value"), [("MAX_CHARACTERS", 1_000), ("MAX_SECONDS", 1.5)])
def test_pictures_stop_where_they_become_too_many(monkeypatch: pytest.MonkeyPatch, limit: str, value: float) -> None:
    monkeypatch.setattr(module, limit, value)
    ticks = iter(range(100))
    thumbnails = Thumbnails(lambda: next(ticks))
    outcome = _outcome(TESTS / "data" / "poster-qr.png")
    made = [thumbnails.of(outcome) is not None for _ in range(5)]
    assert made.count(True) in (1, 2)
    assert made == sorted(made, reverse=True)
    assert thumbnails.stopped


def test_without_pillow_there_are_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    thumbnails = Thumbnails(lambda: 0.0)
    assert thumbnails.of(_outcome(TESTS / "data" / "poster-qr.png")) is None
    assert thumbnails.needs_pillow


def test_few_inputs_have_larger_pictures() -> None:
    path = TESTS / "data" / "landscape.jpg"
    sizes = [max(_decoded(Thumbnails(lambda: 0.0, side=side_for(n)).of(_outcome(path))).size) for n in (1, 500, 5_000)]
    assert sizes == [640, 320, SIDE]


@pytest.mark.parametrize(
    ("orientation", "size", "turned"), [(1, (400, 200), False), (3, (400, 200), True), (6, (200, 400), True)]
)
def test_the_size_is_that_of_the_upright_image(
    tmp_path: Path, orientation: int, size: tuple[int, int], turned: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Thumbnails(lambda: 0.0).of(_outcome(_saved(tmp_path / "a.jpg", Image.new("RGB", (400, 200)), exif=exif)))
    assert picture
    assert ((picture.width, picture.height), picture.turned) == (size, turned)


class _Elsewhere(Originals):
    """One file, wherever it is asked for from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[Collection[str]] = []

    def files(self, digests: Collection[str]) -> Mapping[str, Sequence[Path]]:
        self.asked.append(digests)
        return {digest: [self.path] for digest in digests}


def test_a_file_that_is_not_where_its_name_says_is_looked_for_once(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.png", Image.new("RGB", (50, 50)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    originals = _Elsewhere(path)
    thumbnails = Thumbnails(lambda: 0.0, originals=originals, digests={digest})
    made = [thumbnails.of(_outcome(Path("gone.png"), sha256)) for sha256 in (digest, digest, "0" * 64)]
    assert [picture.file if picture else None for picture in made] == [path, path, None]
    assert originals.asked == [{digest}]
