"""A quota that several processes share: its places, what is lost, and what stands in for it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from clocks import VirtualClock
from redis_server import needs_redis, running_redis

from moderate_cli.client.limits import RateKey, RateLimits, RateState
from moderate_cli.client.quota import Answer, FileKeeper, Operation, QuotaError, RedisKeeper, SharedQuota, open_quota
from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import network_file_system

KEY = RateKey("LTAIaccount", "host", "ImageModeration", 100.0)


@pytest.fixture(params=["file", pytest.param("redis", marks=needs_redis)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file:{tmp_path / 'quota'}"
        return
    with running_redis() as server:
        yield server.address


def _open(address: str) -> SharedQuota:
    return open_quota(address, Path("unused"))


def test_two_processes_hand_out_starts_of_one_quota(address: str) -> None:
    one, other = _open(address).place(KEY), _open(address).place(KEY)
    starts = [place.reserve([], waited=False).start for _ in range(5) for place in (one, other)]
    assert starts == sorted(starts)
    assert starts[-1] - starts[0] >= 9 / 98
    assert one.state().sharing == 2


def test_a_brake_holds_for_all(address: str) -> None:
    one, other = _open(address).place(KEY), _open(address).place(KEY)
    started = one.reserve([], waited=False).start
    pause = one.refused(started, [])
    assert pause == pytest.approx(0.2, abs=0.01)
    assert other.state().rate == pytest.approx(81, rel=0.01)
    assert other.reserve([], waited=False).delay == pytest.approx(pause, abs=0.1)


def test_what_another_process_had_accepted_tells_too(address: str) -> None:
    one, other = _open(address).place(KEY), _open(address).place(KEY)
    first = one.reserve([], waited=False).start
    accepted = [first + number / 50 for number in range(100)]
    other.reserve(accepted, waited=False)
    one.refused(accepted[-1], [])
    assert one.state().borne == pytest.approx(50, abs=1)


def test_quotas_of_other_accounts_and_operations_are_others(address: str) -> None:
    quota = _open(address)
    quota.place(KEY).reserve([], waited=False)
    for other in (RateKey("x", "host", "ImageModeration", 100.0), RateKey("LTAIaccount", "host", "Other", 100.0)):
        assert quota.place(other).reserve([], waited=False).delay == 0


def _calls(address: str, calls: int, starts: multiprocessing.Queue) -> None:
    limits = RateLimits(places=_open(address).place)
    limiter = limits.limiter(RateKey("a", "h", "o", 200.0))
    for _ in range(calls):
        limiter.accepted(limiter.wait())
        starts.put(time.monotonic())


def test_processes_keep_to_the_rate_together(address: str) -> None:
    context = multiprocessing.get_context("spawn")
    starts: multiprocessing.Queue = context.Queue()
    processes = [context.Process(target=_calls, args=(address, 60, starts)) for _ in range(3)]
    for process in processes:
        process.start()
    times = sorted(starts.get(timeout=60) for _ in range(180))
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    # 180 starts at 196 a second; how late they are is up to the machine.
    assert times[-1] - times[0] >= 179 / 200 - 0.05


def test_threads_of_one_process_hold_one_reservation() -> None:
    class Counting:
        name = "counting"

        def __init__(self) -> None:
            self.asked = 0

        def ask(self, *_arguments: object, **_options: object) -> Answer:
            self.asked += 1
            return Answer(0.0, 60.0, RateState(100.0))

    keeper = Counting()
    asleep, go_on = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        go_on.wait(30)

    limiter = RateLimits(places=SharedQuota(keeper).place, sleep=sleep).limiter(KEY)
    workers = [threading.Thread(target=limiter.wait) for _ in range(8)]
    for worker in workers:
        worker.start()
    assert asleep.wait(30)
    assert keeper.asked == 1
    go_on.set()
    for worker in workers:
        worker.join(30)
    assert keeper.asked == 8


class Fragile:
    """A keeper that can be switched off, whose clock is hours ahead."""

    name = "redis://there:6379/0"

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.is_up = True
        self.asked = 0

    def ask(
        self,
        operation: Operation,
        key: RateKey,
        subject: str | float = "",
        accepted: object = (),
        *,
        waited: bool = False,
    ) -> Answer:
        self.asked += 1
        if not self.is_up:
            raise QuotaError("it is gone", code="quota_unavailable")
        return Answer(self.clock.now + 7200.5, 0.5, RateState(98.0, sharing=4))


def test_without_the_place_calls_go_on_at_a_share_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    keeper = Fragile(clock)
    quota = SharedQuota(keeper, monotonic=clock.monotonic)
    limiter = RateLimits(places=quota.place, monotonic=clock.monotonic, sleep=clock.sleep).limiter(KEY)
    shared = limiter.wait()
    keeper.is_up = False
    with caplog.at_level(logging.WARNING, "moderate_cli"):
        starts = [limiter.wait() for _ in range(100)]
    assert len(starts) / (starts[-1] - starts[0]) == pytest.approx(25, rel=0.05)
    assert 0 <= starts[0] - shared < 1  # the clock goes on as the place's
    limiter.refused(starts[-1])
    assert limiter.state.rate < 24
    (line,) = (record.getMessage() for record in caplog.records)
    assert line == "it is gone; going on without it, at 1/4 of the rate"
    assert keeper.asked == 2


def test_the_place_is_tried_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    keeper = Fragile(clock)
    quota = SharedQuota(keeper, monotonic=clock.monotonic)
    place = quota.place(KEY)
    place.reserve([], waited=False)
    keeper.is_up = False
    place.reserve([], waited=False)
    keeper.is_up = True
    assert place.reserve([], waited=False).delay != 0.5
    clock.now += 31
    with caplog.at_level(logging.WARNING, "moderate_cli"):
        assert place.reserve([], waited=False).delay == 0.5
    lost, found = (record.getMessage() for record in caplog.records)
    assert lost.startswith("it is gone; ")
    assert found == "the shared quota at redis://there:6379/0 works again"


@needs_redis
def test_redis_that_is_killed_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    with running_redis() as server:
        quota = SharedQuota(RedisKeeper(server.address), monotonic=lambda: now)
        place = quota.place(KEY)
        place.reserve([], waited=False)
        server.kill()
        with caplog.at_level(logging.WARNING, "moderate_cli"):
            assert place.reserve([], waited=False).delay < 1
            assert place.reserve([], waited=False).delay < 1
        assert len(caplog.records) == 1
    with running_redis(port=int(server.address.rpartition(":")[2].split("/")[0])):
        now = 60.0
        place.reserve([], waited=False)
        assert place.state().sharing == 1


@needs_redis
def test_a_client_whose_clock_is_an_hour_off_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_redis() as server:
        right, wrong = _open(server.address).place(KEY), _open(server.address).place(KEY)
        first = right.reserve([], waited=False)
        really = time.time
        monkeypatch.setattr(time, "time", lambda: really() + 3600)
        second = wrong.reserve([], waited=False)
        monkeypatch.setattr(time, "time", lambda: really() - 3600)
        third = wrong.reserve([], waited=False)
        assert 0 < second.start - first.start < 10
        assert 0 < third.start - second.start < 10
        assert second.delay <= 1 / 90 + 1e-6


@needs_redis
def test_no_password_is_told() -> None:
    with running_redis("--requirepass", "OpenSesame99") as server:
        for wrong in ("redis://:WrongSesame99@", "redis://user:WrongSesame99@", "redis://"):
            with pytest.raises(QuotaError) as caught:
                _open(server.address.replace("redis://", wrong))
            assert "Sesame" not in caught.value.message
            assert caught.value.message.startswith("the shared quota at redis://127.0.0.1:")
        quota = _open(server.address.replace("redis://", "redis://:OpenSesame99@"))
        assert "Sesame" not in quota.keeper.name
        assert quota.place(KEY).reserve([], waited=False).delay == 0


def test_no_redis_is_there_from_the_start() -> None:
    with pytest.raises(QuotaError, match=r"redis://127\.0\.0\.1:9/0 cannot be used"):
        _open("redis://127.0.0.1:9/0")


def test_an_address_that_redis_cannot_use() -> None:
    with pytest.raises(UsageError, match="is no address of Redis"):
        _open("redis://127.0.0.1:port/0")


def test_the_file_tells_no_account_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "quota"
    FileKeeper(path).ask("reserve", KEY, "me")
    assert b"LTAI" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_default_file(tmp_path: Path) -> None:
    assert open_quota("file:", tmp_path / "state" / "quota").keeper.name == f"file:{tmp_path / 'state' / 'quota'}"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"a photo"), "another kind of file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to("elsewhere"), "symbolic links"),
        (lambda path: os.mkfifo(path), "not a regular file"),
    ],
)
def test_a_file_that_cannot_be_ours_is_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "quota"
    make(path)
    with pytest.raises((UsageError, QuotaError), match=reason):
        FileKeeper(path)
    assert path.is_dir() or path.is_symlink() or path.is_fifo() or path.read_bytes() == b"a photo"


def test_a_file_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "quota"
    keeper = FileKeeper(path)
    keeper.ask("reserve", KEY, "me")
    path.write_bytes(path.read_bytes()[:-3])
    assert keeper.ask("reserve", KEY, "me").delay == 0


@pytest.mark.parametrize("held_for", [10.0, 20.0])
def test_a_lock_that_is_held_for_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_for: float) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "quota"
    keeper = FileKeeper(path, lambda: 0.0)
    passed = 0.0

    with path.open("rb") as file:

        def sleep(seconds: float) -> None:
            nonlocal passed
            passed += seconds
            if passed >= held_for:
                fcntl.flock(file, fcntl.LOCK_UN)

        clock = SimpleNamespace(monotonic=lambda: passed, sleep=sleep)
        monkeypatch.setattr("moderate_cli.client.quota.time", clock)
        fcntl.flock(file, fcntl.LOCK_EX)
        if held_for > 15:
            with pytest.raises(QuotaError, match="its lock is held"):
                keeper.ask("reserve", KEY, "me")
        else:
            keeper.ask("reserve", KEY, "me")
            assert passed >= held_for
    keeper.ask("reserve", KEY, "me")


MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/team\040share rw - nfs4 filer:/export rw
31 30 8:2 / /mnt/team\040share/local rw - xfs /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/quota", None),
        ("/mnt/team share/quota", "nfs4"),
        ("/mnt/team share/local/quota", None),
        ("/mnt/team shared/quota", None),
    ],
)
def test_a_network_file_system_is_known_by_the_mounts(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert network_file_system(Path(path), mounts) == kind
    assert network_file_system(Path(path), tmp_path / "none") is None


def test_a_file_on_nfs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderate_cli.client.quota.network_file_system", lambda path: "nfs4")
    with pytest.raises(UsageError, match=r"on a network file system \(nfs4\)"):
        FileKeeper(tmp_path / "quota")
