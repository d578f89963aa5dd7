"""What the values of options can be: those that are known here without asking anybody, each with a few words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moderate_cli.environment import Environment
from moderate_cli.errors import ModerateError

FILES = "\tfiles"
FOLDERS = "\tfolders"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a word can become, or FILES or FOLDERS where the shell knows better."""

    value: str
    help: str = ""

    @property
    def line(self) -> str:
        """The candidate with its help, as fish and zsh are told of it."""
        return f"{self.value}\t{self.help}" if self.help else self.value


Known = Callable[[Any, Environment], Iterator[Candidate]]
"""Yields the values of an option, given the other values on the command line."""


def _profiles(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    """Yield the profiles of the settings files; a broken file has none."""
    from moderate_cli.settings import LOCAL_PROFILE, Sourced
    from moderate_cli.settings.files import locations, read

    yield Candidate(LOCAL_PROFILE, "the local engine, without an account")
    config = values.get("config")
    for location in locations({"config": Sourced(config, "--config")} if config else {}, environment):
        try:
            text = read(location)
            if text is not None:
                from moderate_cli.settings.checking import check_text  # loads PyYAML

                yield from map(Candidate, check_text(text, location.name).profiles)
        except ModerateError:
            continue


def _services(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    from moderate_cli.catalogue.services import services

    for service in services().values():
        yield Candidate(service.name, service.description or "")


def _regions(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    from moderate_cli.catalogue.regions import regions

    for region in regions().values():
        yield Candidate(region.id, region.name)


def _labels(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    """Yield each label once, though several services answer with it."""
    from moderate_cli.catalogue.labels import labels

    yield from {label.label: Candidate(label.label, label.meaning) for label in reversed(labels())}.values()


def _info_types(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    yield from map(Candidate, ("customImage", "textInImage", "publicFigure", "logoData"))


def _topics(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    from moderate_cli.commands.help import topics

    yield from (Candidate(topic.name, topic.summary) for topic in topics().values())


def _risk_levels(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    from moderate_cli.verdicts import RiskLevel

    yield from (Candidate(level.value) for level in reversed(RiskLevel))


KNOWN: Mapping[str, Known] = {
    "info_type": _info_types,
    "label": _labels,
    "profile": _profiles,
    "region": _regions,
    "risk": _risk_levels,
    "service": _services,
    "topic": _topics,
}
"""By the name of the option, which means the same at each command."""

LISTS = frozenset({"info_type", "label", "risk", "service"})
"""Options whose values may be several with commas between them."""
