"""The limits that the service would apply anyway."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from preflight_corpus import png

from moderate_cli.common.errors import RefusedError
from moderate_cli.preflight import MAX_BYTES, Checked, Format, check_file

PNG = png(640, 480)
AVIF = b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif"
MOVING_AVIF = b"\x00\x00\x00\x18ftypavis\x00\x00\x00\x00msf1hevc"
CHECKED = Checked(Format.PNG, 640, 480)


def _check(path: Path) -> Checked:
    with path.open("rb") as file:
        checked = check_file(file, path.stat().st_size)
        assert file.tell() == 0
        assert file.read() == path.read_bytes()
        return checked


def _sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.write(PNG)
        file.truncate(size)
    return path


def test_an_image_of_exactly_20_mb_passes(tmp_path: Path) -> None:
    assert MAX_BYTES == 20 * 1024 * 1024
    assert _check(_sparse(tmp_path / "a.png", MAX_BYTES)) == CHECKED


def test_one_byte_more_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="20 MB") as caught:
        _check(_sparse(tmp_path / "a.png", MAX_BYTES + 1))
    assert (caught.value.code, caught.value.api_code) == ("too_large", 406)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"this is a text, whatever its name says\n", "not_an_image"),
        (PNG[:7], "not_an_image"),
        (AVIF, "format_unsupported"),
        (MOVING_AVIF, "format_unsupported"),
        (gzip.compress(b"<svg/>", mtime=0), "not_an_image"),
        (PNG[:20], "damaged"),
    ],
)
def test_content_that_the_service_does_not_accept_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        _check(path)
    assert (caught.value.code, caught.value.api_code) == (code, 407)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(PNG)
    assert _check(path) == CHECKED


def test_the_size_of_a_refusal_is_told_in_megabytes(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"^25\.5 MB is more than the 20 MB"):
        _check(_sparse(tmp_path / "a.png", 51 * 1024 * 1024 // 2))


def test_a_file_that_is_being_read_stays_where_it_is(tmp_path: Path) -> None:
    path = _sparse(tmp_path / "a.png", 100_000)
    with path.open("rb") as file:
        assert file.read(4) == PNG[:4]
        assert check_file(file, 100_000) == CHECKED
        assert file.tell() == 4
        assert file.read() == path.read_bytes()[4:]


def test_a_file_that_became_shorter_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG[:20])
    with path.open("rb") as file, pytest.raises(RefusedError, match="became shorter while it was read"):
        check_file(file, len(PNG))
