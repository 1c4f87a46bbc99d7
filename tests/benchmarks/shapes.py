"""Twelve query shapes that bibliographic users run, in our data model, with values taken from the library's data.

A shape is text with one hole, `$value`. Values are drawn with a fixed seed: two runs over a release ask the same.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyoxigraph

from quiver.namespaces import PREFIXES, sparql_prologue

JSON: Final = "application/sparql-results+json"
NTRIPLES: Final = "application/n-triples"
_SEED: Final = 20_261_124
_MOST_VALUES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Shape:
    """One query with a hole; `values` names the list that fills it; a point query looks up what hangs on one thing."""

    name: str
    values: str
    is_point: bool
    text: str

    @property
    def accept(self) -> str:
        return NTRIPLES if self.text.lstrip().startswith(("DESCRIBE", "CONSTRUCT")) else JSON

    def query(self, value: str) -> str:
        """The whole query for *value*, with the prefixes that it uses."""
        text = self.text.replace("$value", value)
        used = (f"PREFIX {prefix}: <{namespace}>\n" for prefix, namespace in PREFIXES.items() if f"{prefix}:" in text)
        return "".join(used) + text.strip()


SHAPES: Final[Sequence[Shape]] = (
    Shape(
        "author page",
        "names",
        True,
        """
SELECT ?paper ?title ?year ?venue WHERE {
  ?signature q:inNameCluster $value .
  ?paper q:hasSignature ?signature ; rdfs:label ?title ; q:year ?year ; q:venue/rdfs:label ?venue .
} ORDER BY DESC(?year) ?title ?venue""",
    ),
    Shape(
        "co-authors",
        "names",
        True,
        """
SELECT ?coauthor ?name (COUNT(DISTINCT ?paper) AS ?papers) WHERE {
  ?paper q:hasSignature/q:inNameCluster $value ; q:hasSignature/q:inNameCluster ?coauthor .
  ?coauthor rdfs:label ?name .
  FILTER(?coauthor != $value)
} GROUP BY ?coauthor ?name ORDER BY DESC(?papers) ?coauthor LIMIT 20""",
    ),
    Shape(
        "venue by year",
        "venues",
        False,
        """
SELECT ?year (COUNT(?paper) AS ?papers) WHERE {
  ?paper q:venue $value ; q:year ?year .
} GROUP BY ?year ORDER BY ?year""",
    ),
    Shape(
        "top authors",
        "thresholds",
        False,
        # HAVING, not LIMIT: the answers of two servers must be equal, and there are many ties.
        """
SELECT ?name (COUNT(?signature) AS ?papers) WHERE {
  ?signature q:inNameCluster ?name .
} GROUP BY ?name HAVING (COUNT(?signature) >= $value) ORDER BY DESC(?papers) ?name""",
    ),
    Shape(
        "CONTAINS",
        "pairs",
        False,
        """
SELECT ?paper ?title WHERE {
  ?paper dcterms:title ?title .
  FILTER(CONTAINS(LCASE(STR(?title)), "$value"))
}""",
    ),
    Shape(
        "REGEX",
        "patterns",
        False,
        """
SELECT ?paper ?title WHERE {
  ?paper dcterms:title ?title .
  FILTER(REGEX(STR(?title), "$value", "i"))
}""",
    ),
    Shape(
        "OPTIONAL label",
        "papers",
        True,
        """
SELECT ?property ?object ?label WHERE {
  $value ?property ?object .
  OPTIONAL { ?object rdfs:label ?label }
}""",
    ),
    Shape(
        "path",
        "names",
        True,
        """
SELECT DISTINCT ?venue WHERE {
  $value ^q:inNameCluster/^q:hasSignature/q:venue/rdfs:label ?venue .
}""",
    ),
    Shape(
        "COUNT DISTINCT",
        "venues",
        False,
        """
SELECT (COUNT(DISTINCT ?name) AS ?names) WHERE {
  ?paper q:venue $value ; q:hasSignature/q:inNameCluster ?name .
}""",
    ),
    Shape("DESCRIBE", "papers", True, "DESCRIBE $value"),
    Shape(
        "CONSTRUCT",
        "names",
        True,
        """
CONSTRUCT { $value foaf:made ?paper . ?paper dcterms:title ?title ; dc:creator ?printed } WHERE {
  ?signature q:inNameCluster $value .
  ?paper q:hasSignature ?signature ; dcterms:title ?title ; q:hasSignature/q:displayName ?printed .
}""",
    ),
    Shape(
        "two-hop co-authors",
        "prolific",
        False,
        """
