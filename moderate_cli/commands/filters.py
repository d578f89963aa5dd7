"""Which results of the past are meant: the options, and the filters of the store that they become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from moderate_cli.catalogue.labels import label_meaning, labels
from moderate_cli.catalogue.services import find_service, services
from moderate_cli.commands.listing import nearest
from moderate_cli.commands.past import SpanOptions, filter_option, several
from moderate_cli.errors import UsageError
from moderate_cli.store import FeedbackVerdict, Filters
from moderate_cli.verdicts import NO_FINDING, RiskLevel

_NOT = "!="  # before a list of labels, as in the vendor's console


class Status(StrEnum):
    """What became of an input."""

    JUDGED = "judged"
    SKIPPED = "skipped"
    FAILED = "failed"


class FeedbackFilter(StrEnum):
    """What people said last of a verdict."""

    ANY = "any"
    FALSE_POSITIVE = FeedbackVerdict.FALSE_POSITIVE.value
    MISSED = FeedbackVerdict.MISSED.value

    @property
    def meant(self) -> FeedbackVerdict | Literal["any"]:
        """The same as the store takes it."""
        return "any" if self is FeedbackFilter.ANY else FeedbackVerdict(self.value)


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """Which results are meant: each option that is given must hold."""

    span: SpanOptions
    label: Annotated[
        list[str] | None,
        filter_option(
            "One of these labels; '!=A,B' is none of them, '!=nonLabel' is every result with a finding. Repeatable.",
            metavar="NAME,...",
        ),
    ] = None
    risk: Annotated[
        list[str] | None,
        filter_option("One of these risk levels: high, medium, low, none. Repeatable.", metavar="LEVEL,..."),
    ] = None
    service: Annotated[
        list[str] | None,
        filter_option("One of these services. Repeatable.", "-s", "--service", metavar="NAME,..."),
    ] = None
    source: Annotated[
        str | None,
        filter_option("The input's name as it was given; * stands for slashes too.", metavar="GLOB"),
    ] = None
    request_id: Annotated[str | None, filter_option("The id that the service gave the request.", metavar="ID")] = None
    data_id: Annotated[str | None, filter_option("Your own id of the input.", metavar="ID")] = None
    status: Annotated[Status | None, filter_option("What became of the input.")] = None
    feedback: Annotated[FeedbackFilter | None, filter_option("What was said last by `moderate feedback`.")] = None
    limit: Annotated[int | None, filter_option("The newest N of them.", min=0, metavar="N")] = None

    def meant(self, now: float) -> Filters:
        """Return the filters of the store; raises UsageError."""
        wanted, unwanted = _labels(self.label or ())
        since, until = self.span.begin_and_end(now)
        return Filters(
            labels=wanted,
            without_labels=unwanted,
            risk_levels=_levels(several("--risk", self.risk)),
            services=several("--service", self.service),
            source=self.source,
            request_id=self.request_id,
            data_id=self.data_id,
            since=since,
            until=until,
            status=self.status,
            feedback=self.feedback.meant if self.feedback else None,
            limit=self.limit,
        )


def unknown_names(asked_labels: Sequence[str], asked_services: Sequence[str]) -> Iterator[str]:
    """Yield what to say of each label and service that is not known here, where nothing was found.

    They are no errors: the vendor adds new ones before this program knows them.
    """
    for label in asked_labels:
        if label != NO_FINDING and label_meaning(label) is None:
            hint = nearest(label, "labels", {known.label for known in labels()})
            yield f"{label} is no label that is known here ({hint})"
    for service in asked_services:
        if find_service(service) is None:
            yield f"{service} is no service that is known here ({nearest(service, 'services', services())})"


def _labels(values: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels that are asked for, and those that are refused."""
    texts = [value.strip() for value in values]
    wanted = several("--label", [text for text in texts if not text.startswith(_NOT)])
    unwanted = several("--label", [text.removeprefix(_NOT) for text in texts if text.startswith(_NOT)])
    for label in (*wanted, *unwanted):
        if label.startswith("!"):
            raise UsageError(f"--label {label!r} is no label", hint=f"{_NOT} stands once, before the whole list")
    return wanted, unwanted


def _levels(words: Sequence[str]) -> tuple[str, ...]:
    known = [level.value for level in reversed(RiskLevel)]
    for word in words:
        if word not in known:
            raise UsageError(f"--risk {word!r} is no risk level", hint=f"they are {', '.join(known)}")
    return tuple(words)
