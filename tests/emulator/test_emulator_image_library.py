"""An image library is a folder or a file of lines; its hashes are kept, and nothing of it is passed over in silence."""

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from photos import NAMES, PHOTOS, cropped, photo, resized, saved, with_advert, with_code
from PIL import Image
from trees import put

from moderate_cli.common.errors import UsageError
from moderate_cli.emulator.engine import hash_cache, library_files
from moderate_cli.emulator.engine.image_library import EXEMPT_DISTANCE, FLAG_DISTANCE, Entry, Hit, ImageLibrary
from moderate_cli.emulator.engine.phash import phash
from moderate_cli.rules import library_images

FEW = NAMES[:4]
UNKNOWN = "0" * 64  # the SHA-256 of no image


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "seized"
    for name in FEW:
        put(place, f"2026/{name}", content=PHOTOS[name].read_bytes())
    return place


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "home" / "cache"


@pytest.fixture
def hashing(monkeypatch):
    """Return the names of the images that were hashed."""
    names = []
    original = library_files.phash

    def counted(picture):
        names.append(picture.size)
        return original(picture)

    monkeypatch.setattr(library_files, "phash", counted)
    return names


def found(library, picture, threshold=FLAG_DISTANCE):
    return library.find(UNKNOWN, phash(picture), threshold)


# ---------------------------------------------------------------------------------------------------- folders


def test_the_images_of_a_folder_have_ids_relative_to_it(folder, cache):
    library = ImageLibrary(folder, cache=cache)
    assert [entry.id for entry in library.entries] == [f"2026/{name}" for name in FEW]
    assert [entry.sha256 for entry in library.entries] == [sha256(PHOTOS[name].read_bytes()) for name in FEW]
    assert [entry.phash for entry in library.entries] == [phash(photo(name)) for name in FEW]
    assert library.notes == ()


@pytest.mark.parametrize("name", FEW)
def test_a_changed_photo_is_found(folder, name):
    library = ImageLibrary(folder)
    original = photo(name)
    for changed in (resized(original, 0.25), cropped(original, 0.02), original):
        hit = found(library, changed)
        assert hit is not None
        assert hit.entry.id == f"2026/{name}"


def test_other_photos_are_not_found(folder):
    library = ImageLibrary(folder)
    assert [found(library, photo(name)) for name in NAMES[4:]] == [None] * len(NAMES[4:])


def test_the_same_bytes_are_found_without_a_hash(folder):
    content = PHOTOS[FEW[1]].read_bytes()
    assert ImageLibrary(folder).find(sha256(content), None, 0) == Hit(ImageLibrary(folder).entries[1], 0)
    assert ImageLibrary(folder).find(UNKNOWN, None, FLAG_DISTANCE) is None


# -------------------------------------------------------------------------------------------------- exemption


@pytest.mark.parametrize("name", FEW)
def test_an_exempt_photo_is_exempt_resized_and_recompressed(folder, name):
    library, original = ImageLibrary(folder), photo(name)
    for changed in (original, resized(original, 0.5)):
        hit = library.find_exempt(UNKNOWN, changed, phash(changed))
        assert hit is not None
        assert hit.entry.id == f"2026/{name}"
        assert hit.distance <= EXEMPT_DISTANCE


@pytest.mark.parametrize("name", NAMES)
def test_an_exempt_photo_with_something_pasted_on_is_not_exempt(tmp_path, name):
    put(tmp_path, name, content=PHOTOS[name].read_bytes())
    library, original = ImageLibrary(tmp_path), photo(name)
    for changed in (with_advert(original), with_code(original, 1 / 4), with_code(original, 1 / 10)):
        assert library.find_exempt(UNKNOWN, changed, phash(changed)) is None


def test_an_exempt_photo_that_is_gone_exempts_only_its_own_bytes(folder):
    library, name = ImageLibrary(folder), FEW[0]
    content, picture = PHOTOS[name].read_bytes(), photo(name)
    assert len(library.entries) == len(FEW)
    (folder / "2026" / name).unlink()
    assert library.find_exempt(UNKNOWN, picture, phash(picture)) is None
    assert library.find_exempt(sha256(content), picture, phash(picture)) == Hit(library.entries[0], 0)


