"""Rules for emulators in tests."""

from __future__ import annotations

from moderate_cli.rules import FixedFinding, FixedVerdict, Rules
from moderate_cli.rules.model import Keyword, OldRulesFile, RulesFile

GUN = FixedFinding("violent_gun", 81.5)


def flagging(words: dict[str, str]) -> Rules:
    """Return rules in which each word gives a text a label, for every service."""
    return Rules(old=OldRulesFile(keywords=[Keyword(word, label) for word, label in words.items()]))


def laying_down(*verdicts: FixedVerdict) -> Rules:
    """Return rules with fixed verdicts."""
    return Rules(RulesFile(version=1, verdicts=list(verdicts)))
