"""The callback server over loopback: what it accepts, what it refuses, and how it ends."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from callback_builders import SEED, UID, content, push

from moderate_cli.callback import Callback, CallbackServer, Refusal
from moderate_cli.errors import UsageError

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Saver:
    """Keeps callbacks, and does what a test wants while it does."""

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.saved: list[Callback] = []
        self._during = during
        self._lock = threading.Lock()

    def __call__(self, callback: Callback) -> bool:
        self._during()
        with self._lock:
            is_new = callback not in self.saved
            self.saved.append(callback)
        return is_new


@contextmanager
def serving(save: Callable[[Callback], bool], **options: Any) -> Iterator[CallbackServer]:
    with CallbackServer(save, **{"uid": UID, "seed": SEED, "path": "/moderate"} | options) as server:
        yield server


def _connect(server: CallbackServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*server.address, timeout=10)


def _ask(
    server: CallbackServer, body: bytes | None = None, *, method: str = "POST", path: str = "/moderate", **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    with closing(_connect(server)) as connection:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, push() if body is None else body, FORM | given)
        response = connection.getresponse()
        return response.status, response.read().decode().strip(), response.headers


def _raw(server: CallbackServer, *pieces: bytes) -> bytes:
    """Send bytes as they are, and return all that comes back."""
    with socket.create_connection(server.address, timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        while more := connection.recv(65536):
            received += more
        return received


def _head(*lines: str) -> bytes:
    return "\r\n".join(["POST /moderate HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def test_a_right_push_is_saved_and_then_accepted() -> None:
    save = Saver()
    with serving(save) as server:
        status, text, headers = _ask(server)
    assert (status, text, headers["Server"]) == (200, "saved", "moderate")
    assert [callback.req_id for callback in save.saved] == ["T1"]
    assert save.saved[0].content == content()


def test_the_same_push_again_is_accepted_too() -> None:
    save = Saver()
    with serving(save) as server:
        assert [_ask(server)[:2] for _ in range(3)] == [(200, "saved"), (200, "seen before"), (200, "seen before")]
    assert len(save.saved) == 3


@pytest.mark.parametrize(
    ("algorithms", "statuses"), [(("SHA256",), [200, 403]), (("SM3",), [403, 200]), (("SHA256", "SM3"), [200, 200])]
)
def test_only_the_allowed_hashes_count(algorithms: tuple[str, ...], statuses: list[int]) -> None:
    with serving(Saver(), algorithms=algorithms) as server:
        assert [_ask(server, push(algorithm=each))[0] for each in ("SHA256", "SM3")] == statuses


@pytest.mark.parametrize("text", ['{"a":"烟花 + %2B & = ?"}', '{"RiskLevel":"none","a":"\\ud800%"}'])
def test_content_is_taken_byte_for_byte(text: str) -> None:
    save = Saver()
    with serving(save) as server:
        assert _ask(server, push(text))[0] == 200
    assert save.saved[0].content == text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (push(right="0" * 64), 403),
        (push(content().replace("high", "none"), right="ab" * 32), 403),
        (push("{broken", right="0" * 64), 403),  # nothing that a stranger sent is parsed
        (push("{broken"), 400),
        (push("[]"), 400),
        (b"Content=%7B%7D", 400),
        (b"\xff\x00", 400),
        (b"", 400),
    ],
)
def test_what_is_wrong_is_refused_and_told(body: bytes, status: int) -> None:
    save, refusals = Saver(), list[Refusal]()
    with serving(save, refused=refusals.append) as server:
        assert _ask(server, body)[0] == status
    assert not save.saved
    assert [refusal.status for refusal in refusals] == [status]
    assert SEED not in repr(refusals)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/moderate", 405),
        ("PUT", "/moderate", 405),
        ("HEAD", "/moderate", 405),
        ("BREW", "/moderate", 405),
        ("POST", "/", 404),
        ("POST", "/moderate/x", 404),
        ("GET", "/favicon.ico", 404),
        ("POST", "/moderate?token=x", 200),
    ],
)
def test_one_method_at_one_path(method: str, path: str, status: int) -> None:
    with serving(Saver()) as server:
        answer, _, headers = _ask(server, method=method, path=path)
    assert answer == status
    assert (headers["Allow"] == "POST") == (status == 405)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", "nonsense", ""])
def test_other_content_types_are_refused(kind: str) -> None:
    with serving(Saver()) as server:
        assert _ask(server, Content_Type=kind)[0] == 415
        assert _ask(server, Content_Type="Application/X-WWW-Form-Urlencoded; charset=UTF-8")[0] == 200


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 411),
        (("Content-Length: x",), 411),
        (("Content-Length: -1",), 411),
        (("Content-Length: " + "9" * 5000,), 411),
        (("Content-Length: 1", "Content-Length: 2"), 411),
        (("Transfer-Encoding: chunked",), 411),
        (("Transfer-Encoding: chunked", "Content-Length: 2"), 411),
        (("Content-Length: 52428800",), 413),
        (("Content-Length: 52428800", "Expect: 100-continue"), 413),
    ],
)
def test_bodies_of_no_or_too_great_length_are_refused_unread(lines: tuple[str, ...], status: int) -> None:
    with serving(Saver()) as server:
        answer = _raw(server, _head(f"Content-Type: {FORM['Content-Type']}", *lines))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_fifty_megabytes_are_refused_before_they_are_sent() -> None:
    save, sent = Saver(), 0
    with serving(save) as server, socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(_head(f"Content-Type: {FORM['Content-Type']}", "Content-Length: 52428800"))
        with pytest.raises(ConnectionError):
            for _ in range(800):
                sent += connection.send(b"x" * 65536)
    assert sent < 20_000_000  # what the buffers of both sides took
    assert not save.saved


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    body = push()
    head = _head(
        f"Content-Type: {FORM['Content-Type']}",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
        "Connection: close",
    )
    with serving(Saver()) as server:
        answer = _raw(server, head, body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"POST /moderate HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http_is_refused(noise: bytes) -> None:
    with serving(Saver()) as server:
        assert b"no readable request" in _raw(server, noise)
        assert _ask(server)[0] == 200


def test_a_save_that_fails_asks_for_another_push() -> None:
    problem = OSError("locked")

    def fail(_: Callback) -> bool:
        raise problem

    refusals: list[Refusal] = []
    with serving(fail, refused=refusals.append) as server:
        status, text, headers = _ask(server)
    assert (status, headers["Retry-After"]) == (503, "30")
    assert "locked" not in text
    assert refusals == [Refusal(503, "not saved", problem)]


def test_a_connection_serves_one_push_after_another() -> None:
    save = Saver()
    with serving(save) as server, closing(_connect(server)) as connection:
        connection.connect()
        for path, body, status in [
            ("/moderate", push(), 200),
            ("/other", push(), 404),
            ("/moderate", push(right="0" * 64), 403),
            ("/moderate", push("{}"), 200),
        ]:
            kept = connection.sock
            connection.request("POST", path, body, FORM)
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (status, True)
            assert connection.sock is kept
    assert len(save.saved) == 2


def test_pushes_at_once_are_each_saved() -> None:
    barrier = threading.Barrier(8, timeout=10)
    save = Saver(lambda: barrier.wait() and None)
    with serving(save) as server, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _ask(server)[:2], range(8)))
    assert sorted(answers) == [(200, "saved")] + [(200, "seen before")] * 7
    assert len(save.saved) == 8


@pytest.mark.parametrize(
    "sent", [b"", b"POST /moderate HT", _head("Content-Length: 100")[:-2], _head("Content-Length: 100")]
)
def test_a_client_that_dawdles_is_hung_up_on(sent: bytes) -> None:
    with serving(Saver(), timeout=0.2) as server:
        before = time.monotonic()
        assert b" 200 " not in _raw(server, sent)
        assert time.monotonic() - before < 3


def test_a_client_that_sends_a_byte_now_and_then_is_hung_up_on() -> None:
    with serving(Saver(), timeout=0.3) as server, socket.create_connection(server.address, timeout=10) as connection:
        before = time.monotonic()
        with pytest.raises(ConnectionError):
            for byte in _head("Content-Length: 100"):
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        assert time.monotonic() - before < 3


def test_a_save_may_take_longer_than_a_client_may() -> None:
    with serving(Saver(lambda: time.sleep(0.6)), timeout=0.2) as server:
        assert _ask(server)[:2] == (200, "saved")


def test_more_connections_than_allowed_are_turned_away() -> None:
    with serving(Saver(), max_connections=2) as server:
        idle = [socket.create_connection(server.address) for _ in range(2)]
        assert _raw(server).startswith(b"HTTP/1.1 503 ")
        for connection in idle:
            connection.close()
        end = time.monotonic() + 10
        while _raw(server, _head("Connection: close")).startswith(b"HTTP/1.1 503 "):
            assert time.monotonic() < end
        assert _ask(server)[0] == 200


def test_stopping_waits_for_what_is_being_saved() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def during() -> None:
        begun.set()
        assert go_on.wait(10)

    save = Saver(during)
    server = CallbackServer(save, uid=UID, seed=SEED, path="moderate")
    server.start()
    with ThreadPoolExecutor(2) as pool, socket.create_connection(server.address) as idle:
        pushed = pool.submit(_ask, server)
        assert begun.wait(10)
        stopped = pool.submit(server.stop)
        time.sleep(0.3)
        assert not stopped.done()
        go_on.set()
        assert pushed.result()[:2] == (200, "saved")
        stopped.result(timeout=5)
        assert idle.recv(1) == b""
    server.stop()
    assert len(save.saved) == 1


def test_stopping_does_not_wait_for_ever() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def during() -> None:
        begun.set()
        go_on.wait(10)

    server = CallbackServer(Saver(during), uid=UID, seed=SEED, path="/moderate")
    server.start()
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(_ask, server)
        assert begun.wait(10)
        before = time.monotonic()
        server.stop(grace=0.2)
        assert time.monotonic() - before < 3
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            pushed.result(timeout=5)
    go_on.set()


def test_nobody_listens_after_the_end() -> None:
    with serving(Saver()) as server:
        address = server.address
    with pytest.raises(ConnectionError):
        socket.create_connection(address, timeout=1)
    with pytest.raises(RuntimeError):
        _ = server.address


def test_an_address_that_is_taken_is_a_usage_error() -> None:
    with serving(Saver()) as server, pytest.raises(UsageError, match="cannot listen on"):
        CallbackServer(Saver(), uid=UID, seed=SEED, port=server.address[1]).start()
    with pytest.raises(UsageError):
        CallbackServer(Saver(), uid=UID, seed=SEED, port=99_999).start()


def test_the_url_names_the_real_port_and_brackets() -> None:
    with serving(Saver()) as server:
        assert server.url == f"http://127.0.0.1:{server.address[1]}/moderate"
    try:
        with serving(Saver(), host="::1") as server:
            assert server.url.startswith("http://[::1]:")
            assert _ask(server)[0] == 200
    except UsageError:
        pytest.skip("this machine has no IPv6")
