"""What can be wrong with the store, each said in one line with what to do about it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from moderate_cli.errors import ExitCode, ModerateError

_ELSEWHERE = "name another place with --store or MODERATE_STORE"


class StoreError(ModerateError):
    """The store cannot be opened, read or written; what was judged is known all the same."""

    def __init__(
        self, message: str, *, code: str, hint: str | None = None, exit_code: ExitCode = ExitCode.INCOMPLETE
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.exit_code = exit_code


def not_a_database(path: Path) -> StoreError:
    """Return the error for a file that SQLite cannot read."""
    hint = f"move it away, or {_ELSEWHERE}"
    message = f"the store {path} is not an SQLite database"
    return StoreError(message, code="store_not_a_database", hint=hint, exit_code=ExitCode.USAGE)


def not_ours(path: Path) -> StoreError:
    """Return the error for a database that another program made."""
    message = f"{path} is a database of another program"
    return StoreError(message, code="store_not_ours", hint=_ELSEWHERE, exit_code=ExitCode.USAGE)


def too_new(path: Path, version: int, known: int) -> StoreError:
    """Return the error for a store that a later version of this program made."""
    message = f"the store {path} was written by a newer moderate (schema {version}; this one knows {known})"
    hint = f"update moderate-cli, or {_ELSEWHERE}"
    return StoreError(message, code="store_too_new", hint=hint, exit_code=ExitCode.USAGE)


def unwritable(path: Path, reason: str) -> StoreError:
    """Return the error for a place where no file can be made or written."""
    message = f"cannot write the store {path}: {reason}"
    return StoreError(message, code="store_unwritable", hint=_ELSEWHERE, exit_code=ExitCode.USAGE)


def unknown_request(request_id: str) -> StoreError:
    """Return the error for feedback on a result that is not there."""
    message = f"the store has no result with the request id {request_id}"
    hint = "`moderate history -f jsonl` shows the request id of each result"
    return StoreError(message, code="unknown_request", hint=hint, exit_code=ExitCode.USAGE)


def explained(error: sqlite3.Error, path: Path, patience: float) -> StoreError:
    """Return what an error of SQLite means for whoever uses the store."""
    match primary_code(error):
        case sqlite3.SQLITE_NOTADB:
            return not_a_database(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            message = f"the store {path} has been locked by another process for {patience:g} seconds"
            return StoreError(message, code="store_locked", hint="try again when that process is done")
        case sqlite3.SQLITE_FULL:
            return StoreError(
                f"no space is left for the store {path}", code="store_full", hint="make room on that disk"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return unwritable(path, str(error))
        case sqlite3.SQLITE_CORRUPT:
            hint = f"move it away, or {_ELSEWHERE}; `sqlite3 FILE .recover` saves what can be read"
            return StoreError(f"the store {path} is damaged", code="store_damaged", hint=hint)
        case _:
            return StoreError(f"the store {path} failed: {error}", code="store_failed")


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether the same statement may succeed when another connection is done."""
    return primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def primary_code(error: sqlite3.Error) -> int | None:
    """Return SQLite's primary result code, which is the low byte of the extended one; None for the module's own."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF
