"""Small images of every format and of the variants in which their headers differ, with the size that each has."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from moderate_cli.preflight import Format

SIZE = (301, 207)  # odd, and unlike each other
_HEICS = Path(__file__).parents[1] / "vectors" / "heic"


@dataclass(frozen=True)
class Sample:
    """An image; `size` in pixels is None where its header does not tell it, and `boxes_only` has nothing to decode."""

    name: str
    format: Format
    content: bytes
    size: tuple[int, int] | None = SIZE
    boxes_only: bool = False

    def __str__(self) -> str:
        return self.name


@functools.cache
def samples() -> tuple[Sample, ...]:
    """Return the corpus, drawn once."""
    return (*_pngs(), *_jpegs(), *_gifs(), *_bmps(), *_webps(), *_tiffs(), *_icos(), *_heics(), *_svgs())


def saved(form: str, size: tuple[int, int] = SIZE, mode: str = "RGB", **options: Any) -> bytes:
    """Return an image as Pillow writes it."""
    buffer = io.BytesIO()
    _drawn(size, mode).save(buffer, form, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int) -> bytes:
    """Return a PNG that announces a size and has no pixels."""
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def ico(*images: tuple[int, int, bytes]) -> bytes:
    """Return an icon of images, each with the two bytes that its entry holds for the sides."""
    entries, contents = b"", b""
    for width, height, content in images:
        start = 6 + 16 * len(images) + len(contents)
        entries += struct.pack("<BBBBHHII", width, height, 0, 0, 1, 32, len(content), start)
        contents += content
    return struct.pack("<HHH", 0, 1, len(images)) + entries + contents


def segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def box(kind: bytes, *parts: bytes, long: bool = False) -> bytes:
    """Return a box of an ISO media file, its length in 32 or in 64 bits."""
    content = b"".join(parts)
    if long:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


def encoded_heic(name: str) -> bytes:
    """Return a HEIC as libheif wrote it; no encoder without the GPL is packaged, so that these are kept as files."""
    return (_HEICS / f"{name}.heic").read_bytes()


FTYP = box(b"ftyp", b"heic", bytes(4), b"mif1heic")


def heic(
    size: tuple[int, int] = SIZE, *, turn: int | None = None, wide: bool = False, long: bool = False, item: int = 2
) -> bytes:
    """Return the boxes of a HEIC whose primary item has a size, behind another item that is a thumbnail.

    `turn` is in quarters; `wide` takes the versions with numbers of 32 bits for items and of 15 bits for properties,
    `long` lengths of 64 bits.
    """
    id_layout, index_layout, flags = (">I", ">H", 1) if wide else (">H", ">B", 0)
    version = struct.pack(">I", (wide << 24) | flags)
    properties = [
        box(b"ispe", bytes(4), struct.pack(">II", 160, 120)),
        box(b"hvcC", bytes(23)),
        box(b"ispe", bytes(4), struct.pack(">II", *size)),
    ]
    own = [3, 2 | (0x8000 if wide else 0x80)]
    if turn is not None:
        properties.append(box(b"irot", bytes([turn])))
        own.append(4)
    ipma = version + struct.pack(">I", 2)
    for number, indexes in ((1, [1, 2]), (item, own)):
        ipma += struct.pack(id_layout, number) + bytes([len(indexes)])
        ipma += b"".join(struct.pack(index_layout, index) for index in indexes)
    return FTYP + box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", struct.pack(">I", wide << 24), struct.pack(id_layout, item)),
        box(b"iprp", box(b"ipco", *properties), box(b"ipma", ipma)),
        long=long,
    )


def _drawn(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert(mode)


def _pngs() -> Iterator[Sample]:
    plain = saved("PNG")
    yield Sample("png", Format.PNG, plain)
    yield Sample("png-palette", Format.PNG, saved("PNG", mode="P"))
    yield Sample("png-alpha-16", Format.PNG, saved("PNG", mode="I;16"))
    yield Sample("png-animated", Format.PNG, saved("PNG", save_all=True, append_images=[_drawn(SIZE).rotate(180)]))
    yield Sample("png-apple", Format.PNG, plain[:8] + png_chunk(b"CgBI", b"\x50\x00\x20\x02") + plain[8:])
    yield Sample("png-one-pixel", Format.PNG, saved("PNG", (1, 1)), (1, 1))
    yield Sample("png-without-pixels", Format.PNG, png(*SIZE))


def _jpegs() -> Iterator[Sample]:
    plain = saved("JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    thumbnail = b"Exif\0\0" + saved("JPEG", (160, 120))
    yield Sample("jpeg", Format.JPEG, plain)
    yield Sample("jpeg-grey", Format.JPEG, saved("JPEG", mode="L"))
    yield Sample("jpeg-cmyk", Format.JPEG, saved("JPEG", mode="CMYK"))
    yield Sample("jpeg-progressive", Format.JPEG, saved("JPEG", progressive=True))
    yield Sample("jpeg-restarts", Format.JPEG, saved("JPEG", restart_marker_blocks=1))
    yield Sample("jpeg-turned", Format.JPEG, saved("JPEG", exif=exif))
    yield Sample("jpeg-thumbnail", Format.JPEG, plain[:2] + segment(0xE1, thumbnail) + plain[2:])
    yield Sample("jpeg-large-profile", Format.JPEG, saved("JPEG", icc_profile=bytes(500_000)))
    yield Sample("jpeg-long-metadata", Format.JPEG, plain[:2] + segment(0xE1, bytes(65_000)) * 100 + plain[2:])
    yield Sample("jpeg-fill-bytes", Format.JPEG, plain[:2] + b"\xff" * 99 + plain[2:])
    yield Sample("jpeg-garbage", Format.JPEG, plain[:20] + b"\x00\xff\x00garbage" + plain[20:])
    yield Sample("jpeg-mpo", Format.JPEG, saved("MPO", save_all=True, append_images=[_drawn((80, 60))]))
    at = plain.index(b"\xff\xc0")
    yield Sample("jpeg-height-told-later", Format.JPEG, plain[: at + 5] + b"\0\0" + plain[at + 7 :], None)
    yield Sample("jpeg-out-of-reach", Format.JPEG, plain[:2] + segment(0xFE, b"") * 20_000 + plain[2:], None)


def _gifs() -> Iterator[Sample]:
    plain = saved("GIF")
    frames = [_drawn(SIZE).rotate(180), _drawn((20, 20))]
    yield Sample("gif", Format.GIF, plain)
    yield Sample("gif-interlaced", Format.GIF, saved("GIF", interlace=1))
    yield Sample("gif-plain", Format.GIF, saved("GIF", interlace=0))
    yield Sample("gif-animated", Format.GIF, saved("GIF", save_all=True, append_images=frames))
    yield Sample("gif-comment", Format.GIF, saved("GIF", comment=b"x" * 10_000))
    yield Sample("gif-long-comment", Format.GIF, saved("GIF", comment=b"x" * 100_000), None)
    yield Sample("gif-small-screen", Format.GIF, plain[:6] + struct.pack("<HH", 20, 10) + plain[10:])


def _bmps() -> Iterator[Sample]:
    plain = saved("BMP")
    top_down = plain[:22] + struct.pack("<i", -SIZE[1]) + plain[26:]
    pixels = plain[54:]
    os2_1 = b"BM" + struct.pack("<IIIIHHHH", 26 + len(pixels), 0, 26, 12, *SIZE, 1, 24) + pixels
    os2_2 = (
        b"BM" + struct.pack("<III", 78 + len(pixels), 0, 78) + struct.pack("<I", 64) + plain[18:54] + bytes(24) + pixels
    )
    yield Sample("bmp", Format.BMP, plain)
    yield Sample("bmp-palette", Format.BMP, saved("BMP", mode="P"))
    yield Sample("bmp-1-bit", Format.BMP, saved("BMP", mode="1"))
    yield Sample("bmp-alpha", Format.BMP, saved("BMP", mode="RGBA"))
    yield Sample("bmp-top-down", Format.BMP, top_down)
    yield Sample("bmp-os2-1", Format.BMP, os2_1)
    yield Sample("bmp-os2-2", Format.BMP, os2_2)


def _webps() -> Iterator[Sample]:
    yield Sample("webp", Format.WEBP, saved("WEBP"))
    yield Sample("webp-lossless", Format.WEBP, saved("WEBP", lossless=True))
    yield Sample("webp-alpha", Format.WEBP, saved("WEBP", mode="RGBA", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"))
    yield Sample("webp-animated", Format.WEBP, saved("WEBP", save_all=True, append_images=[_drawn(SIZE).rotate(180)]))


def _tiffs() -> Iterator[Sample]:
    yield Sample("tiff", Format.TIFF, saved("TIFF"))
    yield Sample("tiff-big", Format.TIFF, saved("TIFF", big_tiff=True))
    yield Sample("tiff-lzw", Format.TIFF, saved("TIFF", compression="tiff_lzw"))
    yield Sample("tiff-motorola", Format.TIFF, saved("TIFF", mode="I;16B"))
    yield Sample("tiff-pages", Format.TIFF, saved("TIFF", save_all=True, append_images=[_drawn((20, 20))]))
    yield Sample("tiff-behind-pixels", Format.TIFF, tiff("<", pad=200_000))
    for order in "<>":
        for kind in (3, 4):
            yield Sample(f"tiff-{kind}-{order}", Format.TIFF, tiff(order, kind=kind))
        for kind in (3, 4, 16):
            yield Sample(f"tiff-big-{kind}-{order}", Format.TIFF, tiff(order, kind=kind, big=True))


def tiff(order: str, *, kind: int = 4, size: tuple[int, int] = SIZE, pad: int = 0, big: bool = False) -> bytes:
    """Return a grey TIFF or BigTIFF, `pad` bytes before its directory; `kind` is the type of the sides."""
    width, height = size
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: width * height}
    entry, number, width_of_value = (order + "HHQ", order + "Q", 8) if big else (order + "HHI", order + "I", 4)
    count = struct.pack(number if big else f"{order}H", len(tags))
    entries = b"".join(
        struct.pack(entry, tag, kind if tag < 258 else 4, 1)
        + struct.pack(order + {3: "H", 4: "I", 16: "Q"}[kind if tag < 258 else 4], value).ljust(width_of_value, b"\0")
        for tag, value in tags.items()
    )
    start = struct.pack(f"{order}HHHQ", 43, 8, 0, 16 + pad) if big else struct.pack(f"{order}HI", 42, 8 + pad)
    return (b"II" if order == "<" else b"MM") + start + bytes(pad) + count + entries + bytes(width_of_value)


def _icos() -> Iterator[Sample]:
    large, small = saved("PNG", (256, 256)), saved("PNG", (64, 48))
    bitmap = saved("ICO", (32, 32), bitmap_format="bmp", sizes=[(32, 32)])
    yield Sample("ico", Format.ICO, saved("ICO", (256, 256), sizes=[(256, 256)]), (256, 256))
    yield Sample("ico-bitmap", Format.ICO, bitmap, (32, 32))
    yield Sample("ico-several", Format.ICO, saved("ICO", (256, 256), sizes=[(16, 16), (64, 64)]), (64, 64))
    yield Sample("ico-last-counts", Format.ICO, ico((0, 0, large), (64, 48, small)), (64, 48))
    yield Sample("ico-png-beyond-256", Format.ICO, ico((0, 0, saved("PNG"))))
    yield Sample("ico-bitmap-of-256", Format.ICO, ico((0, 0, bytes(40))), (256, 256))


def _heics() -> Iterator[Sample]:
    even = (SIZE[0] + 1, SIZE[1] + 1)  # an encoder rounds odd sides up, and has the edge cut off when it is shown
    yield Sample("heic", Format.HEIC, encoded_heic("plain"), even)
    yield Sample("heic-odd", Format.HEIC, encoded_heic("odd"), even)
    yield Sample("heic-turned", Format.HEIC, encoded_heic("turned"), even[::-1])
    yield Sample("heic-upside-down", Format.HEIC, encoded_heic("upside-down"), even)
    yield Sample("heic-tiles", Format.HEIC, encoded_heic("tiles"), even)
    yield Sample("heic-second-is-primary", Format.HEIC, encoded_heic("second-is-primary"), even)
    yield from (Sample(f"heic-{name}", Format.HEIC, content, size, True) for name, content, size in _box_heics())


def _box_heics() -> Iterator[tuple[str, bytes, tuple[int, int] | None]]:
    yield "built", heic(), SIZE
    yield "built-90", heic(turn=1), SIZE[::-1]
    yield "built-180", heic(turn=2), SIZE
    yield "built-270", heic(turn=3), SIZE[::-1]
    yield "wide", heic(wide=True, item=70_000), SIZE
    yield "long", heic(long=True), SIZE
    yield "behind-pixels", FTYP + box(b"mdat", bytes(100_000)) + heic()[len(FTYP) :], SIZE
    yield "up-to-the-end", FTYP + bytes(4) + heic()[len(FTYP) + 4 :], SIZE
    yield "sequence", box(b"ftyp", b"hevc", bytes(4), b"msf1") + box(b"moov"), None
    yield "without-primary", FTYP + box(b"meta", bytes(4)), None
    yield "primary-of-no-size", heic().replace(b"ispe", b"skip"), None


def _svgs() -> Iterator[Sample]:
    def svg(name: str, attributes: str, size: tuple[int, int] | None = SIZE, before: str = "") -> Sample:
        text = f'{before}<svg xmlns="http://www.w3.org/2000/svg" {attributes}><path d="M0 0h9v9z"/></svg>'
        return Sample(f"svg-{name}", Format.SVG, text.encode(), size)

    entities = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd" [ <!ENTITY ns "http://example.com/"> ]>\n'
    plain = svg("plain", 'width="301" height="207"')
    yield plain
    yield svg("pixels", "width='301px' height = '207.2px' viewBox='0 0 3 2'")
    yield svg("inches", 'width="2in" height="1in"', (192, 96))
    yield svg("points", 'width="75pt" height="6pc"', (100, 96))
    yield svg("millimetres", 'width="25.4mm" height="5.08cm"', (96, 192))
    yield svg("quarters", 'width="101.6q" height="1e1em"', (96, 160))
    yield svg("ex", 'width="2ex" height=".5E2"', (16, 50))
    yield svg("percent", 'width="100%" height="100%" viewBox="-5,-5 301 207"')
    yield svg("view-box", 'viewBox=" 0 0 301.4 206.9 "')
    yield svg("width-and-view-box", 'width="602" viewBox="0 0 301 207"', (602, 414))
    yield svg("height-and-view-box", 'height="414" viewBox="0 0 301 207"', (602, 414))
    yield svg("stroke", 'stroke-width="3" data-x=" width=\'5\'" width="301" height="207"')
    yield svg("no-size", 'version="1.1"', None)
    yield svg("broken-view-box", 'viewBox="0 0 wide high"', None)
    yield svg("view-box-of-no-size", 'viewBox="0 0 0 0"', None)
    yield svg("short-view-box", 'viewBox="0 0 301"', None)
    yield svg("entity-as-width", 'width="&w;" height="207"', None, '<!DOCTYPE svg [ <!ENTITY w "301"> ]>')
    yield svg("one-side", 'width="301"', None)
    yield svg("tiny", 'width="0.2" height="1e-300"', (1, 1))
    yield svg("prologue", 'width="301" height="207"', before=f'<?xml version="1.0"?>\n{entities}<!-- <svg> -->\n')
    yield svg("long-tag", f'data-x="{"x" * 20_000}" width="301" height="207"')
    yield svg("very-long-tag", f'data-x="{"x" * 80_000}" width="301" height="207"', None)
    prefixed = '<s:svg xmlns:s="http://www.w3.org/2000/svg" width="301" height="207"/>'
    yield Sample("svg-prefix", Format.SVG, prefixed.encode())
    yield Sample("svg-utf-16", Format.SVG, plain.content.decode().encode("utf-16"))
