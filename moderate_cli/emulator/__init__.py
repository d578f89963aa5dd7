"""What is the emulator? A local Green API and a local OSS on loopback, judging images with the local engine."""

from moderate_cli.emulator.conditions import Fault
from moderate_cli.emulator.fetching import Fetch
from moderate_cli.emulator.server import Emulator
from moderate_cli.emulator.state import AccessKey
from moderate_cli.emulator.tape import Tape

__all__ = ["AccessKey", "Emulator", "Fault", "Fetch", "Tape"]
