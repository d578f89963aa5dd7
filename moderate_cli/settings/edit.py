"""How are settings files written? A template with every key, and the list of trusted folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import atomic_write
from moderate_cli.settings.locate import Location, read, under_home, user_file, why_unsafe
from moderate_cli.settings.resolved import SettingsFile
from moderate_cli.settings.schema import SETTINGS
from moderate_cli.settings.trust import TRUSTED_KEY, why_trusted_folder

_TEMPLATE_HEAD = """\
# Settings of moderate. Every key is optional{remark}.
# For each key the first one set wins: the option, the variable, the project's moderate.yaml, the user's file, the
# default; within a file, the chosen profile, then the top-level keys.
# Of an untrusted project file (see `moderate config trust`, --config, --policy-from) only stricter values and
# info_types are used.
# `moderate config show` shows where each value comes from.
# No settings file may contain a secret: keep AccessKeys in the environment, or where the aliyun CLI does.
"""

_TEMPLATE_PROFILES = """\
# The profile to use unless --profile or MODERATE_PROFILE names one. "local" is built in and needs no account.
#profile: production

# Profiles: any of the keys above, for some runs only.
#profiles:
#  production:
#    region: eu-central-1
#    fail_on: high
#  drafts:
#    fail_on: never
#    jobs: 2
"""

# Found again in files that earlier versions wrote, so it stays as it is.
_TRUSTED_HEAD = "# Folders whose moderate.yaml counts in full; `moderate config trust` and `untrust` write them."


def template_text(*, active: bool = False) -> str:
    """Return the text of a file with every key, each commented out unless `active`."""
    remark = "" if active else ": remove the # before a key to set it"
    parts = [_TEMPLATE_HEAD.format(remark=remark)]
    for setting in SETTINGS.values():
        variables = " or ".join(filter(None, (setting.variable, setting.also)))
        parts.append(
            f"# {setting.help}\n# Default: {setting.shown_default}. Variable: {variables}.\n"
            f"#{setting.name}: {setting.example}\n"
        )
    text = "\n".join([*parts, _TEMPLATE_PROFILES])
    return "".join(_uncommented(line) for line in text.splitlines(keepends=True)) if active else text


def _uncommented(line: str) -> str:
    """Remove the # before a key; a sentence has one space behind it, a key none or an even number."""
    is_sentence = line.startswith("# ") and not line.startswith("#  ")
    return line if is_sentence else line.removeprefix("#")


def write_new(path: Path, text: str, *, force: bool = False, private: bool = False) -> None:
    """Write a file atomically, in place of an older one only with `force`.

    Missing folders are made; with `private` nobody else can read it, else an older file keeps its mode. Raises
    UsageError where the file exists, or cannot be written.
    """
    try:
        if os.path.lexists(path) and not force:
            raise UsageError(f"{str(path)!r} already exists", hint="--force overwrites it")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        atomic_write(path, text, mode=0o600 if private else None)
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def trust(folder: Path) -> str:
    """Trust a folder and its subfolders; return a message about it.

    Raises UsageError for what is not a folder, is writable for others, or has a name that is not text.
    """
    place = _real_path(folder)
    if not place.is_dir():
        raise UsageError(f"{folder} is not a folder")
    reason = why_unsafe(place / "moderate.yaml")
    if reason:
        raise UsageError(f"{folder} cannot be trusted: {reason}", hint="name a file with --config")
    text, file, location = _read_user_file()
    already = why_trusted_folder(place, file.trusted)
    if already:
        return already
    _write(location, text, [*file.trusted, str(place)])
    return f"trusted {under_home(place)} and its subfolders, in {location.name}"


def distrust(folder: Path) -> str:
    """Stop trusting a folder; return a message about it. Raises UsageError where one above it is trusted."""
    place = _real_path(folder)
    text, file, location = _read_user_file()
    left = [trusted for trusted in file.trusted if _real_path(Path(trusted)) != place]
    if len(left) < len(file.trusted):
        _write(location, text, left)
    above = why_trusted_folder(place, left)
    if above:
        raise UsageError(f"{under_home(place)} is still trusted: {above}", hint="`moderate config untrust` that one")
    no_longer = "no longer" if len(left) < len(file.trusted) else "not"
    return f"{under_home(place)} is {no_longer} trusted"


def _real_path(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _read_user_file() -> tuple[str, SettingsFile, Location]:
    """Return the text of the user's file, its settings and its location; raises UsageError where it is invalid."""
    from moderate_cli.settings.validate import validate_text  # loads PyYAML, for `trust` and `untrust` alone

    path = user_file()
    location = Location(path, under_home(path))
    text = read(location) or ""
    return text, validate_text(text, location.name), location


def _write(location: Location, before: str, folders: list[str]) -> None:
    """Write the file with other trusted folders; raises UsageError where they would not be read back."""
    from moderate_cli.settings.validate import validate_text

    if not all(folder.isprintable() for folder in folders):
        raise UsageError("a folder whose name is not plain text cannot be trusted", hint="name a file with --config")
    after = _replace_folders(before, folders)
    expected = validate_text(before, location.name)
    try:
        found = validate_text(after, location.name)
    except UsageError:
        found = SettingsFile()
    if _other_settings(found) != _other_settings(expected) or list(found.trusted) != folders:
        hint = f"write {TRUSTED_KEY}: [...] into it by hand, on its own line"
        raise UsageError(f"cannot change {location.name}", hint=hint)
    write_new(location.path, after, force=True, private=True)


def _other_settings(file: SettingsFile) -> list[dict[str, Any]]:
    """Return the settings of a file beside its trusted folders, on whatever lines."""
    layers = [file.top, *file.profiles.values(), {"profile": file.profile} if file.profile else {}]
    return [{name: sourced.value for name, sourced in layer.items()} for layer in layers]


def _replace_folders(text: str, folders: list[str]) -> str:
    """Return a text with other trusted folders; the key is added at the end where it is missing."""
    import yaml

    newline = "\r\n" if "\r\n" in text else "\n"
    entry = ""
    if folders:
        entry = yaml.safe_dump({TRUSTED_KEY: folders}, allow_unicode=True, default_flow_style=False, width=sys.maxsize)
    lines = text.splitlines(keepends=True)
    start, end = _key_lines(text) or (len(lines), len(lines))
    before, after = lines[:start], lines[end:]
    if before and before[-1].strip() == _TRUSTED_HEAD:
        before.pop()
        entry = f"{_TRUSTED_HEAD}\n{entry}" if entry else ""
    elif start == len(lines) and entry:
        entry = f"{_TRUSTED_HEAD}\n{entry}"
        if before and not before[-1].endswith("\n"):
            before[-1] += newline
    return "".join([*before, entry.replace("\n", newline), *after])


def _key_lines(text: str) -> tuple[int, int] | None:
    """Return the lines of the key with its value, as start and end of a slice; None without it."""
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == TRUSTED_KEY:
            last = value
            while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
                last = last.value[-1]
            # What is empty ends where the next thing begins.
            end = last.end_mark.line if last.end_mark.index > last.start_mark.index else key.end_mark.line
            return key.start_mark.line, end + 1
    return None
