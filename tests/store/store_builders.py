"""Stores, tasks and records for tests, built with defaults that a test names only where it is about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from builders import judged

from moderate_cli.records import to_record
from moderate_cli.store import NewTask, Store


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def new_task(source: str = "a.gif", **changes: Any) -> NewTask:
    """An image that is about to be submitted."""
    defaults: dict[str, Any] = {
        "kind": "image",
        "operation": "ImageAsyncModeration",
        "service": "baselineCheck_global",
        "endpoint": "green-cip.ap-southeast-1.aliyuncs.com",
        "region": "ap-southeast-1",
    }
    return NewTask(source=source, **defaults | changes)


def pending(store: Store, req_id: str, *, expires_at: float = 9000.0, **changes: Any) -> int:
    """A task that the service has accepted."""
    number = store.begin_task(new_task(**changes))
    store.accept_task(number, req_id=req_id, submitted_at=1000.0, expires_at=expires_at, request_id="R")
    return number


def record(**changes: Any) -> dict[str, Any]:
    """The record of a judged image."""
    return to_record(judged("high", "violent_explosion")) | changes


def labelled(*names: str, service: str | None = None, **changes: Any) -> list[dict[str, Any]]:
    """The labels of a record."""
    label = {"confidence": 81.22, "description": None, "risk_level": None, "where": None, "suppressed": None}
    return [label | {"label": name, "service": service} | changes for name in names]


def rows(path: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a connection of its own reads from a store."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, parameters).fetchall()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep the right to write into a store, as another process may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
