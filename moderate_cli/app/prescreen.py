"""Which images need not be sent, because the rules' image libraries know them? They are answered here, for nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import sha256
from io import BufferedReader

from msgspec.structs import replace

from moderate_cli.app.session import Session
from moderate_cli.client.upload import FileChangedError
from moderate_cli.client.verdicts import read_verdict
from moderate_cli.common.errors import UsageError
from moderate_cli.common.installation import install_command
from moderate_cli.emulator.bodies import judged_batch, judged_image
from moderate_cli.emulator.engine import (
    EXTRA,
    Check,
    Examination,
    ImageTooLargeError,
    LocalEngine,
    UnreadableImageError,
    missing,
)
from moderate_cli.emulator.engine.image_library import Hit
from moderate_cli.emulator.engine.known_images import KnownImages
from moderate_cli.emulator.library_rulings import LibraryRuling, LibraryRulings
from moderate_cli.models import Judged, Known
from moderate_cli.preflight import MAX_BYTES
from moderate_cli.rules import Rules, ServiceRules
from moderate_cli.scanning import Cost

_AT_ONCE = 2
"""Images whose pixels are compared at once, each of which is held in memory as a whole."""

_CHECK = Check("image_libraries", "local rules", {})


class Prescreen:
    """Answers images of the libraries that the services asked about have; safe to share between threads.

    An image is exempt where it is, or looks as much as the local engine wants like, one of an exempt library, and has
    the label of a flagging library where it has the very same bytes. A call is saved only where that decides for each
    of its services. `cost` tells how many calls those are.
    """

    def __init__(self, session: Session, rules: Rules, services: Sequence[str], cost: Cost) -> None:
        """Read the libraries; raises UsageError where they cannot be read, or some service has none."""
        self._echo = session.recorder.echo
        self._cost = cost
        self._services = services
        asked = [rules.service(service) for service in services]
        for name, service in zip(services, asked, strict=True):
            if not _libraries(service):
                raise _without_libraries(session, name)
        self._libraries = LibraryRulings(rules, exact=bool(missing(KnownImages.requirements)))
        for name in sorted({name for service in asked for name in _libraries(service)}):
            for note in self._libraries.library(name).notes:
                self._echo(note)
        self._engine = self._comparing(asked)
        self._comparisons = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._is_told = False

    def __call__(self, known: Known, file: BufferedReader | None) -> Judged | None:
        """Return the answer for an image, None for one that has to be sent; raises FileChangedError."""
        if file is None or known.sha256 is None:
            self._tell_of_remote()
            return None
        rulings = self._rulings(known.sha256, {})
        if self._engine is not None and not all(ruling.is_exempt for ruling in rulings.values()):
            rulings = self._rulings(known.sha256, self._exempt(self._engine, known, file))
        if not all(ruling.findings for ruling in rulings.values()):
            return None
        return self._judged(known, rulings)

    def _comparing(self, services: Sequence[ServiceRules]) -> LocalEngine | None:
        """Return what compares pixels with those of exempt images, None where there is none, or nothing to do so."""
        names = {name for service in services for name in service.exempt or ()}
        if names and self._libraries.exact:
            self._echo(f"only exact copies of exempt images are known without Pillow ({install_command(EXTRA)})")
            return None
        libraries = {name: self._libraries.library(name) for name in sorted(names)}
        if not any(entry.phash is not None for library in libraries.values() for entry in library.entries):
            return None
        return LocalEngine([KnownImages(libraries, {})])

    def _rulings(self, digest: str, exempt: dict[str, Hit]) -> dict[str, LibraryRuling]:
        return {service: self._libraries.ruling(service, digest, exempt=exempt) for service in self._services}

    def _exempt(self, engine: LocalEngine, known: Known, file: BufferedReader) -> dict[str, Hit]:
        """Return the exempt images that one looks like. Of several pictures in a file one would speak for all."""
        if known.extents or (known.size or 0) > MAX_BYTES:
            return {}
        with self._comparisons:
            file.seek(0)
            content = file.read(MAX_BYTES + 1)
            if sha256(content).hexdigest() != known.sha256:
                raise FileChangedError
            try:
                return dict(engine.examine(content).exempt)
            except (ImageTooLargeError, UnreadableImageError):
                return {}

    def _judged(self, known: Known, rulings: dict[str, LibraryRuling]) -> Judged:
        found = {
            service: Examination(ruling.findings, (_CHECK,), ext=ruling.ext) for service, ruling in rulings.items()
        }
        data_id = known.item.data_id or ""
        [first, *others] = found.values()
        data = judged_batch(data_id, found) if others else judged_image(data_id, first)
        call = replace(known.call, region=None, endpoint="")  # none was asked
        verdict = read_verdict({"Code": 200, "Data": data}, call, data_id=known.item.data_id)
        return Judged(
            item=known.item,
            call=call,
            sha256=known.sha256,
            size=known.size,
            notes=known.notes,
            verdict=verdict,
            saved_calls=self._cost(known),
        )

    def _tell_of_remote(self) -> None:
        with self._lock:
            is_told, self._is_told = self._is_told, True
        if not is_told:
            self._echo("--prescreen compares files only: URLs and oss:// addresses are sent as they are")


def _libraries(service: ServiceRules) -> set[str]:
    return {*(service.exempt or ()), *service.flagging}


def _without_libraries(session: Session, service: str) -> UsageError:
    return UsageError(
        f"--prescreen: {session.settings.rules} has no image library for {service}",
        hint=f"name one under services.{service}, as exempt or in image_libraries; see `moderate help rules`",
    )
