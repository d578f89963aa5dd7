"""What do the emulated services remember? Keys, nonces, upload tokens, objects, tasks and judged calls."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
import re
import secrets
import tempfile
import threading
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from moderate_cli.common.files import atomic_write
from moderate_cli.common.masking import repr_without
from moderate_cli.emulator.messages import BodyError

if TYPE_CHECKING:
    from collections.abc import Callable

UPLOAD_BUCKET = "oss-cip-local"
"""The bucket of every upload token; the vendor's are named after their region, such as oss-cip-shanghai."""

IN_PROGRESS = 280
"""The code of a task that has no result yet (vendor's page of the asynchronous API)."""

UPLOAD_LIFETIME = 30 * 60
"""Seconds that the vendor keeps an uploaded file (page of the synchronous API, March 2026)."""

MAX_OBJECTS_SIZE = 1024**3
"""Bytes on disk beyond which the oldest objects go; a limit of this emulator, not of the vendor."""

MAX_TASKS = 10_000
"""Tasks beyond which the oldest finished ones go; a limit of this emulator, not of the vendor."""

REQUEST_MEMORY = 10_000
"""Judged calls that are remembered by their request ids; a limit of this emulator, not of the vendor."""

CLOCK_TOLERANCE = 15 * 60
"""Seconds that a request's date may differ from the service's clock, at the Green API and at OSS."""

_NONCE_MEMORY = 2 * CLOCK_TOLERANCE
"""Seconds for which a nonce matters: a request dated at the far end of the tolerance passes for this long."""

_TOKEN_LIFETIME = 60 * 60  # seconds
_DAY = 24 * 60 * 60  # seconds
_MAX_AGE = 3 * 86_400  # seconds: no result is kept for longer than those of images
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class AccessKey(Struct, frozen=True):
    """A key pair for the Green API; one with a security token is a temporary (STS) credential."""

    access_key_id: str
    access_key_secret: str
    security_token: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "access_key_secret", "security_token")

    @classmethod
    def random(cls) -> AccessKey:
        """Return a new random key pair."""
        return cls(f"LOCAL{secrets.token_hex(10).upper()}", secrets.token_urlsafe(24))


class UploadToken(Struct, frozen=True):
    """A grant to put objects under one prefix of one bucket, until it expires."""

    access_key_id: str
    access_key_secret: str
    security_token: str
    bucket: str
    prefix: str
    expiration: int

    def __repr__(self) -> str:
        return repr_without(self, "access_key_secret", "security_token")

    @classmethod
    def random(cls, expiration: int) -> UploadToken:
        """Return a new grant with its own prefix; `expiration` is in Unix seconds."""
        return cls(
            access_key_id=f"STS.{secrets.token_hex(10).upper()}",
            access_key_secret=secrets.token_urlsafe(24),
            security_token=secrets.token_urlsafe(48),
            bucket=UPLOAD_BUCKET,
            prefix=f"upload/{secrets.token_hex(6)}/",
            expiration=expiration,
        )


