"""What a library of 100,000 images costs: to open it again, to search it, to hold it; and to read what a file declares.

The files are empty, and their hashes are random and kept beforehand: only names, sizes and times count where nothing is
hashed. What hashing them anew would take is measured on the photos that scikit-image carries.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from measuring import in_turns, peak_memory, world
from report import Figure

from moderate_cli.emulator.engine.declared_origin import declarations
from moderate_cli.emulator.engine.hash_cache import HashCache, HashedFile
from moderate_cli.emulator.engine.image_library import FLAG_DISTANCE, ImageLibrary
from moderate_cli.emulator.engine.phash import phash
from moderate_cli.emulator.engine.pixels import decode, open_image

_TIMEOUT = 600.0
_UNKNOWN = "0" * 64
_IN_FOLDER = 1_000  # files
_PHOTOS = Path(__file__).parents[1] / "data"
_READ = """
import sys
from pathlib import Path
from moderate_cli.emulator.engine.image_library import ImageLibrary
library = ImageLibrary(Path(sys.argv[1]), cache=Path(sys.argv[2]))
if sys.argv[3] == "read":
    assert library.find("0" * 64, 1, 6) is None
"""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures of a library, and of a declaration."""
    count, rounds = (5_000, 1) if quick else (100_000, 7)
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name, "library"), Path(name, "cache")
        _make(folder, cache, count)
        yield _opening(folder, cache, count, rounds)
        yield _searching(folder, cache, count, rounds)
        yield _memory(folder, cache, count)
    yield _declaring(rounds)


def _make(folder: Path, cache: Path, count: int) -> None:
    """Write empty files and the cache of their hashes."""
    chance = random.Random(1)
    files = []
    for start in range(0, count, _IN_FOLDER):
        below = folder / f"{start:06}"
        below.mkdir(parents=True)
        for number in range(start, start + _IN_FOLDER):
            path = below / f"image-{number:06}.png"
            path.touch()
            seen = path.stat()
            name = f"{below.name}/{path.name}"
            sha256, value = chance.randbytes(32), chance.randbytes(32)
            files.append(HashedFile(name, seen.st_size, seen.st_mtime_ns, seen.st_ino, sha256, value))
    HashCache(cache, folder).write(files)


def _opening(folder: Path, cache: Path, count: int, rounds: int) -> Figure:
    def open_it() -> float:
        started = process_time()
        assert len(ImageLibrary(folder, cache=cache).entries) == count
        return process_time() - started

    contents = [path.read_bytes() for path in sorted(_PHOTOS.iterdir())]

    def hash_it() -> float:
        started = process_time()
        for content in contents:
            phash(decode(open_image(content)))
        return (process_time() - started) / len(contents) * count

    ours, theirs = in_turns(rounds, open_it, hash_it)
    return Figure(
        target="-",
        name=f"CPU to open a library of {count:,} again",
        ours=ours,
        peer="hashing as many photos",
        theirs=theirs,
        unit="s",
        bound=0.01,
    )


def _searching(folder: Path, cache: Path, count: int, rounds: int) -> Figure:
    library = ImageLibrary(folder, cache=cache)
    hashes = [entry.phash or 0 for entry in library.entries]
    wanted = random.Random(2).getrandbits(256)

    def ours() -> float:
        started = process_time()
        assert library.find(_UNKNOWN, wanted, FLAG_DISTANCE) is None
        return (process_time() - started) * 1_000

    def loop() -> float:
        started = process_time()
        nearest = 256
        for value in hashes:
            distance = (value ^ wanted).bit_count()
            nearest = min(nearest, distance)
        assert nearest > FLAG_DISTANCE
        return (process_time() - started) * 1_000

    measured, theirs = in_turns(rounds, ours, loop)
    return Figure(
        target="-",
        name=f"a picture against {count:,}",
        ours=measured,
        peer="a loop over the hashes",
        theirs=theirs,
        unit="ms",
        bound=0.75,
    )


def _memory(folder: Path, cache: Path, count: int) -> Figure:
    command = [sys.executable, "-c", _READ, str(folder), str(cache)]
    read, _ = peak_memory([*command, "read"], world(folder), timeout=_TIMEOUT)
    unread, _ = peak_memory([*command, "not"], world(folder), timeout=_TIMEOUT)
    return Figure(
        target="-",
        name=f"peak memory of a library of {count:,}",
        ours=read,
        peer="one that is not read yet",
        theirs=unread,
        unit="MB",
        note=f"{(read - unread) / count * 100_000:,.0f} MB for 100,000 images while they are read",
    )


def _declaring(rounds: int) -> Figure:
    contents = [path.read_bytes() for path in sorted(_PHOTOS.iterdir())]

    def read() -> float:
        started = process_time()
        for content in contents:
            declarations(content)
        return (process_time() - started) * 1_000 / len(contents)

    def look() -> float:
        started = process_time()
        for content in contents:
            decode(open_image(content))
        return (process_time() - started) * 1_000 / len(contents)

    ours, theirs = in_turns(rounds, read, look)
    return Figure(
        target="-",
        name="reading what an image declares",
        ours=ours,
        peer="decoding its pixels",
        theirs=theirs,
        unit="ms",
        bound=0.05,
    )
