"""What does the emulated service say of an image, an animation or a post? What the engine sees, by the user's rules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from moderate_cli.catalog.checks import KEYWORDS
from moderate_cli.common.installation import install_command
from moderate_cli.emulator import bodies
from moderate_cli.emulator.bodies import local_engine, plain_results
from moderate_cli.emulator.engine import (
    EXTRA,
    Check,
    DamagedImageError,
    Examination,
    Finding,
    ImageTooLargeError,
    LocalEngine,
    TooLargeForEngineError,
    UnreadableImageError,
    merge,
    strongest,
)
from moderate_cli.emulator.engine.detectors import highest
from moderate_cli.emulator.inputs import AsyncParameters, ImageParameters, Part, Post
from moderate_cli.emulator.messages import NOTHING_CHECKED, BodyError
from moderate_cli.emulator.rulings import Rulings
from moderate_cli.rules import FlaggedWord

Publish = Callable[[bytes], str]
"""Keeps the JPEG of a frame for a while, and returns its address."""


class Judge(Struct, frozen=True):
    """What judges for one service of the API; raises BodyError for what cannot be judged."""

    engine: LocalEngine
    rulings: Rulings
    service: str

    def image(self, image: ImageParameters, content: bytes) -> Examination:
        """Judge an image by a fixed verdict, or by what the engine sees."""
        sha256 = hashlib.sha256(content).hexdigest()
        fixed = self.rulings.fixed(image, sha256, self.service)
        return fixed or self.rulings.judged(examine(self.engine, content), self.service, sha256)

    def task(
        self, task: AsyncParameters, content: bytes, publish: Publish, is_stopping: Callable[[], bool]
    ) -> dict[str, Any]:
        """Judge an image frame by frame where an interval was given and it has several, and return the Data."""
        sha256 = hashlib.sha256(content).hexdigest()
        fixed = self.rulings.fixed(task.image, sha256, self.service)
        found = []
        if task.interval and fixed is None:
            with _as_body_errors():
                for frame in self.engine.examine_frames(content, task.interval, task.max_frames):
                    if is_stopping():
                        break
                    seen = self.rulings.judged(_checked(frame.examination), self.service, sha256)
                    found.append((seen, publish(frame.jpeg)))
        if found:
            return bodies.judged_frames(task.image.data_id, found)
        judged = fixed or self.rulings.judged(examine(self.engine, content), self.service, sha256)
        return bodies.judged_image(task.image.data_id, judged)

    def require_checks_of(self, post: Post) -> None:
        """Raise BodyError for a post of which nothing can be checked; "none" would claim that something was."""
        if post.images:
            require_checks(self.engine, self.rulings)
        elif not self.rulings.has_words(self.service):
            raise BodyError(NOTHING_CHECKED, "the local engine checks texts by keywords alone, and none are given")

    def post(self, post: Post, contents: Iterator[bytes]) -> dict[str, Any]:
        """Judge a post, whose images come in the order of its parts, and return the Data.

        Where an image cannot be examined there is no verdict: a part of a post is no post.
        """
        main = self._part(post.main, contents)
        parts = list(main.walk())
        findings = [finding for part in parts for finding in part.findings]
        return {
            "DataId": post.data_id,
            "RiskLevel": highest(finding.risk_level for finding in findings),
            "MainData": main.described(),
            "CommentDatas": [reply.described() for reply in main.replies],
            "Usage": {"Total_tokens": post.characters, "Output_tokens": 0, "Input_tokens": post.characters},
            "Ext": {"LocalEngine": local_engine(self._whole(parts), is_post=True)},
        }

    def _part(self, part: Part, contents: Iterator[bytes]) -> _JudgedPart:
        try:
            images = [self.image(image, next(contents)) for image in part.images]
        except BodyError as error:
            raise BodyError(error.code, f"{part.where}: {error.message}") from error
        hits = self.rulings.words_in(part.texts, self.service)
        findings = [finding for examination in images for finding in examination.findings]
        findings += map(self.rulings.finding_of, hits)
        is_read = bool(images) or not any(part.texts) or self.rulings.has_words(self.service)
        replies = [self._part(reply, contents) for reply in part.replies]
        return _JudgedPart(part, images, strongest(findings), hits, is_read, replies)

    def _whole(self, parts: Sequence[_JudgedPart]) -> Examination:
        """Return what was checked in the whole post."""
        images = merge(examination for part in parts for examination in part.images)
        if not self.rulings.has_words(self.service):
            return Examination((), images.checks, images.notes)
        details: dict[str, Any] = {"Words": self.rulings.word_count(self.service)}
        hits = [self._described(hit, part.part) for part in parts for hit in part.hits]
        if hits:
            details["Hits"] = hits
        check = Check(KEYWORDS, "local rules", details)
        return Examination((), (*images.checks, check), images.notes)

    def _described(self, hit: FlaggedWord, part: Part) -> Mapping[str, str]:
        """Return which word is where, with the names that the vendor uses for keywords in images."""
        name = self.rulings.name_of(hit.library)
        return {"KeyWords": hit.word, "LibId": hit.library, "LibName": name, "Where": part.where}


class _JudgedPart(Struct):
    """What was found in one part of a post, and in those below it; one that is not checked has no result."""

    part: Part
    images: list[Examination]
    findings: tuple[Finding, ...]
    hits: list[FlaggedWord]
    is_checked: bool
    replies: list[_JudgedPart]

    def walk(self) -> Iterator[_JudgedPart]:
        """Yield this part and everything below it."""
        yield self
        for reply in self.replies:
            yield from reply.walk()

    def described(self) -> dict[str, Any]:
        """Return the part as answers have it: the page names its findings Result, and the SDK reads Results."""
        results = plain_results(self.findings) if self.is_checked else None
        described: dict[str, Any] = {} if results is None else {"Result": results, "Results": results}
        if self.replies and self.part.where != "$.mainData":
            described["CommentDatas"] = [reply.described() for reply in self.replies]
        return described


def require_checks(engine: LocalEngine, rulings: Rulings) -> None:
    """Raise BodyError where nothing could say anything about an image."""
    if not engine.is_available() and not rulings.verdicts:
        raise _no_engine()


def examine(engine: LocalEngine, content: bytes) -> Examination:
    """Examine an image; raises BodyError, also where no detector could look at it."""
    with _as_body_errors():
        return _checked(engine.examine(content))


@contextmanager
def _as_body_errors() -> Iterator[None]:
    """Turn the engine's errors into codes."""
    try:
        yield
    except TooLargeForEngineError as error:
        raise BodyError(406, f"image is too large for the local engine: {error}") from error
    except ImageTooLargeError as error:
        raise BodyError(406, f"image is too large: {error}") from error
    except DamagedImageError as error:
        raise BodyError(407, f"image is damaged: {error}") from error
    except UnreadableImageError as error:
        raise BodyError(407, str(error)) from error


def _checked(examination: Examination) -> Examination:
    """Return an examination in which at least one check ran; "none" of another would claim that something was."""
    if not examination.checks:
        raise _no_engine()
    return examination


def _no_engine() -> BodyError:
    message = f"no check of the local engine can run; install its packages: {install_command(EXTRA)}"
    return BodyError(NOTHING_CHECKED, message)
