"""The operations of the Green API; each takes a call's parameters and returns the Data of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moderate_cli.emulator import answers
from moderate_cli.emulator.engine import (
    INSTALL_COMMAND,
    ImageTooLargeError,
    LocalEngine,
    UnreadableImageError,
)
from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.images import read_image
from moderate_cli.emulator.parameters import read_image_parameters
from moderate_cli.emulator.state import State


@dataclass(frozen=True, slots=True)
class Service:
    """What the operations work with."""

    state: State
    engine: LocalEngine
    endpoint: str


Operation = Callable[[Service, Mapping[str, str]], dict[str, Any]]


def image_moderation(service: Service, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Judge one image with the local engine, whichever moderation service the call asks for."""
    image = read_image_parameters(parameters)
    if not service.engine.is_available():
        raise _no_engine()
    content = read_image(image, service.state.objects)
    try:
        examination = service.engine.examine(content)
    except ImageTooLargeError as error:
        raise BodyError(406, f"image is too large: {error}") from error
    except UnreadableImageError as error:
        raise BodyError(407, f"image format is not supported: {error}") from error
    if not examination.checks:
        raise _no_engine()
    return answers.judged_image(image.data_id, examination)


def describe_upload_token(service: Service, _parameters: Mapping[str, str]) -> dict[str, Any]:
    """Grant an upload to the emulated OSS."""
    return answers.upload_token(service.state.issue_upload_token(), service.endpoint)


OPERATIONS: Mapping[str, Operation] = {
    "DescribeUploadToken": describe_upload_token,
    "ImageModeration": image_moderation,
}


def _no_engine() -> BodyError:
    """Say that nothing can be checked: an answer "none" would claim that something was."""
    return BodyError(408, f"no check of the local engine can run; install its packages: {INSTALL_COMMAND}")
