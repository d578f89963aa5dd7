"""What did the management API answer? Its bodies as types, and its pages up to their end.

Field names are those of the models of the vendor's SDK for version 2022-09-26, 1.13.5. What cannot be read raises
UnreadableResponseError: an account that was half understood must not be changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from msgspec import Struct

from moderate_cli.client.management_calls import EXEMPT, NOT_EXEMPT
from moderate_cli.client.responses import UnreadableResponseError, field_of, is_true, parse_json, quoted, whole_number
from moderate_cli.common.errors import ServiceError
from moderate_cli.models import Json

# What every answer has around its content
_ENVELOPE = frozenset({"code", "httpstatuscode", "msg", "message", "requestid", "success"})

T = TypeVar("T")


class ServiceConfig(Struct, frozen=True):
    """A service of the account; a copied one has its source in `copy_of`. `kind` is the API's ServiceType."""

    code: str
    name: str
    description: str
    copy_of: str | None
    kind: str | None
    raw: Json


class ServiceBindings(Struct, frozen=True):
    """The ids of the keyword libraries whose words a service ignores, and of those whose words it flags."""

    ignored: tuple[str, ...]
    flagged: tuple[str, ...]
    raw: Json


class ImageLibrary(Struct, frozen=True):
    """An image library with the number of its images; `exempt` is None where the API does not say it."""

    id: str
    name: str
    comment: str
    images: int
    exempt: bool | None
    raw: Json


class LibraryImage(Struct, frozen=True):
    """An image of a library; the API knows neither its name nor its hash. `created` is as the API writes it."""

    id: str
    url: str
    created: str | None
    raw: Json


class KeywordLibrary(Struct, frozen=True):
    """A keyword library with the number of its keywords and the services that use it."""

    id: str
    name: str
    keywords: int
    services: tuple[str, ...]
    raw: Json


class Keyword(Struct, frozen=True):
    """A keyword with the id by which it is removed."""

    id: str
    word: str
    raw: Json


class KeywordsResult(Struct, frozen=True):
    """How many keywords were added, how many were there already, and how many the service refused, and which ones."""

    added: int = 0
    repeated: int = 0
    refused: int = 0
    invalid: tuple[str, ...] = ()
    wrong_length: tuple[str, ...] = ()

    def __add__(self, other: KeywordsResult) -> KeywordsResult:
        return KeywordsResult(
            self.added + other.added,
            self.repeated + other.repeated,
            self.refused + other.refused,
            self.invalid + other.invalid,
            self.wrong_length + other.wrong_length,
        )


class ImportResult(Struct, frozen=True):
    """How far the service is with adding keywords in the background: the result of that, None until it is there."""

    task: str
    result: KeywordsResult | None


class Page(Struct, frozen=True):
    """A page of results, numbered from 1, each as the API has it; `total` is how many there are in all."""

    number: int
    items: tuple[Json, ...]
    total: int


class BuyStatus(Struct, frozen=True):
    """Whether the account has activated a commodity, and whether a payment for it is overdue."""

    bought: bool
    in_debt: bool
    instance: str | None
    raw: Json


def confirm(body: Json) -> None:
    """Raise ServiceError unless the service says that it has done what was asked."""
    data = field_of(body, "Data")
    if is_true(data):
        return
    if data != 0 and str(data).lower() != "false":  # False is 0
        raise UnreadableResponseError(f"Data is {quoted(data)}, which does not say whether the call was carried out")
    request_id = field_of(body, "RequestId")
    raise ServiceError(
        "the service did not carry out the call (Data is false)",
        code="not_carried_out",
        hint="the service gives no reason: look at its console",
        http_status=200,
        request_id=str(request_id) if request_id else None,
    )


def read_services(body: Json) -> list[ServiceConfig]:
    """Return the services of an account."""
    return _once([_service(item) for item in _items(body, "Data")], lambda service: service.code)


def _service(item: Json) -> ServiceConfig:
    return ServiceConfig(
        code=_id(item, "ServiceCode"),
        name=_text(item, "ServiceName"),
        description=_text(item, "ServiceDesc"),
        copy_of=_text(item, "CopyFrom") or None,
        kind=_text(item, "ServiceType") or None,
        raw=item,
    )


def read_bindings(body: Json) -> ServiceBindings:
    """Return the keyword libraries of a service; without CustomServiceConf, or without a list in it, there are none."""
    data = _object(body, "Data")
    conf = _object(data, "CustomServiceConf") if field_of(data, "CustomServiceConf") is not None else {}
    return ServiceBindings(_listed(conf, "KeywordFilterLibs"), _listed(conf, "KeywordHitLibs"), data)


