"""The size of an image in pixels, read from its header with the standard library."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from moderate_cli.preflight.formats import Format
from moderate_cli.preflight.headers.bmp import read_bmp
from moderate_cli.preflight.headers.gif import read_gif
from moderate_cli.preflight.headers.heif import read_heif
from moderate_cli.preflight.headers.ico import read_ico
from moderate_cli.preflight.headers.jpeg import read_jpeg
from moderate_cli.preflight.headers.png import read_png
from moderate_cli.preflight.headers.svg import read_svg
from moderate_cli.preflight.headers.tiff import read_tiff
from moderate_cli.preflight.headers.webp import read_webp
from moderate_cli.preflight.headers.window import (
    BUDGET,
    DamagedError,
    Header,
    UnknownSizeError,
    Window,
    opened_window,
)

__all__ = ["BUDGET", "READERS", "DamagedError", "Header", "UnknownSizeError", "Window", "opened_window", "read_header"]

READERS: Mapping[Format, Callable[[Window], Header]] = {
    Format.PNG: read_png,
    Format.JPEG: read_jpeg,
    Format.GIF: read_gif,
    Format.BMP: read_bmp,
    Format.WEBP: read_webp,
    Format.TIFF: read_tiff,
    Format.ICO: read_ico,
    Format.HEIC: read_heif,
    Format.SVG: read_svg,
}


def read_header(found: Format, window: Window) -> Header:
    """Return what the header of an accepted format says.

    Raises DamagedError where it says nothing that any decoder could use, and UnknownSizeError where it says nothing
    about the size, or says it out of reach.
    """
    header = READERS[found](window)
    if header.width == 0 or header.height == 0:
        raise DamagedError("it has no pixels")
    return header
