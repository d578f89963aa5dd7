"""What is taken for an image: by its name where that says so, else by its content."""

from __future__ import annotations

import os

from moderate_cli.preflight import HEAD_SIZE, sniff

# Names under which people keep images: such a file is never passed over, so that a broken one gets reported.
IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".tif", ".tiff", ".webp"}
)
# A pipe that took the place of a file must not be waited for; other systems than Windows know no text mode.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def has_image_name(name: str) -> bool:
    """Tell whether a name, without its folder, is one of an image."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in IMAGE_SUFFIXES


def has_image_content(path: str) -> bool:
    """Tell whether a regular file can be read and starts like an image."""
    try:
        descriptor = os.open(path, _READING)
    except OSError:
        return False
    try:
        return sniff(os.read(descriptor, HEAD_SIZE)) is not None
    except OSError:
        return False
    finally:
        os.close(descriptor)
