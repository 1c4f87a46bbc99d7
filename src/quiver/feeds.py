"""Atom feeds (RFC 4287): their elements, with text that XML can carry, and the feed of releases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from quiver import __version__
from quiver.config import Settings
from quiver.manifest import Manifest
from quiver.negotiation import HTML, TURTLE

MEDIA_TYPE: Final = "application/atom+xml"
NAMESPACE: Final = "http://www.w3.org/2005/Atom"
RELEASES: Final = "releases.atom"
_GZIP: Final = "application/gzip"
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add_element(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    """A new element below *parent*."""
    element = ET.SubElement(parent, name, {key: _clean(value) for key, value in attributes.items()})
    element.text = _clean(text) or None
    return element


def serialise_feed(feed: ET.Element) -> bytes:
    """The document."""
    data: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def releases_feed(
    manifests: Sequence[Manifest], base: str, root: str, settings: Settings, *, pages: bool = True
) -> bytes:
    """The feed of the releases of *manifests*, newest first, of which there is at least one.

    An entry has the IRI of its release and the time at which it was made, so that neither ever changes. Links begin
    with *root*; they lead to pages of releases, or without *pages* to their descriptions in Turtle.
    """
    title = settings.text("title")
    feed = ET.Element("feed", {"xmlns": NAMESPACE, "xml:lang": "en"})
    add_element(feed, "id", base + RELEASES)
    add_element(feed, "title", f"{title}: releases")
    add_element(feed, "updated", max(manifest.created for manifest in manifests))
    add_element(add_element(feed, "author"), "name", title)
    add_element(feed, "generator", "Quiver", version=__version__)
    add_element(feed, "link", rel="self", type=MEDIA_TYPE, href=root + RELEASES)
    add_element(feed, "link", rel="alternate", type=HTML.media_type, href=root + "dumps/")
    add_element(feed, "link", rel="license", href=settings.text("licence"))
    for manifest in manifests:
        _add_release(feed, manifest, root, pages)
    return serialise_feed(feed)


def _add_release(feed: ET.Element, manifest: Manifest, root: str, pages: bool) -> None:
    release_id = manifest.id
    entry = add_element(feed, "entry")
    add_element(entry, "id", f"{manifest.base}releases/{release_id}")
    add_element(entry, "title", f"Release {release_id}")
    add_element(entry, "published", manifest.created)
    add_element(entry, "updated", manifest.created)
    media_type, ending = (HTML.media_type, "") if pages else (TURTLE.media_type, ".ttl")
    add_element(entry, "link", rel="alternate", type=media_type, href=f"{root}releases/{release_id}{ending}")
    if manifest.dump:
        address = root + manifest.dump_address()
        length = str(manifest.dump.size)
        add_element(entry, "link", rel="enclosure", type=_GZIP, title="N-Quads", length=length, href=address)
    if patch := manifest.patches.get("patch"):
        address = root + manifest.patch_address("patch")
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


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
