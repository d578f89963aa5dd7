"""Inventories of buckets as lists of sources: the manifest and its data files, plain or packed."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from trees import sources_of

from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.models import BrokenInput, Item, OssObject
from moderate_cli.sources import Selection, Shard, SourceList, Sources
from moderate_cli.sources.lists import check_list

SCHEMA = "Bucket, Key, Size, StorageClass, LastModifiedDate, ETag"


def _row(key: str, *more: str, bucket: str = "lake") -> str:
    return ",".join(f'"{value}"' for value in (bucket, key, *more)) + "\n"


def _full(key: str) -> str:
    return _row(key, "1024", "Standard", "2026-11-01T00-00-00Z", "5B3C1A2E053D763E1B002CC607C5A0FE")


def _inventory(
    folder: Path, contents: Sequence[Sequence[str]], *, schema: str = SCHEMA, below: str = "../data", **changes: Any
) -> Path:
    """Write an inventory as it lies in a bucket, and return its manifest."""
    place = folder / "2026-11-01T16-00Z"
    place.mkdir(exist_ok=True)
    entries = []
    for number, lines in enumerate(contents):
        name = f"745a29e3-{number}.csv.gz"
        path = place / below / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(gzip.compress("".join(lines).encode()))
        entries.append({"key": f"inventory/lake/daily/data/{name}", "size": 1, "MD5checksum": "x"})
    manifest = {
        "creationTimestamp": "1793635200",
        "destinationBucket": "target",
        "fileFormat": "CSV",
        "fileSchema": schema,
        "files": entries,
        "sourceBucket": "lake",
        "version": "2019-09-01",
        **changes,
    }
    path = place / "manifest.json"
    path.write_text(json.dumps(manifest))
    return path


def _items(path: Path, **options: Any) -> list[Item]:
    listing = SourceList(str(path))
    check_list(listing)
    return list(Sources([], lists=[listing], **options))


@pytest.mark.parametrize("below", ["../data", "data", "."])
def test_the_objects_of_all_data_files_are_sources(tmp_path: Path, below: str) -> None:
    manifest = _inventory(
        tmp_path, [[_full("a.png"), _full("b/c%20d%2B.JPG")], [_full("%E5%9B%BE+1.png")]], below=below
    )
    items = _items(manifest)
    assert sources_of(items) == ["oss://lake/a.png", "oss://lake/b/c d+.JPG", "oss://lake/图 1.png"]
    assert items[0].image == OssObject("lake", "a.png", etag="5B3C1A2E053D763E1B002CC607C5A0FE")


def test_a_key_is_taken_as_it_is(tmp_path: Path) -> None:
    (item,) = _items(_inventory(tmp_path, [[_full("a.png%3Fregion%3Dcn-hangzhou.png")]]))
    assert item.image == OssObject("lake", "a.png?region=cn-hangzhou.png", etag="5B3C1A2E053D763E1B002CC607C5A0FE")


def test_what_is_no_image_is_counted_and_folders_are_not(tmp_path: Path) -> None:
    manifest = _inventory(tmp_path, [[_full("a.png"), _full("b.parquet"), _full("photos/"), _full("c.cr2")]])
    sources = Sources([], lists=[SourceList(str(manifest))])
    assert sources_of(list(sources)) == ["oss://lake/a.png"]
    assert (sources.non_images, sources.camera_raw) == (1, 1)


def test_a_selection_and_a_shard_hold_for_them_too(tmp_path: Path) -> None:
    manifest = _inventory(tmp_path, [[_full(f"{n}.{kind}") for n in range(20) for kind in ("png", "gif")]])
    chosen = sources_of(_items(manifest, selection=Selection(("*.png",))))
    assert len(chosen) == 20
    shards = [sources_of(_items(manifest, shard=Shard(n, 3), selection=Selection(("*.png",)))) for n in (1, 2, 3)]
    assert sorted(name for shard in shards for name in shard) == sorted(chosen)


def test_only_the_current_version_of_an_object_is_one(tmp_path: Path) -> None:
    schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size"
    lines = [
        _row("a.png", "v2", "true", "false", "10"),
        _row("a.png", "v1", "false", "false", "10"),
        _row("gone.png", "v3", "true", "true", ""),
    ]
    assert sources_of(_items(_inventory(tmp_path, [lines], schema=schema))) == ["oss://lake/a.png"]


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "gzip"])
def test_a_data_file_by_itself_is_one_of_oss(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(pack((_full("a.png") + _full("b%20c.png")).encode()))
    assert sources_of(_items(path)) == ["oss://lake/a.png", "oss://lake/b c.png"]


def test_any_list_may_be_packed(tmp_path: Path) -> None:
    path = tmp_path / "urls.jsonl.gz"
    path.write_bytes(gzip.compress(b'https://example.com/a.png\n{"source": "https://example.com/b.png"}\n'))
    assert sources_of(_items(path)) == ["https://example.com/a.png", "https://example.com/b.png"]
    stdin = io.TextIOWrapper(io.BytesIO(path.read_bytes()))
    assert len(list(Sources([], lists=[SourceList("-")], stdin=stdin))) == 2


def test_a_packed_list_that_was_cut_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "urls.gz"
    content = gzip.compress("".join(f"https://example.com/{n * n}.png\n" for n in range(20_000)).encode())
    path.write_bytes(content[:-2000])
    *_, last = _items(path)
    assert isinstance(last.image, BrokenInput)
    assert last.image.error.message.startswith("cannot read the list: Compressed file ended")


def test_a_data_file_that_was_cut_off_is_told(tmp_path: Path) -> None:
    manifest = _inventory(tmp_path, [[_full(f"{n}.png") for n in range(3000)]])
    data = next(tmp_path.rglob("*.csv.gz"))
    data.write_bytes(data.read_bytes()[:-100])
    *items, last = _items(manifest)
    assert isinstance(last.image, BrokenInput)
    assert str(data.name) in last.image.error.message
    assert items


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fileFormat": "ORC"}, "the inventory is in the format 'ORC'"),
        ({"fileFormat": "Parquet"}, "the inventory is in the format 'Parquet'"),
        ({"fileSchema": "Key, Bucket"}, "the manifest has no columns Bucket and Key"),
        ({"fileSchema": 7}, "the manifest has no columns Bucket and Key"),
        ({"files": None}, "the manifest has no columns Bucket and Key, or no files"),
        ({"files": [{"key": "x/missing.csv.gz"}]}, "the data file missing.csv.gz of the inventory is missing"),
        ({"files": [{"key": "x/.."}]}, "the manifest names a file without a key"),
        ({"files": [7]}, "the manifest names a file without a key"),
    ],
)
def test_a_manifest_that_cannot_be_followed_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_list(SourceList(str(_inventory(tmp_path, [[_full("a.png")]], **changes))))
    assert message in caught.value.message


def test_a_row_without_its_columns_is_told(tmp_path: Path) -> None:
    *_, last = _items(_inventory(tmp_path, [[_full("a.png"), _row("b.png")]]))
    assert isinstance(last.image, BrokenInput)
    assert last.image.error.message == "row 2 has 2 columns, not 6"


def test_another_list_may_be_called_manifest_json(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text('{"source": "https://example.com/a.png"}\n{"source": "https://example.com/b.png"}\n')
    assert len(_items(path)) == 2


def test_a_manifest_from_the_command_line(moderate: Callable, tmp_path: Path) -> None:
    manifest = _inventory(tmp_path, [[_full("a.png"), _full("b.txt")]])
    done = moderate("sync", "-n", "--files-from", manifest, "-f", "jsonl")
    assert done.code == ExitCode.OK
    assert [json.loads(line)["source"] for line in done.stdout.splitlines()] == ["oss://lake/a.png"]
