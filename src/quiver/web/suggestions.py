"""Completion: the OpenSearch form for browsers, and one with relative paths for the boxes on our own pages."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote

from flask import Blueprint, Response, g, request

from quiver.names import split_homonym
from quiver.search import compile_beginnings, mark_pieces
from quiver.web.cut_names import cut_names
from quiver.web.graph import Graph, current_graph
from quiver.web.responses import not_modified
from quiver.web.search_request import KIND_WORDS

_OPEN_SEARCH: Final = "application/x-suggestions+json"
_JSON: Final = "application/json"
# Kinds in the order in which the boxes show them.
_ORDER: Final = ("name", "venue", "paper")
_SAFE: Final = "/~._-"


def create_suggestions() -> Blueprint:
    """The blueprint of `/suggest` and `/suggest.json`."""
    blueprint = Blueprint("suggestions", __name__)

    @blueprint.get("/suggest")
    def suggest() -> Response:
        g.tagged = True
        graph = current_graph()
        text = request.args.get("q", "")
        unchanged = not_modified(_OPEN_SEARCH)
        if unchanged is not None:
            return unchanged
        hits = graph.search.suggest(text)
        # OpenSearch Suggestions 1.0: the text, completions, descriptions, addresses.
        return _json(
            [text, [h.label for h in hits], [KIND_WORDS[h.kind] for h in hits], [graph.base + h.path for h in hits]],
            _OPEN_SEARCH,
        )

    @blueprint.get("/suggest.json")
    def suggest_groups() -> Response:
        g.tagged = True
        text = request.args.get("q", "")
        return not_modified(_JSON) or _json({"q": text, "groups": _groups(current_graph(), text)})

    return blueprint


def _json(value: object, media_type: str = _JSON) -> Response:
    return Response(json.dumps(value, ensure_ascii=False) + "\n", mimetype=media_type)


def _groups(graph: Graph, text: str) -> list[dict[str, object]]:
    """The suggestions by kind.

    Each has its `path` below the root of the service, percent-encoded, so that it leads to the page on any host and
    under any prefix; its label as `pieces` of text and whether each was typed; and its homonym number, year or count of
    papers, which may be `at_least`.
    """
    cut = cut_names(graph)
    typed = compile_beginnings(text)
    by_kind: dict[str, list[dict[str, object]]] = {kind: [] for kind in _ORDER}
    for hit in graph.search.suggest(text):
        label, number = split_homonym(hit.label) if hit.kind == "name" else (hit.label, None)
        suggestion: dict[str, object] = {
            "label": hit.label,
            "path": quote(hit.path, safe=_SAFE),
            "pieces": mark_pieces(label, typed),
        }
        if number:
            suggestion["number"] = number
        if hit.kind == "paper":
            suggestion["year"] = hit.year
        else:
            suggestion["papers"] = hit.weight
            if hit.kind == "name" and graph.base + hit.path in cut:
                suggestion["at_least"] = True
        by_kind[hit.kind].append(suggestion)
    return [{"kind": kind, "label": KIND_WORDS[kind], "suggestions": found} for kind, found in by_kind.items() if found]
