"""Targets 6 to 8: how long the program takes to start and to make one call, and how much memory that takes."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from measuring import MODERATE, in_turns, peak_memory, run, world
from report import Figure
from serving import Served, serving

_TIMEOUT = 60.0
_URL = "https://example.com/image.png"
_AWS = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_SDK = """
import sys
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from alibabacloud_tea_openapi.utils_models import Config
host, bundle, url = sys.argv[1:]
client = Client(Config(access_key_id="id", access_key_secret="secret", endpoint=host, ca=bundle))
parameters = '{"imageUrl": "%s"}' % url
request = models.ImageModerationRequest(service="baselineCheck_global", service_parameters=parameters)
assert client.image_moderation(request).body.code == 200
"""
_REQUESTS = """
import sys
import requests
host, _, url = sys.argv[1:]
headers = {"x-acs-action": "ImageModeration"}
assert requests.post(f"https://{host}/", {"imageUrl": url}, headers=headers).json()["Code"] == 200
"""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures of the start and of one call."""
    rounds = 2 if quick else 15
    with tempfile.TemporaryDirectory() as name, serving() as service:
        folder = Path(name)
        aws = _aws()
        aws_variables = {
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        variables = world(folder, {**service.variables, **aws_variables, "AWS_EC2_METADATA_DISABLED": "true"})
        yield from _start(rounds, variables, aws)
        yield from _call(rounds, variables, service, aws, folder)


def _aws() -> str | None:
    """Return the command of AWS, that of this Python where it has one: version managers wrap it in a slow script."""
    own = Path(sys.base_prefix, "bin", "aws")
    return str(own) if own.exists() else shutil.which("aws")


def _start(rounds: int, variables: Mapping[str, str], aws: str | None) -> Iterator[Figure]:
    commands = [[MODERATE, "--version"], [MODERATE, "--help"], [sys.executable, "-c", "pass"]]
    commands += [[aws, "--version"]] if aws else []
    version, help_, python, *others = _seconds(rounds, commands, variables)
    yield _figure(6, "--version", version, "python -c pass", python, 6)
    yield _figure(6, "--help", help_, "aws --version", others[0] if others else None, 0.5)


def _call(
    rounds: int, variables: Mapping[str, str], service: Served, aws: str | None, folder: Path
) -> Iterator[Figure]:
    host = urlsplit(service.address).netloc
    assert service.bundle
    moderate = [MODERATE, "sync", _URL, "-q"]
    sdk, requests = ([sys.executable, "-c", script, host, service.bundle, _URL] for script in (_SDK, _REQUESTS))
    image = folder / "image.png"
    image.write_bytes(b"image")
    rekognition = [[aws, "rekognition", "detect-moderation-labels", "--endpoint-url", service.address]] if aws else []
    for command in rekognition:
        command += ["--image-bytes", f"fileb://{image}"]
    ours, by_sdk, by_requests, *others = _seconds(rounds, [moderate, sdk, requests, *rekognition], variables)
    yield _figure(7, "one call, whole process", ours, "a script with the vendor's SDK", by_sdk, 0.42)
    yield _figure(7, "one call, whole process", ours, "aws rekognition", others[0] if others else None, 0.40)
    yield _figure(7, "one call, whole process", ours, "a script with requests", by_requests, 1.3)
    yield Figure(
        target=8,
        name="peak memory of one call",
        ours=peak_memory(moderate, variables, timeout=_TIMEOUT)[0],
        peer="a script with the vendor's SDK",
        theirs=peak_memory(sdk, variables, timeout=_TIMEOUT)[0],
        unit="MB",
        bound=0.6,
    )


def _seconds(rounds: int, commands: list[list[str]], variables: Mapping[str, str]) -> list[float]:
    def one(command: list[str]) -> float:
        return run(command, variables, timeout=_TIMEOUT).expect(0).seconds

    return in_turns(rounds, *(lambda command=command: one(command) for command in commands))


def _figure(target: int, name: str, ours: float, peer: str, theirs: float | None, bound: float) -> Figure:
    beside = None if theirs is None else theirs * 1000
    return Figure(target=target, name=name, ours=ours * 1000, peer=peer, theirs=beside, unit="ms", bound=bound)
