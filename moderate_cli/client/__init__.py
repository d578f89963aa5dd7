"""The Green API as a library: `GreenClient` signs, sends, uploads and reads; nothing here knows a terminal."""

from moderate_cli.client.auth import Credentials, CredentialSource, FixedCredentials
from moderate_cli.client.client import GreenClient
from moderate_cli.client.limits import RateLimits, Retrier, RetryPolicy, Timeouts
from moderate_cli.client.parameters import AsyncOptions, CallbackOptions
from moderate_cli.common.errors import ModerateError, RefusedError, ServiceError
from moderate_cli.models import ImageUrl, Label, OssObject, RiskLevel, Submission, Verdict

__all__ = [
    "AsyncOptions",
    "CallbackOptions",
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
