"""What is said of settings before a run: the files they came from, what was ignored, and names that look mistyped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher, get_close_matches

from moderate_cli.catalog.services import endpoint, find_service, regions, services
from moderate_cli.common.errors import UsageError
from moderate_cli.settings.resolved import ProjectFile, Settings

HOW_TO_TRUST = "`moderate config trust` trusts this folder"


def lines_about(settings: Settings, *, quiet: bool = False) -> Iterator[str]:
    """Yield what is to be said on stderr before a run, each in one line; if `quiet`, what was refused alone."""
    files = settings.files
    yield from files.refused
    project = files.project
    if project is not None and (project.ignored or (project.counts and not quiet)):
        names = [f"{project.name} ({words_about(project)})", *filter(None, [files.user])]
        yield f"settings from {' and '.join(names)}; {_whom(settings)}"
    if not quiet:
        yield from _unknown_regions(settings)


def words_about(project: ProjectFile) -> str:
    """Return why a project's file counts, and which of its keys do not."""
    if not project.ignored:
        return project.trust or "not trusted, but nothing in it is ignored"
    ignored = f"{', '.join(project.ignored)} ignored"
    return f"{project.trust}; {ignored}" if project.trust else f"not trusted: {ignored}; {HOW_TO_TRUST}"


def unknown_services(names: Iterable[str]) -> Iterator[str]:
    """Yield what is to be said of services that the catalogue does not know; it may lag behind."""
    for name in names:
        if find_service(name) is None:
            yield f"unknown service {name}{_nearest(name, services())}; asking for it all the same"


def _unknown_regions(settings: Settings) -> Iterator[str]:
    for name in filter(None, (settings.region, *settings.failover)):
        if name not in regions():
            yield f"unknown region {name}{_nearest(name, regions())}; asking there all the same"


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return a question about the known name that looks most like another, or about several that do so alike."""
    folded = name.casefold()
    by_folded = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(folded, by_folded)
    likeness = {other: SequenceMatcher(None, other, folded).ratio() for other in near}
    alike = [by_folded[other] for other in sorted(near) if likeness[other] == likeness[near[0]]]
    return f", did you mean {' or '.join(alike)}?" if alike else ""


def _whom(settings: Settings) -> str:
    if settings.local or settings.region is None:
        return "the local engine"
    try:
        return f"endpoint {settings.endpoint or endpoint(settings.region, vpc=settings.vpc)}"
    except UsageError:  # said where it is asked
        return f"region {settings.region}"
