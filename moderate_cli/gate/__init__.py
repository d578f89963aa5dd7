"""Which findings count: those do not that an ignore file allows, or that an earlier run had too."""

from moderate_cli.gate.gate import Gate, open_gate

__all__ = ["Gate", "open_gate"]