def is_same(left: str, right: str) -> bool:
    """Compare two secrets or signatures in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


class State:
    """The memory of one emulator; every method is safe to call from many threads."""

    def __init__(
        self, clock: Callable[[], float], polls_before_result: int = 0, files: TaskFiles | None = None
    ) -> None:
        self.clock = clock
        self.objects = ObjectStore(clock)
        self.waiting = ObjectStore(clock, keeps=True)  # the images of tasks that have not been examined yet
        self.tasks = TaskStore(clock, polls_before_result, files=files)
        self._lock = threading.Lock()
        self._keys: dict[str, AccessKey] = {}
        self._nonces: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._upload_tokens: dict[str, UploadToken] = {}
        self._judged_requests: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._answered: Counter[str] = Counter()
        self._refused = 0

    def add_key(self, key: AccessKey) -> None:
        """Make an access key known to the service."""
        with self._lock:
            self._keys[key.access_key_id] = key

    def key(self, access_key_id: str) -> AccessKey | None:
        """Return the access key of an id, or None where it is unknown."""
        with self._lock:
            return self._keys.get(access_key_id)

    def is_new_nonce(self, access_key_id: str, nonce: str) -> bool:
        """Remember a key's nonce, and tell whether it was seen for the first time."""
        now = self.clock()
        with self._lock:
            _drop_older(self._nonces, now - _NONCE_MEMORY)
            if (access_key_id, nonce) in self._nonces:
                return False
            self._nonces[access_key_id, nonce] = now
            return True

    def nonce_count(self) -> int:
        """Return how many nonces are remembered."""
        with self._lock:
            return len(self._nonces)

    def issue_upload_token(self) -> UploadToken:
        """Make an upload token that is valid for one hour."""
        now = self.clock()
        token = UploadToken.random(int(now) + _TOKEN_LIFETIME)
        with self._lock:
            # An expired token stays known for a while, so that using it is answered with "expired".
            limit = now - _TOKEN_LIFETIME
            outdated = [name for name, old in self._upload_tokens.items() if old.expiration < limit]
            for name in outdated:
                del self._upload_tokens[name]
            self._upload_tokens[token.access_key_id] = token
        return token

    def upload_token(self, access_key_id: str) -> UploadToken | None:
        """Return the upload token with an access key id, or None where it is unknown."""
        with self._lock:
            return self._upload_tokens.get(access_key_id)

    def remember_request(self, request_id: str, ext: Mapping[str, Any]) -> None:
        """Remember the request id of a call that judged an image, and the `Ext` of its answer."""
        with self._lock:
            self._judged_requests[request_id] = ext
            if len(self._judged_requests) > REQUEST_MEMORY:
                self._judged_requests.popitem(last=False)

    def ext_of(self, request_id: str) -> Mapping[str, Any] | None:
        """Return the `Ext` of the answer to a call that judged an image, or None for any other id."""
        with self._lock:
            return self._judged_requests.get(request_id)

    def count_answered(self, operation: str) -> None:
        """Count a call that was carried out."""
        with self._lock:
            self._answered[operation] += 1

    def count_refused(self) -> None:
        """Count a call that was answered with an error."""
        with self._lock:
            self._refused += 1

    def calls(self) -> tuple[Mapping[str, int], int]:
        """Return how many calls of each operation were carried out, and how many calls were refused."""
        with self._lock:
            return dict(self._answered), self._refused

    def reset(self) -> None:
        """Forget everything but the keys, and the tasks that still run."""
        with self._lock:
            self._nonces.clear()
            self._upload_tokens.clear()
            self._judged_requests.clear()
            self._answered.clear()
            self._refused = 0
        self.objects.close()
        self.tasks.forget_finished()

    def close(self) -> None:
        """Delete what was stored on disk."""
        self.objects.close()
        self.waiting.close()


def _drop_older(seen: OrderedDict[tuple[str, str], float], limit: float) -> None:
    """Drop the entries from before a time, which are the first ones."""
    while seen and next(iter(seen.values())) < limit:
        seen.popitem(last=False)


class TaskKind(Enum):
    """What a task is about; the value is the seconds for which its result is kept (vendor's pages, March 2026)."""

    IMAGE = 3 * _DAY
    POST = _DAY


class _Task(Struct):
    """One task; its outcome is unknown while it runs."""

    kind: TaskKind
    polls_left: int
    outcome: Mapping[str, Any] | BodyError | None = None
    finished_at: float = 0


