"""What was asked and answered, kept in one SQLite file that several processes may use at once."""

from moderate_cli.store.feedback import Feedback, FeedbackVerdict
from moderate_cli.store.filters import Filters
from moderate_cli.store.history import Entry
from moderate_cli.store.place import default_path
from moderate_cli.store.problems import StoreError
from moderate_cli.store.prune import Pruned
from moderate_cli.store.reuse import Answer, Seen, SeenFile
from moderate_cli.store.stats import LabelCount, Period, Usage
from moderate_cli.store.store import Store
from moderate_cli.store.tasks import NewTask, Task, TaskState
from moderate_cli.verdicts import TaskKind

__all__ = [
    "Answer",
    "Entry",
    "Feedback",
    "FeedbackVerdict",
    "Filters",
    "LabelCount",
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
    "Usage",
    "default_path",
]
