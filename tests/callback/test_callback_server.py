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
from digests import needs_sm3

from moderate_cli.callback import Callback, CallbackServer, Refusal
from moderate_cli.common.errors import UsageError

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Saver:
    """Keeps callbacks, and does what a test wants while it does."""

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.saved: list[Callback] = []
        self._during = during
        self._lock = threading.Lock()

    def __call__(self, callback: Callback) -> str:
        self._during()
        with self._lock:
            is_new = callback not in self.saved
            self.saved.append(callback)
        return "saved" if is_new else "seen before"


@contextmanager
def serving(save: Callable[[Callback], str], **options: Any) -> Iterator[CallbackServer]:
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


def _chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def _fill(server: CallbackServer, places: int) -> list[socket.socket]:
    """Take so many places of a server, and keep them."""
    return [socket.create_connection(server.address, timeout=10) for _ in range(places)]


CHUNKED = _head(f"Content-Type: {FORM['Content-Type']}", "Transfer-Encoding: chunked", "Connection: close")


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


def test_without_sm3_what_may_be_signed_with_it_is_refused_and_said(without_sm3: None) -> None:
    refusals: list[Refusal] = []
    save = Saver()
    with serving(save, refused=refusals.append) as server:
        assert _ask(server)[:2] == (200, "saved")
        status, text, _ = _ask(server, push(right="0" * 64))
    assert (status, text) == (403, "cannot verify the checksum: this Python's OpenSSL has no SM3")
    assert [(refusal.status, refusal.reason) for refusal in refusals] == [(status, text)]
    assert len(save.saved) == 1


@needs_sm3
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
    ("method", "path", "status", "allowed"),
    [
        ("PUT", "/moderate", 405, "GET, HEAD, POST"),
        ("BREW", "/moderate", 405, "GET, HEAD, POST"),
        ("POST", "/healthz", 405, "GET, HEAD"),
        ("POST", "/", 404, None),
        ("POST", "/moderate/x", 404, None),
        ("GET", "/favicon.ico", 404, None),
        ("HEAD", "/health", 404, None),
        ("POST", "/moderate?token=x", 200, None),
    ],
)
def test_one_method_at_one_path(method: str, path: str, status: int, allowed: str | None) -> None:
    refusals: list[Refusal] = []
    with serving(Saver(), refused=refusals.append) as server:
        answer, _, headers = _ask(server, method=method, path=path)
    assert (answer, headers["Allow"]) == (status, allowed)
    assert [refusal.status for refusal in refusals] == [status] * (status != 200)


@pytest.mark.parametrize("path", ["/healthz", "/moderate", "/healthz?from=balancer", "/moderate?x"])
def test_a_load_balancer_is_told_that_we_live_and_nobody_else_hears_of_it(path: str) -> None:
    save, refusals = Saver(), list[Refusal]()
    with serving(save, refused=refusals.append) as server, closing(_connect(server)) as connection:
        lengths = set()
        for method, text in [("GET", b"listening\n"), ("HEAD", b""), ("GET", b"listening\n")]:
            connection.request(method, path)  # all on one connection: a HEAD leaves nothing behind
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, text)
            lengths.add(response.headers["Content-Length"])
    assert (lengths, save.saved, refusals) == ({"10"}, [], [])


def test_the_health_path_may_be_the_callbacks() -> None:
    with serving(Saver(), path="healthz") as server:
        assert _ask(server, path="/healthz")[0] == 200
        assert _ask(server, b"", method="GET", path="/healthz")[0] == 200


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
        (("Transfer-Encoding: chunked", "Content-Length: 2"), 400),
        (("Content-Length: 2", "Transfer-Encoding: chunked", "Expect: 100-continue"), 400),
        (("Transfer-Encoding: gzip, chunked",), 501),
        (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 501),
        (("Transfer-Encoding: identity",), 501),
        (("Content-Length: 2", "Transfer-Encoding : chunked"), 400),
        (("no header", "Content-Length: 2"), 400),
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


