"""Masking of secrets, and of the signatures in URLs."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from moderate_cli.common.text import with_texts

MASK = "***"

# The parameters of signed addresses that grant access until they expire: OSS (V1, V4), S3, Google Cloud Storage, Azure
# (`sig`), Tencent COS (`q-signature`), Alibaba Cloud CDN (`auth_key`).
_SIGNED = re.compile(r"(x-[a-z]+-)?(signature|security-token)|q-signature|sig|auth_key")
# Their names and all around them may be percent-encoded, an address within an address several times.
_SEPARATOR = "(?:3f|26|3b|23)"
_PARAMETER = re.compile(
    rf"(?:[?&;#]|%(?:25)*{_SEPARATOR})((?:[\w.-]|%(?!(?:25)*(?:{_SEPARATOR}|3d)))+)(?:=|%(?:25)*3d)", re.IGNORECASE
)
_VALUE = re.compile(r"[^&#\s]*")
_LOGIN = re.compile(r"(://)[^/?#\s]*@")
_MIN_LENGTH = 8  # characters of a secret: a shorter one could occur in any text
_MAX_KNOWN = 100  # secrets: those of an upload token are two, and it is valid for an hour
_MAX_ESCAPES = 7  # backslashes before a character: JSON in JSON in JSON
_NAMED = {"/": "|sol", "+": "|plus", "=": "|equals"}  # HTML's names of what base64 has beside letters and digits


def mask_address(text: str) -> str:
    """Return a text with the signatures and the logins in its URLs masked."""
    if "@" in text:
        text = _LOGIN.sub(rf"\1{MASK}@", text)
    shown, end = [], 0
    for found in _PARAMETER.finditer(text):
        if found.start() >= end and _SIGNED.fullmatch(_decoded(found[1]).lower()):
            shown += [text[end : found.end()], MASK]
            end = _VALUE.match(text, found.end()).end()  # type: ignore[union-attr] # it matches anything
    return "".join((*shown, text[end:]))


def _decoded(name: str) -> str:
    """Return a name that may be percent-encoded several times."""
    while (decoded := unquote(name)) != name:
        name = decoded
    return name


def without_password(address: str) -> str:
    """Return an address without what stands before its host and after its path."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def has_password(address: str) -> bool:
    """Tell whether an address may hold a password."""
    parts = urlsplit(address)
    return "@" in parts.netloc or bool(parts.query)


class Secrets:
    """The secrets that came up so far, such as those of upload tokens; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """The secrets, the latest last."""
        return self._known

    def add(self, *secrets: str | None) -> None:
        """Remember some secrets; the oldest of very many are forgotten, since they have expired."""
        if all(secret is None or secret in self._known for secret in secrets):
            return
        with self._lock:
            self._known = tuple(dict.fromkeys((*self._known, *filter(None, secrets))))[-_MAX_KNOWN:]


def mentions(content: bytes, secrets: Iterable[str | None]) -> bool:
    """Tell whether bytes may repeat one of some secrets; a quick look, since hardly any do."""
    folded = content.lower()
    return any(_core_bytes(secret) in folded for secret in _long_enough(secrets))


def mask_text(text: str, secrets: Iterable[str | None]) -> str:
    """Return a text with some secrets masked, in any case and in each spelling that an echo may have.

    That is as they are, percent-encoded, escaped as in JSON, and with references of XML and HTML.
    """
    folded = text.lower()
    for secret in _long_enough(secrets):
        if _core(secret) in folded:
            text = re.sub("".join(map(_spellings, secret)), MASK, text, flags=re.IGNORECASE)
    return text


def mask_tree(value: Any, secrets: Iterable[str | None]) -> Any:
    """Return parsed JSON with some secrets masked in keys and values."""
    known = tuple(secrets)
    return with_texts(value, lambda text: mask_text(text, known))


def _long_enough(secrets: Iterable[str | None]) -> Iterator[str]:
    return (secret for secret in secrets if secret and len(secret) >= _MIN_LENGTH)


@lru_cache(maxsize=256)
def _core(secret: str) -> str:
    """Return the longest run of letters and digits in a secret: all its spellings have it, but for the case."""
    folded = secret.lower()
    return max(re.findall("[0-9a-z]+", folded), key=len, default=folded)


@lru_cache(maxsize=256)
def _core_bytes(secret: str) -> bytes:
    return _core(secret).encode("utf-8", "surrogatepass")


@lru_cache(maxsize=256)
def _spellings(character: str) -> str:
    """Return the pattern of one character of a secret in its spellings; nobody encodes letters and digits."""
    if character.isascii() and character.isalnum():
        return character
    code = ord(character)
    escaped = rf"\\{{0,{_MAX_ESCAPES}}}{re.escape(character)}|\\{{1,{_MAX_ESCAPES}}}u{code:04x}"
    reference = f"&(?:amp;)*(?:#0*{code}|#x0*{code:x}{_NAMED.get(character, '')});?"
    return f"(?:{escaped}|{_percent_encoded(character)}|{reference})"


def _percent_encoded(character: str) -> str:
    """Return the pattern of a character that is percent-encoded, once or several times."""
    return "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def repr_without(value: Struct, *hidden: str) -> str:
    """Return the repr of an instance without the `hidden` fields, which are secret or long."""
    shown = (f"{name}={getattr(value, name)!r}" for name in value.__struct_fields__ if name not in hidden)
    return f"{type(value).__name__}({', '.join(shown)})"
