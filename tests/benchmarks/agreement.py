"""Whether two servers gave the same answer: solutions as a multiset, triples as a set; blank nodes by kind only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pyoxigraph

from tests.benchmarks.load import Answer, Connection, target
from tests.benchmarks.servers import Server
from tests.benchmarks.shapes import Shape

Comparable = Counter[tuple[tuple[str, ...], ...]] | frozenset[str]


def comparable(answer: Answer) -> Comparable:
    """The answer in a form that is equal for equal answers, whatever their order and format.

    Raises:
        ValueError: its media type is none that is known.
    """
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if "json" not in media_type or "ld+json" in media_type:
        form = pyoxigraph.RdfFormat.from_media_type(media_type)
        if form is None:
            raise ValueError(media_type)
        return frozenset(str(quad.triple) for quad in pyoxigraph.parse(answer.body, format=form))
    body = answer.body
    bindings = json.loads(body)["results"]["bindings"]
    return Counter(tuple(sorted((name, *_term(value)) for name, value in solution.items())) for solution in bindings)


def _term(value: dict[str, str]) -> tuple[str, ...]:
    kind = value["type"].replace("typed-literal", "literal")
    plain = "http://www.w3.org/2001/XMLSchema#string"
    datatype = value.get("datatype", "")
    text = "" if kind == "bnode" else value["value"]
    return kind, text, "" if datatype == plain else datatype, value.get("xml:lang", "")


def disagreements(first: Server, second: Server, shape: Shape, queries: Sequence[str]) -> list[str]:
    """A line for each query that is not answered 200 by both, or not alike, or not in the format that was asked for."""
    found = []
    with Connection(first.port, timeout_s=120) as one, Connection(second.port, timeout_s=120) as other:
        for query in queries:
            ours = one.get(target(first.path, query, **first.parameters), shape.accept)
            theirs = other.get(target(second.path, query, **second.parameters), shape.accept)
            if (ours.status, theirs.status) != (200, 200):
                found.append(f"{shape.name}: {first.name} {ours.status} {ours.code}, {second.name} {theirs.status}")
                continue
            try:
                left, right = comparable(ours), comparable(theirs)
            except ValueError as error:
                found.append(f"{shape.name}: an answer of {first.name} or {second.name} cannot be read: {error}")
                continue
            if left != right:
                found.append(f"{shape.name}: {first.name} has {len(left)} rows, {second.name} {len(right)}: {query}")
    return found
