"""Bylines as pages show them: every name a link to its cluster, homonym numbers as separate marks, gaps in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from quiver.names import display_name, name_key, split_homonym
from quiver.web.graph import Graph

NAMES_SHOWN: Final = 50
NO_NAME: Final = "(no name)"
# Of figures that are lower bounds.
AT_LEAST: Final = "At least: some bylines may be cut."

# Byline status -> what it means, in a few words and in a sentence.
STATUS_WORDS: Final[dict[str, tuple[str, str]]] = {
    "Complete": ("", "The byline is as the source gives it."),
    "PossiblyAbridged": (
        "byline possibly abridged",
        "The source shortens long bylines: it shows eight names at most. More names may belong here.",
    ),
    "Abridged": (
        "byline abridged",
        "The source shortened this byline: it lists the paper for a name that the byline does not show.",
    ),
}


class Signer(NamedTuple):
    """One name on a byline: as displayed, its homonym number, and the IRI of its name cluster."""

    name: str
    number: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Byline:
    """The names shown, how many there are in all, and the status: `Complete`, `PossiblyAbridged` or `Abridged`."""

    signers: tuple[Signer, ...]
    total: int
    status: str

    @property
    def more(self) -> int:
        return self.total - len(self.signers)

    @property
    def cut(self) -> bool:
        """Whether names may be missing because the source left them out."""
        return self.status in ("PossiblyAbridged", "Abridged")

    @property
    def mark(self) -> str:
        return STATUS_WORDS.get(self.status, ("", ""))[0]

    @property
    def explanation(self) -> str:
        return STATUS_WORDS.get(self.status, ("", ""))[1]


def read_bylines(graph: Graph, papers: Iterable[str], most: int = NAMES_SHOWN) -> dict[str, Byline]:
    """The byline of each paper, with the first *most* names; look-ups in the index, one batch a property."""
    iris = list(dict.fromkeys(papers))
    totals = graph.texts(iris, "q:authorCount")
    statuses = graph.texts(iris, "q:bylineStatus")
    ordinals = {iri: range(1, min(int(totals.get(iri, "0")), most) + 1) for iri in iris}
    signatures = [f"{iri}#a{ordinal}" for iri in iris for ordinal in ordinals[iri]]
    names = graph.texts(signatures, "q:displayName")
    clusters = graph.texts(signatures, "q:inNameCluster")
    numbers = graph.texts(set(clusters.values()), "q:homonymNumber")
    found = {}
    for iri in iris:
        signers = tuple(
            _signer(names.get(signature, ""), clusters.get(signature, ""), numbers)
            for signature in (f"{iri}#a{ordinal}" for ordinal in ordinals[iri])
        )
        found[iri] = Byline(signers, int(totals.get(iri, "0")), statuses.get(iri, "").rpartition("#")[2])
    return found


def byline_of(graph: Graph, names: Sequence[str], status: str, most: int = NAMES_SHOWN) -> Byline:
    """The byline of a paper, as `read_bylines` has it, from its names as stated and its status (an IRI).

    All but the status follows from the names by the rules of the data model: a quarter of a search page's time.
    """
    signers = tuple(
        Signer(
            (display_name(bare) if number else bare) or NO_NAME, number or "", graph.minter.name_cluster(name_key(name))
        )
        for name in names[:most]
        for bare, number in (split_homonym(name),)
    )
    return Byline(signers, len(names), status.rpartition("#")[2])


def _signer(name: str, cluster: str, numbers: dict[str, str]) -> Signer:
    return Signer(name or NO_NAME, numbers.get(cluster, ""), cluster)
