"""How is a call made? At the rate of its quota, retried by the policy, with the clock and the credentials put right.

What `GreenClient` and `ManagementClient` share: they speak two versions of the API at one endpoint, with one signature.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from moderate_cli.catalog.services import DEFAULT_REGION, is_large_model, queries_per_second
from moderate_cli.catalog.services import endpoint as region_endpoint
from moderate_cli.client.auth import Credentials, CredentialSource, FixedCredentials
from moderate_cli.client.limits import RateKey, RateLimiter, RateLimits, RateState, Retrier, Timeouts
from moderate_cli.client.parameters import Endpoint, Operation, Parameters, Repeating
from moderate_cli.client.responses import OutcomeUnknownError, Response, grant_in
from moderate_cli.common.errors import ServiceError

if TYPE_CHECKING:
    from moderate_cli.client.management_calls import ManagementOperation
    from moderate_cli.client.transport import Transport

LARGE_MODEL_READ_TIMEOUT = 30.0  # seconds: large models take longer than the documented checks (our judgement)

# The errors of a call that was sent and whose response nobody could read: it may have been carried out, and billed.
_RESPONSE_LOST = frozenset({"connection_lost", "read_timeout", "unreadable_answer"})

log = logging.getLogger(__name__)


class Done(Struct, frozen=True):
    """A call that the service accepted: the code and the body of its response, and how it went.

    `repeated` means that an earlier attempt may have been judged and billed too; `answered_at` is in Unix seconds.
    """

    code: int
    body: dict[str, Any]
    attempts: int
    elapsed_ms: int
    answered_at: float
    repeated: bool


class Terms(Struct, frozen=True):
    """What holds for all calls of one operation with the same services: their quota, in calls/s, and their timeout.

    With `auto` the quota is unknown, and looked for from there on.
    """

    per_second: float
    auto: bool
    read_timeout: float  # seconds


class Caller:
    """Makes the calls of one version of the API; safe to share between threads.

    `read` returns the code and the body of an accepted response, or raises ServiceError. The rest is as `GreenClient`
    says. Raises UsageError for an endpoint that is not one, or a region without the one asked for.
    """

    def __init__(
        self,
        credentials: Credentials | CredentialSource,
        *,
        version: str,
        read: Callable[[Response], tuple[int, dict[str, Any]]],
        region: str | None,
        endpoint: str | None,
        vpc: bool,
        quota: float | None,
        timeouts: Timeouts | None,
        retrier: Retrier | None,
        limits: RateLimits | None,
        clock: Callable[[], float],
    ) -> None:
        self.source = FixedCredentials(credentials) if isinstance(credentials, Credentials) else credentials
        self.endpoint = Endpoint.parse(endpoint or region_endpoint(region or DEFAULT_REGION, vpc=vpc))
        self.read = read
        self.timeouts = timeouts or Timeouts()
        self.retrier = retrier or Retrier()
        self.limits = limits or RateLimits()
        self.clock = clock
        self._version = version
        self._quota = quota
        self._terms: dict[tuple[str, tuple[str, ...]], Terms] = {}
        self._opening = threading.Lock()
        self._transport: Transport | None = None

    @property
    def transport(self) -> Transport:
        """The transport, created on first use: a run whose results are all known needs none."""
        with self._opening:
            if self._transport is None:
                from moderate_cli.client.transport import Transport  # requests takes 60 ms

                self._transport = Transport(
                    self.endpoint, version=self._version, timeouts=self.timeouts, clock=self.clock
                )
            return self._transport

    def close(self) -> None:
        """Close all connections."""
        if self._transport is not None:
            self._transport.close()

    def call(
        self, operation: Operation | ManagementOperation, parameters: Parameters, services: tuple[str, ...] = ()
    ) -> Done:
        """Make one call, with as many attempts as it takes; raises ServiceError.

        An operation that must not be repeated blindly raises OutcomeUnknownError where it may have been carried out.
        """
        call = _PendingCall(self, operation, parameters, self._terms_of(operation, services))
        started = time.monotonic()
        try:
            (code, body), attempts = self.retrier.run(call.attempt, recover=call.recover)
        except ServiceError as error:
            error.repeated = call.repeated
            raise
        elapsed_ms = round((time.monotonic() - started) * 1000)
        return Done(code, body, attempts, elapsed_ms, self.clock(), call.repeated)

    def rate(self, operation: Operation, services: tuple[str, ...]) -> RateState:
        """Return how things stand with the quota of a call; raises CredentialsError."""
        return self.limiter(operation.value, self.source.current(), self._terms_of(operation, services)).state

    def limiter(self, operation: str, used: Credentials, terms: Terms) -> RateLimiter:
        """Return the limiter of a call's quota."""
        key = RateKey(used.access_key_id, self.endpoint.host, operation, terms.per_second, terms.auto)
        return self.limits.limiter(key)

    def _terms_of(self, operation: Operation | ManagementOperation, services: tuple[str, ...]) -> Terms:
        terms = self._terms.get((operation, services))
        if terms is None:
            is_large = any(is_large_model(service) for service in services)
            auto = self._quota == math.inf
            known = None if auto else self._quota
            terms = self._terms[operation, services] = Terms(
                known or min(queries_per_second(operation.value, service) for service in services or ("",)),
                auto,
                max(self.timeouts.read, LARGE_MODEL_READ_TIMEOUT) if is_large else self.timeouts.read,
            )
        return terms


