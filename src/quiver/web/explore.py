"""Explore: any resource of the release, also those without a page of their own, as a linked-data browser shows it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import pyoxigraph as ox
from flask import Blueprint, Response, g, render_template, request

from quiver.config import Settings
from quiver.errors import InvalidParameter, NotFound
from quiver.identifiers import is_absolute_iri
from quiver.namespaces import PREFIXES, curie, term
from quiver.web.documents import NEIGHBOURHOODS
from quiver.web.graph import Graph, current_graph
from quiver.web.links import href, path_of, this_page
from quiver.web.panels import Paging, Panels
from quiver.web.resources import wanted_page
from quiver.web.responses import not_modified
from quiver.web.statements import (
    COUNTED,
    Direction,
    Group,
    Node,
    datatype_properties,
    is_known,
    labels_of,
    read_groups,
    read_page,
    read_uses,
    text_of_node,
    vocabulary_groups,
)

# Nodes of a group on the first page of a resource; a group of so many and no more is shown whole.
SHOWN: Final = 12
_EXAMPLES: Final = 12
# Pages end here: going on would read all that lies before. The query answers from any offset.
DEEPEST: Final = 10_000
_LONGEST_TEXT: Final = 1_200
_STRING: Final = term("xsd:string")
_LANGUAGE: Final = term("rdf:langString")


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as it is set: its text, where that leads, the link to its own statements, and a literal's kind.

    `within` is the label of the paper that a byline entry belongs to, or of what else a fragment is part of.
    """

    text: str
    href: str = ""
    outside: bool = False
    number: str = ""
    explore: str = ""
    kind: str = ""
    kind_explore: str = ""
    within: str = ""
    cut: int = 0


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as it is set: its property, its nodes, how many there are, and the ways to all of them.

    `explore` is empty for a property of which nothing is known but that our vocabulary uses it.
    """

    label: str
    name: str
    explore: str
    nodes: list[NodeView]
    figure: str
    query: str
    parameters: dict[str, str]
    more: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the nodes or statements of one group."""

    title: str
    about: str
    rows: list[tuple[NodeView, ...]]
    query: str
    parameters: dict[str, str]
    paging: Paging
    note: str


def create_explore(panels: Panels, settings: Settings) -> Blueprint:
    """The blueprint of `/explore`."""
    blueprint = Blueprint("explore", __name__)
    page_size = settings.integer("page_size")

    @blueprint.get("/explore")
    def explore() -> Response | str:
        g.tagged = True
        graph = current_graph()
        text = request.args.get("iri", "").strip()
        if not text:
            return not_modified("text/html") or _entrance(graph, panels)
        counts = kept_counts(panels, graph, "release/properties")
        iri = find_iri(graph, text, counts or {})
        show = request.args.get("show", "")
        page = wanted_page()
        unchanged = not_modified("text/html")
        if unchanged is not None:
            return unchanged
        head = _head(graph, iri)
        if not show:
            return render_template("explore.html", **head, **_overview(graph, panels, iri, counts))
        return render_template("explore.html", **head, listing=_listing(graph, iri, show, page, page_size))

    return blueprint


def find_iri(graph: Graph, text: str, properties: Iterable[str]) -> str:
    """The IRI that *text* is, or a path of ours, or a prefixed name; one that the release or the vocabulary knows.

    *properties* are those of the release, as far as known: by them the datatypes of literals are found.

    Raises:
        InvalidParameter: it can be no IRI.
        NotFound: nothing is known of it.
    """
    candidates = [text] if is_absolute_iri(text) else [graph.base + text.removeprefix("/")]
    prefix, colon, local = text.partition(":")
    if colon and prefix in PREFIXES:
        candidates.append(PREFIXES[prefix] + local)
    candidates = [iri for iri in candidates if is_absolute_iri(iri)]
    if not candidates:
        raise InvalidParameter(
            f"iri={text[:200]!r} is no IRI", value=text, hint="Give an IRI, a path of this service, or a prefixed name."
        )
    for iri in candidates:
        if is_known(graph, iri) or datatype_properties(graph, iri, properties):
            return iri
    raise NotFound(f"nothing is said about {text[:200]!r} here", value=text, hint="/search finds papers and names.")


def explore_href(graph: Graph, iri: str, **query: str) -> str:
    """The link to the statements of *iri*; IRIs of ours stand in it as paths."""
    return href("explore", iri=iri.removeprefix(graph.base), **query)


