"""Which risk labels a service returns, and what they mean.

Labels are open-ended and their spelling differs between services (`violent_knives`, `violent_Knives`): names are
compared exactly, and an unknown one is a label like any other.
"""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from moderate_cli.catalog import Origin, data_origin, load_data
from moderate_cli.catalog.services import copied_service

EVERY_SERVICE = "*"
_FILE = "labels.json"
_TEXT_SUFFIX = "_tii"  # text in image
# What a suffix adds to the meaning of the label before it, the outer one first. `_lib`: a hit in a custom library.
_SUFFIXES = {"_lib": "custom library: ", _TEXT_SUFFIX: "text in image: "}
_DERIVED = ("_lib", f"{_TEXT_SUFFIX}_lib")


class KnownLabel(Struct, frozen=True, kw_only=True):
    """A label of a service; `inferred` means that its meaning (or service) is read from its name, not documented.

    `scope` is where the finding is: `image`, `text` (in the image), `post`, or `any`.
    """

    service: str
    label: str
    meaning: str
    inferred: bool
    scope: str


class Provenance(Struct, frozen=True, kw_only=True):
    """Where the labels of one service come from: the vendor or third parties, and the date of the source if it has one.

    The catalog's own date says when the sources were read.
    """

    source: str
    date: str | None
    official: bool


def labels_origin() -> Origin:
    """Return the origin of the labels as a whole."""
    return data_origin(_FILE)


@cache
def provenance() -> dict[str, Provenance]:
    """Return the origin of each service's labels; `*` stands for every service."""
    return {
        group["service"]: Provenance(source=group["source"], date=group["date"], official=group["official"])
        for group in load_data(_FILE)["services"]
    }


def labels(service: str | None = None) -> tuple[KnownLabel, ...]:
    """Return the known labels, of all services or of one; a custom copy has those of the service it copies."""
    if service is None:
        return _all_labels()
    of = service if service in provenance() else copied_service(service)
    return tuple(label for label in _all_labels() if label.service == of)


def derived_labels(text: str, service: str | None = None) -> tuple[KnownLabel, ...]:
    """Return the labels that are not listed, since suffixes make them out of known ones, and end with a text.

    Of `explosion_lib` this is `violent_explosion_lib`, a hit in a custom library.
    """
    wanted = text.casefold()
    found: dict[tuple[str, str], KnownLabel] = {}
    listed = {(label.service, label.label) for label in _all_labels()}
    for suffix in _DERIVED:
        base = wanted.removesuffix(suffix)
        if base in {"", wanted}:
            continue
        for label in labels(service):
            key = label.service, label.label + suffix
            if label.service != EVERY_SERVICE and label.label.casefold().endswith(base) and key not in listed:
                meaning = label_meaning(key[1], label.service) or label.meaning
                scope = "text" if _TEXT_SUFFIX in suffix else label.scope
                found[key] = KnownLabel(service=key[0], label=key[1], meaning=meaning, inferred=True, scope=scope)
    return tuple(found.values())


def label_meaning(name: str, service: str | None = None) -> str | None:
    """Return what a label means for its service, if that is given; None for an unknown label.

    A label with the suffix `_lib` (hit in a custom library) or `_tii` (text in image) that is not known itself has the
    meaning of the label before the suffix.
    """
    known = _find(name, service)
    if known:
        return _in_words(known)
    words = ""
    for suffix, prefix in _SUFFIXES.items():
        if not name.endswith(suffix):
            continue
        name, words = name.removesuffix(suffix), words + prefix
        known = _find(name, service)
        if known:
            return words + _in_words(known) if known.service != EVERY_SERVICE else None
    return None


def _in_words(known: KnownLabel) -> str:
    return (_SUFFIXES[_TEXT_SUFFIX] if known.scope == "text" else "") + known.meaning


def _find(name: str, service: str | None) -> KnownLabel | None:
    """Return the label of a service, or else the first of that name: official ones come first."""
    everywhere = [label for label in _all_labels() if label.label == name]
    own = [label for label in everywhere if label in labels(service)] if service else []
    return next(iter(own + everywhere), None)


@cache
def _all_labels() -> tuple[KnownLabel, ...]:
    return tuple(
        KnownLabel(
            service=group["service"],
            label=entry["label"],
            meaning=entry["meaning"],
            inferred=entry["inferred"],
            scope=group.get("scope") or ("text" if entry["label"].endswith(_TEXT_SUFFIX) else "image"),
        )
        for group in load_data(_FILE)["services"]
        for entry in group["labels"]
    )
