"""Shapes as values: targets, paths and constraints of the part of SHACL that is understood here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from pyoxigraph import BlankNode, Literal, NamedNode, Triple

from quiver.namespaces import term

RdfTerm = NamedNode | BlankNode | Literal | Triple


class Severity(Enum):
    """How grave a result is; only violations keep a graph from conforming."""

    VIOLATION = "Violation"
    WARNING = "Warning"
    INFO = "Info"

    @property
    def iri(self) -> str:
        return term(f"sh:{self.value}")


@dataclass(frozen=True, slots=True)
class Predicate:
    """A path of one step."""

    iri: str

    def sparql(self) -> str:
        return f"<{self.iri}>"


@dataclass(frozen=True, slots=True)
class Inverse:
    """A path followed backwards."""

    path: Path

    def sparql(self) -> str:
        return f"^({self.path.sparql()})"


@dataclass(frozen=True, slots=True)
class Sequence:
    """Paths followed one after the other."""

    steps: tuple[Path, ...]

    def sparql(self) -> str:
        return "(" + "/".join(step.sparql() for step in self.steps) + ")"


@dataclass(frozen=True, slots=True)
class Alternative:
    """Any one of several paths."""

    choices: tuple[Path, ...]

    def sparql(self) -> str:
        return "(" + "|".join(choice.sparql() for choice in self.choices) + ")"


Path = Predicate | Inverse | Sequence | Alternative


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the focus nodes of a shape come from; the union of all that is given."""

    classes: tuple[str, ...] = ()
    subjects_of: tuple[str, ...] = ()
    objects_of: tuple[str, ...] = ()
    nodes: tuple[RdfTerm, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.classes or self.subjects_of or self.objects_of or self.nodes)


@dataclass(frozen=True, slots=True)
class Count:
    """`sh:minCount` or `sh:maxCount`."""

    component: str
    limit: int


@dataclass(frozen=True, slots=True)
class ValueTest:
    """A component that judges each value by itself; *expression* is SPARQL, true where `?value` passes."""

    component: str
    expression: str


@dataclass(frozen=True, slots=True)
class ClassTest:
    """`sh:class`: each value is an instance of the class."""

    component: str
    class_iri: str


@dataclass(frozen=True, slots=True)
class HasValue:
    """`sh:hasValue`: one of the values is this term."""

    component: str
    value: RdfTerm


@dataclass(frozen=True, slots=True)
class Disjoint:
    """`sh:disjoint`: no value is also a value of the other property."""

    component: str
    predicate: str


@dataclass(frozen=True, slots=True)
class Select:
    """`sh:sparql`: each solution of the SELECT is a result; its PREFIX lines apart, as it becomes part of a query."""

    component: str
    prologue: tuple[str, ...]
    text: str
    message: str


Constraint = Count | ValueTest | ClassTest | HasValue | Disjoint | Select


@dataclass(frozen=True, slots=True)
class Shape:
    """A named shape; `path` is None for a node shape."""

    iri: str
    targets: Targets
    path: Path | None
    severity: Severity
    message: str
    constraints: tuple[Constraint, ...]

    @property
    def name(self) -> str:
        """The part of the IRI after its last `#` or `/`."""
        return self.iri.rpartition("#")[2].rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Shapes:
    """All active shapes of a shapes graph, by IRI, in the order of their IRIs."""

    by_iri: Mapping[str, Shape]

    def __len__(self) -> int:
        return len(self.by_iri)

    def only(self, *names: str) -> Shapes:
        """These shapes alone, by local name or IRI.

        Raises:
            KeyError: there is no shape of such a name.
        """
        known = {key: shape for shape in self.by_iri.values() for key in (shape.iri, shape.name)}
        chosen = {known[name].iri for name in names}
        return Shapes({iri: shape for iri, shape in self.by_iri.items() if iri in chosen})
