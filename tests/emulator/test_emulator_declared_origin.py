"""What a file declares about AI is read in every format, and nothing is read into ordinary files.

`tests/vectors/c2pa` was written and signed by another program; the files of the other marks are written by Pillow, and
those blocks that it cannot write by this module.
"""

import html
import io
import json
import random
import struct
import time
import zlib
from pathlib import Path

import pytest
from photos import PHOTOS
from PIL import Image, PngImagePlugin

from moderate_cli.emulator.engine.declared_origin import DeclaredOriginDetector, declarations
from moderate_cli.emulator.engine.detectors import Detection, Finding

VECTORS = Path(__file__).parents[1] / "vectors"
DATA = Path(__file__).parents[1] / "data"
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
LABEL = {"Label": "1", "ContentProducer": "某公司", "ProduceID": "1", "ReservedCode1": "", "ContentPropagator": ""}
PARAMETERS = "a cat, 猫\nNegative prompt: dogs\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
PROMPT = {"3": {"inputs": {"seed": 1, "steps": 20, "model": ["4", 0]}, "class_type": "KSampler"}}
WORKFLOW = {"last_node_id": 9, "nodes": [{"id": 3, "type": "KSampler"}], "links": [[1, 4, 0, 3, 0, "MODEL"]]}
EXIF_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
ALL_FORMATS = (*EXIF_FORMATS, "GIF")
USER_COMMENT, EXIF_IFD = 0x9286, 0x8769
UUID_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def marks(content):
    return [found.mark for found in declarations(content)]


def picture():
    return Image.radial_gradient("L").resize((64, 48)).convert("RGB")


def written(kind, **options):
    file = io.BytesIO()
    picture().save(file, kind, **options)
    return file.getvalue()


# ----------------------------------------------------------------------------------------------------- writers


def in_comment(kind, text, encoding="utf-8"):
    prefix = {"utf-8": b"\0" * 8, "ascii": b"ASCII\0\0\0"}.get(encoding, b"UNICODE\0")
    exif = Image.Exif()
    exif[0x0131] = "a program"  # Pillow takes EXIF without a tag of its own for empty
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = prefix + text.encode(encoding)
    return written(kind, exif=exif.tobytes())


def in_xmp(kind, properties, attributes=""):
    packet = (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f' xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" {attributes}>{properties}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()
    if kind == "GIF":
        trailer = bytes([1, *range(255, -1, -1), 0])
        return after_screen(b"\x21\xff\x0bXMP DataXMP" + packet + trailer)
    if kind == "TIFF":
        return written(kind, tiffinfo={700: packet})
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        return written(kind, pnginfo=info)
    return written(kind, xmp=packet)


def in_text(key, text, *, zip=False, international=False):  # noqa: A002
    info = PngImagePlugin.PngInfo()
    if international:
        info.add_itxt(key, text, zip=zip)
    else:
        info.add_text(key, text, zip=zip)
    return written("PNG", pnginfo=info)


def after_screen(block):
    """Return a GIF with a block before its picture."""
    content = written("GIF").replace(b"GIF87a", b"GIF89a")
    at = 13 + (3 << ((content[10] & 7) + 1) if content[10] & 0x80 else 0)
    return content[:at] + block + content[at:]


def store_of(name):
    """Return the manifests in a file of the vectors, which is an AVIF with one such box."""
    content = (VECTORS / "c2pa" / f"{name}.avif").read_bytes()
    at = content.index(UUID_C2PA) + 16 + 4 + len(b"manifest\0") + 8
    return content[at : at + int.from_bytes(content[at : at + 4])]


def with_store(kind, store):
    content = written(kind)
    if kind == "JPEG":
        return content[:2] + b"".join(pieces(store, 1_000)) + content[2:]
    if kind == "PNG":
        return content[:33] + chunk(b"caBX", store) + content[33:]
    if kind == "WEBP":
        body = content[12:] + b"C2PA" + struct.pack("<I", len(store)) + store + b"\0" * (len(store) & 1)
        return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    if kind == "GIF":
        blocks = [store[at : at + 255] for at in range(0, len(store), 255)]
        return after_screen(
            b"\x21\xff\x0bC2PA_GIF\1\0\0" + b"".join(bytes([len(each)]) + each for each in blocks) + b"\0"
        )
    return written(kind, tiffinfo={52545: store}) if kind == "TIFF" else content + store


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pieces(store, size):
    """Yield the segments of a JPEG that hold a store; each repeats the header of its box."""
    for number, at in enumerate(range(8, len(store), size), start=1):
        body = b"JP\0\1" + struct.pack(">I", number) + store[:8] + store[at : at + size]
        yield b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body


# --------------------------------------------------------------------------------------------------- the marks


@pytest.mark.parametrize("kind", ALL_FORMATS)
@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("trainedAlgorithmicMedia", "trainedAlgorithmicMedia"),
        ("compositeWithTrainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"),
        ("compositeSynthetic", "compositeSynthetic"),
        ("digitalCapture", None),
        ("algorithmicMedia", None),
        ("algorithmicallyEnhanced", None),
        ("humanEdits", None),
    ],
)
def test_iptc_digital_source_type(kind, name, meaning):
    expected = [f"IPTC digital source type: {meaning}"] if meaning else []
    element = f"<Iptc4xmpExt:DigitalSourceType>\n {IPTC}{name}</Iptc4xmpExt:DigitalSourceType>"
    assert [str(found) for found in declarations(in_xmp(kind, element))] == expected
    attribute = f'Iptc4xmpExt:DigitalSourceType="{IPTC}{name}"'
    assert [str(found) for found in declarations(in_xmp(kind, "", attribute))] == expected
    resource = f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{IPTC}{name}"/>'
    assert [str(found) for found in declarations(in_xmp(kind, resource))] == expected


