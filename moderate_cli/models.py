"""The shared data types: an `Item` goes in, an `Outcome` comes out, and a `Verdict` is the answer about one item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
"""The label of an image that matches an exemption library. It is no finding, and lowers no other level."""


class RiskLevel(StrEnum):
    """The service's risk levels in ascending order; its console also writes `safe` for `none`."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Position in ascending order, from 0 (`none`) to 3 (`high`), for comparisons."""
        return _RANKS[self]

    @classmethod
    def parse(cls, word: str) -> RiskLevel | None:
        """Return the level for a word of the service, or None if unknown; case and outer spaces do not matter."""
        known = word.strip().lower()
        try:
            return cls.NONE if known == "safe" else cls(known)
        except ValueError:
            return None


_RANKS = {level: rank for rank, level in enumerate(RiskLevel)}  # asked for many times for each input


def highest(levels: Iterable[RiskLevel | None]) -> RiskLevel | None:
    """Return the highest level, or None if there is no level among them."""
    return max((level for level in levels if level is not None), key=lambda level: level.rank, default=None)


class FileStat(NamedTuple):
    """The fingerprint of a file that shows whether it changed: size in bytes, mtime in nanoseconds, and inode."""

    size: int
    mtime_ns: int
    inode: int


class LocalFile(Struct, frozen=True):
    """An image on this machine, to be uploaded before it is judged.

    `stat` is its fingerprint from the walk, and `sha256` the hash that an earlier run stored for that fingerprint.
    """

    path: Path
    stat: FileStat | None = None
    sha256: str | None = None


class InlineImage(Struct, frozen=True):
    """An image that came in bytes, from standard input, to be uploaded before it is judged."""

    content: bytes

    def __repr__(self) -> str:
        return repr_without(self, "content")


class ImageUrl(Struct, frozen=True):
    """An image that the service downloads."""

    url: str


_OSS = "oss://"
_OSS_REGION = re.compile(r"\?region=([^/]*)\Z", re.IGNORECASE)


class OssObject(Struct, frozen=True):
    """An image in an OSS bucket that the service can read; `etag` changes with its content."""

    bucket: str
    key: str
    region: str | None = None
    etag: str | None = None

    @classmethod
    def named(cls, source: str) -> OssObject | None:
        """Return the object, or the prefix of objects, that a source `oss://BUCKET/KEY?region=ID` names, or None.

        The region is in lower case; it may be anything, and is never a part of the key.
        """
        if source[: len(_OSS)].lower() != _OSS:
            return None
        found = _OSS_REGION.search(source)
        bucket, _, key = source[len(_OSS) : found.start() if found else None].partition("/")
        return cls(bucket, key, found[1].strip().lower() if found else None)


PartKind = Literal["frames", "pages", "slices", "parts", "services"]


class Coverage(Struct, frozen=True):
    """How much of an input was judged, if not all of it; `total` is None if unknown.

    `unanswered` is true if the service was asked about the rest and did not answer, and false if the operation covers
    no more than this.
    """

    kind: PartKind
    judged: int
    total: int | None
    unanswered: bool = False


class Extent(Struct, frozen=True):
    """The frames, pages or slices of an image that has more than one picture; `total` is their number.

    Every `interval`-th is submitted, and `most` of them at most; both are None if only the first is judged.
    """

    kind: PartKind
    total: int | None
    interval: int | None = None
    most: int | None = None


RemoteImage = ImageUrl | OssObject
Image = LocalFile | InlineImage | RemoteImage
TaskKind = Literal["image", "multimodal"]


class Post(Struct, frozen=True):
    """A post or a profile in the API's own shape: `mainData`, `commentDatas`, `dataId`.

    An image in it is an object of the API (`imageUrl`, or `ossBucketName` with its companions), or `{"file": PATH}`
    for a local file.
    """

    content: Json


