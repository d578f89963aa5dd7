"""Objects in S3, by addresses that are signed here: against a server of moto's, judged through the emulator."""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trees import sources_of

from moderate_cli.common.errors import ExitCode
from moderate_cli.models import BrokenInput, ImageUrl
from moderate_cli.sources import Shard, Sources
from moderate_cli.sources.s3 import ObstoreBucket, UnsignedBucket

pytest.importorskip("obstore")
moto_server = pytest.importorskip("moto.server")

SECRET = "CanaryAwsSecret0123456789abcdef"
IMAGE = Path(__file__).parents[1] / "data" / "poster-qr.png"
KEYS = ["a.png", "photos/b c+.png", "photos/图.png", "photos/notes.txt", "photos/deep/d.png"]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("AWS_ACCESS_KEY_ID", "AKIACANARY"), ("AWS_SECRET_ACCESS_KEY", SECRET)):
            patch.setenv(name, value)
        server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        for path in ("lake", *(f"lake/{urllib.request.quote(key)}" for key in KEYS)):
            content = IMAGE.read_bytes() if path.endswith(".png") else None
            headers = {"Content-Type": "application/octet-stream"}
            request = urllib.request.Request(f"{address}/{path}", content, headers, method="PUT")
            urllib.request.urlopen(request, timeout=30).read()
        yield address
        server.stop()


@pytest.fixture
def variables(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    variables = {
        "AWS_ACCESS_KEY_ID": "AKIACANARY",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def _sources(names: list[str], variables: dict[str, str], **options: Any) -> Sources:
    return Sources(names, open_s3=lambda name: ObstoreBucket(name, variables), **options)


def test_an_object_is_an_address_that_anybody_may_read_for_an_hour(variables: dict[str, str]) -> None:
    (item,) = _sources(["s3://lake/photos/b c+.png"], variables)
    assert item.source == "s3://lake/photos/b c+.png"
    assert isinstance(item.image, ImageUrl)
    assert "X-Amz-Expires=3600" in item.image.url
    assert SECRET not in item.image.url
    assert urllib.request.urlopen(item.image.url, timeout=30).read() == IMAGE.read_bytes()


def test_the_images_below_a_prefix(variables: dict[str, str]) -> None:
    sources = _sources(["s3://lake/photos/"], variables)
    assert sorted(sources_of(list(sources))) == [
        "s3://lake/photos/b c+.png",
        "s3://lake/photos/deep/d.png",
        "s3://lake/photos/图.png",
    ]
    assert sources.non_images == 1
    assert len(list(_sources(["s3://lake"], variables))) == len(list(_sources(["S3://lake/"], variables))) == 4
    empty = _sources(["s3://lake/none/"], variables)
    assert list(empty) == []
    assert empty.unmatched == ["s3://lake/none/"]


def test_shards_of_a_bucket(variables: dict[str, str]) -> None:
    shards = [sources_of(list(_sources(["s3://lake/"], variables, shard=Shard(n, 2)))) for n in (1, 2)]
    assert sorted(name for shard in shards for name in shard) == [
        f"s3://lake/{key}" for key in sorted(KEYS) if key.endswith(".png")
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("s3://missing/", "cannot list s3://missing: "),
        ("s3:///a.png", "no bucket, or no text"),
        ("s3://lake/caf\udce9.png", "no bucket, or no text"),
    ],
)
def test_what_cannot_be_read_is_told(variables: dict[str, str], source: str, message: str) -> None:
    (item,) = _sources([source], variables)
    assert isinstance(item.image, BrokenInput)
    assert item.image.error.message.startswith(message)
    assert SECRET not in str(item.image.error)


def test_a_plan_signs_and_lists_nothing() -> None:
    one, below = Sources(["s3://lake/a b.png", "s3://lake/"], open_s3=UnsignedBucket)
    assert one.image == ImageUrl("https://lake.s3.amazonaws.com/a%20b.png")
    assert isinstance(below.image, BrokenInput)


def test_an_inventory_is_read_signed_and_judged(
    moderate: Callable, account: dict[str, str], variables: dict[str, str], tmp_path: Path
) -> None:
    rows = "".join(f'"lake","{urllib.request.quote(key)}","10"\n' for key in KEYS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.csv.gz").write_bytes(gzip.compress(rows.encode()))
    manifest = {
        "sourceBucket": "lake",
        "destinationBucket": "arn:aws:s3:::inventories",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "lake/daily/data/one.csv.gz", "size": 1, "MD5checksum": "x"}],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    done = moderate("sync", "--files-from", tmp_path / "manifest.json", "-f", "jsonl", variables=account)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.code == ExitCode.OK, done.stderr
    assert sorted(record["source"] for record in records) == sorted(
        f"s3://lake/{key}" for key in KEYS if key.endswith(".png")
    )
    assert {label["label"] for record in records for label in record["labels"]} == {"QRCode"}
    assert SECRET not in done.stdout + done.stderr
    assert "X-Amz-Signature" not in done.stdout + done.stderr
    again = moderate(
        "sync",
        *("--files-from", tmp_path / "manifest.json", "-f", "jsonl", "--reuse", "7d", "--reuse-addresses"),
        variables=account,
    )
    assert all(json.loads(line)["reused"] for line in again.stdout.splitlines())
