"""What a body means: strict about all that decides, tolerant of everything else.

A body is a verdict only if all of it can be read: a level or a label for the whole, for each service of a batch and for
each frame. What cannot be read is an error that keeps what could be read; of contradicting levels the highest counts.

Shapes: the vendor's pages of the four operations (the sync one of 2026-03-03) and the models of its SDK 3.6.9; where
these differ, both are read. tests/client/test_verdict_differences.py has one test for each difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from moderate_cli.catalog.prices import post_calls
from moderate_cli.client.parameters import Operation
from moderate_cli.client.responses import (
    UnreadableResponseError,
    field_of,
    fields_of,
    parse_json,
    quoted,
)
from moderate_cli.levels import Part, Weight, gathered, label_level, weighed
from moderate_cli.models import (
    EXEMPT,
    NO_FINDING,
    Call,
    Coverage,
    Frame,
    Json,
    Label,
    RiskLevel,
    ServiceVerdict,
    Submission,
    Usage,
    Verdict,
    highest,
)

_MAX_LEVEL_LENGTH = 200  # characters of an unknown level
_MAX_NAMED = 10  # parts of a post that a note names
_MAX_FRAMES = 1_000_000_000  # more cannot be a number of frames
_LABELS = ("Result", "Results")
_VENDOR_HOSTS = ".aliyuncs.com"

# Auxiliary information, by our names
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


def read_verdict(
    body: Json, call: Call, *, data_id: str | None = None, post: Json | None = None, req_id: str | None = None
) -> Verdict:
    """Return the verdict in a body with the code 200, of any operation.

    `data_id` and `post` are what was sent, `req_id` is the task that was asked about. Raises UnreadableResponseError,
    with what could be read, if any part that decides cannot be read.
    """
    return _Reader(call=call).read(body, data_id, post, req_id)


def read_submission(body: Json, call: Call) -> Submission:
    """Return the id of a queued task.

    Raises UnreadableResponseError, with what could be read, if the body names none, or another id cannot be read.
    """
    reader = _Reader(call=call)
    data = field_of(body, "Data")
    parts = data if isinstance(data, Mapping) else {}
    req_id = reader.text(parts, "ReqId", "TaskId")
    submission = Submission(
        call=call,
        req_id=req_id or "",
        data_id=reader.text(parts, "DataId"),
        request_id=reader.text(body, "RequestId"),
        raw=body,
    )
    if req_id is None:
        reader.problems.insert(0, "the service queued the task and named no id for it")
    if reader.problems:
        raise UnreadableResponseError(reader.problems[0], submission=submission)
    return submission


def read_result_ext(body: Json) -> Json:
    """Return the auxiliary information in a body of DescribeImageResultExt, as `read_ext` does."""
    return read_ext(field_of(body, "Data"))


def post_paths(post: Json) -> list[str]:
    """Return the JSON paths of the parts of a post that are judged: the post itself, its comments and their replies."""
    main = ["$.mainData"] if post.get("mainData") else []
    return main + list(_comment_paths(post, "$"))


def _comment_paths(above: Json, path: str) -> Iterator[str]:
    for index, comment in enumerate(above.get("commentDatas") or ()):
        where = f"{path}.commentDatas[{index}]"
        yield where
        yield from _comment_paths(comment, where)


class _Reader(Struct):
    """Reads one body, and carries on after what it cannot read."""

    call: Call
    problems: list[str] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    is_complete: bool = True

    def read(self, body: Json, data_id: str | None, post: Json | None, asked: str | None) -> Verdict:
        """Return the verdict in a body; raises UnreadableResponseError with what could be read."""
        data = self._data(body)
        ext = read_ext(field_of(data, "Ext"))
        entries, others = self._split_results(data)
        services = tuple(self._services(entries))
        frames, announced = self._frames(data)
        texts = tuple(self._post_parts(data, "$"))
        by_service, by_frame = [part for part, _ in services], [part for part, _ in frames]
        by_text = [part for _, part in texts]
        inner = [*by_service, *by_frame, *by_text]
        has_findings = any(part.findings for part in inner)
        service = _only(self.call.services)
        whole = self._part(data, "the response", ext, service=service, entries=others, has_findings=has_findings)
        unread = {path for path, part in texts if not part.is_read}
        paths = tuple(dict.fromkeys(path for path, _ in texts))
        answered = tuple(path for path in paths if path not in unread)
        coverage = tuple(self._coverage(frames, announced, services, paths, answered, post))
        request_id = self.text(body, "RequestId")
        req_id = self.text(data, "ReqId", "TaskId")
        if asked and req_id and req_id != asked:
            self.problems.append(f"it is about another task: its ReqId is {quoted(req_id)}")
        own_id = self.text(data, "DataId")
        if data_id and own_id and own_id != data_id:
            self.problems.append(f"it is about another object: its DataId is {quoted(own_id)}")
        is_local = _is_local(self.call, ext, [one for _, one in services])
        if is_local:
            self.notes |= dict.fromkeys(_take_engine_notes(ext, *(one.ext for _, one in services)))
        weight = weighed(whole, by_service, [*by_frame, *by_text])
        level = self._level_of_all(whole, weight)
        is_read = whole.is_read and not any(part.misread for part in (whole, *inner))
        is_answered = not any(part.unanswered for part in coverage)
        verdict = Verdict(
            call=self.call,
            risk_level=level,
            reported_level=self._reported_level(data),
            unexplained=weight.unexplained,
            labels=gathered(whole, by_service, by_frame, by_text),
            per_service=tuple(one for _, one in services),
            frames=tuple(one for _, one in frames),
            answered=answered,
            coverage=coverage,
            ext=ext,
            usage=_usage(field_of(data, "Usage")),
            notes=(*weight.notes, *self.notes),
            complete=is_read and is_answered and self.is_complete and not self.problems,
            request_id=request_id,
            req_id=req_id,
            data_id=own_id,
            engine="local" if is_local else "cloud",
            billed_calls=0 if is_local else self._billed(announced, post),
            raw=body,
        )
        if self.problems:
            raise UnreadableResponseError("; ".join(dict.fromkeys(self.problems)), verdict)
        return verdict

    def _level_of_all(self, whole: Part, weight: Weight) -> RiskLevel | None:
        """Return the one level that counts; that there is none is a problem."""
        if whole.is_read:
            return weight.level or RiskLevel.NONE
        if weight.level in {None, RiskLevel.NONE} and not self.problems:
            self.problems.append("it has neither a risk level nor a label")
        return weight.level

    def _data(self, body: Json) -> Json:
        """Return the result in a body; one that is missing, repeated or elsewhere is a problem."""
        found = fields_of(body, "Data")
        data = found[0] if found and isinstance(found[0], Mapping) else {}
        if len(found) != 1 or data is not found[0]:
            self.problems.append("its Data is not one object")
        elif not all(_is_empty(value) for value in fields_of(body, "RiskLevel", *_LABELS)):
            self.problems.append("it has a result outside Data")
        return data

    def _billed(self, frames: int, post: Json | None) -> int | None:
        """Return the billed calls: images or frames for each service, and texts of a post; None if unknown."""
        if "Multimodal" not in self.call.operation:
            return max(len(self.call.services), 1) * max(frames, 1)
        if post is None:
            return None
        charged = post_calls(post)
        return charged.images + charged.text_units

    def text(self, part: Json, *names: str) -> str | None:
        """Return a text or a number as text, None if there is none; anything else is a problem."""
        value = field_of(part, *names)
        for name in names:
            if any(one != other for one, other in pairwise(fields_of(part, name))):
                self.problems.append(f"{name} occurs twice, and differs")
        if _is_blank(value):
            return None
        if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
            return str(value)
        self.problems.append(f"{names[0]} is {quoted(value)}")
        return None

    def _reported_level(self, data: Json) -> str | None:
        """Return the service's own level of the whole as text; of several, the highest."""
        values = [value for value in fields_of(data, "RiskLevel") if not _is_blank(value)]
        words = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
        return max(words, key=_gravity)[:_MAX_LEVEL_LENGTH] if words else None

    def _part(
        self,
        part: Json,
        name: str,
        ext: Json,
        *,
        service: str | None = None,
        where: str | None = None,
        entries: Sequence[object] | None = None,
        has_findings: bool = False,
    ) -> Part:
        """Read the level and the labels of a part.

        `entries` are its labels where they were found already, and `has_findings` tells of those in the parts below.
        """
        before = len(self.problems)
        self._check_code(part, name)
        if not all(_is_empty(value) for value in fields_of(part, "Labels", "Label")):
            self.problems.append(f"{name} has labels in an undocumented place")
        if entries is None:
            entries = self._entries(part, name)
        labels = [label for entry in entries if (label := self._label(entry, name, service, where))]
        level, unknown = self._level(part)
        findings = [label for label in labels if label.label != NO_FINDING]
        has_findings = has_findings or any(label.is_finding for label in findings)
        if unknown and not has_findings:
            self.problems.append(f"the risk level of {name} is {quoted(unknown)}")
        elif unknown:
            self.notes[f"unknown risk level {quoted(unknown)}, which counts as high"] = None
        is_read = bool(level or unknown or labels) and len(self.problems) == before
        if level is None and not unknown and not labels and _is_library_hit(ext):
            self.notes["a hit in a custom library without a level or a label, which counts as high"] = None
            self.is_complete = False
            level, is_read = RiskLevel.HIGH, True
        return Part(
            level=RiskLevel.HIGH if unknown and has_findings else level,
            labels=tuple(findings),
            is_read=is_read,
            misread=bool(unknown),
            nothing_at=highest(label.risk_level or RiskLevel.NONE for label in labels if label.label == NO_FINDING),
        )

    def _level(self, part: Json) -> tuple[RiskLevel | None, object]:
        """Return the highest level of a part, and a value there that is not a level."""
        levels: list[RiskLevel] = []
        unknown: object = None
        for value in fields_of(part, "RiskLevel"):
            if _is_blank(value):
                continue
            level = RiskLevel.parse(value) if isinstance(value, str) else None
            if level is None:
                unknown = value if unknown is None else unknown
            else:
                levels.append(level)
        if unknown is not None and not unknown:
            unknown = json.dumps(unknown)  # an empty list, 0 or false is not a level either, and must not pass for none
        return highest(levels), unknown

    def _entries(self, part: Json, name: str) -> list[object]:
        """Return the entries of a part's lists of labels; the same list under both of its names counts once."""
        found: list[object] = []
        for value in fields_of(part, *_LABELS):
            if isinstance(value, list):
                found += [] if value == found else value
            else:
                self.problems.append(f"the labels of {name} are {quoted(value)}, not a list")
        return found

    def _label(self, entry: object, name: str, service: str | None, where: str | None) -> Label | None:
        """Return one label; an entry that is not one is a problem."""
        words = fields_of(entry, "Label") if isinstance(entry, Mapping) else []
        word = words[0] if len(words) == 1 else None
        if not isinstance(entry, Mapping) or not isinstance(word, str) or not word.strip():
            self.problems.append(f"a label of {name} is {quoted(entry)}")
            return None
        level, unknown = self._level(entry)
        if unknown and word in {NO_FINDING, EXEMPT}:
            self.problems.append(f"the risk level of {word} of {name} is {quoted(unknown)}")
        elif unknown:
            self.notes[f"unknown risk level {quoted(unknown)}, which counts as high"] = None
            self.is_complete = False
            level = RiskLevel.HIGH
        return Label(
            label=word,
            confidence=_number(field_of(entry, "Confidence")),
            description=_plain_text(field_of(entry, "Description")),
            risk_level=RiskLevel.NONE if word == EXEMPT else level,
            service=service,
            where=where,
        )

    def _check_code(self, part: Json, name: str) -> None:
        """Report the error of a part that has an error code of its own."""
        for value in fields_of(part, "Code"):
            if str(value).strip() != "200":
                self.problems.append(f"{name} failed with code {quoted(value)}")

    def _split_results(self, data: Json) -> tuple[list[Json], list[object]]:
        """Return the services and the labels in the lists of a body, which have the same name."""
        entries = self._entries(data, "the response")
        if self.call.operation == Operation.IMAGE_BATCH_MODERATION:
            listed = fields_of(data, "Results")
            services = [entry for value in listed if isinstance(value, list) for entry in value]
            labels = [entry for value in fields_of(data, "Result") if isinstance(value, list) for entry in value]
        else:
            services = [each for each in entries if _is_service(each)]
            labels = [each for each in entries if not _is_service(each)]
        self.problems += [f"a service is {quoted(each)}" for each in services if not isinstance(each, Mapping)]
        return [each for each in services if isinstance(each, Mapping)], labels

    def _services(self, entries: Sequence[Json]) -> Iterator[tuple[Part, ServiceVerdict]]:
        """Yield what each service said; one that was not asked is a note, one that did not answer a problem."""
        asked = {name.strip().lower(): name for name in self.call.services}
        missing = dict(asked) if self.call.operation == Operation.IMAGE_BATCH_MODERATION else {}
        for entry in entries:
            said = self.text(entry, "Service")
            name = asked.get((said or "").strip().lower(), said or "")
            if said is None:
                self.problems.append("a service has no name")
            elif name.strip().lower() not in asked:
                self.notes[f"the response has a service that was not asked: {quoted(name)}"] = None
            ext = read_ext(field_of(entry, "Ext"))
            part = self._part(entry, f"service {name}", ext, service=name)
            if not part.is_read:
                self.problems.append(f"service {name} has neither a risk level nor a label")
            else:
                missing.pop(name.strip().lower(), None)
            yield part, ServiceVerdict(name, part.level, part.labels, ext, part.misread)
        if missing:
            self.problems.append(f"no result of {', '.join(missing.values())}")

    def _frames(self, data: Json) -> tuple[list[tuple[Part, Frame]], int]:
        """Return the frames of an asynchronous result, and how many were announced, 0 if none were."""
        entries = [entry for value in fields_of(data, "Frame", "Frames") for entry in self._frame_entries(value)]
        announced = self._frame_number(data)
        if announced > 1 and not entries:
            self.problems.append(f"{announced} frames are announced, but there are none")
        frames = []
        for index, entry in enumerate(entries):
            if not isinstance(entry, Mapping):
                self.problems.append(f"frame {index + 1} is {quoted(entry)}")
                continue
            ext = read_ext(field_of(entry, "Ext") or frame_parts(entry))
            service = _only(self.call.services)
            part = self._part(entry, f"frame {index + 1}", ext, service=service, where=f"$.frames[{index}]")
            if not part.is_read:
                self.problems.append(f"frame {index + 1} has neither a risk level nor a label")
            # The page calls the URL `tepmUrl` in prose and `TempUrl` in its examples; the Go SDK writes lower case.
            url = self.text(entry, "TempUrl", "TepmUrl")
            labels = tuple(replace(label, where=None) for label in part.labels)
            frames.append((part, Frame(index, url, part.level, labels, ext, part.misread)))
        return frames, announced or (len(frames) if len(frames) > 1 else 0)

    def _frame_entries(self, value: object) -> list[object]:
        """Return the frames in a field, which come as JSON text inside the JSON, up to three levels deep."""
        for _ in range(3):
            if not isinstance(value, str):
                break
            if not value.strip():
                return []
            try:
                value = parse_json(value)
            except ValueError:
                self.problems.append("Frame is not JSON")
                return []
        if value is None:
            return []
        if not isinstance(value, list):
            self.problems.append(f"Frame is {quoted(value)}, not a list")
            return []
        return value

    def _frame_number(self, data: Json) -> int:
        most = 0
        for value in fields_of(data, "FrameNum"):
            number = 0 if _is_blank(value) else _number(value)
            if number is None or isinstance(value, bool) or number != int(number) or not 0 <= number <= _MAX_FRAMES:
                self.problems.append(f"FrameNum is {quoted(value)}")
            else:
                most = max(most, int(number))
        return most

    def _post_parts(self, data: Json, path: str) -> Iterator[tuple[str, Part]]:
        """Yield the JSON path of each part of a post, and what was read of it."""
        for main in self._objects(fields_of(data, "MainData"), "MainData"):
            yield f"{path}.mainData", Part() if main is None else self._post_part(main, f"{path}.mainData")
        comments = [entry for value in fields_of(data, "CommentDatas") for entry in self._listed(value, "CommentDatas")]
        for index, comment in enumerate(self._objects(comments, "a comment")):
            where = f"{path}.commentDatas[{index}]"
            if comment is None:
                yield where, Part()
                continue
            yield where, self._post_part(comment, where)
            yield from self._post_parts(comment, where)

    def _post_part(self, part: Json, where: str) -> Part:
        read = self._part(part, where, read_ext(field_of(part, "Ext")), service=_only(self.call.services), where=where)
        if read.level is None:
            return read
        # Of a part of a post only the labels are kept, and so they keep its level.
        return replace(
            read, labels=tuple(replace(each, risk_level=label_level(each, read.level)) for each in read.labels)
        )

    def _objects(self, values: Iterable[object], name: str) -> Iterator[Json | None]:
        """Yield objects, and None for a value that is not one, which is a problem unless it is null."""
        for value in values:
            parts: Sequence[object] = value if name == "MainData" and isinstance(value, list) else [value]
            for part in parts:
                if part is not None and not isinstance(part, Mapping):
                    self.problems.append(f"{name} is {quoted(part)}")
                yield part if isinstance(part, Mapping) else None

    def _listed(self, value: object, name: str) -> list[Any]:
        if isinstance(value, list):
            return value
        self.problems.append(f"{name} is {quoted(value)}, not a list")
        return []

    def _coverage(
        self,
        frames: Sequence[object],
        announced: int,
        services: Sequence[tuple[Part, ServiceVerdict]],
        paths: Sequence[str],
        answered: Sequence[str],
        post: Json | None,
    ) -> Iterator[Coverage]:
        """Yield what the service was asked and did not answer."""
        if len(frames) < announced and announced > 1:
            yield Coverage("frames", len(frames), announced, unanswered=True)
        if self.call.operation == Operation.IMAGE_BATCH_MODERATION:
            asked = {name.strip().lower() for name in self.call.services}
            judged = {one.service.strip().lower() for part, one in services if part.is_read} & asked
            if len(judged) < len(asked):
                yield Coverage("services", len(judged), len(asked), unanswered=True)
        wanted = paths if post is None else post_paths(post)
        if set(paths) - set(wanted):
            self.notes["the response has parts that the post does not have"] = None
        seen = set(answered)
        missing = [path for path in wanted if path not in seen]
        if missing:
            more = f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
            self.notes[f"not answered: {', '.join(missing[:_MAX_NAMED])}{more}"] = None
            yield Coverage("parts", len(wanted) - len(missing), len(wanted), unanswered=True)


