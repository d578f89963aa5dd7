"""Auxiliary information, whose shape differs by operation, brought into one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moderate_cli.verdicts import Json

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LISTS = ("custom_image", "public_figure", "logo_data")
_TEXT_LISTS = ("ocr_result", "risk_word", "custom_text")
_OURS = {name.replace("_", ""): name for name in (*_LISTS, "text_in_image", "local_engine")}
# DescribeImageResultExt uses plural names, and plain texts for lines (SDK 3.6.9).
_IN_TEXT = {name.replace("_", ""): name for name in _TEXT_LISTS} | {
    "customtexts": "custom_text",
    "ocrdatas": "ocr_result",
    "riskwords": "risk_word",
}


def read_ext(value: object) -> dict[str, Any]:
    """Return auxiliary information with names in snake case; parts not known here are kept as they came.

    The documented parts are always there: `custom_image`, `public_figure` and `logo_data` as lists, and
    `text_in_image` as an object of three lists, or None.
    """
    ext: dict[str, Any] = {name: [] for name in _LISTS} | {"text_in_image": None}
    for name, part in value.items() if isinstance(value, Mapping) else ():
        ours = _known(name, _OURS)
        ext[ours or name] = _snake_cased(part) if ours else part
    for name in _LISTS:
        ext[name] = _as_list(ext[name])  # the batch operation sends one logo as an object
    text = ext["text_in_image"]
    ext["text_in_image"] = _text_in_image(text) if isinstance(text, Mapping) else None
    return ext


def frame_parts(part: Json) -> dict[str, Any]:
    """Return the documented parts that a frame carries itself, without an Ext around them."""
    return {name: value for name, value in part.items() if _known(name, _OURS)}


def _known(name: str, names: Mapping[str, str]) -> str | None:
    """Return what a name in any case is called here, None where it is not known."""
    return names.get(name.replace("_", "").lower())


def snake_case(name: str) -> str:
    """Return `TextInImage` as `text_in_image`."""
    return _WORD_START.sub("_", name).lower()


def _text_in_image(parts: Json) -> dict[str, Any]:
    text: dict[str, Any] = {name: [] for name in _TEXT_LISTS}
    for name, part in parts.items():
        ours = _known(name, _IN_TEXT)
        text[ours or name] = _as_list(part) if ours else part
    text["ocr_result"] = [{"text": line} if isinstance(line, str) else line for line in text["ocr_result"]]
    return text


def _snake_cased(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {snake_case(name): _snake_cased(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_snake_cased(part) for part in value]
    return value


def _as_list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
