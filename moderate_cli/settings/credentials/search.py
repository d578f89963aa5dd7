"""What do the links of the credential chain share? What they search for, and how they find nothing."""

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

_MAX_BYTES = 1_000_000  # of a file with profiles
_MIN_SESSION = 900  # seconds; "AssumeRole", DurationSeconds: 900 to the role's maximum


class NothingHereError(Exception):
    """A link has no credentials: where it looked, and why; never with a value from there."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


class MissingProfileError(NothingHereError):
    """A file exists and lacks the profile."""


class BrokenError(NothingHereError):
    """Something meant to provide credentials is broken."""


class Search(Struct, frozen=True):
    """What the links search for. `profile` is the name that was chosen; None leaves it to each file."""

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
        """Return a variable without surrounding white space, None where it is unset or blank."""
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
    """The values of one profile, and where it is."""

    place: str
    values: Mapping[str, Any]

    def __repr__(self) -> str:
        return repr_without(self, "values")

    def text(self, name: str) -> str:
        """Return a required value; raises BrokenError."""
        value = self.optional(name)
        if value is None:
            raise BrokenError(self.place, f"{name} is missing")
        return value

    def optional(self, *names: str) -> str | None:
        """Return the first of some values that is set; raises BrokenError for what is not text."""
        for name in names:
            value = self.values.get(name)
            if value is not None and not isinstance(value, str):
                raise BrokenError(self.place, f"{name} is not text")
            if value and value.strip():
                return value.strip()
        return None

    def number(self, name: str) -> int | None:
        """Return a whole number, None for 0, which the aliyun CLI writes for unset; raises BrokenError for others."""
        value = self.values.get(name) or None
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value)
        if value is not None and type(value) is not int:  # True is an int too
            raise BrokenError(self.place, f"{name} is not a whole number")
        return value

    def seconds(self, name: str) -> int | None:
        """Return the duration of a session in seconds; raises BrokenError for less than the service allows."""
        value = self.number(name)
        if value is not None and value < _MIN_SESSION:
            raise BrokenError(self.place, f"{name} is below {_MIN_SESSION}")
        return value

    def credentials(self, *, token: str | None = None, expiration: str | None = None) -> Credentials:
        """Return the AccessKey, with the values of these names as its token and its expiration; raises BrokenError."""
        end = self.number(expiration) if expiration else None
        values = (self.text("access_key_id"), self.text("access_key_secret"), self.text(token) if token else None)
        try:
            return Credentials(*values, expiration=end)
        except CredentialsError as error:
            problem = error.message
        raise BrokenError(self.place, problem)


def read_text(path: Path, place: str) -> str:
    """Return the text of a file; raises NothingHereError where it is absent, BrokenError where it is unreadable."""
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
    """Return the content of a config.json, which has a list of profiles; raises NothingHereError or BrokenError."""
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
    # Out of the except blocks: a JSONDecodeError holds the whole file.
    raise BrokenError(place, f"it is not valid JSON (line {line})")
