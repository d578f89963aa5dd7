"""What a plan changes, what it leaves alone, and what it refuses with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from accounts import FakeAccount, Images, Service, Words
from msgspec.structs import replace
from rules_files import SERVICE, apply_plan, plan_of, write_images, write_rules

from moderate_cli.account import LOCK_NAME, describe, step_data
from moderate_cli.common.errors import ModerateError, UsageError
from moderate_cli.rules import library_images


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount()


def _words(account: FakeAccount, path: Path, **options: bool) -> list[str]:
    return [f"{each.sign} {each.words}" for each in map(describe, plan_of(account, path, **options).steps)]


def _notes(account: FakeAccount, path: Path, **options: bool) -> list[tuple[str, str]]:
    return [(note.kind, note.text) for note in plan_of(account, path, **options).notes]


def test_an_empty_file_changes_nothing(account: FakeAccount, tmp_path: Path) -> None:
    assert plan_of(account, write_rules(tmp_path, "")).steps == ()


def test_each_step_has_its_sign_and_its_words(account: FakeAccount, tmp_path: Path) -> None:
    account.image_libs["1"] = Images("brand", "old words")
    account.services_by_code[f"{SERVICE}_01"] = Service("Old title", copy_of=SERVICE)
    write_images(tmp_path / "brand", 2)
    path = write_rules(
        tmp_path,
        f"""services:
  {SERVICE}_01: {{copy_of: {SERVICE}, title: Shop, exempt: [brand]}}
image_libraries: {{brand: {{images: brand, comment: our own}}}}
keyword_libraries: {{slang: {{keywords: [a1, b2]}}}}
""",
    )
    assert _words(account, path) == [
        f"~ title of {SERVICE}_01: Old title becomes Shop",
        "+ keyword library slang",
        "+ 2 keywords in slang",
        "~ comment of image library brand: old words becomes our own",
        "+ 2 images in brand",
        f"~ exempt image libraries of {SERVICE}_01 (Shop)",
    ]
    steps = [step_data(step) for step in plan_of(account, path).steps]
    assert json.loads(json.dumps(steps))[4] == {
        "sign": "+",
        "step": "add_images",
        "library": "brand",
        "images": [{"sha256": image["sha256"], "name": image["name"]} for image in steps[4]["images"]],
    }


def test_a_copy_is_known_by_its_source_and_its_title(account: FakeAccount, tmp_path: Path) -> None:
    account.services_by_code[f"{SERVICE}_01"] = Service("Forum", copy_of=SERVICE)
    account.services_by_code[f"{SERVICE}_02"] = Service("Shop", copy_of=SERVICE)
    path = write_rules(tmp_path, f"services: {{{SERVICE}_01: {{copy_of: {SERVICE}, title: Shop}}}}\n")
    assert _words(account, path) == []
    assert _notes(account, path) == [
        ("differs", f"the account numbers {SERVICE}_01 (Shop) otherwise: it is called by {SERVICE}_02"),
        ("impossible", f"service {SERVICE}_01 (Forum) is only in the account: the API can delete none"),
    ]


def test_two_copies_with_one_title_are_refused(account: FakeAccount, tmp_path: Path) -> None:
    text = f"""services:
  {SERVICE}_01: {{copy_of: {SERVICE}, title: Shop}}
  {SERVICE}_02: {{copy_of: {SERVICE}, title: Shop}}
"""
    with pytest.raises(UsageError, match=r"moderate-rules.yaml:4: .* with one title: Shop"):
        plan_of(account, write_rules(tmp_path, text))


def test_a_copy_of_a_copy_waits_for_its_source(account: FakeAccount, tmp_path: Path) -> None:
    text = f"""services:
  {SERVICE}_08: {{copy_of: {SERVICE}_07, title: Below, ignored_keywords: []}}
  {SERVICE}_07: {{copy_of: {SERVICE}, title: Above}}
