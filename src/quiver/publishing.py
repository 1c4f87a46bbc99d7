"""A folder of dumps that any file server or object store serves: releases, checksums, descriptions, an index page.

What is written lies at the addresses that the descriptions name, below the base of the release:

    index.html, dumps/index.html         what there is, with relative links
    dumps/current.json                   the release that a client wants, for programs
    dumps/SHA256SUMS                     for `sha256sum -c`
    dumps/<id>/quiver-<id>.nq.gz         a release, exactly as `quiver serve` sends it
    dumps/<id>/patch-<id>.<form>.gz      what leads to it from the one before: rdfp, added.nq, removed.nq
    releases.atom                        a feed of the releases
    releases/<id>.json, releases/<id>.ttl
    void.ttl, .well-known/void           VoID and DCAT of the current release, in Turtle

There are plain files alone, no link and no absolute path. Each appears under its name when it is whole, and those that
name others are written after them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import pyoxigraph

from quiver.config import Settings
from quiver.descriptions import dataset_description
from quiver.errors import DamagedRelease, QuiverError
from quiver.feeds import MEDIA_TYPE, RELEASES, releases_feed
from quiver.manifest import Manifest, ReleaseFile
from quiver.namespaces import PREFIXES
from quiver.releases import Library, Progress, Release, silent
from quiver.releases.turns import turn

_PARTIAL: Final = ".partial-"
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """What the folder holds now: the current release, all releases (newest first), those written and removed now."""

    current: str
    releases: tuple[str, ...]
    written: tuple[str, ...]
    removed: tuple[str, ...]


def publish(
    library: Path,
    folder: Path,
    *,
    keep: int | None = None,
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Published:
    """Write the current release of *library*, and the others that it keeps, to *folder*.

    Of all that are there then, the *keep* newest stay (by default the setting `keep_releases`; 0 keeps all), and the
    current one. What is there already is not written again.

    Raises:
        NoRelease, DamagedRelease, UnsupportedRelease: the current release cannot be read, or is not what its manifest
            says; the folder stays as it was.
        LibraryBusy: another process publishes to the folder, and still does after the setting `wait_s`.
        OSError: the disk is full, say.
    """
    settings = settings or Settings()
    keep = settings.integer("keep_releases") if keep is None else keep
    shelf = Library(library)
    shelf.current()
    with _alone(folder, settings.number("wait_s")):
        # Another may have become it while this one waited.
        current = shelf.current().id
        there = _read_manifests(folder)
        wanted = {release_id for release_id in (*shelf.ids(), *there) if release_id != current}
        older = sorted(wanted, reverse=True)
        kept = [current, *(older if not keep else older[: max(keep - 1, 0)])]
        written = []
        for release_id in kept:
            if not _is_there(folder, there.get(release_id)):
                try:
                    with shelf.reading(release_id) as release:
                        there[release_id] = _write_release(release, folder, settings, progress)
                except QuiverError:
                    # An old one that went meanwhile, or is damaged, is left out.
                    there.pop(release_id, None)
                    if release_id == current:
                        raise
                else:
                    written.append(release_id)
        listed = sorted((there[name] for name in kept if name in there), key=lambda one: one.id, reverse=True)
        _write_listings(folder, listed, there[current], settings)
        removed = sorted(set(_folders(folder)) - {manifest.id for manifest in listed})
        for release_id in removed:
            _remove(folder, release_id)
    return Published(current, tuple(manifest.id for manifest in listed), tuple(written), tuple(removed))


@contextlib.contextmanager
def _alone(folder: Path, wait_s: float) -> Iterator[None]:
    """Hold *folder* for one writer; what a killed one left is removed first."""
    folder.mkdir(parents=True, exist_ok=True)
    with turn(folder, "publishing to", wait_s):
        for partial in folder.rglob(f"{_PARTIAL}*"):
            partial.unlink()
        yield


def _read_manifests(folder: Path) -> dict[str, Manifest]:
    """The releases that the folder holds."""
    found = {}
    for path in folder.glob("releases/*.json"):
        with contextlib.suppress(msgspec.MsgspecError):
            found[path.stem] = msgspec.json.decode(path.read_bytes(), type=Manifest)
    return found


def _folders(folder: Path) -> Iterable[str]:
    return (path.name for path in folder.glob("dumps/*") if path.is_dir())


def _patches(manifest: Manifest) -> dict[str, ReleaseFile]:
    """The release's patches by their place in the folder."""
    return {manifest.patch_address(form): file for form, file in manifest.patches.items()}


def _files(manifest: Manifest) -> dict[str, ReleaseFile]:
    """What is offered of a release, by its place in the folder."""
    dump = {} if manifest.dump is None else {manifest.dump_address(): manifest.dump}
    return {**dump, **_patches(manifest)}


def _is_there(folder: Path, manifest: Manifest | None) -> bool:
    if manifest is None or manifest.dump is None:
        return False
    files = {folder / name: file for name, file in _files(manifest).items()}
    return all(path.is_file() and path.stat().st_size == file.size for path, file in files.items())


def _write_release(release: Release, folder: Path, settings: Settings, progress: Progress) -> Manifest:
    manifest = release.manifest
    if manifest.dump is None:
        raise _damaged(release)
    _copy(release, manifest.dump, release.part_paths, folder / manifest.dump_address(), progress)
    for name, file in _patches(manifest).items():
        _copy(release, file, [release.path / file.path], folder / name, progress)
    _write_bytes(folder / f"releases/{release.id}.ttl", _describe(manifest, settings))
    # Last: it says that the release is there.
    _write_bytes(
        folder / f"releases/{release.id}.json", msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    )
    return manifest


