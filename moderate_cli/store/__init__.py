"""The store: results, tasks and runs in one SQLite file that several processes can use at once."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from moderate_cli.models import TaskKind
from moderate_cli.records import UNREADABLE
from moderate_cli.store.database import StoreError, default_path, is_read_only
from moderate_cli.store.reuse import Answer, Found, Seen, SeenFile
from moderate_cli.store.store import LostTasks, NewTask, Store, Task, TaskState

if TYPE_CHECKING:
    from moderate_cli.store.decisions import StoredDecision
    from moderate_cli.store.details import StoredRun
    from moderate_cli.store.pruning import Pruned
    from moderate_cli.store.queries import DecisionFilter, Entry, Filters
    from moderate_cli.store.statistics import DecisionCount, LabelCount, Period, Usage
    from moderate_cli.store.store import Untold
    from moderate_cli.store.worklist import Order, Waiting, Worklist

__all__ = [
    "UNREADABLE",
    "Answer",
    "DecisionCount",
    "DecisionFilter",
    "Entry",
    "Filters",
    "Found",
    "LabelCount",
    "LostTasks",
    "NewTask",
    "Order",
    "Period",
    "Pruned",
    "Seen",
    "SeenFile",
    "Store",
    "StoreError",
    "StoredDecision",
    "StoredRun",
    "Task",
    "TaskKind",
    "TaskState",
    "Untold",
    "Usage",
    "Waiting",
    "Worklist",
    "default_path",
    "is_read_only",
]

_LAZY = {
    "DecisionCount": "statistics",
    "DecisionFilter": "queries",
    "Entry": "queries",
    "Filters": "queries",
    "LabelCount": "statistics",
    "Period": "statistics",
    "Order": "worklist",
    "Pruned": "pruning",
    "StoredDecision": "decisions",
    "StoredRun": "details",
    "Untold": "store",
    "Usage": "statistics",
    "Waiting": "worklist",
    "Worklist": "worklist",
}


def __getattr__(name: str) -> Any:
    """Import the names that no run needs on first use; raises AttributeError for an unknown name."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
