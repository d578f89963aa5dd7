"""The management client and the emulated account: a whole story, and answers that are lost on the way."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from moderate_cli.client import (
    Credentials,
    GreenClient,
    ManagementClient,
    OutcomeUnknownError,
    RateLimits,
    Retrier,
    RetryPolicy,
    ServiceError,
)
from moderate_cli.emulator import Emulator, Fault

SERVICE = "baselineCheck_global"


def _png(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[ManagementClient]:
    with ManagementClient(_credentials(emulator), endpoint=emulator.endpoint, **_patience()) as client:
        yield client


def _credentials(emulator: Emulator) -> Credentials:
    return Credentials(emulator.access_key.access_key_id, emulator.access_key.access_key_secret)


def _patience() -> dict[str, Any]:
    return {
        "retrier": Retrier(RetryPolicy(retries=3), sleep=lambda _seconds: None),
        "limits": RateLimits(sleep=lambda _seconds: None),
    }


def _images(client: ManagementClient, library: str) -> list[str]:
    return [image.id for image in client.library_images(library)]


def _words(client: ManagementClient, library: str) -> set[str]:
    return {keyword.word for keyword in client.keywords(library)}


def test_image_libraries(client: ManagementClient) -> None:
    library = client.create_image_library("品牌", "our own")
    ids = [client.add_image(library, io.BytesIO(_png(seed)), f"{seed}.png") for seed in range(3)]
    assert sorted(_images(client, library)) == sorted(ids)
    client.remove_images(library, ids[:1])
    assert sorted(_images(client, library)) == sorted(ids[1:])
    client.update_image_library(library, name="brand", comment="")
    client.set_exemptions(SERVICE, {library: True})
    (found,) = client.image_libraries(SERVICE)
    assert (found.id, found.name, found.comment, found.images, found.exempt) == (library, "brand", "", 2, True)
    assert [each.exempt for each in client.image_libraries()] == [False]


def test_keyword_libraries(client: ManagementClient) -> None:
    library = client.create_keyword_library("слова")
    words = [f"w{number}" for number in range(1201)]
    result = client.add_keywords(library, words)
    assert (result.added, result.repeated, result.refused) == (1201, 0, 0)
    assert client.add_keywords(library, ["w0", "毒品", "x" * 21]).repeated == 1
    assert _words(client, library) == {*words, "毒品"}
    (word,) = client.keywords(library, "毒品")
    client.remove_keywords(library, [word.id])
    assert _words(client, library) == set(words)
    client.update_service(SERVICE, ignored=[library], flagged=[])
    bindings = client.service(SERVICE)
    assert (bindings.ignored, bindings.flagged) == ((library,), ())
    client.rename_keyword_library(library, "harmless")
    (found,) = client.keyword_libraries()
    assert (found.name, found.keywords, found.services) == ("harmless", 1201, (SERVICE,))
    client.update_service(SERVICE, ignored=[])
    client.delete_keyword_library(library)
    assert client.keyword_libraries() == []


def test_services(client: ManagementClient) -> None:
    client.copy_service(SERVICE, "Shop 照片", "")
    (copy,) = [service for service in client.services() if service.copy_of == SERVICE]
    assert copy.name == "Shop 照片"
    client.rename_service(copy.code, "Shop", "photos of goods")
    (copy,) = [service for service in client.services() if service.copy_of == SERVICE]
    assert (copy.name, copy.description) == ("Shop", "photos of goods")
    assert client.scene_labels(copy.code)
    assert client.scope(copy.code, "pornographic") is not None
    client.update_service(copy.code, ignored=[], dry_run=True)
    assert client.buy_status("lvwang_public_cn").bought


def test_results_feedback_and_usage(emulator: Emulator, client: ManagementClient, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png(1))
    emulator.seed([{"name": "*", "findings": [{"label": "violent_explosion", "confidence": 81.22}]}])
    with GreenClient(_credentials(emulator), endpoint=emulator.endpoint, **_patience()) as judge:
        with (tmp_path / "a.png").open("rb") as file:
            image = judge.upload(file)
        for number in range(120):
            judge.image_moderation(SERVICE, image, data_id=f"d{number}")
    now = datetime.now(UTC)
    time = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    pages = list(client.results(**time))
    assert [(page.number, len(page.items), page.total) for page in pages] == [(1, 100, 120), (2, 20, 120)]
    (page,) = client.results(**time, query={"DataId": "d7"})
    request_id = page.items[0]["RequestId"]
    client.give_feedback(request_id, "missOut", labels=["violent_explosion"], level="high")
    (page,) = client.results(**time, query={"RequestId": request_id})
    assert "missOut" in page.items[0]["ExtFeedback"]
    assert client.usage(**time)["X"]


@pytest.mark.parametrize(
    ("operation", "change", "count"),
    [
        pytest.param(
            "CopyServiceConfig",
            lambda client: client.copy_service(SERVICE, "Shop", ""),
            lambda client: sum(service.copy_of == SERVICE for service in client.services()),
            id="copy",
        ),
        pytest.param(
            "CreateImageLib",
            lambda client: client.create_image_library("brand", ""),
            lambda client: len(client.image_libraries()),
            id="image library",
        ),
        pytest.param(
            "AddKeywordLib",
            lambda client: client.create_keyword_library("slang"),
            lambda client: len(client.keyword_libraries()),
            id="keyword library",
        ),
    ],
)
def test_what_was_done_though_its_answer_was_cut_off_is_done_once(
    emulator: Emulator,
    client: ManagementClient,
    operation: str,
    change: Callable[[ManagementClient], Any],
    count: Callable[[ManagementClient], int],
) -> None:
    emulator.faults.add([Fault(operation=operation, cut="truncate", times=None)])
    with pytest.raises(OutcomeUnknownError):
        change(client)
    assert count(client) == 1  # the state says it


def test_an_image_whose_answer_was_cut_off_is_there_once(emulator: Emulator, client: ManagementClient) -> None:
    library = client.create_image_library("brand", "")
    emulator.faults.add([Fault(operation="AddImages2Lib", cut="truncate")])
    with pytest.raises(OutcomeUnknownError):
        client.add_image(library, io.BytesIO(_png(1)), "1.png")
    assert len(_images(client, library)) == 1


@pytest.mark.parametrize("cut", ["reset", "truncate"])
def test_reads_and_harmless_changes_survive_lost_answers(
    emulator: Emulator, client: ManagementClient, cut: Any
) -> None:
    emulator.faults.add([Fault(cut=cut, times=3)])
    assert client.services()
    emulator.faults.add([Fault(cut=cut, times=3)])
    client.rename_service(SERVICE, "Baseline", "")
    assert [service.name for service in client.services() if service.code == SERVICE] == ["Baseline"]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.service("nothing"),
        lambda client: client.delete_keyword_library("nothing"),
        lambda client: client.add_keywords("nothing", ["a"]),
        lambda client: list(client.library_images("nothing")),
        lambda client: client.add_image("nothing", io.BytesIO(_png(1)), "a.png"),
    ],
)
def test_what_is_not_there_is_refused(client: ManagementClient, call: Callable[[ManagementClient], Any]) -> None:
    with pytest.raises(ServiceError) as caught:
        call(client)
    assert caught.value.api_code is not None
    assert "nothing" in caught.value.message
