"""Words are found as a reader would find them, in scripts with and without spaces."""

import re
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moderate_cli.common.errors import UsageError
from moderate_cli.emulator.engine.keywords import Hit, KeywordMatcher, fold

budget = settings(derandomize=True, database=None, deadline=None, max_examples=150)


def found(text, *words):
    """Return what of a text the matcher marks."""
    return [text[hit.start : hit.end] for hit in KeywordMatcher(words).find(text)]


# ------------------------------------------------------------------------------------------------ whole words


@pytest.mark.parametrize(
    ("word", "text", "marked"),
    [
        ("ass", "ass", ["ass"]),
        ("ass", "grass class asset", []),
        ("ass", "Kick (ASS), ass!", ["ASS", "ass"]),
        ("straße", "STRASSE", ["STRASSE"]),
        ("käse", "Ka\u0308se", ["Ka\u0308se"]),
        ("free tables", "free  tables\nFree\u00a0\u3000\tTables", ["free  tables", "Free\u00a0\u3000\tTables"]),
        ("  free\ntables ", "get free tables now", ["free tables"]),
        ("free tables", "freetables", []),
        ("казино", "в казино! казиношный", ["казино"]),
        ("خمر", "خمر خمرية", ["خمر"]),
        ("शराब", "शराब शराबी", ["शराब"]),
        ("ｆｒｅｅ", "free FREE ｆｒｅｅ 𝐟𝐫𝐞𝐞 ⓕⓡⓔⓔ", ["free", "FREE", "ｆｒｅｅ", "𝐟𝐫𝐞𝐞", "ⓕⓡⓔⓔ"]),
        ("bahis", "BAHİS", ["BAHİS"]),
    ],
)
def test_words_with_spaces_between_them_are_whole(word, text, marked):
    assert found(text, word) == marked


@pytest.mark.parametrize(
    ("word", "text", "marked"),
    [
        # Marks belong to the letter before them, whether they join it or not.
        ("cafe", "café cafe\u0301", []),
        ("q", "q\u0303 q", ["q"]),
        ("q\u0303", "q\u0303", ["q\u0303"]),
        # Digits are of the word; underscores, hyphens and apostrophes are not.
        ("18", "18 2018 18plus", ["18"]),
        ("ass", "ass2 2ass", []),
        ("ass", "_ass_ big_ass", ["ass", "ass"]),
        ("ass", "ass-kicking", ["ass"]),
        ("ass", "the ass's l’ass", ["ass", "ass"]),
        ("don't", "don't don’t donʼt", ["don't", "don’t", "donʼt"]),
        ("e-mail", "e-mail e‑mail e–mail e mail", ["e-mail", "e‑mail", "e–mail"]),
        # Signs that are made of letters or digits are no part of the word.
        ("viagra", "viagra™ viagra² viagra① viagra2 viagraª", ["viagra", "viagra", "viagra"]),
        # Punctuation at the edge of a word needs no edge in the text.
        (".com", "x.com x.community", [".com"]),
        ("c++", "c++ c+++ ac++", ["c++", "c++"]),
        ("$$$", "a$$$b", ["$$$"]),
        ("#tag", "a#tag #tags", ["#tag"]),
        # Emoji are found anywhere, in whatever picture and skin.
        ("🔥", "so🔥🔥hot", ["🔥", "🔥"]),
        ("❤", "❤\ufe0f", ["❤\ufe0f"]),
        ("👍", "ok👍🏽", ["👍"]),
        ("👨‍👩‍👧", "a👨‍👩‍👧b", ["👨‍👩‍👧"]),
        # Nobody sees these, and so they hide nothing.
        ("free", "f\u200br\u00ade\u2060e\ufeff", ["f\u200br\u00ade\u2060e\ufeff"]),
        ("free tables", "free\u200btables", []),
    ],
)
def test_what_is_the_edge_of_a_word(word, text, marked):
    assert found(text, word) == marked


