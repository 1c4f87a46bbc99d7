"""Query files as they are read, bound, run and kept."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiver.catalogue import (
    Answer,
    Catalogue,
    Cell,
    NamedQuery,
    evaluate,
    load_catalogue,
    materialise,
    read_materialised,
    read_query,
    result_path,
    run,
    serialise,
    serialise_materialised,
)
from quiver.catalogue.standalone import query_form, where_blocks, with_values
from quiver.errors import InvalidParameter, InvalidQueryFile, UnknownQuery
from quiver.namespaces import PREFIXES, term

BASE = "https://kg.example.org/"
HEADER = '#+ title = "T"\n#+ summary = "S"\n'
PAGED = (
    HEADER
    + '#+ param.word = { type = "string", example = "a" }\n'
    + '#+ columns = ["word string", "thing iri"]\n#+ paging = true\n'
    + "SELECT ?word ?thing WHERE { ?thing <http://e/says> ?word } ORDER BY ?thing\nLIMIT 5 OFFSET 0 # page\n"
)


def write(folder: Path, text: str, name: str = "area/one") -> Path:
    path = folder / f"{name}.rq"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def parse(folder: Path, text: str) -> NamedQuery:
    return read_query(write(folder, text))


@pytest.fixture
def store() -> ox.Store:
    store = ox.Store()
    for number in range(12):
        store.add(ox.Quad(ox.NamedNode(f"http://e/{number:02}"), ox.NamedNode("http://e/says"), ox.Literal("hi")))
    store.add(ox.Quad(ox.NamedNode("http://e/x"), ox.NamedNode("http://e/says"), ox.Literal('"} UNION { ?a ?b ?c')))
    return store


def test_the_installed_catalogue_is_whole_and_in_order() -> None:
    catalogue = load_catalogue()
    names = [query.name for query in catalogue]
    assert names == sorted(names)
    assert len(names) == len(catalogue) > 40
    assert [query.name for queries in catalogue.areas().values() for query in queries if query.area == "name"] == [
        name for name in names if name.startswith("name/")
    ]
    assert next(iter(catalogue.areas())) == "name"


def test_an_unknown_name_names_its_neighbours() -> None:
    with pytest.raises(UnknownQuery) as caught:
        load_catalogue().get("name/paper")
    assert "name/papers" in caught.value.hint
    assert caught.value.status == 404


A = "#+ param.a = { type = "
CHOICE = '#+ param.year = { type = "year", optional = true, example = 2020 }\n'
YEARS = """SELECT ?s ?year
WHERE {
  ?s <http://e/year> ?year
  VALUES ?wanted { UNDEF } # param.year
  FILTER(!BOUND(?wanted) || ?year = ?wanted)
}
ORDER BY ?s
"""
S_IRI = HEADER + '#+ columns = ["s iri"]\n'


@pytest.mark.parametrize(
    "header, line, words",
    [
        ("SELECT * WHERE { ?s ?p ?o }\n", 1, "no header"),
        ('#+ title = "T"\n#+ summary = \nSELECT * WHERE {}\n', 2, "no TOML"),
        ('#+ title = "T"\nSELECT * WHERE {}\n', 1, "summary"),
        (HEADER + "#+ colour = 1\nSELECT * WHERE {}\n", 3, "colour"),
        (HEADER + "#+ paging = 1\nSELECT * WHERE {}\n", 3, "bool"),
        (HEADER + '#+ chart = "pie"\nSELECT * WHERE {}\n', 3, "pie"),
        (HEADER + '#+ uses = ["elsewhere"]\nSELECT * WHERE {}\n', 3, "elsewhere"),
        (HEADER + '#+ columns = ["s uri"]\nSELECT ?s WHERE {}\n', 3, "s uri"),
        (HEADER + A + '"uri", example = "x" }\nSELECT ?a WHERE {}\n', 3, "uri"),
        (HEADER + A + '"iri" }\nSELECT ?a WHERE {}\n', 3, "example"),
        (HEADER + '#+ param.A = { type = "iri", example = "x" }\nSELECT ?a WHERE {}\n', 3, "cannot name"),
        (HEADER + '#+ param.limit = { type = "integer", example = 1 }\nSELECT ?limit WHERE {}\n', 3, "cannot name"),
        (HEADER + A + '"integer", example = "x" }\nSELECT ?a WHERE {}\n', 3, "not an integer"),
        (HEADER + A + '"iri", class = "nope:X", example = "x" }\nSELECT ?a WHERE {}\n', 3, "nope"),
        (HEADER + A + '"year", class = "q:X", example = 2000 }\nSELECT ?a WHERE {}\n', 3, "class"),
        (HEADER + '#+ materialise = true\n' + A + '"iri", example = "x" }\nSELECT ?a WHERE {}\n', 3, "param"),
        (HEADER + 'SELECT ?s\nWHERE { ?s ?p }\n#+ columns = ["s iri"]\n', 5, "after the end"),
        (S_IRI + 'SELECT ?s\nWHERE { ?s ?p }\n', 5, "malformed"),
        (S_IRI + 'SELECT ?s ?p WHERE { ?s ?p ?o }\n', 4, "it selects s, p"),
        (S_IRI + 'SELECT ?s { ?s ?p ?o }\n', 4, "no WHERE"),
        (S_IRI + 'PREFIX q: <http://e/>\nSELECT ?s WHERE { ?s ?p ?o }\n', 4, "everywhere else"),
        (S_IRI + '#+ paging = true\nSELECT ?s WHERE { ?s ?p ?o } LIMIT 5\n', 5, "# page"),
        (S_IRI + 'SELECT ?s WHERE { ?s ?p ?o }\nLIMIT 5 OFFSET 0 # page\n', 4, "# page"),
        (
            S_IRI + '#+ param.o = { type = "iri", example = "x" }\nSELECT ?s WHERE { ?s ?p ?o }\n',
            5,
            "projected",
        ),
        (HEADER + CHOICE.replace("optional", 'default = "2020", optional') + YEARS, 3, "has no default"),
        (HEADER + CHOICE + YEARS.replace(" # param.year", ""), 4, "year: each optional parameter"),
        (HEADER + CHOICE + YEARS.replace("param.year", "param.jear"), 4, "jear, year: each optional"),
        (HEADER + YEARS, 3, "year: each optional parameter"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_told_with_its_line(tmp_path: Path, header: str, line: int, words: str) -> None:
    path = write(tmp_path, header)
    with pytest.raises(InvalidQueryFile) as caught:
        read_query(path)
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert words in caught.value.message


def test_bytes_that_are_no_utf8_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.rq"
    path.parent.mkdir()
    path.write_bytes(b'#+ title = "\xff"\n')
    with pytest.raises(InvalidQueryFile, match="not UTF-8"):
        load_catalogue(tmp_path)


@pytest.mark.parametrize(
    "role, name, words",
    [
        ("count", "area/none", "no such query"),
        ("count", "area/two", "other parameters"),
        ("facets", "area/none", "no such query"),
        ("facets", "area/one", "its columns are thing"),
    ],
)
def test_counts_and_facets_are_queries_of_the_same_parameters(tmp_path: Path, role: str, name: str, words: str) -> None:
    write(tmp_path, PAGED.replace("#+ paging", f'#+ {role} = "{name}"\n#+ paging'))
    write(tmp_path, S_IRI + "SELECT ?s WHERE { ?s ?p ?o }\n", "area/two")
    with pytest.raises(InvalidQueryFile, match=words):
        load_catalogue(tmp_path)


@pytest.mark.parametrize(
    "kind, value, expected",
    [
        ("iri", "name/andrew_zhao", ox.NamedNode(BASE + "name/andrew_zhao")),
        ("iri", "/name/李伟", ox.NamedNode(BASE + "name/李伟")),
        ("iri", "http://other.example/x#y", ox.NamedNode("http://other.example/x#y")),
        ("string", 'a "b" \\ {}', ox.Literal('a "b" \\ {}')),
        ("integer", " -12 ", ox.Literal("-12", datatype=ox.NamedNode(term("xsd:integer")))),
        ("integer", "007", ox.Literal("7", datatype=ox.NamedNode(term("xsd:integer")))),
        ("year", "2025", ox.Literal("2025", datatype=ox.NamedNode(term("xsd:integer")))),
    ],
)
def test_values_become_terms(tmp_path: Path, kind: str, value: str, expected: ox.NamedNode | ox.Literal) -> None:
    query = parse(tmp_path, one_parameter(kind))
    assert dict(query.bind({"a": value}, BASE).substitutions) == {ox.Variable("a"): expected}


@pytest.mark.parametrize(
    "kind, value",
    [
        ("iri", ""),
        ("iri", "/"),
        ("iri", "name/a b"),
        ("iri", "name/a> } DELETE"),
        ("iri", "http://e/<x>"),
        ("string", "a\x00b"),
        ("string", "\ud800"),
        ("integer", "1.5"),
        ("integer", "1 OFFSET 2"),
        ("integer", "٣"),
        ("integer", "9" * 30),
        ("year", "20255"),
        ("year", "0999"),
        ("year", "in press"),
    ],
)
def test_a_value_of_another_type_is_told_with_an_example(tmp_path: Path, kind: str, value: str) -> None:
    query = parse(tmp_path, one_parameter(kind))
    with pytest.raises(InvalidParameter) as caught:
        query.bind({"a": value}, BASE)
    assert caught.value.value == value
    assert "parameter a" in caught.value.message
    assert query.parameters[0].example in caught.value.hint


def one_parameter(kind: str) -> str:
    example = {"iri": '"name/x"', "string": '"word"', "integer": "3", "year": "2020"}[kind]
    return (
        HEADER + f'#+ param.a = {{ type = "{kind}", example = {example} }}\n#+ columns = ["a term", "s iri"]\n'
        "SELECT ?a ?s WHERE { ?s ?p ?a }\n"
    )


def test_missing_unknown_and_default_values(tmp_path: Path) -> None:
    query = parse(tmp_path, PAGED)
    with pytest.raises(InvalidParameter, match="needs the parameter word"):
        query.bind({}, BASE)
    with pytest.raises(InvalidParameter, match="no parameter wort"):
        query.bind({"word": "a", "wort": "b"}, BASE)
    defaulted = parse(tmp_path, PAGED.replace('example = "a"', 'example = "a", default = "hi"'))
    assert dict(defaulted.bind({}, BASE).substitutions) == {ox.Variable("word"): ox.Literal("hi")}
    assert not defaulted.parameters[0].required


def test_an_optional_parameter_narrows_where_it_has_a_value(tmp_path: Path) -> None:
    query = parse(tmp_path, HEADER + CHOICE + '#+ columns = ["s iri", "year integer"]\n' + YEARS)
    store = ox.Store()
    for year in (2020, 2021):
        store.add(ox.Quad(ox.NamedNode(f"http://e/{year}"), ox.NamedNode("http://e/year"), ox.Literal(year)))

    def years(values: dict[str, str]) -> list[str]:
        return [cell.value for row in evaluate(store, query.bind(values, BASE)).dicts() if (cell := row["year"])]

    assert years({}) == ["2020", "2021"]
    assert years({"year": "2021"}) == ["2021"]
    assert years({"year": "1999"}) == []
    with pytest.raises(InvalidParameter, match="parameter year"):
        query.bind({"year": "x"}, BASE)
    assert not query.parameters[0].required
    assert query.examples == {}
    assert [column.name for column in query.result_columns] == ["s", "year"]
    assert "VALUES ?wanted { UNDEF }\n" in query.executable_text()
    bound = query.bind({"year": "2021"}, BASE)
    assert 'VALUES ?wanted { "2021"^^' in bound.text
    assert bound.substitutions == {}


def test_paging_puts_counts_in_their_place(tmp_path: Path, store: ox.Store) -> None:
    query = parse(tmp_path, PAGED)
    hi = {"word": "hi"}

    def things(limit: int | None = None, offset: int = 0) -> list[str]:
        rows = evaluate(store, query.bind(hi, BASE, limit=limit, offset=offset)).dicts()
        return [row["thing"].value[-2:] for row in rows if row["thing"]]

    assert things() == ["00", "01", "02", "03", "04"]
    assert things(limit=3, offset=10) == ["10", "11"]
    assert things(limit=0) == []
    assert "# page" not in query.executable_text()
    for limit, offset in ((-1, 0), (1, -1), (True, 0), (None, 2)):
        with pytest.raises(InvalidParameter):
            query.bind(hi, BASE, limit=limit, offset=offset)
    unpaged = parse(tmp_path, one_parameter("iri"))
    with pytest.raises(InvalidParameter, match="no pages"):
        unpaged.bind({"a": "name/x"}, BASE, limit=5)


def test_text_of_a_value_is_never_syntax(tmp_path: Path, store: ox.Store) -> None:
    query = parse(tmp_path, PAGED)
    rows = evaluate(store, query.bind({"word": '"} UNION { ?a ?b ?c'}, BASE)).rows
    assert [row[1].value for row in rows if row[1]] == ["http://e/x"]


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_any_text_matches_itself_alone(value: str) -> None:
    query = load_catalogue_once().get("example/papers-with-title")
    try:
        bound = query.bind({"title": value}, BASE)
    except InvalidParameter:
        return
    store = ox.Store()
    label, paper, source = (ox.NamedNode(term(name)) for name in ("rdfs:label", "q:Paper", "prov:hadPrimarySource"))
    for number, title in enumerate((value, value + "x")):
        node = ox.NamedNode(f"http://e/{number}")
        store.add(ox.Quad(node, label, ox.Literal(title)))
        store.add(ox.Quad(node, ox.NamedNode(term("rdf:type")), paper))
        store.add(ox.Quad(node, source, ox.NamedNode("http://e/file")))
    assert [row[1].value for row in evaluate(store, bound).rows if row[1]] == ["http://e/0"]


def load_catalogue_once() -> Catalogue:
    global _CATALOGUE
    _CATALOGUE = _CATALOGUE or load_catalogue()
    return _CATALOGUE


_CATALOGUE: Catalogue | None = None


def test_values_stand_in_every_subquery_that_hands_them_outwards() -> None:
    text = """SELECT ?a (COUNT(?x) AS ?n) # WHERE { not here
