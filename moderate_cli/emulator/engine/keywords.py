"""Which of many words occur in a text? Whole words where a script has spaces, anywhere where it has none.

Text and words are compared in one form: compatible characters and cases are one (NFKC, casefold), what nobody sees is
left out, and white space is one space, or nothing beside a script that is written without spaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.common.installation import install_command
from moderate_cli.emulator.engine.detectors import EXTRA

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

# Unicode 16: Scripts.txt, for those whose line breaks are of the classes ID and SA, and Tibetan.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303c\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u3041-\u30ff\u31f0-\u31ff\U0001aff0-\U0001b16f"  # kana
    "\u3105-\u312f\u31a0-\u31bf"  # Bopomofo
    "\ua000-\ua4cf"  # Yi
)
_IN_UNSPACED = re.compile(f"[{_UNSPACED}]")

# Unicode 16, DerivedCoreProperties.txt: Default_Ignorable_Code_Point. Zero-width characters break up words for filters
# only, and variation selectors choose between two pictures of one emoji.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_TAKEN_OUT = "\u2060"  # one of them

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold one, and UTF-8 cannot

# What programs and phones write instead of the ASCII character; and the capital of the Turkish i, which casefold parts.
_AS_TYPED = str.maketrans("‘’ʼ‐‑‒–−İ", "'''-----i")

_ORNAMENTS = ("So", "No")  # categories of characters that NFKC turns into letters and digits: ™ ② ⓐ ½


class Hit(Struct, frozen=True, order=True):
    """A word in a text: from which character to before which, and the number of the word in the list."""

    start: int
    end: int
    word: int


class KeywordMatcher:
    """Finds words in texts, all in one pass.

    An edge of a word that is a letter or a digit must be an edge of a word in the text, unless its script is written
    without spaces. Underscores, hyphens and apostrophes are edges; a mark belongs to the letter before it. Korean
    words may take an ending.

    Raises ValueError for a word without a visible character, and UsageError where the package is not installed.
    """

    def __init__(self, words: Iterable[str]) -> None:
        patterns: dict[str, list[int]] = {}
        for number, word in enumerate(words):
            folded = fold(word)
            if not folded:
                raise ValueError("a keyword needs a visible character")
            patterns.setdefault(folded, []).append(number)
        self._numbers = list(patterns.values())
        self._automaton = _automaton(patterns) if patterns else None

    def find(self, text: str) -> list[Hit]:
        """Return all words in a text, in the order of their places; they may overlap.

        The places are those of the text as it is given.
        """
        return sorted(
            {
                Hit(start, end, number)
                for found, start, end in self._occurrences(text, _Text.may_end_at)
                for number in self._numbers[found]
            }
        )

    def take_out(self, text: str) -> str:
        """Return a text in which no matcher sees these words; everything else is at the same place as before."""
        characters = list(text)
        for _, start, end in self._occurrences(text, _Text.is_edge):
            characters[start:end] = _TAKEN_OUT * (end - start)
        return "".join(characters)

    def _occurrences(self, text: str, ends: Callable[[_Text, int], bool]) -> Iterator[tuple[int, int, int]]:
        """Yield each pattern that occurs in a text, with its place; `ends` tells where a word may end."""
        if self._automaton is None:
            return
        searched = _Text(text)
        for found, start, end in self._automaton.find_matches_as_indexes(searched.folded, overlapping=True):
            if searched.is_edge(start) and ends(searched, end):
                yield found, searched.places[start][0], searched.places[end - 1][1]


def _automaton(patterns: Iterable[str]) -> AhoCorasick:
    try:
        from ahocorasick_rs import AhoCorasick
    except ImportError as error:
        message = "keywords need the package ahocorasick-rs"
        raise UsageError(message, code="no_keyword_matcher", hint=install_command(EXTRA)) from error
    return AhoCorasick(patterns, store_patterns=False)


def fold(text: str) -> str:
    """Return a text in the form in which texts and words are compared."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = ""
    for piece in _fold_characters(text).split():
        folded += f" {piece}" if folded and _is_space_kept(folded[-1], piece[0]) else piece
    return folded


def _is_space_kept(left: str, right: str) -> bool:
    """Tell whether white space between two characters counts; a mark behind it stands on it."""
    return _is_mark(right) or not (_IN_UNSPACED.match(left) or _IN_UNSPACED.match(right))


def _fold_characters(text: str) -> str:
    """Return a text folded, with its white space."""
    visible = _IGNORABLE.sub("", _LONE_SURROGATE.sub("\ufffd", text.translate(_AS_TYPED)))
    # Folding can undo the normal form, so it is made once more.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())


_fold_segment = lru_cache(maxsize=4096)(_fold_characters)  # most are single characters


class _Text:
    """A text as it is searched, and as it was."""

    def __init__(self, original: str) -> None:
        self._original = original
        self.folded = fold(original)

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """Where each character of the folded text comes from: from which character to before which."""
        places: list[tuple[int, int]] = []
        last = ""
        gap: tuple[int, int] | None = None
        for start, end in _segments(self._original):
            for character in _fold_segment(self._original[start:end]):
                if character.isspace():
                    gap = (start, end)
                    continue
                if gap and last and _is_space_kept(last, character):
                    places.append(gap)
                places.append((start, end))
                last, gap = character, None
        return places

    def is_edge(self, at: int) -> bool:
        """Tell whether a word may begin or end before a character of the folded text."""
        if at in (0, len(self.folded)):
            return True
        before = at - 1
        while before and _is_mark(self.folded[before]):
            before -= 1
        left, right = self.folded[before], self.folded[at]
        if _is_mark(right):
            return False
        if not (left.isalnum() and right.isalnum()) or _IN_UNSPACED.search(self.folded, before, at + 1):
            return True
        return not self._original.isascii() and self._is_ornament(before) != self._is_ornament(at)

    def may_end_at(self, at: int) -> bool:
        """Tell whether a word that is looked for may end before a character of the folded text.

        Korean has spaces, but what stands between two of them is a word with its endings.
        """
        return self.is_edge(at) or (_is_hangul(self.folded[at - 1]) and _is_hangul(self.folded[at]))

    def _is_ornament(self, at: int) -> bool:
        """Tell whether a character looks like a letter or digit without being one: "brand™" is a word and a sign."""
        return unicodedata.category(self._original[self.places[at][0]]) in _ORNAMENTS


def _segments(text: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text that can be folded one by one: each character with those that change it."""
    start = 0
    for at, character in enumerate(text):
        if at and not _changes_the_one_before(character):
            yield start, at
            start = at
    yield start, len(text)


@lru_cache(maxsize=4096)
def _changes_the_one_before(character: str) -> bool:
    first = unicodedata.normalize("NFKD", character)[0]
    # The vowels and finals of Hangul are the only letters that NFKC joins with another before them.
    is_jamo = "\u1160" <= first <= "\u11ff" or "\ud7b0" <= first <= "\ud7ff"
    return is_jamo or _is_mark(first) or _IGNORABLE.match(character) is not None


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _is_hangul(character: str) -> bool:
    return "가" <= character <= "힣"
