"""The engines that answer for a release: its own store, or any SPARQL 1.1 endpoint that holds its quads."""

from quiver.engines.client import EndpointClient
from quiver.engines.differences import Engine, recognise
from quiver.engines.embedded import StoreReader
from quiver.engines.facts import Facts, KnownFacts
from quiver.engines.reader import GraphReader
from quiver.engines.remote import EndpointReader
from quiver.engines.target import Target

__all__ = [
    "EndpointClient",
    "EndpointReader",
    "Engine",
    "Facts",
    "GraphReader",
    "KnownFacts",
    "StoreReader",
    "Target",
    "recognise",
]
