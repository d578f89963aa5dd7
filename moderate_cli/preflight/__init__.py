"""What the service would refuse anyway, found out without the network.

What is sure to be refused is refused here; whatever is in doubt is sent, for an unsent image has no verdict, and a
refusal by the service is not billed.
"""

from __future__ import annotations

from io import BufferedReader

from msgspec import Struct

from moderate_cli.catalog.prices import slices
from moderate_cli.common.errors import RefusedError
from moderate_cli.models import Extent
from moderate_cli.preflight.formats import (
    ACCEPTED,
    HEAD_SIZE,
    MAX_BYTES,
    Format,
    check_bytes,
    check_pixels,
    notes_on,
    sniff,
)
from moderate_cli.preflight.parts import count_parts

__all__ = [
    "ACCEPTED",
    "FIRST_ASSUMED",
    "HEAD_SIZE",
    "MAX_BYTES",
    "Checked",
    "Format",
    "check_file",
    "extents_of",
    "sniff",
]

FIRST_ASSUMED = "no page says which of several frames or pages of a PNG, TIFF or WEBP is judged; the first is assumed"
# The vendor's page of the sync operation (2026-03-03): of a GIF the first frame, of an ICO the last image.
_UNDOCUMENTED = frozenset({Format.PNG, Format.TIFF, Format.WEBP})


class Checked(Struct, frozen=True):
    """What is known of a file that may be sent.

    `width` and `height` are in pixels, as the header says, before any turning that EXIF asks for; both are None where
    the header does not tell them within reach. `notes` are remarks in words that many images share.
    """

    format: Format
    width: int | None
    height: int | None
    notes: tuple[str, ...] = ()


def check_file(file: BufferedReader, size: int) -> Checked:
    """Return what an open file is; it is left where it stood, and at most 64 KB of it are read.

    `size` is in bytes. Raises RefusedError, with the code that the service would have answered, and OSError where the
    file cannot be read.
    """
    # Many runs read no header: all their images are URLs, or known already.
    from moderate_cli.preflight.headers import DamagedError, UnknownSizeError, opened_window, read_header

    check_bytes(size)
    with opened_window(file, size) as window:
        found = _accepted(window.head)
        try:
            header = read_header(found, window)
        except UnknownSizeError:
            return Checked(found, None, None)
        except DamagedError as error:
            hint = "open it in a viewer and save it anew, or fetch it again"
            raise RefusedError(f"a damaged {found}: {error}", code="damaged", api_code=407, hint=hint) from error
    check_pixels(found, header.width, header.height)
    return Checked(found, header.width, header.height, notes_on(header, size))


def extents_of(file: BufferedReader, size: int, checked: Checked | None) -> tuple[tuple[Extent, ...], tuple[str, ...]]:
    """Return what a file consists of beside the one picture that is judged, and remarks on which one that is.

    `checked` is what the preflight said, None where it was skipped. Raises OSError where the file cannot be read.
    """
    found = checked.format if checked else sniff(_head(file))
    if found is None:
        return (), ()
    parts = count_parts(file, size, found)
    if parts is not None:
        return (Extent(parts.kind, parts.total),), (FIRST_ASSUMED,) if found in _UNDOCUMENTED else ()
    width, height = (checked.width, checked.height) if checked else _size(file, size, found)
    cut_into = slices(width, height) if width and height else 1
    return ((Extent("slices", cut_into),) if cut_into > 1 else ()), ()


def _head(file: BufferedReader) -> bytes:
    start = file.tell()
    try:
        file.seek(0)
        return file.read(HEAD_SIZE)
    finally:
        file.seek(start)


def _size(file: BufferedReader, size: int, found: Format) -> tuple[int | None, int | None]:
    from moderate_cli.preflight.headers import READERS, DamagedError, UnknownSizeError, opened_window, read_header

    if found not in READERS:
        return None, None
    with opened_window(file, size) as window:
        try:
            header = read_header(found, window)
        except (UnknownSizeError, DamagedError):
            return None, None
    return header.width, header.height


def _accepted(head: bytes) -> Format:
    found = sniff(head)
    if found is None:
        hint = "the content decides, not the name: give a PNG, JPEG, WEBP, BMP, TIFF, GIF, SVG, HEIC or ICO"
        raise RefusedError("the content is not an image", code="not_an_image", api_code=407, hint=hint)
    if found not in ACCEPTED:
        message = f"the service does not accept {found}"
        raise RefusedError(message, code="format_unsupported", api_code=407, hint="convert it to PNG, JPEG or WEBP")
    return found
