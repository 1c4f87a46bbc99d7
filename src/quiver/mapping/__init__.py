"""Records and derived values to N-Quads text: the only place that knows the application profile (the data model)."""

from quiver.mapping.nodes import (
    map_author_row,
    map_cluster_page,
    map_name_cluster,
    map_rules,
    map_source,
    map_source_file,
    map_venue_edition,
    map_venue_series,
)
from quiver.mapping.papers import IDENTIFIER_TERMS, OUTWARD, MappedPaper, MappedSignature, map_paper

__all__ = [
    "IDENTIFIER_TERMS",
    "OUTWARD",
    "MappedPaper",
    "MappedSignature",
    "map_author_row",
    "map_cluster_page",
    "map_name_cluster",
    "map_paper",
    "map_rules",
    "map_source",
    "map_source_file",
    "map_venue_edition",
    "map_venue_series",
]
