"""Calls through a SOCKS proxy end with their deadline too, the handshake with the proxy included (faults.md, R7)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from moderate_cli.client import Credentials, Timeouts
from moderate_cli.client.parameters import API_VERSION, Endpoint, Parameters
from moderate_cli.client.transport import Transport
from moderate_cli.common.errors import ServiceError

pytest.importorskip("socks")  # part of the extra `test`

CREDENTIALS = Credentials("AKID", "AKSECRET")
ACCEPTED = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
LONG_NAME = b"\x05\x00\x00\x03\xff" + b"h" * 257  # accepted, at an address of 255 letters
TLS_RECORD = b"\x16\x03\x03\x3f\xff" + b"\x02" * 400  # the beginning of an answer of 16 KB
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ENDLESS_HEADER = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400

Talk = Callable[[socket.socket, threading.Event], None]


@contextmanager
def _proxy(talk: Talk) -> Iterator[str]:
    """A SOCKS proxy that speaks with each connection, once it was greeted, until the test is over."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(b"\x05\x00")
                    connection.recv(1000)
                    talk(connection, over)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"socks5h://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def _drip(connection: socket.socket, data: bytes, over: threading.Event) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        if over.wait(0.05):
            return


def _slow_handshake(connection: socket.socket, over: threading.Event) -> None:
    _drip(connection, LONG_NAME, over)


def _silent_handshake(_connection: socket.socket, over: threading.Event) -> None:
    over.wait(10)


def _slow_tls(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(ACCEPTED)
    _drip(connection, TLS_RECORD, over)


def _slow_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(ACCEPTED)
    _drip(connection, ENDLESS_HEADER, over)


def _prompt(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(ACCEPTED)
    connection.recv(10_000)
    connection.sendall(ANSWER)


def _refusing(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"\x05\x05" + ACCEPTED[2:])


@contextmanager
def _transport(proxy: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transport]:
    for name in ("http_proxy", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, proxy if "_proxy" in name and not name.startswith("no") else "")
    endpoint = Endpoint.parse("green-cip.ap-southeast-1.aliyuncs.com")
    timeouts = Timeouts(connect=9, read=0.4)
    transport = Transport(endpoint, version=API_VERSION, timeouts=timeouts, clock=lambda: 1_767_323_045)
    try:
        yield transport
    finally:
        transport.close()


@pytest.mark.parametrize("talk", [_slow_handshake, _silent_handshake, _slow_tls])
def test_a_call_ends_in_time_however_slowly_the_proxy_answers(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    with _proxy(talk) as proxy, _transport(proxy, monkeypatch) as transport:
        began = time.monotonic()
        with pytest.raises(ServiceError) as caught:
            transport.send("ImageModeration", Parameters(), CREDENTIALS)
        assert time.monotonic() - began < 5
    assert caught.value.code == "read_timeout"


def test_headers_that_trickle_through_the_proxy_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with _proxy(_slow_headers) as proxy, _transport(proxy, monkeypatch) as transport:
        began = time.monotonic()
        with pytest.raises(ServiceError) as caught:
            transport.get("http://frames.example.com/1.jpg")
        assert time.monotonic() - began < 5
    assert caught.value.code == "read_timeout"


def test_an_answer_through_the_proxy_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with _proxy(_prompt) as proxy, _transport(proxy, monkeypatch) as transport:
        assert transport.get("http://frames.example.com/1.jpg").body == b"ok"


def test_a_refusal_of_the_proxy_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        _proxy(_refusing) as proxy,
        _transport(proxy, monkeypatch) as transport,
        pytest.raises(ServiceError, match="no connection") as caught,
    ):
        transport.get("http://frames.example.com/1.jpg")
    assert caught.value.code == "connection_failed"