class TaskStore:
    """Tasks by id, limited in number; safe to use from many threads.

    The first `polls_before_result` polls of each task are answered with "in progress".
    """

    def __init__(
        self,
        clock: Callable[[], float],
        polls_before_result: int = 0,
        capacity: int = MAX_TASKS,
        files: TaskFiles | None = None,
    ) -> None:
        self._clock = clock
        self._files = files
        self._polls = polls_before_result
        self._capacity = capacity
        self._lock = threading.Lock()
        self._running: dict[str, _Task] = {}
        # In the order in which they were finished.
        self._finished: OrderedDict[str, _Task] = OrderedDict()

    def add(self, task_id: str, kind: TaskKind) -> None:
        """Remember a task that waits; raises BodyError where too many do."""
        with self._lock:
            if len(self._running) >= self._capacity:
                raise BodyError(403, f"{self._capacity} tasks are waiting; try again later")
            while len(self._running) + len(self._finished) >= self._capacity:
                self._finished.popitem(last=False)
            self._running[task_id] = _Task(kind, self._polls)
        self._note(task_id, kind, self._clock())

    def finish(self, task_id: str, outcome: Mapping[str, Any] | BodyError) -> None:
        """Remember the outcome of a task: the Data of its result, or the error."""
        with self._lock:
            task = self._running.pop(task_id)
            task.outcome, task.finished_at = outcome, self._clock()
            self._finished[task_id] = task
        if isinstance(outcome, BodyError):
            self._note(task_id, task.kind, task.finished_at, error=[outcome.code, outcome.message])
        else:
            self._note(task_id, task.kind, task.finished_at, data=outcome)

    def result(self, task_id: str, kind: TaskKind) -> Mapping[str, Any]:
        """Return the Data of a task's result, or raise the BodyError that takes its place."""
        with self._lock:
            self._forget_if_outdated(task_id)
            task = self._running.get(task_id) or self._finished.get(task_id) or self._from_file(task_id)
            if task is None or task.kind is not kind:
                # The response of the service is not documented; "a parameter is incorrect" fits best.
                raise BodyError(401, "there is no task with this ReqId, or its result has expired")
            task.polls_left -= 1
            if task.outcome is None or task.polls_left >= 0:
                raise BodyError(IN_PROGRESS, "the task is being processed")
            if isinstance(task.outcome, BodyError):
                raise BodyError(task.outcome.code, task.outcome.message)
            return task.outcome

    def forget_finished(self) -> None:
        """Forget the tasks that have a result."""
        with self._lock:
            self._finished.clear()

    def _note(self, task_id: str, kind: TaskKind, at: float, **outcome: Any) -> None:
        if self._files:
            self._files.write(task_id, {"kind": kind.name, "at": at, **outcome})

    def _from_file(self, task_id: str) -> _Task | None:
        """Return a task of another process, which may still be running."""
        content = self._files.read(task_id) if self._files else None
        if content is None or content["at"] <= self._clock() - TaskKind[content["kind"]].value:
            return None
        outcome = BodyError(*content["error"]) if "error" in content else content.get("data")
        return _Task(TaskKind[content["kind"]], 0, outcome, content["at"])

    def count(self) -> int:
        """Return how many tasks are remembered."""
        return len(self.ids())

    def ids(self) -> set[str]:
        """Return the ids of the tasks that are remembered."""
        with self._lock:
            return {*self._running, *self._finished}

    def _forget_if_outdated(self, task_id: str) -> None:
        """Drop a result that has expired."""
        task = self._finished.get(task_id)
        if task and task.finished_at <= self._clock() - task.kind.value:
            del self._finished[task_id]


