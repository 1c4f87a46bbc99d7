"""Validation: every rule is broken by its own fixture and by no other, and pySHACL says the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyoxigraph
import pyshacl
import pytest
from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad, RdfFormat, Store
from rdflib import RDF, SH, BNode, Graph
from rdflib.plugins.sparql import processor
from rdflib.plugins.sparql.algebra import translateQuery
from rdflib.plugins.sparql.parser import parseQuery

from quiver.config import bundled
from quiver.errors import InvalidShapes
from quiver.namespaces import term
from quiver.validation import Report, Severity, Shapes, load_shapes, read_shapes, validate_store

FIXTURES = Path(__file__).parent / "shapes"
SHAPES = load_shapes()
NAMES = sorted(shape.name for shape in SHAPES.by_iri.values())
WARNINGS = {"EmptyName", "ListedIsAbridged", "StatedYear"}

PREFIXES = """
    @prefix ex: <http://example.org/> .
    @prefix sh: <http://www.w3.org/ns/shacl#> .
    @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
    @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""


def load(text: str) -> Store:
    store = Store()
    store.load(text, format=RdfFormat.TURTLE)
    return store


def fixture_text(name: str) -> str:
    return (FIXTURES / f"{name}.ttl").read_text(encoding="utf-8")


def broken(report: Report) -> set[str]:
    return {report.shapes.by_iri[shape].name for shape, count in report.counts.items() if count}


def found(report: Report) -> set[tuple[str, str]]:
    """Shape and focus node of each result; blank nodes have no names that two parsers share."""
    return {
        (result.shape, result.focus_node.value if isinstance(result.focus_node, NamedNode | Literal) else "_:")
        for result in report.results
    }


def by_pyshacl(data: Graph, shapes: Graph) -> tuple[bool, set[tuple[str, str]]]:
    """What pySHACL finds, in the form of `found`, and whether there is no violation."""
    conforms, report, _ = pyshacl.validate(data, shacl_graph=shapes, inference="none", allow_warnings=True)
    assert isinstance(report, Graph)
    results = set()
    for result in report.subjects(RDF.type, SH.ValidationResult):
        focus_node = report.value(result, SH.focusNode)
        name = "_:" if isinstance(focus_node, BNode) else str(focus_node)
        results.add((str(report.value(result, SH.sourceShape)), name))
    return bool(conforms), results


@pytest.fixture(scope="module")
def parsed_once() -> Iterator[None]:
    """RDFLib parses a query anew for every focus node, which takes nine tenths of pySHACL's time; here each is kept."""
    kept: dict[object, object] = {}

    def translate_once(text: str, base: str | None = None, names: dict[str, object] | None = None) -> object:
        key = (text, base, tuple(sorted((names or {}).items())))
        if key not in kept:
            kept[key] = translateQuery(parseQuery(text), base, names)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processor, "parseQuery", lambda text: text)
        patch.setattr(processor, "translateQuery", translate_once)
        yield


@pytest.fixture(scope="module")
def shapes_graph() -> Graph:
    return Graph().parse(bundled("ontology") / "shapes.ttl")


def test_every_shape_has_a_fixture_and_every_fixture_a_shape() -> None:
    assert sorted(path.stem for path in FIXTURES.glob("*.ttl")) == sorted([*NAMES, "conforming"])


def test_every_shape_tells_what_it_demands() -> None:
    for shape in SHAPES.by_iri.values():
        messages = [shape.message, *(getattr(constraint, "message", "") for constraint in shape.constraints)]
        assert any(message.endswith((".", ".”", '"')) for message in messages), shape.name


def test_what_breaks_no_rule_conforms() -> None:
    report = validate_store(load(fixture_text("conforming")), SHAPES)
    assert report.conforms
    assert broken(report) == set()
    assert set(report.counts) == set(SHAPES.by_iri)


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_breaks_its_own_rule_alone(name: str) -> None:
    report = validate_store(load(fixture_text(name)), SHAPES)
    assert broken(report) == {name}
    assert report.conforms is (name in WARNINGS)
    assert {result.severity for result in report.results} == {
        Severity.WARNING if name in WARNINGS else Severity.VIOLATION
    }
    assert all(result.message for result in report.results)
    assert not any("{?" in result.message or "{$" in result.message for result in report.results)


@pytest.mark.usefixtures("parsed_once")
@pytest.mark.parametrize("name", [*NAMES, "conforming"])
def test_pyshacl_finds_the_same(name: str, shapes_graph: Graph) -> None:
    text = fixture_text(name)
    report = validate_store(load(text), SHAPES)
    assert by_pyshacl(Graph().parse(data=text), shapes_graph) == (report.conforms, found(report))