def test_words_about_a_source_type_are_not_one():
    text = "<dc:description>trainedAlgorithmicMedia, DigitalSourceType</dc:description>"
    other = f"<Iptc4xmpExt:DigitalSourceType>{IPTC}print</Iptc4xmpExt:DigitalSourceType>"
    assert marks(in_xmp("JPEG", f"{other}{text}<dc:source>{IPTC}trainedAlgorithmicMedia</dc:source>")) == []


@pytest.mark.parametrize("kind", ALL_FORMATS)
@pytest.mark.parametrize("escape", [lambda text: text, html.escape], ids=["plain", "entities"])
def test_the_aigc_label_in_xmp(kind, escape):
    text = escape(json.dumps(LABEL, ensure_ascii=False))
    expected = ["AIGC label of GB 45438-2025: made by AI"]
    assert [str(found) for found in declarations(in_xmp(kind, f"<TC260:AIGC>{text}</TC260:AIGC>"))] == expected
    attribute = f"TC260:AIGC='{html.escape(json.dumps(LABEL))}'"
    assert [str(found) for found in declarations(in_xmp(kind, "", attribute))] == expected
    fields = "<TC260:Label>1</TC260:Label><TC260:ContentProducer>x</TC260:ContentProducer>"
    resource = f'<TC260:AIGC rdf:parseType="Resource">{fields}</TC260:AIGC>'
    assert [str(found) for found in declarations(in_xmp(kind, resource))] == expected


@pytest.mark.parametrize("kind", EXIF_FORMATS)
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-16-be", "utf-16-le", "utf-16"])
@pytest.mark.parametrize(
    "content",
    [{"AIGC": LABEL}, LABEL, {"AIGC": json.dumps(LABEL)}],
    ids=["named", "bare", "text in text"],
)
def test_the_aigc_label_in_a_comment_of_exif(kind, encoding, content):
    text = json.dumps(content, ensure_ascii=encoding == "ascii")
    assert marks(in_comment(kind, text, encoding)) == ["AIGC label of GB 45438-2025"]


@pytest.mark.parametrize("zip", [False, True])
@pytest.mark.parametrize("international", [False, True])
def test_the_aigc_label_in_a_text_of_png(zip, international):  # noqa: A002
    text = json.dumps(LABEL)
    assert marks(in_text("AIGC", text, zip=zip, international=international)) == ["AIGC label of GB 45438-2025"]


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("1", "made by AI"),
        (1, "made by AI"),
        ("2", "possibly made by AI"),
        (" 3 ", "suspected to be made by AI"),
        ("AIGC", "with an unknown value"),
        ("0", None),
        ("", None),
        (None, None),
        ([], None),
    ],
)
def test_the_values_of_the_aigc_label(label, meaning):
    found = declarations(in_comment("JPEG", json.dumps({"AIGC": LABEL | {"Label": label}})))
    assert [each.meaning for each in found] == ([meaning] if meaning else [])


@pytest.mark.parametrize(
    "text",
    [
        "AIGC",
        "AIGC {",
        '{"AIGC": 1}',
        '{"AIGC": {"Label": "1"}}',
        '{"Label": "1"}',
        "AIGC" + "[" * 60_000,
        '{"AIGC": "{"}',
    ],
)
def test_what_only_looks_like_an_aigc_label(text):
    assert marks(in_text("Comment", text)) == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("generated", ["C2PA manifest: trainedAlgorithmicMedia"]),
        ("edited", ["C2PA manifest: trainedAlgorithmicMedia"]),
        ("camera", []),
    ],
)
def test_c2pa(kind, name, expected):
    content = (VECTORS / "c2pa" / f"{name}.avif").read_bytes() if kind == "AVIF" else with_store(kind, store_of(name))
    assert [str(found) for found in declarations(content)] == expected


