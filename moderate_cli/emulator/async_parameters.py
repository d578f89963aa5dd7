"""What ImageAsyncModeration takes besides the image: frames and a callback (vendor's page, March 2026)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moderate_cli.common.digests import NoSm3Error, sm3
from moderate_cli.emulator.callbacks import Callback
from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.parameters import (
    ImageParameters,
    check_length,
    check_url,
    image_of_call,
    read_service_parameters,
    read_texts,
    require,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_FRAMES = 10
MAX_FRAMES = 100

_LONGEST_SEED = 64
_LONGEST_CALLBACK = 2048  # not documented; that of imageUrl
_SEED = re.compile(r"[A-Za-z0-9_]+")
_CRYPT_TYPES = ("SHA256", "SM3")


@dataclass(frozen=True, slots=True)
class AsyncParameters:
    """A task about one image; without an interval, only its first frame is examined."""

    image: ImageParameters
    interval: int | None
    max_frames: int
    callback: Callback | None


def read_async_parameters(parameters: Mapping[str, str]) -> AsyncParameters:
    """Read Service and ServiceParameters of a call, or raise the BodyError that fits."""
    require(parameters, "Service")
    values = read_service_parameters(parameters)
    interval = _whole_number(values, "interval")
    most = _whole_number(values, "maxFrameNum")
    if interval is not None and most is None:
        # The page says "must be used with maxFrameNum", and beside that names a default, which leaves it no case.
        raise BodyError(401, "interval must be used with maxFrameNum")
    if interval is not None and interval < 1:
        raise BodyError(401, "interval is less than 1")
    if most is not None and not 1 <= most <= MAX_FRAMES:
        raise BodyError(401, f"maxFrameNum is not between 1 and {MAX_FRAMES}")
    return AsyncParameters(image_of_call(values), interval, most or DEFAULT_FRAMES, _callback(values))


def _whole_number(values: Mapping[str, Any], name: str) -> int | None:
    """Return a value that must be an integer, None where it is absent."""
    value = values.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise BodyError(401, f"{name} is not an integer")
    return value


def _callback(values: Mapping[str, Any]) -> Callback | None:
    """Read the callback, None where the task names none."""
    texts = read_texts(values, ("callback", "seed", "cryptType"))
    crypt_type = texts["cryptType"] or _CRYPT_TYPES[0]
    if crypt_type not in _CRYPT_TYPES:
        raise BodyError(401, f"cryptType is not one of {', '.join(_CRYPT_TYPES)}")
    if crypt_type == "SM3":
        _need_sm3()
    check_length("seed", texts["seed"], _LONGEST_SEED)
    if texts["seed"] and not _SEED.fullmatch(texts["seed"]):
        raise BodyError(401, "seed may hold letters, digits and underscores only")
    if not texts["callback"]:
        return None
    check_length("callback", texts["callback"], _LONGEST_CALLBACK)
    check_url("callback", texts["callback"])
    if not texts["seed"]:
        raise BodyError(400, "seed is empty, and a callback needs one")
    return Callback(texts["callback"], texts["seed"], crypt_type)


def _need_sm3() -> None:
    """Refuse a task whose callback could have no checksum; a limit of this emulator, not of the vendor."""
    try:
        sm3(b"")
    except NoSm3Error as error:
        raise BodyError(401, f"cryptType cannot be SM3 here: {error.message}") from error
