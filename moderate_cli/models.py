"""What everybody here speaks: items go in, outcomes come out, and a verdict is the answer to one item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field

from moderate_cli.common.errors import ModerateError
from moderate_cli.common.masking import repr_without

Json = Mapping[str, Any]
Engine = Literal["cloud", "local"]

NO_FINDING = "nonLabel"
EXEMPT = "nonLabel_lib"
"""The label of an image that is in a library of exemptions: no finding, and no reason to lower another level."""


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

    @classmethod
    def parse(cls, word: str) -> RiskLevel | None:
        """Return the level that a word of the service means, in any case and with white space; None for any other."""
        known = word.strip().lower()
        try:
            return cls.NONE if known == "safe" else cls(known)
        except ValueError:
            return None


def highest(levels: Iterable[RiskLevel | None]) -> RiskLevel | None:
    """Return the highest of some levels, None where there is none among them."""
    return max((level for level in levels if level is not None), key=lambda level: level.rank, default=None)


class FileStat(NamedTuple):
    """What tells a file that changed from one that did not: bytes, nanoseconds of its last change, and its inode."""

    size: int
    mtime_ns: int
    inode: int


class LocalFile(Struct, frozen=True):
    """An image on this machine, to be uploaded before it is judged.

    `stat` is how a walk saw it, and `sha256` what an earlier run found its content to be while it looked just so.
    """

    path: Path
    stat: FileStat | None = None
    sha256: str | None = None


class ImageUrl(Struct, frozen=True):
    """An image that the service downloads by itself."""

    url: str


class OssObject(Struct, frozen=True):
    """An image in an OSS bucket that the service may read; `etag` changes with its content."""

    bucket: str
    key: str
    region: str | None = None
    etag: str | None = None


PartKind = Literal["frames", "pages", "slices", "parts", "services"]


class Coverage(Struct, frozen=True):
    """How much of an input was judged, where that is not all of it; `total` is None where nobody knows it.

    It is `unanswered` where the service was asked about the rest and said nothing of it, and not where the operation
    looks at no more than this.
    """

    kind: PartKind
    judged: int
    total: int | None
    unanswered: bool = False


class Extent(Struct, frozen=True):
    """What an image consists of beside the one picture that is judged: so many frames, pages or slices in `total`.

    Every `interval`-th of them is asked for, `most` of them at most; both are None where one alone is looked at.
    """

    kind: PartKind
    total: int | None
    interval: int | None = None
    most: int | None = None


RemoteImage = ImageUrl | OssObject
Image = LocalFile | RemoteImage
TaskKind = Literal["image", "multimodal"]


class Post(Struct, frozen=True):
    """A post or a profile in the API's own shape: `mainData`, `commentDatas`, `dataId`.

    An image in it is an object of the API (`imageUrl`, or `ossBucketName` and its companions), or `{"file": PATH}` for
    one on this machine.
    """

    content: Json


class QueuedTask(Struct, frozen=True):
    """A task that was submitted earlier, maybe by another process; the rest is known where it was noted down.

    `data_id` is the id that was sent with it, `post` the post that was submitted, `extents` what its images consist of,
    `expires_at` (Unix seconds) when the result is forgotten, and `problem` why nobody needs to ask.
    """

    req_id: str
    kind: TaskKind
    services: tuple[str, ...] = ()
    region: str | None = None
    endpoint: str | None = None
    sha256: str | None = None
    size: int | None = None
    expires_at: float | None = None
    data_id: str | None = None
    post: Json | None = None
    extents: tuple[Extent, ...] = ()
    problem: ModerateError | None = None


class BrokenInput(Struct, frozen=True):
    """An input that could not be understood, so that there is nothing to send; its outcome is this error."""

    error: ModerateError


class Item(Struct, frozen=True):
    """One input; `source` is how its user named it, and how every record and message names it."""

    source: str
    image: Image | Post | QueuedTask | BrokenInput
    data_id: str | None = None
    referer: str | None = None


class Label(Struct, frozen=True):
    """One finding. `confidence` is 0 to 100; for `*_lib` labels it is a similarity."""

    label: str
    confidence: int | float | None = None  # an int stays one, as the service wrote it
    description: str | None = None
    risk_level: RiskLevel | None = None
    service: str | None = None
    where: str | None = None

    @property
    def is_finding(self) -> bool:
        """Whether this says that something was found: `nonLabel` and `nonLabel_lib` say the contrary."""
        return self.label not in {NO_FINDING, EXEMPT}


class ServiceVerdict(Struct, frozen=True):
    """What one of several services of a call said; it `misread` a level that is no known word, and counts as high."""

    service: str
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    ext: Json
    misread: bool = False


class Frame(Struct, frozen=True):
    """What was found in one frame of an animation, or one slice of a long image; `url` lives five minutes.

    One whose level is no known word is `misread`, and counts as high.
    """

    index: int
    url: str | None
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    ext: Json
    misread: bool = False


class Usage(Struct, frozen=True):
    """Tokens that a large-model service counted."""

    total_tokens: int | None
    input_tokens: int | None
    output_tokens: int | None


class Call(Struct, frozen=True, kw_only=True):
    """What was asked, of whom, what that took, and when it was answered (Unix seconds).

    One that was `repeated` after its answer was lost may have been taken, and billed, twice.
    """

    operation: str
    services: tuple[str, ...]
    region: str | None
    endpoint: str
    attempts: int = 0
    elapsed_ms: int | None = None
    answered_at: float | None = None
    repeated: bool = False


class Verdict(Struct, frozen=True, kw_only=True):
    """The service's answer to one item.

    `risk_level` is the highest level of all its parts, before anything is suppressed, and None where no level could be
    read, which only the verdict of a failed answer has. `reported_level` is the service's own word, as it came.
    `labels` holds each finding of each part, and exemptions. `answered` are the JSON paths of the parts of a post that
    have an answer. `unexplained` is the highest level that no label accounts for, so that no suppression of a label
    takes it away. `billed_calls` is None where nobody knows it. An answer that was not `complete` is not good for a
    second time. `raw` is the body as it came.
    """

    call: Call
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    reported_level: str | None = None
    unexplained: RiskLevel = RiskLevel.NONE
    per_service: tuple[ServiceVerdict, ...] = ()
    frames: tuple[Frame, ...] = ()
    answered: tuple[str, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    notes: tuple[str, ...] = ()
    ext: Json = field(default_factory=dict)
    usage: Usage | None = None
    billed_calls: int | None = 0
    request_id: str | None = None
    req_id: str | None = None
    data_id: str | None = None
    engine: Engine = "cloud"
    complete: bool = True
    raw: Json = field(default_factory=dict)

    def __repr__(self) -> str:
        return repr_without(self, "raw")

    @property
    def gate_level(self) -> RiskLevel:
        """The level that decides: one that nobody can read counts as high, not as harmless."""
        return self.risk_level or RiskLevel.HIGH

    @property
    def is_unanswered(self) -> bool:
        """Whether the service said nothing about a part of what it was asked about."""
        return any(part.unanswered for part in self.coverage)


class Submission(Struct, frozen=True, kw_only=True):
    """A task that the service has queued; `req_id` is the key to its result."""

    call: Call
    req_id: str
    data_id: str | None
    request_id: str | None
    raw: Json = field(default_factory=dict)

    def __repr__(self) -> str:
        return repr_without(self, "raw")


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one item. `sha256` and `size` (bytes) are known for local files only.

    `notes` are remarks about the image that change nothing, in words that many images share. `extents` are what the
    image consists of, where that is more than one picture. `at` (Unix seconds) is when this became known.
    """

    item: Item
    call: Call
    sha256: str | None = None
    size: int | None = None
    notes: tuple[str, ...] = ()
    extents: tuple[Extent, ...] = ()
    at: float | None = None


class Judged(Outcome, frozen=True, kw_only=True):
    """The item has a verdict; one that is `reused` was not asked for again."""

    verdict: Verdict
    reused: bool = False


class Pending(Outcome, frozen=True, kw_only=True):
    """The service has queued the item, and has no verdict yet; `expires_at` (Unix seconds) is when it forgets it.

    One that is `reused` was queued by an earlier submission of the same image.
    """

    req_id: str
    request_id: str | None = None
    data_id: str | None = None
    expires_at: float | None = None
    reused: bool = False


class Skipped(Outcome, frozen=True, kw_only=True):
    """The item was not sent, because the service would refuse it."""

    error: ModerateError


class Failed(Outcome, frozen=True, kw_only=True):
    """The item has no verdict, because reading, sending or answering failed; `verdict` is what could be read of one."""

    error: ModerateError
    verdict: Verdict | None = None


class NotTried(Outcome, frozen=True, kw_only=True):
    """The run did not come to the item, because it had made as many calls as it may; it has no record."""


class Planned(Outcome, frozen=True, kw_only=True):
    """The item would be sent, for so many billed `calls`, but this run only looks."""

    calls: int
