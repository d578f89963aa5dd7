"""A post judged by the local engine: its images by the detectors, its texts by the user's keyword rules.

Each finding stands at the part that holds it. Nothing here understands text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moderate_cli.emulator.answers import local_engine, plain_results
from moderate_cli.emulator.engine import (
    Check,
    Examination,
    Finding,
    LocalEngine,
    NotChecked,
    merge,
    strongest,
)
from moderate_cli.emulator.engine.levels import highest
from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.judging import require_checks
from moderate_cli.emulator.keywords import Keyword, find_keywords
from moderate_cli.emulator.parameters import ImageParameters
from moderate_cli.emulator.posts import Part, Post
from moderate_cli.emulator.rules import ImageRule

_NO_KEYWORDS = NotChecked("keywords", "no keyword rules are given")
_ALWAYS_SAID = (
    NotChecked("meaning_of_text", "texts are compared with keyword rules at most"),
    NotChecked("tokens", "there is no tokenizer: Usage counts the characters of the texts"),
)

Look = Callable[[ImageParameters], Examination]
"""Examines an image of a post, each in its turn; raises BodyError where that cannot be done."""


@dataclass(slots=True)
class _Judged:
    """What was found in one part, and in those below it."""

    part: Part
    findings: tuple[Finding, ...]
    keywords: list[Keyword]
    replies: list[_Judged]

    def walk(self) -> Iterator[_Judged]:
        """Yield this part and everything below it."""
        yield self
        for reply in self.replies:
            yield from reply.walk()


def require_checks_of_post(
    engine: LocalEngine, rules: Sequence[ImageRule], keywords: Sequence[Keyword], post: Post
) -> None:
    """Refuse a post of which nothing can be checked; an answer "none" would claim that something was."""
    if post.images:
        require_checks(engine, rules)
    elif not keywords:
        raise BodyError(408, "no check of the local engine can run: the post has no images, and no keyword rules exist")


def judge_post(look: Look, keywords: Sequence[Keyword], post: Post) -> dict[str, Any]:
    """Examine a post, its images in the order of its parts, and return the Data of its result.

    Raises BodyError where an image cannot be examined: a part of a post is no post.
    """
    examinations: list[Examination] = []
    main = _judge_part(look, keywords, post.main, examinations)
    findings = [finding for judged in main.walk() for finding in judged.findings]
    return {
        "DataId": post.data_id,
        "RiskLevel": highest(finding.risk_level for finding in findings),
        "MainData": _results(main),
        "CommentDatas": [_comment(reply) for reply in main.replies],
        "Usage": {
            "Total_tokens": post.characters,
            "Output_tokens": 0,
            "Input_tokens": post.characters,
        },
        "Ext": {"LocalEngine": local_engine(_whole(examinations, keywords, main))},
    }


def _judge_part(look: Look, keywords: Sequence[Keyword], part: Part, examinations: list[Examination]) -> _Judged:
    """Examine one part and those below it, in the order in which their images come."""
    try:
        own = [look(image) for image in part.images]
    except BodyError as error:
        raise BodyError(error.code, f"{part.where}: {error.message}") from error
    examinations += own
    words = find_keywords(keywords, part.texts)
    findings = [finding for examination in own for finding in examination.findings]
    findings += [_finding(word) for word in words]
    replies = [_judge_part(look, keywords, reply, examinations) for reply in part.replies]
    return _Judged(part, strongest(findings), words, replies)


def _finding(keyword: Keyword) -> Finding:
    """Return the finding for a keyword."""
    description = f"Keyword of {keyword.lib_name} (local engine)"
    return Finding(keyword.label, 100.0, description, keyword.level)


def _comment(judged: _Judged) -> dict[str, Any]:
    """Describe a comment, with its replies if it has any."""
    replies = [_comment(reply) for reply in judged.replies]
    return _results(judged) | ({"CommentDatas": replies} if replies else {})


def _results(judged: _Judged) -> dict[str, Any]:
    """Describe what was found in one part: the page names it Result, and the SDK reads Results."""
    results = plain_results(judged.findings)
    return {"Result": results, "Results": results}


def _whole(examinations: list[Examination], keywords: Sequence[Keyword], main: _Judged) -> Examination:
    """Return what was checked in the whole post."""
    images = merge(examinations)
    if not keywords:
        return Examination((), images.checks, (*images.not_checked, _NO_KEYWORDS, *_ALWAYS_SAID))
    details: dict[str, Any] = {"Words": len(keywords)}
    hits = [_hit(word, judged.part) for judged in main.walk() for word in judged.keywords]
    if hits:
        details["Hits"] = hits
    check = Check("keywords", "local rules", details)
    return Examination((), (*images.checks, check), (*images.not_checked, *_ALWAYS_SAID))


def _hit(keyword: Keyword, part: Part) -> Mapping[str, str]:
    """Tell which keyword stands where, with the names that the vendor uses for keywords in images."""
    return {
        "KeyWords": keyword.word,
        "LibId": keyword.lib_id,
        "LibName": keyword.lib_name,
        "Where": part.where,
    }
