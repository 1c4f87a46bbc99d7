"""The kept releases as a feed, newest first: Atom (RFC 4287)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from flask import Response, request

from quiver import __version__
from quiver.config import Settings
from quiver.manifest import Manifest
from quiver.negotiation import HTML
from quiver.releases import Release
from quiver.web.atom import MEDIA_TYPE, NAMESPACE, add_element, serialise_feed

PATH: Final = "releases.atom"
_GZIP: Final = "application/gzip"


def releases_atom(releases: Sequence[Release], base: str, settings: Settings) -> Response:
    """The feed of *releases*, newest first, of which there is at least one.

    An entry has the IRI of its release and the time at which it was made, so that neither ever changes.
    """
    title = settings.text("title")
    feed = ET.Element("feed", {"xmlns": NAMESPACE, "xml:lang": "en"})
    add_element(feed, "id", base + PATH)
    add_element(feed, "title", f"{title}: releases")
    add_element(feed, "updated", max(release.manifest.created for release in releases))
    add_element(add_element(feed, "author"), "name", title)
    add_element(feed, "generator", "Quiver", version=__version__)
    add_element(feed, "link", rel="self", type=MEDIA_TYPE, href=request.url_root + PATH)
    add_element(feed, "link", rel="alternate", type=HTML.media_type, href=request.url_root + "dumps/")
    add_element(feed, "link", rel="license", href=settings.text("licence"))
    for release in releases:
        _add_entry(feed, release.manifest)
    response = Response(serialise_feed(feed), mimetype=MEDIA_TYPE)
    # A weak one, so that it is not kept for as long as the current release: an earlier one may be removed before.
    response.add_etag(weak=True)
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response


def _add_entry(feed: ET.Element, manifest: Manifest) -> None:
    root, release_id = request.url_root, manifest.id
    entry = add_element(feed, "entry")
    add_element(entry, "id", f"{manifest.base}releases/{release_id}")
    add_element(entry, "title", f"Release {release_id}")
    add_element(entry, "published", manifest.created)
    add_element(entry, "updated", manifest.created)
    add_element(entry, "link", rel="alternate", type=HTML.media_type, href=f"{root}releases/{release_id}")
    if manifest.dump:
        address = f"{root}dumps/{release_id}/quiver-{release_id}.nq.gz"
        length = str(manifest.dump.size)
        add_element(entry, "link", rel="enclosure", type=_GZIP, title="N-Quads", length=length, href=address)
    if patch := manifest.patches.get("patch"):
        address = f"{root}dumps/{release_id}/patch-{release_id}.rdfp.gz"
        length = str(patch.size)
        add_element(entry, "link", rel="enclosure", type=_GZIP, title="RDF Patch", length=length, href=address)
    add_element(entry, "summary", _summary(manifest))


def _summary(manifest: Manifest) -> str:
    said = f"{manifest.quads:,} statements"
    if "papers" in manifest.counts:
        said += f" about {manifest.counts['papers']:,} papers"
    patches = manifest.patches
    if patches and manifest.parent:
        added, removed = (patches[form].quads or 0 for form in ("added", "removed"))
        said += f"; {added:,} added and {removed:,} removed since release {manifest.parent}"
    return said + "."
