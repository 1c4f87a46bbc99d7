"""Every query file against a real release: its values, its order, its pages, and the two ways of binding it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from pathlib import Path

import pyoxigraph as ox
import pytest

from quiver.catalogue import Answer, BoundQuery, NamedQuery, evaluate, load_catalogue
from quiver.config import Settings, bundled
from quiver.evaluation.local import answer_searches
from quiver.namespaces import PREFIXES
from quiver.releases import Library, Release, build
from quiver.search import SearchIndex
from tests.sample import write_sample

CATALOGUE = load_catalogue()
QUERIES = list(CATALOGUE)
BOUND = [query for query in QUERIES if query.parameters]
NARROWED = [(query, one.name) for query in QUERIES for one in query.parameters if one.optional]
# A search is answered in the text of a query, before anything is substituted in it.
SUBSTITUTED = [query for query in BOUND if "SERVICE" not in query.executable_text()]
PAGED = [query for query in QUERIES if query.paging]

# A second value for each kind of parameter, and for queries where that one has no answer.
OTHER = {
    "q:NameCluster": "name/mia_fried",
    "q:Paper": "paper/arrow/h-779d59a1c83a4091",
    "q:AuthorRow": "author/papers/n-Gao_Huang",
    "q:VenueSeries": "venue/cvpr",
    "q:VenueEdition": "venue/cvpr/2025",
    "q:Source": "source/papers",
    "q:SourceFile": "source/papers/e5b7f3bf8ea2",
    "rdf:Property": "http://purl.org/dc/terms/title",
    "year": "2024",
    "string": "Two",
}
OTHER_FOR = {
    ("name/similar", "cluster"): "name/hao_dong",
    **{
        (f"name/{query}", name): path
        for query in (
            "papers-in-common",
            "papers-in-common-count",
            "coauthors-in-common",
            "venues-in-common",
            "years-of-two",
            "side-by-side",
        )
        for name, path in (("one", "name/rui_lu"), ("other", "name/matthieu_lin"))
    },
    ("name/papers-in-common-count", "one"): "name/yang_yue",
    ("example/first-author-papers", "cluster"): "name/tong_wu",
    ("example/coauthors-of-coauthors", "cluster"): "name/gao_huang",
    ("example/joint-papers", "one"): "name/rui_lu",
    ("example/joint-papers", "other"): "name/matthieu_lin",
    ("paper/venues", "paper"): "paper/records/conf/one",
    ("paper/links", "paper"): "paper/arrow/h-bbc0b09738a65f80",
    ("paper/same-identifier", "paper"): "paper/papers/iros2021/9636362",
    ("paper/related", "words"): "surprises unsupervised",
    ("edition/neighbours", "edition"): "venue/cvpr/2020",
    ("author/identifiers", "row"): "author/quirks/~7EFried~5FM",
    ("author/affiliations", "row"): "author/quirks/~7EFried~5FM",
    ("explore/outgoing", "resource"): "venue/neurips",
    ("explore/incoming", "resource"): "name/gao_huang",
    ("explore/values", "resource"): "venue/neurips",
    ("explore/values", "property"): "https://w3id.org/quiver/ontology#paperCount",
    ("explore/subjects", "resource"): "venue/cvpr",
    ("explore/subjects", "property"): "https://w3id.org/quiver/ontology#ofSeries",
}
# Area and optional parameter -> two values of it, and what to ask about so that both leave some and not all.
NARROWER: dict[tuple[str, str], tuple[str, str, dict[str, str]]] = {
    ("name", "year"): ("2025", "2024", {}),
    ("name", "venue"): ("venue/neurips", "venue/aaai", {}),
    ("name", "type"): ("Conference Paper", "Journal Article", {"cluster": "name/mia_fried"}),
    ("edition", "type"): ("Poster", "Oral", {}),
    ("edition", "volume"): ("Findings of the Association for Computational Linguistics", "Volume Two", {}),
    ("edition", "letter"): ("A", "D", {}),
}
# What the sample has not: volumes, an ORCID and an id with two names, titles that occur twice.
QUIRKS: tuple[dict[str, object], ...] = (
    {
        "key": "a",
        "title": "A paper in a volume",
        "authors": [
            {"name": "Fried M.", "id": "~Fried_M", "orcid": "0000-0002-1825-0097", "aff": "Basel"},
            {"name": "Ann Lee", "id": "~Ann_Lee1"},
        ],
        "dblp": ["12/345", ""],
        "venue": "NeurIPS",
        "year": 2025,
        "status": "Poster",
        "booktitle": "Findings of the Association for Computational Linguistics",
    },
    {
        "key": "b",
        "title": "Beyond one volume",
        "authors": [{"name": "Anne Lee", "id": "~Ann_Lee1"}, "Bo Ek"],
        "venue": "NeurIPS",
        "year": 2025,
        "status": "Oral",
        "booktitle": "Volume Two",
    },
    {
        "key": "g",
        "title": "Another paper in a volume",
        "authors": ["Bo Ek"],
        "venue": "NeurIPS",
        "year": 2025,
        "status": "Poster",
        "booktitle": "Findings of the Association for Computational Linguistics",
    },
    {"key": "c", "title": "Preface", "authors": ["Bo Ek"], "venue": "ws", "year": 2020},
    {"key": "d", "title": "Preface", "authors": ["Bo Ek", "Ann Lee"], "venue": "ws", "year": 2021},
    {"key": "e", "title": "preface", "authors": ["Cy Ek"], "year": 2021},
    {"key": "f", "title": "Two", "authors": ["Cy Ek"], "venue": "ACL", "year": 2019},
)
# Bounded by being in no order but that of the store's index, which is that of the terms' hashes: see `on_disk`.
UNSORTED = ("explore/incoming", "explore/outgoing", "explore/subjects", "explore/uses", "explore/values")
NOTHING = {"iri": "name/nobody_at_all", "string": "zyzzyvaqqq", "integer": "987654", "year": "1234"}
# Joined from several values, whose order SPARQL leaves open.
JOINED = " | "


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("queries")
    quirks = folder / "quirks.jsonl"
    quirks.write_text("".join(json.dumps(record) + "\n" for record in QUIRKS), encoding="utf-8")
    files = [bundled("data") / "andrew-zhao.txt", bundled("data") / "papers.jsonl", *write_sample(folder), quirks]
    build(folder / "library", files, settings=Settings(jobs=1))
    return Library(folder / "library").current()


@pytest.fixture(scope="module")
def store(release: Release) -> ox.Store:
    return release.open_store()


@pytest.fixture(scope="module")
def shuffled(store: ox.Store) -> ox.Store:
    """The same statements, put in in another order."""
    quads = list(store)
    random.Random(7).shuffle(quads)
    other = ox.Store()
    other.extend(quads)
    return other


@pytest.fixture(scope="module")
def on_disk(store: ox.Store, tmp_path_factory: pytest.TempPathFactory) -> ox.Store:
    """The same statements in a store like that of a release, put in in another order."""
    quads = list(store)
    random.Random(8).shuffle(quads)
    other = ox.Store(str(tmp_path_factory.mktemp("shuffled")))
    other.extend(quads)
    return other


def other_value(query: NamedQuery, name: str) -> str:
    parameter = next(one for one in query.parameters if one.name == name)
    found = OTHER_FOR.get((query.name, name)) or OTHER.get(parameter.class_ or parameter.type)
    assert found, f"the test has no second value for {name} of {query.name}"
    return found


def comparable(query: NamedQuery, answer: Answer) -> list[tuple[object, ...]]:
    """The rows without the columns that repeat a parameter; joined values as sets."""
    kept = {column.name for column in query.result_columns}
    return [
        tuple(
            frozenset(cell.value.split(JOINED)) if cell else None
            for name, cell in zip(answer.columns, row, strict=True)
            if name in kept
        )
        for row in answer.rows
    ]


def bind(
    release: Release, query: NamedQuery, values: Mapping[str, str], limit: int | None = None, offset: int = 0
) -> BoundQuery:
    """The query with these values, its searches answered."""
    bound = query.bind(values, release.base, limit=limit, offset=offset)
    return answer_searches(bound, lambda: SearchIndex(release.search_path), release.base)


def ask(
    store: ox.Store,
    release: Release,
    query: NamedQuery,
    values: Mapping[str, str],
    limit: int | None = None,
    offset: int = 0,
) -> list[tuple[object, ...]]:
    return comparable(query, evaluate(store, bind(release, query, values, limit, offset)))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_the_example_has_an_answer_of_the_columns_stated(query: NamedQuery, store: ox.Store, release: Release) -> None:
    answer = evaluate(store, bind(release, query, query.examples))
    assert answer.columns == tuple(column.name for column in query.columns)
    assert answer.rows
    for row in answer.rows:
        for column, cell in zip(query.columns, row, strict=True):
            if cell is None or column.kind == "term":
                continue
            kind = {"iri": "iri"}.get(column.kind, "literal")
            assert cell.kind == kind, (column, cell)
            if kind == "literal":
                assert cell.datatype.endswith(f"#{column.kind}"), (column, cell)


@pytest.mark.parametrize("query", BOUND, ids=lambda query: query.name)
def test_each_parameter_decides_the_answer(query: NamedQuery, store: ox.Store, release: Release) -> None:
    first = ask(store, release, query, query.examples)
    for parameter in query.parameters:
        if parameter.optional:
            continue
        changed = {**query.examples, parameter.name: other_value(query, parameter.name)}
        second = ask(store, release, query, changed)
        assert second, f"{changed} has no answer"
        assert second != first, f"{parameter.name} changes nothing"
        nothing = {**query.examples, parameter.name: NOTHING[parameter.type]}
        assert ask(store, release, query, nothing) == []


@pytest.mark.parametrize("query, name", NARROWED, ids=lambda value: value if isinstance(value, str) else value.name)
def test_each_optional_parameter_narrows_the_answer(
    query: NamedQuery, name: str, store: ox.Store, release: Release
) -> None:
    """Two values, one that nothing matches, and none at all; a query of facets keeps those of its own parameter."""
    parameter = next(one for one in query.parameters if one.name == name)
    one, other, about = NARROWER[query.area, name]
    whole, first, second, nothing = (
        ask(store, release, query, {**query.examples, **about, **chosen}, limit=1000 if query.paging else None)
        for chosen in ({}, {name: one}, {name: other}, {name: NOTHING[parameter.type]})
    )
    assert first
    assert second
    assert len({str(one) for one in (whole, first, second, nothing)}) == 4, f"{name} changes nothing"
    if query.facets:
        assert set(first) < set(whole)
        assert set(second) < set(whole)
    own = [row for row in nothing if frozenset({name}) not in row]
    assert own == []


@pytest.mark.parametrize(
    "query", [query for query in QUERIES if query.facets and query.count], ids=lambda query: query.name
)
def test_facets_count_what_the_list_has(query: NamedQuery, store: ox.Store, release: Release) -> None:
    """Each figure offered is that of the list narrowed so, alone and with another choice, and so is the count."""
    facets, count = CATALOGUE.get(query.facets), CATALOGUE.get(query.count)
    optional = {one.name: one.example for one in query.parameters if one.optional}
    for chosen in ({}, *({name: value} for name, value in optional.items())):
        values = {**query.examples, **chosen}
        rows = evaluate(store, facets.bind(values, release.base)).dicts()
        assert {row["facet"].value for row in rows if row["facet"]} == {"papers", *optional}
        for row in rows:
            facet, papers = row["facet"], row["papers"]
            assert facet is not None
            assert papers is not None
            narrowed = {**values, facet.value: row["value"].value} if row["value"] else values
            listed = ask(store, release, query, narrowed, limit=1000)
            assert len(listed) == int(papers.value)
            assert ask(store, release, count, narrowed) == [(frozenset({papers.value}),)]


@pytest.mark.parametrize("query", SUBSTITUTED, ids=lambda query: query.name)
def test_values_in_the_text_answer_as_substitutions_do(query: NamedQuery, store: ox.Store, release: Release) -> None:
    for values in (query.examples, {p.name: other_value(query, p.name) for p in query.parameters if not p.optional}):
        bound = query.bind(values, release.base)
        result = store.query(query.executable_text(), substitutions=dict(bound.substitutions))
        expected = comparable(query, evaluate(store, bound))
        if isinstance(result, ox.QuerySolutions):
            kept = [column.name for column in query.result_columns]
            found = [
                tuple(frozenset(row[name].value.split(JOINED)) if row[name] is not None else None for name in kept)
                for row in result
            ]
            assert found == expected
        else:
            assert isinstance(result, ox.QueryTriples)
            assert len(list(result)) == len(expected)
        # Who passes both gets the same.
        assert type(store.query(bound.text, substitutions=dict(bound.substitutions))) is type(result)


@pytest.mark.parametrize("query", PAGED, ids=lambda query: query.name)
def test_pages_put_together_are_the_whole_in_any_store(
    query: NamedQuery, store: ox.Store, shuffled: ox.Store, on_disk: ox.Store, release: Release
) -> None:
    shuffled = on_disk if query.name in UNSORTED else shuffled
    for values in (query.examples, {p.name: other_value(query, p.name) for p in query.parameters if not p.optional}):
        whole = ask(store, release, query, values, limit=100_000)
        assert ask(shuffled, release, query, values, limit=100_000) == whole
        # A page of bylines is a page of papers, so the pages end where one is empty.
        size = 7 if len(whole) < 200 else 150
        pages: list[tuple[object, ...]] = []
        for page in range(1000):
            rows = ask(shuffled if page % 2 else store, release, query, values, limit=size, offset=size * page)
            if not rows:
                break
            pages += rows
        assert pages == whole


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_order_is_total_where_an_answer_is_cut(query: NamedQuery, shuffled: ox.Store, release: Release) -> None:
    """Twice from differently filled stores: the same rows in the same order, materialised answers included."""
    text = query.executable_text()
    limits = len(re.findall(r"\bLIMIT\b", text))
    if query.name in UNSORTED:
        assert "ORDER BY" not in text
        return
    assert len(re.findall(r"ORDER BY[^\n]*\n\s*LIMIT\b", text)) == limits, "a LIMIT without ORDER BY before it"
    if "ORDER BY" not in text:
        return
    kept = release.open_store()
    assert ask(shuffled, release, query, query.examples) == ask(kept, release, query, query.examples)


def test_a_joined_column_may_be_the_only_one_that_holds_the_mark(store: ox.Store, release: Release) -> None:
    """What `comparable` relies on: no name or title of the data holds the separator."""
    for query in (CATALOGUE.get("name/papers"), CATALOGUE.get("author/papers")):
        for row in evaluate(store, query.bind(query.examples, release.base, limit=1000)).dicts():
            for name, cell in row.items():
                assert cell is None or name == "venues" or JOINED not in cell.value


def test_the_page_that_lists_a_paper_is_its_evidence(store: ox.Store, release: Release) -> None:
    query = CATALOGUE.get("name/papers")
    rows = evaluate(store, query.bind({"cluster": "name/andrew_zhao"}, release.base)).dicts()
    listed = [row for row in rows if (cell := row["evidence"]) and "#a" not in cell.value]
    assert [row["title"].value for row in listed if row["title"]] == [
        "Beyond the 80/20 Rule: High-Entropy Minority Tokens Drive Effective Reinforcement Learning for LLM Reasoning"
    ]
    assert [row["evidence"].value for row in listed if row["evidence"]] == [release.base + "page/arrow/andrew_zhao"]


def test_stated_and_found_counts_of_the_page(store: ox.Store, release: Release) -> None:
    query = CATALOGUE.get("name/page-statements")
    (row,) = evaluate(store, query.bind({"cluster": "name/andrew_zhao"}, release.base)).dicts()
    counts = {name: cell.value for name, cell in row.items() if cell and cell.datatype.endswith("#integer")}
    assert counts == {
        "stated_papers": "10",
        "found_papers": "9",
        "on_byline": "8",
        "by_listing": "1",
        "stated_author_rows": "2",
    }


def test_papers_without_year_and_authors_are_found(store: ox.Store, release: Release) -> None:
    undated = evaluate(store, CATALOGUE.get("quality/papers-without-year").bind({}, release.base)).dicts()
    years = {
        title.value: year.value if (year := row["stated_year"]) else "" for row in undated if (title := row["title"])
    }
    assert years == {"Two": "", "Three": "in press"}
    unsigned = evaluate(store, CATALOGUE.get("quality/papers-without-authors").bind({}, release.base)).dicts()
    assert [row["title"].value for row in unsigned if row["title"]] == ["Three"]


def test_one_name_twice_counts_the_paper_once(store: ox.Store, release: Release) -> None:
    cluster = {"cluster": "name/mia_fried"}
    papers = evaluate(store, CATALOGUE.get("name/papers").bind(cluster, release.base)).dicts()
    twice = [row for row in papers if row["title"] and row["title"].value.startswith("One ")]
    assert len(twice) == 1
    assert twice[0]["venues"] is not None
    assert set(twice[0]["venues"].value.split(JOINED)) == {"ACL", "ws"}
    rows = evaluate(store, CATALOGUE.get("name/coauthors").bind(cluster, release.base)).dicts()
    counts = {
        row["coauthor_label"].value: row["papers"].value for row in rows if row["coauthor_label"] and row["papers"]
    }
    assert counts["Ann Lee"] == "2"
    assert "Mia Fried" not in counts
    repeated = evaluate(store, CATALOGUE.get("quality/repeated-name-on-byline").bind({}, release.base)).dicts()
    assert "Mia Fried" in {row["cluster_label"].value for row in repeated if row["cluster_label"]}


@pytest.mark.parametrize(
    "path", sorted(bundled("queries").glob("*/*.rq")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_file_is_sparql_as_it_stands(path: Path) -> None:
    """Header and all, as another tool would read it, and with the prefixes that are used everywhere."""
    text = path.read_text(encoding="utf-8")
    ox.Store().query(text)
    for prefix, namespace in re.findall(r"^PREFIX (\w+): <([^>]*)>$", text, re.MULTILINE):
        assert PREFIXES[prefix] == namespace
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 200