# -------------------------------------------------------------------------------------------- what is not right


def test_what_the_owner_should_know(tmp_path):
    brand = tmp_path / "brand"
    put(brand, "flat.png", content=saved(Image.new("RGB", (300, 300), "red"), "PNG"))
    put(brand, "broken.png", content=saved(photo(FEW[0]), "PNG")[:60])
    put(brand, "text.jpg", content=b"not an image")
    put(brand, "small.png", content=saved(resized(photo(FEW[0]), 0.25), "PNG"))
    put(brand, "notes.txt", content=b"not an image")
    put(tmp_path, "outside.png", content=PHOTOS[FEW[0]].read_bytes())
    (brand / "link.png").symlink_to(tmp_path / "outside.png")
    library = ImageLibrary(brand, name="assets/brand")
    assert library.notes == (
        "assets/brand: 1 non-image file skipped",
        "assets/brand: 1 link out of the folder not followed",
        "assets/brand/broken.png: it cannot be decoded (OSError): only exact copies will be found",
        "assets/brand/flat.png: nearly flat or all symmetry: only exact copies will be found",
        "assets/brand/small.png: smaller than 256 x 256 pixels, below which matching is less reliable",
        "assets/brand/text.jpg: the local engine does not know this format: only exact copies will be found",
    )
    assert [entry.id for entry in library.entries] == ["broken.png", "flat.png", "small.png", "text.jpg"]
    assert library.find(sha256(b"not an image"), None, 0) == Hit(library.entries[3], 0)


def test_many_remarks_are_counted(tmp_path):
    for number in range(25):
        put(tmp_path, f"{number:02}.png", content=b"broken")
    notes = ImageLibrary(tmp_path, name="brand").notes
    assert len(notes) == 11
    assert notes[-1].startswith("brand: 15 more images: the local engine does not know")


def test_ignore_files_do_not_empty_a_library(folder):
    put(folder.parent, ".gitignore", content=b"seized/\n")
    put(folder.parent, ".git/HEAD", content=b"")
    put(folder, ".moderateignore", content=b"*.png\n")
    assert len(ImageLibrary(folder).entries) == len(FEW)


def test_an_empty_folder_is_told(tmp_path):
    assert ImageLibrary(tmp_path, name="brand").notes == ("brand: no image in this library",)
    assert ImageLibrary(tmp_path).find(UNKNOWN, 1, FLAG_DISTANCE) is None


def test_a_name_that_is_not_utf8_has_an_id_that_is(tmp_path, cache):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(PHOTOS[FEW[0]].read_bytes())
    for _ in range(2):
        assert [entry.id for entry in ImageLibrary(tmp_path, cache=cache).entries] == [r"caf\xe9.png"]


def test_limits_are_told_with_their_path(folder, monkeypatch):
    put(folder, "b/huge.png", content=bytes(4 * 1024 * 1024 + 1))
    with pytest.raises(UsageError, match=r"^lib/b/huge\.png: larger than 4 MB") as caught:
        ImageLibrary(folder, name="lib/").entries  # noqa: B018
    assert caught.value.hint
    (folder / "b" / "huge.png").unlink()
    monkeypatch.setattr(library_images, "MAX_IMAGES", 3)
    with pytest.raises(UsageError, match=r"^lib: more than 3 images in one library$"):
        ImageLibrary(folder, name="lib").find(UNKNOWN, None, 0)


def test_what_is_no_library_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"^there is no image library assets/band$"):
        ImageLibrary(tmp_path / "band", name="assets/band").entries  # noqa: B018
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UsageError, match=r"^cannot read lib/a\.png: not a regular file$"):
        ImageLibrary(tmp_path, name="lib").entries  # noqa: B018


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_image_is_an_error(folder):
    (folder / "2026" / FEW[0]).chmod(0)
    with pytest.raises(UsageError, match=r"^cannot read lib/2026/"):
        ImageLibrary(folder, name="lib").entries  # noqa: B018