SELECT (COUNT(DISTINCT ?further) AS ?names) WHERE {
  ?paper q:hasSignature/q:inNameCluster $value ; q:hasSignature/q:inNameCluster ?coauthor .
  ?other q:hasSignature/q:inNameCluster ?coauthor ; q:hasSignature/q:inNameCluster ?further .
}""",
    ),
)

BY_NAME: Final[Mapping[str, Shape]] = {shape.name: shape for shape in SHAPES}


class Values:
    """The lists of values that fill shapes, read from a store."""

    def __init__(self, store: pyoxigraph.Store) -> None:
        self._random = random.Random(_SEED)
        titles = [title for (title,) in _rows(store, "SELECT ?t { ?p a q:Paper ; dcterms:title ?t }")]
        pairs = [pair for title in self._sample(titles) if (pair := self._pair(title))]
        names = "SELECT ?c {{ ?c a q:NameCluster ; q:paperCount ?n FILTER({}) }}"
        self.lists: dict[str, list[str]] = {
            "names": self._sample(_iris(store, names.format("?n >= 3 && ?n <= 60"))),
            "prolific": self._sample(_iris(store, names.format("?n >= 10 && ?n <= 40"))),
            "papers": self._sample(_iris(store, "SELECT ?p { ?p a q:Paper }")),
            "venues": self._sample(
                _iris(store, "SELECT ?v { ?v a q:VenueSeries ; q:paperCount ?n FILTER(?n >= 100) }")
            ),
            "thresholds": self._sample([str(threshold) for threshold in range(80, 150)]),
            "pairs": [f"{first} {second}" for first, second in pairs],
            "patterns": [f"{first[:-1]}.*{second[:-1]}" for first, second in pairs],
        }

    def of(self, shape: Shape) -> list[str]:
        """All values for *shape*, shuffled."""
        return self.lists[shape.values]

    def queries(self, shape: Shape, count: int) -> Iterator[str]:
        """*count* different queries: when the values are used up they come again, each time with another comment."""
        values = self.of(shape)
        for number in range(count):
            yield f"{shape.query(values[number % len(values)])}\n# {number}"

    def _sample(self, values: list[str]) -> list[str]:
        return self._random.sample(sorted(values), min(len(values), _MOST_VALUES))

    def _pair(self, title: str) -> tuple[str, str] | None:
        """Two neighbouring longer words of *title*, lower-cased, such as people search for."""
        words = title.lower().split()
        found = [
            (first, second)
            for first, second in itertools.pairwise(words)
            if min(len(first), len(second)) >= 5 and f"{first}{second}".isascii() and f"{first}{second}".isalpha()
        ]
        return self._random.choice(found) if found else None


def evaluate(store: pyoxigraph.Store, query: str) -> bytes:
    """The answer as it goes out, JSON or N-Triples, evaluated in this process: what the engine alone takes."""
    result = store.query(query)
    if isinstance(result, pyoxigraph.QueryTriples):
        data = pyoxigraph.serialize(result, format=pyoxigraph.RdfFormat.N_TRIPLES)
    else:
        data = result.serialize(format=pyoxigraph.QueryResultsFormat.JSON)
    assert data is not None
    return data


def typical(store: pyoxigraph.Store, shape: Shape, values: Sequence[str], of: int = 21) -> str:
    """The one of the first *of* values whose query takes the median time: neither an empty page nor the longest."""
    taken = []
    for value in values[:of]:
        query = shape.query(value)
        evaluate(store, query)
        started = time.perf_counter()
        evaluate(store, query)
        taken.append((time.perf_counter() - started, value))
    return sorted(taken)[len(taken) // 2][1]


def _rows(store: pyoxigraph.Store, query: str) -> Iterator[tuple[str, ...]]:
    solutions = store.query(sparql_prologue() + query)
    assert isinstance(solutions, pyoxigraph.QuerySolutions)
    for solution in solutions:
        yield tuple(value.value for value in solution if isinstance(value, (pyoxigraph.NamedNode, pyoxigraph.Literal)))


def _iris(store: pyoxigraph.Store, query: str) -> list[str]:
    return [f"<{iri}>" for (iri,) in _rows(store, query)]


def choose_shapes(names: Sequence[str], condition: Callable[[Shape], bool] = lambda _: True) -> list[Shape]:
    """The shapes called *names*, all where there is none, that fulfil *condition*.

    Raises:
        KeyError: there is no such shape.
    """
    return [shape for shape in ([BY_NAME[name] for name in names] or SHAPES) if condition(shape)]
