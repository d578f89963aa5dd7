"""What the emulated services remember: keys, nonces, upload tokens, objects, tasks and judged calls."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from moderate_cli.emulator.keys import UploadToken
from moderate_cli.emulator.objects import ObjectStore
from moderate_cli.emulator.task_files import TaskFiles
from moderate_cli.emulator.tasks import TaskStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moderate_cli.emulator.keys import AccessKey

CLOCK_TOLERANCE = 15 * 60
"""Seconds that a request's date may differ from the service's clock, at the Green API and at OSS."""

_NONCE_MEMORY = 2 * CLOCK_TOLERANCE
"""Seconds for which a nonce matters: a request dated at the far end of the tolerance passes for this long."""

_TOKEN_LIFETIME = 60 * 60

REQUEST_MEMORY = 10_000
"""Judged calls that are remembered by their request ids; a limit of this emulator, not of the vendor."""


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
        self._judged_requests: OrderedDict[str, None] = OrderedDict()
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

    def remember_request(self, request_id: str) -> None:
        """Remember the request id of a call that judged an image."""
        with self._lock:
            self._judged_requests[request_id] = None
            if len(self._judged_requests) > REQUEST_MEMORY:
                self._judged_requests.popitem(last=False)

    def is_judged_request(self, request_id: str) -> bool:
        """Tell whether a request id is that of a call that judged an image."""
        with self._lock:
            return request_id in self._judged_requests

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

    def close(self) -> None:
        """Delete what was stored on disk."""
        self.objects.close()
        self.waiting.close()


def _drop_older(seen: OrderedDict[tuple[str, str], float], limit: float) -> None:
    """Drop the entries from before a time, which are the first ones."""
    while seen and next(iter(seen.values())) < limit:
        seen.popitem(last=False)
