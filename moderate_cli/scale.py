"""Judges on engines of others: a batch of columns in, columns of the record out, for Ray Data, Spark and Daft.

ds.repartition(target_num_rows_per_block=50).map_batches(Judge, batch_size=50, concurrency=4, num_cpus=0.1)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.app.cache import RunRecorder
from moderate_cli.app.images import batch_question, image_judge, image_run, sync_question
from moderate_cli.app.session import check_region, connected_session
from moderate_cli.app.spec import Request, ReuseOptions, ScanSpec
from moderate_cli.client.limits import RateKey
from moderate_cli.client.quota import Answer, MemoryKeeper, Operation, QuotaError, SharedQuota
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import InputError, UsageError
from moderate_cli.models import BrokenInput, InlineImage, Item, Outcome
from moderate_cli.records import to_record
from moderate_cli.scanning import ImageJudge
from moderate_cli.settings import SETTINGS, Sourced, resolve
from moderate_cli.sources import Sources

__all__ = ["COLUMNS", "Judge", "RayQuota"]

COLUMNS = ("status", "risk_level", "labels", "reused", "error", "record")
"""The columns that are added: texts, of which `labels` and `record` are JSON, and one flag."""

_MAX_ROWS = 200  # of a batch, of which a kill loses all verdicts that Redis does not keep

log = logging.getLogger(__name__)


class RayQuota(Struct, frozen=True):
    """A quota that all workers of a Ray cluster share, in a named actor: it serves 800 reservations a second.

    The actor is made on first use, and outlives the job: the next one, or one beside it, goes on at the same rate.
    """

    actor: str = "moderate-quota"

    @property
    def name(self) -> str:
        """How the place is called in messages."""
        return f"the Ray actor {self.actor}"

    def ask(
        self,
        operation: Operation,
        key: RateKey,
        subject: str | float = "",
        accepted: Sequence[float] = (),
        *,
        waited: bool = False,
    ) -> Answer:
        """Do one thing in the actor; raises QuotaError."""
        ray = import_module("ray")
        try:
            asked = _keeper(self.actor).ask.remote(operation, key, subject, list(accepted), waited=waited)
            answer: Answer = ray.get(asked)
        except ray.exceptions.RayError as error:
            _keeper.cache_clear()
            message = f"{self.name} does not answer: {type(error).__name__}"
            raise QuotaError(message, code="quota_unavailable", hint="see the log of Ray") from error
        return answer


@lru_cache(maxsize=8)
def _keeper(name: str) -> Any:
    """Return the actor of a name, which is found, or made, once in a process: that takes longer than what it is asked.

    It is detached, or it would end with whichever worker made it, and be known to one job alone.
    """
    ray = import_module("ray")
    lasting = {"lifetime": "detached", "namespace": "moderate", "get_if_exists": True}
    return ray.remote(MemoryKeeper).options(name=name, num_cpus=0, **lasting).remote()


class Judge:
    """Judges the images that a column names, or holds as bytes; a client and threads begin with the first batch.

    `settings` are those of moderate.yaml, and `profile`; credentials are those of each worker. `quota` is an address as
    `--quota` takes it, or a RayQuota. With `reuse`, an address of Redis, each verdict is kept as it comes, and no
    worker asks again about the same content or address. It keeps no store. It can be pickled, and then begins anew.
    Raises UsageError for unknown settings.
    """

    def __init__(
        self,
        column: str = "url",
        *,
        jobs: int = 32,
        quota: str | RayQuota | None = None,
        reuse: str | None = None,
        **settings: Any,
    ) -> None:
        for name in settings.keys() - SETTINGS.keys() - {"profile", "config"}:
            raise UsageError(f"unknown setting {name}", hint="the settings are those of moderate.yaml")
        self._column = column
        self._jobs = jobs
        self._quota = quota
        self._reuse = reuse
        self._settings = settings
        self._started: _Started | None = None
        self._has_warned = False

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Return a batch with the columns of the record beside its own; an error is a value of its row.

        Raises UsageError for a column that is missing or wrong settings, and CredentialsError without credentials.
        """
        if self._column not in batch:
            raise UsageError(
                f"there is no column {self._column!r}", hint=f"the columns are {', '.join(map(str, batch))}"
            )
        values = list(batch[self._column])
        if len(values) > _MAX_ROWS and not self._has_warned:
            self._has_warned = True
            log.warning(
                "a batch has %d rows: they share one worker, and are lost together if it is killed; "
                "repartition to 50 rows a block",
                len(values),
            )
        if self._started is None:
            self._started = self._start()
        records = list(map(to_record, self._started.judge_all(values)))
        return {**batch, **{name: [_cell(record, name) for record in records] for name in COLUMNS}}

    def close(self) -> None:
        """End the threads and close all connections."""
        if self._started is not None:
            self._started.stack.close()
            self._started = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_started": None}

    def _start(self) -> _Started:
        environment = Environment()
        given = {name: Sourced(value, f"{name}=") for name, value in self._settings.items()}
        if isinstance(self._quota, str):
            given["quota"] = Sourced(self._quota, "quota=")
        if self._reuse is not None:
            given.setdefault("reuse", Sourced("forever", "reuse="))
        settings = resolve(given, environment)
        question = (batch_question if len(settings.services) > 1 else sync_question)(settings)
        check_region(settings, question.operation)
        reuse = ReuseOptions(reuse_from=self._reuse, reuse_addresses=True)
        run = image_run(Request("scale", environment, given), [], ScanSpec(reuse=reuse))
        shared = SharedQuota(self._quota) if isinstance(self._quota, RayQuota) else None
        with ExitStack() as stack:
            recorder = nullcontext(RunRecorder(None, "scale", environment))
            session = stack.enter_context(connected_session(settings, environment, recorder, shared=shared))
            cache = replace(question.cache(session), addresses=True)
            judge = image_judge(run, session, question, cache)
            sources = run.open_sources(session)
            pool = stack.enter_context(ThreadPoolExecutor(self._jobs))
            return _Started(sources=sources, judge=judge, pool=pool, stack=stack.pop_all())
        raise AssertionError  # pragma: no cover - nothing above swallows an error


class _Started(Struct, frozen=True):
    """What a Judge works with once it has begun."""

    sources: Sources
    judge: ImageJudge
    pool: ThreadPoolExecutor
    stack: ExitStack

    def judge_all(self, values: Sequence[Any]) -> list[Outcome]:
        """Return the outcomes of a column, in its order."""
        return list(self.pool.map(lambda value: self.judge(self._item(value)), values))

    def _item(self, value: Any) -> Item:
        """Return the one image that a value is."""
        if isinstance(value, bytes | bytearray | memoryview):
            return Item("-", InlineImage(bytes(value)))
        if not isinstance(value, str):
            return Item("-", BrokenInput(InputError("neither text nor bytes", code="source_invalid")))
        found = list(islice(self.sources.of(value), 2))
        if len(found) == 1:
            return found[0]
        problem = InputError("not one image", code="source_invalid", hint="name one image in each row")
        return Item(value, BrokenInput(problem))


def _cell(record: Mapping[str, Any], name: str) -> Any:
    match name:
        case "labels":
            return json.dumps([label["label"] for label in record["labels"] or ()])
        case "error":
            return record["error"]["code"] if record["error"] else None
        case "record":
            return json.dumps(record, ensure_ascii=False)
    return record[name]
