"""Keyword libraries of the account: words that are added, searched, removed and told, and their limits."""

from __future__ import annotations

import json

import pytest
from managing import SERVICE, Manager, Refused

from moderate_cli.emulator import keyword_libraries


@pytest.fixture
def manager(emulator):
    return Manager(emulator)


@pytest.fixture
def library(manager):
    return manager.call("add_keyword_lib", lib_name="slang").data.lib_id


def test_a_library_is_made_renamed_and_deleted(manager, library):
    found = manager.call("get_keyword_lib", lib_id=library).data
    assert (found.lib_name, found.keyword_count, found.preprocess_list) == ("slang", "0", [])
    assert manager.call("update_keyword_lib", lib_id=library, lib_name="黑话").data
    assert list(manager.keyword_libraries()) == ["黑话"]
    assert manager.call("delete_keyword_lib", lib_id=library).data
    assert manager.keyword_libraries() == {}
    for operation in ("get_keyword_lib", "update_keyword_lib", "delete_keyword_lib", "list_keywords"):
        with pytest.raises(Refused) as refused:
            manager.call(operation, lib_id=library)
        assert refused.value.code == 404


@pytest.mark.parametrize("setting", ["keyword_hit_libs", "keyword_filter_libs"])
def test_a_library_in_use_is_not_deleted(manager, library, setting):
    manager.update(**{setting: [library]})
    with pytest.raises(Refused, match=f"used by {SERVICE}"):
        manager.call("delete_keyword_lib", lib_id=library)
    manager.update(**{setting: []})
    assert manager.call("delete_keyword_lib", lib_id=library).data


def test_a_deleted_library_stands_for_no_label(manager, library):
    scene = {"LocalEngine": {"keyword_libraries": {"contraband_drug_tii": [library]}}}
    manager.update(scene="contraband", scene_config=scene)
    manager.update(keyword_hit_libs=[])
    manager.call("delete_keyword_lib", lib_id=library)
    assert manager.update(scene="contraband", scene_config=manager.scene("contraband"))


def test_what_becomes_of_words(manager, library):
    keywords = "\n".join(["snow", "  white   rabbit ", "snow", "x" * 20, "x" * 21, "a-b", "大麻", "", "\u034f"])
    result = manager.call("add_keywords", lib_id=library, keywords=keywords).data.keywords_result
    assert (result.total_count, result.success_count, result.repeat_count, result.invalid_count) == (8, 4, 1, 3)
    assert (result.repeat_keywords, result.illegal_length_keywords) == (["snow"], ["x" * 21])
    assert result.invalid_keywords == ["a-b", "\u034f"]
    assert set(manager.words(library)) == {"snow", "white rabbit", "x" * 20, "大麻"}
    assert manager.keyword_libraries()["slang"].keyword_count == "4"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\\n"])
@pytest.mark.parametrize("operation", ["add_keywords", "add_keywords_to_lib"])
def test_both_ways_to_part_words(manager, library, operation, separator):
    added = manager.call(operation, lib_id=library, keywords=f"snow{separator}rain").data
    assert added.keywords_result.success_count == 2


def test_words_of_a_file_are_a_task(manager, library):
    grant = manager.call("get_upload_info", name="words.txt", resource_type="image")
    manager.post(grant, "\ufeffsnow\r\n大麻\n\na-b".encode())
    added = manager.call("add_keywords", lib_id=library, keywords_object=grant.key).data
    assert added.keywords_result is None
    result = manager.call("get_keyword_import_result", task_id=added.task_id).data
    assert (result.progress, result.success_count, result.invalid_keywords) == (100, 2, ["a-b"])
    made = manager.call("add_keyword_lib", lib_name="from a file", keywords_object=grant.key).data
    assert set(manager.words(made.lib_id)) == {"snow", "大麻"}
    manager.post(grant, b"\xff\xfe")
    for wrong in (grant.key, "gone"):
        with pytest.raises(Refused, match=r"UTF-8|no key"):
            manager.call("add_keywords", lib_id=library, keywords_object=wrong)
    with pytest.raises(Refused, match="no task"):
        manager.call("get_keyword_import_result", task_id="gone")


