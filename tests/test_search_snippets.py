"""Folding, and snippets whose ranges point at what matched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.search import Snippet
from quiver.search.folding import fold, folded_words
from quiver.search.snippets import compile_sequences, cut_snippet


def marked(snippet: Snippet) -> list[str]:
    return [snippet.text[start:end] for start, end in snippet.ranges]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Schölkopf", ["scholkopf"]),
        ("Scho\u0308lkopf", ["scholkopf"]),
        ("Łukasz Øster Đorđe", ["lukasz", "oster", "dorde"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("İstanbul ırmak", ["istanbul", "irmak"]),
        ("Nguyễn", ["nguyen"]),
        ("Ｆｕｌｌ ﬁne", ["full", "fine"]),
        ("Παπαδόπουλος", ["παπαδοπουλοσ"]),
        ("李伟 wei", ["李", "伟", "wei"]),
        ("カタ", ["カ", "タ"]),
        ("김철수", ["김철수"]),
        ("inter\u00adnational", ["international"]),
        ("GPT-4: k=1", ["gpt", "4", "k", "1"]),
        ("", []),
        ("?!", []),
    ],
)
def test_words_without_case_and_accents(text: str, words: list[str]) -> None:
    assert folded_words(text) == words


@given(st.text())
def test_folding_folded_text_changes_no_word(text: str) -> None:
    assert folded_words(fold(text)) == folded_words(text)


@given(st.text())
def test_the_snippet_of_a_short_text_is_the_text_and_its_ranges_lie_in_order(text: str) -> None:
    words = folded_words(text)[:3]
    snippet = cut_snippet(text, compile_sequences([((word,), False) for word in words]))
    assert snippet.text == text
    places = [place for piece in snippet.ranges for place in piece]
    assert places == sorted(places)
    assert all(0 <= place <= len(text) for place in places)


def test_the_ranges_are_what_matched_as_it_is_written() -> None:
    text = "“Schölkopf’s” kernels… by SCHOLKOPF and Straßer, not scholkopfian; 李伟 too."
    found = compile_sequences([(("scholkopf",), False), (("strass",), True), (("李", "伟"), False)])
    assert marked(cut_snippet(text, found)) == ["Schölkopf", "SCHOLKOPF", "Straßer", "李伟"]


def test_a_phrase_is_one_range_and_its_words_alone_are_none() -> None:
    found = compile_sequences([(("state", "of", "the", "art"), False)])
    snippet = cut_snippet("The state-of-the-art of the state of  the art.", found)
    assert marked(snippet) == ["state-of-the-art", "state of  the art"]


def test_a_long_text_is_cut_at_words_around_the_most_matches() -> None:
    text = "filler " * 100 + "graph only " + "filler " * 100 + "neural graph here " + "filler " * 100
    snippet = cut_snippet(text, compile_sequences([(("graph",), False), (("neural",), False)]))
    assert marked(snippet) == ["neural", "graph"]
    assert len(snippet.text) <= 270
    assert snippet.text[0] == snippet.text[-1] == "…"
    assert set(snippet.text.strip("…").split()) == {"filler", "neural", "graph", "here", "only"} - {"only"}


def test_without_a_match_the_text_begins_at_its_beginning() -> None:
    snippet = cut_snippet("word " * 200, compile_sequences([(("absent",), False)]))
    assert snippet.text.startswith("word word")
    assert snippet.text.endswith("word…")
    assert snippet.ranges == ()
