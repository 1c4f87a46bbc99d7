"""Completion: the OpenSearch form for browsers, and one with relative paths for the boxes on our own pages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from flask import Blueprint, Response, g, request

from quiver.names import split_homonym
from quiver.search import SearchHit, mark_beginnings
from quiver.web.graph import current_graph
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
        return not_modified(_JSON) or _json({"q": text, "groups": _groups(text, current_graph().search.suggest(text))})

    return blueprint


def _json(value: object, media_type: str = _JSON) -> Response:
    return Response(json.dumps(value, ensure_ascii=False) + "\n", mimetype=media_type)


def _groups(text: str, hits: Iterable[SearchHit]) -> list[dict[str, object]]:
    """The suggestions by kind.

    Each has its `path` below the root of the service, percent-encoded, so that it leads to the page on any host and
    under any prefix; its label as `pieces` of text and whether each was typed; and a homonym number or count of papers.
    """
    by_kind: dict[str, list[dict[str, object]]] = {kind: [] for kind in _ORDER}
    for hit in hits:
        label, number = split_homonym(hit.label) if hit.kind == "name" else (hit.label, None)
        suggestion: dict[str, object] = {
            "label": hit.label,
            "path": quote(hit.path, safe=_SAFE),
            "pieces": mark_beginnings(text, label),
        }
        if number:
            suggestion["number"] = number
        if hit.kind == "paper":
            suggestion["year"] = hit.year
        else:
            suggestion["papers"] = hit.weight
        by_kind[hit.kind].append(suggestion)
    return [{"kind": kind, "label": KIND_WORDS[kind], "suggestions": found} for kind, found in by_kind.items() if found]
