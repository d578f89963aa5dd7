"""From many inputs to their outcomes: worker threads, and one judge for each kind of input."""

from moderate_cli.scanning.executor import Executor, Judge
from moderate_cli.scanning.image_judge import (
    Ask,
    Cache,
    CallBudget,
    Cost,
    ImageCall,
    ImageJudge,
    Sampling,
    Sender,
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
    "ImageCall",
    "ImageJudge",
    "Judge",
    "Sampling",
    "Sender",
    "cache_key",
    "one_call",
    "plan",
]
