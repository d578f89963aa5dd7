"""Objects in OSS of another account, by addresses that are signed here: its OSS is a second emulator.

The first one is the service of the own account: it knows neither the keys of the other nor its objects.
"""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from trees import sources_of

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import AccessKey, Emulator
from moderate_cli.models import BrokenInput, ImageUrl, OssObject
from moderate_cli.scale import Judge
from moderate_cli.sources import Shard, Sources
from moderate_cli.sources.oss import OssAccount, oss_endpoint

PARTNER = AccessKey("LTAIPartner", "CanaryPartnerSecret0123456789abc", "CanaryPartnerToken0123456789abcd")
IMAGE = Path(__file__).parents[1] / "data" / "poster-qr.png"
KEYS = ["a.png", "photos/b c+.png", "photos/deep/d.png", "photos/图.png", "photos/notes.txt"]
BELOW = ["oss://lake/photos/b c+.png", "oss://lake/photos/deep/d.png", "oss://lake/photos/图.png"]
SIGNED = "x-oss-signature="


@pytest.fixture
def partner() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.add_key(PARTNER)
        for key in KEYS:
            emulator.state.objects.put("lake", key, IMAGE.read_bytes())
        yield emulator


@pytest.fixture
def lake(partner: Emulator) -> OssAccount:
    return OssAccount(
        credentials=lambda: PARTNER, region="cn-shanghai", endpoint=partner.endpoint, sleep=lambda _: None
    )


@pytest.fixture
def world(account: dict[str, str], partner: Emulator, tmp_path: Path) -> dict[str, str]:
    """The variables of the own account, beside a file with the profile of the other."""
    path = Path.home() / ".aliyun" / "config.json"
    path.parent.mkdir()
    keys = {"access_key_id": PARTNER.access_key_id, "access_key_secret": PARTNER.access_key_secret}
    profile = {"name": "partner", "mode": "StsToken", **keys, "sts_token": PARTNER.security_token}
    path.write_text(json.dumps({"current": "partner", "profiles": [profile]}))
    return {**account, "MODERATE_OSS_ENDPOINT": partner.endpoint}


def test_an_object_is_an_address_that_anybody_may_read_for_an_hour(lake: OssAccount) -> None:
    (item,) = Sources(["oss://lake/photos/b c+.png?region=cn-shanghai"], open_bucket=lake, signs_oss=True)
    assert item.source == "oss://lake/photos/b c+.png?region=cn-shanghai"
    assert isinstance(item.image, ImageUrl)
    assert "x-oss-expires=3600" in item.image.url
    assert PARTNER.access_key_secret not in item.image.url
    assert urllib.request.urlopen(item.image.url, timeout=30).read() == IMAGE.read_bytes()


def test_the_images_below_a_prefix(lake: OssAccount) -> None:
    sources = Sources(["oss://lake/photos/"], open_bucket=lake, signs_oss=True)
    items = list(sources)
    assert sources_of(items) == BELOW
    assert sources.non_images == 1
    assert all(isinstance(item.image, ImageUrl) for item in items)
    shards = [
        sources_of(list(Sources(["oss://lake"], open_bucket=lake, signs_oss=True, shard=Shard(n, 2)))) for n in (1, 2)
    ]
    assert sorted(name for shard in shards for name in shard) == ["oss://lake/a.png", *BELOW]


def test_a_bucket_is_found_once_for_all_objects_in_it(lake: OssAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = requests.Session.request
    monkeypatch.setattr(
        requests.Session, "request", lambda *args, **more: (seen.append(args[2]), real(*args, **more))[1]
    )
    names = [f"oss://lake/{number}.png" for number in range(50)]
    assert len({item.image for item in Sources(names, open_bucket=lake, signs_oss=True)}) == 50
    assert len(seen) == 1


def test_addresses_are_public_even_where_the_bucket_is_read_from_within(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = oss_endpoint("cn-shanghai", vpc=True)
    account = OssAccount(credentials=lambda: PARTNER, region="cn-shanghai", endpoint=endpoint)
    bucket = account("lake")
    monkeypatch.setattr(
        bucket, "_locate", lambda session: (bucket._open(session, endpoint, "cn-shanghai"), "cn-shanghai")
    )
    assert bucket.sign("a/b.png").startswith("https://lake.oss-cn-shanghai.aliyuncs.com/a/b.png?")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("oss://missing/a.png", "no such bucket"),
        ("oss://missing/", "no such bucket"),
        ("oss:///a.png", "no bucket is named"),
        ("oss://lake/ ", "' ' is not the key of an object"),
        ("oss://No_Bucket/a.png", "'No_Bucket' is not a bucket name"),
    ],
)
def test_what_cannot_be_read_is_told(lake: OssAccount, source: str, message: str) -> None:
    (item,) = Sources([source], open_bucket=lake, signs_oss=True)
    assert isinstance(item.image, BrokenInput)
    assert item.image.error.message == message


