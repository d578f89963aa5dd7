"""Many inputs, judged at once and reported as they finish."""

from moderate_cli.scanning.executor import Judge, Scan
from moderate_cli.scanning.image_judge import (
    Ask,
    Budget,
    Cost,
    ImageJudge,
    Memory,
    Sampling,
    Sender,
    ask_async,
    ask_batch,
    ask_sync,
    one_call,
    plan,
    question_key,
)

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
