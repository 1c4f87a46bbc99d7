"""The page at `/sparql`: the SPARQL editor, or a plain form; and what the editor knows of the release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyoxigraph as ox
from flask import Blueprint, Response, current_app, g, render_template

from quiver.catalogue import Catalogue, NamedQuery, read_materialised
from quiver.catalogue.collection import AREAS
from quiver.config import Settings
from quiver.namespaces import PREFIXES, curie, term
from quiver.negotiation import GRAPHS, HTML, SOLUTIONS, Format
from quiver.web.graph import Graph, KnownFacts, current_graph
from quiver.web.responses import CONTENT_SECURITY_POLICY, not_modified
from quiver.web.vocabulary import vocabulary_triples

# What a new query begins with.
EXAMPLE: Final = f"""\
PREFIX q: <{PREFIXES["q"]}>
PREFIX skos: <{PREFIXES["skos"]}>

# The names with the most papers. A name is a name: it may be several people's.
SELECT ?cluster ?name ?papers WHERE {{
  ?cluster a q:NameCluster ; skos:prefLabel ?name ; q:paperCount ?papers .
}}
ORDER BY DESC(?papers) ?cluster
LIMIT 20
"""
# The editor sets styles as it goes (column widths, the place of the cursor); no other page does.
EDITOR_POLICY: Final = CONTENT_SECURITY_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
_BUNDLE: Final = ("yasgui/yasgui.min.js", "yasgui/yasgui.min.css")
_OWN: Final = ("editor/main.js", "editor/editor.css")
_JSON: Final = "application/json"
_CLASSES: Final = ("owl:Class", "rdfs:Class")
_PROPERTIES: Final = ("owl:ObjectProperty", "owl:DatatypeProperty", "owl:AnnotationProperty", "rdf:Property")


def editor_page(query: str, settings: Settings) -> Response:
    """The page with *query* in it: a form, which the editor replaces where it was built in and scripts run."""
    # Before a release is open there is no frame to put a page in, and nothing to complete.
    framed = "graph" in g
    assets = editor_assets(Path(current_app.static_folder or "")) if framed else None
    page = render_template(
        "sparql.html",
        query=query,
        example=EXAMPLE,
        result_formats=[*SOLUTIONS, *GRAPHS],
        timeout_s=settings.number("query_timeout_s"),
        layout="base.html" if framed else "plain.html",
        editor=assets,
    )
    response = Response(page, content_type=HTML.content_type)
    if assets:
        response.headers["Content-Security-Policy"] = EDITOR_POLICY
    return response


@lru_cache(maxsize=4)
def editor_assets(static: Path) -> dict[str, list[tuple[str, str]]] | None:
    """The scripts and style sheets of the editor, each a path and a digest; None where it is not built in.

    Looked for once: what is installed does not change while it runs.
    """
    if not all((static / name).is_file() for name in _BUNDLE):
        return None
    digests = {name: hashlib.sha256((static / name).read_bytes()).hexdigest()[:12] for name in (*_BUNDLE, *_OWN)}
    return {
        "scripts": [(name, digest) for name, digest in digests.items() if name.endswith(".js")],
        "styles": [(name, digest) for name, digest in digests.items() if name.endswith(".css")],
    }


def create_editor(catalogue: Catalogue) -> Blueprint:
    """The blueprint of `/editor.json`: prefixes, examples, and terms to complete, for the release that is served."""
    blueprint = Blueprint("editor", __name__)
    made: dict[str, str] = {}

    @blueprint.get("/editor.json")
    def knowledge() -> Response:
        g.tagged = True
        unchanged = not_modified(_JSON)
        if unchanged is not None:
            return unchanged
        graph = current_graph()
        text = made.get(graph.id)
        if text is None:
            made.clear()
            text = made[graph.id] = json.dumps(_knowledge(graph, catalogue), ensure_ascii=False) + "\n"
        return Response(text, mimetype=_JSON)

    return blueprint


def _knowledge(graph: Graph, catalogue: Catalogue) -> dict[str, object]:
    return {
        "base": graph.base,
        "prefixes": PREFIXES,
        # IRIs of these are shown at these places; those below the base by their own paths.
        "vocabularies": {PREFIXES["q"]: "ontology#", PREFIXES["qs"]: "shapes#"},
        "areas": [
            {"label": AREAS.get(area, area), "queries": [_example(graph, query) for query in queries]}
            for area, queries in _examples_first(catalogue.areas())
        ],
        "classes": _terms(_CLASSES, _counts(graph, catalogue, "release/classes")),
        "properties": _terms(_PROPERTIES, _counts(graph, catalogue, "release/properties")),
        "formats": {"solutions": _formats(SOLUTIONS), "graph": _formats(GRAPHS)},
    }


def _examples_first(
    areas: Mapping[str, Sequence[NamedQuery]],
) -> list[tuple[str, Sequence[NamedQuery]]]:
    return sorted(areas.items(), key=lambda item: item[0] != "example")


def _example(graph: Graph, query: NamedQuery) -> dict[str, str]:
    text = query.bind(query.examples, graph.base).text
    return {"name": query.name, "title": query.title, "summary": query.summary, "text": f"# {query.title}\n{text}"}


def _counts(graph: Graph, catalogue: Catalogue, name: str) -> dict[str, int]:
    """Term -> number, from the answer kept with the release; empty where it has none, for a scan would take seconds."""
    answer = read_materialised(graph.results_path, catalogue.get(name)) if name in catalogue else None
    rows = answer.rows if answer is not None else ()
    return {term.value: int(number.value) for term, number in rows if term is not None and number is not None}


def _terms(kinds: Sequence[str], counts: Mapping[str, int]) -> list[dict[str, object]]:
    """The terms of the vocabulary that are of these kinds, and those in use: most used first, then by name."""
    found = dict.fromkeys(counts, "")
    wanted = {term(kind) for kind in kinds}
    for iri, facts in _vocabulary().items():
        if iri in found or wanted & set(facts.all("rdf:type")):
            found[iri] = facts.one("rdfs:label")
    ordered = sorted(found, key=lambda iri: (-counts.get(iri, 0), curie(iri) or iri))
    return [{"iri": iri, "label": found[iri], "count": counts.get(iri, 0)} for iri in ordered]


@lru_cache(maxsize=1)
def _vocabulary() -> dict[str, KnownFacts]:
    by_subject: dict[str, list[ox.Triple]] = {}
    for triple in vocabulary_triples("ontology"):
        if isinstance(triple.subject, ox.NamedNode):
            by_subject.setdefault(triple.subject.value, []).append(triple)
    return {iri: KnownFacts(triples) for iri, triples in by_subject.items()}


def _formats(formats: Sequence[Format]) -> list[dict[str, str]]:
    return [{"name": one.name, "label": one.label, "extension": one.extension} for one in formats]
