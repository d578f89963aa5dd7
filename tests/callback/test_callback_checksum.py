"""The checksum: standard vectors of both hashes, and what happens without SM3."""

from __future__ import annotations

import hashlib

import pytest
from digests import ALGORITHMS_HERE, needs_sm3

from moderate_cli.callback import Algorithm, checksum, verify
from moderate_cli.common.digests import NoSm3Error

# GB/T 32905-2016, appendix A.
SM3_VECTORS = [
    ("abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    ("abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
]
ABC_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@needs_sm3
@pytest.mark.parametrize(("text", "digest"), SM3_VECTORS)
def test_sm3_is_that_of_the_standard(text: str, digest: str) -> None:
    assert checksum("", "", text, "SM3") == digest


def test_without_sm3_a_checksum_of_it_is_an_error_and_not_wrong(without_sm3: None) -> None:
    with pytest.raises(NoSm3Error) as caught:
        verify("0" * 64, "1", "seed", "content", "SM3")
    assert caught.value.code == "no_sm3"
    assert caught.value.hint
    right = checksum("1", "seed", "content", "SHA256")
    assert verify(right, "1", "seed", "content", "SHA256")


def test_sha256_is_the_default_and_the_parts_have_nothing_between_them() -> None:
    assert checksum("a", "b", "c") == checksum("", "abc", "", "SHA256") == ABC_SHA256


def test_content_counts_byte_for_byte_in_utf_8() -> None:
    assert checksum("1", "s", "烟 +%&") == hashlib.sha256("1s烟 +%&".encode()).hexdigest()


@pytest.mark.parametrize("algorithm", ALGORITHMS_HERE)
def test_a_checksum_is_right_in_any_case_and_else_wrong(algorithm: Algorithm) -> None:
    right = checksum("1", "seed", "content", algorithm)
    assert verify(right, "1", "seed", "content", algorithm)
    assert verify(right.upper(), "1", "seed", "content", algorithm)
    for wrong in ("", right[:-1], right + "0", "0" * 64, "校验", "\udcff"):
        assert not verify(wrong, "1", "seed", "content", algorithm)
    assert not verify(right, "1", "seed", "content2", algorithm)
    for other in set(ALGORITHMS_HERE) - {algorithm}:
        assert not verify(right, "1", "seed", "content", other)


def test_a_seed_with_bytes_that_are_not_utf_8_is_no_crash() -> None:
    assert not verify("0" * 64, "1", "\udcff", "content")
