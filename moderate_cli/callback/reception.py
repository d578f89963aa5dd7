"""What is answered to a push, apart from the network: verify, save, and only then say yes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from moderate_cli.callback.checksum import Algorithm, verify
from moderate_cli.callback.message import Callback, CallbackError, parse_form
from moderate_cli.common.digests import NoSm3Error

RETRY_AFTER = 30  # seconds; how long the service really waits before it pushes again is not documented


@dataclass(frozen=True, slots=True)
class Reply:
    """A status with a line of text."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


LISTENING = Reply(200, "listening")
"""What a load balancer is told that asks whether we live; nobody else hears of it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A push that was not accepted, and why; `error` is what `save` raised."""

    status: int
    reason: str
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """Who is believed, and who keeps what they say, and says in a few words what became of it."""

    save: Callable[[Callback], str]
    uid: str
    seed: str = field(repr=False)
    algorithms: tuple[Algorithm, ...]
    refused: Callable[[Refusal], None]

    def receive(self, form: bytes) -> Reply:
        """Answer a pushed form: 200 once it is saved, and whatever makes the service push again where it is not."""
        try:
            fields = parse_form(form)
            # Nothing that a stranger sent is read any further.
            if not any(verify(fields.checksum, self.uid, self.seed, fields.content, each) for each in self.algorithms):
                return self.refuse(403, "wrong checksum")
            callback = fields.open()
        except NoSm3Error as error:  # it may be right, and is not believed all the same
            return self.refuse(403, f"cannot verify the checksum: {error.message}")
        except CallbackError as error:
            return self.refuse(400, error.message)
        try:
            return Reply(200, self.save(callback))
        except Exception as error:  # noqa: BLE001 - whatever kept it from being saved, the service shall push it again
            self.refused(Refusal(503, "not saved", error))
            return Reply(503, "not saved, push again", {"Retry-After": str(RETRY_AFTER)})

    def refuse(self, status: int, reason: str, **headers: str) -> Reply:
        """Return a refusal, having told the owner of the server about it."""
        self.refused(Refusal(status, reason))
        return Reply(status, reason, headers)
