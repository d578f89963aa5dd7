"""What was answered before? A folder of verdicts, which one emulator records and another replays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import atomic_write
from moderate_cli.emulator.messages import NOTHING_CHECKED, BodyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Tape:
    """The verdicts of a folder, a file each, by what they are about: the operation, the services and the content.

    With `replay` nothing else is answered, and no detector looks; else each new verdict is recorded. A recorded file is
    JSON and may be edited. Raises UsageError for a folder that cannot be made, or is not there to be replayed.
    """

    def __init__(self, folder: Path, *, replay: bool) -> None:
        self._folder = folder
        self.replays = replay
        if replay and not folder.is_dir():
            raise UsageError(f"there is no folder {str(folder)!r} to replay", hint="record it with --record")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot record to {str(folder)!r}: {error.strerror}") from error

    def answer(self, call: Mapping[str, Any], data_id: str, work: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return the Data of a call: the recorded one with this call's data id, else what the work returns.

        Raises BodyError where nothing is recorded and only that may be answered.
        """
        text = json.dumps(call, sort_keys=True)
        path = self._folder / f"{call['operation']}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if self.replays:
            return {**self._read(path), "DataId": data_id}
        data = work()
        atomic_write(path, json.dumps({"call": call, "data": data}, ensure_ascii=False, indent=2) + "\n")
        return data

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["data"]
        except FileNotFoundError:
            raise BodyError(NOTHING_CHECKED, f"nothing is recorded for this call: {path.name}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BodyError(500, f"the recorded file {path.name} cannot be read: {error}") from error
        return content