def test_words_are_searched_in_pages(manager, library):
    words = [f"word {number}" for number in range(25)]
    manager.call("add_keywords", lib_id=library, keywords="\n".join([*words, "SNOWFALL", "snow"]))
    pages = [
        manager.call("list_keywords", lib_id=library, word="WORD", current_page=number, page_size=10).data
        for number in (1, 2, 3, 4)
    ]
    assert [item.word for page in pages for item in page.items] == words[::-1]
    assert {(page.total_count, page.page_size) for page in pages} == {(25, 10)}
    assert list(manager.words(library, word="snow", sort={"GmtCreate": "asc"})) == ["SNOWFALL", "snow"]
    assert manager.call("list_keywords", lib_id=library).data.page_size == 10
    exported = manager.call("export_keyword", lib_id=library).data
    assert exported.split("\n") == [*words, "SNOWFALL", "snow"]


@pytest.mark.parametrize("parameter", ["keyword_ids", "keyword_id_list"])
@pytest.mark.parametrize("id_of", [lambda word: word.id, lambda word: str(word.id), lambda word: word.keyword_md_5id])
def test_words_are_removed_by_their_ids(manager, library, parameter, id_of):
    manager.call("add_keywords", lib_id=library, keywords="snow\nrain\nfog")
    found = {word.word: word for word in manager.call("list_keywords", lib_id=library).data.items}
    ids = json.dumps([id_of(found["snow"]), id_of(found["fog"])])
    assert manager.call("delete_keyword", lib_id=library, **{parameter: ids}).data
    assert list(manager.words(library)) == ["rain"]
    manager.call("add_keywords", lib_id=library, keywords="snow")
    assert manager.words(library)["snow"] != found["snow"].id


@pytest.mark.parametrize("ids", ["", "[", '{"a": 1}', "[1]", "[[1]]"])
def test_wrong_ids_remove_nothing(manager, library, ids):
    manager.call("add_keywords", lib_id=library, keywords="snow")
    with pytest.raises(Refused):
        manager.call("delete_keyword", lib_id=library, keyword_ids=ids)
    assert list(manager.words(library)) == ["snow"]


def test_the_limits_of_an_account(manager, library, monkeypatch):
    for number in range(19):
        manager.call("add_keyword_lib", lib_name=f"library {number}")
    with pytest.raises(Refused, match="20 keyword libraries"):
        manager.call("add_keyword_lib", lib_name="one more")
    monkeypatch.setattr(keyword_libraries, "MAX_WORDS", 3)
    manager.call("add_keywords", lib_id=library, keywords="snow\nrain")
    with pytest.raises(Refused, match="3 keywords"):
        manager.call("add_keywords", lib_id=library, keywords="fog\nhail")
    assert list(manager.words(library)) == ["rain", "snow"]


def test_a_hundred_thousand_words(manager, library):
    words = [f"w{number}" for number in range(100_000)]
    result = manager.call("add_keywords", lib_id=library, keywords="\n".join(words)).data.keywords_result
    assert result.success_count == 100_000
    with pytest.raises(Refused, match="100000 keywords"):
        manager.call("add_keywords", lib_id=library, keywords="more")
    last = manager.call("list_keywords", lib_id=library, current_page=100, page_size=1000).data
    assert (last.total_count, last.items[-1].word) == (100_000, "w0")


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("add_keyword_lib", {"lib_name": ""}),
        ("add_keyword_lib", {"lib_name": "x" * 101}),
        ("add_keywords", {}),
        ("add_keywords_to_lib", {"keywords": ""}),
        ("update_keyword_lib", {"lib_name": " "}),
    ],
)
def test_what_is_empty_or_too_long(manager, library, operation, parameters):
    if operation != "add_keyword_lib":
        parameters = {"lib_id": library} | parameters
    with pytest.raises(Refused) as refused:
        manager.call(operation, **parameters)
    assert refused.value.code == 400
