"""Which settings files are read, and how: the project's, then the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.settings.model import Layer

PROJECT_FILE = "moderate.yaml"
USER_FILE = "config.yaml"
CONFIG_VARIABLE = "MODERATE_CONFIG"
_MOST_BYTES = 1_000_000
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Location:
    """A place of a settings file: its path, what messages call it, and whether it was asked for by name."""

    path: Path
    name: str
    required: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is anything at this place."""
        return os.path.lexists(self.path)


def locations(given: Layer, environment: Environment) -> tuple[Location, Location]:
    """Return the places of the project's file and of the user's, whose values count in this order.

    The project's is what `--config` or MODERATE_CONFIG names, else the nearest one upward from the working folder.
    """
    asked = (given["config"].value if "config" in given else None) or environment.variable(CONFIG_VARIABLE)
    project = Location(Path(asked), str(asked), required=True) if asked else nearest(PROJECT_FILE)
    path = user_file()
    return project, Location(path, _under_home(path))


def user_file() -> Path:
    """Return the place of the user's own file, where this system keeps such files."""
    from platformdirs import user_config_path  # not needed by commands that take no settings

    return user_config_path("moderate", appauthor=False) / USER_FILE


def nearest(name: str) -> Location:
    """Return the nearest file of a name, from the working folder upward, or where it would be in that folder.

    The search ends at the top of the repository, the first folder that holds `.git`, because what lies above belongs to
    somebody else; outside a repository it ends at the root.
    """
    try:
        start = Path.cwd()
    except FileNotFoundError:  # the working folder was removed
        return Location(Path(name), name)
    for folder in (start, *start.parents):
        found = folder / name
        if os.path.lexists(found):
            return Location(found, os.path.relpath(found, start))
        if os.path.lexists(folder / ".git"):
            break
    return Location(start / name, name)


def read(location: Location) -> str | None:
    """Return the text of a settings file, None where there is none and none was asked for.

    Raises UsageError for what cannot be read, is no text in UTF-8, or is larger than 1 MB.
    """
    name = location.name
    try:
        if not location.required and _is_odd(location.path):
            raise UsageError(f"cannot read {name}: not a regular file")
        with location.path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if location.required:
            hint = f"check --config and {CONFIG_VARIABLE}; `moderate config init` writes a file to start from"
            raise UsageError(f"there is no settings file {name}", hint=hint) from error
        return None
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror or error}") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{name}: larger than 1 MB, which no settings file is")
    return text_of(data, name).removeprefix(_BYTE_ORDER_MARK)


def text_of(data: bytes, name: str) -> str:
    """Return the content of a file as text; raises UsageError with the line where it is none in UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}:{line}: not text in UTF-8") from error


def _is_odd(path: Path) -> bool:
    """Tell whether reading could hang or never end: a pipe or a device that nobody asked for."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _under_home(path: Path) -> str:
    try:
        return str("~" / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # it lies elsewhere, or nobody knows where home is
        return str(path)
