"""Constraints as SPARQL: one SELECT each, written so that it scales to millions of focus nodes.

Measured on 1.2 million triples with pyoxigraph 0.5: joining every focus node with its values by lookup costs 0.6 s a
constraint, a scan of one predicate 0.05 s. So a query finds the values at fault first, by a scan of the path, each
distinct value judged once; only then are these few joined with the target. "Has none" is a MINUS (a hash join), three
times as fast as NOT EXISTS; an alternative path is a UNION, twice as fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quiver.namespaces import PREFIXES
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
    Select,
    Shape,
    Targets,
    ValueTest,
)
from quiver.validation.terms import in_sparql

Subclasses = Mapping[str, tuple[str, ...]]
"""Class IRI -> the class and its subclasses in the data (SHACL 1.1: instances of subclasses are instances)."""

_TYPE = f"<{PREFIXES['rdf']}type>"


@dataclass(frozen=True, slots=True)
class Check:
    """A constraint ready to run: *query* binds `?this` (and `?value`) once for each result.

    *suspects*, where given, has a solution whenever *query* has one, and costs less: no solution, nothing to report.
    """

    constraint: Constraint
    query: str
    suspects: str | None = None


def classes_of(shape: Shape) -> set[str]:
    """The classes whose subclasses `compile_constraint` asks for."""
    tested = {constraint.class_iri for constraint in shape.constraints if isinstance(constraint, ClassTest)}
    return tested | set(shape.targets.classes)


def compile_constraint(shape: Shape, constraint: Constraint, subclasses: Subclasses) -> Check:
    """The check of one constraint of *shape*."""
    target = _target(shape.targets, subclasses)
    prologue, suspects = "", None
    match constraint:
        case Select():
            query = f"SELECT DISTINCT * WHERE {{ {{ {constraint.text} }} {target} }}"
            prologue = "".join(f"{line}\n" for line in constraint.prologue)
        case ValueTest() | ClassTest() if shape.path is None:
            fault = _fault(constraint, subclasses)
            query = (
                f"SELECT DISTINCT ?this ?value WHERE {{ {{ SELECT DISTINCT (?this AS ?value) WHERE {{ {target} }} }} "
                f"{fault} BIND(?value AS ?this) }}"
            )
        case ValueTest() | ClassTest():
            assert shape.path is not None
            pairs = _pairs(shape.path, "?value")
            faults = (
                f"SELECT ?value WHERE {{ {{ SELECT DISTINCT ?value WHERE {{ {pairs} }} }} "
                f"{_fault(constraint, subclasses)} }}"
            )
            suspects = f"{faults} LIMIT 1"
            query = f"SELECT DISTINCT ?this ?value WHERE {{ {{ {faults} }} {pairs} {target} }}"
        case Count():
            assert shape.path is not None
            query, suspects = _count(constraint, shape.path, target)
        case HasValue():
            value = in_sparql(constraint.value)
            if shape.path is None:
                query = f"SELECT DISTINCT ?this WHERE {{ {target} FILTER(!sameTerm(?this, {value})) }}"
            else:
                query = f"SELECT DISTINCT ?this WHERE {{ {target} MINUS {{ ?this {shape.path.sparql()} {value} }} }}"
        case Disjoint() if shape.path is None:
            query = (
                f"SELECT DISTINCT ?this (?this AS ?value) WHERE {{ ?this <{constraint.predicate}> ?this . {target} }}"
            )
        case Disjoint():
            # Sub-selects make the engine hash both sides; joined as patterns, one side is looked up row by row.
            ours = f"{{ SELECT ?this ?value WHERE {{ {_pairs(shape.path, '?value')} }} }}"
            others = f"{{ SELECT ?this ?value WHERE {{ ?this <{constraint.predicate}> ?value }} }}"
            query = f"SELECT DISTINCT ?this ?value WHERE {{ {ours} {others} {target} }}"
            suspects = f"SELECT ?this WHERE {{ {ours} {others} }} LIMIT 1"
    return Check(constraint, prologue + query, suspects)


def _target(targets: Targets, subclasses: Subclasses) -> str:
    """A group that binds `?this` to the focus nodes."""
    choices = [
        f"{{ ?this {_TYPE} <{member}> }}"
        for class_iri in targets.classes
        for member in subclasses.get(class_iri, (class_iri,))
    ]
    choices += [f"{{ ?this <{predicate}> [] }}" for predicate in targets.subjects_of]
    choices += [f"{{ [] <{predicate}> ?this }}" for predicate in targets.objects_of]
    if targets.nodes:
        choices.append(f"{{ VALUES ?this {{ {' '.join(map(in_sparql, targets.nodes))} }} }}")
    return choices[0] if len(choices) == 1 else f"{{ {' UNION '.join(choices)} }}"


def _fault(constraint: ValueTest | ClassTest, subclasses: Subclasses) -> str:
    """What leaves only the values that fail; an error in the test is a failure."""
    if isinstance(constraint, ValueTest):
        return f"FILTER(!COALESCE({constraint.expression}, false))"
    members = subclasses.get(constraint.class_iri, (constraint.class_iri,))
    return " ".join(f"MINUS {{ ?value {_TYPE} <{member}> }}" for member in members)


def _count(constraint: Count, path: Path, target: str) -> tuple[str, str | None]:
    """The query for a count, and its suspects."""
    pairs = _pairs(path, "?counted")
    # The pairs of a sequence or an alternative may come more than once; value nodes are a set.
    counted = "*" if _gives_each_pair_once(path) else "DISTINCT ?counted"
    if constraint.component.endswith("MinCountConstraintComponent"):
        if constraint.limit == 0:
            return "SELECT ?this WHERE { FILTER(false) }", None
        if constraint.limit == 1:
            return f"SELECT DISTINCT ?this WHERE {{ {target} MINUS {{ {pairs} }} }}", None
        enough = f"SELECT ?this WHERE {{ {pairs} }} GROUP BY ?this HAVING(COUNT({counted}) >= {constraint.limit})"
        return f"SELECT DISTINCT ?this WHERE {{ {target} MINUS {{ {{ {enough} }} }} }}", None
    if constraint.limit == 0:
        return f"SELECT DISTINCT ?this WHERE {{ {pairs} {target} }}", f"SELECT ?this WHERE {{ {pairs} }} LIMIT 1"
    several = f"SELECT ?this WHERE {{ {pairs} }} GROUP BY ?this HAVING(COUNT({counted}) > {constraint.limit})"
    return f"SELECT DISTINCT ?this WHERE {{ {{ {several} }} {target} }}", f"{several} LIMIT 1"


def _pairs(path: Path, value: str) -> str:
    """A pattern that binds `?this` and *value* to the ends of *path*."""
    if isinstance(path, Alternative):
        return f"{{ {' UNION '.join(f'{{ {_pairs(choice, value)} }}' for choice in path.choices)} }}"
    return f"?this {path.sparql()} {value} ."


def _gives_each_pair_once(path: Path) -> bool:
    return isinstance(path, Predicate) or (isinstance(path, Inverse) and isinstance(path.path, Predicate))