class _PendingCall:
    """One call that is being made: what its attempts share."""

    def __init__(
        self, caller: Caller, operation: Operation | ManagementOperation, parameters: Parameters, terms: Terms
    ) -> None:
        self.repeated = False  # whether an attempt before the latest may have been judged and billed
        self._caller = caller
        self._operation = operation
        self._parameters = parameters
        self._terms = terms
        self._credentials: Credentials | None = None
        self._was_lost = False

    def attempt(self) -> tuple[int, dict[str, Any]]:
        """Send the call once, and return the code and the body of its response; raises ServiceError."""
        self.repeated = self._was_lost
        caller, name = self._caller, self._operation.value
        used = self._credentials = caller.source.current()
        limiter = caller.limiter(name, used, self._terms)
        started = limiter.wait()
        try:
            response = caller.transport.send(name, self._parameters, used, read_timeout=self._terms.read_timeout)
            accepted = caller.read(response)
            if self._operation.grants:
                accepted = accepted[0], grant_in(response)
        except ServiceError as error:
            if error.throttled:
                limiter.refused(started)
            self._mark_lost(error)
            raise
        limiter.accepted(started)
        return accepted

    def _mark_lost(self, error: ServiceError) -> None:
        """Say what follows from an answer that was lost; raises OutcomeUnknownError where nothing may be repeated."""
        match self._operation.repeating:
            case Repeating.UNSAFE if _may_be_done(error):
                raise OutcomeUnknownError(self._operation.value, error) from error
            case Repeating.BILLED if error.code in _RESPONSE_LOST:
                self._was_lost = True
            case Repeating.FREE if error.code in _RESPONSE_LOST:
                error.max_attempts = None

    def recover(self, error: ServiceError) -> bool:
        """Remove the cause of an error, if it is a wrong clock or expired credentials; return whether that was done."""
        if error.clock_skew is not None:
            transport = self._caller.transport
            if abs(transport.clock_offset + error.clock_skew) > 1:  # s; other threads may have corrected it already
                transport.clock_offset = -error.clock_skew
                log.warning("%s; corrected for this run by the service's clock", error.message)
            return True
        refused = self._credentials
        is_expired = error.code.startswith("InvalidSecurityToken")
        return is_expired and refused is not None and self._caller.source.renew(refused)


def _may_be_done(error: ServiceError) -> bool:
    """Tell whether a call that ended with an error may have been carried out all the same.

    A nonce that was used before means that something on the way, such as a proxy, had sent the request already.
    """
    if error.code.startswith("SignatureNonceUsed"):
        return True
    status = error.http_status or 0
    if error.throttled or 400 <= status < 500:  # refused, by whoever it was
        return False
    return status >= 500 or (error.api_code or 0) >= 500 or error.code in _RESPONSE_LOST
