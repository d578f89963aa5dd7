"""Keywords of the local engine: to load as many as the console allows, and to find them in a text.

The peer looks for one folded word after the other, and does not even ask whether it is a whole one.
"""

from __future__ import annotations

import random
import string
import subprocess
import sys
import time
from collections.abc import Iterator

from measuring import in_turns
from report import Figure

from moderate_cli.emulator.engine.keywords import KeywordMatcher, fold

_HAN = [chr(0x4E00 + number) for number in range(3_000)]
_WORDS_OF_TEXT = 25
_GROWTH = """
import sys
from pathlib import Path
from moderate_cli.emulator.engine.keywords import KeywordMatcher
def resident(): return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
words = sys.stdin.read().split("\\n")
KeywordMatcher(["any"])
before = resident()
matcher = KeywordMatcher(words)
print(resident() - before)
"""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield what 100,000 keywords cost, half of them English and half Chinese."""
    count, texts = (2_000, 5) if quick else (100_000, 40)
    chance = random.Random(1)
    words = list(dict.fromkeys(_word(chance) for _ in range(count)))
    pages = [_text(chance, words) for _ in range(texts)]
    matcher = KeywordMatcher(words)
    folded = [fold(word) for word in words]
    ours, theirs = in_turns(
        1 if quick else 5, lambda: _seconds(pages, matcher.find), lambda: _seconds(pages[:5], lambda t: _one(folded, t))
    )
    yield Figure(
        target="-",
        name=f"a text of 165 characters, {count:,} keywords",
        ours=ours * 1e6,
        peer="one keyword after the other",
        theirs=theirs * 1e6,
        unit="µs",
        bound=0.05,
    )
    (loading,) = in_turns(1 if quick else 5, lambda: _seconds([words], KeywordMatcher))
    yield Figure(target="-", name=f"load {count:,} keywords", ours=loading, peer="-", theirs=None, unit="s")
    growth = subprocess.run(
        [sys.executable, "-c", _GROWTH], input="\n".join(words), capture_output=True, text=True, check=True
    )
    yield Figure(
        target="-", name=f"memory of {count:,} keywords", ours=float(growth.stdout), peer="-", theirs=None, unit="MB"
    )


def _word(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return "".join(chance.choices(_HAN, k=chance.randint(2, 6)))
    return "".join(chance.choices(string.ascii_lowercase, k=chance.randint(4, 12)))


def _text(chance: random.Random, words: list[str]) -> str:
    """Return a text of words that are mostly no keywords, and one that is."""
    return " ".join([*(_word(chance) for _ in range(_WORDS_OF_TEXT)), chance.choice(words)])


def _one(words: list[str], text: str) -> list[str]:
    folded = fold(text)
    return [word for word in words if word in folded]


def _seconds(inputs, work) -> float:
    """Return the CPU time of one of some inputs."""
    started = time.process_time()
    for each in inputs:
        work(each)
    return (time.process_time() - started) / len(inputs)
