"""What an index holds, all of it: for whoever has to prove that something is not in there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import tantivy

from quiver.search import fields
from quiver.search.documents import SearchDocument
from quiver.search.folding import fold
from quiver.search.opening import open_read_only
from quiver.search.reading import read_document

_META: Final = "meta.json"
# Terms that are whole values; the others are single words.
_WHOLE: Final = (fields.EXACT, fields.BARE, fields.SPELLED, fields.IDENTIFIER, fields.SERIES, fields.VENUE, fields.PATH)
_MOST: Final = 1000


def deleted_documents(folder: Path) -> int:
    """How many documents are marked as deleted and are still in the files of the index in *folder*."""
    segments = json.loads((folder / _META).read_bytes())["segments"]
    return sum((segment.get("deletes") or {}).get("num_deleted_docs", 0) for segment in segments)


def stored_documents(folder: Path) -> Iterator[SearchDocument]:
    """Every document that is found in the index in *folder*.

    Raises:
        DamagedRelease: it holds no whole index.
    """
    searcher = open_read_only(folder)
    found = searcher.search(tantivy.Query.all_query(), limit=max(searcher.num_docs, 1), count=False).hits
    return (read_document(searcher, match) for match in found)


def unexplained_terms(folder: Path, words: Sequence[str]) -> list[str]:
    """The paths of documents under whose terms *words* stand in a row, while the document itself does not have them.

    Asked of the dictionaries of all fields whose terms are whole values.
    """
    searcher = open_read_only(folder)
    found: set[str] = set()
    for row in {tuple(words), tuple(piece for word in words for piece in fold(word).split())}:
        for field in _WHOLE if row else ():
            query, sought = _query(field, row)
            for match in searcher.search(query, limit=_MOST, count=False).hits:
                document = read_document(searcher, match)
                texts = [text for value in msgspec.structs.astuple(document) for text in _texts(value)]
                if not any(sought.search(text) or sought.search(fold(text)) for text in texts):
                    found.add(document.path)
    return sorted(found)


def _query(field: str, words: Sequence[str]) -> tuple[tantivy.Query, re.Pattern[str]]:
    """A query for terms with *words* in a row, and the same for a text; of the first words, where they are too many.

    tantivy takes no pattern of more than a thousand states.
    """
    for count in range(len(words), 0, -1):
        pattern = "[ _.~-]*".join(re.escape(word) for word in words[:count])
        try:
            query = tantivy.Query.regex_query(fields.build_schema(), field, f".*{pattern}.*")
        except ValueError:
            continue
        between = r"\W*_*\W*".join(re.escape(word) for word in words[:count])
        return query, re.compile(between, re.IGNORECASE)
    raise ValueError(f"no pattern for {words[:1]}")


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(one) for one in value] if isinstance(value, tuple) else []
