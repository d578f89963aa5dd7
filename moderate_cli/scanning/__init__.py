"""Many inputs, judged at once and reported as they finish."""

from moderate_cli.scanning.budget import Budget
from moderate_cli.scanning.judging import (
    Ask,
    Cost,
    ImageJudge,
    Sampling,
    Sender,
    ask_async,
    ask_batch,
    ask_sync,
    one_call,
    plan,
)
from moderate_cli.scanning.memory import Memory
from moderate_cli.scanning.question import question_key
from moderate_cli.scanning.scan import Judge, Scan

__all__ = [
    "Ask",
    "Budget",
    "Cost",
    "ImageJudge",
    "Judge",
    "Memory",
    "Sampling",
    "Scan",
    "Sender",
    "ask_async",
    "ask_batch",
    "ask_sync",
    "one_call",
    "plan",
    "question_key",
]
