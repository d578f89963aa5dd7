"""From the body of an answer to what it means: exact about what is known, tolerant of everything else.

Shapes: the vendor's pages of the four operations (the sync one of 2026-03-03) and the models of its SDK 3.6.9; where
these differ, both are read. The differences are listed, a test each, in tests/client/test_replies.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite

from moderate_cli.client.answers import field_of
from moderate_cli.client.ext import frame_parts, read_ext
from moderate_cli.verdicts import (
    Call,
    Frame,
    Json,
    Label,
    RiskLevel,
    ServiceVerdict,
    Submission,
    Usage,
    Verdict,
)


def read_verdict(body: Json, call: Call) -> Verdict:
    """Return the verdict in a body whose code is 200, of whichever operation."""
    data = _object(field_of(body, "Data"))
    ext = read_ext(field_of(data, "Ext"))
    per_service = tuple(_service_verdict(part) for part in _objects(field_of(data, "Results")))
    return Verdict(
        call=call,
        risk_level=read_level(field_of(data, "RiskLevel")),
        labels=_attributed(read_labels(field_of(data, "Result"), service=_only(call.services)), per_service)
        + tuple(_post_labels(data, "$", _only(call.services))),
        per_service=per_service,
        frames=read_frames(field_of(data, "Frame", "Frames")),
        ext=ext,
        usage=_usage(field_of(data, "Usage")),
        request_id=_text(field_of(body, "RequestId")),
        req_id=_text(field_of(data, "ReqId", "TaskId")),
        data_id=_text(field_of(data, "DataId")),
        engine="local" if _is_local(ext, per_service) else "cloud",
        raw=body,
    )


def read_submission(body: Json, call: Call) -> Submission | None:
    """Return the id of a queued task, or None where the answer names none."""
    data = _object(field_of(body, "Data"))
    req_id = _text(field_of(data, "ReqId", "TaskId"))
    if req_id is None:
        return None
    return Submission(
        call=call,
        req_id=req_id,
        data_id=_text(field_of(data, "DataId")),
        request_id=_text(field_of(body, "RequestId")),
        raw=body,
    )


def read_result_ext(body: Json) -> Json:
    """Return the auxiliary information that DescribeImageResultExt tells, in the shape of every other."""
    return read_ext(field_of(body, "Data"))


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
            label=str(name),
            confidence=_number(field_of(item, "Confidence")),
            description=_text(field_of(item, "Description")),
            risk_level=read_level(field_of(item, "RiskLevel")),
            service=service,
            where=where,
        )
        for item in _objects(items)
        if (name := field_of(item, "Label"))
    )
    return tuple(label for label in labels if label.is_finding)


def read_frames(value: object) -> tuple[Frame, ...]:
    """Return the frames of an asynchronous result, which come as a JSON text inside the JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_constant=lambda _: None)
        except ValueError:
            return ()
    return tuple(_frame(index, part) for index, part in enumerate(_objects(value)))


def _frame(index: int, part: Json) -> Frame:
    # The page calls the address `tepmUrl` in prose and `TempUrl` in its examples; the Go SDK writes lower case.
    return Frame(
        index=index,
        url=_text(field_of(part, "TempUrl", "TepmUrl")),
        risk_level=read_level(field_of(part, "RiskLevel")),
        labels=read_labels(field_of(part, "Result", "Results")),
        ext=read_ext(field_of(part, "Ext") or frame_parts(part)),
    )


def _service_verdict(part: Json) -> ServiceVerdict:
    service = str(field_of(part, "Service") or "")
    return ServiceVerdict(
        service=service,
        risk_level=read_level(field_of(part, "RiskLevel")),
        labels=read_labels(field_of(part, "Result", "Results"), service=service),
        ext=read_ext(field_of(part, "Ext")),
    )


def _attributed(labels: tuple[Label, ...], per_service: tuple[ServiceVerdict, ...]) -> tuple[Label, ...]:
    """Return merged findings with the service that made each, as far as the parts tell."""
    makers = {label.label: part.service for part in reversed(per_service) for label in part.labels}
    return tuple(
        Label(
            label.label,
            label.confidence,
            label.description,
            label.risk_level,
            label.service or makers.get(label.label),
            label.where,
        )
        for label in labels
    )


def _post_labels(data: Json, path: str, service: str | None) -> Iterator[Label]:
    """Yield the findings of a post, each with the JSON path of the part of the post that it belongs to."""
    for main in _objects(field_of(data, "MainData")):
        yield from read_labels(field_of(main, "Result", "Results"), service=service, where=f"{path}.mainData")
    for index, comment in enumerate(_objects(field_of(data, "CommentDatas"))):
        where = f"{path}.commentDatas[{index}]"
        yield from read_labels(field_of(comment, "Result", "Results"), service=service, where=where)
        yield from _post_labels(comment, where, service)


def _usage(value: object) -> Usage | None:
    usage = _object(value)
    if not usage:
        return None
    return Usage(
        total_tokens=_whole(field_of(usage, "Total_tokens")),
        input_tokens=_whole(field_of(usage, "Input_tokens")),
        output_tokens=_whole(field_of(usage, "Output_tokens")),
    )


def _is_local(ext: Json, per_service: Iterable[ServiceVerdict]) -> bool:
    return "local_engine" in ext or any("local_engine" in part.ext for part in per_service)


def _only(services: tuple[str, ...]) -> str | None:
    return services[0] if len(services) == 1 else None


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> Iterator[Json]:
    parts = value if isinstance(value, list) else [value]
    return (part for part in parts if isinstance(part, Mapping))


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _number(value: object) -> float | None:
    """Return a confidence; the service leaves it out, sends null, an integer, a float or a text."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
