"""What the links of the credential chain share: what is looked for, and the ways of finding nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from moderate_cli.client.auth import Credentials
from moderate_cli.common import files
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import CredentialsError
from moderate_cli.common.masking import repr_without

PROFILE_VARIABLE = "ALIBABA_CLOUD_PROFILE"

_MAX_BYTES = 1_000_000
_SHORTEST_SESSION = 900  # seconds; "AssumeRole", DurationSeconds: 900 to the role's maximum


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


class Search(Struct, frozen=True):
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


class Section(Struct, frozen=True):
    """The values of one profile, and where it stands."""

    place: str
    values: Mapping[str, Any]

    def __repr__(self) -> str:
        return repr_without(self, "values")

    def text(self, name: str) -> str:
        """Return a value that has to be there; raises BrokenError."""
        value = self.optional(name)
        if value is None:
            raise BrokenError(self.place, f"{name} is missing")
        return value

    def optional(self, *names: str) -> str | None:
        """Return the first of some values that is there and not empty; raises BrokenError for what is no text."""
        for name in names:
            value = self.values.get(name)
            if value is not None and not isinstance(value, str):
                raise BrokenError(self.place, f"{name} is not text")
            if value and value.strip():
                return value.strip()
        return None

    def number(self, name: str) -> int | None:
        """Return a whole number; the aliyun CLI writes 0 for what is not set."""
        value = self.values.get(name) or None
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value)
        if value is not None and type(value) is not int:  # True is an int too
            raise BrokenError(self.place, f"{name} is not a whole number")
        return value

    def seconds(self, name: str) -> int | None:
        """Return how long a session is to last; raises BrokenError for less than the service allows."""
        value = self.number(name)
        if value is not None and value < _SHORTEST_SESSION:
            raise BrokenError(self.place, f"{name} is below {_SHORTEST_SESSION}")
        return value

    def key(self, *, token: str | None = None, expiration: str | None = None) -> Credentials:
        """Return the AccessKey, with the values under these names as its token and its end."""
        end = self.number(expiration) if expiration else None
        values = (self.text("access_key_id"), self.text("access_key_secret"), self.text(token) if token else None)
        try:
            return Credentials(*values, expiration=end)
        except CredentialsError as error:
            problem = error.message
        raise BrokenError(self.place, problem)


def read_text(path: Path, place: str) -> str:
    """Return the text of a file; raises NothingHereError where there is none, BrokenError where it is unreadable."""
    try:
        return files.read_text(path, _MAX_BYTES, name=place)
    except files.FileError as reason:
        match reason.code:
            case "not_found":
                error: NothingHereError = NothingHereError(place, "absent")
            case "not_text":
                error = BrokenError(place, "it is not UTF-8 text")
            case "too_large":
                error = BrokenError(place, f"it is {reason.reason}")
            case _:
                error = BrokenError(place, f"it cannot be read ({reason.reason})")
    raise error


def read_config(path: Path, place: str) -> dict[str, Any]:
    """Return the document in a config.json, with a list of profiles in it; raises NothingHereError or BrokenError."""
    text = read_text(path, place)
    try:
        document = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
    except RecursionError:
        line = 1
    else:
        profiles = document.get("profiles") if isinstance(document, dict) else None
        if not isinstance(profiles, list) or not all(isinstance(profile, dict) for profile in profiles):
            raise BrokenError(place, "it has no list of profiles")
        return {**document, "profiles": profiles}
    raise BrokenError(
        place, f"it is not valid JSON (line {line})"
    )  # out of the except blocks: a JSONDecodeError holds the whole file
