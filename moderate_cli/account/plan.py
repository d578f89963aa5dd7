"""Which steps make the account what a rules file says? Those that the API has; the rest is told and left alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from moderate_cli.account.account_state import Account, ImageLibraryState, KeywordLibraryState, ServiceState
from moderate_cli.account.lock import Lock
from moderate_cli.account.own_images import OwnLibrary
from moderate_cli.account.steps import (
    AddImages,
    AddKeywords,
    CopyService,
    CreateImageLibrary,
    CreateKeywordLibrary,
    DeleteKeywordLibrary,
    DescribeImageLibrary,
    RemoveImages,
    RemoveKeywords,
    RenameService,
    ServiceName,
    SetExemptions,
    SetFlaggedKeywords,
    SetIgnoredKeywords,
    Step,
)
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import counted
from moderate_cli.rules import Rules
from moderate_cli.rules.library_images import MAX_IMAGES
from moderate_cli.rules.reader import MAX_IMAGE_LIBRARIES, MAX_KEYWORD_LIBRARIES, MAX_KEYWORDS

NoteKind = Literal["by_hand", "local", "skipped", "impossible", "kept", "unknown", "differs"]


class Note(Struct, frozen=True):
    """What is told and left alone, and why; `place` is its FILE:LINE, empty for what is not in the file."""

    kind: NoteKind
    text: str
    place: str = ""


class Plan(Struct, frozen=True):
    """The steps in an order that can be cut off anywhere, and what is left alone."""

    steps: tuple[Step, ...]
    notes: tuple[Note, ...] = ()


def make_plan(
    rules: Rules,
    account: Account,
    images: Mapping[str, OwnLibrary],
    lock: Lock,
    *,
    prune: bool = False,
    upload_again: bool = False,
) -> Plan:
    """Return what is to be done; `prune` removes what only the account has, where the API can.

    `upload_again` uploads to libraries whose images are unknown for want of a lock file of this account. Raises
    UsageError, with file and line, for more than an account may have, and AmbiguousError or UnsettledError where names
    or images are unclear.
    """
    planner = _Planner(rules, account, images, lock, prune=prune, upload_again=upload_again)
    steps = (
        *planner.copies(),
        *planner.keyword_libraries(),
        *planner.image_libraries(),
        *planner.services(),
        *planner.removals(),
    )
    planner.check_limits(steps)
    return Plan(steps, (*planner.notes, *planner.left_alone()))


class _Planner:
    def __init__(
        self,
        rules: Rules,
        account: Account,
        images: Mapping[str, OwnLibrary],
        lock: Lock,
        *,
        prune: bool,
        upload_again: bool,
    ) -> None:
        self.notes: list[Note] = []
        self._rules = rules
        self._account = account
        self._images = images
        self._lock = lock
        self._prune = prune
        self._upload_again = upload_again
        self._services = self._matched()

    def _matched(self) -> dict[str, ServiceState | None]:
        """Return for each service of the file the one of the account: a copy by its title, else by its code.

        The code of a copy that another one of the file is by its title does not count.
        """
        codes = self._rules.file.services
        found = {code: self._by_title(code) for code in codes}
        taken = {each.code for each in found.values() if each is not None}
        return {code: found[code] or (None if code in taken else self._by_code(code)) for code in codes}

    def _by_title(self, code: str) -> ServiceState | None:
        rules, source = self._rules.file.services[code], self._source(code)
        if rules.copy_of is None:
            return self._account.services.get(code)
        return None if source is None else self._account.copy(source, rules.title or code, code)

    def _by_code(self, code: str) -> ServiceState | None:
        found = self._account.services.get(code)
        return found if found is not None and found.copy_of == self._source(code) else None

    def _source(self, code: str) -> str | None:
        """Return what the account calls the service that one copies; None for a copy that is still to be made."""
        source = self._rules.file.services[code].copy_of
        rules = self._rules.file.services.get(source or "")
        if source is None or rules is None or rules.copy_of is None:
            return source
        found = self._by_title(source) or self._by_code(source)
        return found.code if found else None

    def _name(self, code: str) -> ServiceName:
        rules, found = self._rules.file.services[code], self._services[code]
        title = (rules.title or code) if rules.copy_of else None
        return ServiceName(code, found.code if found else None, self._source(code), title)

    def copies(self) -> Iterator[Step]:
        """Yield the services that are to be copied or called otherwise, and note those that cannot be made."""
        seen: dict[tuple[str, str], str] = {}
        for code, rules in self._rules.file.services.items():
            place = self._rules.place("services", code)
            if rules.copy_of is None:
                if code not in self._account.services:
                    self._note("impossible", f"the account has no service {code}, and none can be made", place)
                continue
            title = rules.title or code
            other = seen.setdefault((rules.copy_of, title), code)
            if other != code:
                raise UsageError(f"{place}: {code} and {other} are copies of {rules.copy_of} with one title: {title}")
            name, found = self._name(code), self._services[code]
            if found is None:
                if name.copy_of is None:
                    text = f"{name} is a copy of {rules.copy_of}, which is still to be made: apply once more then"
                    self._note("unknown", text, place)
                    continue
                if code in self._account.services:
                    text = f"{code} is no copy of {rules.copy_of} in the account, whose copy gets another number"
                    self._note("differs", text, place)
                yield CopyService(name)
            else:
                if found.code != code:
                    text = f"the account numbers {code} ({title}) otherwise: it is called by {found.code}"
                    self._note("differs", text, place)
                if rules.title is not None and found.title != title:
                    yield RenameService(name, found.title)

    def keyword_libraries(self) -> Iterator[Step]:
        """Yield what the keyword libraries of the file lack in the account."""
        for name, library in self._rules.file.keyword_libraries.items():
            found = self._account.keyword_library(name)
            place = self._rules.place("keyword_libraries", name)
            if library.comment is not None:
                self._note("impossible", f"keyword library {name}: the API takes no comment for it", place)
            if found is None:
                yield CreateKeywordLibrary(name)
            has = set((found.words or {}).values()) if found else set()
            missing = tuple(word for word in self._rules.words[name] if word not in has)
            if missing:
                yield AddKeywords(name, missing)
            more = has.difference(self._rules.words[name])
            if more and not self._prune:
                self._note("kept", f"{counted(len(more), 'keyword')} only in the account's {name}{_PRUNES}", place)

    def image_libraries(self) -> Iterator[Step]:
        """Yield what the image libraries of the file lack in the account."""
        for name, library in self._rules.file.image_libraries.items():
            found = self._account.image_library(name)
            if found is None:
                yield CreateImageLibrary(name, library.comment or "")
            elif library.comment is not None and library.comment != found.comment:
                yield DescribeImageLibrary(name, found.comment, library.comment)
            yield from self._missing_images(name, found)

    def _missing_images(self, name: str, found: ImageLibraryState | None) -> Iterator[Step]:
        """Yield the files that the account lacks, and note what is unknown there."""
        place = self._rules.place("image_libraries", name)
        own, ids = self._images[name], set(found.images or ()) if found else set()
        for note in own.notes:
            self._note("skipped", note, place)
        if own.files is None:
            missing = [each for each in own.listed if each not in ids]
            if missing:
                text = f"{counted(len(missing), 'image')} of the list of {name}: no content to upload, as a folder has"
                self._note("impossible", text, place)
            self._keep_images(name, len(ids.difference(own.listed)), place)
            return
        locked = self._lock.image_libraries.get(name)
        is_unknown = locked is None or not locked.is_about(ids)
        if is_unknown and ids and own.files and not self._upload_again:
            why = "no lock file tells which they are" if locked is None else "the lock file knows none of them"
            text = (
                f"{counted(len(ids), 'image')} in the account's {name}, and {why}: "
                f"{counted(len(own.files), 'file')} not uploaded (--upload-again does)"
            )
            self._note("unknown", text, place)
            return
        known = locked.settled(name, ids).images if locked else {}
        new = tuple(image for sha256, image in own.files.items() if sha256 not in known)
        if new:
            yield AddImages(name, new)
        self._keep_images(name, sum(sha256 not in own.files for sha256 in known), place)
        others = len(ids) - len(known)
        if others:
            self._note("unknown", f"{counted(others, 'image')} in the account's {name} added elsewhere: kept", place)

    def _keep_images(self, name: str, more: int, place: str) -> None:
        if more and not self._prune:
            self._note("kept", f"{counted(more, 'image')} only in the account's {name}{_PRUNES}", place)

    def services(self) -> Iterator[Step]:
        """Yield which services use other libraries than the file says."""
        for code in self._rules.file.services:
            name, found = self._name(code), self._services[code]
            if found is None and name.copy_of is None:
                continue
            exempt = self._said(code, "exempt")
            now = tuple(sorted(found.exempt)) if found else ()
            if exempt is not None and set(exempt) != set(now):
                yield SetExemptions(name, tuple(exempt), now)
            ignored = self._said(code, "ignored_keywords")
            if ignored is not None and set(ignored) != set(found.ignored if found else ()):
                yield SetIgnoredKeywords(name, tuple(ignored), found.ignored if found else ())
            flagged = self._said(code, "flagged_keywords")
            if flagged is not None and set(flagged) != set(found.flagged if found else ()):
                yield SetFlaggedKeywords(name, tuple(flagged), found.flagged if found else ())

    def _said(self, code: str, key: str) -> Sequence[str] | None:
        """Return which libraries a service or the ones that it copies name, None where none says anything."""
        own = self._rules.file.services.get(code)
        if own is None:
            return None
        said: Sequence[str] | None = getattr(own, key)
        return self._said(own.copy_of, key) if said is None and own.copy_of else said

    def removals(self) -> Iterator[Step]:
        """Yield the removal of what is only in the account, or note it where it is to stay or the API cannot do it."""
        yield from self._images_to_remove()
        for name, words in self._rules.words.items():
            found = self._account.keyword_library(name)
            wanted = set(words)
            more = [word for word in (found.words or {}).values() if word not in wanted] if found else []
            if more and self._prune:
                yield RemoveKeywords(name, tuple(more))
        for keyword_library in self._account.keyword_libraries:
            if keyword_library.name not in self._rules.file.keyword_libraries:
                yield from self._library_to_delete(keyword_library)
        for image_library in self._account.image_libraries:
            if image_library.name not in self._rules.file.image_libraries:
                text = f"image library {image_library.name} is only in the account: the API can delete none"
                self._note("impossible", text)
        meant = {each.code for each in self._services.values() if each is not None}
        for service in self._account.services.values():
            if service.copy_of and service.code not in meant:
                text = f"service {service.code} ({service.title}) is only in the account: the API can delete none"
                self._note("impossible", text)

    def _images_to_remove(self) -> Iterator[Step]:
        for name, own in self._images.items():
            found = self._account.image_library(name)
            ids = set(found.images or ()) if found else set()
            locked = self._lock.image_libraries.get(name)
            if not self._prune:
                continue
            if own.files is None:
                # A list whose lines the account does not know is not one of the account's images.
                gone = sorted(ids.difference(own.listed)) if ids.issuperset(own.listed) else []
            else:
                known = locked.settled(name, ids).images if locked else {}
                gone = [each for sha256, each in known.items() if sha256 not in own.files]
            if gone:
                yield RemoveImages(name, tuple(gone))

    def _library_to_delete(self, library: KeywordLibraryState) -> Iterator[Step]:
        if not self._prune:
            self._note("kept", f"keyword library {library.name} is only in the account{_PRUNES}")
        elif users := {*library.services, *self._users(library.name)}:
            text = (
                f"keyword library {library.name} is only in the account, and used by {', '.join(sorted(users))}: kept"
            )
            self._note("kept", text)
        else:
            yield DeleteKeywordLibrary(library.name, library.count)

    def _users(self, library: str) -> Iterator[str]:
        """Yield the services that name a keyword library, whatever the library says of them."""
        for service in self._account.services.values():
            if library in (*service.ignored, *service.flagged):
                yield service.code

    def left_alone(self) -> Iterator[Note]:
        """Yield what the file says and the API cannot be told, or only in shapes that no page documents."""
        for code, rules in self._rules.file.services.items():
            for key, said, what in (
                ("labels", rules.labels, "scope and scores"),
                ("image_libraries", rules.image_libraries, "image libraries"),
                ("keyword_libraries", rules.keyword_libraries, "keyword libraries"),
            ):
                if said:
                    text = f"{what} of {counted(len(said), 'label')} of {code}"
                    yield Note("by_hand", text, self._rules.place("services", code, key))
        if self._rules.file.verdicts:
            text = counted(len(self._rules.file.verdicts), "fixed verdict")
            yield Note("local", text, self._rules.place("verdicts"))
        yield from self._opaque()

    def _opaque(self) -> Iterator[Note]:
        file = self._rules.file
        for code, raw in file.raw.services.items():
            found = self._services.get(code) or self._account.services.get(code)
            for operation, said in raw.items():
                if found is not None and found.raw.get(operation, {}) != said:
                    text = f"raw {operation} of {code} is another one in the account"
                    yield Note("differs", text, self._rules.place("raw"))
        for name, raw in file.raw.keyword_libraries.items():
            library = self._account.keyword_library(name)
            if library is not None and library.raw != raw:
                text = f"raw of keyword library {name} is another one in the account"
                yield Note("differs", text, self._rules.place("raw"))

    def check_limits(self, steps: Collection[Step]) -> None:
        """Raise UsageError, with the line, where the account would have more than it may."""
        account = self._account
        keywords = sum(each.count for each in account.keyword_libraries)
        keywords += sum(len(step.keywords) for step in steps if isinstance(step, AddKeywords))
        images = sum(each.count for each in account.image_libraries)
        images += sum(len(step.images) for step in steps if isinstance(step, AddImages))
        new_lists = sum(isinstance(step, CreateKeywordLibrary) for step in steps)
        new_libraries = sum(isinstance(step, CreateImageLibrary) for step in steps)
        for key, what, number, added, most in (
            (_IMAGES, "image libraries", len(account.image_libraries), new_libraries, MAX_IMAGE_LIBRARIES),
            (_KEYWORDS, "keyword libraries", len(account.keyword_libraries), new_lists, MAX_KEYWORD_LIBRARIES),
            (_IMAGES, "images", images, 0, MAX_IMAGES),
            (_KEYWORDS, "keywords", keywords, 0, MAX_KEYWORDS),
        ):
            if number + added > most:
                message = f"the account would have {number + added:,} {what} with this file, and may have {most:,}"
                raise UsageError(f"{self._rules.place(key)}: {message}", hint="remove some there first")

    def _note(self, kind: NoteKind, text: str, place: str = "") -> None:
        self.notes.append(Note(kind, text, place))


_PRUNES = ": kept (--prune removes)"
_IMAGES, _KEYWORDS = "image_libraries", "keyword_libraries"
