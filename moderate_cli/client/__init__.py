"""The Green API as a library: `GreenClient` signs, sends, uploads and reads; nothing here knows a terminal."""

from moderate_cli.client.credentials import Credentials, CredentialSource, FixedCredentials
from moderate_cli.client.exchange import Timeouts
from moderate_cli.client.green import GreenClient
from moderate_cli.client.parameters import AsyncOptions
from moderate_cli.client.rate import RateLimits
from moderate_cli.client.retry import Retrier, RetryPolicy
from moderate_cli.errors import ModerateError, RefusedError, ServiceError
from moderate_cli.verdicts import ImageUrl, Label, OssObject, RiskLevel, Submission, Verdict

__all__ = [
    "AsyncOptions",
    "CredentialSource",
    "Credentials",
    "FixedCredentials",
    "GreenClient",
    "ImageUrl",
    "Label",
    "ModerateError",
    "OssObject",
    "RateLimits",
    "RefusedError",
    "Retrier",
    "RetryPolicy",
    "RiskLevel",
    "ServiceError",
    "Submission",
    "Timeouts",
    "Verdict",
]