def read_content(body: Json) -> Json:
    """Return what a body without Data has besides code and message: no source describes it."""
    content = {name: value for name, value in body.items() if name.lower() not in _ENVELOPE}
    if not content:
        raise UnreadableResponseError("it has no content")
    return content


def read_list(body: Json) -> list[Any]:
    """Return the list in Data, whose entries no source describes."""
    data = field_of(body, "Data")
    if not isinstance(data, list):
        raise UnreadableResponseError(f"Data is {quoted(data)}, not a list")
    return data


def read_object(body: Json) -> Json:
    """Return the object in Data."""
    return _object(body, "Data")


def read_image_libraries(body: Json) -> list[ImageLibrary]:
    """Return the image libraries, which are in LibList, not in Data."""
    return _once([_image_library(item) for item in _items(body, "LibList")], lambda library: library.id)


def read_exemptions(body: Json) -> list[ImageLibrary]:
    """Return the image libraries as a service has them, each of which must say whether it is exempt there."""
    libraries = read_image_libraries(body)
    for library in libraries:
        if library.exempt is None:
            raise UnreadableResponseError(f"it does not say whether the image library {library.id} is exempt")
    return libraries


def _image_library(item: Json) -> ImageLibrary:
    return ImageLibrary(
        id=_id(item, "LibId"),
        name=_id(item, "LibName"),
        comment=_text(item, "Comment"),
        images=_count(item, "ImageNum"),
        exempt=_exempt(item),
        raw=item,
    )


def _exempt(item: Json) -> bool | None:
    value = field_of(item, "FreeInspection")
    known = {EXEMPT: True, NOT_EXEMPT: False, None: None}
    number = None if value is None else whole_number(value)
    if number not in known or (number is None and value is not None):
        raise UnreadableResponseError(f"FreeInspection is {quoted(value)}")
    return known[number]


def read_images(body: Json) -> tuple[list[LibraryImage], int]:
    """Return a page of images, and how many there are in all."""
    return [_image(item) for item in _items(body, "Items")], _count(body, "TotalCount")


def _image(item: Json) -> LibraryImage:
    created = _text(item, "GmtCreate") or None
    return LibraryImage(id=_id(item, "ImageId"), url=_text(item, "ImageUrl"), created=created, raw=item)


def read_keyword_libraries(body: Json) -> list[KeywordLibrary]:
    """Return the keyword libraries."""
    return _once([_keyword_library(item) for item in _items(body, "Data")], lambda library: library.id)


def _keyword_library(item: Json) -> KeywordLibrary:
    return KeywordLibrary(
        id=_id(item, "LibId"),
        name=_id(item, "LibName"),
        keywords=_count(item, "KeywordCount"),
        services=_service_codes(item),
        raw=item,
    )


def _service_codes(item: Json) -> tuple[str, ...]:
    """Return the services of a library: text, which the SDK does not describe; a JSON list or commas (uncertain)."""
    text = _text(item, "ServiceCodes").strip()
    if text.startswith("["):
        try:
            return _strings(parse_json(text), "ServiceCodes")
        except ValueError as error:
            raise UnreadableResponseError(f"ServiceCodes is {quoted(text)}") from error
    return tuple(code.strip() for code in text.split(",") if code.strip())


def read_keywords(body: Json) -> tuple[list[Keyword], int]:
    """Return a page of keywords, and how many there are in all."""
    data = _object(body, "Data")
    words = [Keyword(keyword_id(item), _id(item, "Word"), item) for item in _items(data, "Items")]
    return words, _count(data, "TotalCount")


def keyword_id(item: Json) -> str:
    """Return the id by which DeleteKeyword knows a keyword.

    There are Id ("primary key") and KeywordMd5Id ("keyword data id"). Uncertain which one it wants: taken to be the
    first, since that is the id of the entry of this library.
    """
    return _id(item, "Id")


def read_added(body: Json) -> KeywordsResult | ImportResult:
    """Return what became of keywords that were added, or the task that adds them."""
    data = _object(body, "Data")
    result = _object(data, "KeywordsResult") if field_of(data, "KeywordsResult") is not None else None
    if result is None or (field_of(result, "Progress") is not None and not _is_complete(result)):
        return ImportResult(_id(data, "TaskId"), None)
    return _keywords_result(result)


def read_import(body: Json, task: str) -> ImportResult:
    """Return how far the service is with a task that adds keywords."""
    data = _object(body, "Data")
    return ImportResult(task, _keywords_result(data) if _is_complete(data) else None)