@pytest.mark.parametrize(
    ("word", "text", "marked"),
    [
        ("毒品", "卖毒品的", ["毒品"]),
        ("毒品", "卖毒 品\n毒\u3000品", ["毒 品", "毒\u3000品"]),
        ("毒 品", "毒品", ["毒品"]),
        ("ヤクザ", "親ヤクザ団 ﾔｸｻﾞ", ["ヤクザ", "ﾔｸｻﾞ"]),
        ("ยาบ้า", "ขายยาบ้าถูก ยา บ้า", ["ยาบ้า", "ยา บ้า"]),
        ("ยา", "ขายยาถูก", ["ยา"]),
        ("ass", "ass \u0e48 加 \u0301ass", ["ass", "ass"]),  # a mark on white space joins nothing
        ("ส", "สี", []),  # another vowel: another syllable
        ("ຢາ", "ຂາຍຢາບ້າ", ["ຢາ"]),
        ("ថ្នាំ", "លក់ថ្នាំញៀន", ["ថ្នាំ"]),
        ("ဆေး", "မူးယစ်ဆေးဝါး", ["ဆေး"]),
        ("会社", "㍿ 会\n社", ["㍿", "会\n社"]),
    ],
)
def test_words_without_spaces_between_them_are_anywhere(word, text, marked):
    assert found(text, word) == marked


@pytest.mark.parametrize(
    ("word", "text", "marked"),
    [
        ("마약", "마약 마약을 마약, 신종마약", ["마약", "마약", "마약"]),
        ("나무", "소나무", []),
        ("무료 쿠폰", "무료 쿠폰을 무료쿠폰", ["무료 쿠폰"]),
        ("하", "\u1112\u1161 ㅎㅏ", ["\u1112\u1161", "ㅎㅏ"]),
    ],
)
def test_korean_words_may_take_an_ending(word, text, marked):
    assert found(text, word) == marked


@pytest.mark.parametrize(
    ("word", "text", "marked"),
    [
        ("加v信", "请加V信 加 v\n信", ["加V信", "加 v\n信"]),
        ("加 v 信", "加v信", ["加v信"]),
        ("加v", "加v 加v吧 加 v good 加very", ["加v", "加v", "加 v"]),
        ("v信", "加v信 av信 2v信", ["v信"]),
        ("ass", "大ass大 ｇｒass", ["ass"]),
        ("VIP会员", "vip 会员", ["vip 会员"]),
        ("加 free tables", "加free  tables 加freetables", ["加free  tables"]),
        ("18禁", "18禁 218禁", ["18禁"]),
    ],
)
def test_each_edge_of_a_mixed_word_follows_its_own_script(word, text, marked):
    assert found(text, word) == marked


def test_words_may_overlap():
    words = ["free", "free tables", "tables", "Free Tables", "毒品", "品毒"]
    assert KeywordMatcher(words).find("free tables 毒品毒") == [
        Hit(0, 4, 0),
        Hit(0, 11, 1),
        Hit(0, 11, 3),
        Hit(5, 11, 2),
        Hit(12, 14, 4),
        Hit(13, 15, 5),
    ]


@pytest.mark.parametrize("word", ["", "  ", "\u200b\u00ad", "\ufe0f"])
def test_a_word_that_nobody_sees_is_refused(word):
    with pytest.raises(ValueError, match="visible character"):
        KeywordMatcher(["word", word])


def test_without_words_nothing_is_found_or_taken_out():
    matcher = KeywordMatcher([])
    assert matcher.find("any text") == []
    assert matcher.take_out("any text") == "any text"


def test_half_a_surrogate_pair_is_a_character_like_any_other():
    assert found("\ud800 word \udfff", "word") == ["word"]
    assert found("a\ud800b", "\udfff") == ["\ud800"]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    assert KeywordMatcher([]).find("word") == []
    with pytest.raises(UsageError, match="ahocorasick-rs") as caught:
        KeywordMatcher(["word"])
    assert "[local]" in caught.value.hint


# --------------------------------------------------------------------------------------------- ignored words


@pytest.mark.parametrize(
    ("ignored", "text", "searched"),
    [
        (["is", "a"], "Here is a small cat", "Here small cat"),  # the example of the vendor's guide
        (["is"], "This IS his", "This his"),
        (["small cat"], "a small\ncat", "a"),
        (["的"], "卖的 毒的品", "卖毒品"),
        (["*"], "f*ck", "fck"),
        (["사과"], "사과나무 사과", "사과나무"),
        (["ab", "bc"], "ab bc abc 加ab", "abc 加"),
        (["word"], "word", ""),
    ],
)
def test_ignored_words_are_taken_out(ignored, text, searched):
    left = KeywordMatcher(ignored).take_out(text)
    assert len(left) == len(text)
    assert fold(left) == fold(searched)


def test_words_are_found_where_others_were_taken_out():
    text = "Here is a small cat"
    left = KeywordMatcher(["is", "a"]).take_out(text)
    assert KeywordMatcher(["here small", "is", "a"]).find(left) == [Hit(0, 15, 0)]
    assert found("卖毒的品", "毒品") == []
    assert KeywordMatcher(["毒品"]).find(KeywordMatcher(["的"]).take_out("卖毒的品")) == [Hit(1, 4, 0)]


