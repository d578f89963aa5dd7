"""Does an image declare that AI made or changed it? The marks that programs and platforms leave in its metadata.

Nothing is detected: a mark can be removed, or put on any picture, and no signature is verified.
"""

from __future__ import annotations

import html
import json
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from msgspec import Struct

from moderate_cli.emulator.engine.detectors import Detection, Finding, risk_level
from moderate_cli.emulator.engine.file_metadata import Kind, Part, read_metadata

LABEL = "risk_aigc"
"""The vendor's label for images made by AI, of the service aigcDetector_ultra, as third parties saw it in 2026.

The labels of aigcDetector and aigcDetector_global are not published.
"""

_CONFIDENCE = 100.0
"""The mark was read; whether it tells the truth is another matter."""


class Declaration(Struct, frozen=True):
    """A mark that was found, and what it says."""

    mark: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.mark}: {self.meaning}"


class DeclaredOriginDetector:
    """Reads the marks of AI in the bytes of a file, whether its pixels can be decoded or not."""

    name = "declared_origin"
    package = "moderate-cli"
    requirements: ClassVar[Mapping[str, str]] = {}

    def read(self, content: bytes) -> Detection:
        """Return the declarations of a file as one finding; it never raises."""
        found = declarations(content)
        if not found:
            return Detection()
        details = {"Declared": [str(declaration) for declaration in found]}
        description = f"Declared as made or changed by AI: {found[0]} (local engine, not verified)"
        return Detection((Finding(LABEL, _CONFIDENCE, description, risk_level(_CONFIDENCE)),), details)


def declarations(content: bytes) -> tuple[Declaration, ...]:
    """Return what a file declares, each declaration once; it never raises, whatever the bytes are."""
    return tuple(dict.fromkeys(found for part in read_metadata(content) for found in _declared(part)))


def _declared(part: Part) -> Iterator[Declaration]:
    if part.kind is Kind.JUMBF:
        yield from _c2pa(part.data)
    elif part.kind is Kind.XMP:
        yield from _iptc(part.data)
        yield from _aigc_of_xmp(part.data)
    else:
        yield from _aigc_of_text(part)
        yield from _generator(part)


# IPTC's digital source type: the concepts of its NewsCodes (November 2026) that say that a model trained on data took
# part. Others say the contrary (digitalCapture), or that a formula made the picture (algorithmicMedia).
_IPTC = "IPTC digital source type"
_SOURCE_TYPES = {
    name.lower(): name
    for name in (
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "trainedAlgorithmicData",  # of C2PA
    )
}
_XMP_SOURCE_TYPE = re.compile(
    # As an attribute, as text, as a resource, or in a list of one.
    rb"""[\w.-]:DigitalSourceType(?:\s*+=\s*+["']|\s++rdf:resource\s*+=\s*+["']|\s*+>\s*+(?:<rdf:\w++>\s*+){0,2})"""
    rb"""\s*+([^\s<>"']{1,120}+)"""
)


def _iptc(xmp: bytes) -> Iterator[Declaration]:
    for found in _XMP_SOURCE_TYPE.finditer(xmp):
        meaning = _ai_source(found[1])
        if meaning:
            yield Declaration(_IPTC, meaning)


def _ai_source(address: bytes) -> str | None:
    """Return the concept of an address, if it is one of AI."""
    return _SOURCE_TYPES.get(address.rpartition(b"/")[2].decode("latin-1").lower())


# C2PA: a manifest alone says nothing about AI, since cameras and editors write them too. What counts is a digital
# source type of AI in an assertion, of the image's own manifest or of those of the images that went into it. That a
# picture may not be used to train a model (c2pa.training-mining) is no such assertion.
_C2PA = "C2PA manifest"
_MAX_DEPTH = 8
_MAX_BOXES = 5_000
_BOX = struct.Struct(">I4s")
_LABEL_AT = 17  # within a description: after the type and the flags
_ASSERTIONS = re.compile(rb"(?:c2pa\.actions|c2pa\.metadata|cawg\.metadata|stds\.iptc)")
_C2PA_SOURCE_TYPE = re.compile(rb"""igitalSourceType(?:"\s*+:\s*+"([^"]{1,120}+)"|([\x61-\x77]|\x78.))""", re.DOTALL)


def _c2pa(boxes: bytes) -> Iterator[Declaration]:
    for assertion in _assertions(boxes):
        for found in _C2PA_SOURCE_TYPE.finditer(assertion):
            address = found[1]
            if address is None:  # CBOR: the length of the text is in the five lower bits, or in the byte after it
                length = found[2][0] & 31 if len(found[2]) == 1 else found[2][1]
                address = assertion[found.end() : found.end() + length]
            meaning = _ai_source(address)
            if meaning:
                yield Declaration(_C2PA, meaning)