@pytest.mark.parametrize(
    "sent",
    [
        _chunked(push()),
        _chunked(push()[:1], push()[1:40], push()[40:]),
        _chunked(*(bytes([byte]) for byte in push())),
        b"%04X \t;name=value\r\n%s\r\n000\r\nX-Trailer: y\r\n\r\n" % (len(push()), push()),
    ],
)
def test_a_body_in_chunks_is_read(sent: bytes) -> None:
    save = Saver()
    with serving(save) as server:
        assert _raw(server, CHUNKED, sent).startswith(b"HTTP/1.1 200 ")
    assert save.saved[0].content == content()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\r\n", 400),
        (b"x\r\n", 400),
        (b"-1\r\n", 400),
        (b"0x1\r\n", 400),
        (b"+1\r\n", 400),
        (b"1_0\r\n", 400),
        (b"0\n\r\n", 400),
        (b"1\na\n0\n\n", 400),
        (b"2\r\nabc\r\n0\r\n\r\n", 400),
        (b"f" * 16 + b"\r\n", 400),
        (b"f" * 15 + b"\r\n", 413),
        (_chunked(b"a" * 600, b"a" * 401), 413),
        (b"1;" + b"x" * 70_000, 413),
        (_chunked(b"a", end=b"0\r\n" + b"X: y\r\n" * 12_000), 413),
        (_chunked(b"a" * 1000), 400),  # within the bound: it is read, and is no form
    ],
)
def test_chunks_that_are_wrong_or_too_many_are_refused(sent: bytes, status: int) -> None:
    save, refusals = Saver(), list[Refusal]()
    with serving(save, max_body=1000, refused=refusals.append) as server:
        answer = _raw(server, CHUNKED, sent)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1") == 1
    assert ([refusal.status for refusal in refusals], save.saved) == ([status], [])


def test_chunks_leave_the_connection_usable() -> None:
    with serving(Saver()) as server, closing(_connect(server)) as connection:
        connection.connect()
        kept = connection.sock
        for path, status in [("/moderate", 200), ("/other", 404), ("/moderate", 200), ("/healthz", 405)]:
            connection.request("POST", path, iter([push()[:9], push()[9:]]), FORM, encode_chunked=True)
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (status, True)
            assert connection.sock is kept


def test_chunks_of_http_1_0_end_the_connection() -> None:
    head = CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Connection: close", b"Connection: keep-alive")
    with serving(Saver()) as server:
        assert b"Connection: close" in _raw(server, head, _chunked(push()))


@pytest.mark.parametrize("sent", [b"", b"5", b"5\r\nab", b"5\r\nabcde", b"0\r\n", b"0\r\nX: y\r\n"])
def test_chunks_that_stop_coming_are_hung_up_on(sent: bytes) -> None:
    save, refusals = Saver(), list[Refusal]()
    with serving(save, timeout=0.2, refused=refusals.append) as server:
        before = time.monotonic()
        assert _raw(server, CHUNKED, sent) == b""
        assert time.monotonic() - before < 3
    assert (save.saved, refusals) == ([], [])


def test_headers_have_a_bound() -> None:
    line = b"X-A: " + b"a" * 8000 + b"\r\n"
    with serving(Saver()) as server:
        assert _raw(server, _head()[:-2], line * 9, b"\r\n").startswith(b"HTTP/1.1 431 ")
        assert _raw(
            server, _head("Connection: close", f"Content-Type: {FORM['Content-Type']}")[:-2], line * 7, b"\r\n"
        ).startswith(b"HTTP/1.1 411 ")


