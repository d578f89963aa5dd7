"""Options about where images come from, and which of them are sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from moderate_cli.commands.options.setting import option, setting_option
from moderate_cli.sources import Selection, SourceList

_SOURCES = "Sources"
_IMAGES = "Images"
_COST = "Reuse and cost"


class DataIdFrom(StrEnum):
    """What the id of an image is made of, where it has none of its own."""

    PATH = "path"
    NAME = "name"
    SHA256 = "sha256"


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Which images."""

    files_from: Annotated[
        str | None,
        option(
            _SOURCES,
            "FILES_FROM",
            "Read sources from FILE, or - for standard input: one a line, or JSON Lines with source, data_id, referer.",
            metavar="FILE",
        ),
    ] = None
    files_from0: Annotated[
        str | None,
        option(_SOURCES, "FILES_FROM0", "The same, with a NUL after each source.", "--files-from0", metavar="FILE"),
    ] = None
    include: Annotated[
        list[str] | None,
        setting_option("include", panel=_SOURCES, metavar="GLOB"),
    ] = None
    exclude: Annotated[
        list[str] | None,
        setting_option("exclude", panel=_SOURCES, metavar="GLOB"),
    ] = None
    no_ignore: Annotated[
        bool,
        option(_SOURCES, "NO_IGNORE", "Look at what .moderateignore and .gitignore leave out too.", "--no-ignore"),
    ] = False
    force_exclude: Annotated[
        bool,
        option(
            _SOURCES,
            "FORCE_EXCLUDE",
            "Leave out named files too that --exclude or an ignore file matches.",
            "--force-exclude",
        ),
    ] = False
    follow_links: Annotated[
        bool,
        option(_SOURCES, "FOLLOW_LINKS", "Follow links that lead out of a folder.", "--follow-links"),
    ] = False
    ordered: Annotated[
        bool,
        option(_SOURCES, "ORDERED", "Tell of images in the order in which they were given.", "--ordered"),
    ] = False

    @property
    def lists(self) -> tuple[SourceList, ...]:
        """The lists of further sources."""
        lists = []
        if self.files_from:
            lists.append(SourceList(self.files_from))
        if self.files_from0:
            lists.append(SourceList(self.files_from0, nul=True))
        return tuple(lists)

    @property
    def selection(self) -> Selection:
        """What is wanted of folders."""
        return Selection(
            tuple(self.include or ()),
            tuple(self.exclude or ()),
            ignore_files=not self.no_ignore,
            follow_links=self.follow_links,
            force_exclude=self.force_exclude,
        )


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What is said about each image."""

    info_type: Annotated[str | None, setting_option("info_types", panel=_IMAGES, metavar="TYPE,...")] = None
    data_id: Annotated[
        str | None, option(_IMAGES, "DATA_ID", "Your own id of the image; it comes back in the record.", metavar="ID")
    ] = None
    data_id_from: Annotated[
        DataIdFrom | None,
        option(_IMAGES, "DATA_ID_FROM", "Make the id of each image; what an id may not hold becomes _."),
    ] = None
    referer: Annotated[
        str | None,
        option(_IMAGES, "REFERER", "The Referer with which the service downloads a URL.", metavar="TEXT"),
    ] = None
    oss_region: Annotated[
        str | None,
        option(_IMAGES, "OSS_REGION", "Region of the buckets of oss:// sources, if not the call's.", metavar="ID"),
    ] = None
    no_preflight: Annotated[
        bool,
        option(_IMAGES, "NO_PREFLIGHT", "Send files too that the service would refuse.", "--no-preflight"),
    ] = False


@dataclass(frozen=True, slots=True)
class ReuseOptions:
    """What is not sent again."""

    reuse: Annotated[str | None, setting_option("reuse", panel=_COST, metavar="AGE")] = None
    retry_failed: Annotated[
        bool,
        option(_COST, "RETRY_FAILED", "Take only what failed in the last run of this very command.", "--retry-failed"),
    ] = False


@dataclass(frozen=True, slots=True)
class CostOptions:
    """What may be spent."""

    dry_run: Annotated[
        bool,
        option(_COST, "DRY_RUN", "Say what would be sent and what that costs, and send nothing.", "-n", "--dry-run"),
    ] = False
    max_calls: Annotated[
        str | None,
        setting_option("max_calls", panel=_COST, metavar="N"),
    ] = None