def test_without_pillow_only_what_was_hashed_is_known(folder, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(library_files, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r"^the image library lib cannot be hashed: Pillow is not installed$"
    ) as caught:
        ImageLibrary(folder, name="lib", cache=cache).entries  # noqa: B018
    assert "local" in caught.value.hint


# ------------------------------------------------------------------------------------------------------ cache


def test_what_was_hashed_is_not_hashed_again(folder, cache, hashing):
    first = ImageLibrary(folder, cache=cache)
    assert len(first.entries) == len(hashing) == len(FEW)
    again = ImageLibrary(folder, cache=cache)
    assert again.entries == first.entries
    assert again.digest == first.digest
    assert len(hashing) == len(FEW)


def test_only_what_changed_is_hashed_again(folder, cache, hashing):
    first = ImageLibrary(folder, cache=cache)
    assert first.entries
    put(folder, f"2026/{FEW[0]}", content=PHOTOS[NAMES[5]].read_bytes())
    put(folder, "new.png", content=PHOTOS[NAMES[6]].read_bytes())
    (folder / "2026" / FEW[1]).unlink()
    hashing.clear()
    changed = ImageLibrary(folder, cache=cache)
    assert [entry.id for entry in changed.entries] == [
        f"2026/{FEW[0]}",
        *(f"2026/{name}" for name in FEW[2:]),
        "new.png",
    ]
    assert found(changed, photo(NAMES[5])).entry.id == f"2026/{FEW[0]}"
    assert len(hashing) == 2
    assert changed.digest != first.digest
    assert ImageLibrary(folder, cache=cache).entries == changed.entries
    assert len(hashing) == 2


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:], id="one bit"),
        pytest.param(lambda data: b"X" + data[1:], id="another magic"),
        pytest.param(lambda data: data + b"\0", id="longer"),
    ],
)
def test_a_damaged_cache_is_made_anew(folder, cache, hashing, damage):
    entries = ImageLibrary(folder, cache=cache).entries
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    hashing.clear()
    assert ImageLibrary(folder, cache=cache).entries == entries
    assert len(hashing) == len(FEW)
    assert kept.read_bytes() == whole


def test_a_cache_of_another_version_or_folder_is_not_used(folder, cache, hashing, tmp_path, monkeypatch):
    assert ImageLibrary(folder, cache=cache).entries
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(hash_cache, "VERSION", 2)
    assert ImageLibrary(folder, cache=cache).entries
    assert len(hashing) == 2 * len(FEW)
    moved = folder.rename(tmp_path / "moved")
    assert ImageLibrary(moved, cache=cache).entries
    assert len(hashing) == 3 * len(FEW)


def test_an_interrupted_run_keeps_what_it_hashed(folder, cache, hashing, monkeypatch):
    monkeypatch.setattr(library_files, "_HASHED_AT_ONCE", 2)
    read_bytes = library_images.read_bytes

    def read(path, *rest, **options):
        if path.name == FEW[3]:
            raise KeyboardInterrupt
        return read_bytes(path, *rest, **options)

    monkeypatch.setattr(library_images, "read_bytes", read)
    with pytest.raises(KeyboardInterrupt):
        ImageLibrary(folder, cache=cache).entries  # noqa: B018
    monkeypatch.setattr(library_images, "read_bytes", read_bytes)
    hashing.clear()
    assert len(ImageLibrary(folder, cache=cache).entries) == len(FEW)
    assert len(hashing) <= 2


def test_a_cache_that_cannot_be_written_is_told(folder, tmp_path):
    put(tmp_path, "file", content=b"")
    library = ImageLibrary(folder, cache=tmp_path / "file")
    assert len(library.entries) == len(FEW)
    assert library.notes == ("the hashes of image libraries cannot be kept: File exists",)


def test_the_folder_of_the_caches_is_that_of_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hash_cache.user_cache().name == "image-libraries"


def test_threads_read_a_library_once(folder, hashing):
    library, together = ImageLibrary(folder), threading.Barrier(4)

    def look(name):
        together.wait()
        return found(library, photo(name))

    with ThreadPoolExecutor(4) as pool:
        assert [hit.entry.id for hit in pool.map(look, FEW)] == [f"2026/{name}" for name in FEW]
    assert len(hashing) == len(FEW)


# ------------------------------------------------------------------------------------------------------ lines


def lines(path, *entries):
    path.write_text("".join(f"{entry if isinstance(entry, str) else json.dumps(entry)}\n" for entry in entries))
    return ImageLibrary(path, name="seized.jsonl")


