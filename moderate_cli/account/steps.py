"""What can be done to an account? A type for each kind of step, and the words for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct, to_builtins

from moderate_cli.account.own_images import OwnImage
from moderate_cli.common.text import counted


class ServiceName(Struct, frozen=True):
    """A service by what a rules file knows it: its code there, and for a copy its source and its title.

    `known_as` is the code in the account, None for a copy that is still to be made.
    """

    code: str
    known_as: str | None
    copy_of: str | None = None
    title: str | None = None

    def __str__(self) -> str:
        return self.code if self.title in (None, self.code) else f"{self.code} ({self.title})"


class CopyService(Struct, frozen=True, tag="copy_service", tag_field="step"):
    """Copy a service; the account numbers the copy by itself."""

    service: ServiceName


class RenameService(Struct, frozen=True, tag="rename_service", tag_field="step"):
    """Give a copy another title."""

    service: ServiceName
    old: str


class CreateKeywordLibrary(Struct, frozen=True, tag="create_keyword_library", tag_field="step"):
    """Create a keyword library without words."""

    library: str


class AddKeywords(Struct, frozen=True, tag="add_keywords", tag_field="step"):
    """Add words to a keyword library."""

    library: str
    keywords: tuple[str, ...]


class RemoveKeywords(Struct, frozen=True, tag="remove_keywords", tag_field="step"):
    """Remove words from a keyword library."""

    library: str
    keywords: tuple[str, ...]


class DeleteKeywordLibrary(Struct, frozen=True, tag="delete_keyword_library", tag_field="step"):
    """Delete a keyword library with its words."""

    library: str
    count: int


class CreateImageLibrary(Struct, frozen=True, tag="create_image_library", tag_field="step"):
    """Create an image library without images."""

    library: str
    comment: str


class DescribeImageLibrary(Struct, frozen=True, tag="describe_image_library", tag_field="step"):
    """Give an image library another comment."""

    library: str
    old: str
    comment: str


class AddImages(Struct, frozen=True, tag="add_images", tag_field="step"):
    """Upload images to an image library."""

    library: str
    images: tuple[OwnImage, ...]


class RemoveImages(Struct, frozen=True, tag="remove_images", tag_field="step"):
    """Remove images from an image library by their ids."""

    library: str
    images: tuple[str, ...]


class SetExemptions(Struct, frozen=True, tag="set_exemptions", tag_field="step"):
    """Let these image libraries be exempt in a service, and no others; `old` are those that are now."""

    service: ServiceName
    libraries: tuple[str, ...]
    old: tuple[str, ...]


class SetIgnoredKeywords(Struct, frozen=True, tag="set_ignored_keywords", tag_field="step"):
    """Let a service ignore the words of these libraries, and of no others; `old` are those that it ignores now."""

    service: ServiceName
    libraries: tuple[str, ...]
    old: tuple[str, ...]


class SetFlaggedKeywords(Struct, frozen=True, tag="set_flagged_keywords", tag_field="step"):
    """Let a service flag the words of these libraries, and of no others; `old` are those that it flags now."""

    service: ServiceName
    libraries: tuple[str, ...]
    old: tuple[str, ...]


_LibraryStep = (
    CreateKeywordLibrary
    | AddKeywords
    | RemoveKeywords
    | DeleteKeywordLibrary
    | CreateImageLibrary
    | DescribeImageLibrary
    | AddImages
    | RemoveImages
)
Step = CopyService | RenameService | _LibraryStep | SetExemptions | SetIgnoredKeywords | SetFlaggedKeywords


class Description(Struct, frozen=True):
    """A step in words: whether it adds, changes or takes away, what that is, and its parts one by one."""

    sign: Literal["+", "~", "-"]
    words: str
    parts: Sequence[str] = ()


def describe(step: Step) -> Description:
    """Return a step in words, in which names are as the account or the file has them."""
    match step:
        case CopyService(service):
            return Description("+", f"service {service}, a copy of {service.copy_of}")
        case RenameService(service, old):
            return Description("~", f"title of {service.code}: {old} becomes {service.title}")
        case SetExemptions(service, libraries, old):
            return Description("~", f"exempt image libraries of {service}", [*_changes(old, libraries)])
        case SetIgnoredKeywords(service, libraries, old):
            return Description("~", f"ignored keyword libraries of {service}", [*_changes(old, libraries)])
        case SetFlaggedKeywords(service, libraries, old):
            return Description("~", f"flagged keyword libraries of {service}", [*_changes(old, libraries)])
        case _:
            return _of_library(step)


def _of_library(step: _LibraryStep) -> Description:
    match step:
        case CreateKeywordLibrary(library):
            return Description("+", f"keyword library {library}")
        case AddKeywords(library, keywords):
            return Description("+", f"{counted(len(keywords), 'keyword')} in {library}", keywords)
        case RemoveKeywords(library, keywords):
            return Description("-", f"{counted(len(keywords), 'keyword')} in {library}", keywords)
        case DeleteKeywordLibrary(library, count):
            return Description("-", f"keyword library {library} with {counted(count, 'keyword')}")
        case CreateImageLibrary(library, comment):
            return Description("+", f"image library {library}" + (f": {comment}" if comment else ""))
        case DescribeImageLibrary(library, old, comment):
            return Description("~", f"comment of image library {library}: {old or 'none'} becomes {comment or 'none'}")
        case AddImages(library, images):
            return Description("+", f"{counted(len(images), 'image')} in {library}", [each.name for each in images])
        case RemoveImages(library, ids):
            return Description("-", f"{counted(len(ids), 'image')} in {library}", ids)


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    yield from (f"+ {name}" for name in new if name not in old)
    yield from (f"- {name}" for name in old if name not in new)


def step_data(step: Step) -> dict[str, Any]:
    """Return a step for programs."""
    data: dict[str, Any] = {"sign": describe(step).sign, **to_builtins(step, enc_hook=str)}
    if isinstance(step, AddImages):
        data["images"] = [{"sha256": image.sha256, "name": image.name} for image in step.images]
    return data
