"""Files: written atomically, read up to a limit, and found from a folder upward."""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from moderate_cli.common.errors import UsageError

# What a rename, or a new file beside another, fails with where the other one may still be written.
_NOT_REPLACEABLE = frozenset({errno.EBUSY, errno.EPERM, errno.EACCES, errno.EXDEV, errno.EROFS})
_MAX_NAME = 50  # characters of a file's name in its temporary one: file systems allow 255 bytes, and some take 4 each
_PRIVATE = 0o600
_PUBLIC = 0o666
# Names of streams that are open already. What they lead to has its reader, even where that is a regular file.
_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")


class AtomicFile(io.FileIO):
    """New content of a file, written beside it until `commit` puts it in its place; `discard` leaves the file as it is.

    A link is followed to its target. The file keeps its mode unless another is given; a new one has `mode`, or what the
    umask allows. A device, a pipe or an open stream is written directly, and so is, on `commit`, a file that cannot be
    replaced: a mounted one, or one in a folder that takes no new files. Buffers around it
    have to be flushed before `commit`.
    """

    def __init__(self, path: Path, *, mode: int | None = None) -> None:
        """Open the temporary file; raises OSError where the file cannot be written."""
        self._temporary: Path | None = None
        try:
            if _is_stream(path):
                self.target = path
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
            else:
                self.target = _followed(path)
                self._temporary, descriptor = _open_temporary(self.target, mode)
        except ValueError as error:  # a name with a NUL byte, or one that the file system cannot encode
            raise OSError(errno.EINVAL, str(error), str(path)) from error
        super().__init__(descriptor, "w")

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been written yet to the temporary file; raises OSError."""
        return self._temporary is not None and not self._temporary.stat().st_size

    def sync(self) -> None:
        """Wait until all that was written is on the disk; raises OSError."""
        if self._temporary is not None:
            os.fsync(self.fileno())

    def commit(self) -> bool:
        """Close the file and put it in its place; return False where the place had to be written over, not replaced.

        Raises OSError where neither can be done; the temporary file is removed all the same.
        """
        self.close()
        if self._temporary is None:
            return True
        try:
            self._temporary.replace(self.target)
        except OSError as error:
            try:
                if error.errno not in _NOT_REPLACEABLE:
                    raise
                _copy(self._temporary, self.target)
            finally:
                self.discard()
            return False
        return True

    def discard(self) -> None:
        """Close the file and remove the temporary one."""
        with suppress(OSError):
            self.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


def atomic_write(path: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Write a whole file, text in UTF-8, so that it has its old content or the new one; see `AtomicFile`.

    Raises OSError, and UnicodeEncodeError for text with lone surrogates; then an older file is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    file = AtomicFile(path, mode=mode)
    try:
        with io.BufferedWriter(file) as stream:
            stream.write(data)
            stream.flush()
            file.sync()
        file.commit()
    except BaseException:
        file.discard()
        raise


class FileError(UsageError):
    """A file that cannot be read, or is too large; `reason` says why without its name, and `line` where.

    `code` is not_found, not_a_file, unreadable, too_large or not_text.
    """

    def __init__(
        self, message: str, reason: str, *, code: str, hint: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.reason = reason
        self.line = line

    @classmethod
    def missing(cls, name: str, *, what: str = "file", hint: str | None = None) -> FileError:
        """Return the error for a file that does not exist."""
        return cls(f"there is no {what} {name}", f"no such {what}", code="not_found", hint=hint)


def read_bytes(
    path: Path,
    limit: int,
    *,
    name: str | None = None,
    what: str = "file",
    hint: str | None = None,
    regular_only: bool = False,
) -> bytes:
    """Return the content of a file of at most `limit` bytes, and of a regular one with `regular_only`.

    Messages call the file `name`, its path unless given, and `what` it is; `hint` is what to do where it is missing.
    Raises FileError.
    """
    name = name or str(path)
    try:
        # Else opening a pipe would wait for a writer; what takes a file's place meanwhile is not waited for either.
        if regular_only and not stat.S_ISREG(path.stat().st_mode):
            raise _unreadable(name, "not a regular file", code="not_a_file")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        error = FileError.missing(name, what=what, hint=hint)
    except IsADirectoryError as reason:
        error = _unreadable(name, str(reason.strerror), code="not_a_file")
    except (OSError, ValueError) as reason:  # ValueError: a NUL byte in the name
        error = _unreadable(name, getattr(reason, "strerror", None) or str(reason))
    else:
        check_size(data, limit, name)
        return data
    raise error


def read_text(
    path: Path,
    limit: int,
    *,
    name: str | None = None,
    what: str = "file",
    hint: str | None = None,
    regular_only: bool = False,
) -> str:
    """Return the text of a file in UTF-8, without a byte order mark; raises FileError. See `read_bytes`."""
    data = read_bytes(path, limit, name=name, what=what, hint=hint, regular_only=regular_only)
    return decode(data, name or str(path))


def check_size(data: bytes, limit: int, name: str) -> None:
    """Raise FileError for more than `limit` bytes."""
    if len(data) > limit:
        size = f"{limit // 1_000_000} MB" if limit >= 1_000_000 else f"{limit // 1_000} KB"
        raise FileError(f"{name}: larger than {size}", f"larger than {size}", code="too_large")


def decode(data: bytes, name: str, *, keep_mark: bool = False) -> str:
    """Return text in UTF-8, with its byte order mark only if asked to; raises FileError with the line that is none."""
    try:
        return data.decode("utf-8" if keep_mark else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
    # Not in the except block: the cause would hold all of the file, which may be a secret.
    raise FileError(f"{name}:{line}: not UTF-8 text", "not UTF-8 text", code="not_text", line=line)


def upward(folder: str) -> Iterator[str]:
    """Yield a folder and those above it, the nearest first."""
    above = os.path.dirname(folder)  # noqa: PTH120 - a Path a folder is slow
    yield folder
    while above != folder:
        folder, above = above, os.path.dirname(above)  # noqa: PTH120
        yield folder


def nearest(name: str, folder: str) -> str | None:
    """Return the nearest folder, from one upward, that holds something of a name; None where none does."""
    return next((each for each in upward(folder) if os.path.lexists(os.path.join(each, name))), None)  # noqa: PTH118


def _unreadable(name: str, reason: str, *, code: str = "unreadable") -> FileError:
    return FileError(f"cannot read {name}: {reason}", reason, code=code)


def _is_stream(path: Path) -> bool:
    """Tell whether a path leads to something that is written as it is: a device, a pipe, or an open stream."""
    if str(path).startswith(_STREAMS):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode)


def _followed(path: Path) -> Path:
    """Return the target of a path's links; raises OSError where they go round in a circle."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def _open_temporary(target: Path, mode: int | None) -> tuple[Path, int]:
    """Create a file beside a target or, where that is refused but the target can be written, in the system's folder."""
    name = f".{target.name[:_MAX_NAME]}.{secrets.token_hex(8)}.partial"
    beside = target.with_name(name)
    old = _mode(target) if mode is None else None
    try:
        descriptor = _create(beside, (_PUBLIC if old is None else _PRIVATE) if mode is None else mode)
    except OSError as error:
        if error.errno not in _NOT_REPLACEABLE or not os.access(target, os.W_OK):
            raise
        elsewhere = Path(tempfile.gettempdir(), name)
        return elsewhere, _create(elsewhere, _PRIVATE)
    if old is not None:
        with suppress(OSError):  # a file system without permissions
            beside.chmod(old)
    return beside, descriptor


def _create(path: Path, mode: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _copy(source: Path, target: Path) -> None:
    """Write the content of one file over that of another, which stays the same file."""
    with source.open("rb") as old, target.open("r+b") as new:
        shutil.copyfileobj(old, new)
        new.truncate()
        os.fsync(new.fileno())
