"""SERVICE q:search: the text index asked from inside a query, wherever a SERVICE may stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyoxigraph as ox
import pytest

from quiver.catalogue import load_catalogue, run
from quiver.config import Settings, bundled
from quiver.errors import BadRequest, DamagedRelease, MalformedQuery, QueryRefused, QuiverError
from quiver.evaluation import BrokerHandle, Evaluator, QueryAnswer, QueryRequest, start_broker
from quiver.evaluation.inspection import admit
from quiver.evaluation.local import answer_searches
from quiver.evaluation.text_search import MAX_LIMIT, SEARCH, answer_search_block
from quiver.namespaces import PREFIXES
from quiver.negotiation import JSON, TURTLE, Format, Kind
from quiver.releases import Library, Release, build
from quiver.search import SearchIndex
from tests.sample import write_sample

FORMATS: dict[Kind, Format] = {"solutions": JSON, "boolean": JSON, "graph": TURTLE}
PROLOGUE = f"PREFIX q: <{PREFIXES['q']}> PREFIX rdfs: <{PREFIXES['rdfs']}> "
TEXT = "reinforcement learning"
BLOCK = f'SERVICE q:search {{ ?x q:query "{TEXT}" }}'
PAPERS = f'SERVICE q:search {{ ?x a q:Paper ; q:query "{TEXT}" }}'


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("text-search")
    files = [bundled("data") / "andrew-zhao.txt", bundled("data") / "papers.jsonl", *write_sample(folder)]
    build(folder / "library", files, settings=Settings(jobs=1))
    return Library(folder / "library").current()


@pytest.fixture(scope="module")
def index(release: Release) -> SearchIndex:
    return SearchIndex(release.search_path)


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerHandle]:
    with start_broker(Settings(query_timeout_s=20, log_level="ERROR")) as handle:
        yield handle


@pytest.fixture(scope="module")
def evaluator(broker: BrokerHandle) -> Iterator[Evaluator]:
    with broker.evaluator() as client:
        yield client


Rows = list[dict[str, str]]


@pytest.fixture
def ask(evaluator: Evaluator, release: Release) -> Callable[[str], Rows]:
    def rows(query: str) -> Rows:
        with _evaluate(evaluator, release, PROLOGUE + query) as answer:
            bindings = json.loads(answer.read())["results"]["bindings"]
        return [{name: cell["value"] for name, cell in row.items()} for row in bindings]

    return rows


def _evaluate(evaluator: Evaluator, release: Release, query: str) -> QueryAnswer:
    request = QueryRequest(
        query, release.store_path, FORMATS, base=release.base, search_path=release.search_path, timeout_s=20
    )
    return evaluator.evaluate(request)


@pytest.fixture(scope="module")
def found(index: SearchIndex, release: Release) -> dict[str, set[str]]:
    """What the search box finds, by kind; "" for all kinds."""
    kinds = {"": None, "q:Paper": "paper", "q:NameCluster": "name", "q:VenueSeries": "venue"}
    return {
        name: {release.base + hit.path for hit in index.search(TEXT, kind=kind, limit=1000).hits}
        for name, kind in kinds.items()
    }


def xs(rows: Rows) -> set[str]:
    return {row["x"] for row in rows if "x" in row}


def test_it_finds_what_the_search_box_finds(ask: Callable[[str], Rows], index: SearchIndex, release: Release) -> None:
    expected = [(release.base + hit.path, hit.score) for hit in index.search(TEXT, limit=5).hits]
    rows = ask(
        f'SELECT ?x ?s {{ SERVICE q:search {{ ?x q:query "{TEXT}" ; q:score ?s ; q:limit 5 }} }} ORDER BY DESC(?s)'
    )
    assert sorted((row["x"], float(row["s"])) for row in rows) == sorted(expected)
    assert len(rows) == 5
    later = ask(f'SELECT ?x {{ SERVICE q:search {{ ?x q:query "{TEXT}" ; q:limit 3 ; q:offset 2 }} }}')
    assert [row["x"] for row in later] == [iri for iri, _ in expected[2:5]]


@pytest.mark.parametrize(
    ("kind", "text", "label"),
    [
        ("q:Paper", "absolute zero", "Absolute Zero: Reinforced Self-play Reasoning with Zero Data"),
        ("q:NameCluster", "andrew zhao", "Andrew Zhao"),
        ("q:VenueSeries", "neurips", "NeurIPS"),
    ],
)
def test_papers_names_and_venues_join_with_the_graph(
    ask: Callable[[str], Rows], kind: str, text: str, label: str
) -> None:
    rows = ask(f'SELECT * {{ SERVICE q:search {{ ?x a {kind} ; q:query "{text}" }} ?x rdfs:label ?label ; a {kind} }}')
    assert label in {row["label"] for row in rows}


SPELLINGS = [
    f'SERVICE <{SEARCH}> {{ ?x q:query "{TEXT}" }}',
    f"service silent q:search {{ ?x q:query '''{TEXT}''' . }}",
    f'SERVICESILENT<{SEARCH}>{{?x q:query "{TEXT}"}}',
    f'SERVICE # SERVICE <http://e/>\nq:search # {{\n{{ $x <{PREFIXES["q"]}query> "reinforcement\\u0020learning" ; . }}',
    f'SERVICE q:se\\u0061rch {{ ?x q:query "{TEXT}" }}',
    f'SERVICE q:search {{ ?x q:query "{TEXT}" . ?x q:limit 100 . $x q:offset 0 }}',
    f'?x a ?any . SERVICE q:search {{ ?x q:query "{TEXT}" }}',
]


@pytest.mark.parametrize("block", SPELLINGS)
def test_every_spelling(ask: Callable[[str], Rows], found: dict[str, set[str]], block: str) -> None:
    if "se\\u0061rch" in block:
        # Prefixed names know no codepoint escapes.
        with pytest.raises(MalformedQuery, match="backslash"):
            ask(f"SELECT DISTINCT ?x {{ {block} }}")
        return
    assert xs(ask(f"SELECT DISTINCT ?x {{ {block} }}")) == found[""]


def test_another_prefix_and_a_relative_iri(evaluator: Evaluator, release: Release, found: dict[str, set[str]]) -> None:
    for prologue, name in (
        (f"PREFIX a: <{PREFIXES['q']}sea>", "a:rch"),
        (f"BASE <{PREFIXES['q']}> PREFIX a: <#>", "<#search>"),
        (f"PREFIX : <{PREFIXES['q']}>", ":search"),
    ):
        query = f'{prologue} SELECT * {{ SERVICE {name} {{ ?x <{PREFIXES["q"]}query> "{TEXT}" }} }}'
        with _evaluate(evaluator, release, query) as answer:
            assert answer.rows == len(found[""])
            assert answer.repeatable


# A group in which it stands, and what is found there.
PLACES: list[tuple[str, Callable[[set[str], set[str]], set[str]]]] = [
    (f"{{ SELECT ?x {{ {BLOCK} }} }}", lambda found, papers: found),
    (f"?x a q:Paper . {PAPERS}", lambda found, papers: found),
    (f"{PAPERS} ?x a q:Paper", lambda found, papers: found),
    (f"?x a q:Paper OPTIONAL {{ {PAPERS} ?x rdfs:label ?found }} FILTER(BOUND(?found))", lambda found, papers: found),
    (f"?x a q:Paper OPTIONAL {{ {PAPERS} }}", lambda found, papers: papers),
    (f"{{ ?x a q:Paper }} UNION {{ {PAPERS} }}", lambda found, papers: papers),
    (f"?x a q:Paper MINUS {{ {PAPERS} }}", lambda found, papers: papers - found),
    (f"?x a q:Paper FILTER EXISTS {{ {PAPERS} }}", lambda found, papers: found),
    (f"?x a q:Paper FILTER NOT EXISTS {{ {PAPERS} }}", lambda found, papers: papers - found),
    (f"?x a q:Paper FILTER(!EXISTS {{ {PAPERS} }})", lambda found, papers: papers - found),
    (f"{PAPERS} {PAPERS}", lambda found, papers: found),
    (f'{PAPERS} SERVICE q:search {{ ?x q:query "{TEXT}" ; q:limit 0 }}', lambda found, papers: set()),
    ('SERVICE q:search { ?x q:query "zyzzyvaqqq" ; q:score ?s }', lambda found, papers: set()),
    ('?x a q:Paper . SERVICE q:search { ?x q:query "zyzzyvaqqq" }', lambda found, papers: set()),
    ('?x a q:Paper OPTIONAL { SERVICE q:search { ?x q:query "zyzzyvaqqq" } }', lambda found, papers: papers),
    # There is no named graph; the engine gives a table inside GRAPH all the same, as it does for VALUES.
    (f"GRAPH ?g {{ {PAPERS} }}", lambda found, papers: found),
    (f"GRAPH ?g {{ {PAPERS} ?x a q:Paper }}", lambda found, papers: set()),
    (f"{PAPERS} FILTER(?x != ?x)", lambda found, papers: set()),
    (f"BIND(1 AS ?one) {PAPERS} BIND(2 AS ?two)", lambda found, papers: found),
]


@pytest.mark.parametrize(("group", "expected"), PLACES, ids=[group for group, _ in PLACES])
def test_it_may_stand_wherever_a_service_may(
    ask: Callable[[str], Rows],
    found: dict[str, set[str]],
    group: str,
    expected: Callable[[set[str], set[str]], set[str]],
) -> None:
    papers = xs(ask("SELECT ?x { ?x a q:Paper }"))
    assert set() < found["q:Paper"] < papers
    assert xs(ask(f"SELECT * WHERE {{ {group} }}")) == expected(
        found["q:Paper"] if "a q:Paper" in group else found[""], papers
    )


def test_in_a_graph_it_is_in_each_graph_as_any_table_is() -> None:
    """What GRAPH means for VALUES and for SERVICE: nothing in them looks at a graph."""
    store = ox.Store()
    node = ox.NamedNode("http://e/g")
    store.add(ox.Quad(node, node, node, node))
    query = f"{PROLOGUE} SELECT * {{ GRAPH ?g {{ {BLOCK} ?x ?p ?o }} }}"
    text = admit(query, (), None, lambda block: "VALUES ?x { <http://e/g> }").text
    assert len(list(store.query(text))) == 1  # type: ignore[arg-type]


def test_two_searches_join(ask: Callable[[str], Rows], index: SearchIndex, release: Release) -> None:
    one, two = "reasoning", "zero"
    rows = ask(
        f'SELECT * {{ SERVICE q:search {{ ?x q:query "{one}" ; q:score ?s }} '
        f'SERVICE q:search {{ ?x q:query "{two}" ; q:score ?t }} }}'
    )
    both = [{hit.path for hit in index.search(text, limit=1000).hits} for text in (one, two)]
    assert xs(rows) == {release.base + path for path in both[0] & both[1]} != set()
    assert all(row["s"] != row["t"] for row in rows)


def test_ask_construct_and_describe(evaluator: Evaluator, release: Release) -> None:
    with _evaluate(evaluator, release, f"{PROLOGUE} ASK {{ {PAPERS} }}") as answer:
        assert json.loads(answer.read())["boolean"] is True
    for form in ("CONSTRUCT { ?x rdfs:label ?l }", "DESCRIBE ?x"):
        with _evaluate(evaluator, release, f"{PROLOGUE} {form} WHERE {{ {PAPERS} ?x rdfs:label ?l }}") as answer:
            assert answer.rows


def test_a_snippet_says_why(ask: Callable[[str], Rows], index: SearchIndex, release: Release) -> None:
    rows = ask(f'SELECT * {{ SERVICE q:search {{ ?x q:query "{TEXT}" ; q:snippet ?why }} }}')
    assert {row["x"]: row["why"] for row in rows} == {
        release.base + hit.path: hit.snippet.text for hit in index.search(TEXT, limit=100).hits
    }


def test_what_is_like_a_text_has_most_of_its_telling_words(
    ask: Callable[[str], Rows], index: SearchIndex, release: Release
) -> None:
    text = "A surprising study of unsupervised reinforcement learning, which no paper has as its title"
    rows = ask(f'SELECT ?x ?s {{ SERVICE q:search {{ ?x a q:Paper ; q:like "{text}" ; q:score ?s ; q:limit 5 }} }}')
    assert [row["x"] for row in rows] == [release.base + hit.path for hit in index.like(text, kind="paper", limit=5)]
    assert len(rows) == 5
    assert not ask(f'SELECT * {{ SERVICE q:search {{ ?x a q:Paper ; q:query "{text}" }} }}')


@pytest.mark.parametrize(
    "values",
    [
        f'VALUES ?text {{ "{TEXT}" }}',
        f'VALUES (?one ?text) {{ (<a:b> "{TEXT}") }}',
        f'{{ SELECT ?text {{ VALUES (?text) {{ ("{TEXT}") }} }} }} VALUES $text {{ "{TEXT}" }}',
    ],
)
def test_a_variable_with_one_value_is_that_value(
    ask: Callable[[str], Rows], found: dict[str, set[str]], values: str
) -> None:
    assert xs(ask(f"SELECT * {{ {values} SERVICE q:search {{ ?x q:query ?text }} }}")) == found[""]


@pytest.mark.parametrize(
    "values",
    [
        'VALUES ?text { "a" "b" }',
        'VALUES ?text { "a" } VALUES ?text { "b" }',
        'VALUES (?text ?two) { ("a" 1) ("b" 2) }',
        "VALUES ?text { <a:b> }",
        'VALUES ?text { "a"@en }',
        "VALUES ?text { UNDEF }",
        "VALUES ?text { }",
        'VALUES ?other { "a" }',
        'BIND("a" AS ?text)',
    ],
)
def test_a_variable_with_any_other_value_is_refused(ask: Callable[[str], Rows], values: str) -> None:
    with pytest.raises(MalformedQuery, match="plain string"):
        ask(f"SELECT * {{ {values} SERVICE q:search {{ ?x q:query ?text }} }}")


# The fault, its column in the query, and what is said of it.
FAULTS = [
    ('SERVICE q:search { ?x q:query "year:abc" }', '"year:abc"', "year:abc is no year"),
    ("SERVICE q:search { ?x q:query ?text }", "?text", "plain string"),
    ('SERVICE q:search { ?x q:query "a"@en }', '"a"@en', "plain string"),
    ('SERVICE q:search { ?x q:query "a"^^q:b }', '"a"^^', "plain string"),
    ("SERVICE q:search { ?x q:query 3 }", "3", "plain string"),
    ('SERVICE q:search { ?x q:query "a" ; q:limit "5" }', '"5"', "integer"),
    ('SERVICE q:search { ?x q:query "a" ; q:limit 5.0 }', "5.0", "integer"),
    ('SERVICE q:search { ?x q:query "a" ; q:limit -5 }', "-5", "integer"),
    ('SERVICE q:search { ?x q:query "a" ; q:offset ?n }', "?n", "integer"),
    (f'SERVICE q:search {{ ?x q:query "a" ; q:limit {MAX_LIMIT + 1} }}', str(MAX_LIMIT + 1), "10,000 at most"),
    ('SERVICE q:search { ?x q:query "a" ; q:limit 999999999999999999999999 }', "9999", "integer"),
    ('SERVICE q:search { ?x q:query "a" ; q:score 3 }', "3 }", "variable"),
    ('SERVICE q:search { ?x q:query "a" ; q:score ?x }', "?x }", "already"),
    ('SERVICE q:search { ?x q:query "a" ; q:score ?s ; q:snippet ?s }', "?s ;", "already"),
    ('SERVICE q:search { ?x q:query "a" ; q:query "b" }', 'q:query "b"', "twice"),
    ('SERVICE q:search { ?x q:query "a" ; q:like "b" }', '"b"', "either"),
    ("SERVICE q:search { ?x q:score ?s }", "{ ?x", "q:query is missing"),
    ("SERVICE q:search { }", "{ }", "q:query is missing"),
    ('SERVICE q:search { ?x rdfs:label "a" }', "rdfs:label", "not rdfs:label"),
    ('SERVICE q:search { ?x ?p "a" }', "?p", "property"),
    ('SERVICE q:search { ?x a q:Source ; q:query "a" }', "q:Source", "finds q:Paper"),
    ('SERVICE q:search { ?x a ?class ; q:query "a" }', "?class", "class"),
    ('SERVICE q:search { <a:b> q:query "a" }', "<a:b>", "variable"),
    ('SERVICE q:search { [] q:query "a" }', "[]", "variable"),
    ('SERVICE q:search { ?x q:query "a" . ?y q:limit 3 }', "?y", "one subject"),
    ('SERVICE q:search { ?x q:query "a" , "b" }', ', "b"', "end of the block"),
    ('SERVICE q:search { ?x q:query "a" FILTER(?x) }', "FILTER", "end of the block"),
    ('SERVICE q:search { { ?x q:query "a" } }', "{ ?x", "variable"),
    ('SERVICE q:search { ?x q:query "a" ; n:limit 3 }', "n:limit", "not declared"),
    ("SERVICE q:search ?x", "?x", "braces"),
    ('?s ?p trueSERVICE q:search { ?x q:query "a" }', "trueSERVICE", "set apart"),
    # Where no SERVICE may stand, and after the block.
    (f"OPTIONAL {BLOCK}", "SERVICE", "Unexpected"),
    (f"MINUS {BLOCK}", "SERVICE", "Unexpected"),
    (f"{BLOCK} UNION {{ ?x ?p ?o }}", "UNION", "Unexpected"),
    (f"{BLOCK} ?x ?p }} LIMIT", "} LIMIT", "Unexpected"),
    (f"{BLOCK} # more\n {BLOCK} . ?x rdfs:label ?l ?m", "?m", "Unexpected"),
]


@pytest.mark.parametrize(("group", "fault", "words"), FAULTS)
def test_a_fault_is_named_with_its_place(ask: Callable[[str], Rows], group: str, fault: str, words: str) -> None:
    query = f"SELECT * WHERE\n{{ {group} }}"
    with pytest.raises(MalformedQuery) as caught:
        ask(query)
    error = caught.value
    assert error.status == 400
    assert words in error.message
    sent = PROLOGUE + query
    start = sent.rindex(fault) if words in ("braces", "already", "Unexpected") else sent.index(fault, sent.index("\n"))
    if fault == "SERVICE":
        start = sent.index(fault)
    place = (sent.count("\n", 0, start) + 1, start - sent.rfind("\n", 0, start))
    assert (error.line, error.column) == place, error.message


def test_a_block_that_does_not_end(ask: Callable[[str], Rows]) -> None:
    with pytest.raises(MalformedQuery, match="ends inside a search"):
        ask('SELECT * { SERVICE q:search { ?x q:query "a"')


def test_a_search_beside_a_real_service_is_refused_with_it(ask: Callable[[str], Rows]) -> None:
    with pytest.raises(QueryRefused, match="http://e/"):
        ask(f"SELECT * {{ {BLOCK} SERVICE <http://e/> {{ ?x ?p ?o }} }}")


def test_a_release_without_an_index(evaluator: Evaluator, release: Release, tmp_path: Path) -> None:
    query = f"{PROLOGUE} SELECT * {{ {BLOCK} }}"
    for path in (None, tmp_path / "none"):
        with pytest.raises(BadRequest, match="no text index"):
            evaluator.evaluate(QueryRequest(query, release.store_path, FORMATS, search_path=path))
    with pytest.raises(DamagedRelease):
        evaluator.evaluate(QueryRequest(query, release.store_path, FORMATS, search_path=tmp_path))


def test_workers_leave_no_files_behind(broker: BrokerHandle, ask: Callable[[str], Rows]) -> None:
    ask(f"SELECT * {{ {BLOCK} }}")
    assert [path.name for path in broker.directory.iterdir()] == ["broker"]


@pytest.mark.parametrize("text", ['"', "\\", "\n\t\r", "\x01\x7f", "] <a:b> } SERVICE <http://e/>", "é\U0001f600"])
def test_nothing_found_can_break_out_of_the_table(index: SearchIndex, text: str) -> None:
    """A path and a snippet of any characters: the IRI is refused or kept whole, the snippet is kept."""
    from dataclasses import replace

    from quiver.search import Facets, SearchAnswer, Snippet

    hit = replace(index.search(TEXT, limit=1).hits[0], path="paper/a", snippet=Snippet(text))

    class One(SearchIndex):
        def __init__(self) -> None: ...

        def search(self, text: str, **_: object) -> SearchAnswer:
            return SearchAnswer(1, (hit,), Facets())

    query = f'{PROLOGUE} SELECT ?x ?w {{ SERVICE q:search {{ ?x q:query "a" ; q:snippet ?w }} }}'
    for path in ("paper/a", f"paper/{text}"):
        hit = replace(hit, path=path)
        admitted = admit(query, (), None, lambda block: answer_search_block(block, One(), "http://e/", query))
        try:
            (row,) = ox.Store().query(admitted.text)  # type: ignore[misc]
        except SyntaxError:
            assert path != "paper/a"
            continue
        assert (row["x"].value, row["w"].value) == (f"http://e/{path}", text)


def test_a_named_query_with_a_search_runs_only_when_it_is_answered(release: Release, index: SearchIndex) -> None:
    bound = load_catalogue().get("example/text-search").bind({}, release.base)
    with pytest.raises(QueryRefused):
        run(ox.Store(), bound)
    ready = answer_searches(bound, lambda: index, release.base)
    rows = list(run(release.open_store(), ready))  # type: ignore[arg-type]
    assert len(rows) == len(index.search(TEXT, kind="paper", limit=50).hits)
    other = load_catalogue().get("release/counts").bind({}, release.base)
    assert answer_searches(other, lambda: index, release.base) is other


def test_every_error_has_a_status_of_the_client(ask: Callable[[str], Rows]) -> None:
    for text in ("a* b* c* d* e* f*", "x" * 5000):
        with pytest.raises(QuiverError) as caught:
            ask(f'SELECT * {{ SERVICE q:search {{ ?x q:query "{text}" }} }}')
        assert caught.value.status == 400
        assert "q:query" in caught.value.message
