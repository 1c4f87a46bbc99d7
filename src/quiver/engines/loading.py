"""A release written to another engine, in batches: it goes on where it was stopped, and ends with everything counted.

The state is a small file in the library, one for each release and endpoint: how many statements of each part are
there. A batch that was sent twice is there once, since a graph is a set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import pyoxigraph as ox

from quiver.catalogue import load_catalogue, read_materialised
from quiver.dumps.parts import read_lines
from quiver.engines.remote import COUNTED
from quiver.engines.values import same_value
from quiver.engines.writing import EngineWriter
from quiver.errors import EndpointFailed
from quiver.manifest import Manifest
from quiver.namespaces import term
from quiver.releases import Library, Progress, Release, silent

# What is compared value by value, of each part.
_SAMPLED: Final = 200


class LoadState(msgspec.Struct):
    """What is written already: part -> statements, all of them from its beginning."""

    release: str
    endpoint: str
    graph: str
    written: dict[str, int] = {}
    verified: bool = False


@dataclass(slots=True)
class LoadReport:
    """What a load did: statements sent now, those there before, and what does not agree in the end."""

    release_id: str
    engine: str
    graph: str
    way: str
    sent: int = 0
    there_before: int = 0
    quads: int = 0
    faults: list[str] = field(default_factory=list)
    compared: int = 0


def load_release(
    library: Library,
    release: Release,
    writer: EngineWriter,
    *,
    replace: bool = False,
    progress: Progress = silent,
) -> LoadReport:
    """Write *release* by *writer*, and verify it; *replace* empties its graph there first.

    Raises:
        EndpointFailed: the engine does not take it, or holds something else in its graph.
        DamagedRelease: a part is not what it was.
    """
    manifest = release.manifest
    state, path = _state(library, manifest, writer)
    is_begun = path.exists()
    report = LoadReport(release.id, writer.engine.name, writer.graph, writer.way)
    held = writer.count()
    if replace and held:
        writer.clear()
        held = 0
    if not held:
        # Whatever the state says: the engine was emptied, or is another one at the same address.
        state.written.clear()
    done = sum(state.written.values())
    if held and not done and not is_begun and held != manifest.quads:
        place = f"The graph <{writer.graph}>" if writer.graph else "The default graph"
        raise EndpointFailed(
            f"{place} of the engine holds {held:,} statements already, and not by a load of this release.",
            value=held,
            hint="--replace removes them first; --graph gives another graph.",
        )
    if held == manifest.quads and not done:
        # All of it, by another way: a bulk loader, or a load whose state is gone.
        state.written = {file.path: file.quads or 0 for file in manifest.parts}
        done = held
    report.there_before = done
    # Before the first batch: what a stopped load left is then known as its own.
    _keep(state, path)
    progress("send", done, manifest.quads)
    for file in manifest.parts:
        known = state.written.get(file.path, 0)
        for graph, batch, count in _batches(release.path / file.path, known, writer.batch_statements, manifest):
            writer.write(batch, graph)
            known += count
            report.sent += count
            state.written[file.path] = known
            state.verified = False
            _keep(state, path)
            progress("send", done + report.sent, manifest.quads)
    _verify(release, writer, report, progress)
    state.verified = not report.faults
    _keep(state, path)
    return report


def _batches(path: Path, skip: int, size: int, manifest: Manifest) -> Iterator[tuple[str | None, list[bytes], int]]:
    """The statements of a part behind the first *skip*, in batches of one graph each (None: that of the release).

    Raises:
        EndpointFailed: there are blank nodes, which would be other ones in each batch.
    """
    lines = islice(read_lines(path), skip, None)
    while batch := list(islice(lines, size)):
        if manifest.kind == "records":
            # All of the default graph, without blank nodes, and a line each: N-Triples as they are.
            yield None, batch, len(batch)
            continue
        by_graph: dict[str | None, list[bytes]] = {}
        for quad in ox.parse(b"".join(batch), format=ox.RdfFormat.N_QUADS):
            if isinstance(quad.subject, ox.BlankNode) or isinstance(quad.object, ox.BlankNode):
                raise EndpointFailed(
                    "The release has blank nodes, which no two requests can share.",
                    value=str(quad),
                    hint="Load the dump with the engine's own loader: quiver dump LIBRARY --output FILE.",
                )
            name = quad.graph_name.value if isinstance(quad.graph_name, ox.NamedNode) else None
            by_graph.setdefault(name, []).append(f"{quad.triple} .\n".encode())
        for number, (name, statements) in enumerate(by_graph.items(), 1):
            count = len(batch) if number == len(by_graph) else 0
            yield name, statements, count


def _verify(release: Release, writer: EngineWriter, report: LoadReport, progress: Progress) -> None:
    """Note in *report* what does not agree: the number of statements, of members of each class, and a sample."""
    manifest = release.manifest
    progress("count", 0, 3)
    report.quads = writer.count()
    if manifest.kind == "records" and report.quads != manifest.quads:
        report.faults.append(f"{report.quads:,} statements, where the release has {manifest.quads:,}")
    progress("count", 1, 3)
    expected = _classes(release)
    for class_, found in writer.class_counts(tuple(expected)).items():
        if found != expected[class_]:
            report.faults.append(f"<{class_}>: {found:,} members, where the release has {expected[class_]:,}")
    progress("count", 2, 3)
    for file in manifest.parts:
        _compare(release.path / file.path, writer, report)
    progress("count", 3, 3)


def _classes(release: Release) -> dict[str, int]:
    """The number of members of each class, as the release keeps it."""
    catalogue = load_catalogue()
    name = "release/classes"
    answer = read_materialised(release.results_path, catalogue.get(name)) if name in catalogue else None
    if answer is not None:
        return {class_.value: int(number.value) for class_, number, *_ in answer.rows if class_ and number}
    return {term(COUNTED[key]): count for key, count in release.manifest.counts.items() if key in COUNTED}


def _compare(path: Path, writer: EngineWriter, report: LoadReport) -> None:
    """Compare the first statements of a part with what the engine says of their subjects, literals by value."""
    text = b"".join(islice(read_lines(path), _SAMPLED))
    quads = [quad for quad in ox.parse(text, format=ox.RdfFormat.N_QUADS) if quad.graph_name == ox.DefaultGraph()]
    subjects = list(dict.fromkeys(quad.subject.value for quad in quads if isinstance(quad.subject, ox.NamedNode)))
    there: dict[tuple[str, str], list[ox.Triple]] = {}
    for triple in writer.about(subjects) if subjects else ():
        there.setdefault((str(triple.subject), triple.predicate.value), []).append(triple)
    for quad in quads:
        known = there.get((str(quad.subject), quad.predicate.value), [])
        report.compared += 1
        if not any(same_value(quad.object, triple.object) for triple in known):
            report.faults.append(f"not there: {quad.triple}"[:300])


def _state(library: Library, manifest: Manifest, writer: EngineWriter) -> tuple[LoadState, Path]:
    """The state of the load of this release into this graph, as far as one was begun, and its file."""
    place = f"{writer.url}\n{writer.graph}"
    name = f"{manifest.id}-{hashlib.sha256(place.encode()).hexdigest()[:12]}.json"
    path = library.path / "loads" / name
    fresh = LoadState(manifest.id, writer.url, writer.graph)
    try:
        state = msgspec.json.decode(path.read_bytes(), type=LoadState)
    except (FileNotFoundError, msgspec.MsgspecError):
        return fresh, path
    return state if state.release == manifest.id else fresh, path


def _keep(state: LoadState, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(state))
    new.replace(path)
