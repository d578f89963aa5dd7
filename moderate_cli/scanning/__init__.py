"""Many inputs, judged at once and reported as they finish."""

from moderate_cli.scanning.judging import ImageJudge
from moderate_cli.scanning.scan import Scan

__all__ = ["ImageJudge", "Scan"]
