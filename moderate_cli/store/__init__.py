"""What was asked and answered, kept in one SQLite file that several processes may use at once."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from moderate_cli.store.place import default_path
from moderate_cli.store.problems import StoreError
from moderate_cli.store.reuse import Answer, Found, Seen, SeenFile
from moderate_cli.store.store import Store
from moderate_cli.store.tasks import LostTasks, NewTask, Task, TaskState
from moderate_cli.verdicts import TaskKind

if TYPE_CHECKING:
    from moderate_cli.store.feedback import Feedback, FeedbackVerdict
    from moderate_cli.store.filters import Filters
    from moderate_cli.store.history import Entry
    from moderate_cli.store.prune import Pruned
    from moderate_cli.store.reading import UNREADABLE
    from moderate_cli.store.stats import LabelCount, Period, Usage
    from moderate_cli.store.telling import Untold

__all__ = [
    "UNREADABLE",
    "Answer",
    "Entry",
    "Feedback",
    "FeedbackVerdict",
    "Filters",
    "Found",
    "LabelCount",
    "LostTasks",
    "NewTask",
    "Period",
    "Pruned",
    "Seen",
    "SeenFile",
    "Store",
    "StoreError",
    "Task",
    "TaskKind",
    "TaskState",
    "Untold",
    "Usage",
    "default_path",
]

_OF_THE_PAST = {
    "UNREADABLE": "reading",
    "Entry": "history",
    "Feedback": "feedback",
    "FeedbackVerdict": "feedback",
    "Filters": "filters",
    "LabelCount": "stats",
    "Period": "stats",
    "Pruned": "prune",
    "Untold": "telling",
    "Usage": "stats",
}


def __getattr__(name: str) -> Any:
    """Import what asks about the past when it is asked for: no run needs it."""
    if name not in _OF_THE_PAST:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_OF_THE_PAST[name]}"), name)