"""
    path = write_rules(tmp_path, text)
    assert _words(account, path) == [f"+ service {SERVICE}_07 (Above), a copy of {SERVICE}"]
    assert _notes(account, path) == [
        ("unknown", f"{SERVICE}_08 (Below) is a copy of {SERVICE}_07, which is still to be made: apply once more then")
    ]
    apply_plan(account, path)
    assert _words(account, path) == [f"+ service {SERVICE}_08 (Below), a copy of {SERVICE}_01"], "as it is called there"
    apply_plan(account, path)
    assert _words(account, path) == []
    assert {one.title: one.copy_of for one in account.services_by_code.values() if one.copy_of} == {
        "Above": SERVICE,
        "Below": f"{SERVICE}_01",
    }


def test_what_is_no_image_is_told(account: FakeAccount, tmp_path: Path) -> None:
    write_images(tmp_path / "brand", 1)
    (tmp_path / "brand" / "readme.txt").write_text("no image")
    path = write_rules(tmp_path, "image_libraries: {brand: {images: brand}}\n")
    assert _notes(account, path) == [("skipped", "brand: 1 non-image file skipped")]


def test_what_the_api_cannot_be_told_is_left_alone(account: FakeAccount, tmp_path: Path) -> None:
    account.image_libs["1"], account.keyword_libs["2"] = Images("brand", ""), Words("slang", {"1": "word"})
    write_images(tmp_path / "brand", 0)
    path = write_rules(
        tmp_path,
        f"""services:
  {SERVICE}:
    labels: {{inappropriate_tattoo: off}}
    image_libraries: {{contraband_drug: [brand]}}
    keyword_libraries: {{contraband_drug_tii: [slang]}}
  profilePhotoDetection_global: {{copy_of: {SERVICE}, title: Baseline}}
  baselineCheck: {{exempt: [brand]}}
