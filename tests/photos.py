"""Real photos, which scikit-image carries in its wheel, and what people do to pictures."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from moderate_cli.emulator.engine import pixels

_SPEC = find_spec("skimage")
assert _SPEC is not None
assert _SPEC.origin is not None
_DATA = Path(_SPEC.origin).parent / "data"
# Without the drawings, and without the right half of the stereo pair.
NAMES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
PHOTOS = {name: _DATA / name for name in NAMES}


def decoded(content: bytes) -> Image.Image:
    """Return the picture of a file as the local engine sees it."""
    return pixels.decode(pixels.open_image(content))


def photo(name: str) -> Image.Image:
    """Return a photo as the local engine sees it."""
    return decoded(PHOTOS[name].read_bytes())


def saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def resized(picture: Image.Image, share: float) -> Image.Image:
    """Return a picture with a share of its width and height."""
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """Return a picture without a share of its width and height, half of that on each side."""
    across, down = (round(side * share / 2) for side in picture.size)
    return picture.crop((across, down, picture.width - across, picture.height - down))


def with_code(picture: Image.Image, share: float) -> Image.Image:
    """Return a picture with a QR code pasted on, of a share of the shorter side."""
    page, side = picture.copy(), max(21, round(min(picture.size) * share))
    code = zxingcpp.create_barcode("https://example.com/x", zxingcpp.BarcodeFormat.QRCode)
    drawn = Image.fromarray(np.array(zxingcpp.write_barcode_to_image(code, scale=8))).convert("RGB")
    page.paste(drawn.resize((side, side)), (page.width * 7 // 10, page.height * 7 // 10))
    return page


def with_advert(picture: Image.Image) -> Image.Image:
    """Return a picture with a line of thin text across its middle."""
    page = picture.copy()
    font = ImageFont.load_default(max(10, page.height // 14))
    ImageDraw.Draw(page).text(
        (page.width // 20, page.height // 2),
        "BUY CHEAP www.example.com",
        fill="white",
        font=font,
        stroke_fill="black",
        stroke_width=1,
    )
    return page
