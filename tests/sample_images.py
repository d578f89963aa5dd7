"""Draw the sample pictures in tests/data.

    python tests/sample_images.py [FOLDER]

The pictures are harmless, contain no person and no brand, and come from fixed random seeds, so a second run
draws the same again. They may be used by anyone for anything: CC0 1.0, no rights reserved.

- landscape.jpg   hills behind a lake in the evening
- poster-qr.png   the poster of a fair, with a QR code that holds QR_TEXT
- still-life.webp a bowl of fruit on a wooden table
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Array = NDArray[np.float32]
Colour = tuple[int, int, int]

QR_TEXT = "https://example.com/moderate"
SIZES = {"landscape.jpg": (640, 420), "poster-qr.png": (600, 800), "still-life.webp": (640, 480)}

# ---------------------------------------------------------------------------------------------------- helpers


def colour(code: str) -> Array:
    """Turn a colour like "#ffcc00" into three numbers from 0 to 1."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)], dtype=np.float32)


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """Blend two colours or pictures; a share of 1 gives the second."""
    weight = np.asarray(share, dtype=np.float32)
    if weight.ndim:
        weight = weight[..., None]
    return (first * (1 - weight) + second * weight).astype(np.float32)


def noise(rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, int], octaves: int) -> Array:
    """Return smooth fractal noise from 0 to 1 for a picture of size (width, height)."""
    width, height = size
    total = np.zeros((height, width), dtype=np.float32)
    for octave in range(octaves):
        grid = rng.random((cells[1] * 2**octave + 1, cells[0] * 2**octave + 1), dtype=np.float32)
        layer = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
        total += np.asarray(layer) * 0.5**octave
    return ((total - total.min()) / (total.max() - total.min())).astype(np.float32)


def to_image(pixels: Array, size: tuple[int, int]) -> Image.Image:
    """Turn numbers from 0 to 1 into a picture, shrunk to size."""
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.resize(size, Image.Resampling.LANCZOS)


# -------------------------------------------------------------------------------------------------- landscape

# Per ridge, from far to near: height of its base line, how far it rises, waves across, its colour, its haze.
RIDGES = [
    (0.500, 0.230, 3, "#8f9cc0", "#f0c9a8"),
    (0.545, 0.170, 4, "#6f82a8", "#dcb79f"),
    (0.590, 0.130, 5, "#51708a", "#b3a59a"),
    (0.630, 0.095, 6, "#3a5c5e", "#7f8f83"),
    (0.660, 0.060, 7, "#27443a", "#4d665a"),
]
SHORE = 0.665
SUN = (0.66, 0.36)


