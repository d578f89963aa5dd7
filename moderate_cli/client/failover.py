"""Another region's turn where one fails, with a new upload there, since an upload belongs to its region.

The vendor's samples do so once, on code 500; here it is off unless regions are named, because the other region's calls
are billed there and its console settings can differ.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from moderate_cli.client.green import GreenClient
from moderate_cli.errors import ServiceError

T = TypeVar("T")

log = logging.getLogger(__name__)


def with_failover(clients: Sequence[GreenClient], call: Callable[[GreenClient], T]) -> T:
    """Return what a call returns with the first client whose service does not fail.

    `call` uploads what it needs by itself. Raises the last client's ServiceError, or the first that is no failure of
    the service, with the attempts so far.
    """
    made = 0
    for client in clients[:-1]:
        try:
            return call(client)
        except ServiceError as error:
            made += error.attempts
            error.attempts = made
            if not service_failed(error):
                raise
            log.warning("%s failed (%s); asking the next region", client.endpoint, error.message)
    return call(clients[-1])


def service_failed(error: ServiceError) -> bool:
    """Tell whether the service itself failed, by its body's code or its status."""
    return error.api_code == 500 or (error.api_code is None and (error.http_status or 0) >= 500)