def test_a_c2pa_store_as_a_box_of_its_own():
    assert marks(written("AVIF") + store_of("generated")) == ["C2PA manifest"]


def test_what_a_manifest_says_elsewhere_is_no_source_type():
    store = store_of("camera").replace(b"digitalCapture", b"trainedAlgorit")  # as long, and unknown
    assert marks(with_store("PNG", store)) == []
    claim = store_of("generated").replace(b"c2pa.actions", b"x-y.z.words.")
    assert marks(with_store("PNG", claim)) == []


@pytest.mark.parametrize("kind", EXIF_FORMATS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be", "utf-16-le"])
def test_parameters_in_a_comment_of_exif(kind, encoding):
    assert marks(in_comment(kind, PARAMETERS, encoding)) == ["Stable Diffusion parameters"]


@pytest.mark.parametrize(
    ("key", "text", "mark"),
    [
        ("parameters", PARAMETERS, "Stable Diffusion parameters"),
        ("parameters", PARAMETERS.partition("\n")[2].partition("\n")[2], "Stable Diffusion parameters"),
        ("parameters", json.dumps({"sui_image_params": {"prompt": "cat"}}), "Stable Diffusion parameters"),
        ("prompt", json.dumps(PROMPT), "ComfyUI graph"),
        ("workflow", json.dumps(WORKFLOW), "ComfyUI graph"),
        ("invokeai_metadata", "{}", "InvokeAI metadata"),
        ("parameters", "width=3, height=4", None),
        ("parameters", "Steps: 20, and then some more", None),
        ("Comment", f"How to: {PARAMETERS}", None),
        ("prompt", "Press any key", None),
        ("prompt", '{"text": "cat"}', None),
        ("workflow", '{"nodes": []}', None),
    ],
)
def test_texts_of_png(key, text, mark):
    expected = [mark] if mark else []
    for zipped in (False, True):
        assert marks(in_text(key, text, zip=zipped)) == expected
        assert marks(in_text(key, text, zip=zipped, international=True)) == expected


@pytest.mark.parametrize(
    ("tag", "text"), [(0x0110, f"prompt:{json.dumps(PROMPT)}"), (0x010F, f"workflow:{json.dumps(WORKFLOW)}")]
)
def test_a_graph_in_webp(tag, text):
    exif = Image.Exif()
    exif[tag] = text
    assert marks(written("WEBP", exif=exif)) == ["ComfyUI graph"]


def test_parameters_in_comments_of_jpeg_and_gif():
    assert marks(written("JPEG", comment=PARAMETERS.encode())) == ["Stable Diffusion parameters"]
    assert marks(written("GIF", comment=PARAMETERS.encode())) == ["Stable Diffusion parameters"]


def test_xmp_in_pieces():
    packet = b" " * 70_000 + f'<a:DigitalSourceType rdf:resource="{IPTC}trainedAlgorithmicMedia"/>'.encode()
    segments = b""
    for at in range(0, len(packet), 30_000):
        head = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", len(packet), at)
        body = head + packet[at : at + 30_000]
        segments = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + segments  # the last one first
    content = written("JPEG")
    assert marks(content[:2] + segments + content[2:]) == ["IPTC digital source type"]


def test_several_marks_are_one_finding():
    exif = Image.Exif()
    exif[0x0131] = "a program"  # Pillow takes EXIF without a tag of its own for empty
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = b"ASCII\0\0\0" + json.dumps({"AIGC": LABEL}).encode()
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", json.dumps(PROMPT))
    info.add_text("workflow", json.dumps(WORKFLOW))
    detection = DeclaredOriginDetector().read(written("PNG", pnginfo=info, exif=exif))
    declared = ["ComfyUI graph: made by a graph of models", "AIGC label of GB 45438-2025: made by AI"]
    description = f"Declared as made or changed by AI: {declared[0]} (local engine, not verified)"
    assert detection == Detection((Finding("risk_aigc", 100.0, description, "high"),), {"Declared": declared})


# ---------------------------------------------------------------------------------------------- ordinary files

FILES = sorted(
    [
        *PHOTOS.values(),
        *(
            path
            for path in next(iter(PHOTOS.values())).parent.iterdir()
            if path.suffix in {".png", ".jpg", ".tif", ".gif"}
        ),
        *DATA.iterdir(),
        *VECTORS.glob("heic/*"),
        *(Path(__file__).parents[2] / ".github" / "pictures").iterdir(),
    ]
)


def test_ordinary_files_declare_nothing():
    assert len(FILES) >= 40
    found = {path.name: DeclaredOriginDetector().read(path.read_bytes()) for path in FILES}
    assert {name: detection for name, detection in found.items() if detection != Detection()} == {}


@pytest.mark.parametrize("kind", [*ALL_FORMATS, "BMP", "ICO"])
@pytest.mark.parametrize("seed", range(26))
def test_drawn_files_with_ordinary_metadata_declare_nothing(kind, seed):
    chance = random.Random(seed)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", f"EOS {chance.randrange(99)}"
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = b"ASCII\0\0\0" + f"Steps to the beach {seed}".encode()
    page = Image.effect_noise((chance.randrange(16, 99), chance.randrange(16, 99)), chance.randrange(1, 99)).convert(
        "RGB"
    )
    file = io.BytesIO()
    page.save(file, kind, **({"exif": exif} if kind in EXIF_FORMATS and seed % 2 else {}))
    assert declarations(file.getvalue()) == ()


# ------------------------------------------------------------------------------------------------- hostile files


def hostile():
    megabytes = 8 * 1024 * 1024
    png, gif = written("PNG")[:33], b"GIF89a\1\0\1\0\0\0\0"
    bomb = zlib.compress(b"Steps: 1, \n" * 5_000_000, 9)
    yield "fill bytes", b"\xff\xd8\xff" + b"\xff" * megabytes
    yield "tiny segments", b"\xff\xd8" + b"\xff\xfe\0\4{}" * (megabytes // 6)
    yield "tiny chunks", png + chunk(b"tEXt", b"") * (megabytes // 12)
    yield "bombs", png + chunk(b"zTXt", b"parameters\0\0" + bomb) * 40
    yield "nested JSON", png + chunk(b"tEXt", b"AIGC\0" + b'{"a":' * 400_000) * 10
    yield "nested boxes", png + chunk(b"caBX", b"\0\0\0\0jumb" * 500_000)
    yield "empty boxes", png + chunk(b"caBX", b"\0\0\0\x08jumb" * 500_000)
    yield "unclosed XMP", png + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b'a:DigitalSourceType="' * 100_000)
    yield "blank XMP", png + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"a:DigitalSourceType" + b" " * 4_000_000)
    yield "sub-blocks", gif + b"!\xfe" + b"\1a" * (megabytes // 2)
    yield "extensions", gif + b"!\xfe\0" * (megabytes // 3)
    yield "a directory in itself", b"II*\0\x08\0\0\0\xff\xff" + b"\x69\x87\4\0\1\0\0\0\x08\0\0\0" * 65_535
    yield (
        "tags that share a value",
        b"II*\0\x08\0\0\0\xff\xff" + b"\xbc\2\7\0\xff\xff\xff\0\0\0\0\0" * 65_535 + bytes(megabytes),
    )
    iloc = struct.pack(">I4s", 8 + 8 + 6 * 65_535, b"iloc") + bytes(6) + b"\xff\xff" + b"\0\1\0\0\xff\xff" * 65_535
    iinf = struct.pack(">I4s", 14, b"iinf") + bytes(6)
    meta = struct.pack(">I4s", 12 + len(iinf) + len(iloc), b"meta") + bytes(4) + iinf + iloc
    yield "pieces without a size", b"\0\0\0\x14ftypavif\0\0\0\0avif" + meta


def test_hostile_files_take_no_time_and_declare_nothing():
    for name, content in hostile():
        started = time.process_time()
        assert declarations(content) == (), name
        assert time.process_time() - started < 10, name


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(with_store("JPEG", store_of("generated")), id="JPEG"),
        pytest.param((VECTORS / "c2pa" / "edited.avif").read_bytes(), id="AVIF"),
        pytest.param(in_comment("TIFF", PARAMETERS, "utf-16"), id="TIFF"),
        pytest.param(in_xmp("GIF", "<TC260:AIGC>{}</TC260:AIGC>"), id="GIF"),
        pytest.param(in_comment("WEBP", json.dumps({"AIGC": LABEL})), id="WEBP"),
        pytest.param(in_text("AIGC", json.dumps(LABEL), zip=True), id="PNG"),
    ],
)
def test_damaged_files_raise_nothing(whole):
    chance = random.Random(1)
    for length in range(0, len(whole), max(1, len(whole) // 100)):
        declarations(whole[:length])
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 9)):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 127, 255))
        declarations(bytes(damaged))


def test_what_is_no_image_declares_nothing():
    for content in (b"", b"\xff", b"RIFF", PARAMETERS.encode(), b"<svg/>", b"\0\0\0\x18ftypmp42"):
        assert declarations(content) == ()