def _head(graph: Graph, iri: str) -> dict[str, object]:
    types = graph.about(iri).all("rdf:type")
    types += [
        node.value
        for group in vocabulary_groups(iri)
        if group.predicate == term("rdf:type") and group.direction == "values"
        for node in group.nodes
        if isinstance(node, ox.NamedNode)
    ]
    (view,) = _views(graph, [ox.NamedNode(iri)])
    return {
        "resource": iri,
        "label": view.text,
        "number": view.number,
        "name": curie(iri) or "",
        "its_page": "" if view.outside else view.href,
        "address": view.href if view.outside else "",
        "types": _views(graph, [ox.NamedNode(one) for one in dict.fromkeys(types)]),
        "description": f"All statements about {view.text}, and all that point to it.",
        "data": {"resource": iri.removeprefix(graph.base)},
    }


def _entrance(graph: Graph, panels: Panels) -> str:
    """The way in: a form, and the classes and properties that the release uses."""
    lists = []
    for title, query in (("Classes", "release/classes"), ("Properties", "release/properties")):
        counts = kept_counts(panels, graph, query)
        if counts is not None:
            views = _views(graph, [ox.NamedNode(iri) for iri in counts])
            lists.append((title, query, list(zip(views, counts.values(), strict=True))))
    return render_template(
        "explore.html", entrance=lists, description="Any resource of the graph, and what is said of it."
    )


def kept_counts(panels: Panels, graph: Graph, query: str) -> dict[str, int] | None:
    """IRI and count of each row of a kept answer; None where the release has none."""
    answer = panels.kept(graph, query)
    return None if answer is None else {row[0].value: int(row[1].value) for row in answer.rows if row[0] and row[1]}


def _overview(graph: Graph, panels: Panels, iri: str, counts: Mapping[str, int] | None) -> dict[str, object]:
    properties = None if counts is None else list(counts)
    outgoing = read_groups(graph, iri, "values", properties, SHOWN)
    incoming = read_groups(graph, iri, "subjects", properties, SHOWN)
    instances = (kept_counts(panels, graph, "release/classes") or {}).get(iri)
    uses = list(islice(read_uses(graph, iri), _EXAMPLES + 1))
    used = counts or {}
    datatype = datatype_properties(graph, iri, properties or ())
    vocabulary = vocabulary_groups(iri)
    return {
        "groups": [
            ("statements", "Statements", "outgoing", _group_views(graph, iri, outgoing)),
            ("pointing-here", "What points here", "incoming", _group_views(graph, iri, incoming, instances)),
        ],
        "vocabulary": {
            "about": _group_views(graph, iri, [one for one in vocabulary if one.direction == "values"], used=used),
            "refers": _group_views(graph, iri, [one for one in vocabulary if one.direction == "subjects"], used=used),
        },
        "term": iri.removeprefix(PREFIXES["q"]) if iri.startswith(PREFIXES["q"]) else "",
        "sampled": properties is None,
        "uses": _pairs(graph, uses[:_EXAMPLES]),
        "uses_figure": _figure(used.get(iri), len(uses), len(uses) > _EXAMPLES),
        "uses_more": explore_href(graph, iri, show="uses") if len(uses) > _EXAMPLES else "",
        "datatype": _views(graph, [ox.NamedNode(one) for one in datatype]),
    }


def _figure(exact: int | None, counted: int, open_ended: bool) -> str:
    if exact is not None:
        return f"{exact:,}"
    return f"{counted:,}" if not open_ended else f"{min(counted, COUNTED):,} or more"


def _group_views(
    graph: Graph,
    iri: str,
    groups: Sequence[Group],
    instances: int | None = None,
    used: Container[str] | None = None,
) -> list[GroupView]:
    """The groups as they are set; those of the vocabulary with the properties that the release has *used*."""
    nodes = iter(_views(graph, [node for group in groups for node in group.nodes], iri))
    labels = labels_of(graph, [group.predicate for group in groups])
    views = []
    for group in groups:
        exact = instances if group.predicate == term("rdf:type") else None
        query = {"show": group.direction, "property": group.predicate}
        known = used is None or group.predicate in used or bool(vocabulary_groups(group.predicate))
        views.append(
            GroupView(
                label=labels.get(group.predicate, ""),
                name=curie(group.predicate) or group.predicate,
                explore=explore_href(graph, group.predicate) if known else "",
                nodes=list(islice(nodes, len(group.nodes))),
                figure=_figure(exact, group.count, group.open_ended),
                query=f"queries/explore/{group.direction}",
                parameters={"resource": iri.removeprefix(graph.base), "property": group.predicate},
                more="" if group.is_whole else explore_href(graph, iri, **query),
            )
        )
    return views


def _pairs(graph: Graph, pairs: Sequence[tuple[Node, Node]]) -> list[tuple[NodeView, ...]]:
    views = _views(graph, [node for pair in pairs for node in pair])
    return list(zip(views[::2], views[1::2], strict=True))


