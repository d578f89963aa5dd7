"""Which hashes this Python has: SM3 is a matter of its OpenSSL."""

from __future__ import annotations

import hashlib

import pytest

from moderate_cli.callback import ALGORITHMS

HAS_SM3 = "sm3" in hashlib.algorithms_available
ALGORITHMS_HERE = tuple(each for each in ALGORITHMS if each != "SM3" or HAS_SM3)
needs_sm3 = pytest.mark.skipif(not HAS_SM3, reason="this OpenSSL has no SM3")
