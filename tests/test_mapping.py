"""Mapping: whatever a source states becomes valid N-Quads in the engine's own form, and is still there to be read."""

from __future__ import annotations

import re

import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.identifiers import Minter
from quiver.mapping import map_cluster_page, map_paper
from quiver.mapping.papers import web_address
from quiver.mapping.terms import literal
from quiver.namespaces import term
from quiver.records import Author, ClusterPage, Record

MINTER = Minter("http://localhost:8000/")
# Everything that JSON can carry: no lone surrogates, but every control character.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TEXTS = st.lists(TEXT.filter(bool), max_size=3, unique=True).map(tuple)
PAIRS = st.lists(st.tuples(st.sampled_from(["arxiv", "isbn", "x"]), TEXT), max_size=3).map(tuple)
AUTHORS = st.builds(
    Author, name=TEXT, id=TEXT, given=TEXT, family=TEXT, orcid=TEXT, affiliations=TEXTS, identifiers=PAIRS
)
RECORDS = st.builds(
    Record,
    title=TEXT,
    key=TEXT,
    authors=st.lists(AUTHORS, max_size=4).map(tuple),
    byline_may_be_cut=st.booleans(),
    abstract=TEXT,
    year=st.none() | st.integers(1000, 9999),
    stated_year=TEXT,
    venues=TEXTS,
    types=TEXTS,
    statuses=TEXTS,
    dois=TEXTS,
    urls=TEXTS,
    pdfs=TEXTS,
    links=TEXTS,
    identifiers=PAIRS,
    fields=PAIRS,
)


def triples(record: Record, listed_by: tuple[str, ...] = ()) -> set[tuple[str, str, str]]:
    """Subject, predicate and object values of a mapped record, as the engine reads them."""
    lines = map_paper(
        record,
        source="s",
        key=record.local_key(),
        files=[MINTER.source_file("s", "0" * 64)],
        locator="1",
        listed_by=listed_by,
        minter=MINTER,
    ).lines
    quads = list(pyoxigraph.parse("".join(lines), format=pyoxigraph.RdfFormat.N_QUADS))
    assert len(quads) == len(set(quads)) == len(lines)
    store = pyoxigraph.Store()
    store.extend(quads)
    assert {f"{quad} .\n" for quad in store} == set(lines)
    found = set()
    for quad in quads:
        assert isinstance(quad.subject, pyoxigraph.NamedNode)
        assert isinstance(quad.object, (pyoxigraph.NamedNode, pyoxigraph.Literal))
        found.add((quad.subject.value, quad.predicate.value, quad.object.value))
    return found


def values(found: set[tuple[str, str, str]], curie: str, subject: str = "") -> set[str]:
    return {o for s, p, o in found if p == term(curie) and s.endswith(subject)}


@given(RECORDS)
def test_any_record_becomes_valid_statements_and_loses_nothing(record: Record) -> None:
    found = triples(record)
    paper = MINTER.paper("s", record.local_key())
    kept = {o for _, _, o in found}

    def carried(text: str) -> str:
        return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", text)

    assert (paper, term("rdf:type"), term("q:Paper")) in found
    for text in (record.title, *record.venues, *record.types, *record.statuses):
        assert carried(text) in kept
    for stated_id in record.dois:
        assert {carried(stated_id), f"doi:{carried(stated_id)}"} & kept
    for link in (*record.urls, *record.pdfs, *record.links):
        assert carried(link) in kept
    ordinals = sorted(int(value) for value in values(found, "q:ordinal"))
    assert ordinals == list(range(1, len(record.authors) + 1))
    assert values(found, "q:authorCount") == {str(len(record.authors))}
    for number, author in enumerate(record.authors, start=1):
        fragment = f"#a{number}"
        assert len(values(found, "q:inNameCluster", fragment)) == len(values(found, "q:authorRow", fragment)) == 1
        assert values(found, "q:statedName", fragment) == {carried(author.name)}


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ('a "b" \\ c', '"a \\"b\\" \\\\ c"'),
        ("line\nfeed\r", '"line\\nfeed\\r"'),
        ("nul\x00 bell\x07 tab\t", '"nul\ufffd bell\ufffd tab\\t"'),
        ("\ud800", '"\ufffd"'),
        ("\ufffe\uffff", '"\ufffd\ufffd"'),
        ("\u202eright to left", '"\u202eright to left"'),
    ],
)
def test_literals(text: str, quoted: str) -> None:
    assert literal(text) == quoted


@pytest.mark.parametrize(
    ("stated", "address"),
    [
        ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        ("https: //example. org/a", "https://example.org/a"),
        ("P18-1001", "https://aclanthology.org/P18-1001"),
        ("2020.acl-main.1", "https://aclanthology.org/2020.acl-main.1"),
        ("javascript:alert(1)", None),
        ("java script:alert(1)", None),
        ("data:text/html,x", None),
        ("http://", None),
        ("see the journal", None),
        ("//example.org/", None),
    ],
)
def test_only_web_addresses_become_links(stated: str, address: str | None) -> None:
    assert web_address(stated) == address


def test_byline_status() -> None:
    authors = (Author(name="Ann Lee"), Author(name="Bo Wu"))
    status = "q:bylineStatus"
    assert values(triples(Record(title="T", authors=authors)), status) == {term("q:Complete")}
    cut = Record(title="T", authors=authors, byline_may_be_cut=True)
    assert values(triples(cut), status) == {term("q:PossiblyAbridged")}
    assert values(triples(cut, ("ann lee",)), status) == {term("q:PossiblyAbridged")}
    assert values(triples(cut, ("ann lee", "andrew zhao")), status) == {term("q:Abridged")}


def test_the_same_name_twice_is_two_signatures_and_one_creator() -> None:
    found = triples(Record(title="T", authors=(Author(name="Wei Li"), Author(name="Wei Li"))))
    assert len(values(found, "q:hasSignature")) == 2
    assert values(found, "dc:creator") == {"Wei Li"}
    assert len(values(found, "q:inNameCluster")) == 1


def test_homonym_numbers_stay_out_of_what_is_shown() -> None:
    found = triples(Record(title="T", authors=(Author(name="Hao Dong 0003"),)))
    assert values(found, "dc:creator") == values(found, "q:displayName") == {"Hao Dong"}
    assert values(found, "rdfs:label", "#a1") == {"Hao Dong"}
    assert values(found, "q:statedName") == {"Hao Dong 0003"}


def test_a_listing_without_a_record_is_kept_as_stated() -> None:
    page = ClusterPage(name="Ann Lee", paper_count=2, lists=("known", "unknown"))
    lines = map_cluster_page(page, source="s", key="ann lee", found={"known"}, files=[], locator="1", minter=MINTER)
    text = "".join(lines)
    assert f"q#x> <{MINTER.paper('s', 'known')}>".partition("> ")[2] in text
    assert '"unknown"' in text
    assert MINTER.paper("s", "unknown") not in text


def test_a_cluster_is_never_a_creator_in_the_agent_sense() -> None:
    found = triples(Record(title="T", authors=(Author(name="Ann Lee"),)))
    forbidden = {term(curie) for curie in ("dcterms:creator", "foaf:maker", "schema:author", "owl:sameAs")}
    assert not {p for _, p, _ in found} & forbidden
