"""Values that are hard to write: each syntax carries them whole, or the result is refused."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph as ox
import pytest

from quiver.config import Settings
from quiver.errors import NotAcceptable
from quiver.evaluation import Evaluator, QueryRequest, start_broker
from quiver.evaluation.results import GRAPH_FORMATS, RESULT_FORMATS, XML_FORMATS, XmlGuard
from quiver.negotiation import CSV, GRAPHS, JSON, JSONLD, RDFXML, SOLUTIONS, TSV, XML, Format

# What SPARQL can say by an escape, and some that break careless writers.
VALUES = {
    "control": "a\x01b",
    "null": "a\x00b",
    "escape": "\x1b[31m",
    "delete": "a\x7fb\x85c",
    "noncharacter": "a\ufffeb\uffff",
    "return": "a\rb\r\nc",
    "line": "a\nb\tc",
    "separators": "a\u2028b\u2029c",
    "quotes": "a\"b'c,d;e\\f",
    "markup": "<a>&amp;]]><!-- --></a>",
    "beyond": "\U0001f600\U0010ffff",
    "empty": "",
    "space": "  a  ",
    "formula": "=1+1",
    "direction": "\u202ea\u200b",
}
NO_XML = {"control", "null", "escape", "noncharacter"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("syntaxes") / "store"
    ox.Store(str(path)).flush()
    return path


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with start_broker(Settings(query_workers=1, query_timeout_s=20)) as broker, broker.evaluator() as client:
        yield client


def written(value: str) -> str:
    """*value* as a literal of SPARQL, all of it escaped."""
    return '"' + "".join(f"\\U{ord(character):08X}" for character in value) + '"'


def answer(evaluator: Evaluator, store: Path, query: str, form: Format) -> bytes:
    with evaluator.evaluate(QueryRequest(query, store, {"graph" if form in GRAPHS else "solutions": form})) as found:
        body = found.read()
        assert found.size == len(body)
    return body


@pytest.mark.parametrize("form", SOLUTIONS, ids=lambda form: form.name)
@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_or_is_refused(evaluator: Evaluator, store: Path, form: Format, name: str) -> None:
    value = VALUES[name]
    query = f"SELECT ?x ?y {{ BIND({written(value)} AS ?x) BIND(1 AS ?y) }}"
    if form is XML and name in NO_XML:
        with pytest.raises(NotAcceptable, match="XML cannot carry") as caught:
            answer(evaluator, store, query, form)
        assert "JSON" in caught.value.hint
        return
    assert read_cell(answer(evaluator, store, query, form), form) == value


def read_cell(body: bytes, form: Format) -> str | None:
    """The first cell of the first row, by a reader that is not the engine's where there is one."""
    if form is JSON:
        found = json.loads(body)["results"]["bindings"][0]["x"]["value"]
        assert isinstance(found, str)
        return found
    if form is CSV:
        header, row = csv.reader(io.StringIO(body.decode(), newline=""))
        assert header == ["x", "y"]
        return row[0]
    if form is XML:
        element = ElementTree.fromstring(body).find(".//{*}literal")
        assert element is not None
        return element.text or ""
    assert form is TSV
    assert body.count(b"\n") == 2
    parsed = ox.parse_query_results(body, RESULT_FORMATS[form.name])
    assert isinstance(parsed, ox.QuerySolutions)
    cell = next(parsed)["x"]
    assert isinstance(cell, ox.Literal)
    return cell.value


@pytest.mark.parametrize("form", GRAPHS, ids=lambda form: form.name)
@pytest.mark.parametrize("name", VALUES)
def test_a_graph_comes_back_or_is_refused(evaluator: Evaluator, store: Path, form: Format, name: str) -> None:
    value = VALUES[name]
    query = f"CONSTRUCT {{ <http://e/s> <http://e/p> {written(value)} , {written(value)}@en }} WHERE {{}}"
    if form is RDFXML and name in NO_XML:
        with pytest.raises(NotAcceptable, match="XML cannot carry") as caught:
            answer(evaluator, store, query, form)
        assert "Turtle" in caught.value.hint
        return
    quads = ox.parse(answer(evaluator, store, query, form), GRAPH_FORMATS[form.name])
    assert sorted(str(quad.object) for quad in quads) == sorted(
        str(one) for one in (ox.Literal(value), ox.Literal(value, language="en"))
    )


@pytest.mark.parametrize("predicate", ["http://e/123", "http://e/", "http://e/a%20", "urn:x:1", "http://e/?a=1"])
def test_a_predicate_without_a_name_is_no_xml(evaluator: Evaluator, store: Path, predicate: str) -> None:
    query = f"CONSTRUCT {{ <http://e/s> <{predicate}> 1 }} WHERE {{}}"
    with pytest.raises(NotAcceptable, match="XML"):
        answer(evaluator, store, query, RDFXML)
    for form in GRAPHS:
        if form is not RDFXML:
            (quad,) = ox.parse(answer(evaluator, store, query, form), GRAPH_FORMATS[form.name])
            assert quad.predicate.value == predicate


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("CONSTRUCT { <a:s> <http://www.w3.org/1999/02/22-rdf-syntax-ns#Description> 1 } WHERE {}", RDFXML),
        ("CONSTRUCT { <a:s> <a:p> <<( <a:a> <a:b> 1 )>> } WHERE {}", JSONLD),
    ],
)
def test_a_graph_that_a_syntax_has_no_words_for_is_refused(
    evaluator: Evaluator, store: Path, query: str, form: Format
) -> None:
    with pytest.raises(NotAcceptable, match="does not fit this format"):
        answer(evaluator, store, query, form)


def test_a_fault_far_into_a_long_result_is_found(evaluator: Evaluator, store: Path) -> None:
    rows = " ".join(f'"{number} {"x" * 100}"' for number in range(2000))
    query = f'SELECT ?x {{ VALUES ?x {{ {rows} "\\u0001" }} }}'
    with pytest.raises(NotAcceptable):
        answer(evaluator, store, query, XML)
    assert len(json.loads(answer(evaluator, store, query, JSON))["results"]["bindings"]) == 2001


def test_what_is_cut_off_is_no_xml() -> None:
    guard = XmlGuard()
    guard.pass_on(b"<a><b>\xc3")
    assert guard.pass_on(b"\xa9\r</b>") == b"\xa9&#xD;</b>"
    with pytest.raises(NotAcceptable):
        guard.finish()


def test_the_formats_that_are_checked_are_those_of_xml() -> None:
    assert {form.name for form in (*SOLUTIONS, *GRAPHS) if "xml" in form.media_type} == XML_FORMATS