def test_the_lines_of_a_file(tmp_path, folder):
    known = ImageLibrary(folder).entries
    written = [{"id": str(number), "phash": f"{entry.phash:064X}"} for number, entry in enumerate(known)]
    written[0]["sha256"] = known[0].sha256.upper()
    written[0]["url"] = "https://example.com/a.png"
    library = lines(tmp_path / "lib", "\ufeff", *written, "", {"id": "sha", "sha256": "f" * 64, "phash": None})
    assert library.entries[0] == Entry("0", known[0].sha256, known[0].phash, "https://example.com/a.png")
    assert library.entries[-1] == Entry("sha", "f" * 64, None)
    hit = found(library, resized(photo(FEW[2]), 0.25))
    assert hit.entry.id == "2"
    assert hit.confidence == round(100 * (1 - hit.distance / 256), 2)
    assert library.find_exempt(UNKNOWN, photo(FEW[2]), phash(photo(FEW[2]))).distance == 0
    assert library.notes == ()


def test_the_nearest_of_several_is_found_within_the_threshold(tmp_path):
    bits = {"sixty": 60, "ten": 10, "thirty": 30}
    written = [{"id": name, "phash": f"{(1 << number) - 1:064x}"} for name, number in bits.items()]
    library = lines(tmp_path / "lib", *written)
    assert library.find(UNKNOWN, 0, FLAG_DISTANCE).entry.id == "ten"
    assert library.find(UNKNOWN, 0, 10) == Hit(library.entries[1], 10)
    assert library.find(UNKNOWN, 0, 9) is None
    assert library.find(UNKNOWN, 0, 10).confidence == 96.09


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b"', "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"sha256": "' + "0" * 64 + '"}', "Object missing required field `id`"),
        ('{"id": 3, "sha256": "' + "0" * 64 + '"}', "Expected `str`, got `int` - at `$.id`"),
        ('{"id": "b", "hash": "x"}', "Object contains unknown field `hash`"),
        ('{"id": " ", "sha256": "' + "0" * 64 + '"}', "the id is empty"),
        ('{"id": "\\ud800", "sha256": "' + "0" * 64 + '"}', "JSON is malformed: unexpected end of"),
        ('{"id": "b"}', "neither sha256 nor phash nor url"),
        ('{"id": "b", "sha256": "abc"}', "sha256 must be 64 hexadecimal digits, not 'abc'"),
        ('{"id": "b", "phash": "' + "x" * 64 + '"}', "phash must be 64 hexadecimal digits, not 'xxxx"),
        ('{"id": "a", "sha256": "' + "1" * 64 + '"}', "the id a is that of line 1"),
        ("[" * 100_000, "longer than 64 KB"),
        ("[" * 60_000, "Expected `object`, got `array`"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path, line, message):
    with pytest.raises(UsageError) as caught:
        lines(tmp_path / "lib", {"id": "a", "sha256": "0" * 64}, "", line).entries  # noqa: B018
    assert caught.value.message.startswith(f"seized.jsonl:3: {message}")
    assert "\n" not in caught.value.message


def test_a_line_with_an_address_alone_is_no_image_here(tmp_path):
    """`moderate console pull` writes such lines: the account tells no hash."""
    library = lines(tmp_path / "lib", {"id": "158794", "url": "https://example.com/1"})
    assert library.find(UNKNOWN, 0, FLAG_DISTANCE) is None
    assert library.notes == ("seized.jsonl: 1 image without a hash: the account knows them, the local engine does not",)


def test_a_line_that_is_not_utf8_is_told(tmp_path):
    (tmp_path / "lib").write_bytes(b'{"id": "\xe9", "sha256": "' + b"0" * 64 + b'"}\n')
    with pytest.raises(UsageError, match=r"^lib:1: "):
        ImageLibrary(tmp_path / "lib", name="lib").entries  # noqa: B018


def test_too_many_lines_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(library_images, "MAX_IMAGES", 2)
    entries = [{"id": str(number), "sha256": "0" * 64} for number in range(3)]
    with pytest.raises(UsageError, match=r"^seized\.jsonl:3: more than 2 images in one library$"):
        lines(tmp_path / "lib", *entries).entries  # noqa: B018
