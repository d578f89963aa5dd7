"""What did other hosts have judged already? Answers in Redis, behind the store of this one."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import zlib
from typing import Any

from moderate_cli.app.cache import ResultCache, is_answer, reused
from moderate_cli.common.errors import ExitCode, ModerateError
from moderate_cli.common.masking import without_password
from moderate_cli.common.redis_door import open_redis
from moderate_cli.models import FileStat, ImageUrl, Judged, Known, OssObject, Outcome
from moderate_cli.records import from_json, to_record
from moderate_cli.store import UNREADABLE, Answer

_MAX_BYTES = 4_000_000  # of an answer once it is unpacked: Redis may hold what others wrote

log = logging.getLogger(__name__)


class AnswersError(ModerateError):
    """The shared answers cannot be used; nothing was sent."""

    exit_code = ExitCode.FATAL


class SharedAnswers:
    """Answers in Redis by question and image; safe to share between threads.

    `keep_for` is in seconds, None for ever. Where Redis is lost in the middle of a run, one line of the log says so,
    and the run goes on with what its own store knows. Raises UsageError without the package or for no address of Redis,
    and AnswersError where it does not answer.
    """

    def __init__(self, address: str, *, keep_for: float | None) -> None:
        self._name = without_password(address)
        self._keep_for = keep_for
        self._client, self._errors = open_redis(address)
        self._lock = threading.Lock()
        self._is_lost = False
        try:
            self._client.ping()
        except self._errors as error:
            message = f"the answers at {self._name} cannot be read: {error}"
            raise AnswersError(message, code="answers_unavailable", hint="start Redis, or check its address") from error

    def find(self, question: str, image: str) -> Answer | None:
        """Return the answer to a question about an image, None for none that can be read."""
        packed = self._attempt("get", _key(question, image))
        if packed is None:
            return None
        try:
            unpacked = zlib.decompressobj().decompress(packed, _MAX_BYTES)
            found = from_json(unpacked)
            return Answer(found["record"], float(found["at"]), None)
        except (*UNREADABLE, zlib.error):
            log.warning("an answer at %s cannot be read; asking again", self._name)
            return None

    def keep(self, question: str, image: str, record: dict[str, Any], at: float) -> None:
        """Keep an answer that was given at a time, in Unix seconds."""
        packed = zlib.compress(json.dumps({"at": at, "record": record}).encode())
        expiry = None if self._keep_for is None else max(1, round(self._keep_for))
        self._attempt("set", _key(question, image), packed, ex=expiry)

    def _attempt(self, command: str, *arguments: Any, **options: Any) -> Any:
        if self._is_lost:
            return None
        try:
            return getattr(self._client, command)(*arguments, **options)
        except self._errors as error:
            with self._lock:
                is_new, self._is_lost = not self._is_lost, True
            if is_new:
                log.warning("the answers at %s are lost (%s); going on with those of this machine", self._name, error)
            return None


class SharedCache:
    """The answers of this machine's store, and behind it those that all hosts share."""

    def __init__(self, own: ResultCache, answers: SharedAnswers) -> None:
        self._own = own
        self._answers = answers

    def get(self, known: Known, fingerprint: FileStat | None) -> Outcome | None:
        """Return the earlier answer about the same image, as the outcome of this one."""
        found = self._own.get(known, fingerprint)
        image = self._image(known)
        if found is not None or image is None:
            return found
        answer = self._answers.find(self._own.question, image)
        if answer is None or answer.judged_at < (self._own.since or 0.0):
            return None
        return reused(known, answer, self.saved_calls(known))

    def put(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        """Keep an outcome in the store, and for all hosts where it answers the question."""
        outcome = self._own.recorder.dated(outcome)
        self._own.put(outcome, fingerprint)
        image = self._image(outcome)
        if isinstance(outcome, Judged) and is_answer(outcome) and image is not None:
            self._answers.keep(self._own.question, image, to_record(outcome), outcome.at or 0.0)

    def saved_calls(self, known: Known) -> int:
        """Return how many calls are saved where an image need not be sent a second time."""
        return self._own.saved_calls(known)

    def _image(self, known: Known) -> str | None:
        """Return what names an image on all hosts: its content, or its address where that is trusted."""
        if known.sha256 is not None:
            return known.sha256
        is_address = isinstance(known.item.image, ImageUrl | OssObject)
        return known.item.source if self._own.addresses and is_address else None


def _key(question: str, image: str) -> str:
    return f"moderate:answer:{question}:{hashlib.sha256(image.encode('utf-8', 'surrogateescape')).hexdigest()}"
