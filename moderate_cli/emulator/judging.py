"""The local engine as the service uses it: its errors become codes, and finding nothing it could look at is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from moderate_cli.emulator.engine import (
    EXTRA,
    Examination,
    FrameExamination,
    ImageTooLargeError,
    LocalEngine,
    TooLargeForEngineError,
    UnreadableImageError,
)
from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.rules import ImageRule
from moderate_cli.installation import install_command


def require_checks(engine: LocalEngine, rules: Sequence[ImageRule]) -> None:
    """Refuse a call about images for which nothing could be checked; "none" would claim that something was."""
    if not rules:
        _require_engine(engine)


def examine(engine: LocalEngine, content: bytes) -> Examination:
    """Look at an image, or raise the BodyError that fits."""
    _require_engine(engine)
    with _as_body_errors():
        return _checked(engine.examine(content))


def examine_frames(engine: LocalEngine, content: bytes, interval: int, most: int) -> Iterator[FrameExamination]:
    """Look at the frames of an image one after the other, or raise the BodyError that fits; most images have none."""
    _require_engine(engine)
    with _as_body_errors():
        for frame in engine.examine_frames(content, interval, most):
            _checked(frame.examination)
            yield frame


def _require_engine(engine: LocalEngine) -> None:
    """Refuse an image that no detector can look at."""
    if not engine.is_available():
        raise _no_engine()


@contextmanager
def _as_body_errors() -> Iterator[None]:
    """Turn the engine's errors into codes."""
    try:
        yield
    except TooLargeForEngineError as error:
        raise BodyError(406, f"image is too large for the local engine: {error}") from error
    except ImageTooLargeError as error:
        raise BodyError(406, f"image is too large: {error}") from error
    except UnreadableImageError as error:
        raise BodyError(407, f"image format is not supported: {error}") from error


def _checked(examination: Examination) -> Examination:
    """Return an examination in which at least one check ran."""
    if not examination.checks:
        raise _no_engine()
    return examination


def _no_engine() -> BodyError:
    return BodyError(408, f"no check of the local engine can run; install its packages: {install_command(EXTRA)}")
