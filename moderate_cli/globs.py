"""Globs of every dialect, matched in time linear in the pattern times the text.

A pattern is a row of tokens, each of which takes one character, with stars between them. While a text is read, the set
of tokens that may come next is kept as the bits of a number. No character is read twice, so no pattern can make a match
slow.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

# The start of what makes a text name more than itself.
SIGN = re.compile(r"[*?[]")
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
_LAST_CACHED = "\xff"  # what takes later characters is found anew, so that memory stays flat


@dataclass(frozen=True, slots=True)
class _OneOf:
    """A token that takes one character in ranges (two characters each) or, negated, any other; it takes no slash."""

    ranges: tuple[str, ...] = ()
    negated: bool = False

    def takes(self, character: str) -> bool:
        """Tell whether the token takes a character."""
        return character != "/" and any(span[0] <= character <= span[1] for span in self.ranges) != self.negated

    @property
    def is_empty(self) -> bool:
        """Whether no character is taken at all."""
        return not self.negated and all(span[0] > span[1] or span == "//" for span in self.ranges)


_Token = str | _OneOf
_ANY = _OneOf(negated=True)
_NOTHING = _OneOf()


@dataclass(slots=True)
class _Row:
    """The tokens of a pattern, and the places among them where a star is.

    `stars` tells for each such place whether its star goes on across slashes. At the `optional` places the star and the
    slash after it may stand for nothing.
    """

    tokens: list[_Token] = field(default_factory=list)
    stars: dict[int, bool] = field(default_factory=dict)
    optional: set[int] = field(default_factory=set)

    def is_text(self, place: int) -> bool:
        """Tell whether the token at a place is a character."""
        return isinstance(self.tokens[place], str)

    def text(self, start: int, end: int) -> str:
        """Return characters."""
        return "".join(token for token in self.tokens[start:end] if isinstance(token, str))

    def end_of_text(self, start: int) -> int:
        """Return where the characters from a place on end, at a star if not before."""
        end = start
        while end < len(self.tokens) and end not in self.stars and self.is_text(end):
            end += 1
        return end

    def add_stars(self, text: str, at: int, *, may_be_deep: bool) -> int:
        """Add the stars at a place of a text, and return where they end."""
        found = _STARS.match(text, at)
        end = found.end() if found else at
        is_deep = may_be_deep and end - at > 1
        if not is_deep or not text.startswith("/", end):
            self.stars[len(self.tokens)] = is_deep
            return end
        if len(self.tokens) - 1 not in self.optional:  # any folders and then any folders are any folders
            self.stars[len(self.tokens)] = True
            self.optional.add(len(self.tokens))
            self.tokens.append("/")
        return end + 1


def is_glob(text: str) -> bool:
    """Tell whether a text names more than itself."""
    return SIGN.search(text) is not None


def compile_glob(text: str) -> Matcher:
    """Return a glob of names or paths.

    `*` is any text and `?` any character inside one folder or file name, `[ab]` one of some characters, `[!ab]` any
    other, and `**` any text, across folders too; `**/` also stands for no folder at all. Nothing is an escape, and a
    bracket that is not closed is itself.
    """
    row = _Row()
    at = 0
    while at < len(text):
        sign = text[at]
        if sign == "*":
            at = row.add_stars(text, at, may_be_deep=True)
            continue
        at += 1
        token: _Token = _ANY if sign == "?" else sign
        if sign == "[":
            token, at = _brackets(text, at, git=False) or (sign, at)
        row.tokens.append(token)
    return Matcher(row)


def compile_git(text: str) -> Matcher:
    """Return a pattern of Git, without the marks at its start and its end, for texts of one character a byte.

    As in wildmatch.c, a backslash is an escape, brackets know classes such as `[:alpha:]`, and `**` is more than `*`
    only between slashes. As in dir.c, what stands before the first sign is compared on its own, and the rest begins
    after it: `a**/b` is `a` and then `**/b`.
    """
    first = _GIT_SIGN.search(text)
    start = at = first.start() if first else len(text)
    row = _Row(list(text[:start]))
    while at < len(text):
        sign = text[at]
        if sign == "*":
            is_alone = (at == start or text[at - 1] == "/") and _STARS_TO_SLASH.match(text, at) is not None
            at = row.add_stars(text, at, may_be_deep=is_alone)
            continue
        at += 1
        token: _Token = _ANY if sign == "?" else sign
        if sign == "[":
            token, at = _brackets(text, at, git=True) or (_NOTHING, len(text))
        elif sign == "\\":
            token, at = text[at : at + 1] or _NOTHING, at + 1
        row.tokens.append(token)
    return Matcher(row)


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
        start = row.end_of_text(0)
        end = len(row.tokens)
        while start < end and end not in row.stars and end - 1 not in row.optional and row.is_text(end - 1):
            end -= 1
        self._start, self._end = start, end
        self._head, self._tail = row.text(0, start), row.text(end, len(row.tokens))
        self._is_exact = not row.stars and start == len(row.tokens)
        self._star = row.stars.get(start) if start == end else None
        self._least = len(row.tokens) - len(row.optional)
        self._machine: _Machine | None = None

    @property
    def is_hopeless(self) -> bool:
        """Whether no text can match."""
        return any(isinstance(token, _OneOf) and token.is_empty for token in self._row.tokens)

    @property
    def last_name(self) -> tuple[str, str, bool]:
        """How the last name of each path that matches starts and ends, and whether its start is the whole name."""
        row = self._row
        begin = max((place + 1 for place, each in enumerate(row.tokens) if each == "/"), default=0)
        is_glued = begin - 1 in row.optional and begin > 1 and row.tokens[begin - 2] != "/"
        if is_glued or any(is_deep for place, is_deep in row.stars.items() if place >= begin):
            return "", self._tail, False
        end = row.end_of_text(begin)
        return row.text(begin, end), self._tail, end == len(row.tokens) and end not in row.stars

    def matches(self, text: str) -> bool:
        """Tell whether the whole of a text matches."""
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
    """A part of a pattern; bit N of its numbers is its token N, or the star before that."""

    def __init__(self, row: _Row, start: int, end: int) -> None:
        self._literal: defaultdict[str, int] = defaultdict(int)
        self._sets: list[tuple[int, _OneOf]] = []
        for place, token in enumerate(row.tokens[start:end]):
            if isinstance(token, str):
                self._literal[token] |= 1 << place
            else:
                self._sets.append((1 << place, token))
        self._known: dict[str, int] = {}
        self._stars = sum(1 << place - start for place in row.stars)
        self._deep = sum(1 << place - start for place, is_deep in row.stars.items() if is_deep)
        self._optional = sum(1 << place - start for place in row.optional)
        self._end = 1 << end - start
        texts = (row.text(place, row.end_of_text(place)) for place in {start, *row.stars} - row.optional)
        self._longest = max(texts, key=len, default="")

    def accepts(self, text: str) -> bool:
        """Tell whether a text is what the tokens and stars take from the first to the last."""
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
        takers = self._literal.get(character, 0)
        for bit, token in self._sets:
            if token.takes(character):
                takers |= bit
        if character <= _LAST_CACHED:
            self._known[character] = takers
        return takers
