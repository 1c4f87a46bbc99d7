"""The query language: what a person types, and what is made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import InvalidSearch
from quiver.search.language import Clause, Words, Years, parse_search, write_search


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("", ()),
        ("  \t ", ()),
        ("deep learning", (Words("deep"), Words("learning"))),
        ('"deep learning" survey', (Words("deep learning", phrase=True), Words("survey"))),
        ("“deep learning”", (Words("deep learning", phrase=True),)),
        ("transform*", (Words("transform", prefix=True),)),
        ("author:zhao", (Words("zhao", field="author"),)),
        ('author:"Andrew Zhao"', (Words("Andrew Zhao", field="author", phrase=True),)),
        ("AUTHOR:zhao", (Words("zhao", field="author"),)),
        ("author: zhao", (Words("zhao", field="author"),)),
        ("venue:neurips title:graph*", (Words("neurips", "venue"), Words("graph", "title", prefix=True))),
        ("graph -neural", (Words("graph"), Words("neural", negated=True))),
        ('-"neural network"', (Words("neural network", phrase=True, negated=True),)),
        ("-author:zhao", (Words("zhao", field="author", negated=True),)),
        ("pre-training", (Words("pre-training"),)),
        ("graphs - a survey", (Words("graphs"), Words("-"), Words("a"), Words("survey"))),
        ("year:2020", (Years(2020, 2020),)),
        ("year:2020-2024", (Years(2020, 2024),)),
        ("year:2020–2024", (Years(2020, 2024),)),
        ("year:2020-", (Years(2020, None),)),
        ("year:-2019", (Years(None, 2019),)),
        ("-year:2020", (Years(2020, 2020, negated=True),)),
        ("graph graph", (Words("graph"),)),
    ],
)
def test_what_the_language_means(text: str, clauses: tuple[Clause, ...]) -> None:
    assert parse_search(text) == clauses


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('5" screens', ["5", "screens"]),
        ('"unfinished phrase', ["unfinished", "phrase"]),
        ("BERT: Pre-training", ["BERT:", "Pre-training"]),
        ("Title: A story", ["Title:", "A", "story"]),
        ("the year: a study", ["the", "year:", "a", "study"]),
        ("author:", ["author:"]),
        ("foo:bar", ["foo:bar"]),
        ("C++ (and) [C] {x} ^~\\/ AND OR NOT", ["C++", "(and)", "[C]", "{x}", "^~\\/", "AND", "OR", "NOT"]),
        ('""', []),
        ("***", []),
    ],
)
def test_what_is_no_part_of_the_language_is_plain_words(text: str, words: list[str]) -> None:
    assert parse_search(text) == tuple(Words(word) for word in words)


@pytest.mark.parametrize(
    ("text", "value"),
    [("year:soon", "soon"), ("graph year:20202021", "20202021"), ("year:2024-2020", "2024-2020"), ("year:-", "-")],
)
def test_a_year_that_is_none_is_refused_with_its_value(text: str, value: str) -> None:
    with pytest.raises(InvalidSearch, match="year:") as caught:
        parse_search(text)
    assert caught.value.value == value
    assert caught.value.hint.startswith("Write year:")


@pytest.mark.parametrize("text", ["word " * 1000, "a* b* c* d* e* f*"])
def test_a_text_that_asks_for_far_too_much_is_refused(text: str) -> None:
    with pytest.raises(InvalidSearch) as caught:
        parse_search(text)
    assert caught.value.hint.startswith("At most")


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), unique=True, max_size=8))
def test_plain_words_stay_in_their_order(words: list[str]) -> None:
    assert parse_search("  ".join(words)) == tuple(Words(word) for word in words)


_WORDS = [
    "a",
    "-b",
    "ö*",
    '"a b"',
    "title:a",
    "author: ",
    ":",
    "::a",
    "-",
    "--a",
    "-venue:b*",
    "year:2020-",
    "-year:0999",
]


@given(st.lists(st.sampled_from(_WORDS), max_size=9).map(" ".join))
def test_what_is_written_is_read_as_the_same(text: str) -> None:
    clauses = parse_search(text)
    assert parse_search(write_search(clauses)) == clauses
