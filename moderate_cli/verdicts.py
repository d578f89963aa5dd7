"""What everybody here speaks: items go in, outcomes come out, and a verdict is the answer to one item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple

from moderate_cli.errors import ModerateError

Json = Mapping[str, Any]
Engine = Literal["cloud", "local"]

NO_FINDING = "nonLabel"


class RiskLevel(StrEnum):
    """The service's risk levels, in rising order; `none` is also written `safe` in its console."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Place in the rising order, so that levels can be compared."""
        return list(RiskLevel).index(self)


class FileStat(NamedTuple):
    """What tells a file that changed from one that did not: bytes, nanoseconds of its last change, and its inode."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class LocalFile:
    """An image on this machine, to be uploaded before it is judged.

    `stat` is how a walk saw it, and `sha256` what an earlier run found its content to be while it looked just so.
    """

    path: Path
    stat: FileStat | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """An image that the service downloads by itself."""

    url: str


@dataclass(frozen=True, slots=True)
class OssObject:
    """An image in an OSS bucket that the service may read; `etag` changes with its content."""

    bucket: str
    key: str
    region: str | None = None
    etag: str | None = None


RemoteImage = ImageUrl | OssObject
Image = LocalFile | RemoteImage
TaskKind = Literal["image", "multimodal"]


@dataclass(frozen=True, slots=True)
class Post:
    """A post or a profile in the API's own shape: `mainData`, `commentDatas`, `dataId`.

    An image in it is an object of the API (`imageUrl`, or `ossBucketName` and its companions), or `{"file": PATH}` for
    one on this machine.
    """

    content: Json


@dataclass(frozen=True, slots=True)
class QueuedTask:
    """A task that was submitted earlier, maybe by another process; the rest is known where it was noted down.

    `post` is the post that was submitted, `expires_at` (Unix seconds) when the result is forgotten, and `problem`
    why nobody needs to ask.
    """

    req_id: str
    kind: TaskKind
    services: tuple[str, ...] = ()
    region: str | None = None
    endpoint: str | None = None
    sha256: str | None = None
    size: int | None = None
    expires_at: float | None = None
    post: Json | None = None
    problem: ModerateError | None = None


@dataclass(frozen=True, slots=True)
class BrokenInput:
    """An input that could not be understood, so that there is nothing to send; its outcome is this error."""

    error: ModerateError


@dataclass(frozen=True, slots=True)
class Item:
    """One input; `source` is how its user named it, and how every record and message names it."""

    source: str
    image: Image | Post | QueuedTask | BrokenInput
    data_id: str | None = None
    referer: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """One finding. `confidence` is 0 to 100; for `*_lib` labels it is a similarity."""

    label: str
    confidence: float | None = None
    description: str | None = None
    risk_level: RiskLevel | None = None
    service: str | None = None
    where: str | None = None

    @property
    def is_finding(self) -> bool:
        """Whether this says that something was found: `nonLabel` says the contrary."""
        return self.label != NO_FINDING


@dataclass(frozen=True, slots=True)
class ServiceVerdict:
    """What one of several services of a call said."""

    service: str
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    ext: Json


@dataclass(frozen=True, slots=True)
class Frame:
    """What was found in one frame of an animation, or one slice of a long image; `url` lives five minutes."""

    index: int
    url: str | None
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    ext: Json


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a large-model service counted."""

    total_tokens: int | None
    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was asked, of whom, and what that took."""

    operation: str
    services: tuple[str, ...]
    region: str | None
    endpoint: str
    attempts: int = 0
    elapsed_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The service's answer to one item.

    `risk_level` is None where the service named none, or one that is not known here. `raw` is the body as it came.
    """

    call: Call
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    per_service: tuple[ServiceVerdict, ...] = ()
    frames: tuple[Frame, ...] = ()
    ext: Json = field(default_factory=dict)
    usage: Usage | None = None
    request_id: str | None = None
    req_id: str | None = None
    data_id: str | None = None
    engine: Engine = "cloud"
    raw: Json = field(default_factory=dict, repr=False)

    @property
    def gate_level(self) -> RiskLevel:
        """The level that decides: findings whose level nobody can read count as high, not as harmless."""
        if self.risk_level is not None:
            return self.risk_level
        parts: list[Verdict | ServiceVerdict | Frame] = [self, *self.per_service, *self.frames]
        named = [part.risk_level for part in parts if part.risk_level is not None]
        found = [label.risk_level or RiskLevel.HIGH for part in parts for label in part.labels]
        return max([*named, *found], key=lambda level: level.rank, default=RiskLevel.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A task that the service has queued; `req_id` is the key to its result."""

    call: Call
    req_id: str
    data_id: str | None
    request_id: str | None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one item. `sha256` and `size` (bytes) are known for local files only.

    `notes` are remarks about the image that change nothing, in words that many images share.
    """

    item: Item
    call: Call
    sha256: str | None = None
    size: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Outcome):
    """The item has a verdict; one that is `reused` was not asked for again."""

    verdict: Verdict
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending(Outcome):
    """The service has queued the item, and has no verdict yet; `expires_at` (Unix seconds) is when it forgets it.

    One that is `reused` was queued by an earlier submission of the same image.
    """

    req_id: str
    request_id: str | None = None
    data_id: str | None = None
    expires_at: float | None = None
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(Outcome):
    """The item was not sent, because the service would refuse it."""

    error: ModerateError


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Outcome):
    """The item has no verdict, because reading, sending or answering failed."""

    error: ModerateError


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Outcome):
    """The item would be sent, for so many billed `calls`, but this run only looks."""

    calls: int
