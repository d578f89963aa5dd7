"""Where do several processes share one quota? In a file of this host, or in Redis; without it each takes its share.

Each call reserves its start, so that nobody asks twice, and a process has one reservation at a time: measured in
November 2026 with 4 processes of 16 threads, 0.981 of the quota and none throttled, where processes that knew nothing
of each other used 0.79 with 1.8 % throttled.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import DecodeError, Struct, msgpack

from moderate_cli.client import pace as rule
from moderate_cli.client.limits import OwnPlace, Place, RateKey, RateState, Reservation
from moderate_cli.client.pace import Pace
from moderate_cli.common.errors import ExitCode, ModerateError, UsageError
from moderate_cli.common.files import network_file_system
from moderate_cli.common.masking import without_password
from moderate_cli.common.redis_door import open_redis

_RETRY = 30.0  # seconds after which a lost place is tried again
_MAGIC = b"moderate quota 1\n"
_MAX_BYTES = 16_000_000
# Seconds to wait for the lock of a file. It is held for some 50 µs, yet once for more than 2 s, where 16 processes had
# two processors and a disk, with other work (November 2026). Whoever gives up goes on without the others.
_LOCK_FOR = 15.0
_LOCK_STEP = 0.001
_ITS_CLOCK = "local time = redis.call('TIME')\nlocal now = time[1] + time[2] / 1e6"

Operation = Literal["reserve", "refused", "rate"]

log = logging.getLogger(__name__)


class QuotaError(ModerateError):
    """The place of the shared quota cannot be used; nothing was sent."""

    exit_code = ExitCode.FATAL


class Answer(Struct, frozen=True):
    """What a keeper says: a start by its clock, in how many seconds that is, and how things stand."""

    start: float
    delay: float
    state: RateState


class Keeper(Protocol):
    """Keeps the numbers of all quotas; safe to share between threads and processes."""

    @property
    def name(self) -> str:
        """How the place is called in messages."""

    def ask(
        self,
        operation: Operation,
        key: RateKey,
        subject: str | float = "",
        accepted: Sequence[float] = (),
        *,
        waited: bool = False,
    ) -> Answer:
        """Reserve a start for a member, slow down after a refused start, or tell the rate; raises QuotaError."""


class FileKeeper:
    """Keeps quotas in a file of this host, under a lock and by the clock that all its processes share.

    Raises UsageError for a file that is none of ours or lies on another host, and QuotaError for one that cannot be
    read and written.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.name = f"file:{path}"
        self._path = path
        self._monotonic = monotonic
        self._decoder = msgpack.Decoder(dict[str, Pace])
        self._fcntl = _load_fcntl()
        if kind := network_file_system(path):
            raise UsageError(
                f"{path} is on a network file system ({kind}), and a quota in a file is for one host",
                hint="name a file on a local disk, or redis://HOST:PORT",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._lost(error) from error
        with self._locked() as file:
            content = os.pread(file, len(_MAGIC), 0)
        if content and content != _MAGIC:
            raise UsageError(f"{path} is another kind of file, not a quota", hint="name a file that does not exist yet")

    def ask(
        self,
        operation: Operation,
        key: RateKey,
        subject: str | float = "",
        accepted: Sequence[float] = (),
        *,
        waited: bool = False,
    ) -> Answer:
        """Do one thing under the lock of the file; raises QuotaError."""
        with self._locked() as file:
            now = self._monotonic()
            paces = {name: pace for name, pace in self._read(file).items() if pace.is_current(now)}
            answer = _answer(paces, now, operation, key, subject, accepted, waited=waited)
            if operation != "rate":
                self._write(file, paces)
        return answer

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Open and lock the file; each time anew, because a process that is forked would share the lock."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise OSError("not a regular file")
                self._lock(file)
                yield file
            finally:
                os.close(file)
        except OSError as error:
            raise self._lost(error) from error

    def _lock(self, file: int) -> None:
        """Lock a file; raises TimeoutError where somebody holds it who does not go on."""
        until = time.monotonic() + _LOCK_FOR
        while True:
            try:
                return self._fcntl.flock(file, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)  # type: ignore[no-any-return]
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError("its lock is held") from None
                time.sleep(_LOCK_STEP)

    def _read(self, file: int) -> dict[str, Pace]:
        """Return what the file says; where its writer was killed, nothing is known."""
        try:
            return self._decoder.decode(os.pread(file, _MAX_BYTES, len(_MAGIC)))
        except DecodeError:
            return {}

    def _write(self, file: int, paces: dict[str, Pace]) -> None:
        content = _MAGIC + msgpack.encode(paces)
        os.pwrite(file, content, 0)
        os.ftruncate(file, len(content))

    def _lost(self, error: OSError) -> QuotaError:
        return _unusable(self.name, error.strerror or str(error))


class MemoryKeeper:
    """Keeps quotas in the memory of one process, which others ask: an actor of an engine that has such.

    It is asked by one thread at a time.
    """

    name = "memory"

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._paces: dict[str, Pace] = {}

    def ask(
        self,
        operation: Operation,
        key: RateKey,
        subject: str | float = "",
        accepted: Sequence[float] = (),
        *,
        waited: bool = False,
    ) -> Answer:
        """Do one thing."""
        return _answer(self._paces, self._monotonic(), operation, key, subject, accepted, waited=waited)


class RedisKeeper:
    """Keeps quotas in Redis, by its clock; raises UsageError without its package or for no address of it."""

    def __init__(self, address: str) -> None:
        self.name = without_password(address)
        client, self._errors = open_redis(address)
        self._script = client.register_script(script(_ITS_CLOCK))

    def ask(
        self,
        operation: Operation,
        key: RateKey,
        subject: str | float = "",
        accepted: Sequence[float] = (),
        *,
        waited: bool = False,
    ) -> Answer:
        """Do one thing in one script; raises QuotaError."""
        arguments = [operation, repr(key.per_second), int(key.auto), subject if subject == "" else str(subject)]
        try:
            answer = self._script(redis_keys(key), [*arguments, int(waited), *map(repr, accepted)])
        except self._errors as error:
            raise _unusable(self.name, str(error)) from error
        return read_answer(answer)


def script(clock: str) -> str:
    """Return the rule for Redis, below Lua that sets `now`."""
    constants = "".join(f"local {name} = {value!r}\n" for name, value in vars(rule).items() if name.isupper())
    text = Path(rule.__file__).with_suffix(".lua").read_text(encoding="utf-8")
    return f"{clock}\n{constants}{text}"


def redis_keys(key: RateKey) -> list[str]:
    """Return the keys in Redis of one quota; the braces keep them on one node of a cluster."""
    name = f"moderate:quota:{{{name_of(key)}}}"
    return [name, f"{name}:accepted", f"{name}:members"]


def read_answer(answer: Sequence[bytes]) -> Answer:
    """Return what the script for Redis says."""
    start, delay, sharing, rate, borne = answer
    state = RateState(float(rate), int(sharing), float(borne) if borne else None)
    return Answer(float(start), float(delay), state)


def name_of(key: RateKey) -> str:
    """Return the name of a quota in places that others can read: it does not tell the account."""
    return hashlib.sha256(repr(key).encode()).hexdigest()[:32]


class SharedQuota:
    """The quotas that this process shares with others, by where they are kept.

    Where that is lost, one line of the log says so, and calls go on at the rate by the number of processes that shared
    it, until it is found again.
    """

    def __init__(self, keeper: Keeper, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.keeper = keeper
        self.member = secrets.token_hex(8)
        self.monotonic = monotonic
        self._lock = threading.Lock()
        self._retry_at: float | None = None

    def place(self, key: RateKey) -> Place:
        """Return where the numbers of one quota are kept."""
        return _SharedPlace(self, key)

    @property
    def is_lost(self) -> bool:
        """Whether the place is lost, and not yet tried again."""
        with self._lock:
            return self._retry_at is not None and self.monotonic() < self._retry_at

    def lose(self, error: QuotaError, sharing: int) -> None:
        """Say once that the place is lost, and when it is tried again."""
        with self._lock:
            is_new, self._retry_at = self._retry_at is None, self.monotonic() + _RETRY
        if is_new:
            log.warning("%s; going on without it, at 1/%d of the rate", error.message, max(1, sharing))

    def find(self) -> None:
        """Note down that the place works."""
        with self._lock:
            was_lost, self._retry_at = self._retry_at is not None, None
        if was_lost:
            log.warning("the shared quota at %s works again", self.keeper.name)


class _SharedPlace:
    """One quota at a keeper, and what stands in for it. The clock goes on as the keeper's where that is lost."""

    def __init__(self, quota: SharedQuota, key: RateKey) -> None:
        self._quota = quota
        self._key = key
        self._lock = threading.Lock()
        self._ahead = 0.0
        self._sharing = 1
        self._own: OwnPlace | None = None

    def reserve(self, accepted: Sequence[float], *, waited: bool) -> Reservation:
        answer = self._ask("reserve", self._quota.member, accepted, waited=waited)
        if answer is None:
            return self._stand_in().reserve(accepted, waited=waited)
        with self._lock:
            self._ahead = answer.start - answer.delay - self._quota.monotonic()
            self._sharing, self._own = answer.state.sharing, None
        return Reservation(answer.start, answer.delay)

    def refused(self, started: float, accepted: Sequence[float]) -> float:
        answer = self._ask("refused", started, accepted)
        return self._stand_in().refused(started, accepted) if answer is None else answer.delay

    def state(self) -> RateState:
        answer = self._ask("rate")
        return self._stand_in().state() if answer is None else answer.state

    def _ask(
        self, operation: Operation, subject: str | float = "", accepted: Sequence[float] = (), *, waited: bool = False
    ) -> Answer | None:
        """Ask the keeper; None where it is lost."""
        if self._quota.is_lost:
            return None
        try:
            answer = self._quota.keeper.ask(operation, self._key, subject, accepted, waited=waited)
        except QuotaError as error:
            self._quota.lose(error, self._sharing)
            return None
        self._quota.find()
        return answer

    def _stand_in(self) -> OwnPlace:
        with self._lock:
            if self._own is None:
                ahead, monotonic = self._ahead, self._quota.monotonic
                share = Pace(self._key.per_second / max(1, self._sharing))
                self._own = OwnPlace(share, lambda: monotonic() + ahead)
            return self._own


def open_quota(address: str, default: Path) -> SharedQuota:
    """Return the quotas at an address, `file:PATH` or that of Redis; `file:` alone is the default file.

    Raises UsageError for an address that cannot be one, and QuotaError where nothing can be kept there now.
    """
    if address.startswith("file:"):
        name = address.removeprefix("file:")
        keeper: Keeper = FileKeeper(Path(name).expanduser().absolute() if name else default)
    else:
        keeper = RedisKeeper(address)
    keeper.ask("rate", RateKey("", "", "", 1.0))
    return SharedQuota(keeper)


def _answer(
    paces: dict[str, Pace],
    now: float,
    operation: Operation,
    key: RateKey,
    subject: str | float,
    accepted: Sequence[float],
    *,
    waited: bool,
) -> Answer:
    """Do one thing with the numbers of a quota."""
    name = name_of(key)
    pace = paces.get(name)
    if pace is None or not pace.is_current(now):
        pace = paces[name] = Pace(key.per_second, key.auto)
    pace.accepted(accepted)
    start, delay = now, 0.0
    if operation == "reserve":
        delay = pace.reserve(now, waited=waited, member=str(subject))
        start = now + delay
    elif operation == "refused":
        delay = pace.refused(float(subject), now)
    return Answer(start, delay, RateState(pace.rate_at(now), pace.sharing(now), pace.borne))


def _load_fcntl() -> Any:
    try:
        return import_module("fcntl")
    except ImportError as error:
        raise UsageError("a quota in a file needs the file locks of POSIX", hint="use redis://HOST:PORT") from error


def _unusable(name: str, reason: str) -> QuotaError:
    return QuotaError(
        f"the shared quota at {name} cannot be used: {reason}",
        code="quota_unavailable",
        hint="start it or check its address; without --quota each process keeps to the rate alone",
    )
