"""The account behind the vendor's console: what it has, and how it becomes what a rules file says."""

from moderate_cli.account.account_state import Account, only_library, read_account
from moderate_cli.account.apply import Applied, apply_steps
from moderate_cli.account.lock import LOCK_NAME, Lock, lock_path, read_lock
from moderate_cli.account.own_images import read_own_images
from moderate_cli.account.plan import Note, Plan, make_plan
from moderate_cli.account.pull import Pulled, pull_rules
from moderate_cli.account.steps import AddImages, Step, describe, step_data

__all__ = [
    "LOCK_NAME",
    "Account",
    "AddImages",
    "Applied",
    "Lock",
    "Note",
    "Plan",
    "Pulled",
    "Step",
    "apply_steps",
    "describe",
    "lock_path",
    "make_plan",
    "only_library",
    "pull_rules",
    "read_account",
    "read_lock",
    "read_own_images",
    "step_data",
]
