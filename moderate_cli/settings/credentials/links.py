"""What the links of the credential chain share: what is looked for, and the ways of finding nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from moderate_cli.environment import Environment

PROFILE_VARIABLE = "ALIBABA_CLOUD_PROFILE"


class NothingHereError(Exception):
    """A link that gives no credentials, where it looked, and why; never with a value that it saw there."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


class MissingProfileError(NothingHereError):
    """A file that is there and lacks the profile."""


class BrokenError(NothingHereError):
    """Something that was meant to give credentials and cannot."""


@dataclass(frozen=True, slots=True)
class Search:
    """What the links look for. `profile` is a name that somebody asked for; None leaves it to each file."""

    environment: Environment
    profile: str | None
    home: Path | None

    @classmethod
    def begin(cls, environment: Environment, profile: str | None) -> Search:
        """Start a search for a profile, or for the one that the environment names."""
        try:
            home = Path.home()
        except RuntimeError:  # an account without a home folder, as some containers run under
            home = None
        return cls(environment, profile or environment.variable(PROFILE_VARIABLE), home)

    def text(self, name: str) -> str | None:
        """Return a variable without the blanks around it: a value out of a file often ends with a newline."""
        return (self.environment.variable(name) or "").strip() or None

    def is_true(self, name: str) -> bool:
        """Tell whether a variable is `true`, in any case."""
        return (self.text(name) or "").lower() == "true"

    def shown(self, path: Path) -> str:
        """Return a path for people, with ~ for the home folder."""
        if self.home is not None and path.is_relative_to(self.home):
            return f"~/{path.relative_to(self.home).as_posix()}"
        return str(path)
