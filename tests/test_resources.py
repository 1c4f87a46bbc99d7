"""Things and documents over HTTP: 303, negotiation, extensions, entity tags, errors, releases, dumps."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from urllib.parse import urljoin

import pyoxigraph as ox
import pytest
import rdflib
from flask.testing import FlaskClient
from rdflib.compare import isomorphic
from werkzeug.test import TestResponse

from quiver.config import Settings
from quiver.negotiation import CITATIONS
from quiver.releases import build
from quiver.web import create_app
from quiver.web.codings import choose_coding
from tests.browsing import BASE, make_app, path_of_title
from tests.sample import write_sample

NAME = "/name/andrew_zhao"
EXTENSIONS = {
    "html": "text/html",
    "ttl": "text/turtle",
    "nt": "application/n-triples",
    "jsonld": "application/ld+json",
    "rdf": "application/rdf+xml",
}


@pytest.fixture(scope="module")
def client(web_library: Path) -> FlaskClient:
    return make_app(web_library).test_client()


@pytest.fixture(scope="module")
def paper(web_library: Path) -> str:
    return "/" + path_of_title(web_library, "Absolute Zero: Reinforced Self-play Reasoning with Zero Data")


def parse(response: TestResponse) -> rdflib.Graph:
    return parse_text(response.get_data(), response.mimetype or "")


def parse_text(data: bytes, media_type: str) -> rdflib.Graph:
    """Parsed by rdflib; JSON-LD, whose parser there warns, by way of the engine's."""
    if media_type == "application/ld+json":
        triples = (quad.triple for quad in ox.parse(input=data, format=ox.RdfFormat.JSON_LD))
        converted = ox.serialize(triples, format=ox.RdfFormat.N_TRIPLES)
        assert converted is not None
        data, media_type = converted, "application/n-triples"
    formats = {"text/turtle": "turtle", "application/n-triples": "nt", "application/rdf+xml": "xml"}
    return rdflib.Graph().parse(data=data, format=formats[media_type])