# Each component and path of the subset on its own: shapes, and data of which some passes and some does not.
COMPONENTS = {
    "minCount 2": "sh:path ex:p ; sh:minCount 2",
    "maxCount 0": "sh:path ex:p ; sh:maxCount 0",
    "maxCount 1": "sh:path ex:p ; sh:maxCount 1",
    "integer": "sh:path ex:p ; sh:datatype xsd:integer",
    "string": "sh:path ex:p ; sh:datatype xsd:string",
    "gYear": "sh:path ex:p ; sh:datatype xsd:gYear",
    "boolean": "sh:path ex:p ; sh:datatype xsd:boolean",
    "IRI": "sh:path ex:p ; sh:nodeKind sh:IRI",
    "literal": "sh:path ex:p ; sh:nodeKind sh:Literal",
    "blank or IRI": "sh:path ex:p ; sh:nodeKind sh:BlankNodeOrIRI",
    "class": "sh:path ex:p ; sh:class ex:C",
    "two classes": "sh:path ex:p ; sh:class ex:C, ex:T",
    "in": 'sh:path ex:p ; sh:in ( ex:a "1" 7 )',
    "in nothing": "sh:path ex:p ; sh:in ()",
    "hasValue": "sh:path ex:p ; sh:hasValue ex:a",
    "hasValue literal": 'sh:path ex:p ; sh:hasValue "1"',
    "pattern": 'sh:path ex:p ; sh:pattern "^A" ; sh:flags "i"',
    "pattern quoted": r'sh:path ex:p ; sh:pattern "^[\"\\d]+$"',
    "minLength": "sh:path ex:p ; sh:minLength 2",
    "maxLength": "sh:path ex:p ; sh:maxLength 2",
    "minInclusive": "sh:path ex:p ; sh:minInclusive 7",
    "maxInclusive": "sh:path ex:p ; sh:maxInclusive 7",
    "minExclusive": "sh:path ex:p ; sh:minExclusive 7",
    "maxExclusive": "sh:path ex:p ; sh:maxExclusive 7",
    "disjoint": "sh:path ex:p ; sh:disjoint ex:r",
    "disjoint of node": "sh:disjoint ex:p",
    "inverse": "sh:path [ sh:inversePath ex:p ] ; sh:maxCount 1",
    "sequence": "sh:path ( ex:p ex:r ) ; sh:maxCount 1",
    "alternative": "sh:path [ sh:alternativePath ( ex:p ex:r ) ] ; sh:maxCount 2",
    "alternative kind": "sh:path [ sh:alternativePath ( ex:p ex:r ) ] ; sh:nodeKind sh:IRI",
    "nested": "sh:path ( [ sh:inversePath ex:p ] [ sh:alternativePath ( ex:r ex:p ) ] ) ; sh:minCount 1",
    "node kind of node": "sh:nodeKind sh:IRI",
    "class of node": "sh:class ex:C",
    "pattern of node": 'sh:pattern "[ab]$"',
    "in of node": "sh:in ( ex:a ex:b )",
    "hasValue of node": "sh:hasValue ex:a",
    "select": (
        'sh:sparql [ sh:message "{?value}" ; '
        'sh:select "SELECT $this ?value WHERE { $this <http://example.org/p> ?value FILTER(isLiteral(?value)) }" ]'
    ),
}
TARGETS = {
    "class": "sh:targetClass ex:T",
    "subjects": "sh:targetSubjectsOf ex:p",
    "objects": "sh:targetObjectsOf ex:p",
    "nodes": "sh:targetNode ex:a, ex:b, ex:nowhere",
    "several": "sh:targetClass ex:C ; sh:targetSubjectsOf ex:r ; sh:targetNode ex:a",
}
DATA = """
    ex:a a ex:T ; ex:p ex:b, ex:c, "1", "abc", 7, 8, "A"@en, "x"^^xsd:integer, true ; ex:r ex:b .
    ex:b a ex:T, ex:C ; ex:p ex:a ; ex:r ex:a, "1" .
    ex:c a ex:T, ex:S ; ex:r ex:a, ex:b, "1" .
    ex:d a ex:T ; ex:p "2025"^^xsd:gYear, 7.5, ex:s, [ a ex:S ] .
    ex:s a ex:S ; ex:p ex:a, ex:s .
    [] a ex:T ; ex:p ex:b, "q\\"1" .
    ex:S rdfs:subClassOf ex:C .
"""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.usefixtures("parsed_once")
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_each_component_means_what_it_means_to_pyshacl(target: str) -> None:
    text = PREFIXES
    for name, body in COMPONENTS.items():
        kind = "sh:PropertyShape" if "sh:path" in body else "sh:NodeShape"
        text += f"ex:{name.replace(' ', '-')} a {kind} ; {target} ; {body} .\n"
    shapes = Graph().parse(data=text)
    data = PREFIXES + DATA
    report = validate_store(load(data), read_shapes(shapes))
    assert (report.conforms, found(report)) == by_pyshacl(Graph().parse(data=data), shapes)


