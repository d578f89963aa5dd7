"""The errors of this program, and their exit codes."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `moderate`; they do not depend on the output format."""

    OK = 0
    FOUND = 1
    USAGE = 2
    INCOMPLETE = 3
    FATAL = 4
    PENDING = 5
    NO_INPUT = 6
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141

    @property
    def meaning(self) -> str:
        """The meaning of the code, as `moderate --help` and the README print it."""
        return _MEANINGS[self]


_MAX_LENGTH = 300  # characters of an unexpected error

_MEANINGS = {
    ExitCode.OK: "every input has a verdict, none at or above --fail-on",
    ExitCode.FOUND: "every input has a verdict, at least one at or above --fail-on",
    ExitCode.USAGE: "usage or settings error, before any paid call",
    ExitCode.INCOMPLETE: "some inputs have no verdict, or only a part: failed, unreadable, refused, not tried",
    ExitCode.FATAL: "fatal for the run: credentials, permission, billing, no connection",
    ExitCode.PENDING: "tasks still pending at the deadline",
    ExitCode.NO_INPUT: "no input matched (--allow-empty makes it 0)",
    ExitCode.BUG: "a bug in moderate, told once the other inputs are done; --debug shows the traceback",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.BROKEN_PIPE: "broken pipe",
}


class ModerateError(Exception):
    """An error with a message, a hint, and an exit code.

    `code` is a stable name for scripts (`error.code` in the record), and `message` one line without a full stop.
    """

    exit_code = ExitCode.INCOMPLETE

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint

    @property
    def ends_run(self) -> bool:
        """Whether every further input would fail with the same error."""
        return self.exit_code == ExitCode.FATAL


class UsageError(ModerateError):
    """The command line or a setting is invalid; nothing was sent."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, code: str = "usage", hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)


class CredentialsError(ModerateError):
    """No usable credentials were found."""

    exit_code = ExitCode.FATAL

    def __init__(self, message: str, *, code: str = "no_credentials", hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)


class InputError(ModerateError):
    """An input is invalid; other inputs are not affected."""


class NotTriedError(Exception):
    """The run ends before this input and all later ones."""


class CallCapError(NotTriedError):
    """The run has reached its limit of billed calls."""


class StoppedError(NotTriedError):
    """The run was stopped before this call was sent."""


class BugError(ModerateError):
    """An unexpected error left an input without a verdict."""

    exit_code = ExitCode.BUG

    def __init__(self, error: Exception) -> None:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:_MAX_LENGTH]
        super().__init__(f"a bug in moderate: {words}", code="bug", hint="run again with --debug and report it")


class RefusedError(InputError):
    """An input that is not sent because the service would refuse it.

    `api_code` is the code that the service would have returned in the body.
    """

    def __init__(self, message: str, *, code: str, api_code: int, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.api_code = api_code


class ServiceError(ModerateError):
    """A call failed, in the service or on the network.

    `api_code` is the code in the response body and `http_status` the status of the response, if there was one.
    `retryable` says that the same call may succeed later; `max_attempts` limits the attempts that end with this `code`,
    if to fewer than usual; `retry_after` (seconds) is the delay that the service asked for; `throttled` says that there
    were too many calls. `fatal` says that every further call would fail too, and `clock_skew` by how many seconds this
    machine's clock is ahead.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str | None = None,
        api_code: int | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        fatal: bool = False,
        max_attempts: int | None = None,
        retry_after: float | None = None,
        throttled: bool = False,
        clock_skew: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.api_code = api_code
        self.http_status = http_status
        self.request_id = request_id
        self.retryable = retryable
        self.fatal = fatal
        self.max_attempts = max_attempts
        self.retry_after = retry_after
        self.throttled = throttled
        self.clock_skew = clock_skew
        self.attempts = 1
        self.repeated = False  # sent again after its response was lost
        if fatal:
            self.exit_code = ExitCode.FATAL
