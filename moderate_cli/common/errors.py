"""What can go wrong, and the exit code that tells a script about it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `moderate`; the format of the output never changes them."""

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
        """What the code says, as `moderate --help` and the README print it."""
        return _MEANINGS[self]


_MAX_LENGTH = 300  # characters of an error that nobody foresaw

_MEANINGS = {
    ExitCode.OK: "every input has a verdict, none at or above --fail-on",
    ExitCode.FOUND: "every input has a verdict, at least one at or above --fail-on",
    ExitCode.USAGE: "usage or settings error, before any paid call",
    ExitCode.INCOMPLETE: "some inputs have no verdict, or only a part: failed, unreadable, refused, not tried",
    ExitCode.FATAL: "fatal for the run: credentials, permission, billing",
    ExitCode.PENDING: "tasks still pending at the deadline",
    ExitCode.NO_INPUT: "no input matched (--allow-empty makes it 0)",
    ExitCode.BUG: "a bug in moderate, told once the other inputs are done; --debug shows the traceback",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.BROKEN_PIPE: "broken pipe",
}


class ModerateError(Exception):
    """An error that explains itself: what happened, what to do, and the exit code it means.

    `code` is a stable name for scripts (the record's `error.code`); `message` is one line without a full stop.
    """

    exit_code = ExitCode.INCOMPLETE

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint

    @property
    def ends_run(self) -> bool:
        """Whether every further input would meet with the same error."""
        return self.exit_code == ExitCode.FATAL


class UsageError(ModerateError):
    """The command line or a setting makes no sense; nothing was sent."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, code: str = "usage", hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)


class CredentialsError(ModerateError):
    """No usable credentials were found."""

    exit_code = ExitCode.FATAL

    def __init__(self, message: str, *, code: str = "no_credentials", hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)


class InputError(ModerateError):
    """One input cannot be judged because of what it is; the others can."""


class NotTriedError(Exception):
    """The run does not come to an input, and to none behind it either."""


class CallCapError(NotTriedError):
    """The run has made as many billed calls as it was allowed to."""


class StoppedError(NotTriedError):
    """The run was asked to stop before this call was sent."""


class BugError(ModerateError):
    """An error that nobody foresaw left one input without a verdict."""

    exit_code = ExitCode.BUG

    def __init__(self, error: Exception) -> None:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:_MAX_LENGTH]
        super().__init__(f"a bug in moderate: {words}", code="bug", hint="run again with --debug and report it")


class RefusedError(InputError):
    """An input that the service would refuse anyway, so that it is not sent.

    `api_code` is the body code with which the service would have answered.
    """

    def __init__(self, message: str, *, code: str, api_code: int, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.api_code = api_code


class ServiceError(ModerateError):
    """The service, or the way to it, failed to give a verdict.

    `api_code` is the integer code of the body and `http_status` the status of the answer, where there was one.
    `retryable` says that the same call may succeed later, and `max_attempts` how many attempts of one call may end with
    this `code` where that is less than usual; `retry_after` (seconds) is what the service asked for, and `throttled`
    says that it had too many calls.
    `fatal` says that every further call would fail alike, `clock_skew` by how many seconds this machine is ahead.
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
        self.repeated = False  # sent again after an answer that was lost
        if fatal:
            self.exit_code = ExitCode.FATAL