@pytest.mark.parametrize(
    ("accept", "extension"),
    [
        (None, "html"),
        ("", "html"),
        ("*/*", "html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),
        ("text/turtle", "ttl"),
        ("application/ld+json;profile=compacted", "jsonld"),
        ("application/rdf+xml;q=0.5, application/n-triples", "nt"),
    ],
)
def test_a_thing_sends_to_the_document_that_accept_asks_for(
    client: FlaskClient, accept: str | None, extension: str
) -> None:
    response = client.get(NAME, headers={} if accept is None else {"Accept": accept})
    assert response.status_code == 303
    assert urljoin("http://any.host/prefix" + NAME, response.headers["Location"]) == (
        f"http://any.host/prefix{NAME}.{extension}"
    )
    assert "ETag" not in response.headers
    assert {"accept", "accept-encoding"} <= {name.lower() for name in response.vary}
    assert f'<{BASE}name/andrew_zhao>; rel="cite-as"' in response.headers["Link"]


def test_papers_and_what_has_a_list_of_them_have_references(client: FlaskClient, paper: str) -> None:
    for path in (paper, NAME, "/venue/neurips", "/venue/neurips/2025", "/author/arrow/n-Andrew_Zhao"):
        for one in CITATIONS:
            sent = client.get(path, headers={"Accept": f"{one.media_type}, text/html;q=0.5"}).headers["Location"]
            assert sent.endswith(f".{one.extension}")
            response = client.get(f"{path}.{one.extension}")
            assert response.status_code == 200
            assert response.mimetype == one.media_type
            assert f'{one.extension}"' in response.headers["Content-Disposition"]
    assert client.get("/source/arrow", headers={"Accept": "application/x-bibtex"}).status_code == 406
    assert client.get("/source/arrow.bib").status_code == 404


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("kind", ["name", "paper", "author", "venue", "edition", "source", "file", "page", "rule"])
def test_every_kind_of_thing_has_every_document(
    client: FlaskClient, web_library: Path, paper: str, kind: str, extension: str
) -> None:
    paths = {
        "name": NAME,
        "paper": paper,
        "author": "/author/arrow/n-Andrew_Zhao",
        "venue": "/venue/neurips",
        "edition": "/venue/neurips/2025",
        "source": "/source/arrow",
        "file": source_file(client),
        "page": "/page/arrow/andrew_zhao",
        "rule": "/rule/exact-name",
    }
    response = client.get(f"{paths[kind]}.{extension}", headers={"Accept": "image/png"})
    assert response.status_code == 200
    assert response.mimetype == EXTENSIONS[extension]
    if extension != "html":
        topic = rdflib.URIRef(BASE + paths[kind][1:])
        graph = parse(response)
        document = rdflib.URIRef(f"{BASE}{paths[kind][1:]}.{extension}")
        assert (document, rdflib.FOAF.primaryTopic, topic) in graph
        assert graph.value(document, rdflib.VOID.inDataset) == rdflib.URIRef(f"{BASE}.well-known/void#dataset")
        assert graph.value(document, rdflib.DCTERMS.license) is not None
        assert graph.value(topic, rdflib.RDFS.label) is not None
        assert response.headers["Access-Control-Allow-Origin"] == "*"


def source_file(client: FlaskClient) -> str:
    graph = parse(client.get("/source/arrow.ttl"))
    found = min(str(o) for o in graph.objects(predicate=rdflib.DCAT.distribution))
    return "/" + found.removeprefix(BASE)


def test_all_syntaxes_say_the_same(client: FlaskClient, paper: str) -> None:
    for path in (NAME, paper, "/venue/neurips/2025"):
        graphs = []
        for extension in ("ttl", "nt", "jsonld", "rdf"):
            response = client.get(f"{path}.{extension}")
            graphs.append(
                parse_text(response.get_data().replace(f".{extension}".encode(), b".x"), response.mimetype or "")
            )
        assert all(isomorphic(graphs[0], other) for other in graphs[1:])


def test_json_ld_carries_its_context_inline(client: FlaskClient) -> None:
    document = json.loads(client.get(f"{NAME}.jsonld").get_data())
    assert isinstance(document["@context"], dict)
    assert any(node["@id"] == f"{BASE}name/andrew_zhao" for node in document["@graph"])


def test_a_paper_comes_with_its_byline_and_the_labels_of_what_it_links_to(client: FlaskClient, paper: str) -> None:
    graph = parse(client.get(f"{paper}.ttl"))
    q = rdflib.Namespace("https://w3id.org/quiver/ontology#")
    topic = rdflib.URIRef(BASE + paper[1:])
    signatures = list(graph.objects(topic, q.hasSignature))
    assert sorted(int(str(graph.value(s, q.ordinal))) for s in signatures) == list(range(1, 9))
    assert all(graph.value(graph.value(s, q.inNameCluster), rdflib.RDFS.label) is not None for s in signatures)


def test_a_cluster_leads_to_its_papers(client: FlaskClient) -> None:
    graph = parse(client.get(f"{NAME}.ttl"))
    q = rdflib.Namespace("https://w3id.org/quiver/ontology#")
    papers = set(graph.subjects(q.hasSignature))
    assert len(papers) == 8
    assert all(graph.value(paper, rdflib.RDFS.label) is not None for paper in papers)


def test_a_long_neighbourhood_is_paged_and_says_so(web_library: Path) -> None:
    client = make_app(web_library, page_size_max=50).test_client()
    q = rdflib.Namespace("https://w3id.org/quiver/ontology#")
    seen: set[rdflib.term.Node] = set()
    for page in (1, 2, 3):
        response = client.get(f"/name/pat_many.ttl?page={page}")
        graph = parse(response)
        comments = [str(o) for o in graph.objects(predicate=rdflib.RDFS.comment)]
        assert len(comments) == 1
        assert ("More follows" in comments[0]) == (page < 3)
        papers = set(graph.subjects(q.hasSignature))
        assert not papers & seen
        seen |= papers
    assert len(seen) == 120


def test_entity_tags_tell_representations_and_codings_apart(client: FlaskClient) -> None:
    tags = set()
    for extension in ("html", "ttl"):
        for coding in ("identity", "gzip"):
            response = client.get(f"{NAME}.{extension}", headers={"Accept-Encoding": coding})
            tag = response.headers["ETag"]
            assert not tag.startswith("W/")
            tags.add(tag)
            again = client.get(f"{NAME}.{extension}", headers={"Accept-Encoding": coding, "If-None-Match": tag})
            assert (again.status_code, again.get_data(), again.headers["ETag"]) == (304, b"", tag)
    assert len(tags) == 4


def test_settings_that_show_change_the_entity_tag(web_library: Path, client: FlaskClient) -> None:
    other = make_app(web_library, title="Another").test_client()
    assert other.get(f"{NAME}.html").headers["ETag"] != client.get(f"{NAME}.html").headers["ETag"]


def test_gzip_carries_the_same_document(client: FlaskClient) -> None:
    plain = client.get(f"{NAME}.ttl")
    packed = client.get(f"{NAME}.ttl", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.get_data()) == plain.get_data()
    assert "Accept-Encoding" in packed.vary


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("gzip;q=0", False),
        ("*", True),
        ("*;q=0", False),
        ("br", False),
        ("", False),
        ("GZIP ; q=0.1", True),
    ],
)
def test_accept_encoding(header: str, taken: bool) -> None:
    assert choose_coding(header) == ("gzip" if taken else "identity")


