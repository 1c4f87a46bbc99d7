"""The interchange form, written: item -> JSON object, and the published JSON Schema."""

from __future__ import annotations

import json

import msgspec

from quiver.config import bundled
from quiver.records.model import Author, ClusterPage, Item, Record

# Field of Record -> JSON name, in the order in which they are written.
_TEXTS = {"key": "key", "title": "title"}
_LISTS = {
    "venues": "venue",
    "venue_kinds": "venue_kind",
    "types": "type",
    "statuses": "status",
    "tracks": "track",
    "containers": "container",
    "dois": "doi",
    "urls": "url",
    "pdfs": "pdf",
    "links": "links",
}


def _grouped(pairs: tuple[tuple[str, str], ...]) -> dict[str, object]:
    groups: dict[str, list[str]] = {}
    for scheme, value in pairs:
        groups.setdefault(scheme, []).append(value)
    return {scheme: values[0] if len(values) == 1 else values for scheme, values in groups.items()}


def _author_to_json(author: Author) -> object:
    value: dict[str, object] = {"name": author.name}
    for field in ("id", "given", "family", "orcid"):
        if text := getattr(author, field):
            value[field] = text
    for field in ("variants", "affiliations"):
        if texts := getattr(author, field):
            value[field] = list(texts)
    if author.identifiers:
        value["identifiers"] = _grouped(author.identifiers)
    return author.name if len(value) == 1 else value


def _paper_to_json(record: Record) -> dict[str, object]:
    value: dict[str, object] = {"record": "paper"}
    for field, name in _TEXTS.items():
        if text := getattr(record, field):
            value[name] = text
    value["authors"] = [_author_to_json(author) for author in record.authors]
    if record.byline_may_be_cut:
        value["byline_may_be_cut"] = True
    if record.year is not None or record.stated_year:
        value["year"] = record.year if record.year is not None else record.stated_year
    for field, name in _LISTS.items():
        if texts := getattr(record, field):
            value[name] = texts[0] if len(texts) == 1 and name != "links" else list(texts)
    for field in ("pages", "citation_key", "abstract"):
        if text := getattr(record, field):
            value[field] = text
    if record.identifiers:
        value["identifiers"] = _grouped(record.identifiers)
    if record.fields:
        value["fields"] = {name: msgspec.json.decode(text) for name, text in record.fields}
    return value


def _page_to_json(page: ClusterPage) -> dict[str, object]:
    value: dict[str, object] = {"record": "cluster-page", "name": page.name}
    if page.note:
        value["note"] = page.note
    if page.paper_count is not None:
        value["paper_count"] = page.paper_count
    if page.author_row_count is not None:
        value["author_row_count"] = page.author_row_count
    value["lists"] = list(page.lists)
    return value


def item_to_json(item: Item) -> dict[str, object]:
    """*item* in the interchange form; `item_from_json` makes the same item of it again."""
    return _paper_to_json(item) if isinstance(item, Record) else _page_to_json(item)


def json_line(item: Item) -> bytes:
    """*item* as one line of JSON in UTF-8, with its newline."""
    return msgspec.json.encode(item_to_json(item)) + b"\n"


def record_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of one line of the interchange form."""
    schema = json.loads((bundled("ontology") / "record.schema.json").read_text(encoding="utf-8"))
    assert isinstance(schema, dict)
    return schema
