"""Which inputs are this process's? One shard of many, by a hash of the name of each input."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from moderate_cli.common.errors import UsageError

AUTO = "auto"

_GIVEN = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_AUTO_OF = re.compile(r"auto/([0-9]{1,9})")
_HINT = "write 3/16 for the third of 16; auto takes both from the scheduler, auto/16 the number of this one"
_MAX = 1_000_000


class Shard(Struct, frozen=True):
    """The `number`-th of `of` shards, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str, variables: Mapping[str, str]) -> Shard:
        """Return the shard of an option's text; `variables` are those of the environment. Raises UsageError."""
        if text == AUTO:
            return _scheduled(variables, None)
        if found := _AUTO_OF.fullmatch(text):
            return _scheduled(variables, int(found[1]))
        given = _GIVEN.fullmatch(text)
        if given is None:
            raise UsageError(f"--shard must be I/N or auto, not {text[:40]!r}", hint=_HINT)
        return _checked(int(given[1]), int(given[2]), "--shard")

    def holds(self, source: str) -> bool:
        """Tell whether an input of this name is one of this shard; the same on every machine and for ever."""
        digest = hashlib.blake2b(source.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def _checked(number: int, of: int, subject: str) -> Shard:
    if not 1 <= number <= of <= _MAX:
        raise UsageError(f"{subject}: there is no shard {number} of {of}", hint="shards are counted from 1")
    return Shard(number, of)


def _scheduled(variables: Mapping[str, str], of: int | None) -> Shard:
    """Return the shard that a scheduler gave this process; raises UsageError where none or several did."""
    found = list(_schedulers(variables))
    if not found:
        raise UsageError("--shard auto: no scheduler says which shard this is", hint=_HINT)
    if len(found) > 1:
        names = " and ".join(name for name, _, _ in found)
        raise UsageError(f"--shard auto: {names} are set, and one is meant", hint="write --shard I/N")
    name, number, total = found[0]
    if of is not None and total is not None and of != total:
        raise UsageError(f"--shard auto/{of}: the scheduler runs {total}", hint="write --shard auto")
    total = of if total is None else total
    if total is None:
        raise UsageError(f"--shard auto: {name} does not say how many shards there are", hint="write --shard auto/N")
    return _checked(number, total, f"--shard auto ({name})")


def _schedulers(variables: Mapping[str, str]) -> Iterator[tuple[str, int, int | None]]:
    """Yield the variables of schedulers that are set: the name, the number from 1, and how many there are.

    Vendors' pages, November 2026: indexed jobs of Kubernetes, which tell no number of them; array jobs of Slurm
    (sbatch), whose ids begin and step as the user says; array jobs of AWS Batch; `parallel` of GitLab, from 1 on.
    """

    def number(name: str, default: int | None = None) -> int:
        text = variables.get(name, "")
        if not text and default is not None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise UsageError(f"--shard auto: {name} is {text[:40]!r}, and no number", hint="write --shard I/N")
        return int(text)

    if variables.get("JOB_COMPLETION_INDEX"):
        yield "JOB_COMPLETION_INDEX", number("JOB_COMPLETION_INDEX") + 1, None
    if variables.get("SLURM_ARRAY_TASK_ID"):
        first, step = number("SLURM_ARRAY_TASK_MIN", 0), max(1, number("SLURM_ARRAY_TASK_STEP", 1))
        index = (number("SLURM_ARRAY_TASK_ID") - first) // step
        yield "SLURM_ARRAY_TASK_ID", index + 1, number("SLURM_ARRAY_TASK_COUNT")
    if variables.get("AWS_BATCH_JOB_ARRAY_INDEX"):
        total = number("AWS_BATCH_JOB_ARRAY_SIZE") if variables.get("AWS_BATCH_JOB_ARRAY_SIZE") else None
        yield "AWS_BATCH_JOB_ARRAY_INDEX", number("AWS_BATCH_JOB_ARRAY_INDEX") + 1, total
    if variables.get("CI_NODE_INDEX"):
        yield "CI_NODE_INDEX", number("CI_NODE_INDEX"), number("CI_NODE_TOTAL")