def _is_complete(result: Json) -> bool:
    return _count(result, "Progress") >= 100  # percent


def _keywords_result(data: Json) -> KeywordsResult:
    invalid, wrong_length = _listed(data, "InvalidKeywords"), _listed(data, "IllegalLengthKeywords")
    # Uncertain whether the count covers both lists, and whether they are complete.
    refused = max(_count_if_any(data, "InvalidCount"), len(invalid) + len(wrong_length))
    return KeywordsResult(
        added=_count(data, "SuccessCount"),
        repeated=_count_if_any(data, "RepeatCount"),
        refused=refused,
        invalid=invalid,
        wrong_length=wrong_length,
    )


def read_id(body: Json, name: str) -> str:
    """Return the id of what was made."""
    return _id(_object(body, "Data"), name)


def read_results(body: Json) -> tuple[list[Json], int]:
    """Return a page of results, which may be unreadable one by one, and how many there are in all."""
    data = _object(body, "Data")
    return _items(data, "Items"), _count(data, "TotalCount")


def result_key(item: Json) -> str:
    """Return what two copies of one result have in common: all but the addresses, which are signed anew each time."""
    lasting = {name: value for name, value in item.items() if not str(value).startswith(("http://", "https://"))}
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


def read_buy_status(body: Json) -> BuyStatus:
    """Return whether a commodity is activated."""
    data = _object(body, "Data")
    if field_of(data, "Buy") is None:
        raise UnreadableResponseError("it lacks Buy")
    instance = _text(data, "InstanceId") or None
    return BuyStatus(is_true(field_of(data, "Buy")), is_true(field_of(data, "Indebt")), instance, data)


def pages(
    fetch: Callable[[int], tuple[list[T], int]], key: Callable[[T], str], most: int
) -> Iterator[tuple[int, list[T], int]]:
    """Yield the number, the new entries and the total of each page, until all or `most` entries are told.

    An entry that comes again, because the list grew meanwhile, is told once. Raises UnreadableResponseError for a page
    that brings nothing new before the total is reached, so that no service can make this go on for ever.
    """
    seen: set[str] = set()
    number = 0
    while True:
        number += 1
        items, total = fetch(number)
        if len(items) > total:
            raise UnreadableResponseError(f"page {number} has {len(items)} entries of {total} in all")
        fresh = list(islice(_unseen(items, key, seen), most - len(seen)))
        if fresh:
            yield number, fresh, total
        if len(seen) >= min(total, most):
            return
        if not fresh:
            raise UnreadableResponseError(f"page {number} brings nothing new after {len(seen)} of {total} entries")


def _once(items: Sequence[T], key: Callable[[T], str]) -> list[T]:
    """Return a list without the entries whose id came before."""
    return list(_unseen(items, key, set()))


def _unseen(items: Sequence[T], key: Callable[[T], str], seen: set[str]) -> Iterator[T]:
    """Yield the entries that are not among those seen, and add each to them."""
    for item in items:
        name = key(item)
        if name not in seen:
            seen.add(name)
            yield item


def _items(body: Json, name: str) -> list[Json]:
    items = field_of(body, name)
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise UnreadableResponseError(f"{name} is {quoted(items)}, not a list of objects")
    return items


def _object(body: Json, name: str) -> Json:
    value = field_of(body, name)
    if not isinstance(value, Mapping):
        raise UnreadableResponseError(f"{name} is {quoted(value)}, not an object")
    return value


def _id(item: Json, name: str) -> str:
    """Return a text or a number that must be there, as text."""
    value = field_of(item, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise UnreadableResponseError(f"{name} is {quoted(value)}")
    return value


def _text(item: Json, name: str) -> str:
    """Return a text, empty where there is none."""
    value = field_of(item, name)
    return "" if value is None or value == "" else _id(item, name)


def _count(item: Json, name: str) -> int:
    number = whole_number(field_of(item, name))
    if number is None or number < 0:
        raise UnreadableResponseError(f"{name} is {quoted(field_of(item, name))}")
    return number


def _count_if_any(item: Json, name: str) -> int:
    return _count(item, name) if field_of(item, name) is not None else 0


def _listed(item: Json, name: str) -> tuple[str, ...]:
    """Return a list of texts or numbers as texts, empty where there is none."""
    value = field_of(item, name)
    return () if value is None else _strings(value, name)


def _strings(values: object, name: str) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise UnreadableResponseError(f"{name} is {quoted(values)}, not a list")
    return tuple(_id({name: value}, name) for value in values)
