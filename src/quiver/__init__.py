"""Quiver: bibliographic records as a linked-data knowledge graph, served."""

__version__ = "0.1.0"
