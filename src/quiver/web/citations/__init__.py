"""A paper as a reference: the citation, the formats that reference managers read, and references as running text."""

from quiver.web.citations.bibtex import bibtex_name, citation_key, escape_latex, protect_title, to_bibtex
from quiver.web.citations.csl import to_csl
from quiver.web.citations.formatted import STYLES, Piece, Style, format_reference
from quiver.web.citations.metadata import json_ld, meta_tags
from quiver.web.citations.model import Citation, CitedName, cite, entry_type
from quiver.web.citations.ris import to_ris

__all__ = [
    "STYLES",
    "Citation",
    "CitedName",
    "Piece",
    "Style",
    "bibtex_name",
    "citation_key",
    "cite",
    "entry_type",
    "escape_latex",
    "format_reference",
    "json_ld",
    "meta_tags",
    "protect_title",
    "to_bibtex",
    "to_csl",
    "to_ris",
]
