"""Callbacks: the form, the checksum, and what happens if nobody confirms."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from digests import needs_sm3

from moderate_cli.emulator import Emulator, callbacks


@pytest.fixture
def receiver(monkeypatch):
    """A receiver of callbacks that answers with one status after the other, the last one for good."""
    monkeypatch.setattr(callbacks, "WAITS", (0.01, 0.01, 0.01))
    seen = SimpleNamespace(statuses=[200], forms=[], types=[], paths=[], arrived=threading.Semaphore(0))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
            seen.forms.append({name: value for name, (value,) in parse_qs(body, strict_parsing=True).items()})
            seen.types.append(self.headers["Content-Type"])
            seen.paths.append(self.path)
            status = seen.statuses.pop(0) if len(seen.statuses) > 1 else seen.statuses[0]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            seen.arrived.release()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        seen.url = f"http://127.0.0.1:{server.server_port}/hook?a=1"
        yield seen
        server.shutdown()


@pytest.mark.parametrize(
    ("crypt_type", "digest"),
    [(None, "sha256"), ("SHA256", "sha256"), pytest.param("SM3", "sm3", marks=needs_sm3)],
)
def test_a_result_is_pushed(caller, draw, receiver, crypt_type, digest):
    content = draw.encoded(draw.code("QRCode", "hello"))
    req_id = caller.submit(content, dataId="a", callback=receiver.url, seed="s_1", cryptType=crypt_type)
    assert receiver.arrived.acquire(timeout=10)
    data = caller.result(req_id).body["Data"]
    (form,) = receiver.forms
    assert set(form) == {"ReqId", "Checksum", "Content"}
    assert (form["ReqId"], json.loads(form["Content"])) == (req_id, {"ReqId": req_id, **data})
    expected = hashlib.new(digest, f"1000000000000000s_1{form['Content']}".encode())
    assert form["Checksum"] == expected.hexdigest()
    assert receiver.types[0].startswith("application/x-www-form-urlencoded")
    assert receiver.paths == ["/hook?a=1"]


def test_the_account_is_in_the_checksum(connect, clock, draw, receiver):
    with Emulator(clock, account_id="42") as emulator:
        caller = connect(emulator)
        caller.submit(draw.encoded(draw.gradient()), callback=receiver.url, seed="s")
        assert receiver.arrived.acquire(timeout=10)
    (form,) = receiver.forms
    assert form["Checksum"] == hashlib.sha256(f"42s{form['Content']}".encode()).hexdigest()


@pytest.mark.parametrize(
    ("statuses", "pushes"),
    [([200], 1), ([500, 200], 2), ([404, 302, 204, 200], 4), ([500], 4), ([201], 4)],
)
def test_unconfirmed_results_are_pushed_again(receiver, statuses, pushes):
    receiver.statuses = statuses
    waits = []
    callback = callbacks.Callback(receiver.url, "s", "SHA256")
    confirmed = callbacks.push(callback, "1", "id", "{}", lambda seconds: bool(waits.append(seconds)))
    assert (confirmed, len(receiver.forms), len(waits)) == (200 in statuses, pushes, pushes - 1)
    assert set(receiver.paths) == {"/hook?a=1"}


def test_nobody_listens(receiver):
    callback = callbacks.Callback("http://127.0.0.1:1/", "s", "SHA256")
    assert not callbacks.push(callback, "1", "id", "{}", lambda seconds: False)


def test_a_stopping_emulator_pushes_no_more(receiver):
    receiver.statuses = [500]
    callback = callbacks.Callback(receiver.url, "s", "SHA256")
    assert not callbacks.push(callback, "1", "id", "{}", lambda seconds: True)
    assert len(receiver.forms) == 1


def test_an_emulator_does_not_wait_for_its_receivers(connect, clock, draw, receiver, monkeypatch):
    monkeypatch.setattr(callbacks, "WAITS", (60, 60, 60))
    receiver.statuses = [500]
    began = time.monotonic()
    with Emulator(clock) as emulator:
        connect(emulator).submit(draw.encoded(draw.gradient()), callback=receiver.url, seed="s")
        assert receiver.arrived.acquire(timeout=10)
    assert time.monotonic() - began < 30
    assert len(receiver.forms) == 1


def test_a_failure_is_pushed(caller, receiver):
    reply = caller.service("ImageAsyncModeration", imageUrl="http://127.0.0.1:1/a", callback=receiver.url, seed="s")
    assert reply.body["Code"] == 200
    assert receiver.arrived.acquire(timeout=10)
    content = json.loads(receiver.forms[0]["Content"])
    assert (set(content), content["Code"]) == ({"ReqId", "Code", "Msg"}, 404)


def test_limits():
    assert len(callbacks.WAITS) == 3
    assert callbacks.PUSH_SECONDS == 5.0
