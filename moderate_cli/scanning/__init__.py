"""Many inputs, judged at once and reported as they finish."""

from moderate_cli.scanning.executor import Executor, Judge
from moderate_cli.scanning.image_judge import (
    Ask,
    Cache,
    CallBudget,
    Cost,
    ImageJudge,
    Sampling,
    Sender,
    ask_async,
    ask_batch,
    ask_sync,
    cache_key,
    one_call,
    plan,
)

__all__ = [
    "Ask",
    "Cache",
    "CallBudget",
    "Cost",
    "Executor",
    "ImageJudge",
    "Judge",
    "Sampling",
    "Sender",
    "ask_async",
    "ask_batch",
    "ask_sync",
    "cache_key",
    "one_call",
    "plan",
]
