"""What is the emulator? A local Green API and a local OSS on loopback, judging images with the local engine."""

from moderate_cli.emulator.rules import ImageRule, Keyword
from moderate_cli.emulator.server import Emulator
from moderate_cli.emulator.state import AccessKey

__all__ = ["AccessKey", "Emulator", "ImageRule", "Keyword"]
