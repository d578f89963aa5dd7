"""The checksum of a callback: a plain hash of the account's id, the seed and the content, one after the other.

The vendor's page calls the SM3 one "HMAC-SM3", but there is no key, and its example is the digest of plain SM3.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal, get_args

from moderate_cli.common.digests import sm3

Algorithm = Literal["SHA256", "SM3"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


def checksum(uid: str, seed: str, content: str, algorithm: Algorithm = "SHA256") -> str:
    """Return the checksum in lower-case hexadecimal; `uid` is the id of the account, not of a RAM user.

    Raises NoSm3Error where that hash is asked for and missing.
    """
    data = "".join((uid, seed, content)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(data).hexdigest() if algorithm == "SHA256" else sm3(data)


def verify(given: str, uid: str, seed: str, content: str, algorithm: Algorithm = "SHA256") -> bool:
    """Tell whether a checksum is right, in a time that does not tell how much of it is; its case does not matter.

    Raises NoSm3Error as `checksum` does.
    """
    expected = checksum(uid, seed, content, algorithm)
    return hmac.compare_digest(given.lower().encode("utf-8", "surrogateescape"), expected.encode())