def _gravity(word: str) -> int:
    level = RiskLevel.parse(word)
    return len(RiskLevel) if level is None else level.rank


def _usage(value: object) -> Usage | None:
    if not isinstance(value, Mapping) or not value:
        return None
    return Usage(
        total_tokens=_whole(field_of(value, "Total_tokens")),
        input_tokens=_whole(field_of(value, "Input_tokens")),
        output_tokens=_whole(field_of(value, "Output_tokens")),
    )


def _is_local(call: Call, ext: Json, per_service: Iterable[ServiceVerdict]) -> bool:
    """Tell whether the emulator responded; the vendor's own hosts are the cloud, whatever they respond."""
    if call.endpoint.endswith(_VENDOR_HOSTS):
        return False
    return "local_engine" in ext or any("local_engine" in part.ext for part in per_service)


def _take_engine_notes(*exts: Json) -> Iterator[str]:
    """Yield the remarks of the local engine about an image, and move them out of where they came.

    What it did not check follows from what it checked: that is told once for all images, and not kept with each.
    """
    for ext in exts:
        engine = ext.get("local_engine")
        notes = engine.pop("notes", None) if isinstance(engine, dict) else None
        if isinstance(engine, dict):
            engine.pop("not_checked", None)
        yield from (note for note in _as_list(notes) if isinstance(note, str))


def _is_library_hit(ext: Json) -> bool:
    """Tell whether auxiliary information reports a hit in a library of the account's own."""
    text = ext.get("text_in_image")
    words = text.get("custom_text") if isinstance(text, Mapping) else None
    return bool(ext.get("custom_image") or words)


def _is_service(entry: object) -> bool:
    return isinstance(entry, Mapping) and bool(fields_of(entry, "Service")) and not fields_of(entry, "Label")


def _only(services: tuple[str, ...]) -> str | None:
    return services[0] if len(services) == 1 else None


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _plain_text(value: object) -> str | None:
    """Return a value that decides nothing as text: as it is, or as JSON."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: object) -> float | None:
    """Return a number, None for anything else; the service sends null, integers, floats and texts."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def read_ext(value: object) -> dict[str, Any]:
    """Return auxiliary information with names in snake case; unknown parts are kept as they are.

    The documented parts are always present: `custom_image`, `public_figure` and `logo_data` as lists, and
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
    """Return the documented parts that a frame has itself, outside any Ext."""
    return {name: value for name, value in part.items() if _known(name, _OURS)}


def _known(name: str, names: Mapping[str, str]) -> str | None:
    """Return our name for a name in any case, None if it is unknown."""
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
