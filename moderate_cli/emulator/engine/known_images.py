"""Does an image look like one of a library? A detector for the image libraries of the user's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from moderate_cli.emulator.engine.detectors import EXTRA, Detection
from moderate_cli.emulator.engine.image_library import FLAG_DISTANCE, ImageIndex, ImageLibrary
from moderate_cli.emulator.engine.phash import phash

if TYPE_CHECKING:
    from PIL.Image import Image


class KnownImages:
    """Looks for an image in libraries: in those that exempt, where it must be the same, and in those that flag."""

    name = "image_libraries"
    package = "Pillow"
    extra = EXTRA
    memory = 0
    requirements: ClassVar[Mapping[str, str]] = {"PIL": "Pillow"}

    def __init__(
        self, exempt: Mapping[str, ImageLibrary | ImageIndex], flagging: Mapping[str, ImageLibrary | ImageIndex]
    ) -> None:
        self._exempt = exempt
        self._flagging = flagging

    def detect(self, image: Image) -> Detection:
        """Return the nearest image of each library that has one near enough, by the library's name."""
        hashed = phash(image)
        flagging = {name: library.find("", hashed, FLAG_DISTANCE) for name, library in self._flagging.items()}
        exempt = {name: library.find_exempt("", image, hashed) for name, library in self._exempt.items()}
        return Detection(
            details={"Libraries": len({*flagging, *exempt})},
            known={name: hit for name, hit in flagging.items() if hit is not None},
            exempt={name: hit for name, hit in exempt.items() if hit is not None},
        )
