"""Which images are behind SOURCE? Files, folders, globs, URLs, OSS and lists, as a lazy stream of items."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from msgspec.structs import replace

from moderate_cli.common.errors import InputError, ModerateError
from moderate_cli.common.globs import Glob, is_glob
from moderate_cli.common.masking import mask_address
from moderate_cli.models import BrokenInput, FileStat, Image, ImageUrl, Item, LocalFile, OssObject
from moderate_cli.preflight import is_raw_name
from moderate_cli.sources.addresses import (
    bucket_and_key,
    check_address,
    check_scheme,
    is_address,
    is_file_uri,
    is_oss,
    is_prefix,
    is_s3,
    is_text,
    is_web,
    oss_object,
    path_of,
    shown,
)
from moderate_cli.sources.folders import Chunk, Found, has_image_content, has_image_name, walk
from moderate_cli.sources.ignore import EXCLUDED, NamedFiles, Selection, with_separator
from moderate_cli.sources.inventories import StoredObject
from moderate_cli.sources.lists import STANDARD_INPUT, Listed, SourceList, read_list
from moderate_cli.sources.shards import Shard

if TYPE_CHECKING:
    from moderate_cli.sources.changes import Changes
    from moderate_cli.sources.s3 import S3Bucket

__all__ = ["Bucket", "OpenBucket", "OpenS3", "Recall", "Seen", "Selection", "Shard", "SourceList", "Sources"]

Seen = tuple[str, int, int, int, str]
"""A file as it was when it was judged: its name, the size, mtime_ns and inode of a `FileStat`, and its SHA-256."""

_MAX_UNMATCHED = 20  # globs and folders without a file that are remembered
_ALL = Selection()


class Recall(Protocol):
    """Knows the files of earlier runs by the absolute paths of their folders."""

    def clean_in(self, folder: str, files: list[Found], *, whole: bool) -> list[Found]:
        """Return which of some files, or, if these are the `whole` folder, of all its files were judged clean.

        Both are in the order of their names.
        """

    def seen_in(self, folder: str, names: Sequence[str] | None) -> Mapping[str, Seen]:
        """Return what is known of the files with some names or, with None, of all files, by name."""


class Bucket(Protocol):
    """A bucket of OSS whose objects can be listed and signed."""

    def objects(self, prefix: str) -> Iterator[OssObject]:
        """Yield the objects whose keys start with a prefix, page by page; raises ModerateError where that fails."""

    def sign(self, key: str) -> str:
        """Return an address from which anybody may download an object for an hour; raises ModerateError."""


OpenBucket = Callable[[str], Bucket]
"""Opens the bucket of a name; raises ModerateError."""

OpenS3 = Callable[[str], "S3Bucket"]
"""Opens the bucket of a name in S3; raises ModerateError."""


class Sources:
    """The items behind the SOURCE arguments and the lists; iterating opens files and folders one at a time.

    `non_images` counts the files that are not images: by name and content in a folder, and by name alone in OSS, where
    reading the content would take a download. `camera_raw` counts those that the service would refuse. `ignored` counts
    the files and folders that the selection left out, and `links` the links that lead out of a folder and were not
    followed. Of the clean files that an earlier run knows, the first `clean_wanted` are items, or all with None; the
    rest is only counted as `unchanged`. `unmatched` are globs that matched nothing, and folders that hold nothing. With
    `changes` only those files are items. What was named is never skipped or left to an earlier run, and of its files
    the selection leaves out only those that a list names, unless it is forced on all. With a `shard` only its share are
    items, by their names, and `elsewhere` counts the others. With `signs_oss` objects in OSS are another account's,
    which the service reads by addresses that are signed here. Raises UsageError for a selection with an invalid
    pattern.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        selection: Selection = _ALL,
        lists: Sequence[SourceList] = (),
        stdin: TextIO | None = None,
        open_bucket: OpenBucket | None = None,
        open_s3: OpenS3 | None = None,
        signs_oss: bool = False,
        recall: Recall | None = None,
        clean_wanted: int | None = None,
        changes: Changes | None = None,
        shard: Shard | None = None,
    ) -> None:
        self._names = names
        self._rules = selection.rules()
        self._named = NamedFiles(self._rules)
        self._is_forced = selection.force_exclude
        self._lists = lists
        self._stdin = stdin
        self._open_bucket = open_bucket
        self._open_s3 = open_s3
        self._signs_oss = signs_oss
        self._oss_buckets: dict[str, Bucket] = {}
        self._s3_buckets: dict[str, S3Bucket] = {}
        self._recall = recall
        self._clean_wanted = clean_wanted
        self._changes = changes
        self.shard = shard
        self.elsewhere = 0
        self.non_images = 0
        self.camera_raw = 0
        self.ignored = 0
        self.ignored_by: Counter[str] = Counter()
        self.links = 0
        self.unchanged = 0
        self.unmatched: list[str] = []

    def __iter__(self) -> Iterator[Item]:
        return self._named_items() if self._changes is None else self._changed(self._changes)

    def of(self, name: str) -> Iterator[Item]:
        """Yield the items behind one more source, whose name is taken literally."""
        return self._items([(name, None, None)], select=False)

    def _named_items(self) -> Iterator[Item]:
        for name in self._names:
            if name == STANDARD_INPUT:
                yield from self._listed(SourceList(name, may_be_image=True))
            elif is_glob(name) and not is_address(name):
                yield from self._globbed(name)
            else:
                yield from self._items([(name, None, None)], select=self._is_forced)
        for listing in self._lists:
            yield from self._listed(listing)

    def _changed(self, changes: Changes) -> Iterator[Item]:
        """Yield the images among changed files, as they would be found in the folder of the repository."""
        rules = self._rules.at(changes.top)
        for path in changes.paths:
            name = path.rpartition(os.sep)[2]
            if os.path.islink(path) and rules.leads_out(path):  # noqa: PTH114 - it never raises
                self.links += 1
            elif os.path.isdir(path) or not self._is_here(path):  # noqa: PTH112 - a link to a folder: its files count
                continue
            elif by := self._named.left_out_by(path, is_folder=False):
                self._count_ignored(by if has_image_name(name) else EXCLUDED)
            elif has_image_name(name) or has_image_content(path):
                yield Item(path, LocalFile(Path(path)))
            else:
                self._pass_over(name)

    def _count_ignored(self, by: str) -> None:
        self.ignored += 1
        if by != EXCLUDED:
            self.ignored_by[by] += 1

    def _listed(self, listing: SourceList) -> Iterator[Item]:
        stdin = sys.stdin if self._stdin is None else self._stdin
        return self._items(read_list(listing, stdin), select=True)

    def _items(self, entries: Iterable[Listed | StoredObject | Item], *, select: bool) -> Iterator[Item]:
        """Yield the images of each source; with `select`, only those that the selection wants.

        Names are taken literally, never as globs.
        """
        for entry in entries:
            if not isinstance(entry, tuple):
                if (item := self._ready(entry)) is not None:
                    yield item
                continue
            source, data_id, referer = entry
            if is_file_uri(source):
                try:
                    source = path_of(source)
                except InputError as error:
                    if self._is_here(source):
                        yield Item(source, BrokenInput(error))
                    continue
            if self.shard is not None and not _stands_for_many(source) and not self._is_here(source):
                continue
            image = self._one_image(source)
            if select and (by := self._unwanted_by(source, image)):
                self._count_ignored(by)
                continue
            if image is not None:
                yield Item(mask_address(shown(source)), image, data_id, referer)
                continue
            many = self._stored(source) if is_oss(source) or is_s3(source) else self._below(source)
            is_plain = data_id is None and referer is None
            yield from many if is_plain else (replace(item, data_id=data_id, referer=referer) for item in many)

    def _ready(self, entry: StoredObject | Item) -> Item | None:
        """Return the item that an entry of a list is, None where it is not wanted."""
        if isinstance(entry, Item):
            return entry if self._is_here(entry.source) else None
        if not self._is_wanted(entry.address, entry.key, entry.key):
            return None
        if entry.scheme == "s3":
            return Item(entry.address, self._in_s3(entry.address))
        return Item(entry.address, self._in_oss(OssObject(entry.bucket, entry.key, etag=entry.etag)))

    def _one_image(self, source: str) -> Image | BrokenInput | None:
        """Return the image that a source is, or why it is not one; None where it stands for many."""
        if is_s3(source):
            return None if _stands_for_many(source) else self._in_s3(source)
        try:
            image = _image_of(source)
        except InputError as error:
            return BrokenInput(error)
        return self._in_oss(image) if isinstance(image, OssObject) else image

    def _in_s3(self, source: str) -> ImageUrl | BrokenInput:
        """Return the address from which the service may download an object in S3, or why there is none."""
        name, key = bucket_and_key(source)
        try:
            if not name or not is_text(source):
                raise _invalid("no bucket, or no text", "write s3://BUCKET/KEY in UTF-8")
            return ImageUrl(self._s3(name).sign(key))
        except ModerateError as error:
            return BrokenInput(error)

    def _in_oss(self, found: OssObject) -> Image | BrokenInput:
        """Return an object in OSS as the service can read it, or why it cannot."""
        if not self._signs_oss:
            return found
        try:
            return ImageUrl(self._oss(found.bucket).sign(found.key))
        except ModerateError as error:
            return BrokenInput(error)

    def _oss(self, name: str) -> Bucket:
        if name not in self._oss_buckets:
            if self._open_bucket is None:
                raise InputError("buckets cannot be listed here", code="oss_unavailable", hint="name the objects")
            self._oss_buckets[name] = self._open_bucket(name)
        return self._oss_buckets[name]

    def _s3(self, name: str) -> S3Bucket:
        if name not in self._s3_buckets:
            if self._open_s3 is None:
                raise InputError("s3:// is not read here", code="s3_unavailable", hint="give a signed address")
            self._s3_buckets[name] = self._open_s3(name)
        return self._s3_buckets[name]

    def _is_here(self, source: str) -> bool:
        """Tell whether an input is one of this shard; the others are counted."""
        is_here = self.shard is None or self.shard.holds(mask_address(source))
        self.elsewhere += not is_here
        return is_here

    def _unwanted_by(self, source: str, image: Image | BrokenInput | None) -> str | None:
        if isinstance(image, LocalFile):
            return self._named.left_out_by(source, is_folder=False)
        if image is None and not (is_oss(source) or is_s3(source)):
            return self._named.left_out_by(source, is_folder=True)
        return None

    @property
    def _is_rescan(self) -> bool:
        """Whether the clean files of earlier runs are only counted."""
        return self._recall is not None and self._clean_wanted is not None

    def _below(self, folder: str) -> Iterator[Item]:
        is_empty = True
        for chunk in walk(folder, self._rules, read_ahead=self._is_rescan):
            is_empty &= chunk.is_empty
            yield from self._images(chunk)
        if is_empty:
            self._note_unmatched(folder)

    def _globbed(self, name: str) -> Iterator[Item]:
        """Yield what a glob matches and, before that, what has the very name of it, each once.

        A file that a change calls `*.png` must not stand for all that `*.png` finds, and `a[1].png` matches not itself.
        """
        if os.path.lexists(name):
            yield from self._items([(name, None, None)], select=self._is_forced)
            yield from self._matches(name, without=os.path.normpath(name))
        else:
            yield from self._matches(name)

    def _matches(self, name: str, without: str | None = None) -> Iterator[Item]:
        folder, glob = Glob.parse(name)
        is_matched = without is not None
        for chunk in walk(folder, self._rules, glob, read_ahead=self._is_rescan):
            if isinstance(chunk.error, FileNotFoundError | NotADirectoryError):  # where the glob begins
                break
            if without is not None:
                if with_separator(os.path.normpath(chunk.prefix)).startswith(with_separator(without)):
                    continue
                _keep(chunk, lambda path: os.path.normpath(path) != without)
            is_matched |= not chunk.is_empty
            yield from self._images(chunk)
        if not is_matched:
            self._note_unmatched(name)

    def _note_unmatched(self, name: str) -> None:
        if len(self.unmatched) < _MAX_UNMATCHED:
            self.unmatched.append(name)

    def _images(self, chunk: Chunk) -> Iterator[Item]:
        """Yield the images of a folder."""
        self.ignored += chunk.ignored
        self.links += chunk.links
        if self.shard is not None:
            _keep(chunk, self._is_here)
        yield from self._files(chunk)
        yield from self._odd(chunk)

    def _files(self, chunk: Chunk) -> Iterator[Item]:
        """Yield the images among some files; known files are not opened, and unchanged clean ones only counted."""
        files = self._without_unchanged(chunk)
        known = self._known(chunk, files)
        for file in files:
            name, sha256 = file[0], None
            path = chunk.prefix + name
            seen = known.get(name)
            if seen is not None and seen[:4] == file:
                sha256 = seen[4]
            elif not has_image_name(name) and not has_image_content(path):
                self._pass_over(name)
                continue
            yield Item(path, LocalFile(Path(path), FileStat(*file[1:]), sha256))

    def _pass_over(self, name: str) -> None:
        """Count a file that is no image that could be judged."""
        is_raw = is_raw_name(name)
        self.camera_raw += is_raw
        self.non_images += not is_raw

    def _without_unchanged(self, chunk: Chunk) -> list[Found]:
        """Return the files that are not known to be clean, and of the clean ones those that are wanted.

        A rescan spends most of its time here.
        """
        files = chunk.files
        if self._recall is None or self._clean_wanted is None or not files:
            return files
        clean = self._recall.clean_in(chunk.folder, files, whole=chunk.is_whole)
        if clean == files and not self._clean_wanted:  # both are in the order of their names
            self.unchanged += len(files)
            return []
        known, left = frozenset(clean), []
        for file in files:
            if file not in known:
                left.append(file)
            elif self._clean_wanted:
                self._clean_wanted -= 1
                left.append(file)
            else:
                self.unchanged += 1
        return left

    def _known(self, chunk: Chunk, files: list[Found]) -> Mapping[str, Seen]:
        if self._recall is None or not files:
            return {}
        is_whole = chunk.is_whole and len(files) == len(chunk.files)
        return self._recall.seen_in(chunk.folder, None if is_whole else _names(files))

    def _odd(self, chunk: Chunk) -> Iterator[Item]:
        """Yield what is named like an image and is not a file, so that reading it reports why, and what failed."""
        for name in chunk.odd:
            path = chunk.prefix + name
            if has_image_name(name):
                yield Item(path, LocalFile(Path(path)))
            else:
                self.non_images += 1
        folder = chunk.prefix.rstrip(os.sep) or chunk.prefix or os.curdir
        if chunk.error is not None and self._is_here(folder):
            message = f"cannot list the folder: {chunk.error.strerror}"
            yield Item(folder, BrokenInput(InputError(message, code="unreadable", hint="check its permissions")))

    def _stored(self, source: str) -> Iterator[Item]:
        name, prefix = bucket_and_key(source)
        try:
            is_empty = True
            for key, image in self._objects(source, name, prefix):
                is_empty = False
                address = f"{source.partition('://')[0].lower()}://{name}/{key}"
                if self._is_wanted(address, key, key.removeprefix(prefix)):
                    yield Item(address, self._in_s3(address) if image is None else self._in_oss(image))
            if is_empty:
                self._note_unmatched(source)
        except ModerateError as error:  # each shard lists the bucket, and each may fail to
            yield Item(source, BrokenInput(error))

    def _objects(self, source: str, name: str, prefix: str) -> Iterator[tuple[str, OssObject | None]]:
        """Yield the objects below a prefix, those of OSS with the image that they are."""
        if is_s3(source):
            yield from ((key, None) for key in self._s3(name).keys(prefix))
        else:
            yield from ((found.key, found) for found in self._oss(name).objects(prefix))

    def _is_wanted(self, address: str, key: str, below: str) -> bool:
        """Tell whether an object that was listed is an image of this shard; `below` is its path as selections see it.

        The console marks a folder by an object of its name.
        """
        if is_prefix(key) or not self._is_here(address):
            return False
        if self._rules.is_unselected(below):
            self.ignored += 1
            return False
        if not has_image_name(key.rpartition("/")[2]):
            self._pass_over(key)
            return False
        return True


