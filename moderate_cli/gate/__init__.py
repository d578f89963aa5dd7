"""Which findings count: not those that a suppressions file names, or that an earlier run had too."""

from moderate_cli.gate.gate import Gate, open_gate

__all__ = ["Gate", "open_gate"]