WHERE {
  { SELECT DISTINCT ?a ?x WHERE { ?x <http://e/#p> ?a . FILTER("WHERE {" != 'a') } LIMIT 1 }
  { SELECT ?y WHERE { ?y ?p ?a } }
  { SELECT * WHERE { ?z ?p ?a } }
  { SELECT (MAX(?w) AS ?a) WHERE { ?w ?p ?o } }
} GROUP BY ?a"""
    projected = [block.projected for block in where_blocks(text)]
    assert projected == [{"a", "n"}, {"a", "x"}, {"y"}, None, {"a"}]
    bound = with_values(text, {"a": ox.NamedNode("http://e/v")})
    assert bound.count("VALUES (?a) { (<http://e/v>) }") == 4
    assert query_form("# SELECT\nPREFIX ask: <http://select/>\nCONSTRUCT { ?s ?p ?o } WHERE {}") == "construct"


@pytest.mark.parametrize("form", ["construct", "ask", "describe"])
def test_other_forms_have_columns_too(tmp_path: Path, store: ox.Store, form: str) -> None:
    text = {
        "construct": "CONSTRUCT { ?s <http://e/said> ?word } WHERE { ?s <http://e/says> ?word }",
        "ask": "ASK WHERE { ?s <http://e/says> ?word }",
        "describe": "DESCRIBE ?s WHERE { ?s <http://e/says> ?word }",
    }[form]
    query = parse(tmp_path, HEADER + text + "\n")
    assert query.form == form
    answer = evaluate(store, query.bind({}, BASE))
    assert answer.columns == tuple(column.name for column in query.columns)
    if form == "ask":
        assert answer.rows == ((Cell("literal", "true", term("xsd:boolean")),),)
    else:
        assert len(answer.rows) == 13


def test_an_answer_keeps_kinds_types_and_gaps(store: ox.Store, tmp_path: Path) -> None:
    query = parse(
        tmp_path,
        HEADER + '#+ columns = ["a term", "b term", "c term", "d term"]\n'
        'SELECT ?a ?b ?c ?d WHERE { VALUES (?a ?b ?c ?d) { (<http://e/a> 5 "x"@en UNDEF) } }\n',
    )
    answer = evaluate(store, query.bind({}, BASE))
    assert answer == Answer(
        ("a", "b", "c", "d"),
        (
            (
                Cell("iri", "http://e/a"),
                Cell("literal", "5", term("xsd:integer")),
                Cell("literal", "x", PREFIXES["rdf"] + "langString", "en"),
                None,
            ),
        ),
    )
    assert answer.dicts()[0]["d"] is None


def test_materialised_answers_are_the_live_ones(tmp_path: Path, store: ox.Store) -> None:
    write(tmp_path / "q", PAGED, "area/paged")
    scan = (
        HEADER
        + '#+ columns = ["s iri", "w string"]\n#+ materialise = true\nSELECT ?s ?w WHERE { ?s ?p ?w } ORDER BY ?s\n'
    )
    write(tmp_path / "q", scan, "area/scan")
    catalogue = load_catalogue(tmp_path / "q")
    query = catalogue.get("area/scan")
    results = tmp_path / "results"
    assert read_materialised(results, query) is None
    assert serialise_materialised(results, query, "csv") is None
    assert materialise(store, catalogue, results, BASE) == 1
    assert [path.name for path in results.iterdir()] == ["area.scan.json"]
    assert result_path(results, query).is_file()
    bound = query.bind({}, BASE)
    assert read_materialised(results, query) == evaluate(store, bound)
    for extension in ("json", "csv", "tsv", "xml"):
        assert serialise_materialised(results, query, extension) == serialise(run(store, bound), extension)


def test_a_result_has_no_syntax_of_another_kind(store: ox.Store) -> None:
    graph = store.query("CONSTRUCT WHERE { ?s ?p ?o }")
    with pytest.raises(ValueError, match="graphs: csv"):
        serialise(graph, "csv")
    with pytest.raises(ValueError, match="results: ttl"):
        serialise(store.query("SELECT * WHERE { ?s ?p ?o }"), "ttl")
