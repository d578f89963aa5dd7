"""Is a settings file valid? Unknown keys, wrong values and secrets are errors with a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import shortened
from moderate_cli.common.yaml_doc import Entry, Part, Scalar, describe, parse, plain
from moderate_cli.settings.resolved import LOCAL_PROFILE, Layer, SettingsFile, Sourced
from moderate_cli.settings.schema import SETTINGS, Setting
from moderate_cli.settings.trust import TRUSTED_KEY
from moderate_cli.settings.value_types import is_name

_FILE_KEYS = ("profile", "profiles", TRUSTED_KEY)
_SECRET_KEYS = re.compile(r"secret|token|passw|passphrase|access_?key|api_?key|private_?key")
# An AccessKey id, that of a temporary one, the start of a security token, and a password inside an address.
_SECRET_VALUES = re.compile(
    r"\bLTAI[0-9A-Za-z]{8,}|\bSTS\.[0-9A-Za-z]{8,}|\bCAIS[0-9A-Za-z+/=]{40,}|://[^/\s@:]*:[^/\s@]*@"
)
_HINT = "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or keep it where the aliyun CLI does"


def validate_text(text: str, name: str, folder: Path | None = None) -> SettingsFile:
    """Read the text of a settings file; `name` is how errors and origins call it, `folder` is where its paths start.

    Raises UsageError with the line of the error.
    """
    refuse_secret_texts(text, name)
    root = parse(text, name)
    if root is None or _is_null(root):
        return SettingsFile()
    if not isinstance(root, dict):
        raise UsageError(f"{name}:1: the file must contain settings as KEY: VALUE, not {describe(root)}")
    refuse_secret_keys(root, name)
    return _Checker(name, folder or Path()).file(root)


class _Checker:
    """Checks the parts of one file."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    def file(self, root: dict[str, Entry]) -> SettingsFile:
        """Check the whole file."""
        own = {key: entry for key, entry in root.items() if key not in _FILE_KEYS}
        return SettingsFile(
            top=self._layer(own, also=_FILE_KEYS),
            profiles=self._profiles(root.get("profiles")),
            profile=self._default_profile(root.get("profile")),
            trusted=self._trusted(root.get(TRUSTED_KEY)),
        )

    def _layer(self, entries: dict[str, Entry], *, profile: str | None = None, also: Iterable[str] = ()) -> Layer:
        layer = {}
        for key, entry in entries.items():
            self._know(key, [*SETTINGS, *also], entry)
            if not _is_null(entry.part):
                where = f"{self._name}:{entry.line}"
                origin = f"{where} (profile {profile})" if profile else where
                layer[key] = Sourced(self._value(SETTINGS[key], entry), origin)
        return layer

    def _value(self, setting: Setting, entry: Entry) -> Any:
        if setting.type.by_name and isinstance(entry.part, dict):
            return self._by_name(setting, entry.part)
        self._know_keys(setting, entry)
        return self._check_value(setting, plain(entry.part), entry)

    def _by_name(self, setting: Setting, entries: dict[str, Entry]) -> dict[str, Any]:
        """Check each mapping by itself, so that its errors have its line."""
        values: dict[str, Any] = {}
        for name, entry in entries.items():
            self._know_keys(setting, entry)
            values |= self._check_value(setting, {name: plain(entry.part)}, entry)
        return values

    def _check_value(self, setting: Setting, value: object, entry: Entry) -> Any:
        subject = f"{self._name}:{entry.line}: {setting.name}"
        checked = setting.check(value, subject=subject, written=describe(entry.part))
        return self._path(checked, entry) if isinstance(checked, Path) else checked

    def _path(self, path: Path, entry: Entry) -> Path:
        """Return a path that starts at the file's folder, or at a home folder where it begins with ~."""
        try:
            return self._folder / path.expanduser()
        except RuntimeError as error:
            raise self._error(entry, f"cannot expand the home folder in {str(path)!r}") from error

    def _know_keys(self, setting: Setting, entry: Entry) -> None:
        if setting.type.keys and isinstance(entry.part, dict):
            for key, inner in entry.part.items():
                self._know(key, setting.type.keys, inner)

    def _profiles(self, entry: Entry | None) -> Mapping[str, Layer]:
        if entry is None or _is_null(entry.part):
            return {}
        if not isinstance(entry.part, dict):
            raise self._error(entry, f"profiles must be a mapping of names to settings, not {describe(entry.part)}")
        return {name: self._profile(name, inner) for name, inner in entry.part.items()}

    def _profile(self, name: str, entry: Entry) -> Layer:
        if name == LOCAL_PROFILE:
            raise self._error(entry, f"the built-in profile {name!r} cannot be redefined")
        if not is_name(name):
            raise self._error(entry, "a profile name must have 1 to 64 letters, digits, dots, dashes and underscores")
        if _is_null(entry.part):
            return {}
        if not isinstance(entry.part, dict):
            raise self._error(
                entry, f"the profile {shortened(name)!r} must be a mapping of settings, not {describe(entry.part)}"
            )
        return self._layer(entry.part, profile=name)

    def _default_profile(self, entry: Entry | None) -> Sourced | None:
        if entry is None or _is_null(entry.part):
            return None
        # The name as it is written: `profile: on` and `profile: 2024` are names, whatever YAML makes of them.
        if not isinstance(entry.part, Scalar) or not is_name(entry.part.text):
            raise self._error(entry, f"profile must be the name of a profile, not {describe(entry.part)}")
        return Sourced(entry.part.text, f"{self._name}:{entry.line}")

    def _trusted(self, entry: Entry | None) -> tuple[str, ...]:
        if entry is None or _is_null(entry.part):
            return ()
        parts = plain(entry.part)
        folders = parts if isinstance(parts, list) else [None]
        if not all(isinstance(each, str) and Path(each).is_absolute() for each in folders):
            message = f"{TRUSTED_KEY} must be a list of absolute paths, not {describe(entry.part)}"
            raise self._error(entry, message, hint="`moderate config trust` writes it")
        return tuple(folders)

    def _know(self, key: str, known: Iterable[str], entry: Entry) -> None:
        known = tuple(known)
        if key in known:
            return
        near = get_close_matches(key, known, n=1)
        if near:
            raise self._error(entry, f"unknown key {shortened(key)!r}, did you mean {near[0]!r}?")
        raise self._error(entry, f"unknown key {shortened(key)!r}", hint=f"the keys are {', '.join(known)}")

    def _error(self, entry: Entry, message: str, hint: str | None = None) -> UsageError:
        return UsageError(f"{self._name}:{entry.line}: {message}", hint=hint)


def _is_null(part: Part) -> bool:
    return isinstance(part, Scalar) and part.value is None


def refuse_secret_texts(text: str, name: str) -> None:
    """Raise UsageError for a text, comments included, in which something looks like a secret."""
    for line, words in enumerate(text.split("\n"), start=1):
        if _SECRET_VALUES.search(words):
            raise UsageError(f"{name}:{line}: this looks like a secret, which no settings file may contain", hint=_HINT)


def refuse_secret_keys(root: Part, name: str) -> None:
    """Raise UsageError for a key, at any depth, that is named like a secret; profiles may have any name."""
    for key, line in _walk_keys(root, set()):
        if _SECRET_KEYS.search(key.lower().replace("-", "_")):
            raise UsageError(f"{name}:{line}: {key!r} is a secret, which no settings file may contain", hint=_HINT)


def _walk_keys(part: Part, seen: set[int], *, names: bool = False) -> Iterator[tuple[str, int]]:
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, dict):
        for key, entry in part.items():
            if not names:
                yield key, entry.line
            yield from _walk_keys(entry.part, seen, names=key == "profiles" and not names)
    elif isinstance(part, tuple):
        for item in part:
            yield from _walk_keys(item.part, seen)