# ------------------------------------------------------------------------------------------------ the oracle

LETTERS, UNSPACED, HANGUL = "aAsSßé1ｓ𝐚", "加信かกา", "가나"
MARKS, ORNAMENTS, SPACES, HIDDEN, OTHERS = "\u0301\u0e48", "™①", " \n\u3000", "\u200b\ufe0f", "-_'’.🔥"
ALPHABET = LETTERS + UNSPACED + HANGUL + MARKS + ORNAMENTS + SPACES + HIDDEN + OTHERS


def plainly_folded(text):
    """Return a text of this alphabet in the form that is compared, by the shortest way."""
    text = re.sub(f"[{HIDDEN}]", "", text).replace("’", "'")
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(f"(?<=[{UNSPACED}\u0e48]) (?![{MARKS}])| (?=[{UNSPACED}])", "", text)


def kind(character):
    """Return which characters a character makes a word with; None for none."""
    if character in ORNAMENTS:
        return "ornament"
    return "word" if character in LETTERS + HANGUL else None


def parts(text, at, *, ending=False):
    """Tell whether a word may begin, or end, at a place."""
    before, after = text[:at].rstrip(HIDDEN + MARKS)[-1:], text[at:].lstrip(HIDDEN)[:1]
    if not before or not after or "\u0e48" in text[len(text[:at].rstrip(HIDDEN + MARKS)) : at]:
        return True
    return kind(before) is None or kind(before) != kind(after) or (ending and before in HANGUL and after in HANGUL)


def places(word, text, *, may_take_ending=True):
    """Return where a word is in a text, by trying every place."""
    found_at = set()
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            # A character stands with the marks and the hidden ones behind it.
            is_within = (start and text[start] in HIDDEN + MARKS) or text[end : end + 1] in tuple(HIDDEN + MARKS)
            if is_within or text[start] in SPACES or text[start:end].rstrip(HIDDEN + MARKS)[-1:] in tuple(SPACES):
                continue
            if plainly_folded(text[start:end]) != plainly_folded(word):
                continue
            if parts(text, start) and parts(text, end, ending=may_take_ending):
                found_at.add((start, end))
    # Hidden characters at the very start stand before none.
    return {(start, end) for start, end in found_at if not any(end == e and start < s for s, e in found_at)}


def of_words(most):
    return st.text(ALPHABET, min_size=1, max_size=most)


def is_word(text):
    """Tell whether a text is a word with something to see, and each of its marks on a character."""
    folded = plainly_folded(text)
    return bool(folded) and not re.search(f"(^| )[{MARKS}]", folded)


@st.composite
def words_and_text(draw):
    words = draw(st.lists(of_words(4).filter(is_word), max_size=5))
    pieces = st.one_of(of_words(4), st.sampled_from(words)) if words else of_words(4)
    return words, "".join(draw(st.lists(pieces, max_size=5)))


@budget
@given(words_and_text())
@example((["a"], "™\u0301a"))
@example((["s", "ss"], "ß"))
@example((["加"], "加 \u200b加"))
def test_the_same_is_found_as_by_trying_every_place(case):
    words, text = case
    expected = {Hit(*place, number) for number, word in enumerate(words) for place in places(word, text)}
    assert KeywordMatcher(words).find(text) == sorted(expected)


@budget
@given(words_and_text())
def test_the_same_is_taken_out_as_by_trying_every_place(case):
    words, text = case
    gone = {at for word in words for place in places(word, text, may_take_ending=False) for at in range(*place)}
    left = KeywordMatcher(words).take_out(text)
    changed = {at for at, (before, after) in enumerate(zip(text, left, strict=True)) if before != after}
    assert changed == gone
    assert fold(left) == fold("".join(character for at, character in enumerate(text) if at not in gone))


@budget
@given(st.lists(st.text(min_size=1, max_size=5).filter(fold), max_size=5), st.text(max_size=40), st.data())
def test_any_text_of_unicode_is_searched(words, text, data):
    text += "".join(data.draw(st.lists(st.sampled_from(words)))) if words else ""
    for hit in KeywordMatcher(words).find(text):
        assert 0 <= hit.start < hit.end <= len(text)
        assert fold(words[hit.word]) in fold(text[hit.start : hit.end])


@budget
@given(st.text())
def test_a_folded_text_is_not_changed_by_folding_it_again(text):
    assert fold(fold(text)) == fold(text)
