"""SM3: the vectors of the standard, and an error where there is none."""

from __future__ import annotations

import pytest
from digests import needs_sm3

from moderate_cli.common.digests import NoSm3Error, sm3


@needs_sm3
@pytest.mark.parametrize(
    ("content", "expected"),
    [  # the first two are the examples of the standard
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
        (b"", "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"),
    ],
)
def test_sm3(content: bytes, expected: str) -> None:
    assert sm3(content) == expected


def test_an_openssl_without_it_says_so(without_sm3: None) -> None:
    with pytest.raises(NoSm3Error, match="has no SM3"):
        sm3(b"abc")
