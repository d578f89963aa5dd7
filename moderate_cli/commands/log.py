"""What happens below the surface, for `--verbose`."""

from __future__ import annotations

import logging
from typing import TextIO

from moderate_cli.render.safe import safe_text


class _SafeFormatter(logging.Formatter):
    """Makes one safe line of each message; only a traceback has several."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record, with what a terminal or a CI would obey written out."""
        return "\n".join(safe_text(line) for line in super().format(record).split("\n"))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is inherited
        """Return the message on one line."""
        return safe_text(super().formatMessage(record))


_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


_TRACEBACKS = "moderate_cli.scanning"  # where an error that nobody foresaw becomes the failure of one input


def show_log(verbosity: int, stream: TextIO, *, debug: bool = False) -> None:
    """Write this program's own log to a stream; those of the libraries can hold headers, and with them secrets.

    With `debug` the tracebacks of what nobody foresaw are in it, however quiet it is otherwise.
    """
    logging.getLogger(_TRACEBACKS).setLevel(logging.DEBUG if debug else logging.NOTSET)
    log = logging.getLogger("moderate_cli")
    log.setLevel(_LEVELS[min(verbosity, len(_LEVELS) - 1)])
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_SafeFormatter("moderate: %(message)s"))
    log.handlers = [handler]
    log.propagate = False
