"""Globs and Git patterns, matched in time proportional to the pattern times the text.

A pattern is a row of tokens, each of which takes one character, with stars between them. While a text is read, the set
of tokens that may come next is kept as the bits of a number. No character is read twice, so no pattern can make a match
slow.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict

from msgspec import Struct, field

# The start of a wildcard.
SIGN = re.compile(r"[*?[]")
_FREE = re.compile(r"[*?\[\]]")
_GIT_SIGN = re.compile(r"[*?\[\\]")
_STARS = re.compile(r"\*+")
_STARS_TO_SLASH = re.compile(r"\*\*+(?:\\?/|\Z)")
# What stands in brackets, one at a time: a character, or a range of them.
_MEMBER = re.compile(r"(.)(?:-([^\]]))?", re.DOTALL)
_GIT_MEMBER = re.compile(r"(\\.|[^\\])(?:-(\\.|[^\\\]]))?", re.DOTALL)
# Git's own, in git-compat-util.h: those of the C locale, but form feeds and vertical tabs are no spaces.
_GIT_CLASSES = {
    "alnum": ("09", "AZ", "az"),
    "alpha": ("AZ", "az"),
    "blank": ("  ", "\t\t"),
    "cntrl": ("\0\x1f", "\x7f\x7f"),
    "digit": ("09",),
    "graph": ("!~",),
    "lower": ("az",),
    "print": (" ~",),
    "punct": ("!/", ":@", "[`", "{~"),
    "space": ("  ", "\t\n", "\r\r"),
    "upper": ("AZ",),
    "xdigit": ("09", "AF", "af"),
}
_LAST_CACHED = "\xff"  # later characters are not cached, to bound the memory


class _OneOf(Struct, frozen=True):
    """A token that takes one character in ranges (two characters each) or, negated, any other; it takes no slash."""

    ranges: tuple[str, ...] = ()
    negated: bool = False

    def takes(self, character: str) -> bool:
        """Return whether the token takes a character."""
        return character != "/" and any(span[0] <= character <= span[1] for span in self.ranges) != self.negated

    @property
    def is_empty(self) -> bool:
        """Whether no character is taken at all."""
        return not self.negated and all(span[0] > span[1] or span == "//" for span in self.ranges)


_Piece = str | _OneOf
_ANY = _OneOf(negated=True)
_NOTHING = _OneOf()


class _Row(Struct):
    """The texts and sets of a pattern, and the places among them where a star is.

    `stars` tells for each such place whether its star goes on across slashes. At the `optional` places the star and the
    slash after it may stand for nothing.
    """

    pieces: list[_Piece] = field(default_factory=list)
    stars: dict[int, bool] = field(default_factory=dict)
    optional: set[int] = field(default_factory=set)

    def add_stars(self, text: str, at: int, *, may_be_deep: bool) -> int:
        """Add the stars at a place of a text, and return where they end."""
        found = _STARS.match(text, at)
        end = found.end() if found else at
        is_deep = may_be_deep and end - at > 1
        if not is_deep or not text.startswith("/", end):
            self.stars[len(self.pieces)] = is_deep
            return end
        if len(self.pieces) - 1 not in self.optional:  # any folders and then any folders are any folders
            self.stars[len(self.pieces)] = True
            self.optional.add(len(self.pieces))
            self.pieces.append("/")
        return end + 1

    def text_from(self, start: int) -> tuple[str, int]:
        """Return the text that begins at a place, as far as it is fixed, and where it ends."""
        end = start
        while end < len(self.pieces) and end not in self.stars and isinstance(self.pieces[end], str):
            end += 1
        return "".join(map(str, self.pieces[start:end])), end

    def text_to_end(self, start: int) -> tuple[str, int]:
        """Return the fixed text at the end, as far as it is behind a place, and where it begins."""
        place = len(self.pieces)
        while place > start and place not in self.stars and place - 1 not in self.optional:
            if not isinstance(self.pieces[place - 1], str):
                break
            place -= 1
        return "".join(map(str, self.pieces[place:])), place


def is_glob(text: str) -> bool:
    """Return whether a text has wildcards."""
    return SIGN.search(text) is not None


def fixed_ends(text: str) -> tuple[str, str]:
    """Return the folder that contains all matches of a glob, with its slash, and the fixed end of their paths."""
    first, *_, last = _FREE.split(text)
    return first[: first.rfind("/") + 1], last.lstrip("/")


def compile_glob(text: str) -> Matcher:
    """Compile a glob for names or paths.

    `*` is any text and `?` any character inside one folder or file name, `[ab]` one of some characters, `[!ab]` any
    other, and `**` any text, across folders too; `**/` also stands for no folder at all. Nothing is an escape, and a
    bracket that is not closed is itself.
    """
    return _compile(text, git=False)


def compile_git(text: str) -> Matcher:
    """Compile a pattern of Git, without the marks at its start and end, for texts with one character per byte.

    As in wildmatch.c, a backslash is an escape, brackets know classes such as `[:alpha:]`, and `**` is more than `*`
    only between slashes. As in dir.c, what stands before the first sign is compared on its own, and the rest begins
    after it: `a**/b` is `a` and then `**/b`.
    """
    return _compile(text, git=True)


def _compile(text: str, *, git: bool) -> Matcher:
    row = _Row()
    signs = _GIT_SIGN if git else SIGN
    at, first = 0, None
    while sign := signs.search(text, at):
        if sign.start() > at:
            row.pieces.append(text[at : sign.start()])
        at = sign.start()
        first = at if first is None else first
        if sign[0] == "*":
            is_alone = (at == first or text[at - 1] == "/") and _STARS_TO_SLASH.match(text, at) is not None
            at = row.add_stars(text, at, may_be_deep=is_alone or not git)
        else:
            piece, at = _piece(text, at + 1, sign[0], git=git)
            row.pieces.append(piece)
    if at < len(text):
        row.pieces.append(text[at:])
    return Matcher(row)


def _piece(text: str, at: int, sign: str, *, git: bool) -> tuple[_Piece, int]:
    """Return what a sign stands for, from behind it, and where that ends; behind what takes nothing nothing counts."""
    if sign == "?":
        return _ANY, at
    if sign == "[":
        return _brackets(text, at, git=git) or ((_NOTHING, len(text)) if git else (sign, at))
    return text[at : at + 1] or _NOTHING, at + 1


def _brackets(text: str, at: int, *, git: bool) -> tuple[_OneOf, int] | None:
    """Return what brackets take and where they end, from behind the first one; None for broken ones."""
    negated = text.startswith(("!", "^") if git else "!", at)
    at += negated
    if text.find("]", at + 1) < 0:
        return None
    ranges: list[str] = []
    close = at
    while found := (_GIT_MEMBER if git else _MEMBER).match(text, at):
        low, high, end = found[1][-1], (found[2] or found[1])[-1], found.end()
        # Of a range that goes backwards Git takes the first character, and others take none.
        members: tuple[str, ...] = (low + low, low + high) if git else (low + high,)
        if git and text.startswith("[:", at):
            close = text.find("]", max(close, at + 2))
            if close < 0:
                return None
            if text[close - 1] == ":" and close > at + 2:
                members, end = _GIT_CLASSES.get(text[at + 2 : close - 1], ()), close + 1
                if not members:
                    return None
        ranges += members
        at = end
        if text.startswith("]", at):
            return _OneOf(tuple(ranges), negated), at + 1
    return None


class Matcher:
    """A compiled pattern."""

    __slots__ = ("_end", "_head", "_is_exact", "_least", "_machine", "_row", "_star", "_start", "_tail")

    def __init__(self, row: _Row) -> None:
        self._row = row
        self._head, self._start = row.text_from(0)
        self._tail, self._end = row.text_to_end(self._start)
        self._is_exact = not row.stars and self._start == len(row.pieces)
        self._star = row.stars.get(self._start) if self._start == self._end else None
        inner = row.pieces[self._start : self._end]
        self._least = len(self._head) + len(self._tail) - len(row.optional)
        self._least += sum(len(piece) if isinstance(piece, str) else 1 for piece in inner)
        self._machine: _Machine | None = None

    @property
    def is_hopeless(self) -> bool:
        """Whether no text can match."""
        return any(isinstance(piece, _OneOf) and piece.is_empty for piece in self._row.pieces)

    @property
    def last_name(self) -> tuple[str, str, bool]:
        """How the last name of each path that matches starts and ends, and whether its start is the whole name."""
        row = self._row
        slash, rest, is_glued = -1, "", False
        for place, piece in enumerate(row.pieces):
            if isinstance(piece, str) and "/" in piece:
                before = row.pieces[place - 1] if place else "/"
                is_glued = place in row.optional and not (isinstance(before, str) and before.endswith("/"))
                slash, rest = place, piece.rpartition("/")[2]
        if is_glued or any(is_deep for place, is_deep in row.stars.items() if place > slash):
            return "", self._tail, False
        start, end = row.text_from(slash + 1)
        return rest + start, self._tail, end == len(row.pieces) and end not in row.stars

    def matches(self, text: str) -> bool:
        """Return whether a whole text matches."""
        if self._is_exact:
            return text == self._head
        if len(text) < self._least or not text.startswith(self._head) or not text.endswith(self._tail):
            return False
        middle = text[len(self._head) : len(text) - len(self._tail)]
        if self._star is not None:
            return self._star or "/" not in middle
        if self._machine is None:
            self._machine = _Machine(self._row, self._start, self._end)
        return self._machine.accepts(middle)


class _Machine:
    """A part of a pattern; bit N of its numbers is its Nth character or set, or the star before that."""

    def __init__(self, row: _Row, start: int, end: int) -> None:
        self._texts: defaultdict[str, int] = defaultdict(int)
        self._sets: list[tuple[int, _OneOf]] = []
        self._stars = self._deep = self._optional = 0
        bit = 1
        for place in range(start, end + 1):
            self._stars |= bit if place in row.stars else 0
            self._deep |= bit if row.stars.get(place) else 0
            self._optional |= bit if place in row.optional else 0
            piece = row.pieces[place] if place < end else ""
            if isinstance(piece, _OneOf):
                self._sets.append((bit, piece))
                bit <<= 1
                continue
            for character in piece:
                self._texts[character] |= bit
                bit <<= 1
        self._end = bit
        fixed = (row.pieces[place] for place in range(start, end) if place not in row.optional)
        self._longest = max((piece for piece in fixed if isinstance(piece, str)), key=len, default="")
        self._known: dict[str, int] = {}

    def accepts(self, text: str) -> bool:
        """Return whether the tokens and stars take the whole text."""
        if self._longest not in text:
            return False
        known, stars, deep, optional = self._known, self._stars, self._deep, self._optional
        places = 1 | (optional & 1) << 1
        for character in text:
            takers = known.get(character)
            if takers is None:
                takers = self._takers(character)
            entered = (places & takers) << 1
            entered |= (entered & optional) << 1
            places = entered | places & (deep if character == "/" else stars)
            if not places:
                return False
        return places & self._end != 0

    def _takers(self, character: str) -> int:
        takers = self._texts.get(character, 0)
        for bit, one_of in self._sets:
            if one_of.takes(character):
                takers |= bit
        if character <= _LAST_CACHED:
            self._known[character] = takers
        return takers


# The numbers of parts that a path may have matched so far; several, because `**` stands for any number of folders.
Places = frozenset[int]

_SEPARATORS = re.compile(r"[\\/]+" if os.sep == "\\" else "/+")


class Glob(Struct, frozen=True):
    """The parts of a pattern, one per name; None stands for `**`.

    A matching folder includes everything below it. Names that start with a dot are not special.

    The standard library's `glob.iglob` keeps all names of a folder at once, and follows links in circles until the
    system refuses.
    """

    parts: tuple[Matcher | None, ...]

    @classmethod
    def parse(cls, text: str) -> tuple[str, Glob]:
        """Return the fixed folder at the start of a glob, as written, and the pattern for the paths below it."""
        sign = SIGN.search(text)
        fixed = text[: sign.start()] if sign else text
        folder = fixed[: len(fixed) - len(os.path.basename(fixed))]  # noqa: PTH119 - a Path would rewrite it
        names = _SEPARATORS.split(text[len(folder) :])
        if not names[-1]:  # only folders are meant, and all that they hold
            names[-1] = "**"
        return folder, cls(tuple(None if name == "**" else compile_glob(name) for name in names))

    @property
    def start(self) -> Places:
        """The places before the first name of a path."""
        return self._closed({0})

    def step(self, places: Places, name: str) -> Places:
        """Return the places after one more name, or none if no such path can match."""
        reached = set()
        for place in places:
            if place == len(self.parts):
                reached.add(place)
                continue
            part = self.parts[place]
            if part is None:
                reached.add(place)
            elif part.matches(name):
                reached.add(place + 1)
        return self._closed(reached)

    def is_match(self, places: Places) -> bool:
        """Return whether a path that ends at these places matches."""
        return len(self.parts) in places

    def _closed(self, places: set[int]) -> Places:
        """Add the places after each `**`, which may stand for no folder."""
        for place in sorted(places):
            while place < len(self.parts) and self.parts[place] is None:
                place += 1
                places.add(place)
        return frozenset(places)
