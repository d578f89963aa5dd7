"""A settings file to start from: every key with what it means, written in one piece."""

from __future__ import annotations

import os
from pathlib import Path

from moderate_cli.common.files import atomic_write
from moderate_cli.errors import UsageError
from moderate_cli.settings.table import SETTINGS

_HEAD = """\
# Settings of moderate. Every key is optional{remark}.
# For each key the first of these counts: the option, the variable, the project's moderate.yaml, the user's file,
# the default; within a file, first the chosen profile, then the keys at its top.
# Of a project's file that nobody trusts (`moderate config trust`, --config, --policy-from) only what makes a run
# stricter counts, and info_types.
# `moderate config show` tells where each value comes from.
# No settings file may hold a secret: AccessKeys stay in the environment, or where the aliyun CLI keeps them.
"""
_PROFILES = """\
# The profile that counts unless --profile or MODERATE_PROFILE names one. "local" is built in and needs no account.
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


def starter_text(*, active: bool = False) -> str:
    """Return the text of a file with every key, each commented out unless `active`."""
    remark = "" if active else ": take away the # before a key to set it"
    parts = [_HEAD.format(remark=remark)]
    for setting in SETTINGS.values():
        variables = " or ".join(filter(None, (setting.variable, setting.also)))
        parts.append(
            f"# {setting.help}\n# Default: {setting.shown_default}. Variable: {variables}.\n"
            f"#{setting.name}: {setting.example}\n"
        )
    text = "\n".join([*parts, _PROFILES])
    return "".join(_uncommented(line) for line in text.splitlines(keepends=True)) if active else text


def write_new(path: Path, text: str, *, force: bool = False, private: bool = False) -> None:
    """Write a file atomically, in place of an older one only with `force`.

    Missing folders are made; with `private` nobody else can read it, else an older file keeps its mode. Raises
    UsageError where the file exists, or cannot be written.
    """
    try:
        if os.path.lexists(path) and not force:
            raise UsageError(f"{str(path)!r} exists already", hint="--force writes over it")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        atomic_write(path, text, mode=0o600 if private else None)
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def _uncommented(line: str) -> str:
    """Take away the # of a key; a sentence has one space behind it, a key none or an even number."""
    is_sentence = line.startswith("# ") and not line.startswith("#  ")
    return line if is_sentence else line.removeprefix("#")
