"""Many images that look alike, and differ in their bytes."""

from __future__ import annotations

from pathlib import Path


def copies(image: Path, folder: Path, number: int) -> list[str]:
    """Write an image under many names, each with a tail of its own, which no decoder looks at; return the paths."""
    content = image.read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:06d}{image.suffix}" for index in range(number)]
    for index, path in enumerate(paths):
        path.write_bytes(content + index.to_bytes(8, "big"))
    return [str(path) for path in paths]
