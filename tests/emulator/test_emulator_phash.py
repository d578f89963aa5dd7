"""The hash of a picture survives what happens to pictures on their way, and tells different ones apart."""

import itertools

import pytest
from photos import NAMES, cropped, decoded, photo, resized, saved, with_advert, with_code
from PIL import Image, ImageDraw

from moderate_cli.emulator.engine.image_library import EXEMPT_DISTANCE, FLAG_DISTANCE
from moderate_cli.emulator.engine.phash import grid, has_same_grid, phash

HASHES = {name: phash(photo(name)) for name in NAMES}


def distance(name, picture):
    return (HASHES[name] ^ phash(picture)).bit_count()


def drawing(draw):
    page = Image.new("RGB", (512, 512), "white")
    draw(ImageDraw.Draw(page))
    return page


def test_a_hash_has_256_bits_half_of_them_set():
    assert all(0 < value.bit_length() <= 256 and value.bit_count() == 128 for value in HASHES.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("change", "at_most"),
    [
        pytest.param(lambda picture: resized(picture, 0.25), 8, id="resized"),
        pytest.param(lambda picture: decoded(saved(picture, "JPEG", quality=30)), 18, id="jpeg 30"),
        pytest.param(lambda picture: decoded(saved(picture, "JPEG", quality=10)), 46, id="jpeg 10"),
        pytest.param(lambda picture: decoded(saved(picture, "WEBP", quality=50)), 14, id="webp 50"),
        pytest.param(lambda picture: cropped(picture, 0.02), FLAG_DISTANCE, id="cropped"),
        pytest.param(lambda picture: picture.convert("L"), 4, id="grey"),
        pytest.param(lambda picture: resized(picture, 3), 4, id="enlarged"),
    ],
)
def test_what_happens_to_a_photo_on_its_way(name, change, at_most):
    assert distance(name, change(photo(name))) <= at_most <= FLAG_DISTANCE


def test_different_photos_are_far_apart():
    distances = [(one ^ other).bit_count() for one, other in itertools.combinations(HASHES.values(), 2)]
    assert min(distances) > FLAG_DISTANCE + 32


def test_a_photo_turned_upright_by_its_exif_has_the_hash_of_the_upright_one():
    turned = photo("coffee.png").rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    assert distance("coffee.png", decoded(saved(turned, "JPEG", quality=90, exif=exif))) <= EXEMPT_DISTANCE


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(Image.new("RGB", (500, 400), "red"), id="one colour"),
        pytest.param(Image.new("RGB", (1, 1)), id="one pixel"),
        pytest.param(Image.linear_gradient("L").convert("RGB"), id="gradient"),
        pytest.param(Image.linear_gradient("L").rotate(20).crop((60, 60, 200, 200)).convert("RGB"), id="slope"),
        pytest.param(Image.effect_noise((512, 512), 5).convert("RGB"), id="grain"),
        pytest.param(drawing(lambda page: page.ellipse((100, 100, 411, 411), "black")), id="circle"),
        pytest.param(drawing(lambda page: page.rectangle((130, 130, 381, 381), "black")), id="square"),
        pytest.param(drawing(lambda page: page.rectangle((100, 40, 411, 200), "black")), id="mirrored"),
        pytest.param(
            drawing(lambda page: [page.rectangle((0, top, 511, top + 31), "black") for top in range(0, 512, 64)]),
            id="stripes",
        ),
    ],
)
def test_what_is_flat_or_all_symmetry_has_no_hash(picture):
    assert phash(picture) is None


def test_two_shapes_that_are_not_alike_have_hashes_that_are_not():
    circle = drawing(lambda page: page.ellipse((80, 120, 330, 370), "black"))
    triangle = drawing(lambda page: page.polygon(((100, 60), (420, 210), (40, 450)), "black"))
    assert (phash(circle) ^ phash(triangle)).bit_count() > FLAG_DISTANCE


@pytest.mark.parametrize("name", NAMES)
def test_something_pasted_on_shows_in_the_hash_or_in_the_grid(name):
    original = photo(name)
    for changed in (with_code(original, 1 / 4), with_code(original, 1 / 6), with_code(original, 1 / 10)):
        assert distance(name, changed) > EXEMPT_DISTANCE or not has_same_grid(grid(original), grid(changed))
    advert = with_advert(original)
    assert distance(name, advert) > EXEMPT_DISTANCE or not has_same_grid(grid(original), grid(advert))


@pytest.mark.parametrize("name", NAMES)
def test_a_recompressed_photo_has_the_same_grid(name):
    original = photo(name)
    for kind, quality in (("JPEG", 30), ("WEBP", 50)):
        assert has_same_grid(grid(original), grid(decoded(saved(original, kind, quality=quality))))
    assert has_same_grid(grid(original), grid(resized(original, 0.25)))
