"""The vendor's samples, the signatures and the sample pictures that other tests build on."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image

HERE = Path(__file__).parent
VECTORS = HERE / "vectors"
DATA = HERE / "data"
SCRIPT = runpy.run_path(str(HERE / "sample_images.py"))
REPLIES = sorted((VECTORS / "replies").rglob("*.json"))
REQUESTS = sorted((VECTORS / "requests").rglob("*.json"))


def load(path: Path) -> Any:
    """Parse one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    """Name a file by its folder and stem in test reports."""
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", REPLIES, ids=name)
def test_reply_has_code_and_request_id(path: Path) -> None:
    """Each reply is one of the vendor's successful answers."""
    reply = load(path)
    assert reply["Code"] == 200
    assert reply["RequestId"]
    assert "Data" in reply


@pytest.mark.parametrize("path", REQUESTS, ids=name)
def test_request_parses(path: Path) -> None:
    """Each request names a service or asks for an earlier one's result."""
    request = {key.lower() for key in load(path)}
    assert request in ({"service", "serviceparameters"}, {"reqid"})


def test_each_request_folder_has_replies() -> None:
    """Requests and replies cover the same operations."""
    assert {path.parent.name for path in REQUESTS} == {path.parent.name for path in REPLIES}


def test_readme_lists_each_sample() -> None:
    """The README of the vectors says where each file comes from."""
    text = (VECTORS / "README.md").read_text(encoding="utf-8")
    missing = [path for path in REPLIES + REQUESTS if f"`{path.relative_to(VECTORS).as_posix()}`" not in text]
    assert not missing


def test_signatures() -> None:
    """Each signature and hash is a lower-case SHA-256 in hex."""
    vectors = load(VECTORS / "signatures.json")
    assert len(vectors) == len({vector["name"] for vector in vectors}) == 5
    for vector in vectors:
        for key in ("signature", "hashed_canonical_request", "body_sha256"):
            digest = vector[key]
            assert (key != "signature" and digest is None) or len(bytes.fromhex(digest)) == 32
            assert digest is None or digest == digest.lower()


@pytest.mark.parametrize(("file", "size"), SCRIPT["SIZES"].items())
def test_sample_image(file: str, size: tuple[int, int]) -> None:
    """Each picture decodes, is large enough to be judged well and small enough to keep."""
    assert (DATA / file).stat().st_size < 150_000
    with Image.open(DATA / file) as image:
        image.load()
        assert image.size == size
    assert min(size) >= 200


def test_no_other_sample_images() -> None:
    """Nothing lies in the data folder that the script does not draw."""
    assert {path.name for path in DATA.iterdir()} == set(SCRIPT["SIZES"])


def test_poster_holds_the_qr_code() -> None:
    """The QR code on the poster reads as the script wrote it."""
    with Image.open(DATA / "poster-qr.png") as image:
        codes = zxingcpp.read_barcodes(image.convert("RGB"))
    assert [code.text for code in codes] == [SCRIPT["QR_TEXT"]]
