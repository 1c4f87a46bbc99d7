"""Releases and their dumps: what there is to take away, how big it is, and the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from flask import Blueprint, Response, g, redirect, render_template, request
from werkzeug.datastructures import ETags
from werkzeug.wrappers import Response as AnyResponse

from quiver.config import Settings
from quiver.descriptions import dataset_description
from quiver.errors import NotAcceptable, NotFound, QuiverError
from quiver.feeds import MEDIA_TYPE, releases_feed
from quiver.manifest import PATCH_FORMS, ReleaseFile
from quiver.negotiation import HTML, JSON, JSONLD, NTRIPLES, RDFXML, TURTLE, Format, choose
from quiver.releases import Lease, Library, Release
from quiver.web.graph import current_graph
from quiver.web.links import href, location
from quiver.web.service import write_triples

_CHUNK_BYTES: Final = 1 << 18
_JSON: Final = "application/json"
_RELEASE_FORMATS: Final = (HTML, TURTLE, NTRIPLES, JSONLD, RDFXML, JSON)
# The parts are N-Quads text. Without named graphs that is N-Triples, and N-Triples is Turtle (RDF 1.1 Turtle, 1).
_DUMP_NAMES: Final = {
    "nq": ("N-Quads", "application/n-quads"),
    "nt": ("N-Triples", "application/n-triples"),
    "ttl": ("Turtle", "text/turtle"),
}


@dataclass(frozen=True, slots=True)
class Download:
    """A file to take away: its name, what it is called, its address, itself."""

    name: str
    label: str
    href: str
    file: ReleaseFile


def create_downloads(library: Library, settings: Settings) -> Blueprint:
    """The blueprint of `/dumps/` and `/releases/`."""
    blueprint = Blueprint("downloads", __name__)

    @blueprint.get("/dumps")
    def dumps_without_slash() -> AnyResponse:
        # Flask would do this by itself, but with an absolute address, which a proxy may know under another scheme.
        return redirect(location("dumps/"), 308)

    @blueprint.get("/dumps/")
    def dumps() -> str:
        releases = [release for release in kept_releases(library) if release.manifest.dump]
        return render_template(
            "dumps.html",
            releases=[(release.manifest, downloads(release), patches(release)) for release in releases],
        )

    @blueprint.get("/dumps/<release_id>/quiver-<name>.<any(nq, nt, ttl):extension>.gz")
    def dump(release_id: str, name: str, extension: str) -> Response:
        release = library.release(release_id)
        if name != release_id or extension not in dump_extensions(release) or release.manifest.dump is None:
            raise NotFound(f"no such dump of release {release_id}", value=request.path, hint="/dumps/ lists them.")
        return _file(release, release.manifest.dump, release.part_paths)

    @blueprint.get("/dumps/<release_id>/patch-<name>.<any('rdfp', 'added.nq', 'removed.nq'):ending>.gz")
    def patch(release_id: str, name: str, ending: str) -> Response:
        release = library.release(release_id)
        form = next(form for form, (known, _) in PATCH_FORMS.items() if known == ending)
        file = release.manifest.patches.get(form)
        if name != release_id or file is None:
            raise NotFound(f"no such patch of release {release_id}", value=request.path, hint="/dumps/ lists them.")
        return _file(release, file, [release.path / file.path])

    @blueprint.get("/releases.atom")
    def feed() -> Response:
        manifests = [release.manifest for release in kept_releases(library)]
        data = releases_feed(manifests, current_graph().base, request.url_root, settings)
        response = Response(data, mimetype=MEDIA_TYPE)
        # A weak one, so that it is not kept for as long as the current release: an earlier one may be removed before.
        response.add_etag(weak=True)
        response.headers["Cache-Control"] = "no-cache"
        response.make_conditional(request)
        return response

    @blueprint.get("/releases/<release_id>")
    @blueprint.get("/releases/<release_id>.<any(html, ttl, nt, jsonld, rdf, json):extension>")
    def release(release_id: str, extension: str = "") -> Response:
        manifest = library.release(release_id).manifest
        chosen = next((one for one in _RELEASE_FORMATS if one.extension == extension), None) or _negotiate()
        if chosen is JSON:
            data = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
            return Response(data + b"\n", mimetype=_JSON)
        if chosen is HTML:
            formats = [
                {
                    "href": href(f"releases/{release_id}.{one.extension}"),
                    "label": one.label,
                    "media_type": _JSON if one is JSON else one.media_type,
                }
                for one in _RELEASE_FORMATS
                if one is not HTML
            ]
            return Response(
                render_template(
                    "release.html", release=manifest, formats=formats, current=current_graph().id == manifest.id,
                    downloads=downloads(library.release(release_id)), patches=patches(library.release(release_id)),
                    previous_is_kept=manifest.parent in library.ids(),
                )
            )  # fmt: skip
        triples = dataset_description(manifest, title=settings.text("title"), licence=settings.text("licence"))
        response = Response(write_triples(triples, chosen.extension), content_type=chosen.content_type)
        response.headers["Link"] = f'<{location(f"releases/{release_id}")}>; rel="canonical"'
        return response

    return blueprint


def _file(release: Release, file: ReleaseFile, paths: list[Path]) -> Response:
    """The *file* that *paths* are together: one to keep in the form in which its checksum was taken.

    Gzip is its format, not a coding of the transfer.
    """
    response = Response(_stream(paths, release.hold()), content_type="application/gzip")
    response.content_length = file.size
    response.set_etag(file.sha256)
    response.headers["Cache-Control"] = "max-age=31536000, immutable"
    address = location(f"releases/{release.id}")
    response.headers["Link"] = f'<{address}>; rel="describedby"'
    return _unchanged(response, request.if_none_match)


def _negotiate() -> Format:
    g.negotiated = True
    chosen = choose(request.headers.get("Accept"), _RELEASE_FORMATS)
    if chosen is None:
        raise NotAcceptable("it comes as " + ", ".join(one.media_type for one in _RELEASE_FORMATS))
    return chosen


def kept_releases(library: Library) -> list[Release]:
    """The releases that can be served, newest first; those of unknown format or pruned meanwhile are left out."""
    found = []
    for release_id in reversed(library.ids()):
        try:
            found.append(library.release(release_id))
        except QuiverError:
            continue
    return found


def dump_extensions(release: Release) -> tuple[str, ...]:
    """The syntaxes that the release's parts are in: one text may be valid in several."""
    return tuple(_DUMP_NAMES) if release.manifest.kind == "records" else ("nq",)


def downloads(release: Release) -> list[Download]:
    """The release's dump under the name of each syntax that it is valid in; none where it has no dump."""
    manifest = release.manifest
    return [
        _download(manifest.dump_address(extension), _DUMP_NAMES[extension][0], manifest.dump)
        for extension in dump_extensions(release)
        if manifest.dump is not None
    ]


def patches(release: Release) -> list[Download]:
    """What leads from the release's parent to it, in each form."""
    manifest = release.manifest
    return [
        _download(manifest.patch_address(form), label, file)
        for form, (_, label) in PATCH_FORMS.items()
        if (file := manifest.patches.get(form))
    ]


def _download(address: str, label: str, file: ReleaseFile) -> Download:
    return Download(address.rpartition("/")[2], label, href(address), file)


def _unchanged(response: Response, held: ETags) -> Response:
    etag, _ = response.get_etag()
    if etag is not None and held.contains_weak(etag):
        response.close()
        fresh = Response(status=304)
        fresh.set_etag(etag)
        return fresh
    return response


def _stream(paths: list[Path], lease: Lease) -> Iterator[bytes]:
    # However long the client takes.
    with lease:
        for path in paths:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
