"""Records as sources state them, and the JSON Lines form in which they travel."""

from quiver.records.export import item_to_json, json_line, record_schema
from quiver.records.interchange import item_from_json
from quiver.records.model import (
    Author,
    ClusterPage,
    Item,
    Located,
    Read,
    Record,
    RecordError,
    canonical_bytes,
    canonical_hash,
)

__all__ = [
    "Author",
    "ClusterPage",
    "Item",
    "Located",
    "Read",
    "Record",
    "RecordError",
    "canonical_bytes",
    "canonical_hash",
    "item_from_json",
    "item_to_json",
    "json_line",
    "record_schema",
]
