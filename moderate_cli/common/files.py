"""Files: atomic writes, reads up to a limit, and the search from a folder upward."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from moderate_cli.common.errors import UsageError

# The errors of a rename, or of a new file in a folder, after which the old file may still be writable.
_NOT_REPLACEABLE = frozenset({errno.EBUSY, errno.EPERM, errno.EACCES, errno.EXDEV, errno.EROFS})
_MAX_NAME = 50  # characters of a file's name in its temporary one: file systems allow 255 bytes, and some take 4 each
_PRIVATE = 0o600
_PUBLIC = 0o666
# Names of open streams. Somebody may be reading what they lead to, even if it is a regular file.
_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")


class AtomicFile(io.FileIO):
    """New content for a file, written to a temporary file that `commit` renames and `discard` removes.

    Links are followed. The file keeps its mode unless `mode` is given; the default for a new one is that of the umask.
    A device, a pipe or an open stream is written directly. So is, on `commit`, a file that cannot be replaced because
    it is mounted, or its folder is read-only. Flush buffers before `commit`.
    """

    def __init__(self, path: Path, *, mode: int | None = None) -> None:
        """Open the temporary file; raises OSError if the file cannot be written."""
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
        """Whether the temporary file is empty; raises OSError."""
        return self._temporary is not None and not self._temporary.stat().st_size

    def sync(self) -> None:
        """Flush the file to the disk (fsync); raises OSError."""
        if self._temporary is not None:
            os.fsync(self.fileno())

    def commit(self) -> bool:
        """Close the file and rename it to its target; return False if the target was overwritten instead.

        Raises OSError if neither works, and removes the temporary file.
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
    """Replace the content of a file atomically, text in UTF-8; see `AtomicFile`.

    Raises OSError, and UnicodeEncodeError for text with lone surrogates; an existing file is then unchanged.
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
    """A file that cannot be read or is too large; `reason` is the message without its name.

    `code` is not_found, not_a_file, unreadable, too_large or not_text; `line` is known for the last only.
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
    """Return the content of a file of at most `limit` bytes; with `regular_only` it must be a regular file.

    Messages use `name` (by default the path) and `what`, the kind of file; `hint` is for a missing one. Raises
    FileError.
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
    """Raise FileError if the data has more than `limit` bytes."""
    if len(data) > limit:
        size = f"{limit // 1_000_000} MB" if limit >= 1_000_000 else f"{limit // 1_000} KB"
        raise FileError(f"{name}: larger than {size}", f"larger than {size}", code="too_large")


def decode(data: bytes, name: str, *, keep_mark: bool = False) -> str:
    """Return UTF-8 data as text; raises FileError with the line of the error. `keep_mark` keeps a byte order mark."""
    try:
        return data.decode("utf-8" if keep_mark else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
    # Raised outside of the except block: the cause would hold the whole file, which may be secret.
    raise FileError(f"{name}:{line}: not UTF-8 text", "not UTF-8 text", code="not_text", line=line)


def upward(folder: str) -> Iterator[str]:
    """Yield a folder and its parents, the nearest first."""
    above = os.path.dirname(folder)  # noqa: PTH120 - a Path a folder is slow
    yield folder
    while above != folder:
        folder, above = above, os.path.dirname(above)  # noqa: PTH120
        yield folder


def nearest(name: str, folder: str) -> str | None:
    """Return the nearest folder, from `folder` upward, that contains `name`, or None."""
    return next((each for each in upward(folder) if os.path.lexists(os.path.join(each, name))), None)  # noqa: PTH118


def _unreadable(name: str, reason: str, *, code: str = "unreadable") -> FileError:
    return FileError(f"cannot read {name}: {reason}", reason, code=code)


def _is_stream(path: Path) -> bool:
    """Return whether a path is a device, a pipe or an open stream, which is written directly."""
    if str(path).startswith(_STREAMS):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode)


def _followed(path: Path) -> Path:
    """Return the target of a path's links; raises OSError for a loop."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def _open_temporary(target: Path, mode: int | None) -> tuple[Path, int]:
    """Create a file beside a target or, if only the target is writable, in the system's temporary folder."""
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
    """Overwrite the content of a file with that of another."""
    with source.open("rb") as old, target.open("r+b") as new:
        shutil.copyfileobj(old, new)
        new.truncate()
        os.fsync(new.fileno())


# Where another machine may have the same file, so that neither locks nor clocks are those of one host.
_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
)


def network_file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the kind of the file system on which a path lies, if it is one of a network; elsewhere than on Linux None.

    The format of the mounts is in the page proc_pid_mountinfo(5).
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place = Path(os.path.realpath(path))
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5:
            continue
        top = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4])
        if len(top) >= best and place.is_relative_to(top):
            best, kind = len(top), after.split(" ")[0]
    return kind if kind in _NETWORK or kind.startswith("fuse.sshfs") else None