image_libraries: {{brand: {{images: brand}}}}
keyword_libraries: {{slang: {{keywords: [word], comment: rude}}}}
verdicts: [{{name: a.png, findings: []}}]
""",
    )
    assert _words(account, path) == [f"+ service profilePhotoDetection_global (Baseline), a copy of {SERVICE}"]
    found = plan_of(account, path).notes
    assert [(note.kind, note.text) for note in found] == [
        ("impossible", "the account has no service baselineCheck, and none can be made"),
        ("impossible", "keyword library slang: the API takes no comment for it"),
        ("by_hand", f"scope and scores of 1 label of {SERVICE}"),
        ("by_hand", f"image libraries of 1 label of {SERVICE}"),
        ("by_hand", f"keyword libraries of 1 label of {SERVICE}"),
        ("local", "1 fixed verdict"),
    ]
    assert [int(note.place.rpartition(":")[2]) for note in found] == [8, 10, 4, 5, 6, 11]


def test_libraries_of_the_account_alone_are_told(account: FakeAccount, tmp_path: Path) -> None:
    account.image_libs["1"], account.keyword_libs["2"] = Images("brand", ""), Words("slang", {"1": "word"})
    account.keyword_libs["3"] = Words("used", {})
    account.services_by_code[SERVICE].ignored = ("3",)
    path = write_rules(tmp_path, "")
    assert _notes(account, path) == [
        ("kept", "keyword library slang is only in the account: kept (--prune removes)"),
        ("kept", "keyword library used is only in the account: kept (--prune removes)"),
        ("impossible", "image library brand is only in the account: the API can delete none"),
    ]
    assert _words(account, path, prune=True) == ["- keyword library slang with 1 keyword"]
    assert _notes(account, path, prune=True)[0] == (
        "kept",
        f"keyword library used is only in the account, and used by {SERVICE}: kept",
    )


@pytest.mark.parametrize("use", ["ignored", "flagged"])
def test_a_library_that_a_service_uses_is_not_deleted_whatever_it_says_itself(
    account: FakeAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    account.keyword_libs["3"] = Words("used", {})
    setattr(account.services_by_code["profilePhotoCheck_global"], use, ("3",))
    libraries = account.keyword_libraries
    monkeypatch.setattr(account, "keyword_libraries", lambda: [replace(each, services=()) for each in libraries()])
    path = write_rules(tmp_path, "")
    assert _words(account, path, prune=True) == []
    assert _notes(account, path, prune=True) == [
        ("kept", "keyword library used is only in the account, and used by profilePhotoCheck_global: kept")
    ]


def test_without_a_lock_file_nothing_is_uploaded_again(account: FakeAccount, tmp_path: Path) -> None:
    write_images(tmp_path / "brand", 3)
    path = write_rules(tmp_path, "image_libraries: {brand: {images: brand}}\n")
    apply_plan(account, path)
    (tmp_path / LOCK_NAME).unlink()
    assert _words(account, path) == []
    [(kind, text)] = _notes(account, path)
    assert kind == "unknown"
    assert text.startswith(
        "3 images in the account's brand, and no lock file tells which they are: 3 files not uploaded"
    )
    apply_plan(account, path, upload_again=True)
    [library] = account.image_libs.values()
    assert len(library.images) == 6
    assert _notes(account, path) == [("unknown", "3 images in the account's brand added elsewhere: kept")]
    apply_plan(account, path, prune=True)
    assert len(library.images) == 6


def test_the_lock_file_of_another_account_uploads_nothing_again(account: FakeAccount, tmp_path: Path) -> None:
    write_images(tmp_path / "brand", 3)
    path = write_rules(tmp_path, "image_libraries: {brand: {images: brand}}\n")
    apply_plan(account, path)
    [library] = account.image_libs.values()
    library.images = {f"elsewhere{key}": content for key, content in library.images.items()}
    assert _words(account, path) == []
    [(kind, text)] = _notes(account, path)
    assert kind == "unknown"
    assert text.startswith("3 images in the account's brand, and the lock file knows none of them: 3 files not")
    assert _words(account, path, prune=True) == []
    apply_plan(account, path, upload_again=True)
    assert (len(library.images), _words(account, path)) == (6, [])


def test_an_image_that_was_removed_by_hand_is_added_again(account: FakeAccount, tmp_path: Path) -> None:
    write_images(tmp_path / "brand", 3)
    path = write_rules(tmp_path, "image_libraries: {brand: {images: brand}}\n")
    apply_plan(account, path)
    [library] = account.image_libs.values()
    library.images.popitem()
    assert _words(account, path) == ["+ 1 image in brand"]
    apply_plan(account, path)
    assert len(library.images) == 3


def test_a_list_of_images_is_compared_by_ids(account: FakeAccount, tmp_path: Path) -> None:
    account.image_libs["1"] = Images("brand", "", {"7": b"a", "8": b"b"})
    (tmp_path / "brand.jsonl").write_text('{"id": "7", "url": "http://127.0.0.1/7"}\n')
    path = write_rules(tmp_path, "image_libraries: {brand: {images: brand.jsonl}}\n")
    assert _words(account, path) == []
    assert _notes(account, path) == [("kept", "1 image only in the account's brand: kept (--prune removes)")]
    assert _words(account, path, prune=True) == ["- 1 image in brand"]
    (tmp_path / "brand.jsonl").write_text('{"id": "a.png", "sha256": "%s"}\n' % ("0" * 64))
    assert _words(account, path, prune=True) == [], "the ids are not those of the account"
    assert _notes(account, path, prune=True) == [
        ("impossible", "1 image of the list of brand: no content to upload, as a folder has")
    ]


@pytest.mark.parametrize("kind", ["image libraries", "keyword libraries"])
def test_two_libraries_with_one_name_are_refused(account: FakeAccount, tmp_path: Path, kind: str) -> None:
    write_images(tmp_path / "brand", 1)
    account.image_libs |= {number: Images("brand", "") for number in "12"}
    account.keyword_libs |= {number: Words("slang") for number in "12"}
    text = {
        "image libraries": "image_libraries: {brand: {images: brand}}\n",
        "keyword libraries": "keyword_libraries: {slang: {keywords: [one]}}\n",
    }
    with pytest.raises(ModerateError, match=f"several {kind} called") as error:
        plan_of(account, write_rules(tmp_path, text[kind]))
    assert error.value.code == "ambiguous"


def test_what_is_opaque_is_compared_and_never_applied(account: FakeAccount, tmp_path: Path) -> None:
    account.services_by_code[SERVICE].custom = {"SimilarTextHitLibs": ["x"]}
    text = "raw: {services: {%s: {GetServiceConfig: {SimilarTextHitLibs: [%s]}}}}\n"
    assert _notes(account, write_rules(tmp_path, text % (SERVICE, "x"))) == []
    path = write_rules(tmp_path, text % (SERVICE, "y"))
    assert _notes(account, path) == [("differs", f"raw GetServiceConfig of {SERVICE} is another one in the account")]
    assert _words(account, path) == []


# ------------------------------------------------------------------------------------------------------------- limits


def test_more_libraries_than_an_account_has_are_refused(account: FakeAccount, tmp_path: Path) -> None:
    account.image_libs |= {str(number): Images(f"other{number}", "") for number in range(9)}
    write_images(tmp_path / "a", 1)
    write_images(tmp_path / "b", 1)
    path = write_rules(tmp_path, "image_libraries: {a: {images: a}}\n")
    assert len(plan_of(account, path).steps) == 2
    path = write_rules(tmp_path, "image_libraries:\n  a: {images: a}\n  b: {images: b}\n")
    with pytest.raises(UsageError, match=r"moderate-rules.yaml:2: .* 11 image libraries .* may have 10"):
        plan_of(account, path)
    account.keyword_libs |= {str(number): Words(f"other{number}") for number in range(20)}
    path = write_rules(tmp_path, "keyword_libraries:\n  a: {keywords: [one]}\n")
    with pytest.raises(UsageError, match=r"moderate-rules.yaml:2: .* 21 keyword libraries .* may have 20"):
        plan_of(account, path)
    assert account.changes == []


def test_more_words_or_images_than_an_account_has_are_refused(
    account: FakeAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.keyword_libs["1"] = Words("other", {str(number): f"w{number}" for number in range(99_999)})
    path = write_rules(tmp_path, "\nkeyword_libraries:\n  a: {keywords: [one, two]}\n")
    with pytest.raises(UsageError, match=r"moderate-rules.yaml:3: .* 100,001 keywords .* may have 100,000"):
        plan_of(account, path)
    account.image_libs["1"] = Images("other", "", {str(number): b"" for number in range(99_999)})
    write_images(tmp_path / "a", 2)
    path = write_rules(tmp_path, "image_libraries: {a: {images: a}}\n")
    with pytest.raises(UsageError, match=r"moderate-rules.yaml:2: .* 100,001 images .* may have 100,000"):
        plan_of(account, path)


def test_a_full_account_is_planned_at_once(account: FakeAccount, tmp_path: Path) -> None:
    account.keyword_libs["1"] = Words("full", {str(number): f"w{number}" for number in range(100_000)})
    (tmp_path / "words.txt").write_text("".join(f"w{number}\n" for number in range(99_999)))
    path = write_rules(tmp_path, "keyword_libraries: {full: {keywords: words.txt}}\n")
    assert _words(account, path, prune=True) == ["- 1 keyword in full"]


def test_an_image_over_4_mb_is_refused_with_the_line_of_its_library(account: FakeAccount, tmp_path: Path) -> None:
    write_images(tmp_path / "a", 1)
    (tmp_path / "a" / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(4 * 1024 * 1024))
    path = write_rules(tmp_path, "image_libraries:\n  a: {images: a}\n")
    with pytest.raises(UsageError, match=r"moderate-rules.yaml:3: a/large.png: larger than 4 MB"):
        plan_of(account, path)
    assert account.calls == [] or account.changes == []


def test_images_of_all_libraries_are_counted(
    account: FakeAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderate_cli.account.own_images.MAX_IMAGES", 3)
    monkeypatch.setattr(library_images, "MAX_IMAGES", 3)
    for name in "ab":
        write_images(tmp_path / name, 2)
    path = write_rules(tmp_path, "image_libraries:\n  a: {images: a}\n  b: {images: b}\n")
    with pytest.raises(UsageError, match=r"moderate-rules.yaml:2: 4 images; an account has 3 at most"):
        plan_of(account, path)
