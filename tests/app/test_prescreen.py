"""Prescreening: what the rules' libraries know is answered without a call, and is no answer of the cloud."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from actions import CLEAN, Service, service
from faults import body
from photos import PHOTOS, photo, saved, with_code
from repositories import Repository

from moderate_cli.app import ReuseOptions, ScanSpec, scan
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.emulator.library_rulings import open_library

RULES = """\
version: 1
services:
  baselineCheck_global: {exempt: [brand], image_libraries: {contraband_drug: [seized]}}
  aigcDetector_global: {exempt: [brand]}
image_libraries:
  brand: {images: brand}
  seized: {images: seized}
"""
BATCH = {
    "RiskLevel": "none",
    "Result": [{"Label": "nonLabel"}],
    "Results": [
        {"Service": name, "RiskLevel": "none", "Result": [{"Label": "nonLabel"}]}
        for name in ("baselineCheck_global", "aigcDetector_global")
    ],
}
LONG_AGO = 1_000_000_000


@pytest.fixture
def cloud() -> Iterator[Service]:
    with service(ImageModeration=CLEAN, ImageBatchModeration=body(200, BATCH)) as cloud:
        yield cloud


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Rules with a library of an exempt photo and one of a flagged photo."""
    for name, image in (("brand", "coffee.png"), ("seized", "rocket.jpg")):
        (tmp_path / name).mkdir()
        (tmp_path / name / image).write_bytes(PHOTOS[image].read_bytes())
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """An exempt photo, one that looks like it, one with a code on it, a flagged one, one like it, and two alike."""
    folder = tmp_path / "images"
    folder.mkdir()
    contents = {
        "exempt.png": PHOTOS["coffee.png"].read_bytes(),
        "exempt-again.jpg": saved(photo("coffee.png"), "JPEG", quality=90),
        "exempt-with-code.png": saved(with_code(photo("coffee.png"), 1 / 6), "PNG"),
        "flagged.jpg": PHOTOS["rocket.jpg"].read_bytes(),
        "flagged-again.jpg": saved(photo("rocket.jpg"), "JPEG", quality=80),
        "new.png": PHOTOS["chelsea.png"].read_bytes(),
        "new-copy.png": PHOTOS["chelsea.png"].read_bytes(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    return folder


def test_known_images_cost_no_call(
    moderate: Callable, cloud: Service, rules: Path, images: Path, tmp_path: Path
) -> None:
    result = moderate("sync", images, "--rules", rules, "--prescreen", "-j", "1", variables=cloud.variables)
    records = {Path(record["source"]).name: record for record in result.records}
    found = {name: ([label["label"] for label in one["labels"]], one["engine"]) for name, one in records.items()}
    assert found == {
        "exempt.png": (["nonLabel_lib"], "local"),
        "exempt-again.jpg": (["nonLabel_lib"], "local"),
        "exempt-with-code.png": ([], "cloud"),
        "flagged.jpg": (["contraband_drug_lib"], "local"),
        "flagged-again.jpg": ([], "cloud"),
        "new.png": ([], "cloud"),
        "new-copy.png": ([], "cloud"),
    }
    flagged = records["flagged.jpg"]
    assert (flagged["risk_level"], flagged["billed_calls"], flagged["attempts"]) == ("high", 0, 0)
    assert (flagged["region"], flagged["endpoint"], flagged["reused"]) == (None, "", False)
    assert [image["image_id"] for image in flagged["ext"]["custom_image"]] == ["rocket.jpg"]
    assert records["exempt.png"]["risk_level"] == "none"
    assert cloud.asked["ImageModeration"] == cloud.asked["PUT"] == 3
    assert "prescreen saved 4 calls: 3 known images, 1 duplicate\n" in result.stderr
    assert "3 billed calls" in result.stderr
    assert "by the local engine" not in result.stderr
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_text(result.stdout)
    assert "The local engine judged" not in moderate("convert", earlier, "-f", "markdown").stdout


def test_the_gate_counts_what_was_not_sent(moderate: Callable, cloud: Service, rules: Path, images: Path) -> None:
    arguments = ["--rules", rules, "--prescreen", "--fail-on", "high"]
    assert moderate("sync", images / "flagged.jpg", *arguments, variables=cloud.variables).code == ExitCode.FOUND
    assert moderate("sync", images / "exempt.png", *arguments, variables=cloud.variables).code == ExitCode.OK
    assert not cloud.asked


def test_nothing_is_reused_as_if_the_cloud_had_said_it(
    moderate: Callable, cloud: Service, rules: Path, images: Path
) -> None:
    reuse = ["sync", images, "--reuse", "forever"]
    moderate(*reuse, "--rules", rules, "--prescreen", variables=cloud.variables)
    engines = [record["engine"] for record in moderate("history", "-f", "jsonl").records]
    assert engines.count("local") == 3
    without = moderate(*reuse, variables=cloud.variables)
    sent = {Path(record["source"]).name for record in without.records if not record["reused"]}
    assert sent == {"exempt.png", "exempt-again.jpg", "flagged.jpg"}
    assert {record["engine"] for record in without.records} == {"cloud"}
    # Then the cloud has said it, and its word comes first.
    again = moderate(*reuse, "--rules", rules, "--prescreen", variables=cloud.variables)
    assert {(record["engine"], record["reused"]) for record in again.records} == {("cloud", True)}
    assert "prescreen saved" not in again.stderr


def test_a_dry_run_and_a_cap_count_none_for_known_images(
    moderate: Callable, cloud: Service, rules: Path, images: Path
) -> None:
    plan = moderate("sync", images, "--rules", rules, "--prescreen", "--dry-run", "-f", "jsonl", "-j", "1")
    assert sorted(record["action"] for record in plan.records) == ["known"] * 3 + ["once"] + ["send"] * 3
    assert sum(record["calls"] for record in plan.records) == 3
    assert "3 images to send, 1 duplicate, 3 prescreened; nothing was sent\n" in plan.stderr
    assert "prescreen saves 4 calls: 3 known images, 1 duplicate\n" in plan.stderr
    capped = moderate("sync", images, "--rules", rules, "--prescreen", "--max-calls", "3", variables=cloud.variables)
    assert capped.code == ExitCode.OK
    assert cloud.asked["ImageModeration"] == 3


def test_each_service_of_a_batch_must_know_an_image(
    moderate: Callable, cloud: Service, rules: Path, images: Path
) -> None:
    services = ["-s", "baselineCheck_global,aigcDetector_global", "--rules", rules, "--prescreen"]
    result = moderate(
        "batch", images / "exempt.png", images / "flagged.jpg", *services, variables=cloud.variables, columns=200
    )
    exempt, flagged = sorted(result.records, key=lambda record: record["source"])
    assert (exempt["engine"], flagged["engine"]) == ("local", "cloud")
    assert [part["service"] for part in exempt["per_service"]] == ["baselineCheck_global", "aigcDetector_global"]
    assert cloud.asked["ImageBatchModeration"] == 1
    assert "prescreen saved 2 calls: 1 known image, 0 duplicates\n" in result.stderr


def test_urls_are_sent_and_that_is_told_once(moderate: Callable, cloud: Service, rules: Path) -> None:
    urls = [f"https://example.com/{number}.png" for number in range(3)]
    result = moderate("sync", *urls, "--rules", rules, "--prescreen", variables=cloud.variables)
    assert cloud.asked["ImageModeration"] == 3
    assert result.stderr.count("URLs and oss:// addresses are sent as they are") == 1


def test_of_several_pictures_one_does_not_speak_for_all(
    moderate: Callable, cloud: Service, rules: Path, tmp_path: Path
) -> None:
    path = tmp_path / "moving.gif"
    first = photo("coffee.png")
    first.save(rules.parent / "brand" / "still.gif")
    first.save(path, save_all=True, append_images=[photo("rocket.jpg").resize(first.size)])
    sent = moderate("sync", path, "--rules", rules, "--prescreen", variables=cloud.variables)
    assert [record["engine"] for record in sent.records] == ["cloud"]
    (rules.parent / "brand" / "moving.gif").write_bytes(path.read_bytes())
    open_library.cache_clear()  # each run of the command has a process of its own
    known = moderate("sync", path, "--rules", rules, "--prescreen", variables=cloud.variables)
    assert [(record["engine"], record["coverage"]) for record in known.records] == [("local", [])]


def test_without_pillow_exact_copies_are_known(
    moderate: Callable, cloud: Service, rules: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderate_cli.app.prescreen.missing", lambda _: ["Pillow"])
    result = moderate("sync", images, "--rules", rules, "--prescreen", variables=cloud.variables)
    local = {Path(record["source"]).name for record in result.records if record["engine"] == "local"}
    assert local == {"exempt.png", "flagged.jpg"}
    assert result.stderr.count("only exact copies of exempt images are known without Pillow (") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sync"], "--prescreen needs --rules"),
        (["sync", "-p", "local", "--rules", "RULES"], "--prescreen is for the cloud"),
        (["sync", "--rules", "RULES", "-s", "nicknameCheck"], "rules.yaml has no image library for nicknameCheck"),
        (["async-submit", "--rules", "RULES"], "--prescreen is for sync and batch"),
        (["sync", "--rules", "RULES", "--policy-from", "HEAD"], "--prescreen cannot be used with --policy-from"),
    ],
)
def test_what_could_not_work_is_refused(
    moderate: Callable,
    cloud: Service,
    rules: Path,
    images: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "HEAD" in arguments:
        repository = Repository.begin(rules.parent / "repository")
        repository.commit()
        monkeypatch.chdir(repository.folder)
    words = [rules if word == "RULES" else word for word in arguments]
    result = moderate(*words, images, "--prescreen", variables={} if "local" in words else cloud.variables)
    assert result.code == ExitCode.USAGE
    assert message in result.stderr.splitlines()[-1]
    assert result.stderr.endswith(")\n")  # a hint
    assert not cloud.asked


def test_a_program_prescreens_too(cloud: Service, rules: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)
    spec = ScanSpec(reuse=ReuseOptions(prescreen=True))
    [outcome] = scan([images / "flagged.jpg"], spec, Environment(), rules=rules)
    assert outcome.verdict.engine == "local"
    assert outcome.saved_calls == 1
    with pytest.raises(UsageError, match="needs --rules"):
        next(scan([images / "flagged.jpg"], spec, Environment()))
