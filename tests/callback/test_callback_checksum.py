"""The checksum: standard vectors of both hashes, with and without the help of OpenSSL."""

from __future__ import annotations

import hashlib

import pytest

from moderate_cli.callback import ALGORITHMS, Algorithm, checksum, verify
from moderate_cli.callback.sm3 import sm3

# GB/T 32905-2016, appendix A.
SM3_VECTORS = [
    ("abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    ("abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
]
ABC_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def _no_sm3(name: str, data: bytes = b"") -> object:
    raise ValueError(f"unsupported hash type {name}")


@pytest.mark.parametrize(("text", "digest"), SM3_VECTORS)
def test_sm3_is_that_of_the_standard_in_both_ways(text: str, digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sm3(text.encode()) == digest
    assert checksum("", "", text, "SM3") == digest
    monkeypatch.setattr(hashlib, "new", _no_sm3)
    assert checksum("", "", text, "SM3") == digest


@pytest.mark.skipif("sm3" not in hashlib.algorithms_available, reason="this OpenSSL has no SM3 to compare with")
@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 1000])
def test_our_sm3_pads_as_openssl_does(length: int) -> None:
    data = bytes(n * 7 % 256 for n in range(length))
    assert sm3(data) == hashlib.new("sm3", data).hexdigest()


def test_sha256_is_the_default_and_the_parts_have_nothing_between_them() -> None:
    assert checksum("a", "b", "c") == checksum("", "abc", "", "SHA256") == ABC_SHA256


def test_content_counts_byte_for_byte_in_utf_8() -> None:
    assert checksum("1", "s", "烟 +%&") == hashlib.sha256("1s烟 +%&".encode()).hexdigest()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_is_right_in_any_case_and_else_wrong(algorithm: Algorithm) -> None:
    right = checksum("1", "seed", "content", algorithm)
    assert verify(right, "1", "seed", "content", algorithm)
    assert verify(right.upper(), "1", "seed", "content", algorithm)
    for wrong in ("", right[:-1], right + "0", "0" * 64, "校验", "\udcff"):
        assert not verify(wrong, "1", "seed", "content", algorithm)
    assert not verify(right, "1", "seed", "content2", algorithm)
    assert not verify(right, "1", "seed", "content", "SM3" if algorithm == "SHA256" else "SHA256")


def test_a_seed_with_bytes_that_are_not_utf_8_is_no_crash() -> None:
    assert not verify("0" * 64, "1", "\udcff", "content")
