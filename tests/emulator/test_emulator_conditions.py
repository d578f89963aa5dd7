"""What a test can ask of the emulator: faults, a quota, delays, seeded verdicts, recorded ones, and HTTPS."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from rule_builders import GUN, laying_down

from moderate_cli.common.errors import UsageError
from moderate_cli.emulator import Emulator, Fault, Tape, engine
from moderate_cli.rules import FixedVerdict

JSON = {"Content-Type": "application/json"}


def ask(caller, method: str, name: str, content: Any = None, **headers: str):
    body = b"" if content is None else json.dumps(content).encode()
    return caller.send(method, f"/_emulator/{name}", body, {**JSON, **headers})


def labels(reply) -> list[str]:
    return [one["Label"] for one in reply.body["Data"]["Result"]]


# ------------------------------------------------------------------------------------------------ the control plane


def test_it_tells_what_it_did_and_forgets_it(caller, draw) -> None:
    caller.judge(draw.encoded(draw.gradient()))
    caller.submit(draw.encoded(draw.gradient()))
    state = ask(caller, "GET", "state").body
    assert state["answered"] == {"ImageModeration": 1, "ImageAsyncModeration": 1}
    assert (len(state["tasks"]), state["refused"], state["faults"], state["verdicts"]) == (1, 0, [], [])
    assert state["uploads"] > 0
    caller.result(state["tasks"][0])
    assert ask(caller, "POST", "reset").status == 200
    state = ask(caller, "GET", "state").body
    assert (state["answered"], state["tasks"], state["uploads"]) == ({}, [], 0)
    assert labels(caller.judge(draw.encoded(draw.gradient()))) == ["nonLabel"]  # the key is still known


def test_a_seeded_verdict_comes_before_the_rules(connect, clock) -> None:
    with Emulator(clock, rules=laying_down(FixedVerdict([], name="*"))) as emulator:
        caller = connect(emulator)
        assert labels(caller.judge(b"content", dataId="bomb")) == ["nonLabel"]
        seeded = [{"name": "bomb", "findings": [{"label": "violent_explosion", "confidence": 81.22}]}]
        assert ask(caller, "POST", "seed", seeded).body == {"verdicts": 1}
        assert labels(caller.judge(b"content", dataId="bomb")) == ["violent_explosion"]
        ask(caller, "POST", "reset")
        assert labels(caller.judge(b"content", dataId="bomb")) == ["nonLabel"]


@pytest.mark.parametrize(
    ("method", "name", "content", "status", "said"),
    [
        ("POST", "seed", [{"label": "x"}], 400, "label"),
        ("POST", "seed", {"name": "x"}, 400, "array"),
        ("POST", "faults", [{"operaton": "x"}], 400, "operaton"),
        ("POST", "faults", [{"cut": "half"}], 400, "half"),
        ("POST", "state", None, 404, "GET state"),
        ("GET", "nothing", None, 404, "GET state"),
    ],
)
def test_what_makes_no_sense_is_told(caller, method: str, name: str, content: Any, status: int, said: str) -> None:
    reply = ask(caller, method, name, content)
    assert reply.status == status
    assert said in reply.body["error"]


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_a_page_in_a_browser_cannot_reach_it(caller, headers: dict[str, str]) -> None:
    assert ask(caller, "POST", "reset", **headers).status == 403


# ----------------------------------------------------------------------------------------------------------- faults


def test_an_error_of_the_gateway_comes_as_often_as_asked(caller, draw) -> None:
    fault = {"operation": "ImageModeration", "times": 2, "status": 503, "code": "ServiceUnavailable"}
    ask(caller, "POST", "faults", [fault])
    image = draw.encoded(draw.gradient())
    replies = [caller.judge(image) for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 200]
    assert replies[0].body["Code"] == "ServiceUnavailable"
    assert ask(caller, "GET", "state").body["faults"] == []


def test_an_error_of_the_service_stays_until_it_is_taken_back(caller, draw) -> None:
    ask(caller, "POST", "faults", [{"times": None, "code": 500, "message": "busy"}])
    for _ in range(3):
        body = caller.judge(draw.encoded(draw.gradient())).body
        assert (body["Code"], body["Msg"]) == (500, "busy")
    ask(caller, "POST", "reset")
    assert caller.judge(draw.encoded(draw.gradient())).body["Code"] == 200


def test_another_operation_meets_no_fault(caller, emulator, draw) -> None:
    emulator.faults.add([Fault(operation="ImageAsyncModeration", code=500)])
    assert caller.judge(draw.encoded(draw.gradient())).body["Code"] == 200
    assert len(emulator.faults.waiting()) == 1


def test_any_body(caller, emulator, draw) -> None:
    emulator.faults.add([Fault(body='{"Code": 200, "Data": {}}')])
    assert caller.judge(draw.encoded(draw.gradient())).body == {"Code": 200, "Data": {}}


@pytest.mark.parametrize(("cut", "error"), [("reset", ConnectionError), ("truncate", http.client.IncompleteRead)])
def test_a_connection_that_breaks(caller, emulator, draw, cut: str, error: type[Exception]) -> None:
    emulator.faults.add([Fault(cut=cut)])
    with pytest.raises(error):
        caller.judge(draw.encoded(draw.gradient()))
    caller.connection.close()
    assert caller.judge(draw.encoded(draw.gradient())).body["Code"] == 200


def test_an_answer_that_drips_is_whole_at_last(caller, emulator, draw) -> None:
    emulator.faults.add([Fault(body='{"a": 1}', cut="drip", pause=0.02)])
    begun = time.monotonic()
    assert caller.judge(draw.encoded(draw.gradient())).body == {"a": 1}
    assert time.monotonic() - begun >= 0.02 * (len('{"a": 1}') - 1)


def test_a_late_answer(connect, clock, draw) -> None:
    with Emulator(clock, latency=0.2) as emulator:
        caller = connect(emulator)
        emulator.faults.add([Fault(delay=0.2)])
        begun = time.monotonic()
        caller.judge(draw.encoded(draw.gradient()))
        assert time.monotonic() - begun >= 0.4


def test_more_calls_than_the_quota_are_refused(connect, clock, draw) -> None:
    with Emulator(clock, queries_per_second=2) as emulator:
        caller = connect(emulator)
        image = draw.encoded(draw.gradient())
        replies = [caller.judge(image) for _ in range(30)]
    refused = [reply for reply in replies if reply.status != 200]
    assert refused, "30 calls took 15 seconds"
    assert {(reply.status, reply.body["Code"]) for reply in refused} == {(429, "Throttling.User")}


# ------------------------------------------------------------------------------------------------ recorded verdicts


def test_a_recorded_verdict_is_replayed_without_a_detector(connect, clock, draw, tmp_path: Path, monkeypatch) -> None:
    code, plain = draw.encoded(draw.code("QRCode", "hello")), draw.encoded(draw.gradient())
    folder = tmp_path / "tape"
    with Emulator(clock, tape=Tape(folder, replay=False)) as emulator:
        caller = connect(emulator)
        assert labels(caller.judge(code, dataId="a")) == ["QRCode"]
        req_id = caller.submit(code, interval=1, maxFrameNum=3)
        queued = caller.result(req_id).body["Data"]
    monkeypatch.setattr(engine, "is_installed", lambda module: False)
    with Emulator(clock, tape=Tape(folder, replay=True)) as emulator:
        caller = connect(emulator)
        again = caller.judge(code, dataId="b")
        assert (labels(again), again.body["Data"]["DataId"]) == (["QRCode"], "b")
        assert caller.result(caller.submit(code, interval=1, maxFrameNum=3)).body["Data"] == queued
        missing = caller.judge(plain).body
    assert missing["Code"] == 490
    assert "nothing is recorded" in missing["Msg"]
    assert sorted(path.name.partition("-")[0] for path in folder.iterdir()) == [
        "ImageAsyncModeration",
        "ImageModeration",
    ]


def test_a_recorded_file_may_be_edited_and_a_broken_one_is_told(connect, clock, tmp_path: Path) -> None:
    rules = laying_down(FixedVerdict([GUN], name="*"))
    with Emulator(clock, rules=rules, tape=Tape(tmp_path, replay=False)) as emulator:
        connect(emulator).judge(b"content", dataId="a")
    [path] = tmp_path.iterdir()
    path.write_text(path.read_text().replace("violent_gun", "violent_knives"))
    with Emulator(clock, tape=Tape(tmp_path, replay=True)) as emulator:
        caller = connect(emulator)
        assert labels(caller.judge(b"content", dataId="a")) == ["violent_knives"]
        path.write_text("{")
        assert caller.judge(b"content", dataId="a").body["Code"] == 500


def test_a_folder_that_is_not_there_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        Tape(tmp_path / "none", replay=True)


# ------------------------------------------------------------------------------------------------------------ HTTPS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Return the files of a certificate, of its key, and of the authority that signed it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = (tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem")
    files[0].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(files[1])
    authority.cert_pem.write_to_path(files[2])
    return files


def test_it_serves_https(certificate: tuple[Path, Path, Path]) -> None:
    cert, key, authority = certificate
    with Emulator(certificate=(cert, key)) as emulator:
        assert emulator.endpoint.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=authority)
        host = emulator.endpoint.removeprefix("https://")
        connection = http.client.HTTPSConnection(host, timeout=20, context=context)
        connection.request("GET", "/_emulator/state")
        assert json.loads(connection.getresponse().read())["endpoint"] == emulator.endpoint
        connection.close()


def test_a_wrong_certificate_is_one_clear_error(tmp_path: Path, certificate: tuple[Path, Path, Path]) -> None:
    with pytest.raises(UsageError, match="cannot use the certificate"):
        Emulator(certificate=(certificate[1], certificate[1]))
    with pytest.raises(UsageError, match="cannot use the certificate"):
        Emulator(certificate=(tmp_path / "none", certificate[1]))
