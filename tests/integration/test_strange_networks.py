"""Nothing is sent to anybody who was not named, and no secret leaves (faults.md, N1, N2, N6 to N9, N11, N13, N14)."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from actions import CLEAN, RISKY, service, upload_token
from faults import Answer, body, gateway
from invocation import Result

from moderate_cli.client.transport import proxies_for
from moderate_cli.common.errors import ExitCode

DATA = Path(__file__).parents[1] / "data"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SECRET, TOKEN = "CanarySecret0123456789abcdefgh", "CanaryToken0123456789abcdefghij/+="
UPLOAD_SECRET, UPLOAD_TOKEN = "CanaryUploadSecret0123456789", "CanaryUploadToken0123456789/+"
REPORTS = ("csv", "html", "json", "jsonl", "junit", "markdown", "sarif")


@contextmanager
def logging_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that refuses everything, and remembers what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def __getattr__(self, name: str) -> Callable[[], None]:
            if not name.startswith("do_"):
                raise AttributeError(name)
            return self._refuse

        def _refuse(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies are for everything here: this machine is excepted by the program, or not at all."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)


def test_this_machine_is_never_reached_through_a_proxy(moderate: Callable[..., Result], tmp_path: Path) -> None:
    with logging_proxy() as (proxy, asked):
        variables = dict.fromkeys(PROXIES, proxy)
        local = moderate("sync", DATA / "landscape.jpg", "--profile", "local", variables=variables)
        assert (local.code, local.records[0]["status"]) == (ExitCode.OK, "judged")
        queued = moderate(
            *("async-submit", DATA.parent / "animation.gif", "--interval", "1", "--wait", "--profile", "local"),
            *("--save-frames", tmp_path / "frames"),
            variables=variables,
        )
        assert queued.code == ExitCode.OK
        assert list((tmp_path / "frames").iterdir())
        with service(ImageModeration=CLEAN) as served:
            assert moderate("sync", DATA / "landscape.jpg", variables={**served.variables, **variables}).code == 0
        assert asked == []


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://127.0.0.1:1", "SOCKS"),
        ("http://", "proxy of the environment"),
        ("http://127.0.0.1:port", "proxy of the environment"),
        ("ftp://127.0.0.1:1", "proxy of the environment"),
        ("http://[", "proxy of the environment"),
        ("http:/h:80", "proxy of the environment"),
        (" http://h:80", "proxy of the environment"),
        ("http://a b:80", "proxy of the environment"),
        ("http://a\nb:80", "proxy of the environment"),
        ("http://h..:80", "proxy of the environment"),
        (f"http://{'h' * 300}:80", "proxy of the environment"),
        ("http://u:CanaryPassword\u5bc6@h:80", "proxy of the environment"),
        ("http://u:CanaryPassword@h h:80", "proxy of the environment"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_clear_error(
    proxy: str, words: str, moderate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderate_cli.client.transport.find_spec", lambda _name: None)
    with service() as served:
        keys = {name: value for name, value in served.variables.items() if name != "MODERATE_ENDPOINT"}
    names = [f"https://example.com/{number}.jpg" for number in range(20)]
    result = moderate("sync", *names, "-f", "jsonl", variables={**keys, "https_proxy": proxy, "ALL_PROXY": proxy})
    assert result.code == ExitCode.FATAL
    assert len([line for line in result.stderr.splitlines() if words in line]) == 1
    assert "HTTPS_PROXY" in result.stderr
    assert "usable address" not in result.stderr
    assert "CanaryPassword" not in result.stdout + result.stderr


@pytest.mark.parametrize("given", ["h:80", "u:p@h:80", "http://h:80", "HTTP://h", "https://[::1]:80", "http://h.:80"])
@pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY"])
def test_a_proxy_is_known_with_and_without_its_scheme(
    given: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, given)
    expected = given if "://" in given else f"http://{given}"
    assert proxies_for("https://example.com/") == {"https": expected}


def test_an_upload_follows_no_redirect(moderate: Callable[..., Result]) -> None:
    with service() as stranger, service(ImageModeration=CLEAN) as served:
        away = Answer(302, b"", {"Location": f"{stranger.server.endpoint}/bucket/x"})
        served.replies["PUT"] = away
        result = moderate("sync", DATA / "landscape.jpg", "--retries", "0", variables=served.variables)
        assert not stranger.asked
    assert (result.code, result.records[0]["error"]["code"]) == (ExitCode.INCOMPLETE, "upload_redirected")


@pytest.mark.parametrize("address", ["oss-cn-shanghai.aliyuncs.com", "OSS-cn-shanghai.aliyuncs.com"])
def test_an_upload_endpoint_without_a_scheme_is_asked_over_tls(address: str) -> None:
    from moderate_cli.client.upload import check_oss_endpoint

    assert check_oss_endpoint(address) == "https://oss-cn-shanghai.aliyuncs.com"


@pytest.mark.parametrize(
    ("status", "code", "attempts", "exit_code"),
    [
        (400, "RequestTimeout", 2, ExitCode.OK),
        (429, "TooManyRequests", 2, ExitCode.OK),
        (403, "RequestTimeTooSkewed", 2, ExitCode.FATAL),
        (403, "UserDisable", 2, ExitCode.FATAL),
        (400, "InvalidDigest", 1, ExitCode.INCOMPLETE),
    ],
)
def test_the_errors_of_oss_are_known_by_their_codes(
    status: int, code: str, attempts: int, exit_code: ExitCode, moderate: Callable[..., Result]
) -> None:
    wrong = Answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())

    def put(request: dict[str, str]) -> Answer:
        is_passing = exit_code is ExitCode.OK
        return Answer(200, b"", {"ETag": '"1"'}) if is_passing and request["number"] == "2" else wrong

    with service(ImageModeration=CLEAN, PUT=put) as served:
        result = moderate("sync", DATA / "landscape.jpg", "--retries", "1", variables=served.variables)
        assert served.asked["PUT"] <= attempts + 1
    assert result.code == exit_code
    if exit_code is ExitCode.FATAL:
        assert "try again" not in result.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.abc"}, "needs its security token"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_SECRET": '"quoted"'}, "contains invalid characters"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "'LTAIquoted'"}, "contains invalid characters"),
    ],
)
def test_keys_that_cannot_be_right_are_told_before_any_call(
    changes: dict[str, str], words: str, moderate: Callable[..., Result]
) -> None:
    with service(ImageModeration=CLEAN) as served:
        result = moderate("sync", DATA / "landscape.jpg", variables={**served.variables, **changes})
        assert not served.asked
    assert result.code == ExitCode.FATAL
    assert words in result.stderr


def test_an_error_in_xml_is_read(moderate: Callable[..., Result]) -> None:
    said = (
        b'<?xml version="1.0"?><Error><RequestId>R-1</RequestId><Code>Throttling.User</Code>'
        b"<Message>Too many &amp; too fast</Message></Error>"
    )
    with service(ImageModeration=Answer(400, said, {"Content-Type": "text/xml"})) as served:
        result = moderate("sync", "https://example.com/a.jpg", "--retries", "0", variables=served.variables)
    error = result.records[0]["error"]
    assert error["code"] == "Throttling.User"
    assert "Too many & too fast" in error["message"]
    assert result.records[0]["request_id"] == "R-1"


def test_words_of_the_gateway_are_one_safe_line(moderate: Callable[..., Result]) -> None:
    evil = json.dumps({"Code": "Bad\n::error::x\x1b[31m", "Message": "m\n::error::y\r\x1b]0;z\x07"}).encode()
    with service(ImageModeration=Answer(503, evil)) as served:
        result = moderate(
            "sync", "https://example.com/a.jpg", "--retries", "1", "-vv", "--debug", variables=served.variables
        )
    for text in (result.stdout, result.stderr):
        assert "\x1b" not in text
        assert "\x07" not in text
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
    assert re.fullmatch(r"[\w.-]+", result.records[0]["error"]["code"])


def spelled(text: str) -> list[str]:
    """Return a secret as an answer may spell it."""
    encoded = quote(text, safe="")
    references = re.sub("[/+=]", lambda found: f"&#{ord(found[0])};", text)
    hexadecimal = re.sub("[/+=]", lambda found: f"&#x{ord(found[0]):x};", text)
    ways = [text, quote(text), encoded, re.sub("%..", lambda found: found[0].lower(), encoded), quote(encoded)]
    ways += [references, hexadecimal, text.replace("/", "&sol;").replace("+", "&plus;").replace("=", "&equals;")]
    return [*ways, text.upper(), text.lower(), text.replace("/", "\\/")]


def echoing(way: str, secrets: list[str], number: int) -> Answer:
    """Return an answer with all secrets in one of their spellings; all at once would be cut off."""
    spelling = number % len(spelled(""))
    echo = " ".join(spelled(each)[spelling] for each in secrets).replace("\\/", "/")
    hidden = json.dumps(echo)[1:-1].replace("/", "\\/").replace("+", "\\u002b")
    match way:
        case "an answer":
            inner = json.dumps(f'[{{"a": "{hidden}"}}]')
            label = f'{{"Label": "x {echo}", "Description": "{hidden}", "Ext": {inner}}}'
            return Answer(200, f'{{"Code":200,"Data":{{"RiskLevel":"high","Result":[{label}]}}}}'.encode())
        case "an unreadable answer":
            return Answer(200, f'{{"Code":200,"RequestId":"{hidden}","Data":{{"RiskLevel":"{echo}"}}}}'.encode())
        case "a code in the body":
            return Answer(200, f'{{"Code":400,"RequestId":"{hidden}","Msg":"{echo}"}}'.encode())
        case "a gateway error" | "a refused token":
            return Answer(400, f'{{"Code":"Bad.{echo}","Message":"{hidden}","RequestId":"{echo}"}}'.encode())
        case "XML":
            return Answer(400, f"<Error><Code>X{echo}</Code><Message>{echo}</Message></Error>".encode())
        case "an encoding":
            return Answer(200, b"{}", {"Content-Encoding": secrets[number % len(secrets)]})
    return CLEAN


# Where an upload token says a place, and what is said there instead.
PLACES = {
    "an upload address": ("OssInternetEndPoint", f"http://x.example/{UPLOAD_TOKEN}"),
    "a prefix": ("FileNamePrefix", UPLOAD_TOKEN),
}
ECHOES = ("an answer", "an unreadable answer", "a code in the body", "a gateway error", "XML", "an encoding")


@pytest.mark.parametrize("way", [*ECHOES, "an OSS error", "a refused token", *PLACES])
def test_what_echoes_a_secret_leaves_no_trace(
    way: str, moderate: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets, signatures = [SECRET, TOKEN, UPLOAD_SECRET, UPLOAD_TOKEN], []

    def reply(request: dict[str, str]) -> Answer:
        found = re.search(r"Signature=([0-9a-f]{64})", request["authorization"])
        assert found
        signatures.append(found[1])
        return echoing(way, [*secrets, signatures[-1]], len(signatures))

    def token(request: dict[str, str]) -> Answer:
        if way == "a refused token" and int(request["number"]) % 2 == 0:
            return reply(request)
        changes = dict([PLACES[way]] if way in PLACES else [])
        return upload_token(
            served.server.endpoint, **{"AccessKeySecret": UPLOAD_SECRET, "SecurityToken": UPLOAD_TOKEN, **changes}
        )

    oss = f"<Error><Code>{quote(UPLOAD_TOKEN)}</Code><Message>{UPLOAD_SECRET} {UPLOAD_TOKEN}</Message></Error>"
    with service(ImageModeration=reply, DescribeUploadToken=token) as served:
        if way == "an OSS error":
            served.replies["PUT"] = Answer(400, oss.encode(), {"x-oss-request-id": UPLOAD_TOKEN.lower()})
        if way == "a refused token":
            served.replies["PUT"] = Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        reports = [word for name in REPORTS for word in (f"--{name}-output", tmp_path / name)]
        store = tmp_path / "store.db"
        texts = []
        for choice in ("jsonl", "table", "github", *["jsonl"] * (len(spelled("")) - 3)):
            monkeypatch.setitem(moderate.__globals__, "CANARIES", ())  # they are looked for below, all of them
            result = moderate(
                *("sync", DATA / "landscape.jpg", "--raw", "-vv", "--debug", "--retries", "0", "-f", choice),
                *(reports if not texts else ()),
                *("--store", store),
                variables={
                    **served.variables,
                    "ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.AKID",
                    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET,
                    "ALIBABA_CLOUD_SECURITY_TOKEN": TOKEN,
                },
            )
            texts += [result.stdout, result.stderr]
    texts += [(tmp_path / name).read_text(encoding="utf-8") for name in REPORTS]
    with sqlite3.connect(store) as database:
        texts += [str(row) for row in database.execute("SELECT * FROM results")]
    for text in texts:  # case does not count, nor what was cut off
        assert not [each for each in ("canary", *signatures) if each in text.lower()], text[:2000]


def test_a_token_may_be_granted_twice(moderate: Callable[..., Result]) -> None:
    def put(request: dict[str, str]) -> Answer:
        signed.append(request["authorization"].partition(":")[0])
        return Answer(403 if request["number"] == "1" else 200, b"", {"ETag": '"1"'})

    signed: list[str] = []
    with service(ImageModeration=CLEAN, PUT=put) as served:
        served.replies["DescribeUploadToken"] = upload_token(
            served.server.endpoint, AccessKeySecret=UPLOAD_SECRET, SecurityToken=UPLOAD_TOKEN
        )
        result = moderate("sync", DATA / "landscape.jpg", variables=served.variables)
        assert served.asked["DescribeUploadToken"] == 2
    assert result.code == ExitCode.OK
    assert signed == ["OSS STS.upload"] * 2


def test_a_signed_address_is_named_without_its_signature(moderate: Callable[..., Result], tmp_path: Path) -> None:
    addresses = [
        "https://b.oss-cn-shanghai.aliyuncs.com/1.jpg?OSSAccessKeyId=A&Expires=1&Signature=Canary%3D",
        "https://b.s3.amazonaws.com/2.jpg?X-Amz-Signature=CanaryAmazon&X-Amz-Security-Token=CanaryAmzToken",
        "https://cdn.example.com/3.jpg?auth_key=1700000000-0-0-Canary",
        "https://b.cos.ap-beijing.myqcloud.com/4.jpg?q-ak=A&q-signature=Canary",
        "https://example.com/5.jpg?%53ignature=Canary",
        "https://example.com/6.jpg;Signature=Canary",
        "https://example.com/7.jpg#Signature=Canary",
        "https://user:Canary@example.com/8.jpg",
    ]
    sent: list[str] = []

    def reply(request: dict[str, str]) -> Answer:
        sent.append(unquote(unquote(request["form"] + request["path"])))
        found = next(each for each in addresses if unquote(each) in sent[-1])
        refused = json.dumps({"Code": 400, "Msg": f"no picture at {found}"}).encode()
        return Answer(200, refused) if "/8.jpg" in found or "/3.jpg" in found else RISKY

    command = ["sync", *addresses, "example.com/9.jpg?auth_key=Canary", "--store", tmp_path / "store.db", "-vv"]
    reports = [word for name in REPORTS for word in (f"--{name}-output", tmp_path / name)]
    with service(ImageModeration=reply) as served:
        result = moderate(*command, *reports, "--raw", "--debug", "-j", "1", variables=served.variables)
    assert len(sent) >= len(addresses)  # with all that the service needs
    assert [len(result.records), result.code] == [len(addresses) + 1, ExitCode.INCOMPLETE]
    texts = [result.stdout, result.stderr, *((tmp_path / name).read_text(encoding="utf-8") for name in REPORTS)]
    for text in [*texts, (tmp_path / "store.db").read_bytes().decode("latin-1")]:
        assert "canary" not in text.lower(), text[:2000]
    names = {record["source"].rpartition("@")[2].removeprefix("https://").split("?")[0] for record in result.records}
    assert "example.com/8.jpg" in names
    assert "cdn.example.com/3.jpg" in names


def test_the_images_of_a_post_are_kept_without_their_signatures(
    moderate: Callable[..., Result], tmp_path: Path
) -> None:
    sent: list[str] = []

    def submitted(request: dict[str, str]) -> Answer:
        sent.append(unquote(request["form"] + request["path"]))
        return body(200, {"ReqId": "T1"})

    address = "https://user:Canary@example.com/8.jpg?auth_key=Canary"
    verdict = body(200, {"RiskLevel": "none", "Result": [{"Label": "nonLabel"}]})
    post = ["--title", "t", "--text", "x", "--image", address]
    kept = ["--store", tmp_path / "store.db", "-vv", "--debug"]
    page = tmp_path / "page.html"
    with service(MultimodalAsyncModeration=submitted, DescribeMultimodalModerationResult=verdict) as served:
        queued = moderate("multimodal", *post, *kept, variables=served.variables)
        result = moderate("poll", "T1", *kept, "--html-output", page, variables=served.variables)
    assert (queued.code, result.code) == (ExitCode.OK, ExitCode.OK)
    assert "auth_key=Canary" in unquote(sent[0])  # the service needs it
    texts = [queued.stdout + queued.stderr, result.stdout + result.stderr, page.read_text(encoding="utf-8")]
    for text in [*texts, (tmp_path / "store.db").read_bytes().decode("latin-1")]:
        assert "Canary" not in text
    assert "example.com/8.jpg" in texts[2]


def test_a_netrc_is_never_read(
    moderate: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password CanaryNetrc\n")
    (tmp_path / "netrc").chmod(0o600)
    seen: list[str] = []
    with service(ImageAsyncModeration=body(200, {"ReqId": "T1"})) as served:

        def frame(request: dict[str, str]) -> Answer:
            seen.append(request["authorization"])
            return Answer(200, b"picture")

        frames = json.dumps([{"TempUrl": f"{served.server.endpoint}/f.jpg", "Result": [{"Label": "nonLabel"}]}])
        served.replies["DescribeImageModerationResult"] = body(
            200, {"RiskLevel": "none", "Result": [{"Label": "nonLabel"}], "Frame": frames, "FrameNum": 1}
        )
        served.replies["GET"] = frame
        result = moderate("poll", "T1", "--save-frames", tmp_path / "frames", variables=served.variables)
    assert result.code == ExitCode.OK, result.stderr
    assert seen == [""]
    assert [path.read_bytes() for path in (tmp_path / "frames").iterdir()] == [b"picture"]


@pytest.mark.parametrize("command", ["batch", "multimodal"])
def test_an_operation_that_not_every_region_has_wants_a_region(command: str, moderate: Callable[..., Result]) -> None:
    keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "AKID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "AKSECRET"}
    what = [DATA / "landscape.jpg", "-s", "a,b"] if command == "batch" else ["--title", "t", "--text", "x"]
    result = moderate(command, *what, variables=keys)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert "cn-shanghai" in result.stderr
    gone = gateway("InvalidAccessKeyId.NotFound", 404)
    with service(ImageBatchModeration=gone, MultimodalAsyncModeration=gone) as served:
        assert moderate(command, *what, variables=served.variables).code == ExitCode.FATAL  # an endpoint was named


def test_a_seed_comes_from_a_variable_or_a_file_and_is_told_of_elsewhere(
    moderate: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "seed").write_text("canary_seed_file\n")
    forms: list[str] = []

    def submitted(request: dict[str, str]) -> Answer:
        forms.append(request["path"])
        return body(200, {"ReqId": "T1"})

    command = ["async-submit", "https://example.com/a.gif", "--callback", "https://example.com/cb"]
    with service(ImageAsyncModeration=submitted) as served:
        from_file = moderate(*command, "--seed", f"@{tmp_path / 'seed'}", variables=served.variables)
        by_variable = moderate(*command, variables={**served.variables, "MODERATE_SEED": "canary_seed_var"})
        on_the_line = moderate(*command, "--seed", "open_seed", variables=served.variables)
        missing = moderate(*command, "--seed", "@/no/such/file", variables=served.variables)
    assert ["canary_seed_file" in forms[0], "canary_seed_var" in forms[1], "open_seed" in forms[2]] == [True] * 3
    assert "list of processes" not in from_file.stderr + by_variable.stderr
    assert "list of processes" in on_the_line.stderr
    assert missing.code == ExitCode.USAGE


def test_an_object_is_in_the_region_that_is_said(moderate: Callable[..., Result], tmp_path: Path) -> None:
    forms: list[str] = []

    def reply(request: dict[str, str]) -> Answer:
        forms.append(request["form"])
        return CLEAN

    listed = tmp_path / "list"
    listed.write_text(json.dumps({"source": "oss://b/l.jpg", "region": "us-west-1"}), encoding="utf-8")
    with service(ImageModeration=reply) as served:
        command = ["sync", "--region", "eu-west-1", "--endpoint", served.server.endpoint, "-j", "1"]
        moderate(*command, "oss://b/a.jpg?region=cn-beijing", variables=served.variables)
        moderate(*command, "oss://b/a.jpg", "--oss-region", "cn-hangzhou", variables=served.variables)
        moderate(*command, "oss://b/a.jpg", variables=served.variables)
        moderate(*command, "--files-from", listed, variables=served.variables)
        served.replies["ImageModeration"] = Answer(200, b'{"Code": 404, "Msg": "download failed"}')
        result = moderate(*command, "oss://b/a.jpg", "--retries", "0", variables=served.variables)
    regions = [re.search(r"ossRegionId%22%3A%22([a-z0-9-]+)", form)[1] for form in forms]  # type: ignore[index]
    assert regions == ["cn-beijing", "cn-hangzhou", "eu-west-1", "us-west-1"]
    assert "AliyunCIPScanOSSRole" in result.records[0]["error"]["hint"]


@pytest.mark.parametrize("code", [404, 405])
def test_a_hint_fits_the_image_that_could_not_be_fetched(moderate: Callable, code: int) -> None:
    with service(ImageModeration=body(code)) as served:
        arguments = ["--retries", "0", "-q"]
        local = moderate("sync", DATA / "landscape.jpg", *arguments, variables=served.variables).records[0]["error"][
            "hint"
        ]
        remote = moderate("sync", "https://example.com/a.png", *arguments, variables=served.variables)
    assert "it was uploaded and could not be read back" in local
    assert "file" not in local
    assert "as a file" in remote.records[0]["error"]["hint"]


def test_a_frame_that_cannot_be_fetched_names_its_host(moderate: Callable, tmp_path: Path) -> None:
    def judged(address: str) -> Answer:
        clean = {"RiskLevel": "none", "Result": [{"Label": "nonLabel"}]}
        frames = [{"Offset": number, "TempUrl": address, **clean} for number in range(2)]
        return body(200, {**clean, "FrameNum": 2, "Frame": json.dumps(frames)})

    folder = tmp_path / "frames"
    with service() as served:
        served.replies["GET"] = Answer(403, b"")
        for address, said in (
            (f"{served.server.endpoint}/x.jpg", "127.0.0.1 answers with HTTP 403"),
            ("http://localhost:9/x.jpg", "no connection to localhost"),
        ):
            served.replies["DescribeImageModerationResult"] = judged(address)
            done = moderate("poll", "R-1", "--kind", "image", "--save-frames", folder, variables=served.variables)
            assert f"was not saved: {said}" in done.stderr
            assert "five minutes" in done.stderr
            assert "--endpoint" not in done.stderr


@pytest.mark.parametrize("option", ["--files-from", "--files-from0"])
def test_a_list_that_cannot_be_read_is_told_before_any_call(
    option: str, moderate: Callable[..., Result], tmp_path: Path
) -> None:
    with service(ImageModeration=CLEAN) as served:
        command = ("sync", "https://example.com/a.jpg", option)
        missing = moderate(*command, tmp_path / "missing", variables=served.variables)
        folder = moderate(*command, tmp_path, variables=served.variables)
        assert not served.asked
    assert (missing.code, folder.code) == (ExitCode.USAGE, ExitCode.USAGE)
    assert "No such file" in missing.stderr
