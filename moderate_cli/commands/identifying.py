"""Ids for images that have none of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from moderate_cli.client.parameters import MAX_DATA_ID, check_data_id
from moderate_cli.commands.options import DataIdFrom
from moderate_cli.errors import RefusedError, UsageError
from moderate_cli.verdicts import ImageUrl, Outcome

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_.-]")


def check_option(data_id: str | None) -> None:
    """Refuse an id for all images that the service would refuse for each; raises UsageError."""
    if data_id is None:
        return
    try:
        check_data_id(data_id, MAX_DATA_ID)
    except RefusedError as error:
        raise UsageError(f"--data-id {data_id!r}: {error.message}", hint=error.hint) from error


def data_id_from(choice: DataIdFrom | None) -> Callable[[Outcome], str] | None:
    """Return what makes the data id of an image, or None for no id.

    Characters that an id may not hold become `_`, and of a path that is too long the end is kept. What has no hash,
    because this machine has no copy of it, gets its name.
    """
    if choice is None:
        return None

    def identify(known: Outcome) -> str:
        if choice is DataIdFrom.SHA256 and known.sha256 is not None:
            return known.sha256
        image = known.item.image
        path = urlsplit(image.url).path if isinstance(image, ImageUrl) else known.item.source
        text = path if choice is DataIdFrom.PATH else path.rstrip("/").rpartition("/")[2]
        return _NOT_IN_AN_ID.sub("_", text)[-MAX_DATA_ID:] or "_"

    return identify
