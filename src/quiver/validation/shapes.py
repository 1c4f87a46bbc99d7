"""Shapes read from a shapes graph; whatever is not understood is an error, never left out.

What is understood of SHACL Core: `sh:targetClass`, `sh:targetSubjectsOf`, `sh:targetObjectsOf`, `sh:targetNode`; node
shapes, property shapes, and `sh:property` from a node shape to a property shape (which takes its targets); predicate,
inverse, sequence and alternative paths; the components in `_READERS`. Of SHACL-SPARQL: `sh:sparql` with a SELECT that
binds `$this` in positive patterns of its own.

A shape with constraints has an IRI. Logical components, `sh:node`, qualified counts, `sh:closed`, `sh:uniqueLang`,
property pairs other than `sh:disjoint`, recursive paths, SPARQL targets and custom components are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path as FilePath

from pyoxigraph import Literal, NamedNode
from rdflib import BNode, Graph, URIRef
from rdflib import Literal as RdflibLiteral
from rdflib.collection import Collection
from rdflib.namespace import OWL, RDF, RDFS, SH, XSD
from rdflib.term import Node

from quiver.config import bundled
from quiver.errors import InvalidShapes
from quiver.validation.model import (
    Alternative,
    ClassTest,
    Constraint,
    Count,
    Disjoint,
    HasValue,
    Inverse,
    Path,
    Predicate,
    RdfTerm,
    Select,
    Sequence,
    Severity,
    Shape,
    Shapes,
    Targets,
    ValueTest,
)
from quiver.validation.terms import (
    DATATYPES,
    NODE_KINDS,
    compares,
    has_datatype,
    has_length,
    is_one_of,
    matches,
)

# Parameters that say nothing about conformance, or are read with another one.
_SILENT = frozenset(
    {SH.name, SH.description, SH.order, SH.group, SH.defaultValue, SH.message, SH.severity, SH.deactivated, SH.path}
    | {SH.flags, SH.property, SH.targetClass, SH.targetSubjectsOf, SH.targetObjectsOf, SH.targetNode}
)
# What SHACL-SPARQL 5.2.1 forbids in a query with pre-bound variables.
_FORBIDDEN = re.compile(r"\b(MINUS|VALUES|SERVICE)\b", re.IGNORECASE)
_NOT_CODE = re.compile(r"#[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|<[^\s<>]*>")
_SELECT = re.compile(r"\bSELECT\b(.*?)(?:\bWHERE\b|\{)", re.IGNORECASE | re.DOTALL)
_THIS = re.compile(r"[$?]this\b|\*")


def load_shapes(path: FilePath | None = None) -> Shapes:
    """The shapes of a Turtle file, by default of the project's own.

    Raises:
        InvalidShapes: no Turtle, or something in it that is not understood here.
    """
    path = bundled("ontology") / "shapes.ttl" if path is None else path
    try:
        graph = Graph().parse(path, format="turtle")
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidShapes(f"{path}: {error}", value=path) from error
    return read_shapes(graph)


def read_shapes(graph: Graph) -> Shapes:
    """The active shapes of a shapes graph.

    Raises:
        InvalidShapes: something in it is not understood here.
    """
    for custom in graph.subjects(RDF.type, SH.ConstraintComponent):
        raise InvalidShapes(f"custom constraint components are not supported: {custom}", value=str(custom))
    reader = _ShapesReader(graph)
    shapes = {str(node): shape for node in reader.nodes() if (shape := reader.shape(node)) is not None}
    return Shapes(dict(sorted(shapes.items())))


class _ShapesReader:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def nodes(self) -> list[Node]:
        """All shapes: those typed so, those with a target, those that `sh:property` leads to."""
        found: set[Node] = set()
        for shape_class in (SH.NodeShape, SH.PropertyShape, SH.Shape):
            found.update(self.graph.subjects(RDF.type, shape_class))
        for predicate in (SH.targetClass, SH.targetSubjectsOf, SH.targetObjectsOf, SH.targetNode):
            found.update(self.graph.subjects(predicate))
        found.update(self.graph.objects(None, SH.property))
        return sorted(found, key=str)

    def shape(self, node: Node) -> Shape | None:
        if RdflibLiteral(True) in set(self.graph.objects(node, SH.deactivated)):
            return None
        if {RDFS.Class, OWL.Class} & set(self.graph.objects(node, RDF.type)):
            raise self.error(node, "a shape that is also a class (an implicit target)")
        path_node = self.one(node, SH.path)
        path = None if path_node is None else self.path(node, path_node)
        constraints = tuple(self.constraints(node, path is not None))
        if not constraints:
            return None
        if not isinstance(node, URIRef):
            raise self.error(node, "a shape with constraints but without an IRI")
        targets = self.targets(node)
        if not targets:
            raise self.error(node, "a shape with constraints but without a target")
        severity = self.one(node, SH.severity) or SH.Violation
        if str(severity) not in {known.iri for known in Severity}:
            raise self.error(node, f"severity {severity}")
        return Shape(
            iri=str(node),
            targets=targets,
            path=path,
            severity=next(known for known in Severity if known.iri == str(severity)),
            message=self.message(node),
            constraints=constraints,
        )

    def targets(self, node: Node, inherited: frozenset[Node] = frozenset()) -> Targets:
        """The shape's own targets and those of the node shapes that lead to it by `sh:property`."""
        if node in inherited:
            raise self.error(node, "sh:property in a circle")
        parents = list(self.graph.subjects(SH.property, node))
        for parent in parents:
            if self.one(parent, SH.path) is not None:
                raise self.error(parent, "sh:property inside a property shape")
        every = [self.targets(parent, inherited | {node}) for parent in parents if self.active(parent)]
        every.append(
            Targets(
                classes=self.iris(node, SH.targetClass),
                subjects_of=self.iris(node, SH.targetSubjectsOf),
                objects_of=self.iris(node, SH.targetObjectsOf),
                nodes=self.terms(node, sorted(self.graph.objects(node, SH.targetNode), key=str)),
            )
        )
        return Targets(
            classes=_union(targets.classes for targets in every),
            subjects_of=_union(targets.subjects_of for targets in every),
            objects_of=_union(targets.objects_of for targets in every),
            nodes=tuple(dict.fromkeys(value for targets in every for value in targets.nodes)),
        )

    def active(self, node: Node) -> bool:
        return RdflibLiteral(True) not in set(self.graph.objects(node, SH.deactivated))

    def constraints(self, node: Node, has_path: bool) -> Iterable[Constraint]:
        for predicate, value in sorted(self.graph.predicate_objects(node), key=str):
            if not str(predicate).startswith(str(SH)) or predicate in _SILENT:
                continue
            reader = _READERS.get(str(predicate))
            if reader is None:
                raise self.error(node, str(predicate).replace(str(SH), "sh:"))
            if not has_path and predicate in (SH.minCount, SH.maxCount):
                raise self.error(node, "a count without a path")
            constraint = reader(self, node, value)
            if constraint is not None:
                yield constraint

    def path(self, shape: Node, node: Node) -> Path:
        if isinstance(node, URIRef) and node != RDF.nil:
            return Predicate(str(node))
        if self.one(node, RDF.first) is not None:
            return Sequence(tuple(self.path(shape, step) for step in Collection(self.graph, node)))
        inverse = self.one(node, SH.inversePath)
        if inverse is not None:
            return Inverse(self.path(shape, inverse))
        choices = self.one(node, SH.alternativePath)
        if choices is not None:
            return Alternative(tuple(self.path(shape, choice) for choice in Collection(self.graph, choices)))
        raise self.error(shape, "this kind of path")

    def select(self, node: Node, value: Node) -> Select:
        text = self.one(value, SH.select)
        if text is None:
            raise self.error(node, "sh:sparql without sh:select")
        code = _NOT_CODE.sub(" ", str(text))
        forbidden = _FORBIDDEN.search(code)
        if forbidden:
            raise self.error(node, f"{forbidden[0]} in sh:select (SHACL 5.2.1)")
        if not all(_THIS.search(head) for head in _SELECT.findall(code)):
            raise self.error(node, "a SELECT in sh:select that does not project $this")
        return Select(
            str(SH.SPARQLConstraintComponent),
            self.prologue(value),
            str(text),
            message=self.message(value) or self.message(node),
        )

    def prologue(self, node: Node) -> tuple[str, ...]:
        """PREFIX lines of the `sh:declare`s that *node* names with `sh:prefixes`."""
        declared: dict[str, str] = {}
        for ontology in self.graph.objects(node, SH.prefixes):
            for declaration in self.graph.objects(ontology, SH.declare):
                prefix, namespace = self.one(declaration, SH.prefix), self.one(declaration, SH.namespace)
                declared[str(prefix)] = str(namespace)
        return tuple(f"PREFIX {prefix}: <{namespace}>" for prefix, namespace in sorted(declared.items()))

    def message(self, node: Node) -> str:
        return next((str(message) for message in sorted(self.graph.objects(node, SH.message), key=str)), "")

    def one(self, node: Node, predicate: Node) -> Node | None:
        values = list(self.graph.objects(node, predicate))
        if len(values) > 1:
            raise self.error(node, f"{len(values)} values of {predicate}")
        return values[0] if values else None

    def iris(self, node: Node, predicate: Node) -> tuple[str, ...]:
        values = sorted(self.graph.objects(node, predicate), key=str)
        if not all(isinstance(value, URIRef) for value in values):
            raise self.error(node, f"{predicate} that is no IRI")
        return tuple(str(value) for value in values)

    def terms(self, node: Node, values: Iterable[Node]) -> tuple[RdfTerm, ...]:
        return tuple(self.term(node, value) for value in values)

    def integer(self, node: Node, value: Node) -> int:
        if isinstance(value, RdflibLiteral) and isinstance(value.value, int) and value.value >= 0:
            return value.value
        raise self.error(node, f"{value} where a number of at least 0 belongs")

    def term(self, node: Node, value: Node) -> RdfTerm:
        """*value* as a term of the engine; a blank node of the shapes graph means nothing in the data."""
        if isinstance(value, URIRef):
            return NamedNode(str(value))
        if isinstance(value, RdflibLiteral):
            if value.language:
                return Literal(str(value), language=value.language)
            return Literal(str(value), datatype=NamedNode(str(value.datatype or XSD.string)))
        raise self.error(node, "a blank node as a value")

    def error(self, node: Node, what: str) -> InvalidShapes:
        name = "a shape without an IRI" if isinstance(node, BNode) else str(node)
        return InvalidShapes(f"{name}: not supported or not valid: {what}", value=str(node))


