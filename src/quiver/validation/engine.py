"""A store validated against shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pyoxigraph
from pyoxigraph import NamedNode, QuerySolution, QuerySolutions, Triple

from quiver.errors import InvalidShapes
from quiver.namespaces import term
from quiver.validation.model import Constraint, RdfTerm, Select, Shape, Shapes
from quiver.validation.queries import Check, Subclasses, classes_of, compile_constraint
from quiver.validation.report import Report, Result

Progress = Callable[[int, int], None]
"""Called with the number of shapes done and of all shapes."""

_VARIABLE = re.compile(r"\{[?$](\w+)\}")


def validate_store(
    store: pyoxigraph.Store,
    shapes: Shapes,
    *,
    max_results_per_shape: int = 100,
    progress: Progress | None = None,
) -> Report:
    """The report on the default graph of *store*; each shape's first results are listed and all are counted.

    Raises:
        InvalidShapes: the query of a shape does not parse, or fails.
    """
    subclasses = _subclasses(store, shapes)
    results: list[Result] = []
    counts: dict[str, int] = {}
    for done, shape in enumerate(shapes.by_iri.values(), 1):
        count = 0
        listed: list[Result] = []
        for constraint in shape.constraints:
            for solution in _solutions(store, compile_constraint(shape, constraint, subclasses)):
                count += 1
                if len(listed) < max_results_per_shape:
                    listed.append(_result(shape, constraint, solution))
        counts[shape.iri] = count
        results += sorted(listed, key=lambda result: (str(result.focus_node), str(result.value)))
        if progress is not None:
            progress(done, len(shapes))
    return Report(tuple(results), counts, shapes)


def _subclasses(store: pyoxigraph.Store, shapes: Shapes) -> Subclasses:
    """Each class that the shapes name, with its subclasses in the data."""
    found: dict[str, tuple[str, ...]] = {}
    step = NamedNode(term("rdfs:subClassOf"))
    for class_iri in {name for shape in shapes.by_iri.values() for name in classes_of(shape)}:
        members = {class_iri: None}
        for member in (queue := [class_iri]):
            for quad in store.quads_for_pattern(None, step, NamedNode(member), pyoxigraph.DefaultGraph()):
                if isinstance(quad.subject, NamedNode) and quad.subject.value not in members:
                    members[quad.subject.value] = None
                    queue.append(quad.subject.value)
        found[class_iri] = tuple(members)
    return found


def _solutions(store: pyoxigraph.Store, check: Check) -> Iterator[QuerySolution]:
    if check.suspects is not None and next(_select(store, check.suspects), None) is None:
        return
    yield from _select(store, check.query)


def _select(store: pyoxigraph.Store, query: str) -> QuerySolutions:
    try:
        answer = store.query(query)
    except SyntaxError as error:
        raise InvalidShapes(f"a SELECT of the shapes does not parse: {error}", value=query) from error
    assert isinstance(answer, QuerySolutions)
    return answer


def _result(shape: Shape, constraint: Constraint, solution: QuerySolution) -> Result:
    focus_node = _binding(solution, "this")
    assert focus_node is not None
    value = _binding(solution, "value")
    message = shape.message
    if isinstance(constraint, Select):
        message = _fill(constraint.message, solution)
        if value is None and shape.path is None:
            value = focus_node  # SHACL 5.3.2
    return Result(shape.iri, constraint.component, focus_node, shape.path, value, shape.severity, message)


def _binding(solution: QuerySolution, name: str) -> RdfTerm | None:
    try:
        value: RdfTerm | None = solution[name]
    except KeyError:
        return None
    return value


def _fill(message: str, solution: QuerySolution) -> str:
    """*message* with `{?name}` and `{$name}` replaced by what the solution binds (SHACL 5.3.2)."""

    def replacement(match: re.Match[str]) -> str:
        value = _binding(solution, match[1])
        return match[0] if value is None else str(value) if isinstance(value, Triple) else value.value

    return _VARIABLE.sub(replacement, message)