@pytest.mark.parametrize("path", [NAME, f"{NAME}.html", f"{NAME}.ttl", "/", "/search?q=zero"])
def test_head_is_get_without_a_body(client: FlaskClient, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert head.status_code == got.status_code
    assert head.get_data() == b""
    for name in ("Content-Type", "ETag", "Location"):
        assert head.headers.get(name) == got.headers.get(name)


@pytest.mark.parametrize(
    "path",
    ["/name/nobody", "/name/nobody.ttl", "/paper/x/y", "/name/%3Cscript%3E", "/name/a%20b%22c", "/venue//", "/nothing"],
)
@pytest.mark.parametrize(("accept", "media"), [("text/html", "text/html"), ("text/turtle", None), (None, None)])
def test_what_is_not_there_is_404_without_an_entity_tag(
    client: FlaskClient, path: str, accept: str | None, media: str | None
) -> None:
    response = client.get(path, headers={"Accept": accept} if accept else {})
    assert response.status_code == 404
    assert "ETag" not in response.headers
    assert "Accept" in response.vary
    assert media is None or response.mimetype == media
    assert response.mimetype != "text/html" or "<script>" not in response.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/name/Andrew%20Zhao", "/name/ANDREW_ZHAO", "/venue/NeurIPS.ttl"])
def test_a_key_as_a_person_writes_it_leads_to_the_canonical_address(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 308
    target = urljoin(path, response.headers["Location"])
    assert target in (NAME, "/venue/neurips.ttl")
    assert client.get(target).status_code in (200, 303)


@pytest.mark.parametrize("page", ["0", "-1", "x", "٣", "99999999999"])
def test_a_page_that_is_no_number_is_refused(client: FlaskClient, page: str) -> None:
    assert client.get(f"{NAME}.html?page={page}").status_code == 400


def test_a_new_release_is_picked_up_and_what_it_lacks_is_gone(tmp_path: Path) -> None:
    page, records = write_sample(tmp_path)
    library = tmp_path / "library"
    settings = Settings(jobs=1, release_poll_s=0.0)
    build(library, [page, records], base=BASE, settings=settings)
    client = create_app(library, settings).test_client()
    before = client.get("/venue/jmlr.html")
    assert before.status_code == 200
    build(library, [records], base=BASE, settings=settings)
    assert client.get("/venue/jmlr.html").status_code == 410
    assert client.get("/venue/never.html").status_code == 404
    after = client.get("/venue/acl.html", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200


def test_an_empty_library_answers_503(tmp_path: Path) -> None:
    client = create_app(tmp_path, Settings()).test_client()
    assert client.get("/").status_code == 503
    assert client.get("/health").status_code == 503
    with client.get("/static/quiver.css") as style:
        assert style.status_code == 200


def test_the_dump_has_the_size_and_checksum_that_are_announced(client: FlaskClient, web_library: Path) -> None:
    import hashlib

    from quiver.releases import Library

    manifest = Library(web_library).current().manifest
    assert manifest.dump is not None
    for extension, syntax in (
        ("nq", ox.RdfFormat.N_QUADS),
        ("nt", ox.RdfFormat.N_TRIPLES),
        ("ttl", ox.RdfFormat.TURTLE),
    ):
        response = client.get(f"/dumps/{manifest.id}/quiver-{manifest.id}.{extension}.gz")
        data = response.get_data()
        assert "Content-Encoding" not in response.headers
        assert hashlib.sha256(data).hexdigest() == manifest.dump.sha256
        assert len(data) == manifest.dump.size == response.content_length
        text = gzip.decompress(data)
        assert text.count(b"\n") == manifest.quads
        assert sum(1 for _ in ox.parse(input=text, format=syntax)) == manifest.quads


def test_dumps_of_unknown_releases_are_404(client: FlaskClient) -> None:
    assert client.get("/dumps/nothing/quiver-nothing.nq.gz").status_code == 404
    assert client.get("/releases/nothing").status_code == 404


@pytest.mark.parametrize("name", ["ontology", "shapes"])
def test_the_vocabulary_comes_in_every_syntax(client: FlaskClient, name: str) -> None:
    page = client.get(f"/{name}", headers={"Accept": "text/html"})
    assert page.mimetype == "text/html"
    turtle = rdflib.Graph().parse(data=client.get(f"/{name}.ttl").get_data(), format="turtle")
    assert len(turtle) > 50
    for extension in ("nt", "jsonld", "rdf"):
        response = client.get(f"/{name}.{extension}")
        assert response.mimetype == EXTENSIONS[extension]
        assert len(parse(response)) == len(turtle)
    assert client.get(f"/{name}", headers={"Accept": "text/turtle"}).mimetype == "text/turtle"


def test_machines_find_their_way(client: FlaskClient) -> None:
    assert b"Disallow: /search" in client.get("/robots.txt").get_data()
    index = client.get("/sitemap.xml").get_data(as_text=True)
    assert "part=Paper-0" in index
    part = client.get("/sitemap.xml?part=NameCluster-0").get_data(as_text=True)
    assert "/name/andrew_zhao</loc>" in part
    assert json.loads(client.get("/health").get_data())["status"] == "ok"
    assert "quiver_requests_total" in client.get("/metrics").get_data(as_text=True)
    assert "searchTerms" in client.get("/opensearch.xml").get_data(as_text=True)
    void = client.get("/.well-known/void")
    assert (rdflib.URIRef(f"{BASE}.well-known/void#dataset"), rdflib.RDF.type, rdflib.VOID.Dataset) in parse(void)


def test_the_style_sheet_is_kept_for_good_under_an_address_that_names_its_content(client: FlaskClient) -> None:
    page = client.get("/").get_data(as_text=True)
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    with client.get(urljoin("/", address), headers={"Accept-Encoding": "gzip"}) as packed:
        assert "immutable" in packed.headers["Cache-Control"]
        text = gzip.decompress(packed.get_data())
    with client.get(urljoin("/", address)) as plain:
        assert plain.get_data() == text
        assert plain.headers["ETag"] != packed.headers["ETag"]


@pytest.mark.parametrize(
    ("name", "terms"), [("ontology", ("NameCluster", "bylineStatus")), ("shapes", ("Ordinals", "SignatureIri"))]
)
def test_the_vocabulary_and_the_shapes_are_pages_with_every_term(
    client: FlaskClient, name: str, terms: tuple[str, ...]
) -> None:
    page = client.get(f"/{name}", headers={"Accept": "text/html"}).get_data(as_text=True)
    for one in terms:
        assert f'id="{one}"' in page
    assert (
        client.get(f"/{name}.ttl").data.count(b"a owl:Class") + client.get(f"/{name}.ttl").data.count(b"sh:NodeShape")
        > 5
    )


def test_the_published_context_and_schema_are_those_that_are_used(client: FlaskClient) -> None:
    context = client.get("/ontology/context.jsonld").get_json(force=True)["@context"]
    document = client.get("/name/andrew_zhao.jsonld").get_json(force=True)
    assert document["@context"] == context
    assert client.get("/ontology/record.schema.json").get_json(force=True)["title"].startswith("One line")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/name/andrew_zhao.ttl?page=" + "9" * 5000, 400),
        ("/name/andrew_zhao.ttl?page=²", 400),
        ("/sitemap.xml?part=Paper-²", 404),
        ("/sitemap.xml?part=Paper-" + "9" * 4500, 404),
        ("/sitemap.xml?part=foo", 404),
        ("/sitemap.xml?part=Paper-0", 200),
        ("/releases/nope", 404),
    ],
)
def test_odd_numbers_and_names_in_queries_are_no_server_errors(client: FlaskClient, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert b"/tmp" not in response.data


def test_any_origin_may_read_also_after_a_preflight(client: FlaskClient) -> None:
    asked = {"Origin": "http://e.org", "Access-Control-Request-Headers": "if-none-match"}
    preflight = client.options("/name/andrew_zhao.ttl", headers=asked)
    assert preflight.headers["Access-Control-Allow-Headers"] == "if-none-match"
    assert "GET" in preflight.headers["Access-Control-Allow-Methods"]
    for path in ("/name/andrew_zhao", "/name/andrew_zhao.html", "/name/Andrew_Zhao", "/nothing"):
        assert client.get(path).headers["Access-Control-Allow-Origin"] == "*"


def test_a_304_has_the_fields_of_its_200(client: FlaskClient) -> None:
    whole = client.get("/name/andrew_zhao.ttl")
    unchanged = client.get("/name/andrew_zhao.ttl", headers={"If-None-Match": whole.headers["ETag"]})
    assert unchanged.status_code == 304
    for field in ("ETag", "Vary", "Cache-Control"):
        assert unchanged.headers[field] == whole.headers[field]