class QueuedTask(Struct, frozen=True):
    """A task that was submitted earlier, possibly by another process; fields that were not stored keep their defaults.

    `size` is in bytes. `data_id` is the id that was sent, `post` the post that was submitted, and `extents` the frames
    or slices of its images. The service deletes the result at `expires_at` (Unix seconds). `problem` is the reason why
    polling is pointless.
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
    """An input that could not be parsed; nothing is sent, and this error is its outcome."""

    error: ModerateError


class Item(Struct, frozen=True):
    """One input; `source` is the name that its user gave, which every record and message repeats."""

    source: str
    image: Image | Post | QueuedTask | BrokenInput
    data_id: str | None = None
    referer: str | None = None


class Label(Struct, frozen=True):
    """A label of the service. `confidence` is 0 to 100, and a similarity for `*_lib` labels."""

    label: str
    confidence: int | float | None = None  # an int stays one, as the service wrote it
    description: str | None = None
    risk_level: RiskLevel | None = None
    service: str | None = None
    where: str | None = None

    @property
    def is_finding(self) -> bool:
        """Whether the label is a finding: `nonLabel` and `nonLabel_lib` are not."""
        return self.label not in {NO_FINDING, EXEMPT}


class ServiceVerdict(Struct, frozen=True):
    """The answer of one of several services; `misread` marks an unknown level, which counts as high."""

    service: str
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    ext: Json
    misread: bool = False


class SavedFrame(Struct, frozen=True):
    """The picture of a frame in a file of this machine: its absolute path, and the SHA-256 of what was written."""

    file: str
    sha256: str


class Frame(Struct, frozen=True):
    """The findings in one frame of an animation or one slice of a long image; `url` expires after five minutes.

    `misread` marks an unknown level, which counts as high. `saved` is its picture, where that was kept.
    """

    index: int
    url: str | None
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    ext: Json
    misread: bool = False
    saved: SavedFrame | None = None


class Usage(Struct, frozen=True):
    """Tokens that a large-model service counted."""

    total_tokens: int | None
    input_tokens: int | None
    output_tokens: int | None


def is_about_posts(operation: str) -> bool:
    """Tell whether an operation is about posts, and not about images."""
    return "Multimodal" in operation


class Call(Struct, frozen=True, kw_only=True):
    """One call of the API: its target, its cost in attempts and milliseconds, and its time (Unix seconds).

    A call that was `repeated` after its response was lost may have been processed, and billed, twice.
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

    `risk_level` is the highest level of all parts before suppression, and None if no level could be read, which occurs
    only in failed outcomes. `reported_level` is the service's own word, verbatim. `labels` holds the findings of all
    parts, and exemptions. `answered` lists the JSON paths of the parts of a post that have an answer. `unexplained` is
    the highest level without a label, which suppressing labels does not lower. `billed_calls` is None if unknown. An
    answer that is not `complete` is never reused. `raw` is the response body.
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
        """The level for the gate: an unreadable one counts as high."""
        return self.risk_level or RiskLevel.HIGH

    @property
    def local_checks(self) -> Iterator[Json]:
        """The checks that the local engine made, as its answer describes them."""
        for ext in (self.ext, *(part.ext for part in self.per_service), *(frame.ext for frame in self.frames)):
            engine = ext.get("local_engine")
            checks = engine.get("checks") if isinstance(engine, Mapping) else None
            yield from (check for check in (checks if isinstance(checks, list) else ()) if isinstance(check, Mapping))

    def has_answered(self, where: str) -> bool:
        """Tell whether a part of a post has an answer; where nothing is named or missing, all had one."""
        is_told = self.answered or any(part.kind == "parts" for part in self.coverage)
        return where in self.answered or not is_told

    @property
    def is_unanswered(self) -> bool:
        """Whether the service left out a part of what it was asked about."""
        return any(part.unanswered for part in self.coverage)


class Submission(Struct, frozen=True, kw_only=True):
    """A task that the service has queued; `req_id` identifies its result."""

    call: Call
    req_id: str
    data_id: str | None
    request_id: str | None
    raw: Json = field(default_factory=dict)

    def __repr__(self) -> str:
        return repr_without(self, "raw")


class Known(Struct, frozen=True, kw_only=True):
    """What is known of one item while it is judged. `sha256` and `size` (bytes) are known for local files only.

    `notes` are remarks about the image that do not affect the verdict; they are counted, so their texts repeat.
    `extents` are the frames, pages or slices of an image with more than one picture. `at` is in Unix seconds.
    """

    item: Item
    call: Call
    sha256: str | None = None
    size: int | None = None
    notes: tuple[str, ...] = ()
    extents: tuple[Extent, ...] = ()
    at: float | None = None


class DecisionWord(StrEnum):
    """What a person can decide about a verdict; a false positive and a suppressed finding do not count."""

    CONFIRMED = "confirmed"
    FALSE_POSITIVE = "false-positive"
    MISSED = "missed"
    SUPPRESSED = "suppressed"
    ESCALATED = "escalated"


class Decision(Struct, frozen=True):
    """What a person said of a verdict: a word, who and when (Unix seconds) if known, and maybe a note.

    `expires` (YYYY-MM-DD) is the last day on which a suppression is to count.
    """

    value: str
    by: str | None
    at: float | None
    note: str | None
    expires: str | None = None


class Outcome(Known, frozen=True, kw_only=True):
    """What became of one item, one of the kinds below, and the newest `decision` of a person about it."""

    decision: Decision | None = None


class Judged(Outcome, frozen=True, kw_only=True):
    """The item has a verdict; a `reused` one comes from the store.

    `saved_calls` are those that a prescreen saved, which gave this answer itself, or the answer to the same content in
    this run.
    """

    verdict: Verdict
    reused: bool = False
    saved_calls: int = 0

    @property
    def is_prescreened(self) -> bool:
        """Whether a prescreen gave the answer: no endpoint was asked, and it is no answer for the next time."""
        return self.verdict.engine == "local" and not self.call.endpoint


class Pending(Outcome, frozen=True, kw_only=True):
    """The service has queued the item and has no verdict yet; it deletes the task at `expires_at` (Unix seconds).

    A `reused` one was queued by an earlier submission of the same image.
    """

    req_id: str
    request_id: str | None = None
    data_id: str | None = None
    expires_at: float | None = None
    reused: bool = False


class Skipped(Outcome, frozen=True, kw_only=True):
    """The item was not sent because the service would refuse it."""

    error: ModerateError


class Failed(Outcome, frozen=True, kw_only=True):
    """The item has no verdict because reading, sending or answering failed; `verdict` is the readable part of one."""

    error: ModerateError
    verdict: Verdict | None = None


class NotTried(Outcome, frozen=True, kw_only=True):
    """The run stopped before this item, because of its call limit; there is no record."""


class Planned(Outcome, frozen=True, kw_only=True):
    """The item that a dry run would send, for this number of billed `calls`; `saved_calls` as in Judged."""

    calls: int
    saved_calls: int = 0