def test_fifty_megabytes_are_refused_before_they_are_sent() -> None:
    save, sent = Saver(), 0
    with serving(save) as server, socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(_head(f"Content-Type: {FORM['Content-Type']}", "Content-Length: 52428800"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        with pytest.raises(ConnectionError):
            for _ in range(800):
                sent += connection.send(b"x" * 65536)
    assert sent < 20_000_000  # what the buffers of both sides took, and what was read while we waited
    assert not save.saved


@pytest.mark.parametrize("path", ["/moderate", "/other"])
def test_a_client_that_sends_all_before_it_reads_reads_its_refusal(path: str) -> None:
    with serving(Saver(), max_body=1000) as server:
        assert _ask(server, b"x" * 1_500_000, path=path)[0] == (413 if path == "/moderate" else 404)


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

    def fail(_: Callback) -> str:
        raise problem

    refusals: list[Refusal] = []
    with serving(fail, refused=refusals.append) as server:
        status, text, headers = _ask(server)
    assert (status, headers["Retry-After"]) == (503, "30")
    assert "locked" not in text
    assert refusals == [Refusal(503, "not saved", problem)]


@pytest.mark.parametrize("said", ["kept as unverified", "confirmed by the service, and saved"])
def test_what_became_of_a_push_is_told_to_whoever_pushed_it(said: str) -> None:
    with serving(lambda _: said) as server:
        assert _ask(server)[:2] == (200, said)


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
        idle = _fill(server, 2)
        assert _raw(server).startswith(b"HTTP/1.1 503 ")
        for connection in idle:
            connection.close()
        end = time.monotonic() + 10
        while _raw(server, _head("Connection: close")).startswith(b"HTTP/1.1 503 "):
            assert time.monotonic() < end
        assert _ask(server)[0] == 200


@pytest.mark.parametrize("size", [0, 1000, 1_500_000])
def test_who_is_turned_away_reads_when_to_come_again(size: int) -> None:
    """Also where it sends before it reads, and again where it reads to the end: no reset takes the answer away."""
    head = _head(f"Content-Type: {FORM['Content-Type']}", f"Content-Length: {size}")
    with serving(Saver(), max_connections=1) as server, closing(_fill(server, 1)[0]):
        for _ in range(20):
            answer = _raw(server, head, b"x" * size)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: 30\r\n" in answer
        assert _ask(server, method="GET", path="/healthz")[0] == 503  # the balancer shall ask another of us


def test_who_is_turned_away_and_stays_keeps_nobody_waiting() -> None:
    with serving(Saver(), max_connections=4) as server:
        served = _fill(server, 4)
        turned_away = _fill(server, 40)
        before = time.monotonic()
        for connection in turned_away:
            assert connection.recv(65536).startswith(b"HTTP/1.1 503 ")
            assert connection.recv(1) == b""
        assert _raw(server).startswith(b"HTTP/1.1 503 ")
        body = push()
        served[0].sendall(
            _head(f"Content-Type: {FORM['Content-Type']}", f"Content-Length: {len(body)}", "Connection: close") + body
        )
        assert served[0].recv(65536).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - before < 10  # one after the other they would have taken 80
        time.sleep(max(0.0, before + 2.5 - time.monotonic()))
        with pytest.raises(ConnectionError):  # by now all are closed, whether they have gone or not
            for _ in range(10):
                turned_away[-1].sendall(b"x")
                time.sleep(0.05)
        for connection in served + turned_away:
            connection.close()


def test_slow_clients_bar_others_for_a_short_time_only() -> None:
    """A byte now and then, in the head or in the body, buys no more time than the deadline."""
    head = f"Content-Type: {FORM['Content-Type']}"
    with serving(Saver(), max_connections=8, timeout=0.5) as server:
        slow = _fill(server, 8)
        for number, connection in enumerate(slow):
            connection.sendall(_head(head, "Content-Length: 100000") if number % 2 else _head(head)[:-2])
        over, before = threading.Event(), time.monotonic()

        def drip() -> None:
            left = list(slow)
            while left and not over.wait(0.05):
                for connection in list(left):
                    try:
                        connection.sendall(b"a")
                    except OSError:
                        left.remove(connection)

        def come_again() -> int:
            while (status := _ask(server)[0]) == 503:
                assert time.monotonic() - before < 5
                time.sleep(0.05)
            return status

        with ThreadPoolExecutor(5) as pool:
            dripping = pool.submit(drip)
            assert [each.result() for each in [pool.submit(come_again) for _ in range(4)]] == [200] * 4
            over.set()
            dripping.result()
        for connection in slow:
            connection.close()


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
