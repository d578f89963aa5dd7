"""The gate: suppress the findings that a suppressions file names or that an earlier run (the baseline) had too."""

from moderate_cli.gate.gate import Gate, open_gate

__all__ = ["Gate", "open_gate"]
