"""What happens below the surface, for `--verbose`."""

from __future__ import annotations

import logging
from typing import TextIO

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def show_log(verbosity: int, stream: TextIO) -> None:
    """Write this program's own log to a stream; those of the libraries can hold headers, and with them secrets."""
    log = logging.getLogger("moderate_cli")
    log.setLevel(_LEVELS[min(verbosity, len(_LEVELS) - 1)])
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("moderate: %(message)s"))
    log.handlers = [handler]
    log.propagate = False