def sky(rng: np.random.Generator, size: tuple[int, int]) -> Array:
    """Draw the evening sky with its sun and thin clouds."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / height, x / width
    stops = [0.0, 0.22, 0.40, 0.56]
    tones = np.stack([colour(c) for c in ("#3f6aa8", "#86a9d0", "#f3cfa9", "#fbdcae")])
    picture = np.stack([np.interp(y, stops, tones[:, i]) for i in range(3)], axis=-1).astype(np.float32)
    away = np.hypot((x - SUN[0]) * width / height, y - SUN[1])
    picture = mix(picture, colour("#ffe3a6"), 0.75 * np.exp(-away / 0.16))
    clouds = np.clip((noise(rng, size, (3, 12), 6) - 0.50) * 3.2, 0, 1) * np.clip(1.1 - y * 1.7, 0, 1)
    lit = mix(colour("#f7e3dc"), colour("#ffd9a0"), np.exp(-away / 0.35))
    picture = mix(picture, lit, clouds * 0.75)
    return mix(picture, colour("#fffbe6"), np.clip((0.043 - away) * height / 3, 0, 1))


def trees(rng: np.random.Generator, ridge: Array, size: tuple[int, int]) -> Array:
    """Raise the line of a ridge by conifers standing on it."""
    width, height = size
    x = np.arange(width, dtype=np.float32)
    line = ridge.copy()
    for _ in range(150):
        middle, tall = rng.uniform(0, width), rng.uniform(0.018, 0.05) * height
        top = ridge[int(middle)] - tall
        steps = np.abs(x - middle) * 4.2
        steps += np.sin(steps * 0.55) * 3.0
        line = np.minimum(line, np.where(steps < tall, top + steps, np.inf))
    return line.astype(np.float32)


def landscape() -> Image.Image:
    """Draw hills behind a lake, with the sky mirrored in the water."""
    rng = np.random.default_rng(7)
    width, height = size = tuple(2 * side for side in SIZES["landscape.jpg"])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = sky(rng, size)
    for number, (base, rise, waves, tone, haze) in enumerate(RIDGES):
        line = (base - rise * (noise(rng, (width, 1), (waves, 1), 7)[0] - 0.25)) * height
        line = np.minimum(line, SHORE * height - 4)
        if number == len(RIDGES) - 1:
            line = trees(rng, line, size)
        depth = np.clip((y - line) / (0.16 * height), 0, 1)
        grain = noise(rng, size, (24, 32), 5) - 0.5
        hill = mix(colour(tone), colour(haze), np.clip(depth * 0.75, 0, 1)) + grain[..., None] * 0.10
        picture = mix(picture, hill, np.clip(y - line, 0, 1))
    picture = lake(rng, picture, x, y)
    picture += rng.normal(0, 0.018, (height, width, 1)).astype(np.float32)
    return to_image(picture, SIZES["landscape.jpg"])


def lake(rng: np.random.Generator, picture: Array, x: Array, y: Array) -> Array:
    """Fill the picture below the shore with water that mirrors what is above it."""
    height, width = y.shape
    shore = SHORE * height
    near = np.clip((y - shore) / (height - shore), 0, 1)
    ripples = noise(rng, (width, height), (10, 110), 4) - 0.5
    source_y = np.clip(2 * shore - y - near * 6 + ripples * (6 + 70 * near), 0, shore - 1)
    source_x = np.clip(x + ripples * (4 + 30 * near), 0, width - 1)
    water = picture[source_y.astype(int), source_x.astype(int)]
    water = mix(water * 0.90, colour("#2c4a6b"), 0.16 + 0.34 * near)
    path = np.exp(-(((x - SUN[0] * width) / (width * (0.03 + 0.05 * near))) ** 2))
    water = mix(water, colour("#ffe9bd"), path * np.clip((ripples - 0.02) * 5, 0, 1) * 0.8)
    water = mix(water, colour("#16291f"), np.exp(-np.abs(y - shore) / 5) * 0.6)
    return mix(picture, water, np.clip(y - shore, 0, 1))


# ----------------------------------------------------------------------------------------------------- poster

INK, PAPER, GREEN = (38, 50, 56), (250, 245, 234), (46, 110, 94)
YELLOW, CORAL = (244, 190, 79), (224, 108, 86)


def qr_code(text: str, module: int) -> Image.Image:
    """Return the QR code of a text, with module pixels to each of its squares."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    return Image.fromarray(np.array(zxingcpp.write_barcode_to_image(code, scale=module))).convert("RGB")


def poster() -> Image.Image:
    """Draw the poster of a village fair with a QR code on it."""
    width, height = SIZES["poster-qr.png"]
    scale = 2
    image = Image.new("RGB", (width * scale, height * scale), PAPER)
    draw = ImageDraw.Draw(image)

    def disc(x: int, y: int, radius: int, fill: Colour) -> None:
        box = [x - radius, y - radius, x + radius, y + radius]
        draw.ellipse([scale * side for side in box], fill)

    def text(x: int, y: int, words: str, size: int, fill: Colour) -> None:
        font = ImageFont.load_default(size=size * scale)
        draw.text((x * scale, y * scale), words, fill, font, anchor="ls")

    draw.rectangle([0, 0, width * scale, 330 * scale], fill=GREEN)
    disc(470, 330, 165, (58, 128, 110))
    disc(470, 330, 130, (74, 148, 128))
    disc(470, 330, 95, YELLOW)
    disc(120, 420, 210, CORAL)
    disc(300, 470, 200, (35, 88, 76))
    draw.rectangle([0, 330 * scale, width * scale, height * scale], fill=PAPER)
    text(44, 112, "Garden Fair", 72, PAPER)
    text(48, 156, "Plants, bread, music and a cake contest", 22, (214, 232, 222))
    text(48, 412, "Saturday, 12 June", 40, INK)
    text(48, 456, "10:00 to 17:00, Mill Lane", 26, INK)
    draw.rectangle([48 * scale, 486 * scale, 128 * scale, 492 * scale], fill=CORAL)
    text(48, 548, "Bring a chair", 24, GREEN)
    text(48, 582, "and a friend.", 24, GREEN)
    text(48, 616, "Free entrance.", 24, GREEN)
    text(48, 738, "Rain moves us to the barn.", 18, (120, 130, 130))
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    code = qr_code(QR_TEXT, 7)
    left, top = width - 48 - code.width, 500
    card = [left - 8, top - 8, left + code.width + 8, top + code.height + 8]
    ImageDraw.Draw(image).rounded_rectangle(card, radius=10, fill="white", outline=GREEN, width=3)
    image.paste(code, (left, top))
    return image.quantize(64)


# ------------------------------------------------------------------------------------------------- still life


