"""The page at `/sparql` and what it tells the editor, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from quiver.catalogue import load_catalogue
from quiver.namespaces import PREFIXES, term
from quiver.web.editor import EDITOR_POLICY, EXAMPLE, editor_assets
from quiver.web.responses import CONTENT_SECURITY_POLICY
from tests.browsing import BASE, NO_BUNDLE, STATIC, app_with_sparql, has_bundle

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
needs_bundle = pytest.mark.skipif(not has_bundle(), reason=NO_BUNDLE)


@pytest.fixture(scope="module")
def app(web_library: Path) -> Iterator[Flask]:
    with app_with_sparql(web_library) as app:
        yield app


@needs_bundle
def test_only_the_page_of_the_editor_has_a_wider_policy(app: Flask) -> None:
    client = app.test_client()
    policy = client.get("/sparql", headers={"Accept": BROWSER}).headers["Content-Security-Policy"]
    assert policy == EDITOR_POLICY
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert client.get("/queries", headers={"Accept": BROWSER}).headers["Content-Security-Policy"] == (
        CONTENT_SECURITY_POLICY
    )


@needs_bundle
def test_the_licences_travel_with_the_editor() -> None:
    notes = (STATIC / "yasgui/LICENSES.txt").read_text(encoding="utf-8")
    for name in ("@zazuko/yasgui", "codemirror", "lodash-es", "datatables.net"):
        assert f"\n{name} " in notes


def test_without_the_bundle_there_is_the_form(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "static_folder", str(tmp_path))
    answer = app.test_client().get("/sparql", headers={"Accept": BROWSER})
    assert editor_assets(tmp_path) is None
    assert answer.status_code == 200
    assert "<textarea" in answer.text
    assert "yasgui" not in answer.text
    assert "static/editor/" not in answer.text, "the scripts of all pages are there, the editor's are not"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_a_linked_query_stands_in_the_form(app: Flask) -> None:
    client = app.test_client()
    linked = client.get(
        "/sparql", query_string={"query": "ASK { <a&b> ?p '</textarea>' }"}, headers={"Accept": BROWSER}
    )
    assert "ASK { &lt;a&amp;b&gt; ?p &#39;&lt;/textarea&gt;&#39; }</textarea>" in linked.text
    assert EXAMPLE.splitlines()[-1] in client.get("/sparql", headers={"Accept": BROWSER}).text


def test_the_editor_knows_the_release(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/editor.json")
    known = json.loads(answer.data)
    assert known["base"] == BASE
    assert known["prefixes"] == PREFIXES
    offered = [query["name"] for area in known["areas"] for query in area["queries"]]
    assert sorted(offered) == [query.name for query in load_catalogue()]
    assert known["areas"][0]["label"] == "Examples for the editor"
    classes = {one["iri"]: one for one in known["classes"]}
    properties = {one["iri"]: one for one in known["properties"]}
    assert classes[term("q:Paper")]["label"] == "Paper"
    assert classes[term("q:Paper")]["count"] > 100
    assert classes[term("q:EvidenceGroup")]["count"] == 0
    assert properties[term("dcterms:title")]["count"] == classes[term("q:Paper")]["count"]
    assert properties[term("q:hasSignature")]["label"]
    again = client.get("/editor.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_every_example_runs_as_it_is_offered(app: Flask) -> None:
    client = app.test_client()
    for area in json.loads(client.get("/editor.json").data)["areas"]:
        for query in area["queries"]:
            answer = client.post("/sparql", data={"query": query["text"]})
            assert answer.status_code == 200, (query["name"], answer.text)
