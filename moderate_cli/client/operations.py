"""The eight operations of API 2022-03-02, and where the parameters of each travel.

Places: the vendor's SDK 3.6.9, which agrees with the published metadata of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from moderate_cli.client.exchange import Parameters

ParamsIn = Literal["query", "form"]


class Operation(StrEnum):
    """The operations by the name that travels in `x-acs-action`."""

    IMAGE_MODERATION = "ImageModeration"
    IMAGE_BATCH_MODERATION = "ImageBatchModeration"
    IMAGE_ASYNC_MODERATION = "ImageAsyncModeration"
    DESCRIBE_IMAGE_MODERATION_RESULT = "DescribeImageModerationResult"
    MULTIMODAL_ASYNC_MODERATION = "MultimodalAsyncModeration"
    DESCRIBE_MULTIMODAL_MODERATION_RESULT = "DescribeMultimodalModerationResult"
    DESCRIBE_UPLOAD_TOKEN = "DescribeUploadToken"  # noqa: S105 - a name, not a password
    DESCRIBE_IMAGE_RESULT_EXT = "DescribeImageResultExt"

    @property
    def is_billed(self) -> bool:
        """Whether a call may cost something; those that are free may be repeated freely, for they change nothing."""
        return self in _BILLED


# The vendor's async and multimodal pages call their result queries free. No page prices the upload token or
# DescribeImageResultExt (read 2026-11): that these are free too is our judgement.
_BILLED = frozenset(
    {
        Operation.IMAGE_MODERATION,
        Operation.IMAGE_BATCH_MODERATION,
        Operation.IMAGE_ASYNC_MODERATION,
        Operation.MULTIMODAL_ASYNC_MODERATION,
    }
)
_IN_FORM = frozenset({Operation.IMAGE_MODERATION, Operation.DESCRIBE_IMAGE_RESULT_EXT})


def place(operation: Operation, parameters: Mapping[str, str], params_in: ParamsIn = "query") -> Parameters:
    """Put the parameters of a call where the operation wants them.

    `params_in="form"` sends those of the query in the body, for posts that make a URL too long for some gateway; the
    vendor documents neither that limit nor this way.
    """
    if not parameters:
        return Parameters()
    if operation in _IN_FORM or params_in == "form":
        return Parameters(form=parameters)
    return Parameters(query=parameters)
