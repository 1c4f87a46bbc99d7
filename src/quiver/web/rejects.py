"""Records that were not taken: the lists that builds leave beside the releases, paged, and as they are."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from flask import Blueprint, Response, render_template

from quiver.config import Settings
from quiver.errors import InvalidParameter, NotFound, QuiverError
from quiver.identifiers import encode_segment
from quiver.manifest import Manifest
from quiver.releases import Library
from quiver.web.graph import Graph, current_graph
from quiver.web.links import href, this_page
from quiver.web.panels import Paging
from quiver.web.resources import wanted_page

# A record may be 64 MB long; of a line no more is read than this, and of a record no more is shown.
_LINE_BYTES: Final = 64 * 1024
_SHOWN_CHARACTERS: Final = 1_500
# Pages end here: they are found by reading all that lies before. The file has everything.
_DEEPEST: Final = 10_000
# What a reject says of itself comes before these; in JSON no string holds them, since its quotation marks are escaped.
_RAW: Final = (b',"raw":"', b',"raw_base64":"')
_CHUNK_BYTES: Final = 1 << 18


class Reject(msgspec.Struct, frozen=True):
    """One record that was not taken; `raw` is the source's own text, or its beginning."""

    file: str = ""
    line: str = ""
    key: str = ""
    reason: str = ""
    hint: str = ""
    raw: str = ""
    raw_base64: str = ""
    cut: bool = False

    @property
    def shown(self) -> str:
        """The source's own text as far as it is shown; bytes that are no UTF-8 as U+FFFD."""
        text = base64.b64decode(self.raw_base64).decode("utf-8", "replace") if self.raw_base64 else self.raw
        return text[:_SHOWN_CHARACTERS]

    @property
    def is_cut(self) -> bool:
        return self.cut or max(len(self.raw), len(self.raw_base64) * 3 // 4) > _SHOWN_CHARACTERS


def create_rejects(library: Library, settings: Settings) -> Blueprint:
    """The blueprint of `/source/{slug}/rejects` and `/source/{slug}/rejects.jsonl`."""
    blueprint = Blueprint("rejects", __name__)
    size = settings.integer("page_size")

    @blueprint.get("/source/<segment>/rejects")
    def page(segment: str) -> str:
        graph = current_graph()
        slug = _source(graph, segment)
        number = wanted_page()
        start = (number - 1) * size
        if start >= _DEEPEST:
            raise InvalidParameter(
                f"page={number} lies beyond the first {_DEEPEST:,} rejects", value=number, hint="The file has them all."
            )
        found = list(islice(read_rejects(reject_files(library, graph.manifest, slug)), start, start + size + 1))
        more = len(found) > size and start + size < _DEEPEST
        return render_template(
            "rejects.html",
            slug=slug,
            description=f"Records not taken from {slug}, each with its place and the reason.",
            path=f"source/{segment}",
            counts=graph.manifest.sources[slug],
            rejects=found[:size],
            paging=Paging(
                what="rejects",
                range=f"{start + 1:,} to {start + len(found[:size]):,}",
                previous=this_page(page=number - 1 if number > 2 else None) if number > 1 else "",
                next=this_page(page=number + 1) if more else "",
            ),
        )

    @blueprint.get("/source/<segment>/rejects.jsonl")
    def data(segment: str) -> Response:
        graph = current_graph()
        paths = reject_files(library, graph.manifest, _source(graph, segment))
        response = Response(_stream(paths), mimetype="application/jsonl")
        response.content_length = sum(path.stat().st_size for path in paths)
        response.headers["Content-Disposition"] = 'attachment; filename="rejects.jsonl"'
        response.headers["Link"] = f'<{href(f"source/{segment}/rejects")}>; rel="describedby"; type="text/html"'
        return response

    return blueprint


def _source(graph: Graph, segment: str) -> str:
    """The source of the release whose IRI ends in *segment*: what an address says is compared, and never a path.

    Raises:
        NotFound: there is none.
    """
    for slug in graph.manifest.sources:
        if encode_segment(slug) == segment:
            return slug
    raise NotFound(f"no source {segment[:80]!r}", value=segment, hint="The release's page lists its sources.")


def reject_files(library: Library, manifest: Manifest, slug: str) -> list[Path]:
    """The lists of rejects of a source: that of this release and of those that it was made from, as far as kept."""
    found = []
    current: Manifest | None = manifest
    while current is not None:
        path = library.path / "rejected" / slug / f"{current.id}.jsonl"
        if path.is_file():
            found.append(path)
        current = _parent(library, current)
    return found


def _parent(library: Library, manifest: Manifest) -> Manifest | None:
    if manifest.parent is None:
        return None
    try:
        return library.release(manifest.parent).manifest
    except QuiverError:
        return None  # pruned meanwhile


def read_rejects(paths: Iterable[Path]) -> Iterator[Reject]:
    """The rejects of these lists, one after the other; of each a line's beginning at most is held."""
    for path in paths:
        with path.open("rb") as file:
            while line := file.readline(_LINE_BYTES):
                whole = line.endswith(b"\n")
                if not whole:
                    _skip_line(file)
                yield _reject(line, whole)


def _skip_line(file: BinaryIO) -> None:
    while (piece := file.readline(_LINE_BYTES)) and not piece.endswith(b"\n"):
        pass


def _reject(line: bytes, whole: bool) -> Reject:
    if whole:
        return msgspec.json.decode(line, type=Reject)
    ends = [end for mark in _RAW if (end := line.find(mark)) >= 0]
    head = line[: min(ends, default=0)] + b"}"
    return msgspec.structs.replace(msgspec.json.decode(head, type=Reject), cut=True) if ends else Reject(cut=True)


def _stream(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
