"""How does a person review in a terminal? The same results, with the same keys, and the image in a viewer."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ModerateError
from moderate_cli.common.text import safe_text, with_hint
from moderate_cli.gate.gate import today
from moderate_cli.models import DecisionWord, Outcome, QueuedTask
from moderate_cli.review.picture import Places, files_of, frame_starts
from moderate_cli.review.queue import Desk, Item, ReviewQueue
from moderate_cli.review.result_facts import FindingFacts, ResultFacts, facts_of
from moderate_cli.review.suppressing import checked_decision

_WORDS = {
    "c": DecisionWord.CONFIRMED,
    "f": DecisionWord.FALSE_POSITIVE,
    "m": DecisionWord.MISSED,
    "s": DecisionWord.SUPPRESSED,
    "e": DecisionWord.ESCALATED,
}
_HELP = "c confirm, f false positive, m missed, s suppress, e escalate, k skip, u undo, n note, o open, q quit"
_END = "\x04"  # Ctrl-D
_DESK = "terminal"
_LOCAL = 3  # the place of the local modes among the attributes of a terminal
_MAX_LINE = 4096  # bytes, as of a terminal's line


class Keyboard:
    """Reads one key at a time where stdin is a terminal; elsewhere the first character of each line is the key."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._stdin = environment.stdin
        self._terminal = _terminal_of(self._stdin)

    @contextmanager
    def single_keys(self) -> Iterator[None]:
        """Let the terminal give each key at once, without showing it, until the end of the block."""
        if self._terminal is None:
            yield
            return
        import termios
        import tty

        before = termios.tcgetattr(self._terminal)
        try:
            tty.setcbreak(self._terminal, termios.TCSADRAIN)  # what is typed ahead is kept
            yield
        finally:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, before)

    def key(self) -> str:
        """Return the next key in lower case; `q` at the end of the input."""
        if self._terminal is not None:
            pressed = os.read(self._terminal, 1).decode("ascii", "replace")
            return "q" if pressed in {"", _END} else pressed.lower()
        line = self._stdin.readline()
        return line.strip()[:1].lower() if line else "q"

    def line(self, question: str) -> str:
        """Ask for a text, and return it without spaces around it."""
        self._environment.stderr.write(f"{question}: ")
        self._environment.stderr.flush()
        if self._terminal is None:
            return self._stdin.readline().strip()
        import termios

        single = termios.tcgetattr(self._terminal)
        lines = [*single]
        lines[_LOCAL] |= termios.ICANON | termios.ECHO
        try:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, lines)
            return os.read(self._terminal, _MAX_LINE).decode("utf-8", "replace").strip()
        finally:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, single)


def _terminal_of(stdin: TextIO) -> int | None:
    """Return the descriptor of a terminal whose keys can be read one by one, or None."""
    if os.name != "posix" or not stdin.isatty():
        return None
    try:
        return stdin.fileno()
    except (OSError, ValueError):  # one that only says that it is a terminal
        return None


class TerminalReview:
    """Walks a queue with a person at the terminal, until nothing is left or they quit."""

    def __init__(
        self,
        queue: ReviewQueue,
        environment: Environment,
        *,
        person: str | None,
        places: Places,
        tasks: Callable[[Outcome], QueuedTask | None],
    ) -> None:
        self._queue = queue
        self._environment = environment
        self._keyboard = Keyboard(environment)
        self._person = person
        self._places = places
        self._tasks = tasks
        self._note = ""

    def run(self) -> None:
        """Show one result after the other; raises KeyboardInterrupt for Ctrl-C."""
        with self._keyboard.single_keys():
            self._walk()

    def _walk(self) -> None:
        shown: int | None = None
        while item := self._queue.desk(_DESK).current:
            if item.entry.number != shown:
                shown, self._note = item.entry.number, ""
                self._show(item)
            key = self._keyboard.key()
            if key == "q":
                return
            try:
                self._act(key, self._queue.desk(_DESK), item)
            except ModerateError as error:
                self._say(with_hint(error))
        self._say("nothing is left to decide")

    def _act(self, key: str, desk: Desk, item: Item) -> None:
        number = item.entry.number
        if key in _WORDS:
            word, expires = _WORDS[key], ""
            if word is DecisionWord.SUPPRESSED:
                self._note = self._keyboard.line("reason")
                expires = self._keyboard.line("last day (YYYY-MM-DD, or nothing)") if self._note else ""
            day = today(self._environment.clock)
            self._queue.decide(desk, number, checked_decision(word, self._note, expires, self._person, day))
        elif key == "k":
            self._queue.skip(desk, number)
        elif key == "u":
            if not self._queue.undo(desk, self._person):
                self._say("there is nothing to undo")
        elif key == "n":
            self._note = self._keyboard.line("note")
        elif key == "o":
            self._open(item.outcome)
        elif key:
            self._say(_HELP)

    def _open(self, outcome: Outcome) -> None:
        for path in files_of(outcome, self._places):
            with suppress(OSError, ValueError):
                if path.is_file():
                    webbrowser.open(Path(os.path.realpath(path)).as_uri())
                    return
        self._say("the image is not here")

    def _show(self, item: Item) -> None:
        task = self._tasks(item.outcome)
        starts = frame_starts(item.outcome, task, self._places)
        facts = facts_of(item.entry.number, item.outcome, item.entry.decisions, task, starts)
        now = self._queue.progress()
        more = " or more" if now.at_least else ""
        self._say("")
        self._say(f"{facts.level}  {facts.source}")
        for line in _lines(facts):
            self._say(f"  {line}")
        self._say(f"[{now.decided:,} decided, {now.left:,}{more} left, {now.per_minute:g} a minute] {_HELP}")

    def _say(self, text: str) -> None:
        self._environment.stderr.write(f"{safe_text(text)}\n")
        self._environment.stderr.flush()


def _lines(facts: ResultFacts) -> Iterator[str]:
    for part in facts.parts:
        yield f"{part.name}: {' '.join(part.text.splitlines())}" if part.text else part.name
        yield from (f"  {picture.name}" for picture in part.pictures)
        yield from (f"  {_finding(found)}" for found in part.findings)
        if part.answer:
            yield f"  {part.answer}"
    yield from map(_finding, facts.findings)
    for frame in facts.frames:
        yield f"{frame.level}  {frame.name}{'' if frame.seconds is None else f' at {frame.seconds:g} s'}"
    yield from facts.remarks
    yield from (f"{name}: {text}" for name, text in facts.facts)
    if facts.link:
        yield facts.link


def _finding(found: FindingFacts) -> str:
    return f"{found.level}  {found.words}"
