"""What was asked and answered, kept in one SQLite file that several processes may use at once."""

from moderate_cli.store.place import default_path
from moderate_cli.store.problems import StoreError
from moderate_cli.store.store import Store
from moderate_cli.store.tasks import NewTask, Task, TaskState
from moderate_cli.verdicts import TaskKind

__all__ = ["NewTask", "Store", "StoreError", "Task", "TaskKind", "TaskState", "default_path"]
