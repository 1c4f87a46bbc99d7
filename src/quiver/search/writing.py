"""Writing the text index of a release."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
import tantivy

from quiver.names import name_key, split_homonym
from quiver.search import fields
from quiver.search.documents import SearchDocument
from quiver.search.folding import accented_words, fold, folded_words
from quiver.search.opening import LOCKS

# tantivy refuses less for a thread.
_LEAST_MEMORY = 15_000_000
# Up to 10,000 documents wait for the indexing thread: long ones are counted, and flushed before they fill the memory.
_LONG_TEXT = 16_384
_UNDATED = 9999
_MAX_YEAR = 9999
_MAX_WEIGHT = 2**31


def write_index(documents: Iterable[SearchDocument], folder: Path, *, memory_bytes: int, threads: int = 1) -> int:
    """The number of *documents* written to a new index in *folder*, which may exist if it is empty.

    *memory_bytes* bounds the part that is being indexed. Files are not synced to disk; that is the release's work.

    Raises:
        FileExistsError: *folder* has files in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    index = tantivy.Index(fields.build_schema(), str(folder), reuse=False)
    fields.register_words(index)
    return fill_index(index, folder, documents, memory_bytes=memory_bytes, threads=threads)


def fill_index(
    index: tantivy.Index,
    folder: Path,
    documents: Iterable[SearchDocument],
    *,
    gone: Iterable[str] = (),
    memory_bytes: int,
    threads: int = 1,
) -> int:
    """Delete the documents whose paths are *gone* from *index* in *folder*, and add *documents*; how many came.

    *folder* holds nothing but the index after that.
    """
    writer = index.writer(max(memory_bytes, _LEAST_MEMORY * threads), threads)
    for path in gone:
        writer.delete_documents_by_term(fields.PATH, path)
    encode = msgspec.msgpack.Encoder().encode
    count = waiting = 0
    for document in documents:
        count += 1
        writer.add_document(_entry(document, encode(document)))
        if len(document.text) > _LONG_TEXT:
            waiting += len(document.text)
            if waiting > memory_bytes:
                writer.commit()
                waiting = 0
    writer.commit()
    writer.wait_merging_threads()
    _tidy(folder)
    return count


def _entry(document: SearchDocument, encoded: bytes) -> tantivy.Document:
    entry = tantivy.Document()
    entry.add_bytes(fields.DOCUMENT, encoded)
    entry.add_text(fields.PATH, document.path)
    entry.add_text(fields.KIND, document.kind)
    entry.add_text(fields.LABEL, fold(document.label))
    words = folded_words(document.label)
    entry.add_text(fields.STARTS, fields.join_starts(words))
    entry.add_text(fields.EXACT, fields.join_key(words))
    if document.text:
        entry.add_text(fields.TEXT, fold(document.text))
    accented = [] if document.label.isascii() else accented_words(document.label)
    for name in document.names:
        entry.add_text(fields.NAMES, fold(name))
        if not name.isascii():
            accented += accented_words(name)
    for venue in document.venues:
        entry.add_text(fields.VENUES, fold(venue))
    for key in dict.fromkeys(map(name_key, document.venues)):
        entry.add_text(fields.VENUE, key)
    if document.kind == "venue":
        entry.add_text(fields.SERIES, name_key(document.label))
    if accented:
        entry.add_text(fields.ACCENTED, " ".join(accented))
    if not document.label.isascii():
        entry.add_text(fields.SPELLED, name_key(document.label))
    if document.kind == "name":
        bare, number = split_homonym(document.label)
        if number:
            # The folded key, and the spelled one: the two are never the same text for different names.
            for key in {fields.exact_key(bare), name_key(bare)}:
                entry.add_text(fields.BARE, key)
    for identifier in document.identifiers:
        for key in fields.identifier_keys(identifier):
            entry.add_text(fields.IDENTIFIER, key)
    _add_numbers(entry, document)
    return entry


def _add_numbers(entry: tantivy.Document, document: SearchDocument) -> None:
    weight = min(max(document.weight, 0), _MAX_WEIGHT)
    year = document.year if document.year is not None and 0 <= document.year <= _MAX_YEAR else None
    if year is not None:
        entry.add_integer(fields.YEAR, year)
    entry.add_unsigned(fields.WEIGHT, weight)
    entry.add_unsigned(fields.NEWEST, (year or 0) << 32 | weight)
    # Ascending: the heavier of two undated ones comes first here as well.
    entry.add_unsigned(fields.OLDEST, (_UNDATED + 1 if year is None else year) << 32 | _MAX_WEIGHT - weight)
    entry.add_unsigned(fields.HEFT, weight << 16 | (year or 0))


def _tidy(folder: Path) -> None:
    """Leave nothing but the index: no locks, no lists for the next writer, no files of merged segments."""
    for name in (*LOCKS, ".managed.json"):
        (folder / name).unlink(missing_ok=True)
    meta = folder / "meta.json"
    segments = {segment["segment_id"].replace("-", "") for segment in json.loads(meta.read_bytes())["segments"]}
    for file in folder.iterdir():
        if file != meta and file.name.partition(".")[0] not in segments:
            file.unlink()
    # tantivy makes this one with mode 600; a service often runs as another user than its builds.
    meta.chmod(folder.stat().st_mode & 0o666)
