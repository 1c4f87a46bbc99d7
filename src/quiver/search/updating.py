"""A text index made from that of the release before: unchanged files are shared, documents are replaced.

A file of the index never changes once it is written, so that the new index begins as hard links to the old one's files
(its `meta.json` is a copy). What is replaced is marked as deleted in files of its own, and new documents are written to
new segments.

Deleted documents are found by nobody, but their words still count in how rare a word is until their segment is merged;
so scores may differ from those of an index written at once, in the order of the share of deleted documents. Where that
share is above `_MOST_DELETED`, or there are too many segments, the index is worn, and is to be written anew.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import tantivy

from quiver.search import fields
from quiver.search.documents import SearchDocument
from quiver.search.opening import LOCKS, open_read_only
from quiver.search.reading import read_document
from quiver.search.writing import fill_index, write_index

_META: Final = "meta.json"
_MOST_DELETED: Final = 0.2
_MOST_SEGMENTS: Final = 40


def rewrite_index(folder: Path, *, memory_bytes: int) -> int:
    """Write the index in *folder* anew from the documents that are in it; how many they are."""
    searcher = open_read_only(folder)
    found = searcher.search(tantivy.Query.all_query(), limit=max(searcher.num_docs, 1), count=False).hits
    anew = folder.with_name(f"{folder.name}-anew")
    documents = (read_document(searcher, match) for match in found)
    count = write_index(documents, anew, memory_bytes=memory_bytes)
    shutil.rmtree(folder)
    anew.rename(folder)
    return count


def is_worn(folder: Path) -> bool:
    """Whether the index in *folder* is to be written anew: too much of it is deleted, or it has too many segments."""
    segments = json.loads((folder / _META).read_bytes())["segments"]
    total = sum(segment["max_doc"] for segment in segments)
    deleted = sum((segment.get("deletes") or {}).get("num_deleted_docs", 0) for segment in segments)
    return len(segments) > _MOST_SEGMENTS or deleted > _MOST_DELETED * max(total, 1)


def link_index(parent: Path, folder: Path) -> None:
    """Make *folder* an index of its own with the documents of that in *parent*, which is not touched."""
    folder.mkdir(parents=True)
    for file in parent.iterdir():
        if file.name == _META:
            shutil.copyfile(file, folder / file.name)
        elif file.name not in LOCKS:
            try:
                os.link(file, folder / file.name)
            except OSError:
                # A file system without hard links.
                shutil.copyfile(file, folder / file.name)


def update_index(folder: Path, gone: Iterable[str], documents: Iterable[SearchDocument], *, memory_bytes: int) -> int:
    """Delete the documents whose paths are *gone* from the index in *folder*, and add *documents*; how many came."""
    index = tantivy.Index(fields.build_schema(), str(folder), reuse=True)
    fields.register_words(index)
    return fill_index(index, folder, documents, gone=gone, memory_bytes=memory_bytes)