class TaskFiles:
    """One file per finished task, in a folder that only its owner may read.

    Another process with the local engine can be asked for their results. Where nothing can be written, because the file
    system is read-only or full, only this process knows its tasks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in folder.glob("*.json"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _MAX_AGE:
                    path.unlink()

    def write(self, task_id: str, content: Mapping[str, Any]) -> None:
        """Write the outcome of a task, where that is possible."""
        path = self._path(task_id)
        if path is None:
            return
        with suppress(OSError):
            atomic_write(path, json.dumps(content), mode=0o600)

    def read(self, task_id: str) -> dict[str, Any] | None:
        """Return the outcome of a task, or None where it was not written."""
        path = self._path(task_id)
        if path is None:
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content

    def _path(self, task_id: str) -> Path | None:
        return self._folder / f"{task_id}.json" if _ID.fullmatch(task_id) else None


class StoreFullError(Exception):
    """A store that gives nothing up has no room for an object."""


class ObjectStore:
    """Objects by bucket and key, limited in age and in total size; safe to use from many threads.

    What is too old goes, and so do the oldest objects where room is needed; with `keeps` nothing goes by itself.
    """

    def __init__(self, clock: Callable[[], float], capacity: int = MAX_OBJECTS_SIZE, *, keeps: bool = False) -> None:
        self._clock = clock
        self._capacity = capacity
        self._keeps = keeps
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        # Oldest first: an object that is put again moves to the end.
        self._objects: OrderedDict[tuple[str, str], _Spooled] = OrderedDict()
        self._total = 0

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store an object, in place of an earlier one of the same name; raises StoreFullError with `keeps`."""
        with self._lock:
            self._forget((bucket, key))
            self._make_room(len(content))
            path = self._spool_folder() / uuid.uuid4().hex
            path.write_bytes(content)
            self._objects[bucket, key] = _Spooled(path, len(content), self._clock())
            self._total += len(content)

    def get(self, bucket: str, key: str, max_age: float = UPLOAD_LIFETIME) -> bytes | None:
        """Return an object's bytes, or None where it does not exist or has expired; `max_age` is in seconds."""
        with self._lock:
            self._make_room(0)
            spooled = self._objects.get((bucket, key))
            if spooled is None or not (self._keeps or spooled.stored_at > self._clock() - max_age):
                return None
            # Read under the lock: an eviction must not delete the file halfway.
            return spooled.path.read_bytes()

    def listing(self, bucket: str, prefix: str, after: str, limit: int) -> list[Listed]:
        """Return the first objects of a bucket behind a key, in the order of their UTF-8 names."""
        with self._lock:
            self._make_room(0)
            keys = (key for owner, key in self._objects if owner == bucket and key.startswith(prefix) and key > after)
            # The order of code points is that of UTF-8.
            return [self._listed(bucket, key) for key in heapq.nsmallest(limit, keys)]

    def _listed(self, bucket: str, key: str) -> Listed:
        spooled = self._objects[bucket, key]
        digest = hashlib.md5(spooled.path.read_bytes(), usedforsecurity=False).hexdigest()
        return Listed(key, digest.upper(), spooled.size, spooled.stored_at)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object if it is there."""
        with self._lock:
            self._forget((bucket, key))

    def count(self) -> int:
        """Return how many objects are stored."""
        with self._lock:
            return len(self._objects)

    def close(self) -> None:
        """Delete all objects and the folder that holds them."""
        with self._lock:
            self._objects.clear()
            self._total = 0
            if self._folder:
                self._folder.cleanup()
                self._folder = None

    @property
    def folder(self) -> Path | None:
        """The folder that holds the objects, or None while nothing was stored."""
        return Path(self._folder.name) if self._folder else None

    def _spool_folder(self) -> Path:
        """Return the folder for objects, made when the first one arrives."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="moderate-emulator-")
        return Path(self._folder.name)

    def _make_room(self, incoming: int) -> None:
        """Drop what is too old, then the oldest until the incoming bytes fit; with `keeps` only see whether they do."""
        if self._keeps:
            if self._total + incoming > self._capacity:
                raise StoreFullError
            return
        limit = self._clock() - UPLOAD_LIFETIME
        while self._objects:
            name, oldest = next(iter(self._objects.items()))
            if oldest.stored_at > limit and self._total + incoming <= self._capacity:
                return
            self._forget(name)

    def _forget(self, name: tuple[str, str]) -> None:
        """Delete an object if it is there."""
        spooled = self._objects.pop(name, None)
        if spooled:
            self._total -= spooled.size
            spooled.path.unlink(missing_ok=True)


class Listed(Struct, frozen=True):
    """An object as a listing shows it: its ETag is the MD5 of its content."""

    key: str
    etag: str
    size: int
    stored_at: float


class _Spooled(Struct, frozen=True):
    """One object on disk."""

    path: Path
    size: int
    stored_at: float
