"""Full-text search of a release: an index written once by the build, then only read."""

from quiver.search.documents import (
    KINDS,
    SORTS,
    Facets,
    SearchAnswer,
    SearchDocument,
    SearchHit,
    Snippet,
)
from quiver.search.index import SearchIndex
from quiver.search.inspecting import deleted_documents, stored_documents, unexplained_terms
from quiver.search.language import parse_search
from quiver.search.snippets import compile_beginnings, mark_pieces, split_at
from quiver.search.updating import is_worn, link_index, rewrite_index, update_index
from quiver.search.writing import write_index

__all__ = [
    "KINDS",
    "SORTS",
    "Facets",
    "SearchAnswer",
    "SearchDocument",
    "SearchHit",
    "SearchIndex",
    "Snippet",
    "compile_beginnings",
    "deleted_documents",
    "is_worn",
    "link_index",
    "mark_pieces",
    "parse_search",
    "rewrite_index",
    "split_at",
    "stored_documents",
    "unexplained_terms",
    "update_index",
    "write_index",
]
