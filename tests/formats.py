"""The formats, and what sets some of them apart; a new one is in the rest of each, until it is named."""

from __future__ import annotations

from moderate_cli.render import Format

FORMATS = tuple(choice for choice in Format if choice is not Format.AUTO)

# A table is for a terminal. `github` writes annotations, which GitHub reads in the job's log, and appends to the
# summary file of the job by itself.
FURTHER = tuple(choice for choice in FORMATS if choice not in {Format.TABLE, Format.GITHUB})
"""Those that `--NAME-output` writes."""

NAMES_NONE = (Format.TABLE, Format.SARIF, Format.GITHUB, Format.MARKDOWN)
NAMES_FEW = (Format.JUNIT,)
NAMES_ALL = tuple(choice for choice in FORMATS if choice not in {*NAMES_NONE, *NAMES_FEW})
"""By which clean inputs of folders they name."""