def _union(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for group in groups for value in group))


_Reader = Callable[[_ShapesReader, Node, Node], Constraint | None]


def _component(parameter: str) -> str:
    return f"{SH}{parameter[0].upper()}{parameter[1:]}ConstraintComponent"


def _count(parameter: str) -> _Reader:
    return lambda reader, node, value: Count(_component(parameter), reader.integer(node, value))


def _datatype(reader: _ShapesReader, node: Node, value: Node) -> Constraint:
    if str(value) not in DATATYPES:
        raise reader.error(node, f"sh:datatype {value}")
    return ValueTest(_component("datatype"), has_datatype(str(value)))


def _node_kind(reader: _ShapesReader, node: Node, value: Node) -> Constraint:
    if str(value) not in NODE_KINDS:
        raise reader.error(node, f"sh:nodeKind {value}")
    return ValueTest(_component("nodeKind"), NODE_KINDS[str(value)])


def _pattern(reader: _ShapesReader, node: Node, value: Node) -> Constraint:
    flags = reader.one(node, SH.flags)
    return ValueTest(_component("pattern"), matches(str(value), str(flags) if flags is not None else ""))


def _range(parameter: str, operator: str) -> _Reader:
    return lambda reader, node, value: ValueTest(_component(parameter), compares(operator, reader.term(node, value)))