def _assertions(boxes: bytes) -> Iterator[bytes]:
    """Yield the content of the assertions that may name a source, wherever they are among some boxes."""
    waiting = [(0, len(boxes), 0)]
    for _ in range(_MAX_BOXES):
        if not waiting:
            return
        at, end, depth = waiting.pop()
        if at + _BOX.size > end:
            continue
        size, kind = _BOX.unpack_from(boxes, at)
        if size < _BOX.size:  # to the end (0), or longer than what is read here (1)
            size = end - at
        start, after = at + _BOX.size, min(at + size, end)
        waiting.append((after, end, depth))
        if kind == b"jumb" and depth < _MAX_DEPTH:
            label = boxes[start + _BOX.size + _LABEL_AT : after][:200].partition(b"\0")[0]
            if _ASSERTIONS.match(label):
                yield boxes[start:after]
            else:
                waiting.append((start, after, depth + 1))


# The label that China's standard GB 45438-2025 (annexes E and F) has platforms write since September 2025: JSON with
# these fields under the name AIGC, as an XMP property of TC260, or in a comment of EXIF or a text of PNG.
_AIGC = "AIGC label of GB 45438-2025"
_MEANINGS = {"1": "made by AI", "2": "possibly made by AI", "3": "suspected to be made by AI"}
_NOT_AI = frozenset({"", "0"})  # the standard has no value for it
_FIELDS = frozenset({"ContentProducer", "ProduceID", "ContentPropagator", "PropagateID"})
_MAX_LABEL = 16 * 1024  # characters
# The property of TC260, or a comment of EXIF that was carried over.
_XMP_AIGC = re.compile(rb"""[\w.-]:AIGC\b|(?:"|&quot;)AIGC(?:"|&quot;)""")
_XMP_AIGC_FIELD = re.compile(r""":Label\s*+(?:=\s*+["']|>)\s*+([^<"']{0,40}+)""")
_decode = json.JSONDecoder().raw_decode


def _aigc_of_xmp(xmp: bytes) -> Iterator[Declaration]:
    found = _XMP_AIGC.search(xmp)
    if found is None:
        return
    # As in XMP, characters of markup are written as entities, by some programs only.
    text = html.unescape(xmp[found.end() : found.end() + _MAX_LABEL].decode("utf-8", "replace"))
    value = text[: text.find("</")] if "</" in text else text
    field = _XMP_AIGC_FIELD.search(text) if "{" not in value else None
    yield from _aigc(field[1] if field else _label_in(_object_in(value)))


def _aigc_of_text(part: Part) -> Iterator[Declaration]:
    if b"AIGC" in part.data or b"ContentProducer" in part.data or part.key == "AIGC":
        yield from _aigc(_label_in(_object_in(part.data[:_MAX_LABEL].decode("utf-8", "replace"))))


def _object_in(text: str) -> Any:
    """Return the first JSON object in a text."""
    start = text.find("{")
    try:
        return _decode(text, start)[0] if start >= 0 else None
    except (ValueError, RecursionError):
        return None


def _label_in(value: Any) -> Any:
    """Return the label of an object, which may be within another, or written as text."""
    if isinstance(value, dict) and "AIGC" in value:
        value = value["AIGC"]
    if isinstance(value, str):
        value = _object_in(value)
    return value.get("Label") if isinstance(value, dict) and value.keys() & _FIELDS else None


def _aigc(label: Any) -> Iterator[Declaration]:
    if isinstance(label, str | int) and str(label).strip() not in _NOT_AI:
        yield Declaration(_AIGC, _MEANINGS.get(str(label).strip(), "with an unknown value"))


# Programs that run diffusion models, and write into a text how they made the picture.
_PARAMETERS = re.compile(rb"^Steps: \d{1,6}, [^\n]{0,500}?\b(?:Sampler|CFG scale|Seed): ", re.MULTILINE)
_KEYS_OF_PARAMETERS = frozenset({"parameters", ""})
_GRAPH_KEYS = frozenset({"prompt", "workflow"})
_GRAPH = re.compile(rb"\s*+(?:(?:prompt|workflow)\s*+:\s*+)?\{")
_PROMPT_NODE = re.compile(rb'"class_type"\s*+:\s*+"')
_KEYS_OF_INVOKE = frozenset({"invokeai_metadata", "invokeai_graph"})


def _generator(part: Part) -> Iterator[Declaration]:
    data, key = part.data, part.key
    if key in _KEYS_OF_PARAMETERS and (_PARAMETERS.search(data) or b'"sui_image_params"' in data):
        yield Declaration("Stable Diffusion parameters", "made by a diffusion model")
    elif (key in _GRAPH_KEYS or not key) and _GRAPH.match(data) and _is_graph(data):
        yield Declaration("ComfyUI graph", "made by a graph of models")
    elif key in _KEYS_OF_INVOKE:
        yield Declaration("InvokeAI metadata", "made by a diffusion model")


def _is_graph(data: bytes) -> bool:
    """Tell whether JSON is a graph of nodes, as it is run or as it is shown."""
    return bool(_PROMPT_NODE.search(data)) or (b'"nodes"' in data and b'"links"' in data and b'"last_node_id"' in data)
