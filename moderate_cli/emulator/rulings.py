"""What do the user's rules make of an image or a text? They lay down verdicts, and turn what was seen into findings."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.catalog.checks import RULES
from moderate_cli.common.globs import Matcher, compile_glob
from moderate_cli.emulator.engine import Check, Examination, Finding, strongest
from moderate_cli.emulator.engine.detectors import FINDING_FROM, Detector, TextLine
from moderate_cli.emulator.engine.keywords import KeywordMatcher
from moderate_cli.emulator.engine.ocr import LibraryHit, confidence, joined, text_in_image
from moderate_cli.emulator.library_rulings import LibraryRulings, open_library
from moderate_cli.rules import FixedVerdict, FlaggedWord
from moderate_cli.rules.model import LabelScope, is_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from moderate_cli.emulator.account import Account, Settings
    from moderate_cli.emulator.engine.keywords import Hit
    from moderate_cli.emulator.inputs import ImageParameters
    from moderate_cli.rules import Rules

_DESCRIPTION = "local rule (local engine)"
_CERTAIN = 100.0


class _Words(Struct, frozen=True):
    """The words that a service flags, what finds them, and what takes the ignored ones out of a text."""

    flagged: list[FlaggedWord]
    matcher: KeywordMatcher
    ignored: KeywordMatcher

    def hits_in(self, text: str) -> Iterator[Hit]:
        """Yield where the flagged words stand in a text, without those that stand in ignored ones only."""
        if self.flagged:
            yield from self.matcher.find(self.ignored.take_out(text))


class Rulings:
    """The rules of an account, and the fixed verdicts that were seeded while it is served; safe to use by many threads.

    `notes` are about the images of its libraries, which are read at once. Raises UsageError where they cannot be.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self.seeded: list[FixedVerdict] = []
        self.notes: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._words_of: dict[str, _Words] = {}
        self._words_by: Settings | None = None  # the settings that these words are of
        for service in ["", *self.rules.file.services]:
            self._words(service)  # at once, to tell what is missing before anything is judged
        for name in self.rules.file.image_libraries:
            self.notes += open_library(self.rules.images_of(name)).notes

    @property
    def rules(self) -> Rules:
        """The rules of the account as it is now."""
        return self._account.settings.rules

    @property
    def _libraries(self) -> LibraryRulings:
        settings = self._account.settings
        return LibraryRulings(settings.rules, held=settings.held, names=settings.names)

    def name_of(self, library: str) -> str:
        """Return what a library is called."""
        return self._account.settings.names.get(library, library)

    @property
    def verdicts(self) -> list[FixedVerdict]:
        """The fixed verdicts, of which the first that fits counts."""
        return [*self.seeded, *self.rules.verdicts]

    def fixed(self, image: ImageParameters, sha256: str, service: str) -> Examination | None:
        """Return the verdict that is laid down for an image, and by which rule; None where none is."""
        verdicts = self.verdicts
        if not verdicts:
            return None
        names = _names(image)
        verdict = next((verdict for verdict in verdicts if _fits(verdict, names, sha256, service)), None)
        if verdict is None:
            return None
        check = Check(RULES, "local rules", {"Rules": [verdict.title]})
        return Examination(tuple(self._findings(verdict, service)), (check,))

    def _findings(self, verdict: FixedVerdict, service: str) -> Iterator[Finding]:
        for finding in verdict.findings:
            level = finding.level or self.rules.level(service, finding.label, finding.confidence)
            if level is not None:  # else its label is switched off
                yield Finding(finding.label, finding.confidence, _DESCRIPTION, level)

    def has_words(self, service: str) -> bool:
        """Tell whether a service looks for any word."""
        return bool(self._words(service).flagged)

    def word_count(self, service: str) -> int:
        """Return how many words a service looks for."""
        return len(self._words(service).flagged)

    def words_in(self, texts: Iterable[str], service: str) -> list[FlaggedWord]:
        """Return the flagged words in some texts, each once, without those that stand in ignored ones only."""
        words = self._words(service)
        found = (hit.word for text in texts for hit in words.hits_in(text))
        return [words.flagged[number] for number in dict.fromkeys(found)]

    def _words(self, service: str) -> _Words:
        """Return the words of a service, of which the search is made once."""
        settings = self._account.settings
        with self._lock:
            if settings is not self._words_by:
                self._words_of.clear()
                self._words_by = settings
            if service not in self._words_of:
                flagged = settings.rules.flagged_words(service)
                self._words_of[service] = _Words(
                    flagged,
                    KeywordMatcher(word.word for word in flagged),
                    KeywordMatcher(settings.rules.ignored_words(service)),
                )
            return self._words_of[service]

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """What has to look at pixels for these rules: at those of known images, where the rules have any."""
        detector = self._libraries.detector(self.rules.services())
        return () if detector is None else (detector,)

    def judged(self, seen: Examination, service: str, sha256: str = "") -> Examination:
        """Return what a service makes of what was seen: its labels, thresholds and libraries decide.

        `sha256` is that of the file, by which the images of libraries are known whatever their pixels are like.
        """
        images = self._libraries.ruling(service, sha256, exempt=seen.exempt, known=seen.known)
        if images.is_exempt:
            return replace(seen, findings=images.findings, ext=images.ext)
        words, text = self._text(seen.lines, service)
        findings = (*images.findings, *words, *self._scoped(seen, service))
        return replace(seen, findings=findings, ext={**images.ext, **text})

    def _text(self, lines: Sequence[TextLine], service: str) -> tuple[list[Finding], dict[str, Any]]:
        """Return the findings of words in the text of an image, and what an answer says of that text."""
        if not lines:
            return [], {}
        words = self._words(service)
        findings, custom = [], []
        for hit in words.hits_in(joined(lines)):
            word = words.flagged[hit.word]
            found = confidence(lines, hit.start, hit.end)
            findings.append(Finding(word.label, found, self._said_of(word), word.level))
            custom.append(LibraryHit(word.library, self.name_of(word.library), word.word))
        return list(strongest(findings)), {"TextInImage": text_in_image(lines, custom)}

    def _scoped(self, seen: Examination, service: str) -> Iterator[Finding]:
        scopes = self.rules.service(service).labels or {}
        for finding in seen.findings:
            scope = scopes.get(finding.label)
            medium = scope.medium if isinstance(scope, LabelScope) else FINDING_FROM
            level = self.rules.level(service, finding.label, finding.confidence)
            if level is not None and finding.confidence >= min(medium, FINDING_FROM):
                yield replace(finding, risk_level=level)

    def finding_of(self, word: FlaggedWord) -> Finding:
        """Return the finding for a word in a text."""
        return Finding(word.label, _CERTAIN, self._said_of(word), word.level)

    def _said_of(self, word: FlaggedWord) -> str:
        return f"Keyword of {self.name_of(word.library)} (local engine)"


def _fits(verdict: FixedVerdict, names: list[str], sha256: str, service: str) -> bool:
    if not is_for(verdict.services, service):
        return False
    if verdict.sha256 is not None:
        return verdict.sha256.lower() == sha256
    return verdict.name is not None and any(map(_matcher(verdict.name).matches, names))


def _names(image: ImageParameters) -> list[str]:
    """Return the names under which the service knows an image."""
    path = image.object_name if image.is_object else unquote(urlsplit(image.image_url).path)
    return [name for name in (path.rpartition("/")[2], image.data_id) if name]


@lru_cache
def _matcher(glob: str) -> Matcher:
    return compile_glob(glob)
