"""Many inputs, judged at once and reported as they finish."""

from moderate_cli.scanning.judging import Ask, ImageJudge, ask_async, ask_batch, ask_sync
from moderate_cli.scanning.scan import Judge, Scan

__all__ = ["Ask", "ImageJudge", "Judge", "Scan", "ask_async", "ask_batch", "ask_sync"]
