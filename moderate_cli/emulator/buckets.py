"""What the emulated OSS tells about buckets: ListObjectsV2 and GetBucketInfo, in the vendor's XML.

A bucket is there as long as an object is in it.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.sax.saxutils import escape

from moderate_cli.emulator.faults import OssError

if TYPE_CHECKING:
    from moderate_cli.emulator.objects import Listed
    from moderate_cli.emulator.state import State

_MAX_KEYS = 1000
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def list_objects(state: State, bucket: str, parameters: dict[str, str]) -> str:
    """Return one page of the objects whose keys start with a prefix, in the order of their UTF-8 names."""
    _check_bucket(state, bucket)
    for name in ("delimiter", "start-after"):
        if parameters.get(name):
            raise OssError("NotImplemented", f"The emulator does not know the parameter {name}.", 501)
    size = parameters.get("max-keys") or "100"
    if not (size.isascii() and size.isdecimal() and 1 <= int(size) <= _MAX_KEYS):
        raise OssError("InvalidArgument", f"max-keys must be from 1 to {_MAX_KEYS}.", 400)
    prefix, after = parameters.get("prefix", ""), _key_of(parameters.get("continuation-token", ""))
    found = state.objects.listing(bucket, prefix, after, int(size) + 1)
    page, is_truncated = found[: int(size)], len(found) > int(size)
    encode = quote if parameters.get("encoding-type") == "url" else str
    parts = {
        "Name": escape(bucket),
        "Prefix": escape(encode(prefix)),
        "MaxKeys": size,
        "EncodingType": escape(parameters.get("encoding-type", "")),
        "IsTruncated": str(is_truncated).lower(),
        "KeyCount": str(len(page)),
    }
    if is_truncated:
        parts["NextContinuationToken"] = _token_of(page[-1].key)
    body = _elements(parts) + "".join(f"<Contents>{_contents(one, encode(one.key))}</Contents>" for one in page)
    return f"{_DECLARATION}<ListBucketResult>{body}</ListBucketResult>"


def bucket_info(state: State, bucket: str, region: str) -> str:
    """Return what is known about a bucket, which is in whatever region its client takes it to be in."""
    _check_bucket(state, bucket)
    parts = {
        "CreationDate": _time(0),
        "ExtranetEndpoint": f"oss-{region}.aliyuncs.com",
        "IntranetEndpoint": f"oss-{region}-internal.aliyuncs.com",
        "Location": f"oss-{region}",
        "Name": escape(bucket),
        "StorageClass": "Standard",
        "Owner": "<DisplayName>local</DisplayName><ID>local</ID>",
        "AccessControlList": "<Grant>private</Grant>",
    }
    return f"{_DECLARATION}<BucketInfo><Bucket>{_elements(parts)}</Bucket></BucketInfo>"


def _check_bucket(state: State, bucket: str) -> None:
    if not state.objects.listing(bucket, "", "", 1):
        raise OssError("NoSuchBucket", "The specified bucket does not exist.", 404)


def _contents(one: Listed, key: str) -> str:
    parts = {
        "Key": escape(key),
        "LastModified": _time(one.stored_at),
        "ETag": f'"{one.etag}"',
        "Type": "Normal",
        "Size": str(one.size),
        "StorageClass": "Standard",
    }
    return _elements(parts)


def _elements(parts: dict[str, str]) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in parts.items())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _token_of(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _key_of(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(f"{token}{'=' * (-len(token) % 4)}").decode()
    except ValueError:
        raise OssError("InvalidArgument", "The continuation token is none of this bucket.", 400) from None
