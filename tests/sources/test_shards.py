"""Shards: each input is in exactly one, on every machine, and the scheduler can say in which one a process works."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from trees import put, sources_of

from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.models import OssObject
from moderate_cli.sources import Shard, SourceList, Sources


def _shards(of: int, *names: str, content: str = "", **options: Any) -> list[list[str]]:
    def shard(number: int) -> list[str]:
        stdin = io.TextIOWrapper(io.BytesIO(content.encode("utf-8", "surrogateescape")))
        lists = [SourceList("-")] if content else []
        return sources_of(list(Sources(names, lists=lists, stdin=stdin, shard=Shard(number, of), **options)))

    return [shard(number) for number in range(1, of + 1)]


def test_a_name_is_in_the_same_shard_for_ever() -> None:
    # Recorded: another hash would judge and bill what other shards did before.
    assert [
        next(number for number in range(1, 17) if Shard(number, 16).holds(name))
        for name in ("https://example.com/0.png", "oss://bucket/a/b.png", "photos/图.png", "caf\udce9.png")
    ] == [6, 10, 13, 5]


def test_another_process_with_another_hash_seed_says_the_same() -> None:
    code = "from moderate_cli.sources import Shard; print([Shard(3, 7).holds(f'{n}.png') for n in range(99)])"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {f"{[Shard(3, 7).holds(f'{n}.png') for n in range(99)]}\n"}


def test_the_shards_are_about_as_large_as_each_other() -> None:
    sizes = [
        sum(Shard(number, 16).holds(f"https://example.com/images/{n:08}.png") for n in range(8_000))
        for number in range(1, 17)
    ]
    assert sum(sizes) == 8_000
    assert 400 <= min(sizes) <= max(sizes) <= 600


def test_each_line_of_a_list_is_in_one_shard() -> None:
    lines = [f"https://example.com/{n}.png" for n in range(40)]
    lines += [f"oss://bucket/{n}.png" for n in range(20)]
    lines += [f"missing-{n}.png" for n in range(20)] + ["s3a://bucket/x.png", "file://elsewhere/x.png", ""]
    lines += [json.dumps({"source": f"https://example.com/{n}.gif", "data_id": f"{n}"}) for n in range(20)]
    lines += ["{broken", json.dumps({"source": "a.png", "unknown": 1})]
    whole = sources_of(
        list(Sources([], lists=[SourceList("-")], stdin=io.TextIOWrapper(io.BytesIO("\n".join(lines).encode()))))
    )
    shards = _shards(5, content="\n".join(lines))
    assert sorted(name for shard in shards for name in shard) == sorted(whole)
    assert min(map(len, shards)) > 5


def test_each_file_of_a_folder_is_in_one_shard_and_so_is_what_is_counted(tmp_path: Path) -> None:
    put(tmp_path, *(f"{n % 3}/{n}.png" for n in range(60)))
    put(tmp_path, *(f"{n}.txt" for n in range(30)), content=b"text")
    (tmp_path / "a.png").mkdir()
    (tmp_path / "broken.png").symlink_to("nowhere")
    whole = Sources([str(tmp_path)])
    sources = [Sources([str(tmp_path)], shard=Shard(number, 4)) for number in range(1, 5)]
    names = [name for shard in sources for name in sources_of(list(shard))]
    assert sorted(names) == sorted(sources_of(list(whole)))
    assert sum(shard.non_images for shard in sources) == whole.non_images == 30
    assert {shard.elsewhere + count for shard, count in zip(sources, _counts(names, tmp_path), strict=True)} == {91}


def _counts(names: list[str], folder: Path) -> list[int]:
    """Return how many inputs of each shard were seen: its images, and its texts."""
    texts = [f"{folder}/{n}.txt" for n in range(30)]
    return [sum(Shard(number, 4).holds(name) for name in [*names, *texts]) for number in range(1, 5)]


def test_a_folder_and_a_prefix_in_a_list_are_shared_out_too(tmp_path: Path) -> None:
    put(tmp_path, *(f"{n}.png" for n in range(20)))

    class Bucket:
        def objects(self, prefix: str) -> Any:
            return (OssObject("bucket", f"{prefix}{n}.png") for n in range(20))

    shards = _shards(3, content=f"{tmp_path}\noss://bucket/photos/\n", open_bucket=lambda name: Bucket())
    assert sorted(name for shard in shards for name in shard) == sorted(
        [*(f"{tmp_path}/{n}.png" for n in range(20)), *(f"oss://bucket/photos/{n}.png" for n in range(20))]
    )
    assert all(shards)


def test_a_new_signature_does_not_move_an_image() -> None:
    url = "https://bucket.example.com/{}.png?Expires=1&OSSAccessKeyId=id&Signature={}"
    (first, second) = (_shards(3, content="\n".join(url.format(n, sign) for n in range(12))) for sign in ("aa", "bb"))
    assert first == second


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("1/1", {}, Shard(1, 1)),
        ("7/1000", {"JOB_COMPLETION_INDEX": "3"}, Shard(7, 1000)),
        ("auto/16", {"JOB_COMPLETION_INDEX": "0"}, Shard(1, 16)),
        ("auto/16", {"JOB_COMPLETION_INDEX": "15"}, Shard(16, 16)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "4"}, Shard(1, 4)),
        (
            "auto",
            {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1"},
            Shard(4, 4),
        ),
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "20",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "5",
            },
            Shard(3, 3),
        ),
        ("auto", {"AWS_BATCH_JOB_ARRAY_INDEX": "9", "AWS_BATCH_JOB_ARRAY_SIZE": "10"}, Shard(10, 10)),
        ("auto/10", {"AWS_BATCH_JOB_ARRAY_INDEX": "9"}, Shard(10, 10)),
        ("auto", {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "3"}, Shard(1, 3)),
    ],
)
def test_what_says_which_shard_it_is(text: str, variables: Mapping[str, str], expected: Shard) -> None:
    assert Shard.parse(text, variables) == expected


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        ("0/4", {}, "there is no shard 0 of 4"),
        ("5/4", {}, "there is no shard 5 of 4"),
        ("1/0", {}, "there is no shard 1 of 0"),
        ("1/1000001", {}, "there is no shard 1 of 1000001"),
        ("1-4", {}, "must be I/N or auto, not '1-4'"),
        ("١/٤", {}, "must be I/N or auto"),
        ("auto", {}, "no scheduler says which shard this is"),
        ("auto", {"JOB_COMPLETION_INDEX": "3"}, "JOB_COMPLETION_INDEX does not say how many shards there are"),
        ("auto/3", {"JOB_COMPLETION_INDEX": "3"}, "there is no shard 4 of 3"),
        ("auto/4", {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "3"}, "the scheduler runs 3"),
        ("auto", {"CI_NODE_INDEX": "1"}, "CI_NODE_TOTAL is '', and no number"),
        ("auto", {"CI_NODE_INDEX": "one", "CI_NODE_TOTAL": "3"}, "CI_NODE_INDEX is 'one', and no number"),
        (
            "auto/4",
            {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "4", "JOB_COMPLETION_INDEX": "2"},
            "JOB_COMPLETION_INDEX and CI_NODE_INDEX are set",
        ),
    ],
)
def test_what_says_it_wrongly(text: str, variables: Mapping[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Shard.parse(text, variables)
    assert message in caught.value.message


def _plan(moderate: Callable, urls: Path, shard: str, **variables: str) -> tuple[list[str], Any]:
    done = moderate("sync", "-n", "--files-from", urls, "--shard", shard, "-f", "jsonl", variables=variables)
    return [json.loads(line)["source"] for line in done.stdout.splitlines()], done


def test_the_command_takes_its_share_and_tells_of_the_rest(moderate: Callable, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    urls.write_text("".join(f"https://example.com/{n}.png\n" for n in range(100)))
    parts = [_plan(moderate, urls, f"{number}/3") for number in (1, 2)]
    parts.append(_plan(moderate, urls, "auto/3", JOB_COMPLETION_INDEX="2"))
    assert sorted(name for names, _ in parts for name in names) == sorted(urls.read_text().split())
    for number, (names, done) in enumerate(parts, start=1):
        assert done.code == ExitCode.OK
        assert f"moderate: shard {number}/3: {100 - len(names)} are left to the others\n" in done.stderr


def test_an_empty_shard_is_no_failure_but_a_list_without_an_image_is(moderate: Callable, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    urls.write_text("https://example.com/0.png\n")
    codes = [_plan(moderate, urls, f"{number}/2")[1].code for number in (1, 2)]
    assert codes == [ExitCode.OK, ExitCode.OK]
    urls.write_text("")
    assert _plan(moderate, urls, "1/2")[1].code == ExitCode.NO_INPUT
    assert _plan(moderate, urls, "3/2")[1].code == ExitCode.USAGE


def test_shards_do_not_change_the_order(tmp_path: Path) -> None:
    put(tmp_path, *(f"{n:03}.png" for n in range(50)))
    for shard in _shards(4, str(tmp_path)):
        assert all(earlier < later for earlier, later in pairwise(shard))