def _length(parameter: str, operator: str) -> _Reader:
    return lambda reader, node, value: ValueTest(
        _component(parameter), has_length(operator, reader.integer(node, value))
    )


def _class(reader: _ShapesReader, node: Node, value: Node) -> Constraint:
    if not isinstance(value, URIRef):
        raise reader.error(node, "sh:class that is no IRI")
    return ClassTest(_component("class"), str(value))


def _disjoint(reader: _ShapesReader, node: Node, value: Node) -> Constraint:
    if not isinstance(value, URIRef):
        raise reader.error(node, "sh:disjoint that is no IRI")
    return Disjoint(_component("disjoint"), str(value))


_READERS: dict[str, _Reader] = {
    str(SH.minCount): _count("minCount"),
    str(SH.maxCount): _count("maxCount"),
    str(SH.datatype): _datatype,
    str(SH.nodeKind): _node_kind,
    str(SH["class"]): _class,
    str(SH["in"]): lambda reader, node, value: ValueTest(
        _component("in"), is_one_of(reader.terms(node, Collection(reader.graph, value)))
    ),
    str(SH.hasValue): lambda reader, node, value: HasValue(_component("hasValue"), reader.term(node, value)),
    str(SH.pattern): _pattern,
    str(SH.minLength): _length("minLength", ">="),
    str(SH.maxLength): _length("maxLength", "<="),
    str(SH.minInclusive): _range("minInclusive", ">="),
    str(SH.maxInclusive): _range("maxInclusive", "<="),
    str(SH.minExclusive): _range("minExclusive", ">"),
    str(SH.maxExclusive): _range("maxExclusive", "<"),
    str(SH.disjoint): _disjoint,
    str(SH.sparql): lambda reader, node, value: reader.select(node, value),
}
