"""The interchange form, read: one decoded JSON value -> item."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from quiver.errors import InvalidRecord
from quiver.records.model import Author, ClusterPage, Item, Record

Json = object

# JSON name -> field of Author that takes one string.
_AUTHOR_TEXT: Final = {"id": "id", "given": "given", "first": "given", "family": "family", "last": "family"}
_AUTHOR_LISTS: Final = {
    "variant": "variants",
    "variants": "variants",
    "aff": "affiliations",
    "affiliation": "affiliations",
    "affiliations": "affiliations",
}
# JSON name -> field of Record.
_RECORD_TEXT: Final = {
    "key": "key",
    "abstract": "abstract",
    "pages": "pages",
    "citation_key": "citation_key",
    "bibkey": "citation_key",
}
_RECORD_LISTS: Final = {
    "venue": "venues",
    "venues": "venues",
    "venue_kind": "venue_kinds",
    "type": "types",
    "status": "statuses",
    "track": "tracks",
    "booktitle": "containers",
    "container": "containers",
    "doi": "dois",
    "url": "urls",
    "pdf": "pdfs",
    "links": "links",
}
# Arrays beside `authors`, one entry an author: where each entry goes. Others become identifiers of their name.
_PARALLEL_IDENTIFIERS: Final = ("dblp", "google_scholar", "or_profile")
_PARALLEL: Final = ("authorids", "orcid", "aff", *_PARALLEL_IDENTIFIERS)
_YEAR = re.compile(r"[1-9][0-9]{3}")


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"),
        (str, "a string"),
        (int, "a number"),
        (float, "a number"),
        (list, "an array"),
        (dict, "an object"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), type(value).__name__)


def _text(name: str, value: Json) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise InvalidRecord(f"{name} is {_kind(value)}, not a string", value=value)


def _texts(name: str, value: Json) -> tuple[str, ...]:
    """A string, or an array of strings, as a tuple without repetitions and empty strings."""
    if type(value) is str:
        return (value,) if value else ()
    values = value if isinstance(value, list) else [value]
    texts = [entry if type(entry) is str else _text(name, entry) for entry in values]
    return tuple(dict.fromkeys(text for text in texts if text))


def _pairs(name: str, value: Json) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise InvalidRecord(f"{name} is {_kind(value)}, not an object", value=value)
    return tuple(
        sorted((scheme, text) for scheme, entry in value.items() for text in _texts(f"{name}.{scheme}", entry))
    )


def _author(position: int, value: Json) -> Author:
    if isinstance(value, str):
        return Author(name=value)
    where = f"author {position}"
    if not isinstance(value, dict):
        raise InvalidRecord(f"{where} is {_kind(value)}, neither a string nor an object", value=value)
    fields: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    identifiers: list[tuple[str, str]] = []
    orcid = name = ""
    for field, entry in value.items():
        if field == "name":
            name = entry if type(entry) is str else _text(f"{where}: name", entry)
        elif field in _AUTHOR_TEXT:
            fields[_AUTHOR_TEXT[field]] = entry if type(entry) is str else _text(f"{where}: {field}", entry)
        elif field in _AUTHOR_LISTS:
            lists[_AUTHOR_LISTS[field]] = _texts(f"{where}: {field}", entry)
        elif field == "orcid":
            orcid = _text(f"{where}: orcid", entry)
        elif field == "identifiers":
            identifiers.extend(_pairs(f"{where}: identifiers", entry))
        elif isinstance(entry, (str, int)) and not isinstance(entry, bool):
            if entry != "":
                identifiers.append((field, str(entry)))
        elif entry is not None and entry != "":
            identifiers.append((field, _json_text(entry)))
    if not name and "name" not in value:
        name = " ".join(part for part in (fields.get("given"), fields.get("family")) if part)
    return Author(
        name=name,
        id=fields.get("id", ""),
        given=fields.get("given", ""),
        family=fields.get("family", ""),
        variants=lists.get("variants", ()),
        affiliations=lists.get("affiliations", ()),
        orcid=orcid,
        identifiers=tuple(sorted(set(identifiers))),
    )


def _parallel(value: Mapping[str, Json], count: int) -> dict[str, list[str]]:
    """The arrays of *value* that have one string for each of *count* authors."""
    found = {}
    for name in _PARALLEL:
        entries = value.get(name)
        if (
            isinstance(entries, list)
            and len(entries) == count
            and all(isinstance(entry, str) or entry is None for entry in entries)
        ):
            found[name] = [entry or "" for entry in entries]
    return found


def _dealt(author: Author, at: int, arrays: Mapping[str, list[str]]) -> Author:
    entry: Callable[[str], str] = lambda name: arrays[name][at] if name in arrays else ""  # noqa: E731
    extra = {(name, entry(name)) for name in _PARALLEL_IDENTIFIERS if entry(name)}
    return Author(
        name=author.name,
        id=author.id or entry("authorids"),
        given=author.given,
        family=author.family,
        variants=author.variants,
        orcid=author.orcid or entry("orcid"),
        affiliations=author.affiliations or ((entry("aff"),) if entry("aff") else ()),
        identifiers=tuple(sorted({*author.identifiers, *extra})) if extra else author.identifiers,
    )


def _year(value: Json) -> tuple[int | None, str]:
    """The year, or the text of a year that is none."""
    simple = value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool))
    text = _text("year", value).strip() if simple else _json_text(value)
    return (int(text), "") if _YEAR.fullmatch(text) else (None, text)


def _boolean(name: str, value: Json) -> bool:
    if not isinstance(value, bool):
        raise InvalidRecord(f"{name} is {_kind(value)}, not a boolean", value=value)
    return value


def _paper(value: Mapping[str, Json]) -> Record:
    title = value.get("title")
    if not isinstance(title, str) or not title.strip():
        what = "has no title" if title is None or title == "" else f"has a title that is {_kind(title)}"
        what = "has a title of white space alone" if isinstance(title, str) and title else what
        raise InvalidRecord(f"the record {what}", value=title, hint="A paper needs a title.")
    entries = value.get("authors")
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        raise InvalidRecord(f"authors is {_kind(entries)}, not an array", value=entries)
    authors = [_author(position, entry) for position, entry in enumerate(entries, start=1)]
    arrays = _parallel(value, len(authors))
    if arrays:
        authors = [_dealt(author, at, arrays) for at, author in enumerate(authors)]
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    fields: list[tuple[str, str]] = []
    year, stated_year, cut = None, "", False
    identifiers: tuple[tuple[str, str], ...] = ()
    for name, entry in value.items():
        if name in ("title", "authors", "record") or name in arrays:
            continue
        if name in _RECORD_TEXT:
            texts[_RECORD_TEXT[name]] = _text(name, entry)
        elif name in _RECORD_LISTS:
            field = _RECORD_LISTS[name]
            lists[field] = tuple(dict.fromkeys((*lists.get(field, ()), *_texts(name, entry))))
        elif name == "year":
            year, stated_year = _year(entry)
        elif name == "identifiers":
            identifiers = _pairs(name, entry)
        elif name == "byline_may_be_cut":
            cut = _boolean(name, entry)
        elif name == "fields":
            if not isinstance(entry, dict):
                raise InvalidRecord(f"fields is {_kind(entry)}, not an object", value=entry)
            fields.extend((inner, _json_text(content)) for inner, content in entry.items())
        elif entry is not None:
            fields.append((name, _json_text(entry)))
    empty: tuple[str, ...] = ()
    return Record(
        title=title,
        key=texts.get("key", ""),
        authors=tuple(authors),
        byline_may_be_cut=cut,
        abstract=texts.get("abstract", ""),
        year=year,
        stated_year=stated_year,
        pages=texts.get("pages", ""),
        citation_key=texts.get("citation_key", ""),
        identifiers=identifiers,
        fields=tuple(sorted(fields)),
        venues=lists.get("venues", empty),
        venue_kinds=lists.get("venue_kinds", empty),
        types=lists.get("types", empty),
        statuses=lists.get("statuses", empty),
        tracks=lists.get("tracks", empty),
        containers=lists.get("containers", empty),
        dois=lists.get("dois", empty),
        urls=lists.get("urls", empty),
        pdfs=lists.get("pdfs", empty),
        links=lists.get("links", empty),
    )


def _json_text(value: Json) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def _count(name: str, value: Json) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidRecord(f"{name} is no count: {value!r}", value=value)
    return value


def _page(value: Mapping[str, Json]) -> ClusterPage:
    name = _text("name", value.get("name"))
    if not name.strip():
        raise InvalidRecord("the cluster page has no name", value=value.get("name"))
    return ClusterPage(
        name=name,
        note=_text("note", value.get("note")),
        paper_count=_count("paper_count", value.get("paper_count")),
        author_row_count=_count("author_row_count", value.get("author_row_count")),
        lists=_texts("lists", value.get("lists")),
    )


def item_from_json(value: Json) -> Item:
    """The record or cluster page in one decoded JSON value.

    Raises:
        InvalidRecord: it is none; the message names the field.

    >>> item_from_json({"title": "ExpeL", "authors": ["Andrew Zhao"], "year": "2024"}).year
    2024
    """
    if not isinstance(value, dict):
        raise InvalidRecord(f"the line is {_kind(value)}, not an object", value=value)
    kind = value.get("record", "paper")
    if kind == "paper":
        return _paper(value)
    if kind == "cluster-page":
        return _page(value)
    raise InvalidRecord(f"unknown kind of record: {kind!r}", value=kind, hint='There are "paper" and "cluster-page".')
