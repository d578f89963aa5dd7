"""Small images that consist of more than one picture, as files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def _pictures(number: int, size: tuple[int, int]) -> list[Image.Image]:
    return [Image.new("RGB", size, (17 * index % 256, 40, 200)) for index in range(number)]


def drawn(folder: Path, name: str, number: int = 1, size: tuple[int, int] = (60, 40)) -> Path:
    """Draw so many frames or pages, of another colour each, into a file of the format that its suffix names."""
    path = folder / name
    first, *others = _pictures(number, size)
    if path.suffix == ".ico":
        first = first.resize((64, 64))
        first.save(path, sizes=[(64, 64), (32, 32), (16, 16)][:number])
    elif others:
        first.save(path, format="PNG" if path.suffix == ".apng" else None, save_all=True, append_images=others)
    else:
        first.save(path)
    return path