def test_an_account_of_its_own_signs_nothing(lake: OssAccount) -> None:
    (item,) = Sources(["oss://lake/a.png"], open_bucket=lake)
    assert item.image == OssObject("lake", "a.png")


def test_a_lake_of_another_account_is_judged(
    moderate: Callable, world: dict[str, str], emulator: Emulator, tmp_path: Path
) -> None:
    command = (
        "sync",
        "oss://lake/",
        "-f",
        "jsonl",
        "--oss-profile",
        "partner",
        "--data-id-from",
        "name",
        "-vv",
        "--raw",
    )
    done = moderate(*command, variables=world)
    assert done.code == ExitCode.OK, done.stderr
    assert sorted(record["source"] for record in done.records) == ["oss://lake/a.png", *BELOW]
    assert {label["label"] for record in done.records for label in record["labels"]} == {"QRCode"}
    assert sorted(record["data_id"] for record in done.records) == ["_.png", "a.png", "b_c_.png", "d.png"]
    _tells_no_signature(done.stdout + done.stderr, tmp_path)
    again = moderate(*command, "--reuse", "7d", "--reuse-addresses", variables=world)
    assert all(record["reused"] for record in again.records)


def test_an_inventory_of_another_account_is_judged(moderate: Callable, world: dict[str, str], tmp_path: Path) -> None:
    rows = "".join(f'"lake","{urllib.request.quote(key)}","10"\n' for key in KEYS)
    (tmp_path / "one.csv.gz").write_bytes(gzip.compress(rows.encode()))
    done = moderate(
        *("sync", "--files-from", tmp_path / "one.csv.gz", "-f", "jsonl"),
        variables={**world, "MODERATE_OSS_PROFILE": "partner"},
    )
    assert done.code == ExitCode.OK, done.stderr
    assert sorted(record["source"] for record in done.records) == ["oss://lake/a.png", *BELOW]


def test_a_failure_tells_no_signature(
    moderate: Callable, world: dict[str, str], partner: Emulator, tmp_path: Path
) -> None:
    done = moderate("sync", "oss://lake/gone.png", "-f", "jsonl", "--oss-profile", "partner", "-vv", variables=world)
    assert done.code == ExitCode.INCOMPLETE
    (record,) = done.records
    assert (record["status"], record["error"]["api_code"]) == ("failed", 404)
    _tells_no_signature(done.stdout + done.stderr, tmp_path)


def _tells_no_signature(text: str, folder: Path) -> None:
    secrets = (PARTNER.access_key_secret, PARTNER.security_token or "", f"{SIGNED}0")
    assert not [secret for secret in secrets if secret in text]
    assert SIGNED not in text


def test_a_plan_lists_and_signs_nothing(moderate: Callable, world: dict[str, str]) -> None:
    done = moderate("sync", "oss://lake/photos/", "-n", "-f", "jsonl", "--oss-profile", "partner", variables=world)
    assert done.code == ExitCode.OK, done.stderr
    assert [record["source"] for record in done.records] == BELOW


def test_a_profile_that_is_missing(moderate: Callable, world: dict[str, str]) -> None:
    done = moderate("sync", "oss://lake/a.png", "-f", "jsonl", "--oss-profile", "nobody", variables=world)
    (record,) = done.records
    assert record["status"] == "failed"
    assert record["error"]["message"] == "no credentials: ~/.aliyun/config.json: there is no profile nobody"


def test_the_local_engine_fetches_none_unless_it_may(moderate: Callable, world: dict[str, str]) -> None:
    beside = {name: value for name, value in world.items() if name != "MODERATE_ENDPOINT"}
    done = moderate("sync", "oss://lake/", "-f", "jsonl", "-p", "local", "--oss-profile", "partner", variables=beside)
    assert {record["error"]["code"] for record in done.records} == {"nothing_checked"}


def test_rows_of_another_account(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.items():
        monkeypatch.setenv(name, value)
    judge = Judge("url", jobs=4, oss_profile="partner")
    out = judge({"url": ["oss://lake/a.png", "oss://lake/gone.png", "oss://lake/photos/图.png"]})
    judge.close()
    assert out["status"] == ["judged", "failed", "judged"]
    assert not [record for record in out["record"] if SIGNED in record]
