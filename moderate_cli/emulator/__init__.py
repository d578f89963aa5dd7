"""The emulator is a local Green API and a local OSS on loopback, judging images with the local engine."""

from moderate_cli.emulator.keys import AccessKey
from moderate_cli.emulator.keywords import Keyword
from moderate_cli.emulator.rules import ImageRule
from moderate_cli.emulator.server import Emulator

__all__ = ["AccessKey", "Emulator", "ImageRule", "Keyword"]
