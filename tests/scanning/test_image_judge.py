"""How one item becomes an outcome, with a client that sends nothing."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from builders import call, fatal_error, item, service_error, unreadable_answer, verdict
from msgspec.structs import replace

from moderate_cli.app.session import show_log
from moderate_cli.client.parameters import Operation
from moderate_cli.client.upload import FileChangedError
from moderate_cli.common.errors import ExitCode, InputError
from moderate_cli.models import (
    BrokenInput,
    Call,
    Failed,
    FileStat,
    ImageUrl,
    Item,
    Judged,
    Known,
    LocalFile,
    NotTried,
    OssObject,
    Outcome,
    Planned,
    RemoteImage,
    RiskLevel,
    Skipped,
    Verdict,
)
from moderate_cli.results import GatePolicy, RunSummary
from moderate_cli.scanning import CallBudget, Executor, ImageCall, ImageJudge, Sender, image_judge, plan
from moderate_cli.scanning.image_judge import KeyedLock

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0\xba\xb3K\xb3"  # 640 x 480


class FakeClient:
    """Remembers what it was asked; fails where it is told to."""

    def __init__(self, *, upload_error: Exception | None = None, call_error: Exception | None = None) -> None:
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
    ask = ImageCall(changes.pop("info_types", ()))
    return ImageJudge(
        call=call(services=("baselineCheck",)),
        send=Sender(clients=[client], ask=ask, budget=changes.pop("budget", CallBudget())),  # type: ignore[list-item]
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


@pytest.mark.parametrize("error", [ConnectionResetError("peer"), ValueError("bug"), ZeroDivisionError("x\n" * 500)])
@pytest.mark.parametrize("where", ["upload_error", "call_error"])
def test_an_error_that_nobody_foresaw_is_a_bug_and_not_blamed_on_the_file(
    tmp_path: Path, error: Exception, where: str
) -> None:
    cache = FakeCache()
    outcome = _judge(FakeClient(**{where: error}), _file(tmp_path / "a.png"), cache=cache)
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.exit_code, outcome.error.ends_run) == ("bug", ExitCode.BUG, False)
    assert outcome.error.message.startswith(f"a bug in moderate: {type(error).__name__}: ")
    assert "\n" not in outcome.error.message
    assert len(outcome.error.message) < 400
    assert "--debug" in (outcome.error.hint or "")
    assert cache.kept == [(outcome, None)]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("verbosity", [0, 1, 2])
def test_the_traceback_is_in_the_log_only_where_it_is_asked_for(tmp_path: Path, debug: bool, verbosity: int) -> None:
    stream = io.StringIO()
    show_log(verbosity, stream, debug=debug)
    _judge(FakeClient(call_error=ZeroDivisionError("what nobody foresaw")), _file(tmp_path / "a.png"))
    is_shown = debug or verbosity > 1
    assert ("Traceback (most recent call last)" in stream.getvalue()) is is_shown
    assert (f"moderate: {tmp_path / 'a.png'}: unexpected error" in stream.getvalue()) is is_shown


def test_a_memory_that_fails_about_one_image_is_that_images_failure(tmp_path: Path) -> None:
    class Forgetful(FakeCache):
        def get(self, known: Known, fingerprint: FileStat | None) -> Outcome | None:
            raise KeyError("risk_level")

    cache = Forgetful()
    client = FakeClient()
    outcome = _judge(client, _file(tmp_path / "a.png"), cache=cache)
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, len(cache.kept)) == ("bug", 1)
    assert client.calls == client.uploads == []


def test_one_bug_among_many_images_leaves_the_others_their_verdicts(tmp_path: Path) -> None:
    class Picky(FakeClient):
        def upload(self, file: BufferedReader, *, extension: str = "", sha256: str | None = None) -> OssObject:
            if file.name.endswith("17.png"):
                raise RuntimeError("injected")
            return super().upload(file, extension=extension, sha256=sha256)

    client, policy = Picky(), GatePolicy(RiskLevel.HIGH)
    judge = ImageJudge(
        call=call(),
        send=Sender(clients=[client], ask=ImageCall()),  # type: ignore[list-item]
    )
    items = [_file(tmp_path / f"{index}.png", PNG + bytes([index])) for index in range(60)]
    summary = RunSummary(policy=policy)
    outcomes = list(Executor(items, judge, jobs=4))
    for outcome in outcomes:
        summary.add(outcome)
    assert (summary.judged, summary.failed, summary.bugs, summary.not_tried, len(client.calls)) == (59, 1, 1, 0, 59)
    assert [outcome.item.source for outcome in outcomes if isinstance(outcome, Failed)] == [str(tmp_path / "17.png")]
    assert summary.exit_code(allow_empty=False) is ExitCode.BUG


def test_an_answer_that_cannot_be_read_keeps_what_could_be() -> None:
    said = verdict("medium", "smoke", call=call(attempts=1, elapsed_ms=5, answered_at=7.0), billed_calls=1)
    error = unreadable_answer("a label is 3", said)
    error.attempts, error.repeated = 2, True
    outcome = _judge(FakeClient(call_error=error), item())
    assert isinstance(outcome, Failed)
    assert (outcome.error, outcome.verdict) == (error, said)
    assert (outcome.call.attempts, outcome.call.repeated, outcome.call.answered_at) == (2, True, 7.0)


class FakeCache:
    """A cache of contents in a dictionary."""

    def __init__(self) -> None:
        self.kept: list[tuple[Outcome, FileStat | None]] = []
        self.answers: dict[str, Judged] = {}

    def get(self, known: Known, fingerprint: FileStat | None) -> Outcome | None:
        answer = self.answers.get(known.sha256 or "")
        return None if answer is None else replace(answer, item=known.item, reused=True)

    def put(self, outcome: Outcome, fingerprint: FileStat | None) -> None:
        self.kept.append((outcome, fingerprint))
        if isinstance(outcome, Judged) and outcome.sha256:
            self.answers[outcome.sha256] = outcome


def test_the_same_content_is_sent_once_under_whatever_names(tmp_path: Path) -> None:
    client, cache = FakeClient(), FakeCache()
    outcomes = [_judge(client, _file(tmp_path / f"{index}.png"), cache=cache) for index in range(50)]
    assert len(client.calls) == len(client.uploads) == len(cache.kept) == 1
    assert [outcome.item.source for outcome in outcomes] == [str(tmp_path / f"{index}.png") for index in range(50)]
    assert [outcome.reused for outcome in outcomes] == [False, *[True] * 49]


def test_the_same_content_at_the_same_moment_is_sent_once(tmp_path: Path) -> None:
    client, cache, in_flight = FakeClient(), FakeCache(), KeyedLock()
    items = [_file(tmp_path / f"{index}.png") for index in range(20)]
    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(lambda one: _judge(client, one, cache=cache, in_flight=in_flight), items))
    assert len(client.calls) == 1
    assert sum(outcome.reused for outcome in outcomes) == 19


def test_a_file_that_looks_as_it_did_is_not_opened_if_its_answer_is_known(tmp_path: Path) -> None:
    client, cache = FakeClient(), FakeCache()
    one = _file(tmp_path / "a.png")
    first = _judge(client, one, cache=cache)
    (_, fingerprint) = cache.kept[0]
    assert fingerprint == FileStat(
        len(PNG), (tmp_path / "a.png").stat().st_mtime_ns, (tmp_path / "a.png").stat().st_ino
    )
    (tmp_path / "a.png").unlink()
    again = _judge(client, Item("a.png", LocalFile(tmp_path / "a.png", fingerprint, first.sha256)), cache=cache)
    assert isinstance(again, Judged)
    assert (again.reused, again.size, again.sha256) == (True, len(PNG), first.sha256)


def test_a_file_that_looks_as_it_did_is_read_if_no_answer_is_known(tmp_path: Path) -> None:
    client = FakeClient()
    one = _file(tmp_path / "a.png")
    stat = FileStat(len(PNG), 0, 0)
    outcome = _judge(client, Item("a.png", LocalFile(tmp_path / "a.png", stat, "0" * 64)), cache=FakeCache())
    assert isinstance(outcome, Judged)
    assert outcome.sha256 == hashlib.sha256(PNG).hexdigest()
    assert one.source.endswith("a.png")


def test_failures_and_refusals_are_kept_too(tmp_path: Path) -> None:
    cache = FakeCache()
    _judge(FakeClient(), _file(tmp_path / "text.jpg", b"a text"), cache=cache)
    _judge(FakeClient(call_error=service_error()), _file(tmp_path / "a.png"), cache=cache)
    _judge(FakeClient(), _file(tmp_path / "b.png"), cache=cache, budget=CallBudget(0))
    assert [type(outcome) for outcome, _ in cache.kept] == [Skipped, Failed]  # what is not tried is no result


def test_no_call_is_made_beyond_the_cap(tmp_path: Path) -> None:
    client, budget, cache = FakeClient(), CallBudget(2), FakeCache()
    items = [_file(tmp_path / f"{index}.png", PNG + bytes([index])) for index in range(4)]
    outcomes = [_judge(client, one, budget=budget, cache=cache) for one in items]
    assert [type(outcome) for outcome in outcomes] == [Judged, Judged, NotTried, NotTried]
    assert [outcome.item for outcome in outcomes] == items
    assert len(client.calls) == len(client.uploads) == len(cache.kept) == 2


def test_an_image_that_costs_more_than_is_left_is_not_sent(tmp_path: Path) -> None:
    client = FakeClient()
    outcome = _judge(client, _file(tmp_path / "a.png"), budget=CallBudget(2), cost=lambda checked: 3)
    assert isinstance(outcome, NotTried)
    assert client.uploads == []


@pytest.mark.parametrize(("cap", "total"), [(3, 10), (0, 4), (10, 10), (1, 1)])
@pytest.mark.parametrize("jobs", [1, 4])
def test_each_input_beyond_the_cap_is_counted(tmp_path: Path, cap: int, total: int, jobs: int) -> None:
    client = FakeClient()
    judge = ImageJudge(
        call=call(),
        send=Sender(clients=[client], ask=ImageCall(), budget=CallBudget(cap)),  # type: ignore[list-item]
    )
    scan = Executor(
        (_file(tmp_path / f"{index}.png", PNG + bytes([index])) for index in range(total)), judge, jobs=jobs
    )
    outcomes = list(scan)
    assert len(outcomes) == len(client.calls) == cap
    assert all(isinstance(outcome, Judged) for outcome in outcomes)
    assert (scan.not_tried, scan.at_least) == (total - cap, False)


# --- a file that changes meanwhile


def _changing(client: FakeClient, path: Path, contents: list[bytes]) -> None:
    """Let a file get another content each time that it is about to be uploaded, which is held against the hash."""
    real = client.upload

    def upload(file: BufferedReader, *, extension: str = "", sha256: str | None = None) -> OssObject:
        if contents:
            path.write_bytes(contents.pop(0))
        file.seek(0)
        if hashlib.sha256(file.read()).hexdigest() != sha256:
            raise FileChangedError
        return real(file, extension=extension, sha256=sha256)

    client.upload = upload  # type: ignore[method-assign]


def test_a_file_that_changed_before_it_was_sent_is_judged_under_the_hash_of_what_was_sent(tmp_path: Path) -> None:
    client, cache, budget = FakeClient(), FakeCache(), CallBudget(1)
    one, changed = _file(tmp_path / "a.png"), PNG + b"changed"
    _changing(client, tmp_path / "a.png", [changed])
    outcome = _judge(client, one, cache=cache, budget=budget)
    assert isinstance(outcome, Judged)
    assert (outcome.sha256, outcome.size) == (hashlib.sha256(changed).hexdigest(), len(changed))
    assert client.uploads == [(changed, ".png")]
    assert [kept.sha256 for kept, _ in cache.kept] == [outcome.sha256]


def test_a_file_that_keeps_changing_fails_and_is_never_judged_under_another_hash(tmp_path: Path) -> None:
    client, cache, budget = FakeClient(), FakeCache(), CallBudget(1)
    one = _file(tmp_path / "a.png")
    _changing(client, tmp_path / "a.png", [PNG + bytes([index]) for index in range(10)])
    outcome = _judge(client, one, cache=cache, budget=budget)
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.exit_code) == ("file_changed", ExitCode.INCOMPLETE)
    assert client.calls == client.uploads == []
    assert [type(kept) for kept, _ in cache.kept] == [Failed]
    assert isinstance(_judge(client, _file(tmp_path / "b.png"), budget=budget), Judged)  # it has cost nothing


def test_a_file_that_becomes_no_image_is_refused_the_second_time(tmp_path: Path) -> None:
    client = FakeClient()
    one = _file(tmp_path / "a.png")
    _changing(client, tmp_path / "a.png", [b"a text"])
    outcome = _judge(client, one)
    assert isinstance(outcome, Skipped)
    assert (outcome.error.code, client.calls) == ("not_an_image", [])


def test_a_file_that_changed_since_it_was_walked_over_is_hashed_anew(tmp_path: Path) -> None:
    client, cache = FakeClient(), FakeCache()
    path = tmp_path / "a.png"
    _file(path)
    stat = FileStat(len(PNG), path.stat().st_mtime_ns, path.stat().st_ino)
    _changing(client, path, [PNG + b"changed"])
    outcome = _judge(client, Item("a.png", LocalFile(path, stat, "0" * 64)), cache=cache)
    assert isinstance(outcome, Judged)
    assert outcome.sha256 == hashlib.sha256(PNG + b"changed").hexdigest()


def test_a_file_that_changes_while_it_is_judged_is_not_known_by_its_looks(tmp_path: Path) -> None:
    client, cache = FakeClient(), FakeCache()
    path = tmp_path / "a.png"
    one = _file(path)
    real = client.image_moderation

    def image_moderation(*arguments: Any, **options: Any) -> Verdict:
        path.write_bytes(b"something else")
        return real(*arguments, **options)

    client.image_moderation = image_moderation  # type: ignore[method-assign]
    outcome = _judge(client, one, cache=cache)
    assert isinstance(outcome, Judged)
    assert outcome.sha256 == hashlib.sha256(PNG).hexdigest()
    assert cache.kept == [(outcome, None)]


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

    monkeypatch.setattr(image_judge, "check_file", refuse)
    outcome = _judge(FakeClient(), _file(tmp_path / "a.png"))
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "unreadable"