@dataclass(frozen=True)
class Body:
    """An ellipsoid on the table; with a rim it is an open bowl, cut off at that height."""

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    tone: str
    blush: str
    gloss: float = 0.35
    rim: float | None = None


BODIES = [
    Body((0, 1.28, 0), (1.75, 1.22, 1.75), "#3f6f9c", "#4d7fac", gloss=0.55, rim=1.12),
    Body((0, 0.05, 0), (0.85, 0.09, 0.85), "#34608a", "#3f6f9c", gloss=0.4),
    Body((-0.85, 1.28, 0.35), (0.62, 0.58, 0.62), "#b3202a", "#e0a23c"),
    Body((-0.83, 1.90, 0.36), (0.035, 0.15, 0.035), "#4a3420", "#5a4028", gloss=0.05),
    Body((0.32, 1.25, 0.72), (0.58, 0.57, 0.58), "#ea8a1a", "#f3a32c", gloss=0.22),
    Body((1.02, 1.30, 0.12), (0.52, 0.50, 0.52), "#7fae2f", "#b9cc4e"),
    Body((1.00, 1.84, 0.13), (0.03, 0.13, 0.03), "#4a3420", "#5a4028", gloss=0.05),
    Body((0.12, 1.80, -0.05), (0.74, 0.48, 0.48), "#f2ce33", "#f7dd58", gloss=0.25),
    Body((-0.35, 1.45, -0.75), (0.60, 0.58, 0.60), "#ea8a1a", "#f3a32c", gloss=0.22),
    Body((2.45, 0.50, 0.55), (0.52, 0.50, 0.52), "#b3202a", "#e0a23c"),
    Body((2.47, 1.03, 0.55), (0.03, 0.14, 0.03), "#4a3420", "#5a4028", gloss=0.05),
    Body((-2.35, 0.28, 1.05), (0.28, 0.28, 0.28), "#4a2358", "#6b3a7c", gloss=0.3),
    Body((-1.82, 0.27, 1.30), (0.27, 0.27, 0.27), "#53275f", "#6b3a7c", gloss=0.3),
    Body((-2.08, 0.26, 0.62), (0.26, 0.26, 0.26), "#452052", "#6b3a7c", gloss=0.3),
]
LAMP = np.array([-4.5, 7.5, 4.5], dtype=np.float32)
EYE = np.array([0.0, 3.3, 8.6], dtype=np.float32)
TARGET = np.array([0.05, 0.98, 0.0], dtype=np.float32)
FAR = np.float32(1e6)


def unit(vectors: Array) -> Array:
    """Scale vectors to the length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def distance(body: Body, start: Array, way: Array) -> Array:
    """Return how far each ray runs until it meets the body, FAR if it never does."""
    axes = np.array(body.axes, dtype=np.float32)
    at, to = (start - np.array(body.centre, dtype=np.float32)) / axes, way / axes
    a, b, c = (to * to).sum(-1), (at * to).sum(-1), (at * at).sum(-1) - 1
    inside = b * b - a * c
    root = np.sqrt(np.maximum(inside, 0))
    found = np.full(a.shape, FAR, dtype=np.float32)
    for hit in ((-b + root) / a, (-b - root) / a):
        good = (inside > 0) & (hit > 2e-3)
        if body.rim is not None:
            good &= start[..., 1] + hit * way[..., 1] < body.rim
        found = np.where(good, hit, found)
    return found


def lamp_light(rng: np.random.Generator, points: Array, samples: int) -> Array:
    """Return the share of the lamp that each point sees, from 0 (shadow) to 1."""
    seen = np.zeros(points.shape[:-1], dtype=np.float32)
    for _ in range(samples):
        lamp = LAMP + rng.normal(0, 0.55, points.shape).astype(np.float32)
        way = unit(lamp - points)
        free = np.ones_like(seen, dtype=bool)
        for body in BODIES:
            free &= distance(body, points, way) >= FAR
        seen += free
    return seen / samples


def sky_light(points: Array, normals: Array) -> Array:
    """Return how open each point is to the room's light; bodies close by take some of it away."""
    open_share = 0.55 + 0.45 * normals[..., 1]
    for body in BODIES[2:]:
        offset = np.array(body.centre, dtype=np.float32) - points
        gap = np.linalg.norm(offset, axis=-1)
        facing = np.clip((normals * offset).sum(-1) / gap, 0, 1)
        open_share = open_share * (1 - np.clip(facing * (max(body.axes) / gap) ** 2, 0, 0.75))
    return open_share


