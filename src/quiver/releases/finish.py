"""The last steps of every new release: load the store, write the text index, answer queries, checksum, publish."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pyoxigraph

from quiver.catalogue import load_catalogue, materialise
from quiver.config import Settings
from quiver.dumps import Part, PartsFile, format_content, sum_content
from quiver.errors import DamagedRelease
from quiver.manifest import Manifest, ReleaseFile, write_manifest
from quiver.processes import die_with_parent
from quiver.releases.documents import read_documents
from quiver.releases.history import compare_with
from quiver.releases.library import Library, Release
from quiver.releases.rejects import publish_rejects
from quiver.releases.workers import Progress
from quiver.search import SearchDocument, write_index

_CONTEXT = multiprocessing.get_context("spawn")
# Below this much N-Quads text, starting processes costs more than they save.
_SMALL_BYTES = 8_000_000
# The loader is what a build waits for; the index is content with what it leaves of the cores.
_INDEX_NICENESS = 10
_LOADED = -1
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
    before: Release | None = None,
    with_patch: bool = True,
    check: Callable[[Path], None] | None = None,
) -> tuple[Release, list[Path]]:
    """Publish what *folder* holds as parts and documents; the release, and the lists of rejects written.

    The manifest comes with all that the parts do not say; its id is the time, to which the content hash is added.
    Without *documents* the folder holds its text index already. What went since the release *before* is noted,
    and *with_patch* all that changed. *check* may refuse what is about to be published.

    Raises:
        DamagedRelease: the store does not hold as many statements as the parts.
    """
    seconds = dict(manifest.seconds)
    quads = sum(part.quads for part in parts)

    def loaded() -> None:
        started = time.monotonic()
        progress("answer", 0, 1)
        store = pyoxigraph.Store.read_only(str(folder / "store"))
        if len(store) != quads:
            raise DamagedRelease(
                f"the store holds {len(store):,} statements, the parts {quads:,}; nothing was published",
                value=len(store),
            )
        (folder / "results").mkdir()
        if manifest.kind == "records":
            materialise(store, load_catalogue(), folder / "results", manifest.base)
        seconds["answer"] = round(time.monotonic() - started, 3)
        progress("answer", 1, 1)

    content = format_content(sum_content(part.content for part in parts))
    manifest = with_id(shelf, msgspec.structs.replace(manifest, content_hash=content, quads=quads, seconds=seconds))
    files = [
        ReleaseFile(str(Path(part.path).relative_to(folder)), part.size, part.sha256, part.quads) for part in parts
    ]
    made = Release(folder, msgspec.structs.replace(manifest, files=tuple(files)))
    started = time.monotonic()
    # While the engine loads in another process, this one has nothing to do.
    with ThreadPoolExecutor(1) as beside:
        comparison = beside.submit(compare_with, shelf, before, made, with_patch) if before else None
        _load_and_index(folder, parts, documents, settings, progress, loaded)
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

    The manifest has its id (`with_id`). *known* are its parts and patch by path; checksums of what it shares with
    *parent* are known, too. *dump* is what `joined` gives, where that is known already.
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


def with_id(shelf: Library, manifest: Manifest) -> Manifest:
    """*manifest*, whose id is its time, with that of a release: a number at its end where the library has that."""
    taken = set(shelf.ids())
    candidate = wanted = f"{manifest.id}-{manifest.content_hash[:12]}"
    number = 1
    while candidate in taken:
        number += 1
        candidate = f"{wanted}.{number}"
    return msgspec.structs.replace(manifest, id=candidate)


def _load_and_index(
    folder: Path,
    parts: Sequence[Part],
    documents: Sequence[Path] | None,
    settings: Settings,
    progress: Progress,
    loaded: Callable[[], None],
) -> None:
    """Load the store and write the index; unless small, side by side in processes that give their memory back.

    *loaded* is called when the store can be read: while it is being compacted, a reader keeps the state it opened.
    """
    total = sum(part.text_bytes for part in parts)
    progress("load", 0, total)
    names = [part.path for part in parts]
    papers = None if documents is None else [str(path) for path in documents]
    memory_bytes = settings.integer("index_memory_bytes")
    compact = sum(part.quads for part in parts) > settings.integer("compact_above")
    if total < _SMALL_BYTES:
        load_parts(names, str(folder / "store"), compact)
        if papers is not None:
            index_documents(papers, str(folder / "search"), memory_bytes)
        loaded()
        return
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    loader = _CONTEXT.Process(
        target=_run_child,
        args=(os.getpid(), 0, load_parts, names, str(folder / "store"), compact, sender),
        daemon=True,
    )
    running = {"the loader": loader}
    if papers is not None:
        running["the text index"] = _CONTEXT.Process(
            target=_run_child,
            args=(os.getpid(), _INDEX_NICENESS, index_documents, papers, str(folder / "search"), memory_bytes),
            daemon=True,
        )
    for process in running.values():
        process.start()
    sender.close()
    try:
        while True:
            try:
                bytes_read = receiver.recv()
                if bytes_read == _LOADED:
                    loaded()
                    progress("compact", 0, 0)
                else:
                    progress("load", bytes_read, total)
            except EOFError:
                break
        for what, process in running.items():
            process.join()
            if process.exitcode != 0:
                raise OSError(f"{what} failed (exit code {process.exitcode}); its error stands above")
    finally:
        for process in running.values():
            if process.is_alive():
                process.kill()
                process.join()


def _run_child(parent: int, niceness: int, function: Callable[..., None], *arguments: object) -> None:
    die_with_parent(parent)
    os.nice(niceness)
    function(*arguments)


def load_parts(paths: list[str], store: str, compact: bool, sender: Connection | None = None) -> None:
    """Load the parts into a new store on disk; *sender* is told the bytes read so far, and `_LOADED` at their end.

    The loader leaves a sorted run of the whole key space for every million quads, and a look-up goes through all of
    them. Compacted to one, queries were 5 to 10 times faster at 15 M triples, 3 to 6 times at 4 M, for 10 s more in a
    build of 45 s.
    """
    report = sender.send if sender is not None else None
    target = pyoxigraph.Store(store)
    target.bulk_load(
        input=PartsFile([Path(path) for path in paths], report),  # type: ignore[arg-type]
        format=pyoxigraph.RdfFormat.N_QUADS,
    )
    target.flush()
    if sender is not None:
        sender.send(_LOADED)
    if compact:
        target.optimize()
        target.flush()


def index_documents(paths: list[str], folder: str, memory_bytes: int) -> None:
    """Write the text index of the documents in *paths*."""

    def documents() -> Iterator[SearchDocument]:
        for path in paths:
            yield from read_documents(Path(path))

    write_index(documents(), Path(folder), memory_bytes=memory_bytes)


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
