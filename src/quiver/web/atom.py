"""Elements of an Atom feed (RFC 4287), with text that XML can carry."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

MEDIA_TYPE: Final = "application/atom+xml"
NAMESPACE: Final = "http://www.w3.org/2005/Atom"
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


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
