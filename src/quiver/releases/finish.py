"""The last steps of every new release: load the store, write the text index, answer queries, checksum, publish."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pyoxigraph

from quiver.catalogue import load_catalogue, materialise, read_materialised
from quiver.config import Settings
from quiver.dumps import Part, format_content, sum_content
from quiver.errors import DamagedRelease
from quiver.filling.allocators import find_allocator
from quiver.filling.children import Child
from quiver.filling.documents import index_documents
from quiver.filling.store import load_parts
from quiver.manifest import Manifest, ReleaseFile, write_manifest
from quiver.releases.history import compare_with
from quiver.releases.library import Library, Release
from quiver.releases.loading import StoreLoader
from quiver.releases.rejects import publish_rejects
from quiver.releases.workers import Progress

# Below this much N-Quads text, starting processes costs more than they save.
_SMALL_BYTES = 8_000_000
# The loader is what a build waits for, so the index steps back behind it; less where no compaction follows, or it is
# the index that a build waits for in the end, on one core. 53,000 papers on two cores: 37.6 s with 10, 34.3 with 5,
# 35.5 with 0; 150,000, compacted: 97.3, 99.2.
_INDEX_NICENESS, _INDEX_NICENESS_COMPACTING = 5, 10
# Folders of a release in the making that are not part of it.
_SCRATCH = ("frames", "tallies", "documents", "rejects")


def finish_release(
    shelf: Library,
    folder: Path,
    *,
    parts: Sequence[Part],
    documents: Sequence[Path] | None,
    manifest: Manifest,
    settings: Settings,
    progress: Progress,
    loader: StoreLoader | None = None,
    before: Release | None = None,
    with_patch: bool = True,
    check: Callable[[Path], None] | None = None,
) -> tuple[Release, list[Path]]:
    """Publish what *folder* holds as parts and documents; the release, and the lists of rejects written.

    The manifest comes with all that the parts do not say; its id is the time, to which the content hash is added.
    Without *documents* the folder holds its text index already. *loader* is one that has had all parts, or none. What
    went since the release *before* is noted, and *with_patch* all that changed. *check* may refuse what is about to be
    published.

    Raises:
        DamagedRelease: the store does not hold as many statements as the parts.
    """
    seconds = dict(manifest.seconds)
    quads = sum(part.quads for part in parts)

    def loaded() -> None:
        started = time.monotonic()
        progress("answer", 0, 1)
        store = pyoxigraph.Store.read_only(str(folder / "store"))
        held = _answer(store, manifest, folder / "results")
        if held != quads:
            raise DamagedRelease(
                f"the store holds {held:,} statements, the parts {quads:,}; nothing was published", value=held
            )
        seconds["answer"] = round(time.monotonic() - started, 3)
        progress("answer", 1, 1)

    content = format_content(sum_content(part.content for part in parts))
    release_id = shelf.free_id(manifest.id, content)
    manifest = msgspec.structs.replace(manifest, id=release_id, content_hash=content, quads=quads, seconds=seconds)
    files = [
        ReleaseFile(str(Path(part.path).relative_to(folder)), part.size, part.sha256, part.quads) for part in parts
    ]
    made = Release(folder, msgspec.structs.replace(manifest, files=tuple(files)))
    started = time.monotonic()
    # While the engine loads in another process, this one has nothing to do.
    with ThreadPoolExecutor(1) as beside:
        comparison = beside.submit(compare_with, shelf, before, made, with_patch) if before else None
        loader = loader or StoreLoader(folder / "store", allocator=find_allocator(settings.text("allocator")))
        with loader as running:
            _load_and_index(folder, parts, documents, settings, progress, running, loaded)
        seconds["load_and_index"] = round(time.monotonic() - started, 3)
        if comparison:
            progress("compare", 0, 0)
            files += comparison.result()
            seconds["compare"] = round(time.monotonic() - started - seconds["load_and_index"], 3)
    return publish_folder(
        shelf,
        folder,
        manifest=manifest,
        known={file.path: file for file in files},
        parent=None,
        progress=progress,
        check=check,
    )


def _answer(store: pyoxigraph.Store, manifest: Manifest, results: Path) -> int:
    """Keep the answers that need a scan in the new folder *results*; how many statements the store holds."""
    results.mkdir()
    if manifest.kind != "records":
        return len(store)
    catalogue = load_catalogue()
    materialise(store, catalogue, results, manifest.base)
    # To ask the store for its length is another walk over all of it: 0.1 s a million.
    properties = read_materialised(results, catalogue.get("release/properties"))
    assert properties is not None
    return sum(int(row["statements"].value) for row in properties.dicts() if row["statements"])


def publish_folder(
    shelf: Library,
    folder: Path,
    *,
    manifest: Manifest,
    known: Mapping[str, ReleaseFile],
    parent: Release | None,
    progress: Progress,
    dump: ReleaseFile | None = None,
    check: Callable[[Path], None] | None = None,
) -> tuple[Release, list[Path]]:
    """Publish a folder that holds all but its manifest; the release, and the lists of rejects written.

    The manifest has the id of a release (`Library.free_id`). *known* are its parts and patch by path; checksums of what
    it shares with *parent* are known, too. *dump* is what `joined` gives, where that is known already.
    """
    started = time.monotonic()
    release_id = manifest.id
    rejects = publish_rejects(folder / "rejects", shelf.path, release_id)
    for name in _SCRATCH:
        shutil.rmtree(folder / name, ignore_errors=True)
    shared = {} if parent is None else _shared_files(folder, parent)
    files = tuple(_release_files(folder, {**shared, **known}, progress))
    dump = dump or joined(folder, files, manifest.quads)
    seconds = {**manifest.seconds, "checksum": round(time.monotonic() - started, 3)}
    write_manifest(
        msgspec.structs.replace(manifest, files=files, seconds=seconds, dump=dump),
        folder,
    )
    if check is not None:
        check(folder)
    progress("publish", 0, 1)
    release = shelf.publish(folder, release_id)
    progress("publish", 1, 1)
    return release, rejects


def _load_and_index(
    folder: Path,
    parts: Sequence[Part],
    documents: Sequence[Path] | None,
    settings: Settings,
    progress: Progress,
    loader: StoreLoader,
    loaded: Callable[[], None],
) -> None:
    """Load the store and write the index; unless small, side by side in processes that give their memory back.

    *loader* has had the parts already, or none of them. *loaded* is called when the store can be read.
    """
    total = sum(part.text_bytes for part in parts)
    progress("load", 0, total)
    names = [part.path for part in parts]
    papers = None if documents is None else [str(path) for path in documents]
    memory_bytes = settings.integer("index_memory_bytes")
    compact = sum(part.quads for part in parts) > settings.integer("compact_above")
    if total < _SMALL_BYTES and not loader.began:
        load_parts(names, str(folder / "store"), compact)
        if papers is not None:
            index_documents(papers, str(folder / "search"), memory_bytes)
        loaded()
        return
    if not loader.began:
        for name in names:
            loader.feed(name)
    index = None
    if papers is not None:
        index = Child(
            "the text index",
            _INDEX_NICENESS_COMPACTING if compact else _INDEX_NICENESS,
            index_documents,
            papers,
            str(folder / "search"),
            memory_bytes,
            allocator=loader.allocator,
        )
    try:
        loader.finish(compact, total, progress, loaded)
        if index is not None:
            index.join()
    finally:
        if index is not None:
            index.kill()


def checksum(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()


def joined(folder: Path, files: Sequence[ReleaseFile], quads: int) -> ReleaseFile:
    """All parts, one after the other, as the one file that they are to whoever downloads the dump."""
    size, digest = 0, hashlib.sha256()
    for file in files:
        if file.path.startswith("parts/"):
            data = (folder / file.path).read_bytes()
            size += len(data)
            digest.update(data)
    return ReleaseFile("parts/", size, digest.hexdigest(), quads)


def _shared_files(folder: Path, parent: Release) -> dict[str, ReleaseFile]:
    """The files that *folder* has in common with *parent*: the same file under two names, never written again."""
    return {
        file.path: file
        for file in parent.manifest.files
        if (mine := folder / file.path).is_file() and mine.samefile(parent.path / file.path)
    }


def _release_files(folder: Path, known: Mapping[str, ReleaseFile], progress: Progress) -> Iterator[ReleaseFile]:
    paths = sorted(Path(directory) / name for directory, _, names in os.walk(folder) for name in names)
    names = [str(path.relative_to(folder)) for path in paths]
    unknown = [path for path, name in zip(paths, names, strict=True) if name not in known]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        sums = dict(zip(unknown, threads.map(checksum, unknown), strict=True))
    for count, (path, name) in enumerate(zip(paths, names, strict=True), start=1):
        progress("checksum", count, len(paths))
        if name in known:
            yield known[name]
        else:
            yield ReleaseFile(name, *sums[path])
