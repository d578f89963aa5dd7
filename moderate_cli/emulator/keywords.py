"""The user's own keywords, looked for in the texts of a post."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moderate_cli.verdicts import RiskLevel

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word that marks a text with a label at a level, and the library that it belongs to.

    Case, width and white space make no difference. `services` limits it to some moderation services. The vendor's own
    libraries hit at the level high, too. Raises ValueError for a word or label without a character.
    """

    word: str
    label: str
    lib_id: str = "local"
    lib_name: str = "local rules"
    level: RiskLevel = RiskLevel.HIGH
    services: frozenset[str] = frozenset()
    solid: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "solid", _solid(self.word))
        if not self.solid or not self.label.strip():
            raise ValueError("a keyword needs a word and a label")

    def is_for(self, service: str) -> bool:
        """Tell whether a moderation service looks for this word."""
        return not self.services or service in self.services


def find_keywords(keywords: Iterable[Keyword], texts: Iterable[str]) -> list[Keyword]:
    """Return the keywords that stand in at least one of some texts."""
    # A word that stands in a text as it is written stands there without the white space of both, too.
    solid_texts = [_solid(text) for text in texts]
    return [keyword for keyword in keywords if any(keyword.solid in text for text in solid_texts)]


def _solid(text: str) -> str:
    """Return a text without white space, in which compatible characters and cases are one: NFKC, then casefold."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Folding can undo the normal form, so it is made once more.
    return "".join(unicodedata.normalize("NFKC", folded).split())
