"""What a request asks the evaluator: a query, by the SPARQL Protocol, or a graph, by the Graph Store Protocol."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from werkzeug.datastructures import MultiDict

from quiver.errors import QuiverError
from quiver.evaluation import QueryAnswer, QueryRequest
from quiver.web.graph import Graph
from quiver.web.graph_store import PATH as GRAPHS_PATH
from quiver.web.graph_store import GraphName, as_graph_request, graph_format, must_exist, wanted_graph
from quiver.web.operation import Operation, acceptable, is_for_a_reader, read_operation
from quiver.web.protocol import PATH, as_request, explain
from quiver.web.wsgi import Scope, field


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be evaluated, for a query operation or for a graph to be fetched."""

    request: QueryRequest
    operation: Operation | None = None
    graph: GraphName | None = None

    def check(self, answer: QueryAnswer) -> QueryAnswer:
        """*answer*, if it is one.

        Raises:
            NotFound: there is no such graph.
        """
        return answer if self.graph is None else must_exist(self.graph, answer)

    def explain(self, error: QuiverError) -> QuiverError:
        """*error* with what a client can do about it."""
        return error if self.operation is None else explain(error, self.operation)


def plan_evaluation(scope: Scope, path: str, body: bytes, graph: Graph, client: str) -> Plan | None:
    """What a GET, HEAD or POST of *path*, the path below the service's prefix, has evaluated; None for nothing.

    Raises:
        QuiverError: it asks for that, and cannot be answered.
    """
    if path != PATH and (scope.method == "POST" or not (path + "/").startswith(f"{GRAPHS_PATH}/")):
        return None
    accept = field(scope.headers, "accept")
    if path == PATH:
        operation = read_operation(scope.method, scope.query_string, field(scope.headers, "content-type") or "", body)
        if operation is not None:
            if is_for_a_reader(operation, scope.method, accept):
                return None
            formats = acceptable(operation.format, accept)
            return Plan(as_request(operation, graph.base, graph.store_path, formats, client), operation)
    arguments: MultiDict[str, str] = MultiDict(parse_qsl(scope.query_string, keep_blank_values=True))
    named = wanted_graph(path, arguments, graph.base)
    if named is None:
        return None
    form = graph_format(arguments.get("format"), accept)
    return Plan(as_graph_request(named, graph.base, graph.store_path, form, client), graph=named)
