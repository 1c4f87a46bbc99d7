"""Names whose counts of papers are no more than a lower bound: those on bylines that their source may have cut.

A page about one name sees its papers; a list of names would have to look at those of all. So it is found once for a
release which names stand on such bylines.
"""

from __future__ import annotations

from collections.abc import Container
from itertools import chain, islice
from typing import Final
from weakref import WeakKeyDictionary

import pyoxigraph as ox

from quiver.namespaces import term
from quiver.web.graph import Graph

_CUT: Final = ("q:Abridged", "q:PossiblyAbridged")
# With more such bylines any name may well be missing from one, and to look them all up would take a second.
_MOST_BYLINES: Final = 2000

# Not kept by the graph's id: a release that is no longer served is to be let go.
_found: WeakKeyDictionary[Graph, Container[str]] = WeakKeyDictionary()


class _EveryName:
    def __contains__(self, iri: object) -> bool:
        return True


def cut_names(graph: Graph) -> Container[str]:
    """The IRIs of the name clusters whose papers a release may not all know; all of them where many bylines are cut."""
    names = _found.get(graph)
    if names is None:
        names = _found[graph] = _look_up(graph)
    return names


def _look_up(graph: Graph) -> Container[str]:
    status = term("q:bylineStatus")
    cut = chain.from_iterable(graph.triples(predicate=status, object_=term(value)) for value in _CUT)
    papers = [
        triple.subject.value for triple in islice(cut, _MOST_BYLINES + 1) if isinstance(triple.subject, ox.NamedNode)
    ]
    if len(papers) > _MOST_BYLINES:
        return _EveryName()
    names = graph.objects(graph.objects(papers, "q:hasSignature"), "q:inNameCluster")
    # What a page lists under a name may be on no byline at all.
    pages = graph.triples(predicate=term("q:aboutCluster"))
    return frozenset(names | {page.object.value for page in pages if isinstance(page.object, ox.NamedNode)})
