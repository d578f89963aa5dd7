"""The options that judging commands share, in the groups in which `--help` shows them."""

from dataclasses import dataclass

from moderate_cli.commands.options.gate import GateOptions, PolicyFrom
from moderate_cli.commands.options.output import (
    Color,
    ColorChoice,
    Debug,
    FormatChoice,
    OutputFile,
    OutputOptions,
    StoreFile,
)
from moderate_cli.commands.options.service import ConfigFile, ProfileName, ServiceOptions
from moderate_cli.commands.options.setting import SettingsCommand, given_settings, option, with_default
from moderate_cli.commands.options.sources import (
    CostOptions,
    DataIdFrom,
    ImageOptions,
    ReuseOptions,
    SourceOptions,
)
from moderate_cli.commands.options.waiting import WaitOptions

__all__ = [
    "Color",
    "ColorChoice",
    "ConfigFile",
    "CostOptions",
    "DataIdFrom",
    "Debug",
    "FormatChoice",
    "GateOptions",
    "ImageCommandOptions",
    "ImageOptions",
    "OutputFile",
    "OutputOptions",
    "PolicyFrom",
    "ProfileName",
    "ReuseOptions",
    "ServiceOptions",
    "SettingsCommand",
    "SourceOptions",
    "StoreFile",
    "WaitOptions",
    "given_settings",
    "option",
    "with_default",
]


@dataclass(frozen=True, slots=True)
class ImageCommandOptions:
    """All that the commands share which send images."""

    service: ServiceOptions
    sources: SourceOptions
    images: ImageOptions
    reuse: ReuseOptions
    cost: CostOptions
    gate: GateOptions
    output: OutputOptions
