"""Evaluation of SPARQL queries in processes that can be killed: one broker for each service, and its workers."""

from quiver.evaluation.async_client import AsyncEvaluator
from quiver.evaluation.client import Evaluator, PendingAnswer, QueryAnswer, QueryRequest
from quiver.evaluation.inspection import is_update, service_endpoints, update_refused
from quiver.evaluation.messages import BrokerStatus
from quiver.evaluation.process import BrokerHandle, connect, start_broker

__all__ = [
    "AsyncEvaluator",
    "BrokerHandle",
    "BrokerStatus",
    "Evaluator",
    "PendingAnswer",
    "QueryAnswer",
    "QueryRequest",
    "connect",
    "is_update",
    "service_endpoints",
    "start_broker",
    "update_refused",
]