def one_shape(body: str) -> Shapes:
    return read_shapes(Graph().parse(data=f"{PREFIXES} {body}"))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:not [ sh:class ex:C ] .", "sh:not"),
        ("ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:closed true .", "sh:closed"),
        ("ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:node ex:o .", "sh:node"),
        ("ex:s a sh:PropertyShape ; sh:targetClass ex:T ; sh:path ex:p ; sh:uniqueLang true .", "sh:uniqueLang"),
        ("ex:s a sh:PropertyShape ; sh:targetClass ex:T ; sh:path ex:p ; sh:minCuont 1 .", "sh:minCuont"),
        (
            "ex:s a sh:PropertyShape ; sh:targetClass ex:T ; sh:path [ sh:zeroOrMorePath ex:p ] ; sh:minCount 1 .",
            "path",
        ),
        ("ex:s a sh:PropertyShape ; sh:targetClass ex:T ; sh:path ex:p ; sh:datatype ex:odd .", "sh:datatype"),
        ("ex:s a sh:PropertyShape ; sh:path ex:p ; sh:minCount 1 .", "without a target"),
        (
            "ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:property [ sh:path ex:p ; sh:minCount 1 ] .",
            "without an IRI",
        ),
        ("ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:target [ a sh:SPARQLTarget ] .", "sh:target"),
        ("ex:s a sh:NodeShape, rdfs:Class ; sh:nodeKind sh:IRI .", "implicit target"),
        ("ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:nodeKind sh:IRI ; sh:severity ex:Bad .", "severity"),
        ("ex:c a sh:ConstraintComponent .", "custom"),
        (
            "ex:s a sh:NodeShape ; sh:targetClass ex:T ; "
            'sh:sparql [ sh:select "SELECT $this { $this ?p ?o MINUS { ?o ?p $this } }" ] .',
            "MINUS",
        ),
        (
            'ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:sparql [ sh:select "SELECT ?value { $this ?p ?value }" ] .',
            "$this",
        ),
        ('ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:sparql [ sh:ask "ASK {}" ] .', "sh:select"),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_it(body: str, named: str) -> None:
    with pytest.raises(InvalidShapes, match=named.replace("$", r"\$")):
        one_shape(body)


def test_a_select_that_does_not_parse_is_an_error_of_the_shapes() -> None:
    shapes = one_shape(
        'ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:sparql [ sh:select "SELECT $this WHERE { $this" ] .'
    )
    with pytest.raises(InvalidShapes, match="does not parse"):
        validate_store(load(PREFIXES + DATA), shapes)


def test_a_shapes_file_that_is_no_turtle_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "shapes.ttl").write_text("this is no Turtle")
    with pytest.raises(InvalidShapes, match=r"shapes\.ttl"):
        load_shapes(tmp_path / "shapes.ttl")


def test_words_in_strings_and_comments_are_no_keywords() -> None:
    text = "SELECT $this WHERE { $this ?p 'VALUES' # MINUS\\n }"
    shapes = one_shape(f'ex:s a sh:NodeShape ; sh:targetClass ex:T ; sh:sparql [ sh:select "{text}" ] .')
    assert validate_store(load(PREFIXES + DATA), shapes).conforms


def test_a_deactivated_shape_is_not_checked() -> None:
    body = "ex:s a sh:PropertyShape ; sh:targetClass ex:T ; sh:path ex:p ; sh:maxCount 0 ; sh:deactivated true ."
    assert len(one_shape(body)) == 0


def test_a_property_shape_takes_the_targets_of_its_node_shapes() -> None:
    shapes = one_shape(
        "ex:n a sh:NodeShape ; sh:targetClass ex:T ; sh:property ex:s ."
        "ex:s sh:path ex:p ; sh:maxCount 0 ; sh:severity sh:Info ."
    )
    report = validate_store(load(PREFIXES + "ex:a a ex:T ; ex:p 1 . ex:b ex:p 2 ."), shapes)
    assert found(report) == {("http://example.org/s", "http://example.org/a")}
    assert report.conforms


@pytest.fixture
def many() -> Report:
    """A report on 250 papers without anything."""
    store = Store()
    kind, paper = NamedNode(term("rdf:type")), NamedNode(term("q:Paper"))
    store.extend(Quad(NamedNode(f"http://localhost:8000/paper/x/{n}"), kind, paper) for n in range(250))
    return validate_store(store, SHAPES.only("PaperTitle", "AuthorCount"), max_results_per_shape=100)


