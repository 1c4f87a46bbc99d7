"""Identifiers: those of the field, parsed and normalised; and our own IRIs, minted and mapped to paths."""

from quiver.identifiers.iris import (
    EXTENSIONS,
    Minter,
    decode_segment,
    encode_key,
    encode_segment,
    is_absolute_iri,
    normalise_base,
)
from quiver.identifiers.schemes import (
    Doi,
    Orcid,
    parse_arxiv,
    parse_doi,
    parse_isbn,
    parse_issn,
    parse_orcid,
)

__all__ = [
    "EXTENSIONS",
    "Doi",
    "Minter",
    "Orcid",
    "decode_segment",
    "encode_key",
    "encode_segment",
    "is_absolute_iri",
    "normalise_base",
    "parse_arxiv",
    "parse_doi",
    "parse_isbn",
    "parse_issn",
    "parse_orcid",
]