def _copy(release: Release, stated: ReleaseFile, paths: Sequence[Path], target: Path, progress: Progress) -> None:
    """Write *paths* as one file, if together they are what is *stated*."""
    digest = hashlib.sha256()

    def copy(output: BinaryIO) -> None:
        for path in paths:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    output.write(chunk)
                    progress("dump", output.tell(), stated.size)
        if digest.hexdigest() != stated.sha256:
            raise _damaged(release)

    _write(target, copy)


def _damaged(release: Release) -> DamagedRelease:
    return DamagedRelease(
        f"the files of release {release.id} are not what its manifest says; it was not published",
        value=release.id,
        hint="Run `quiver verify`.",
    )


def _describe(manifest: Manifest, settings: Settings) -> bytes:
    triples = dataset_description(manifest, title=settings.text("title"), licence=settings.text("licence"))
    data = pyoxigraph.serialize(triples, format=pyoxigraph.RdfFormat.TURTLE, prefixes=PREFIXES)
    assert data is not None
    return data


def _write_listings(folder: Path, listed: list[Manifest], current: Manifest, settings: Settings) -> None:
    """Write the files that name releases; from then on these are what is there."""
    sums = [
        f"{file.sha256}  {name.removeprefix('dumps/')}\n"
        for manifest in listed
        for name, file in _files(manifest).items()
    ]
    _write_bytes(folder / "dumps/SHA256SUMS", "".join(sums).encode())
    _write_bytes(folder / "dumps/index.html", _page(listed, current, settings, "../").encode())
    _write_bytes(folder / "index.html", _page(listed, current, settings, "").encode())
    _write_bytes(folder / RELEASES, releases_feed(listed, current.base, current.base, settings, pages=False))
    described = _describe(current, settings)
    _write_bytes(folder / "void.ttl", described)
    _write_bytes(folder / ".well-known/void", described)
    assert current.dump is not None
    pointer = {
        "release": current.id,
        "created": current.created,
        "base": current.base,
        "quads": current.quads,
        "dump": current.dump_address().removeprefix("dumps/"),
        "size": current.dump.size,
        "sha256": current.dump.sha256,
    }
    _write_bytes(folder / "dumps/current.json", msgspec.json.format(msgspec.json.encode(pointer), indent=2) + b"\n")


def _page(listed: list[Manifest], current: Manifest, settings: Settings, root: str) -> str:
    title = escape(settings.text("title"))
    rows = "\n".join(
        f"<tr><td>{manifest.id}{' (current)' if manifest.id == current.id else ''}</td>"
        f"<td>{manifest.quads:,}</td><td>{manifest.dump.size:,}</td>"
        f'<td><a href="{root}{manifest.dump_address()}">N-Quads, gzip</a></td><td>{_patch_links(manifest, root)}</td>'
        f'<td><a href="{root}releases/{manifest.id}.ttl">Turtle</a> '
        f'<a href="{root}releases/{manifest.id}.json">JSON</a></td>'
        f"<td><code>{manifest.dump.sha256}</code></td></tr>"
        for manifest in listed
        if manifest.dump
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dumps of {title}</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem; }} table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .3rem .8rem; border-bottom: 1px solid; }} code {{ overflow-wrap: anywhere; }}
td code {{ display: inline-block; min-width: 16rem; }}
div {{ overflow-x: auto; }}</style></head>
<body>
<h1>Dumps of {title}</h1>
<p>Every statement of a release in one compressed file, one statement a line. All facts are in the default graph, so
the text is valid N-Quads, N-Triples and Turtle. Base of the IRIs: <code>{escape(current.base)}</code></p>
<div><table>
<thead><tr><th>Release</th><th>Statements</th><th>Bytes</th><th>Dump</th><th>Since the one before</th>
<th>Description</th><th>SHA-256</th></tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
<p><a href="{root}dumps/SHA256SUMS">SHA256SUMS</a>, <a href="{root}dumps/current.json">current.json</a>,
<a href="{root}{RELEASES}" type="{MEDIA_TYPE}">feed of releases</a>,
<a href="{root}void.ttl">VoID and DCAT</a>. Licence: <a href="{escape(settings.text("licence"))}">{
        escape(settings.text("licence"))
    }</a></p>
</body>
</html>
"""


def _patch_links(manifest: Manifest, root: str) -> str:
    labels = {"patch": "RDF Patch", "added": "added", "removed": "removed"}
    return " ".join(
        f'<a href="{root}{manifest.patch_address(form)}">{label}</a>'
        for form, label in labels.items()
        if form in manifest.patches
    )


def _remove(folder: Path, release_id: str) -> None:
    for ending in ("json", "ttl"):
        (folder / f"releases/{release_id}.{ending}").unlink(missing_ok=True)
    shutil.rmtree(folder / "dumps" / release_id)


def _write_bytes(path: Path, data: bytes) -> None:
    if not (path.is_file() and path.read_bytes() == data):
        _write(path, lambda output: output.write(data))


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Have at *path* what *fill* writes, once it is whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{_PARTIAL}{path.name}")
    try:
        with partial.open("wb") as output:
            fill(output)
            output.flush()
            os.fsync(output.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