def wood(rng: np.random.Generator, points: Array) -> Array:
    """Return the colour of the table's boards at each point."""
    grain = noise(rng, (1024, 512), (5, 60), 4)
    row = (points[..., 2] * 70 + 200).astype(int) % 512
    column = (points[..., 0] * 70 + 500).astype(int) % 1024
    seam = np.abs((points[..., 2] + 0.35) % 1.3 - 0.65) > 0.638
    tone = mix(colour("#8a5a34"), colour("#c59363"), grain[row, column])
    return mix(tone, colour("#4a2f1c"), seam * 0.7)


def surfaces(rng: np.random.Generator, way: Array) -> tuple[Array, Array, Array, Array]:
    """Return for each ray from the eye: where it ends, the normal, the colour and the gloss there."""
    start = np.broadcast_to(EYE, way.shape)
    nearest = np.where(way[..., 1] < -1e-3, -EYE[1] / np.minimum(way[..., 1], -1e-3), FAR).astype(np.float32)
    nearest = np.minimum(nearest, 60)
    points = EYE + way * nearest[..., None]
    normals = np.broadcast_to(np.array([0, 1, 0], dtype=np.float32), way.shape)
    tones, gloss = wood(rng, points), np.full(nearest.shape, 0.06, dtype=np.float32)
    for body in BODIES:
        gap = distance(body, start, way)
        closer = gap < nearest
        spot = EYE + way * np.minimum(gap, 60)[..., None]
        local = (spot - np.array(body.centre, dtype=np.float32)) / np.array(body.axes, dtype=np.float32)
        normal = unit(local / np.array(body.axes, dtype=np.float32))
        normal = np.where((normal * way).sum(-1, keepdims=True) > 0, -normal, normal)
        turn = np.arctan2(local[..., 2], local[..., 0])
        streaks = 0.5 + 0.25 * np.sin(turn * 9 + local[..., 1] * 2) + 0.25 * np.sin(turn * 23 + 1)
        tone = mix(colour(body.tone), colour(body.blush), np.clip(local[..., 1], 0, 1) ** 2 * streaks * 0.7)
        points = np.where(closer[..., None], spot, points)
        normals = np.where(closer[..., None], normal, normals)
        tones, gloss = np.where(closer[..., None], tone, tones), np.where(closer, body.gloss, gloss)
        nearest = np.where(closer, gap, nearest)
    return points, normals, tones, gloss


def still_life() -> Image.Image:
    """Draw a bowl of fruit by following a ray of light through each point of the picture."""
    rng = np.random.default_rng(11)
    width, height = (2 * side for side in SIZES["still-life.webp"])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    ahead = unit(TARGET - EYE)
    right = unit(np.cross(ahead, np.array([0, 1, 0], dtype=np.float32)))
    up = np.cross(right, ahead)
    across, upward = (x - width / 2) / width * 0.86, (height / 2 - y) / width * 0.86
    way = unit(ahead + across[..., None] * right + upward[..., None] * up)
    points, normals, tones, gloss = surfaces(rng, way)
    towards = unit(LAMP - points)
    lamp = lamp_light(rng, points + normals * 4e-3, 10)
    bright = np.clip((normals * towards).sum(-1), 0, 1) * lamp
    shine = np.clip((unit(towards - way) * normals).sum(-1), 0, 1) ** 60 * lamp * gloss
    warm, cool = colour("#fff0d8"), colour("#b9c7dc")
    open_share = sky_light(points, normals)
    picture = tones**1.8 * (bright[..., None] * warm * 1.05 + open_share[..., None] * cool * 0.42)
    picture = picture ** (1 / 1.8) + shine[..., None]
    wall = mix(colour("#5f6f6c"), colour("#b9bfae"), np.exp(-(((x / width - 0.3) / 0.45) ** 2)))
    picture = mix(picture, wall, np.clip((-points[..., 2] - 3.2) / 2.5, 0, 1))
    corner = np.hypot(x / width - 0.5, y / height - 0.5)
    return to_image(picture * (1.06 - 0.45 * corner[..., None] ** 2), SIZES["still-life.webp"])


def frames(scene: Image.Image, sheet: Image.Image) -> list[Image.Image]:
    """Return three frames of an animation, of which the second alone holds the QR code."""
    small = sheet.convert("RGB").resize((300, 400))
    plain = Image.new("RGB", small.size, "#f4efe6")
    plain.paste(scene.resize((300, 197)), (0, 100))
    return [plain, small, plain.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]


def main(folder: Path) -> None:
    """Draw all sample pictures into a folder, and an animation of them beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    scene, sheet = landscape(), poster()
    scene.save(folder / "landscape.jpg", quality=86, optimize=True)
    sheet.save(folder / "poster-qr.png", optimize=True)
    still_life().save(folder / "still-life.webp", quality=86, method=6)
    first, *rest = frames(scene, sheet)
    first.save(folder.parent / "animation.gif", save_all=True, append_images=rest, duration=400, loop=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data")
