"""Another SPARQL engine: the same pages, the same endpoint, a load that can be stopped, errors that say what to do."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import cast

import msgspec
import pyoxigraph as ox
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from quiver.cli import main
from quiver.config import Settings
from quiver.dumps.parts import read_lines
from quiver.engines import EndpointClient, EndpointReader, KnownFacts, StoreReader, Target, recognise
from quiver.engines.loading import LoadReport, load_release
from quiver.engines.queries import DataSet, asking, parsing, read_table
from quiver.engines.values import same_value
from quiver.engines.writing import EngineWriter
from quiver.errors import (
    EndpointFailed,
    InvalidSetting,
    QueryRefused,
    QueryTimeout,
    QuiverError,
    ResultTooLarge,
    WorkerLost,
)
from quiver.evaluation import QueryRequest, start_broker
from quiver.evaluation.remote import rewrite
from quiver.namespaces import sparql_prologue, term
from quiver.negotiation import CSV, JSON, NTRIPLES, TURTLE, Format, Kind
from quiver.releases import Library, Release
from quiver.web import create_app
from tests.browsing import make_app, read
from tests.engines import ENGINES, Told, pretender
from tests.page_types import BROWSER, PAGE_TYPES
from tests.serving import fetch, serving

# What is no page.
DATA = {
    "sitemap": "/sitemap.xml",
    "references": "/venue/neurips.bib",
    "named query": "/queries/name/papers.csv?cluster=name/andrew_zhao",
}
# Some of the statements with a property, in the order of the store's own index: each engine has another.
UNORDERED = ("explore a property", "explore one group")
PAGES = [kind for kind, page in PAGE_TYPES.items() if page.status == 200 and kind not in UNORDERED]
# Where IRIs are ordered by the engine's own numbers for them, so that what is equal else may change places.
ORDERED_BY_NUMBER = {"Virtuoso"}
# Engine and page -> why they differ.
_LOSES_PLACES = "Virtuoso 7 loses an OPTIONAL whose FILTER NOT EXISTS compares with a variable outside it"
DIFFERENT = {
    ("Virtuoso", "source"): _LOSES_PLACES,
    ("Virtuoso", "source file"): _LOSES_PLACES,
}


@pytest.fixture(scope="module")
def release(web_library: Path) -> Release:
    return Library(web_library).current()


class Loaded:
    """An engine that holds the release, and how that was reported."""

    def __init__(self, name: str, target: Target, report: LoadReport) -> None:
        self.name, self.target, self.report = name, target, report

    def settings(self, **more: object) -> Settings:
        return Settings(endpoint=self.target.url, endpoint_graph=self.target.graph, **more)


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, web_library: Path, release: Release, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    name = str(request.param)
    started = cast("AbstractContextManager[Target]", ENGINES[name](tmp_path_factory.mktemp("engine")))
    with started as target:
        writer = EngineWriter(target, release.id, release.base)
        yield Loaded(name, target, load_release(Library(web_library), release, writer))


@pytest.fixture(scope="module")
def embedded(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


@pytest.fixture(scope="module")
def remote(web_library: Path, engine: Loaded) -> FlaskClient:
    return create_app(web_library, engine.settings()).test_client()


# -- pages


@pytest.mark.parametrize("kind", [*PAGES, *DATA])
def test_every_page_reads_the_same(kind: str, embedded: FlaskClient, remote: FlaskClient, engine: Loaded) -> None:
    path = DATA.get(kind) or PAGE_TYPES[kind].find(embedded)
    ours, theirs = (client.get(path, headers=BROWSER if kind in PAGES else None) for client in (embedded, remote))
    assert ours.status_code == theirs.status_code == 200
    if ours.mimetype == "text/html":
        texts = [read(response).text.splitlines() for response in (ours, theirs)]
        is_same = texts[0] == texts[1] if engine.name not in ORDERED_BY_NUMBER else sorted(texts[0]) == sorted(texts[1])
    else:
        is_same = ours.get_data() == theirs.get_data()
    # Both ways, so that the table does not outlive what it tells.
    assert is_same == ((engine.name, kind) not in DIFFERENT)


@pytest.mark.parametrize("path", ["/name/andrew_zhao.nt", "/venue/neurips.nt", "/paper/hostile/long.nt"])
def test_documents_hold_the_same_statements(path: str, embedded: FlaskClient, remote: FlaskClient) -> None:
    ours, theirs = (sorted(client.get(path).get_data().splitlines()) for client in (embedded, remote))
    assert ours == theirs


def test_look_ups_agree(release: Release, engine: Loaded) -> None:
    ours, theirs = StoreReader(release.open_store()), EndpointReader(engine.target, release.manifest)
    name, long = f"{release.base}name/andrew_zhao", f"{release.base}paper/hostile/long"
    for iri in (name, long, f"{release.base}name/nobody", "no IRI"):
        assert ours.holds(iri) == theirs.holds(iri), iri
    for iri in (name, long, f"{long}#a7"):
        for curie in ("rdf:type", "rdfs:label", "q:hasSignature", "q:paperCount", "dc:creator", "q:inNameCluster"):
            assert ours.about(iri).all(curie) == theirs.about(iri).all(curie), (iri, curie)
    signatures = [f"{long}#a{number}" for number in range(1, 1200)]
    assert ours.texts(signatures, "q:displayName") == theirs.texts(signatures, "q:displayName")
    assert ours.texts([name, long], "skos:prefLabel", "rdfs:label") == theirs.texts(
        [name, long], "skos:prefLabel", "rdfs:label"
    )
    assert ours.objects(signatures, "q:inNameCluster") == theirs.objects(signatures, "q:inNameCluster")
    for pattern in ((None, term("q:inNameCluster"), name), (long, term("q:hasSignature"), None), (name, None, None)):
        assert set(ours.triples(*pattern)) == set(theirs.triples(*pattern))
    # More than one stretch of an unbounded pattern, each triple once.
    everything = list(theirs.triples(predicate=term("q:ordinal")))
    assert len(everything) == len(set(everything)) == len(list(ours.triples(predicate=term("q:ordinal"))))
    assert isinstance(theirs.about(name), KnownFacts)


def test_a_page_asks_in_a_few_requests(web_library: Path, engine: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    client = create_app(web_library, engine.settings()).test_client()
    client.get("/health")
    asked: list[str] = []
    send = EndpointClient.send

    def count(self: EndpointClient, *arguments: object, **more: object) -> object:
        asked.append(str(arguments[1]))
        return send(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(EndpointClient, "send", count)
    # 50 papers, each with byline, venue and year.
    assert client.get("/name/pat_many.html").status_code == 200
    assert 0 < len(asked) <= 25
    assert set(asked) == {engine.target.url}


def test_a_load_is_reported_as_it_was(engine: Loaded, release: Release) -> None:
    report = engine.report
    assert (report.engine, report.faults) == (engine.name, [])
    assert report.sent == report.quads == release.manifest.quads
    assert report.compared > 500


# -- the endpoint


TABLES: dict[Kind, Format] = {"solutions": JSON, "boolean": JSON, "graph": NTRIPLES}


def test_queries_are_sent_on_and_answered_in_our_formats(release: Release, engine: Loaded) -> None:
    def ask(text: str, **formats: Format) -> bytes:
        wanted = cast("dict[Kind, Format]", {**TABLES, **formats})
        asked = QueryRequest(text, release.store_path, wanted, base=release.base, search_path=release.search_path)
        with evaluator.evaluate(asked) as answer:
            return answer.read()

    def fail(text: str, timeout_s: float | None = None) -> QuiverError:
        asked = QueryRequest(text, release.store_path, TABLES, base=release.base, timeout_s=timeout_s)
        with pytest.raises(QuiverError) as failure:
            evaluator.evaluate(asked)
        return failure.value

    with start_broker(engine.settings(query_workers=1)) as broker, broker.evaluator() as evaluator:
        count = json.loads(ask("SELECT (COUNT(*) AS ?n) WHERE { ?s ?p ?o }"))
        assert count["results"]["bindings"][0]["n"]["value"] == str(release.manifest.quads)
        label = f"{sparql_prologue()}SELECT ?l {{ <name/andrew_zhao> rdfs:label ?l }}"
        assert ask(label, solutions=CSV) == b"l\r\nAndrew Zhao\r\n"
        assert json.loads(ask("ASK { <name/andrew_zhao> ?p ?o }"))["boolean"] is True
        assert json.loads(ask("ASK { <name/nobody> ?p ?o }"))["boolean"] is False
        graph = ask("CONSTRUCT WHERE { <name/andrew_zhao> ?p ?o }")
        said = StoreReader(release.open_store()).triples(f"{release.base}name/andrew_zhao")
        assert graph.count(b"\n") == len(list(said))
        assert b"Andrew Zhao" in ask("DESCRIBE <name/andrew_zhao>", graph=TURTLE)
        search = sparql_prologue() + 'SELECT ?p ?s { SERVICE q:search { ?p q:query "zero" ; q:score ?s } }'
        assert b"paper/arrow/" in ask(search, solutions=CSV)
        # Nothing of what a string holds is read as a query, whichever way the engine resolves escapes.
        assert json.loads(ask(r'ASK { ?s ?p "\u0022 } #" }'))["boolean"] is False
        assert fail("SELECT * {").code == "malformed-query"
        assert fail("SELECT * { SERVICE <http://127.0.0.1:1/x> { ?s ?p ?o } }").code == "query-refused"
        assert fail("CLEAR ALL").code == "update-refused"
        assert fail("DROP ALL").code == "update-refused"
        endless = "SELECT ?a { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER(?a != ?d && ?f != ?i) } ORDER BY ?i ?c"
        assert fail(endless, timeout_s=1.0).code == "query-timeout"
        # And the place is free again.
        assert ask(label, solutions=CSV) == b"l\r\nAndrew Zhao\r\n"


def test_a_client_that_leaves_ends_the_request_to_the_engine(release: Release) -> None:
    with pretender() as told:
        told.wait_s = 30.0
        settings = Settings(endpoint=told.target.url, query_workers=1)
        with start_broker(settings) as broker, broker.evaluator() as evaluator:
            pending = evaluator.submit(QueryRequest("SELECT * { ?s ?p ?o }", release.store_path, TABLES))
            for _ in range(100):
                if len(told.asked) == 2:
                    break
                told.left.wait(0.05)
            pending.cancel()
            assert told.left.wait(10)
            with pytest.raises(WorkerLost):
                pending.result()


def test_the_server_serves_from_the_engine(web_library: Path, engine: Loaded, tmp_path: Path) -> None:
    with serving(web_library, tmp_path, endpoint=engine.target.url, endpoint_credentials="reader:geheim") as server:
        status, _, body = fetch(server.port, "/sparql?query=ASK%20%7B%7D")
        assert (status, json.loads(body)["boolean"]) == (200, True)
        assert b"Andrew Zhao" in fetch(server.port, "/name/andrew_zhao.html")[2]
        assert "geheim" not in server.log.read_text()


def test_what_goes_out_has_one_reading() -> None:
    hidden = r'SELECT ?s { ?s ?p "\u0022 } SERVICE <http://e/> { ?x ?y \u0022z" } # }'
    assert rewrite(hidden, None)[0] == r'SELECT ?s { ?s ?p "\" } SERVICE <http://e/> { ?x ?y \"z" }'
    assert rewrite("BASE <http://e/> SELECT*{<a> a'b'@en,-1}", None)[0] == 'SELECT*{<http://e/a> a"b"@en,-1}'
    assert rewrite("ASK FROM <http://e/g> {}", None)[1:] == ("boolean", True)
    with pytest.raises(QueryRefused):
        rewrite("PREFIX x: <BIF:> SELECT (x:now() AS ?n) {}", None, recognise("Virtuoso/7").own_schemes)


# -- loading


class Stopping(EngineWriter):
    """A writer that is stopped after some batches, by a full disk or a person."""

    left = 2

    @property
    def batch_statements(self) -> int:
        return 5_000

    def write(self, statements: list[bytes], graph: str | None = None) -> None:  # type: ignore[override]
        if not self.left:
            raise EndpointFailed("stopped")
        self.left -= 1
        super().write(statements, graph)


@pytest.fixture
def library(web_library: Path, tmp_path: Path) -> Library:
    """The library of the pages, with no load of it known."""
    (tmp_path / "releases").symlink_to(web_library / "releases")
    (tmp_path / "current").symlink_to((web_library / "current").readlink())
    return Library(tmp_path)


def elsewhere(engine: Loaded, name: str) -> Target:
    return msgspec.structs.replace(engine.target, graph=f"urn:test:{name}")


def test_a_load_goes_on_where_it_was_stopped(library: Library, release: Release, engine: Loaded) -> None:
    target = elsewhere(engine, "stopped")
    with pytest.raises(EndpointFailed, match="stopped"):
        load_release(library, release, Stopping(target, release.id, release.base))
    writer = EngineWriter(target, release.id, release.base)
    there = writer.count()
    assert 0 < there < release.manifest.quads
    report = load_release(library, release, writer)
    assert (report.there_before, report.sent) == (there, release.manifest.quads - there)
    assert not report.faults
    again = load_release(library, release, writer)
    assert (again.sent, again.faults) == (0, [])
    # An engine that was emptied behind our back gets it all.
    writer.clear()
    assert load_release(library, release, writer).sent == release.manifest.quads


def test_a_load_that_was_stopped_in_its_first_batch_goes_on(library: Library, release: Release, engine: Loaded) -> None:
    target = elsewhere(engine, "first")
    lost = Stopping(target, release.id, release.base)
    lost.left = 0
    with pytest.raises(EndpointFailed, match="stopped"):
        load_release(library, release, lost)
    writer = EngineWriter(target, release.id, release.base)
    # Half of it arrived before the engine was lost.
    writer.write(list(islice(read_lines(release.part_paths[0]), 500)))
    report = load_release(library, release, writer)
    assert (report.faults, report.quads) == ([], release.manifest.quads)


def test_updates_write_what_the_graph_store_does(library: Library, release: Release, engine: Loaded) -> None:
    target = elsewhere(engine, "updates")
    known = recognise(engine.name).update_address(target.url)
    assert known is not None
    writer = EngineWriter(target, release.id, release.base, update=known)
    assert writer.way == "INSERT DATA"
    report = load_release(library, release, writer)
    assert (report.faults, report.quads) == ([], release.manifest.quads)
    writer.clear()
    assert writer.count() == 0


def test_what_is_missing_or_other_is_found(library: Library, release: Release, engine: Loaded) -> None:
    target = elsewhere(engine, "faults")
    writer = EngineWriter(target, release.id, release.base)
    load_release(library, release, writer)
    writer.write([b"<http://e/a> <http://e/b> <http://e/c> .\n"])
    (fault,) = load_release(library, release, writer).faults
    assert f"{release.manifest.quads + 1:,} statements" in fault
    assert not load_release(library, release, writer, replace=True).faults


def test_a_graph_with_something_else_in_it_is_left_alone(library: Library, release: Release, engine: Loaded) -> None:
    target = elsewhere(engine, "foreign")
    writer = EngineWriter(target, release.id, release.base)
    writer.write([b"<http://e/a> <http://e/b> <http://e/c> .\n"])
    with pytest.raises(EndpointFailed) as failure:
        load_release(library, release, writer)
    assert "--replace" in failure.value.hint
    assert writer.count() == 1
    # And a server says that this is not the release.
    with pytest.raises(EndpointFailed, match="does not hold release") as refused:
        EndpointReader(target, release.manifest)
    assert "quiver load" in refused.value.hint


def test_the_command_loads_and_says_so(library: Library, engine: Loaded) -> None:
    arguments = ["load", str(library.path), "--endpoint", engine.target.url, "--graph", "urn:test:command", "--quiet"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "statements are there" in result.output
    assert CliRunner().invoke(main, ["load", str(library.path)]).exit_code == 2


def test_literals_are_compared_by_value() -> None:
    def of(text: str, kind: str) -> ox.Literal:
        return ox.Literal(text, datatype=ox.NamedNode(term(f"xsd:{kind}")))

    assert same_value(of("007", "integer"), of("7", "integer"))
    assert same_value(of("1.50", "decimal"), of("1.5", "decimal"))
    assert same_value(of("true", "boolean"), of("1", "boolean"))
    assert not same_value(of("7", "integer"), of("8", "integer"))
    assert not same_value(ox.Literal("7"), of("7", "integer"))
    assert not same_value(ox.Literal("a", language="en"), ox.Literal("a", language="de"))


# -- an engine that misbehaves


@pytest.fixture
def told() -> Iterator[Told]:
    with pretender() as one:
        yield one


def ask_it(told: Told, **limits: float) -> object:
    client = EndpointClient(
        told.target.url,
        "reader:geheim",
        timeout_s=limits.get("timeout_s", 5.0),
        max_bytes=int(limits.get("max_bytes", 1_000_000)),
    )
    with asking(client, "SELECT ?s { ?s ?p ?o }", "solutions", DataSet()) as reply:
        result = read_table(reply, "solutions")
        with parsing(reply):
            return list(result) if isinstance(result, ox.QuerySolutions) else bool(result)


ROWS = (
    b'{"head":{"vars":["s"]},"results":{"bindings":['
    + b",".join([b'{"s":{"type":"uri","value":"http://e/%d"}}' % number for number in range(5_000)])
    + b"]}}"
)


def test_long_and_compressed_answers_are_read(told: Told) -> None:
    told.body = ROWS
    assert len(cast("list[object]", ask_it(told))) == 5_000
    told.body = gzip.compress(ROWS)
    told.headers["Content-Encoding"] = "gzip"
    assert len(cast("list[object]", ask_it(told))) == 5_000


def test_an_answer_beyond_the_bound_or_cut_off_is_an_error(told: Told) -> None:
    told.body = ROWS
    with pytest.raises(ResultTooLarge):
        ask_it(told, max_bytes=10_000)
    told.body = gzip.compress(b" " * 50_000_000)
    told.headers["Content-Encoding"] = "gzip"
    with pytest.raises(ResultTooLarge):
        ask_it(told)
    del told.headers["Content-Encoding"]
    told.body = ROWS[:30_000]
    with pytest.raises(EndpointFailed, match="not whole"):
        ask_it(told)
    told.body, told.declared = ROWS[:30_000], len(ROWS)
    with pytest.raises(EndpointFailed, match="breaks off"):
        ask_it(told)


def test_an_engine_that_says_its_answer_is_cut_is_believed(told: Told, release: Release) -> None:
    told.headers |= {"Server": "Virtuoso/07.20.3229", "X-SPARQL-MaxRows": "10000"}
    told.body = ROWS
    with (
        start_broker(Settings(endpoint=told.target.url, query_workers=1)) as broker,
        broker.evaluator() as evaluator,
        pytest.raises(ResultTooLarge),
    ):
        evaluator.evaluate(QueryRequest("SELECT ?s { ?s ?p ?o }", release.store_path, TABLES, base=release.base))


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (401, {"WWW-Authenticate": "Basic"}, b"", "QUIVER_ENDPOINT_CREDENTIALS"),
        (403, {}, b"no", "QUIVER_ENDPOINT_CREDENTIALS"),
        (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b"", "not followed"),
        (500, {"Content-Type": "text/plain"}, b"Out of luck in /srv", "answers with status 500."),
        (200, {"Content-Type": "text/html"}, b"<p>Hello", "text/html"),
    ],
)
def test_refusals_say_what_to_do(told: Told, status: int, headers: dict[str, str], body: bytes, words: str) -> None:
    told.status, told.headers, told.body = status, headers, body
    with pytest.raises(EndpointFailed) as failure:
        ask_it(told)
    assert words in f"{failure.value.message} {failure.value.hint}"
    assert "geheim" not in f"{failure.value!r} {failure.value.value} {failure.value.hint}"
    # Visitors are not told where the engine is, or what it says of itself.
    assert not re.search(r"127\.0\.0\.1|/srv", f"{failure.value.message} {failure.value.hint}")
    assert len(told.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b"", "QUIVER_ENDPOINT_CREDENTIALS"),
        (405, b"", "read-only"),
        (500, b"IO error: No space left on device", "Make room"),
        (507, b"", "Make room"),
        (400, b"bad triple", "does not take the statements"),
    ],
)
def test_writing_that_fails_says_what_to_do(told: Told, release: Release, status: int, body: bytes, words: str) -> None:
    writer = EngineWriter(told.target, release.id, release.base)
    told.status, told.headers, told.body = status, {"Content-Type": "text/plain"}, body
    with pytest.raises(EndpointFailed) as failure:
        writer.write([b"<a:a> <a:b> <a:c> .\n"])
    assert words in f"{failure.value.message} {failure.value.hint}"


def test_silence_ends_at_the_deadline_and_a_closed_port_at_once(told: Told) -> None:
    told.wait_s = 20.0
    with pytest.raises(QueryTimeout):
        ask_it(told, timeout_s=0.3)
    gone = EndpointClient("http://127.0.0.1:9/sparql", timeout_s=5, max_bytes=1000)
    with pytest.raises(EndpointFailed, match="cannot be reached"), asking(gone, "ASK {}", "boolean", DataSet()):
        pass


def test_one_connection_serves_many_requests_and_carries_the_credentials(told: Told) -> None:
    client = EndpointClient(told.target.url, "reader:geheim", timeout_s=5, max_bytes=1000)
    for _ in range(5):
        with asking(client, "ASK {}", "boolean", DataSet()) as reply:
            reply.read_all()
    assert (told.connections, len(told.asked)) == (1, 5)
    assert {headers["Authorization"] for _, _, headers, _ in told.asked} == {"Basic cmVhZGVyOmdlaGVpbQ=="}
    client.close()


def test_pages_say_that_the_engine_failed(web_library: Path, release: Release, told: Told) -> None:
    counts = release.manifest.counts

    def answer(count: int) -> bytes:
        cell = {"type": "literal", "value": str(count), "datatype": term("xsd:integer")}
        return json.dumps({"head": {"vars": ["n"]}, "results": {"bindings": [{"n": cell}]}}).encode()

    assert counts["papers"] != 1
    told.body = answer(1)
    client = create_app(web_library, Settings(endpoint=told.target.url, endpoint_credentials="a:geheim")).test_client()
    response = client.get("/name/andrew_zhao.html", headers={"Accept": "text/html"})
    assert response.status_code == 502
    assert "does not hold release" in response.get_data(as_text=True)
    assert "geheim" not in response.get_data(as_text=True)


def test_addresses_are_checked_and_secrets_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("ftp://e/", "localhost:7878", "http://user:geheim@e/sparql"):
        with pytest.raises(InvalidSetting) as failure:
            Target.of(Settings(endpoint=address))
        if "geheim" in address:
            assert "geheim" not in f"{failure.value!r}{failure.value.hint}"
    assert "geheim" not in repr(Target("http://e/", credentials="a:geheim"))
    monkeypatch.setenv("QUIVER_ENDPOINT_CREDENTIALS", "a:geheim")
    shown = CliRunner().invoke(main, ["settings"]).output
    assert "endpoint_credentials" in shown
    assert "geheim" not in shown
