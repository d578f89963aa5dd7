"""What a run is asked for: plain values, whether they come from a command line or from a program.

Settings are given as the text of an option, or as a file of settings has them, and None where they are left to the
other places that have a say. The command line's names and help of each field are in `cli.options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict, astuple

from moderate_cli.common.environment import Color, Environment
from moderate_cli.render import Format
from moderate_cli.settings import SETTINGS, Sourced
from moderate_cli.sources import Selection, SourceList

SETTING_FIELDS = {setting.parameter: setting.name for setting in SETTINGS.values()} | {
    name: name for name in ("profile", "config", "policy_from")
}
"""The settings by the names of their fields here, which are those of their options, and what says where others are."""


class DataIdFrom(StrEnum):
    """What the id of an image is made of, where it has none of its own."""

    PATH = "path"
    NAME = "name"
    SHA256 = "sha256"


class ServiceOptions(Struct, frozen=True):
    """Whom to ask, and how."""

    service: list[str] | None = None
    profile: str | None = None
    config: str | None = None
    region: str | None = None
    endpoint: str | None = None
    vpc: bool | None = None
    timeout: str | None = None
    jobs: str | None = None
    qps: str | None = None
    quota: str | None = None
    retries: str | None = None
    rules: str | None = None
    fetch_urls: bool | None = None


class AccountOptions(Struct, frozen=True):
    """Which account is looked at or changed, and how its service is called."""

    profile: str | None = None
    config: str | None = None
    region: str | None = None
    endpoint: str | None = None
    vpc: bool | None = None
    timeout: str | None = None
    retries: str | None = None
    verbose: int = 0
    debug: bool = False


class SourceOptions(Struct, frozen=True):
    """Which images."""

    files_from: str | None = None
    files_from0: str | None = None
    changed_since: str | None = None
    include: list[str] | None = None
    exclude: list[str] | None = None
    no_ignore: bool = False
    force_exclude: bool = False
    follow_links: bool = False
    ordered: bool = False
    shard: str | None = None

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


class ImageOptions(Struct, frozen=True):
    """What is said about each image."""

    info_type: str | None = None
    data_id: str | None = None
    data_id_from: DataIdFrom | None = None
    referer: str | None = None
    oss_region: str | None = None
    oss_profile: str | None = None
    no_preflight: bool = False


class ReuseOptions(Struct, frozen=True):
    """What is not sent again."""

    reuse: str | None = None
    reuse_addresses: bool = False
    reuse_from: str | None = None
    retry_failed: bool = False
    prescreen: bool = False


class CostOptions(Struct, frozen=True):
    """What may be spent."""

    dry_run: bool = False
    max_calls: str | None = None
    confirm_above: str | None = None
    yes: bool = False


class GateOptions(Struct, frozen=True):
    """What makes a run fail."""

    fail_on: str | None = None
    allow_partial: bool | None = None
    require_full: bool | None = None
    policy_from: str | None = None
    suppressions: Path | None = None
    baseline: Path | None = None
    show_suppressed: bool = False
    allow_empty: bool = False


class OutputOptions(Struct, frozen=True):
    """What is shown, where and how."""

    format: Format = Format.AUTO
    output: Path | None = None
    store: Path | None = None
    min_level: str | None = None
    show_clean: bool = False
    raw: bool = False
    quiet: bool = False
    no_progress: bool = False
    verbose: int = 0
    color: Color = Color.AUTO
    debug: bool = False
    csv_bom: bool = False
    csv_output: Path | None = None
    html_output: Path | None = None
    json_output: Path | None = None
    jsonl_output: Path | None = None
    junit_output: Path | None = None
    markdown_output: Path | None = None
    sarif_output: Path | None = None


class WaitOptions(Struct, frozen=True):
    """Whether to wait for the results of queued tasks, and how long."""

    wait: bool = False
    wait_timeout: float = 3600.0
    poll_interval: float = 30.0
    save_frames: Path | None = None


class ScanSpec(Struct, frozen=True):
    """All that can be said of a run over images."""

    service: ServiceOptions = ServiceOptions()
    sources: SourceOptions = SourceOptions()
    images: ImageOptions = ImageOptions()
    reuse: ReuseOptions = ReuseOptions()
    cost: CostOptions = CostOptions()
    gate: GateOptions = GateOptions()
    output: OutputOptions = OutputOptions()

    def settings(self) -> dict[str, Sourced]:
        """Return the settings among all fields that are not left open, each with its field as origin."""
        return {
            SETTING_FIELDS[name]: Sourced(value, f"{type(group).__name__}.{name}")
            for group in astuple(self)
            for name, value in asdict(group).items()
            if name in SETTING_FIELDS and value is not None
        }

    def for_people(self) -> list[str]:
        """Return the fields that say what a command shows and fails on, where one is not as it is by default."""
        return [
            f"{type(group).__name__}.{name}"
            for group in (self.gate, self.output)
            for name, value in asdict(group).items()
            if name not in SETTING_FIELDS and value != getattr(type(group)(), name)
        ] + [f"CostOptions.{name}" for name in ("confirm_above", "yes") if getattr(self.cost, name)]


class Request(Struct, frozen=True):
    """Who asks for a run: the command's name, its world, and the settings that were given, each with its origin."""

    command: str
    environment: Environment
    given: Mapping[str, Sourced]
