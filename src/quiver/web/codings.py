"""Content codings: which one a client takes, and bodies in it, as a whole or in pieces (RFC 9110, 8.4 and 12.5.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, Literal

import zstandard
from isal import isal_zlib

Coding = Literal["zstd", "gzip", "identity"]

# What is compressed: text. Shorter bodies gain nothing.
_COMPRESSED: Final = (
    "text/",
    "application/json",
    "application/ld+json",
    "application/openapi+json",
    "application/opensearchdescription+xml",
    "application/rdf+xml",
    "application/n-",
    "application/trig",
    "application/vnd.citationstyles.csl+json",
    "application/x-bibtex",
    "application/x-research-info-systems",
    "application/xml",
    "application/sparql-results",
    "application/problem+json",
    "image/svg+xml",
)
SMALLEST_COMPRESSED: Final = 600
# Choices are remembered for header fields up to this length.
LONGEST_REMEMBERED: Final = 1000
_GZIP_LEVEL: Final = 2
_GZIP_WINDOW: Final = 31
_ZSTD_LEVEL: Final = 3


def choose_coding(header: str | None) -> Coding:
    """The coding of ours that an Accept-Encoding field likes best; among equals zstd, which is faster and smaller.

    zstd is chosen only by its name, since many who say `*` do not know it.

    >>> choose_coding("gzip, deflate, br, zstd"), choose_coding("zstd;q=0.5, gzip"), choose_coding("gzip;q=0, *")
    ('zstd', 'gzip', 'identity')
    >>> choose_coding("br"), choose_coding(None)
    ('identity', 'identity')
    """
    return _choose_coding(header) if len(header or "") <= LONGEST_REMEMBERED else _choose_coding.__wrapped__(header)


@lru_cache(maxsize=256)
def _choose_coding(header: str | None) -> Coding:
    qualities: dict[str, float] = {}
    for item in (header or "").lower().split(","):
        coding, _, parameter = item.partition(";")
        weight = parameter.strip().removeprefix("q=") if parameter else "1"
        try:
            qualities[coding.strip().removeprefix("x-")] = float(weight)
        except ValueError:
            continue
    zstd, gzip = qualities.get("zstd", 0.0), qualities.get("gzip", qualities.get("*", 0.0))
    if max(zstd, gzip) <= 0:
        return "identity"
    return "zstd" if zstd >= gzip else "gzip"


def is_compressible(media_type: str | None) -> bool:
    """Whether bodies of *media_type* (parameters may follow) are worth compressing."""
    return (media_type or "").startswith(_COMPRESSED)


def compress(data: bytes, coding: Coding) -> bytes:
    """*data* in *coding*."""
    if coding == "gzip":
        return isal_zlib.compress(data, _GZIP_LEVEL, _GZIP_WINDOW)
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data) if coding == "zstd" else data


def compress_pieces(pieces: Iterable[bytes], coding: Coding) -> Iterator[bytes]:
    """The body that *pieces* make, in *coding*, piece by piece."""
    if coding == "identity":
        yield from pieces
        return
    compressor = (
        zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
        if coding == "zstd"
        else isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)
    )
    for piece in pieces:
        if data := compressor.compress(piece):
            yield data
    yield compressor.flush()
