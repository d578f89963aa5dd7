"""The Green API as a library: two clients sign, send, upload and read; nothing here knows a terminal.

`GreenClient` judges, and `ManagementClient` reads and changes what an account has set in the console.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from moderate_cli.client.auth import Credentials, CredentialSource, FixedCredentials
from moderate_cli.client.client import GreenClient
from moderate_cli.client.limits import RateLimits, Retrier, RetryPolicy, Timeouts
from moderate_cli.client.parameters import AsyncOptions, CallbackOptions
from moderate_cli.common.errors import ModerateError, RefusedError, ServiceError
from moderate_cli.models import ImageUrl, Label, OssObject, RiskLevel, Submission, Verdict

if TYPE_CHECKING:
    from moderate_cli.client.management import ManagementClient
    from moderate_cli.client.management_responses import (
        BuyStatus,
        ImageLibrary,
        Keyword,
        KeywordLibrary,
        KeywordsResult,
        LibraryImage,
        Page,
        ServiceBindings,
        ServiceConfig,
    )
    from moderate_cli.client.responses import OutcomeUnknownError

__all__ = [
    "AsyncOptions",
    "BuyStatus",
    "CallbackOptions",
    "CredentialSource",
    "Credentials",
    "FixedCredentials",
    "GreenClient",
    "ImageLibrary",
    "ImageUrl",
    "Keyword",
    "KeywordLibrary",
    "KeywordsResult",
    "Label",
    "LibraryImage",
    "ManagementClient",
    "ModerateError",
    "OssObject",
    "OutcomeUnknownError",
    "Page",
    "RateLimits",
    "RefusedError",
    "Retrier",
    "RetryPolicy",
    "RiskLevel",
    "ServiceBindings",
    "ServiceConfig",
    "ServiceError",
    "Submission",
    "Timeouts",
    "Verdict",
]

_LAZY = {
    "BuyStatus": "management_responses",
    "ImageLibrary": "management_responses",
    "Keyword": "management_responses",
    "KeywordLibrary": "management_responses",
    "KeywordsResult": "management_responses",
    "LibraryImage": "management_responses",
    "ManagementClient": "management",
    "OutcomeUnknownError": "responses",
    "Page": "management_responses",
    "ServiceBindings": "management_responses",
    "ServiceConfig": "management_responses",
}


def __getattr__(name: str) -> Any:
    """Import the names that no judging run needs on first use; raises AttributeError for an unknown name."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