def test_results_are_capped_and_all_are_counted(many: Report) -> None:
    assert sorted(many.counts.values()) == [250, 250]
    assert len(many.results) == 200
    assert set(many.capped.values()) == {100}
    assert many.total(Severity.VIOLATION) == 500
    assert not many.conforms


def test_a_report_without_room_for_results_still_does_not_conform() -> None:
    report = validate_store(load(fixture_text("PaperTitle")), SHAPES, max_results_per_shape=0)
    assert report.results == ()
    assert not report.conforms


def test_the_text_says_how_much_it_leaves_out(many: Report) -> None:
    lines = many.to_text().splitlines()
    assert lines[0] == "Does not conform: 2 shapes checked, 500 violations, 0 warnings."
    assert "Violation: PaperTitle: 250 results, 10 of them here" in lines
    assert "  A paper has one title." in lines
    assert sum("localhost" in line for line in lines) == 20


def test_the_text_tells_the_figures_that_do_not_match() -> None:
    text = validate_store(load(fixture_text("AuthorCountMatches")), SHAPES).to_text()
    assert "The author count is 3, the byline has 1 signatures." in text
    assert "<http://localhost:8000/paper/arrow/p1>" in text


def test_the_text_of_a_conforming_graph_is_one_line() -> None:
    text = validate_store(load(fixture_text("conforming")), SHAPES).to_text()
    assert text == f"Conforms: {len(SHAPES)} shapes checked, 0 violations, 0 warnings.\n"


@pytest.mark.parametrize("rdf_format", [RdfFormat.TURTLE, RdfFormat.N_TRIPLES])
@pytest.mark.parametrize(
    "name", ["PlainString", "SignatureOfPaper", "Ordinals", "ActivityPlan", "StatedYear", "NoBlankNode"]
)
def test_the_rdf_report_is_a_validation_report(name: str, rdf_format: RdfFormat) -> None:
    report = validate_store(load(fixture_text(name)), SHAPES)
    graph = Graph().parse(data=report.to_rdf(rdf_format), format=rdf_format.media_type)
    (node,) = graph.subjects(RDF.type, SH.ValidationReport)
    assert str(graph.value(node, SH.conforms)) == "false"
    (result,) = graph.objects(node, SH.result)
    assert str(graph.value(result, SH.sourceShape)).endswith(f"#{name}")
    for predicate in (SH.focusNode, SH.resultSeverity, SH.resultMessage, SH.sourceConstraintComponent):
        assert graph.value(result, predicate) is not None
    shape = report.shapes.by_iri[report.results[0].shape]
    assert (graph.value(result, SH.resultPath) is not None) is (shape.path is not None)


def test_the_rdf_report_keeps_the_path_as_the_shape_has_it() -> None:
    report = validate_store(load(fixture_text("ActivityPlan")), SHAPES)
    graph = Graph().parse(data=report.to_rdf())
    (path,) = graph.objects(None, SH.resultPath)
    steps = [str(step) for step in graph.items(path)]
    assert steps == [term("prov:qualifiedAssociation"), term("prov:hadPlan")]


def test_the_rdf_report_says_what_it_leaves_out(many: Report) -> None:
    graph = Graph().parse(data=many.to_rdf())
    assert any("100 of 250 results listed" in str(text) for text in graph.objects())


def test_progress_counts_up_to_the_number_of_shapes() -> None:
    told: list[tuple[int, int]] = []
    validate_store(load(fixture_text("conforming")), SHAPES, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, len(SHAPES)) for done in range(1, len(SHAPES) + 1)]


def test_named_graphs_are_not_the_data() -> None:
    store = load(fixture_text("conforming"))
    paper = NamedNode("http://localhost:8000/paper/arrow/p1")
    title = Quad(paper, NamedNode(term("dcterms:title")), Literal("Another"), NamedNode("http://example.org/g"))
    store.add(title)
    assert validate_store(store, SHAPES).conforms
    store.add(Quad(title.subject, title.predicate, title.object, DefaultGraph()))
    assert broken(validate_store(store, SHAPES)) == {"PaperTitle"}


def test_a_read_only_store_is_validated_and_left_as_it_is(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    store.load(fixture_text("Ordinals"), format=RdfFormat.TURTLE)
    store.flush()
    del store
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    report = validate_store(pyoxigraph.Store.read_only(str(tmp_path / "store")), SHAPES)
    assert broken(report) == {"Ordinals"}
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()} == before
