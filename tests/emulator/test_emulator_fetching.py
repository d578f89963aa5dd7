"""Which addresses of images are fetched: none by the local engine unless asked, and private ones by choice alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from moderate_cli.emulator import Emulator, Fetch
from moderate_cli.emulator.fetching import _is_public


@pytest.fixture
def address(draw) -> Iterator[str]:
    """The address of an image on this machine."""
    content = draw.encoded(draw.gradient())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/image.png"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("fetch", "code", "said"),
    [(Fetch.NONE, 490, "--fetch-urls"), (Fetch.PUBLIC, 404, "private address"), (Fetch.PRIVATE, 200, "success")],
)
def test_an_address_of_this_machine(connect, clock, address: str, fetch: Fetch, code: int, said: str) -> None:
    with Emulator(clock, fetch=fetch) as emulator:
        body = connect(emulator).moderate(imageUrl=address).body
    assert body["Code"] == code
    assert said in body["Msg"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
    ],
)
def test_what_is_public(address: str, public: bool) -> None:
    assert _is_public(address) is public


@pytest.mark.parametrize(("option", "said"), [((), "--fetch-urls"), (("--fetch-urls",), "private address")])
def test_the_local_engine_reaches_out_for_nobody(
    moderate: Callable, address: str, option: tuple[str, ...], said: str
) -> None:
    result = moderate("sync", address, "-p", "local", *option)
    [record] = result.records
    assert (result.code, record["status"]) == (3, "failed")
    assert said in record["error"]["message"]