def _keep(chunk: Chunk, is_wanted: Callable[[str], bool]) -> None:
    """Take the files out of a part of a folder whose paths are not wanted."""
    files = [file for file in chunk.files if is_wanted(chunk.prefix + file[0])]
    chunk.is_whole &= len(files) == len(chunk.files)
    chunk.files = files
    chunk.odd = [name for name in chunk.odd if is_wanted(chunk.prefix + name)]


def _names(files: Iterable[Found]) -> list[str]:
    return [file[0] for file in files]


def _stands_for_many(source: str) -> bool:
    """Tell whether a source is a folder or a prefix; an image of the web or in OSS is told without a look at a disk."""
    if is_oss(source) or is_s3(source):
        return is_prefix(bucket_and_key(source)[1])
    return not is_web(source) and os.path.isdir(source)  # noqa: PTH112 - it never raises


def _image_of(source: str) -> Image | None:
    """Return the image that a source is, None where it stands for many; raises InputError."""
    if not source:
        raise _invalid("the name is empty", "check the variable or the list that it comes from")
    if is_web(source):
        check_address(source)
        return ImageUrl(source)
    if not is_oss(source):
        if os.path.isdir(source):  # noqa: PTH112 - it never raises
            return None
        check_scheme(source)
        return LocalFile(Path(source))
    found = oss_object(source)
    return None if is_prefix(found.key) else found


def _invalid(message: str, hint: str) -> InputError:
    return InputError(message, code="source_invalid", hint=hint)
