"""What is reported about settings before a run? The files used, what was ignored, and names that look mistyped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher, get_close_matches

from moderate_cli.catalog.services import endpoint, find_service, regions, services
from moderate_cli.common.errors import UsageError
from moderate_cli.settings.resolved import ProjectFile, Settings

HOW_TO_TRUST = "`moderate config trust` trusts this folder"


def lines_about(settings: Settings, *, quiet: bool = False) -> Iterator[str]:
    """Yield the lines for stderr before a run; with `quiet` only what was refused."""
    files = settings.files
    yield from files.refused
    project = files.project
    if project is not None and (project.ignored or (project.counts and not quiet)):
        names = [f"{project.name} ({words_about(project)})", *filter(None, [files.user])]
        yield f"settings from {' and '.join(names)}; {_target(settings)}"
    if not quiet:
        yield from unknown_regions(filter(None, (settings.region, *settings.failover)))


def words_about(project: ProjectFile) -> str:
    """Return why a project's file is used, and which of its keys are ignored."""
    if not project.ignored:
        return project.trust or "not trusted, but none of it is ignored"
    ignored = f"{', '.join(project.ignored)} ignored"
    return f"{project.trust}; {ignored}" if project.trust else f"not trusted: {ignored}; {HOW_TO_TRUST}"


def unknown_services(names: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each service that is not in the catalog, which may be out of date."""
    for name in names:
        if find_service(name) is None:
            yield f"unknown service {name}{_suggestion(name, services())}; using it anyway"


def unknown_regions(names: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each region that is not in the catalog, which may be out of date."""
    for name in names:
        if name not in regions():
            yield f"unknown region {name}{_suggestion(name, regions())}; using it anyway"


def _suggestion(name: str, known: Iterable[str]) -> str:
    """Return a question about the known name that is most similar, or about several that are equally similar."""
    folded = name.casefold()
    by_folded = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(folded, by_folded)
    likeness = {other: SequenceMatcher(None, other, folded).ratio() for other in near}
    alike = [by_folded[other] for other in sorted(near) if likeness[other] == likeness[near[0]]]
    return f", did you mean {' or '.join(alike)}?" if alike else ""


def _target(settings: Settings) -> str:
    if settings.local or settings.region is None:
        return "the local engine"
    try:
        return f"endpoint {settings.endpoint or endpoint(settings.region, vpc=settings.vpc)}"
    except UsageError:  # reported by the call
        return f"region {settings.region}"
