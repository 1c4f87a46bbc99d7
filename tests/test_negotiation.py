"""The table of formats, and the choice among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.negotiation import (
    BIBTEX,
    CSL,
    CSV,
    FORMATS,
    GRAPHS,
    HTML,
    JSON,
    JSONLD,
    NTRIPLES,
    PROBLEM,
    RDFXML,
    RIS,
    SOLUTIONS,
    TEXT,
    TSV,
    TURTLE,
    XML,
    Format,
    by_name,
    choose,
    parse_accept,
    split_extension,
)

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PAPER = (HTML, TURTLE, NTRIPLES, JSONLD, RDFXML, BIBTEX, RIS, CSL)


@pytest.mark.parametrize(
    ("accept", "offered", "expected"),
    [
        # Any.
        (None, SOLUTIONS, JSON),
        ("", SOLUTIONS, JSON),
        ("   ", GRAPHS, TURTLE),
        ("*/*", SOLUTIONS, JSON),
        ("*", SOLUTIONS, JSON),
        (None, (), None),
        # One type, its alias, its letter case.
        ("text/csv", SOLUTIONS, CSV),
        ("TEXT/CSV", SOLUTIONS, CSV),
        ("application/json", SOLUTIONS, JSON),
        ("application/x-bibtex", PAPER, BIBTEX),
        ("application/xhtml+xml", PAPER, HTML),
        ("application/json", (PROBLEM, HTML), PROBLEM),
        # Nothing that we have.
        ("image/png", SOLUTIONS, None),
        ("text/turtle", SOLUTIONS, None),
        # Quality.
        ("text/csv;q=0.5, text/tab-separated-values", SOLUTIONS, TSV),
        ("text/csv;q=0.5, text/tab-separated-values;q=0.4", SOLUTIONS, CSV),
        ("text/csv;q=0", SOLUTIONS, None),
        ("*/*;q=0", SOLUTIONS, None),
        ("text/csv ; q=0.001", SOLUTIONS, CSV),
        # The more specific range decides about a type, wherever it stands.
        ("*/*, application/sparql-results+json;q=0", SOLUTIONS, XML),
        ("application/sparql-results+json;q=0, */*", SOLUTIONS, XML),
        ("text/*;q=0.9, text/turtle;q=0.1, application/rdf+xml;q=0.5", (TURTLE, RDFXML), RDFXML),
        ("text/*", SOLUTIONS, CSV),  # not for an alias such as text/xml: the answer would not carry it
        ("text/*", (CSV, TSV), CSV),
        # Ties go by the order offered, not by the order accepted.
        ("text/csv, application/sparql-results+json", SOLUTIONS, JSON),
        # Parameters of the media type.
        ("text/turtle;charset=utf-8", GRAPHS, TURTLE),
        ("text/turtle; charset=UTF-8; q=0.3", GRAPHS, TURTLE),
        ("text/turtle;charset=iso-8859-1", GRAPHS, None),
        ('application/ld+json;profile="http://www.w3.org/ns/json-ld#compacted"', GRAPHS, JSONLD),
        ('application/ld+json;profile="a,b;c"', GRAPHS, JSONLD),
        ("text/turtle;q=0.2;extension=1", GRAPHS, TURTLE),
        # Malformed ranges are passed over.
        ("nonsense, text/csv", SOLUTIONS, CSV),
        ("text/csv;q=2, text/tab-separated-values;q=0.1", SOLUTIONS, TSV),
        ("*/csv, text/tab-separated-values", SOLUTIONS, TSV),
        ("text/, /csv, ;;;, text/csv;q", SOLUTIONS, JSON),
        (",,text/csv,,", SOLUTIONS, CSV),
        # What clients send.
        (FIREFOX, PAPER, HTML),
        (FIREFOX, (PROBLEM, HTML, TEXT), HTML),
        ("application/sparql-results+json,*/*;q=0.9", SOLUTIONS, JSON),
        ("application/rdf+xml, text/turtle;q=0.9, */*;q=0.1", PAPER, RDFXML),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", PAPER, HTML),
    ],
)
def test_accept(accept: str | None, offered: tuple[Format, ...], expected: Format | None) -> None:
    assert choose(accept, offered) is expected


@given(st.text(alphabet='abcdehlmrtuvx/*;,=q.01"\\ +-', max_size=80))
def test_any_header_gives_a_format_that_is_offered_or_none(header: str) -> None:
    assert choose(header, PAPER) in (*PAPER, None)


@given(st.permutations(SOLUTIONS), st.integers(0, 3))
def test_an_explicit_wish_does_not_depend_on_the_order_offered(offered: list[Format], which: int) -> None:
    wanted = SOLUTIONS[which]
    assert choose(f"*/*;q=0.5, {wanted.media_type}", offered) is wanted


def test_ranges_keep_order_type_and_quality() -> None:
    ranges = parse_accept('Text/Turtle;Charset="UTF-8";q=0.25, */*')
    assert [(one.type, one.subtype, one.parameters, one.quality) for one in ranges] == [
        ("text", "turtle", (("charset", "utf-8"),), 0.25),
        ("*", "*", (), 1.0),
    ]


@pytest.mark.parametrize(
    ("path", "stem", "expected"),
    [
        ("paper/acl/2020.acl-main.1.csl.json", "paper/acl/2020.acl-main.1", CSL),
        ("queries/name/papers.json", "queries/name/papers", JSON),
        ("name/andrew_zhao.ttl", "name/andrew_zhao", TURTLE),
        ("name/andrew_zhao.html", "name/andrew_zhao", HTML),
        ("paper/acl/2020.acl-main.1", "paper/acl/2020.acl-main.1", None),
        ("paper/x.TTL", "paper/x.TTL", None),
        ("ttl", "ttl", None),
    ],
)
def test_the_extension_names_the_format(path: str, stem: str, expected: Format | None) -> None:
    assert split_extension(path) == (stem, expected)


def test_only_offered_extensions_are_taken_off() -> None:
    assert split_extension("paper/x.bib", GRAPHS) == ("paper/x.bib", None)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_format_is_found_by_name_extension_and_media_type(form: Format) -> None:
    assert by_name(form.name) is form
    assert by_name(form.extension.upper()) is form
    assert by_name(form.media_type) is form
    assert split_extension(f"x.{form.extension}") == ("x", form)
    assert choose(form.content_type, (form,)) is form


def test_names_and_extensions_are_unique() -> None:
    assert len({form.name for form in FORMATS}) == len(FORMATS)
    assert len({form.extension for form in FORMATS}) == len(FORMATS)


def test_an_unknown_name_is_none() -> None:
    assert by_name("docx") is None
