"""What an account has becomes a rules file, and from there nothing is to be done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from accounts import FakeAccount, Images, Service, Words
from rules_files import SERVICE, apply_plan, look, plan_of, write_images, write_large, write_rules

from moderate_cli.account import Pulled, pull_rules, read_account
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ModerateError
from moderate_cli.rules import Rules, read_rules

NASTY = "\u202ename: [\x1b]0;x\x07#'\"\nline\ttab 表 \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")


def _pull(account: FakeAccount, base: Rules | None = None, **options: bool) -> Pulled:
    everything = read_account(
        account,  # type: ignore[arg-type]
        images_of=lambda name: True,
        words_of=lambda name: True,
        looks_at=lambda service: True,
    )
    return pull_rules(everything, base or Rules(), **options)


def _write(pulled: Pulled, folder: Path, name: str = "moderate-rules.yaml") -> Path:
    for path, text in {**pulled.files, Path(name): pulled.text}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder / name


@pytest.fixture
def account() -> FakeAccount:
    account = FakeAccount()
    account.image_libs = {
        "1": Images("brand", "our own", {"11": b"a", "12": b"b"}),
        "2": Images("brand/..", "", {"21": b"c"}),
        "3": Images("empty", ""),
    }
    account.keyword_libs = {
        "4": Words("few", {str(number): f"word{number}" for number in range(20)}),
        "5": Words("many", {str(number): f"词{number}" for number in range(30)}),
        "6": Words("odd", {"1": "c++", "2": "two  spaces", "3": "fine"}),
    }
    one = account.services_by_code[SERVICE]
    one.exempt, one.ignored, one.flagged = {"1"}, ("4",), ("5", "6")
    one.custom = {"ManualMachineConfig": {"Enable": True, "AuditRiskLevels": ["high"]}, "空": [1, 2.5, None, "on"]}
    account.services_by_code[f"{SERVICE}_01"] = Service(NASTY, "shop", SERVICE, set(), ("4",), ())
    account.labels = [{"Label": "pornographic", "Switch": "off", "Scores": {"high": "90"}, "date": "2026-11-01"}]
    return account


def test_pull_then_plan_is_empty(account: FakeAccount, tmp_path: Path) -> None:
    path = _write(_pull(account), tmp_path)
    plan = plan_of(account, path)
    assert plan.steps == ()
    assert [note.text for note in plan.notes] == ["2 keywords only in the account's odd: kept (--prune removes)"]


def test_what_is_pulled_makes_another_account_the_same(account: FakeAccount, tmp_path: Path) -> None:
    del account.keyword_libs["6"]
    account.services_by_code[SERVICE].flagged = ("5",)
    path = _write(_pull(account), tmp_path)
    other = FakeAccount()
    apply_plan(other, path)
    assert other.summary()["words"] == account.summary()["words"]
    assert other.summary()["services"] == account.summary()["services"]
    assert [(name, comment) for name, comment, _ in other.summary()["images"]] == [
        (name, comment) for name, comment, _ in account.summary()["images"]
    ]


def test_short_lists_stand_in_the_file_and_long_ones_beside_it(account: FakeAccount, tmp_path: Path) -> None:
    pulled = _pull(account)
    assert {path.as_posix(): len(text.splitlines()) for path, text in pulled.files.items()} == {
        "images/brand.jsonl": 2,
        "images/brand-2.jsonl": 1,
        "images/empty.jsonl": 0,
        "words/many.txt": 30,
    }
    assert "word19" in pulled.text
    assert "many" not in {each.stem for each in _pull(account, inline=True).files}
    assert "词29" in _pull(account, inline=True).text


def test_no_signature_is_written(account: FakeAccount) -> None:
    pulled = _pull(account)
    assert "Signature" not in "".join([pulled.text, *pulled.files.values()])
    line = json.loads(pulled.files[Path("images/brand.jsonl")].splitlines()[0])
    assert line == {"id": "11", "url": "http://127.0.0.1/11"}


def test_text_of_the_account_stays_text(account: FakeAccount, tmp_path: Path) -> None:
    pulled = _pull(account)
    assert not {"\u202e", "\x1b", "\x07", "\t"} & set(pulled.text)
    rules = read_rules(_write(pulled, tmp_path), Environment())
    assert rules.file.services[f"{SERVICE}_01"].title == NASTY


def test_what_has_no_documented_shape_survives_a_round_trip(account: FakeAccount, tmp_path: Path) -> None:
    path = _write(_pull(account), tmp_path)
    rules = read_rules(path, Environment())
    assert rules.file.raw.services[SERVICE] == {
        "GetServiceConfig": account.services_by_code[SERVICE].custom,
        "GetImageSceneLabelListConf": account.labels,
    }
    again = _pull(account, rules)
    assert again.text == path.read_text(encoding="utf-8")


def test_words_that_a_file_cannot_have_are_told(account: FakeAccount) -> None:
    assert _pull(account).notes == (
        "2 keywords of odd with special characters or white space: left out",
        "service profilePhotoCheck_global is unknown here, and left out",
    )


def test_what_the_account_cannot_say_is_kept_from_the_file(tmp_path: Path) -> None:
    account, path = FakeAccount(), write_large(tmp_path, images=2, words=30)
    text = path.read_text()
    labels = "labels: {inappropriate_tattoo: off}, image_libraries: {contraband_drug: [i0, i1]}"
    path.write_text(
        text.replace("exempt: [i0]", f"{labels}, exempt: [i0]").replace("Forum,", "Forum, labels: {violent_gun: off},")
        + "verdicts: [{name: a.png, findings: []}]\n"
    )
    # The account numbers them the other way round.
    account.services_by_code[f"{SERVICE}_01"] = Service("Forum", copy_of=SERVICE)
    apply_plan(account, path)
    before = read_rules(path, Environment())
    pulled = _pull(account, before)
    after = read_rules(_write(pulled, tmp_path), Environment())
    assert after.file.image_libraries == before.file.image_libraries
    assert after.file.keyword_libraries == before.file.keyword_libraries
    assert after.file.verdicts == before.file.verdicts
    one = after.file.services[SERVICE]
    assert (one.labels, one.image_libraries) == (
        before.file.services[SERVICE].labels,
        {"contraband_drug": ["i0", "i1"]},
    )
    assert after.file.services[f"{SERVICE}_01"].labels == {"violent_gun": "off"}
    assert plan_of(account, path).steps == ()


def test_no_list_is_written_over_another(tmp_path: Path) -> None:
    account = FakeAccount()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "zero.txt").write_text("one\n")
    shared = "one: {keywords: words/zero.txt}, two: {keywords: words/zero.txt}"
    path = write_rules(tmp_path, f"keyword_libraries: {{{shared}}}\n")
    account.keyword_libs = {
        str(number): Words(name, {str(each): f"{name}{each}" for each in range(30)})
        for number, name in enumerate(["zero", "one", "two"])
    }
    pulled = _pull(account, read_rules(path, Environment()))
    assert {path.as_posix(): text.split("\n", 1)[0] for path, text in pulled.files.items()} == {
        "words/zero-2.txt": "zero0",
        "words/zero.txt": "one0",
        "words/two.txt": "two0",
    }
    assert plan_of(account, _write(pulled, tmp_path)).steps == ()


def test_a_library_that_the_account_does_not_have_is_left_out(tmp_path: Path) -> None:
    write_images(tmp_path / "brand", 1)
    text = f"services: {{{SERVICE}: {{image_libraries: {{contraband_drug: [brand]}}}}}}\n"
    path = write_rules(tmp_path, text + "image_libraries: {brand: {images: brand}}\n")
    pulled = _pull(FakeAccount(), read_rules(path, Environment()))
    assert "library brand is not in the account, and left out" in pulled.notes
    assert read_rules(_write(pulled, tmp_path), Environment()).file.services == {}


def test_two_libraries_with_one_name_are_refused(account: FakeAccount) -> None:
    account.keyword_libs["9"] = Words("few")
    with pytest.raises(ModerateError, match="several keyword libraries called few"):
        _pull(account)


def test_looking_reads_only_what_a_file_is_about(account: FakeAccount, tmp_path: Path) -> None:
    rules = read_rules(write_rules(tmp_path, "keyword_libraries: {few: {keywords: [x]}}\n"), Environment())
    found = look(account, rules)
    assert [library.words is not None for library in found.keyword_libraries] == [True, False, False]
    assert [library.images for library in found.image_libraries] == [None] * 3
