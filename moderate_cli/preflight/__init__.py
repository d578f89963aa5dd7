"""Whether the service would refuse a file, checked without the network.

What would certainly be refused is refused here. In doubt a file is sent: an image that is not sent has no verdict, and
a refusal by the service is not billed.
"""

from __future__ import annotations

from io import BufferedReader

from msgspec import Struct

from moderate_cli.catalog.prices import slices
from moderate_cli.common.errors import RefusedError
from moderate_cli.models import Extent
from moderate_cli.preflight.formats import (
    ACCEPTED,
    FIRST_ASSUMED,
    HEAD_SIZE,
    MAX_BYTES,
    Format,
    check_bytes,
    check_pixels,
    format_of,
    is_raw_name,
    may_begin_image,
    sniff,
    too_large,
)

__all__ = [
    "ACCEPTED",
    "FIRST_ASSUMED",
    "HEAD_SIZE",
    "MAX_BYTES",
    "Checked",
    "Format",
    "check_file",
    "extents_of",
    "format_of",
    "is_raw_name",
    "may_begin_image",
    "sniff",
    "too_large",
]

# The vendor's page of the sync operation (2026-03-03): of a GIF the first frame, of an ICO the last image.
_UNDOCUMENTED = frozenset({Format.PNG, Format.TIFF, Format.WEBP})


class Checked(Struct, frozen=True):
    """What is known of a file that may be sent.

    `width` and `height` are in pixels by the header, before any EXIF rotation; both are None if the header does not
    tell them within its first 64 KB. `notes` are worded alike for all images.
    """

    format: Format
    width: int | None
    height: int | None
    notes: tuple[str, ...] = ()


def check_file(file: BufferedReader, size: int) -> Checked:
    """Return what an open file is; its position is kept, and at most 64 KB of it are read.

    `size` is in bytes. Raises RefusedError, with the code that the service would have returned, and OSError if the file
    cannot be read.
    """
    # Imported here because many runs read no header: all their images are URLs, or known already.
    from moderate_cli.preflight.headers import (
        CameraRawError,
        DamagedError,
        UnknownSizeError,
        find_pixels,
        notes_on,
        opened_window,
        read_header,
    )

    check_bytes(size)
    with opened_window(file, size) as window:
        found = _accepted(window.head, str(getattr(file, "name", "")))
        try:
            header = read_header(found, window)
        except CameraRawError as error:
            raise _camera_raw() from error
        except UnknownSizeError:
            return Checked(found, None, None)
        except DamagedError as error:
            raise _damaged(found, error) from error
        check_pixels(found, header.width, header.height)
        try:
            find_pixels(found, window, header)
        except UnknownSizeError:
            pass  # they begin out of reach, and may be there
        except DamagedError as error:
            raise _damaged(found, error) from error
    return Checked(found, header.width, header.height, notes_on(header, size))


def extents_of(
    file: BufferedReader, size: int, checked: Checked | None, *, sampled: bool = False
) -> tuple[tuple[Extent, ...], tuple[str, ...]]:
    """Return what else a file consists of than the one picture that is judged, and notes on which one that is.

    `size` is in bytes; `checked` is the result of the preflight, None if it was skipped. Where several parts are
    `sampled`, each of which is billed, a file of unknown format or size may have any number of them. Raises OSError if
    the file cannot be read.
    """
    from moderate_cli.preflight.parts import count_parts  # not needed for URLs either

    found = checked.format if checked else sniff(_head(file))
    if found is None:
        return ((Extent("frames", None),) if sampled else ()), ()
    parts = count_parts(file, size, found)
    if parts is not None:
        return (Extent(parts.kind, parts.total),), (FIRST_ASSUMED,) if found in _UNDOCUMENTED else ()
    width, height = (checked.width, checked.height) if checked else _size(file, size, found)
    if not (width and height):
        return ((Extent("slices", None),) if sampled else ()), ()
    cut_into = slices(width, height)
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


def _accepted(head: bytes, name: str) -> Format:
    found = format_of(head, name)
    if found is None:
        hint = "the content decides, not the name: give a PNG, JPEG, WEBP, BMP, TIFF, GIF, SVG, HEIC or ICO"
        raise RefusedError("the content is not an image", code="not_an_image", api_code=407, hint=hint)
    if found is Format.RAW:
        raise _camera_raw()
    if found not in ACCEPTED:
        message = f"the service does not accept {found}"
        raise RefusedError(message, code="format_unsupported", api_code=407, hint="convert it to PNG, JPEG or WEBP")
    return found


def _damaged(found: Format, error: Exception) -> RefusedError:
    hint = "open it in a viewer and save it again, or download it again"
    return RefusedError(f"a damaged {found}: {error}", code="damaged", api_code=407, hint=hint)


def _camera_raw() -> RefusedError:
    message = "a camera raw file, which the service does not accept"
    return RefusedError(message, code="camera_raw", api_code=407, hint="export it as JPEG, PNG or TIFF")
