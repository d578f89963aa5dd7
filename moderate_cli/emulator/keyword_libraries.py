"""Which keyword libraries does the emulated account have? Words by library, within the limits of the vendor."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from moderate_cli.emulator.engine.keywords import fold
from moderate_cli.emulator.management_parameters import REFUSED, unknown
from moderate_cli.emulator.messages import BodyError

# The limits of an account (vendor's console guide, December 2025).
MAX_LIBRARIES = 20
MAX_WORDS = 100_000
MAX_WORD = 20  # characters

_NAMED = 1000  # words that a result names of each kind; a limit of this emulator
_MAX_TASKS = 1000  # imports whose result is remembered; a limit of this emulator
_FIRST_ID = 16_754_493  # the SDKs' example
_PLAIN = "LMN"  # letters, marks and numbers; "special characters are not supported", whatever these are
_MD5_ID = 1 << 48  # above all ids, so that one of each kind is never taken for the other


class Word(Struct, frozen=True, gc=False):
    """A word of a library; `added_at` is in Unix seconds."""

    id: int
    text: str
    added_at: float

    @property
    def md5_id(self) -> int:
        """The other id that answers have, made of the word."""
        digest = hashlib.md5(self.text.encode(), usedforsecurity=False).digest()
        return _MD5_ID + int.from_bytes(digest[:5])


class WordLibrary(Struct):
    """A library with its words, the oldest first."""

    id: str
    name: str
    modified_at: float
    words: dict[str, Word] = field(default_factory=dict)
    preprocessing: list[str] = field(default_factory=list)

    def having(self, text: str) -> list[Word]:
        """Return the words in which a text stands."""
        if not text:
            return list(self.words.values())
        wanted = text.casefold()
        return [word for word in self.words.values() if wanted in word.text.casefold()]


class Added(Struct, frozen=True):
    """What became of words that were to be added."""

    library: str
    added: int
    repeated: list[str]
    invalid: list[str]
    of_illegal_length: list[str]

    def described(self) -> dict[str, Any]:
        """Describe it as KeywordsResult does; that InvalidCount has those of illegal length too is our reading."""
        wrong = len(self.invalid) + len(self.of_illegal_length)
        return {
            "LibId": self.library,
            "TotalCount": self.added + len(self.repeated) + wrong,
            "SuccessCount": self.added,
            "RepeatCount": len(self.repeated),
            "InvalidCount": wrong,
            "RepeatKeywords": self.repeated[:_NAMED],
            "InvalidKeywords": self.invalid[:_NAMED],
            "IllegalLengthKeywords": self.of_illegal_length[:_NAMED],
            "Progress": 100,
        }


class KeywordLibraries:
    """The keyword libraries of an account, which begins with some words by library; not for many threads at once."""

    def __init__(self, words: Mapping[str, Iterable[str]], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_id = _FIRST_ID
        self._results: OrderedDict[str, Added] = OrderedDict()
        now = clock()
        self.all: dict[str, WordLibrary] = {name: WordLibrary(name, name, now) for name in words}
        for name, texts in words.items():
            self._keep(self.all[name], texts)

    @property
    def count(self) -> int:
        """How many words there are in all libraries."""
        return sum(len(library.words) for library in self.all.values())

    def get(self, library: str) -> WordLibrary:
        """Return a library; raises BodyError for one that is not there."""
        if library not in self.all:
            raise unknown("keyword library", library, self.all)
        return self.all[library]

    def check_all(self, libraries: Iterable[str]) -> None:
        """Raise BodyError where one of some libraries is not there."""
        for library in libraries:
            self.get(library)

    def create(self, name: str, texts: Collection[str]) -> Added:
        """Make a library with some words; raises BodyError where the account may have no more.

        Two may have one name: whether the service refuses that is not documented, and who relies on it finds out here.
        """
        if len(self.all) >= MAX_LIBRARIES:
            raise BodyError(REFUSED, f"an account has {MAX_LIBRARIES} keyword libraries at most")
        self._check_room(texts)
        library = WordLibrary(f"kw_{secrets.token_hex(6)}", name, self._clock())
        self.all[library.id] = library
        return self._keep(library, texts)

    def rename(self, library: str, name: str) -> None:
        """Give a library another name; raises BodyError."""
        found = self.get(library)
        found.name, found.modified_at = name, self._clock()

    def delete(self, library: str) -> None:
        """Delete a library; raises BodyError."""
        del self.all[self.get(library).id]

    def add(self, library: str, texts: Collection[str]) -> Added:
        """Add words to a library, of which those that it has or cannot have are left out; raises BodyError."""
        found = self.get(library)
        self._check_room(texts)
        return self._keep(found, texts)

    def remove(self, library: str, ids: Iterable[str]) -> None:
        """Remove words by either of their ids; raises BodyError, and removes nothing then."""
        found = self.get(library)
        known = {str(each): word.text for word in found.words.values() for each in (word.id, word.md5_id)}
        for each in (wanted := list(ids)):
            if each not in known:
                raise unknown("keyword with the id", each)
        for each in wanted:
            found.words.pop(known[each], None)
        found.modified_at = self._clock()

    def remember(self, result: Added) -> str:
        """Keep what became of an import, and return the id of its task."""
        task = secrets.token_hex(16)
        self._results[task] = result
        if len(self._results) > _MAX_TASKS:
            self._results.popitem(last=False)
        return task

    def result(self, task: str) -> Added:
        """Return what became of an import; raises BodyError."""
        if task not in self._results:
            raise unknown("task", task)
        return self._results[task]

    def _check_room(self, texts: Collection[str]) -> None:
        if self.count + len(texts) > MAX_WORDS:
            raise BodyError(REFUSED, f"an account has {MAX_WORDS} keywords at most; it has {self.count}")

    def _keep(self, library: WordLibrary, texts: Iterable[str]) -> Added:
        now = self._clock()
        kept = Added(library.id, 0, [], [], [])
        before = len(library.words)
        for text in texts:
            word = " ".join(text.split())
            if not 1 <= len(word) <= MAX_WORD:
                kept.of_illegal_length.append(word)
            elif not _is_plain(word):
                kept.invalid.append(word)
            elif word in library.words:
                kept.repeated.append(word)
            else:
                library.words[word] = Word(self._next_id, word, now)
                self._next_id += 1
        library.modified_at = now
        return Added(library.id, len(library.words) - before, kept.repeated, kept.invalid, kept.of_illegal_length)


def _is_plain(word: str) -> bool:
    """Tell whether a word has letters and digits only, of which one can be seen."""
    return all(unicodedata.category(each)[0] in _PLAIN for each in word.replace(" ", "")) and bool(fold(word))
