"""How one item becomes an outcome, with a client that sends nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from builders import call, fatal_error, item, service_error, verdict

from moderate_cli.client.operations import Operation
from moderate_cli.errors import InputError, ModerateError
from moderate_cli.scanning import Budget, ImageJudge, Sender, ask_sync, judging, plan
from moderate_cli.scanning.in_flight import InFlight
from moderate_cli.verdicts import (
    BrokenInput,
    Call,
    Failed,
    FileStat,
    ImageUrl,
    Item,
    Judged,
    LocalFile,
    OssObject,
    Outcome,
    Planned,
    RemoteImage,
    Skipped,
    Verdict,
)

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0\xba\xb3K\xb3"  # 640 x 480


class FakeClient:
    """Remembers what it was asked; fails where it is told to."""

    def __init__(self, *, upload_error: ModerateError | None = None, call_error: ModerateError | None = None) -> None:
        self.upload_error = upload_error
        self.call_error = call_error
        self.uploads: list[tuple[bytes, str]] = []
        self.calls: list[tuple[str, RemoteImage, dict[str, Any]]] = []

    def call(self, operation: Operation, services: tuple[str, ...] = ()) -> Call:
        return call(operation=operation.value, services=services)

    def upload(self, file: BufferedReader, *, extension: str = "", sha256: str | None = None) -> OssObject:
        if self.upload_error:
            raise self.upload_error
        file.seek(0)
        self.uploads.append((file.read(), extension))
        return OssObject("bucket", "upload/key", "ap-southeast-1")

    def image_moderation(
        self,
        service: str,
        image: RemoteImage,
        *,
        info_types: Sequence[str] = (),
        data_id: str | None = None,
        referer: str | None = None,
    ) -> Verdict:
        self.calls.append((service, image, {"info_types": info_types, "data_id": data_id, "referer": referer}))
        if self.call_error:
            raise self.call_error
        return verdict("high", "violent_explosion", call=call(services=(service,), attempts=1, elapsed_ms=5))


def _judge(client: FakeClient, one: Item, **changes: Any) -> Outcome:
    ask = ask_sync("baselineCheck", changes.pop("info_types", ()))
    return ImageJudge(
        call=call(services=("baselineCheck",)),
        send=Sender(clients=[client], ask=ask, budget=changes.pop("budget", Budget())),  # type: ignore[list-item]
        **changes,
    )(one)


def _file(path: Path, content: bytes = PNG) -> Item:
    path.write_bytes(content)
    return Item(str(path), LocalFile(path))


def test_a_file_is_hashed_uploaded_and_judged(tmp_path: Path) -> None:
    client = FakeClient()
    outcome = _judge(client, _file(tmp_path / "A.PNG"))
    assert isinstance(outcome, Judged)
    assert (outcome.sha256, outcome.size) == (hashlib.sha256(PNG).hexdigest(), len(PNG))
    assert client.uploads == [(PNG, ".png")]
    assert [image for _, image, _ in client.calls] == [OssObject("bucket", "upload/key", "ap-southeast-1")]
    assert outcome.call == outcome.verdict.call
    assert outcome.call.services == ("baselineCheck",)


def test_an_address_is_judged_without_an_upload() -> None:
    client = FakeClient()
    outcome = _judge(client, item("https://example.com/a.png", image=ImageUrl("https://example.com/a.png")))
    assert isinstance(outcome, Judged)
    assert (outcome.sha256, outcome.size) == (None, None)
    assert client.uploads == []
    assert [image for _, image, _ in client.calls] == [ImageUrl("https://example.com/a.png")]


def test_what_was_asked_for_travels_with_the_call() -> None:
    client = FakeClient()
    _judge(client, item(data_id="order-7", referer="https://example.com/"), info_types=("logoData",))
    expected = {"info_types": ("logoData",), "data_id": "order-7", "referer": "https://example.com/"}
    assert [(service, asked) for service, _, asked in client.calls] == [("baselineCheck", expected)]


def test_a_refused_file_is_skipped_with_its_size(tmp_path: Path) -> None:
    client = FakeClient()
    outcome = _judge(client, _file(tmp_path / "text.jpg", b"a text"))
    assert isinstance(outcome, Skipped)
    assert (outcome.error.code, outcome.size, outcome.sha256, outcome.call.attempts) == ("not_an_image", 6, None, 0)
    assert client.uploads == client.calls == []


def test_without_the_preflight_everything_is_sent(tmp_path: Path) -> None:
    client = FakeClient()
    outcome = _judge(client, _file(tmp_path / "text.jpg", b"a text"), preflight=False)
    assert isinstance(outcome, Judged)
    assert client.uploads == [(b"a text", ".jpg")]


def _missing(folder: Path) -> Path:
    return folder / "missing.png"


def _below_a_file(folder: Path) -> Path:
    (folder / "file").write_bytes(PNG)
    return folder / "file/a.png"


def _circle(folder: Path) -> Path:
    path = folder / "circle.png"
    path.symlink_to(path)
    return path


def _folder(folder: Path) -> Path:
    return folder


def _pipe(folder: Path) -> Path:
    path = folder / "pipe.png"
    os.mkfifo(path)
    return path


def _nul(folder: Path) -> Path:
    return folder / "a\0b.png"


def _long(folder: Path) -> Path:
    return folder / f"{'x' * 300}.png"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_missing, "not_found"),
        (_below_a_file, "unreadable"),
        (_circle, "unreadable"),
        (_nul, "unreadable"),
        (_long, "unreadable"),
        (_folder, "not_a_file"),
        pytest.param(_pipe, "not_a_file", marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")),
    ],
)
def test_a_path_that_is_no_readable_file_fails_and_nothing_is_sent(
    tmp_path: Path, make: Callable[[Path], Path], code: str
) -> None:
    client = FakeClient()
    path = make(tmp_path)
    outcome = _judge(client, Item(str(path), LocalFile(path)))
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.call.attempts, outcome.size) == (code, 0, None)
    assert client.uploads == client.calls == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_fails(tmp_path: Path) -> None:
    one = _file(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    outcome = _judge(FakeClient(), one)
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "unreadable"


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    _file(tmp_path / "a.png")
    link = tmp_path / "link.png"
    link.symlink_to("a.png")
    assert isinstance(_judge(FakeClient(), Item(str(link), LocalFile(link))), Judged)


@pytest.mark.parametrize("where", ["upload_error", "call_error"])
def test_an_error_of_the_service_is_a_failure_with_its_attempts(tmp_path: Path, where: str) -> None:
    error = service_error()
    error.attempts = 3
    outcome = _judge(FakeClient(**{where: error}), _file(tmp_path / "a.png"))
    assert isinstance(outcome, Failed)
    assert outcome.error is error
    assert outcome.call.attempts == 3
    assert (outcome.sha256, outcome.size) == (hashlib.sha256(PNG).hexdigest(), len(PNG))


def test_an_error_that_is_fatal_for_the_run_is_an_outcome_too() -> None:
    outcome = _judge(FakeClient(call_error=fatal_error()), item())
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.call.attempts) == ("not_permitted", 1)


@pytest.mark.parametrize("error", [ConnectionResetError("peer"), ValueError("bug")])
def test_an_error_of_the_upload_is_not_blamed_on_the_file(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        _judge(FakeClient(upload_error=error), _file(tmp_path / "a.png"))


class Remembered:
    """A memory of contents in a dictionary."""

    def __init__(self) -> None:
        self.kept: list[tuple[Outcome, FileStat | None]] = []
        self.answers: dict[str, Judged] = {}

    def recall(self, known: Outcome, look: FileStat | None) -> Outcome | None:
        answer = self.answers.get(known.sha256 or "")
        return None if answer is None else replace(answer, item=known.item, reused=True)

    def keep(self, outcome: Outcome, look: FileStat | None) -> None:
        self.kept.append((outcome, look))
        if isinstance(outcome, Judged) and outcome.sha256:
            self.answers[outcome.sha256] = outcome


def test_the_same_content_is_sent_once_under_whatever_names(tmp_path: Path) -> None:
    client, memory = FakeClient(), Remembered()
    outcomes = [_judge(client, _file(tmp_path / f"{index}.png"), memory=memory) for index in range(50)]
    assert len(client.calls) == len(client.uploads) == len(memory.kept) == 1
    assert [outcome.item.source for outcome in outcomes] == [str(tmp_path / f"{index}.png") for index in range(50)]
    assert [outcome.reused for outcome in outcomes] == [False, *[True] * 49]


def test_the_same_content_at_the_same_moment_is_sent_once(tmp_path: Path) -> None:
    client, memory, in_flight = FakeClient(), Remembered(), InFlight()
    items = [_file(tmp_path / f"{index}.png") for index in range(20)]
    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(lambda one: _judge(client, one, memory=memory, in_flight=in_flight), items))
    assert len(client.calls) == 1
    assert sum(outcome.reused for outcome in outcomes) == 19


def test_a_file_that_looks_as_it_did_is_not_opened_if_its_answer_is_known(tmp_path: Path) -> None:
    client, memory = FakeClient(), Remembered()
    one = _file(tmp_path / "a.png")
    first = _judge(client, one, memory=memory)
    (_, look) = memory.kept[0]
    assert look == FileStat(len(PNG), (tmp_path / "a.png").stat().st_mtime_ns, (tmp_path / "a.png").stat().st_ino)
    (tmp_path / "a.png").unlink()
    again = _judge(client, Item("a.png", LocalFile(tmp_path / "a.png", look, first.sha256)), memory=memory)
    assert isinstance(again, Judged)
    assert (again.reused, again.size, again.sha256) == (True, len(PNG), first.sha256)


def test_a_file_that_looks_as_it_did_is_read_if_no_answer_is_known(tmp_path: Path) -> None:
    client = FakeClient()
    one = _file(tmp_path / "a.png")
    stat = FileStat(len(PNG), 0, 0)
    outcome = _judge(client, Item("a.png", LocalFile(tmp_path / "a.png", stat, "0" * 64)), memory=Remembered())
    assert isinstance(outcome, Judged)
    assert outcome.sha256 == hashlib.sha256(PNG).hexdigest()
    assert one.source.endswith("a.png")


def test_failures_and_refusals_are_kept_too(tmp_path: Path) -> None:
    memory = Remembered()
    _judge(FakeClient(), _file(tmp_path / "text.jpg", b"a text"), memory=memory)
    _judge(FakeClient(call_error=service_error()), _file(tmp_path / "a.png"), memory=memory)
    _judge(FakeClient(), _file(tmp_path / "b.png"), memory=memory, budget=Budget(0))
    assert [type(outcome) for outcome, _ in memory.kept] == [Skipped, Failed, Skipped]


def test_no_call_is_made_beyond_the_cap(tmp_path: Path) -> None:
    client, budget = FakeClient(), Budget(2)
    outcomes = [_judge(client, _file(tmp_path / f"{index}.png"), budget=budget) for index in range(4)]
    assert [type(outcome) for outcome in outcomes] == [Judged, Judged, Skipped, Skipped]
    assert {outcome.error.code for outcome in outcomes[2:]} == {"call_cap"}
    assert all(outcome.error.ends_run for outcome in outcomes[2:])
    assert len(client.calls) == len(client.uploads) == 2


def test_an_image_that_costs_more_than_is_left_is_not_sent(tmp_path: Path) -> None:
    client = FakeClient()
    outcome = _judge(client, _file(tmp_path / "a.png"), budget=Budget(2), cost=lambda checked: 3)
    assert isinstance(outcome, Skipped)
    assert client.uploads == []


def test_a_plan_sends_nothing(tmp_path: Path) -> None:
    judge = ImageJudge(call=call(), send=plan, cost=lambda checked: 3)
    outcome = judge(_file(tmp_path / "a.png"))
    assert isinstance(outcome, Planned)
    assert (outcome.calls, outcome.sha256) == (3, hashlib.sha256(PNG).hexdigest())
    assert isinstance(judge(_file(tmp_path / "text.jpg", b"a text")), Skipped)


def test_an_id_is_made_of_what_was_read_unless_there_is_one(tmp_path: Path) -> None:
    client = FakeClient()
    one = _file(tmp_path / "a.png")
    _judge(client, one, identify=lambda known: known.sha256)
    _judge(client, replace(one, data_id="mine"), identify=lambda known: known.sha256)
    assert [asked["data_id"] for _, _, asked in client.calls] == [hashlib.sha256(PNG).hexdigest(), "mine"]


def test_a_broken_input_is_a_failure_with_its_own_error() -> None:
    error = InputError("line 3 is no source", code="list_invalid")
    outcome = _judge(FakeClient(), item(image=BrokenInput(error)))
    assert isinstance(outcome, Failed)
    assert outcome.error is error


def test_a_file_that_cannot_be_read_any_more_is_an_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: BufferedReader, size: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(judging, "check_file", refuse)
    outcome = _judge(FakeClient(), _file(tmp_path / "a.png"))
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "unreadable"
