"""From the body of a judged call to a Verdict: exact about what is known, tolerant of everything else.

Shapes: the vendor's page of ImageModeration (2026-03-03); the differences between its pages and its SDK's models are
listed in tests/client/test_replies.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from moderate_cli.verdicts import Call, Engine, Json, Label, RiskLevel, Verdict

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LISTS = ("custom_image", "public_figure", "logo_data")
_TEXT_LISTS = ("ocr_result", "risk_word", "custom_text")
_OUR_PARTS = {*_LISTS, "text_in_image", "local_engine"}


def read_verdict(body: Json, call: Call) -> Verdict:
    """Return the verdict in a body whose code is 200."""
    data = _object(body.get("Data"))
    ext = read_ext(data.get("Ext"))
    return Verdict(
        call=call,
        risk_level=read_level(data.get("RiskLevel")),
        labels=read_labels(data.get("Result"), service=_only(call.services)),
        ext=ext,
        request_id=body.get("RequestId"),
        data_id=data.get("DataId") or None,
        engine=_engine(ext),
        raw=body,
    )


def read_level(value: object) -> RiskLevel | None:
    """Return a risk level, or None for one that is not known here; the console's `safe` is `none`."""
    word = str(value or "").lower()
    try:
        return RiskLevel.NONE if word == "safe" else RiskLevel(word)
    except ValueError:
        return None


def read_labels(items: object, *, service: str | None = None, where: str | None = None) -> tuple[Label, ...]:
    """Return the findings of a list of results; `nonLabel` is none."""
    labels = (
        Label(
            label=str(item.get("Label")),
            confidence=_number(item.get("Confidence")),
            description=item.get("Description"),
            risk_level=read_level(item.get("RiskLevel")),
            service=service,
            where=where,
        )
        for item in _objects(items)
        if item.get("Label")
    )
    return tuple(label for label in labels if label.is_finding)


def read_ext(value: object) -> dict[str, Any]:
    """Return the auxiliary information with names in snake case; parts not known here are kept as they came."""
    ext: dict[str, Any] = {name: [] for name in _LISTS} | {"text_in_image": None}
    for name, part in _object(value).items():
        ours = snake_case(name)
        ext[ours if ours in _OUR_PARTS else name] = _snake_cased(part) if ours in _OUR_PARTS else part
    for name in _LISTS:
        ext[name] = _as_list(ext[name])
    if ext["text_in_image"] is not None:
        ext["text_in_image"] = {name: [] for name in _TEXT_LISTS} | {
            name: part if part is not None else [] for name, part in _object(ext["text_in_image"]).items()
        }
    return ext


def snake_case(name: str) -> str:
    """Return `TextInImage` as `text_in_image`."""
    return _WORD_START.sub("_", name).lower()


def _snake_cased(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {snake_case(name): _snake_cased(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_snake_cased(part) for part in value]
    return value


def _engine(ext: Json) -> Engine:
    return "local" if "local_engine" in ext else "cloud"


def _only(services: tuple[str, ...]) -> str | None:
    return services[0] if len(services) == 1 else None


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> Iterable[Json]:
    return (item for item in _as_list(value) if isinstance(item, Mapping))


def _as_list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _number(value: object) -> float | None:
    """Return a confidence; the service leaves it out, sends null, an integer or a float."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if isfinite(number) else None
