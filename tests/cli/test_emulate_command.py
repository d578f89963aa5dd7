"""`moderate emulate` from the outside: a process that moderate and the vendor's SDK call over loopback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from emulating import Emulating, emulating

from moderate_cli.common.installation import install_command

DATA = Path(__file__).parents[1] / "data"
RULES = """\
keywords:
  - {word: free tables, label: ad}
images:
  - name: approved-*
    findings: []
  - name: bomb
    findings: [{label: violent_explosion, confidence: 81.22, level: high}]
"""

# From Python 3.12 on: the SDK dates its requests with datetime.utcnow().
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning:alibabacloud_tea_openapi")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def emulator(rules: Path) -> Iterator[Emulating]:
    with emulating("--rules", str(rules), "--polls", "1") as running:
        yield running


def test_it_says_where_it_is_that_it_is_local_and_how_it_ended(emulator: Emulating) -> None:
    assert set(emulator.variables) == {
        "MODERATE_ENDPOINT",
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    }
    code, stdout, stderr = emulator.end(signal.SIGINT)
    assert (code, stdout) == (130, "")
    where = f"listening on {emulator.variables['MODERATE_ENDPOINT']}"
    form, *lines = stderr.splitlines()
    assert "this form is deprecated" in form
    assert lines == [
        f"moderate: {where}: a local emulator, no cloud verdicts; Ctrl-C ends it",
        "moderate: stopped: 0 calls answered, 0 refused",
    ]


def test_sync_judges_by_it(moderate: Callable, emulator: Emulating) -> None:
    arguments = ["sync", DATA / "landscape.jpg", "--data-id", "bomb", "--fail-on", "high"]
    result = moderate(*arguments, variables=emulator.variables)
    (record,) = result.records
    assert result.code == 1, result.stderr
    assert [(label["label"], label["confidence"]) for label in record["labels"]] == [("violent_explosion", 81.22)]
    assert (record["engine"], record["risk_level"]) == ("local", "high")
    cleared = moderate("sync", DATA / "poster-qr.png", "--data-id", "approved-1", variables=emulator.variables)
    assert (cleared.code, cleared.records[0]["labels"]) == (0, [])
    code, _, stderr = emulator.end()
    assert code == 0
    assert "refused" in stderr.splitlines()[-1]
    assert "stopped: 4 calls answered" in stderr  # two uploads, two verdicts


def test_another_key_is_refused(moderate: Callable, emulator: Emulating) -> None:
    variables = emulator.variables | {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "another"}
    result = moderate("sync", DATA / "landscape.jpg", variables=variables)
    assert result.code == 4
    assert "SignatureDoesNotMatch" in json.dumps(result.records) + result.stderr
    assert "1 refused" in emulator.end()[2]


def test_the_vendors_sdk_posts_to_it(emulator: Emulating) -> None:
    variables = emulator.variables
    client = Client(
        Config(
            endpoint=variables["MODERATE_ENDPOINT"].removeprefix("http://"),
            protocol="http",
            access_key_id=variables["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            access_key_secret=variables["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        )
    )
    post = {"mainData": {"mainContent": "Free  TABLES"}}
    request = models.MultimodalAsyncModerationRequest(
        service="post_text_image_detection", service_parameters=json.dumps(post)
    )
    req_id = client.multimodal_async_moderation(request).body.data.req_id
    asked = models.DescribeMultimodalModerationResultRequest(req_id=req_id)
    assert client.describe_multimodal_moderation_result(asked).body.code == 280  # --polls 1
    while (body := client.describe_multimodal_moderation_result(asked).body).code == 280:
        pass
    assert body.data.main_data.results[0].label == "ad"


def test_the_exports_are_for_a_shell(emulator: Emulating) -> None:
    lines = "".join(f"export {name}={value}\n" for name, value in emulator.variables.items())
    done = subprocess.run(
        ["sh", "-c", f'{lines}printf %s "$MODERATE_ENDPOINT"'], capture_output=True, text=True, check=True
    )
    assert done.stdout == emulator.variables["MODERATE_ENDPOINT"]


def test_a_port_that_is_taken(moderate: Callable) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        result = moderate("emulate", "--port", str(port))
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == (
        f"moderate: cannot listen on 127.0.0.1 port {port}: Address already in use (choose another --port)\n"
    )


def test_wrong_rules_end_it_before_it_listens(moderate: Callable, rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(rules.parent)
    rules.write_text("keywords:\n  - word: x\n")
    result = moderate("emulate", "--rules", "rules.yaml")
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == "moderate: rules.yaml:2: an item of keywords has no label\n"


def test_without_a_detector_it_says_so(monkeypatch: pytest.MonkeyPatch, moderate: Callable) -> None:
    def stop(_seconds: float) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("moderate_cli.cli.emulate.time.sleep", stop)
    monkeypatch.setattr("moderate_cli.emulator.engine.LocalEngine.is_available", lambda _engine: False)
    result = moderate("emulate", "--port", "0")
    assert result.code == 0
    assert f"no detector is installed; only rules judge images ({install_command('local')})" in (result.stderr)
