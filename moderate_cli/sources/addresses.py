"""What does a name stand for that looks like an address? The web, OSS, a file, or something that is not read here."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from urllib.parse import unquote_to_bytes, urlsplit

from moderate_cli.common.errors import InputError
from moderate_cli.common.masking import mask_address
from moderate_cli.common.text import shortened, unsendable_in
from moderate_cli.models import OssObject

WEB = ("http://", "https://")
_OSS = "oss://"
_S3 = "s3://"
_FILE = "file:/"
_READ = ("http", "https", "oss", "s3", "file")  # the schemes that are known here
_CLOUD = frozenset({"s3a", "s3n", "gs", "gcs", "az", "azure", "abfs", "abfss", "wasb", "wasbs", "cos", "obs"})
_IS_WINDOWS = os.name == "nt"
_HOST = re.compile(r"https?://[^/?#\\]", re.IGNORECASE)
_DRIVE = re.compile(r"/?[A-Za-z][:|](?=/|\Z)")
# A scheme has two letters at least: one is a drive of Windows.
_ADDRESS = re.compile(r"\s*(?P<scheme>[a-z][a-z0-9+.-]+):[/\\]|(?P<data>data):", re.IGNORECASE)
_HOST_AND_PATH = re.compile(r"(?://)?(?:(?:[a-z0-9-]+\.)+[a-z]{2,}|localhost(?=:))(?::\d+)?/.", re.IGNORECASE)
_HOST_AND_QUERY = re.compile(_HOST_AND_PATH.pattern + r"[^?*\[]*\?[^=/]+=", re.IGNORECASE)
_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SHOWN_DATA = 40  # characters of a `data:` address, which holds a whole image


def is_address(source: str) -> bool:
    """Tell whether a source looks like an address, read here or not, so that its `?` is no wildcard."""
    return _ADDRESS.match(source) is not None or _HOST_AND_QUERY.match(source) is not None


def is_web(source: str) -> bool:
    """Tell whether a source is an address that the service downloads."""
    return source[:8].lower().startswith(WEB)


def is_oss(source: str) -> bool:
    """Tell whether a source is in OSS."""
    return source[: len(_OSS)].lower() == _OSS


def is_s3(source: str) -> bool:
    """Tell whether a source is in S3."""
    return source[: len(_S3)].lower() == _S3


def bucket_and_key(source: str) -> tuple[str, str]:
    """Return the bucket and the key, or the prefix, of what is in OSS or S3."""
    if (found := OssObject.named(source)) is not None:
        return found.bucket, found.key
    bucket, _, key = source[len(_S3) :].partition("/")
    return bucket, key


def oss_object(source: str) -> OssObject:
    """Return the object, or the prefix of objects, of a source in OSS; raises InputError for what names none."""
    found = OssObject.named(source)
    if found is None or not found.bucket:
        raise _invalid("no bucket is named", "write oss://BUCKET/KEY")
    if not is_text(source):
        raise _invalid("not UTF-8 text", "write the key in UTF-8")
    if found.region is not None:
        region_id(found.region)
    return found


def region_id(text: str) -> str:
    """Return the id of a region in lower case; raises InputError for what cannot be one, known here or not."""
    region = text.strip().lower()
    if not _REGION.fullmatch(region):
        raise _invalid(f"{shortened(text)!r} is not a region id", "write one such as cn-beijing")
    return region


def is_prefix(key: str) -> bool:
    """Tell whether a key stands for all objects below it."""
    return not key or key.endswith("/")


def is_file_uri(source: str) -> bool:
    """Tell whether a source is a file by its URI (RFC 8089)."""
    return source[: len(_FILE)].lower() == _FILE


def path_of(uri: str) -> str:
    """Return the path that the URI of a file names; raises InputError for a file of another machine."""
    host, path = "", uri[len(_FILE) - 1 :]
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        path = slash + rest
    path = os.fsdecode(unquote_to_bytes(os.fsencode(path)))
    if "\0" in path:
        raise _invalid("a file name has no NUL", "write %00 of no file")
    if _IS_WINDOWS and (_DRIVE.fullmatch(host) or (not host and _DRIVE.match(path))):
        return (host + path).lstrip("/").replace("|", ":", 1)
    if host.lower() not in {"", "localhost"}:
        if _IS_WINDOWS:
            return f"//{host}{path}"
        raise _invalid(f"{host!r} is another machine", "write file:///PATH for a file of this one")
    if not path:
        raise _invalid("no path is named", "write file:///PATH")
    return path


def check_address(url: str) -> None:
    """Raise InputError for an address of the web that cannot be sent."""
    if not is_text(url):
        raise _invalid("not UTF-8 text", "write the address in UTF-8")
    if unsendable := unsendable_in(url):
        raise _invalid(f"the address contains {unsendable}", "percent-encode it: a space is %20")
    try:
        has_host = bool(_HOST.match(url) and urlsplit(url).hostname)
    except ValueError:  # brackets around what is no IPv6 address
        has_host = False
    if not has_host:
        raise _invalid("the address names no host", "write https://HOST/PATH")


def check_scheme(source: str, folder: str = "") -> None:
    """Raise InputError for what looks like an address that is not read here, unless there is a file of that name."""
    found = _ADDRESS.match(source)
    if found is None and not _HOST_AND_PATH.match(source):
        return
    if os.path.lexists(os.path.join(folder, source)):  # noqa: PTH118 - any text, and it never raises
        return
    if found is None:
        hint = f"for an address write https://{mask_address(source.lstrip('/')):.100}"
        raise InputError("no such file", code="not_found", hint=hint)
    scheme = (found["scheme"] or found["data"]).lower()
    if found["data"]:
        raise _unread("data: addresses are", "decode it into a file, or pipe its bytes into `moderate sync -`")
    if scheme in _READ and not is_s3(source):  # which posts cannot sign
        raise _invalid(f"not an address of {scheme}://", f"write it as {_form(scheme)}, without white space before it")
    raise _unread(f"{scheme}:// addresses are", _instead(scheme))


def shown(source: str) -> str:
    """Return a source as it is told: of a `data:` address only the start, for it is an image and no name."""
    is_data = source[:5].lower() == "data:" and len(source) > _SHOWN_DATA
    return f"{source[:_SHOWN_DATA]}..." if is_data else source


def is_text(source: str) -> bool:
    """Tell whether a source can be sent: bytes that are not UTF-8 are lone surrogates here."""
    return source.isascii() or not any("\ud800" <= character <= "\udfff" for character in source)


def _form(scheme: str) -> str:
    return {"oss": "oss://BUCKET/KEY", "s3": "s3://BUCKET/KEY", "file": "file:///PATH"}.get(
        scheme, f"{scheme}://HOST/PATH"
    )


def _instead(scheme: str) -> str:
    if scheme in _CLOUD or scheme == "s3":
        return "download it first, or give a signed https:// address of it"
    meant = get_close_matches(scheme, _READ, n=1, cutoff=0.75)
    return f"write {meant[0]}://" if meant else "download it first, or give an https:// or oss:// address of it"


def _unread(subject: str, hint: str) -> InputError:
    return InputError(f"{subject} not read", code="scheme_unsupported", hint=hint)


def _invalid(message: str, hint: str) -> InputError:
    return InputError(message, code="source_invalid", hint=hint)