def _listing(graph: Graph, iri: str, show: str, page: int, size: int) -> Listing:
    """One page of one group, as *show* and `property` of the request name it.

    Raises:
        InvalidParameter: they name none, or the page lies too deep.
    """
    start = (page - 1) * size
    if start >= DEEPEST:
        raise InvalidParameter(
            f"page={page} lies beyond the first {DEEPEST:,} statements",
            value=page,
            hint="The query behind this list answers from any offset, and the dumps have everything.",
        )
    if show == "uses":
        pairs = list(islice(read_uses(graph, iri), start, start + size + 1))
        rows, more = _pairs(graph, pairs[:size]), len(pairs) > size
        parameters = {"resource": iri.removeprefix(graph.base)}
        title, about = "Statements with this property", ""
    else:
        direction, property_ = _direction(show), _property(graph)
        nodes, more = read_page(graph, iri, property_, direction, start, size)
        rows = [(view,) for view in _views(graph, nodes, iri)]
        parameters = {"resource": iri.removeprefix(graph.base), "property": property_}
        title = "Values" if direction == "values" else "What points here"
        about = curie(property_) or property_
    last = start + size >= DEEPEST and more
    return Listing(
        title=title,
        about=about,
        rows=rows,
        query=f"queries/explore/{show}",
        parameters=parameters,
        paging=Paging(
            what="statements",
            range=f"{start + 1:,} to {start + len(rows):,}" + ("" if more or page == 1 else ", the last"),
            previous=this_page(page=page - 1 if page > 2 else None) if page > 1 else "",
            next=this_page(page=page + 1) if more and not last else "",
        ),
        note=f"Pages end at {DEEPEST:,}; the query goes on." if last else "",
    )


def _direction(show: str) -> Direction:
    if show == "values":
        return "values"
    if show == "subjects":
        return "subjects"
    raise InvalidParameter(f"show={show[:40]!r} is no list", value=show, hint="There are values, subjects and uses.")


def _property(graph: Graph) -> str:
    text = request.args.get("property", "").strip()
    iri = text if is_absolute_iri(text) else graph.base + text
    if not text or not is_absolute_iri(iri):
        raise InvalidParameter(f"property={text[:200]!r} is no IRI", value=text, hint="Give the IRI of a property.")
    return iri


def _views(graph: Graph, nodes: Iterable[Node], here: str = "") -> list[NodeView]:
    """The nodes as they are set on the page of the resource *here*, which need not be said of its own parts."""
    listed = list(nodes)
    iris = {node.value for node in listed if isinstance(node, ox.NamedNode)}
    labels = labels_of(graph, iris)
    wholes = graph.labels({iri.partition("#")[0] for iri in iris if "#" in iri and iri.startswith(graph.base)} - {here})
    numbers = graph.texts((iri for iri in iris if iri.startswith(graph.base)), "q:homonymNumber")
    return [_view(graph, node, labels, wholes, numbers) for node in listed]


def _view(
    graph: Graph, node: Node, labels: dict[str, str], wholes: dict[str, str], numbers: dict[str, str]
) -> NodeView:
    if isinstance(node, ox.NamedNode):
        iri, number = node.value, numbers.get(node.value, "")
        text = labels.get(iri) or curie(iri) or iri.removeprefix(graph.base)
        outside = path_of(iri) is None
        target = href(iri)
        return NodeView(
            text=text.removesuffix(f" {number}") if number else text,
            href="" if target == "#" or not (outside or has_page(graph, iri)) else target,
            outside=outside,
            number=number,
            explore=explore_href(graph, iri),
            within=wholes.get(iri.partition("#")[0], "") if "#" in iri else "",
        )
    text = text_of_node(node)
    kind = kind_explore = ""
    if isinstance(node, ox.Literal):
        datatype = node.datatype.value
        if datatype == _LANGUAGE:
            kind = f"@{node.language}"
        elif datatype != _STRING:
            kind, kind_explore = curie(datatype) or datatype, explore_href(graph, datatype)
    return NodeView(text[:_LONGEST_TEXT], kind=kind, kind_explore=kind_explore, cut=max(0, len(text) - _LONGEST_TEXT))


def has_page(graph: Graph, iri: str) -> bool:
    """Whether an IRI under our base, or in our vocabulary, leads to a page."""
    path = path_of(iri)
    if path is None:
        return False
    if iri.startswith(PREFIXES["q"]):
        return bool(vocabulary_groups(iri))
    return path.partition("/")[0] in NEIGHBOURHOODS and graph.holds(iri.partition("#")[0])
