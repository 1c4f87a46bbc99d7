"""Our own IRIs: keys as path segments and back, one minting function a kind.

A space is `_`; letters, digits, marks, `-` and `.` stand; every other character is `~` and two hex digits for each
byte of its UTF-8 form. Clients and servers decode and re-encode percent escapes at will, so no minted IRI holds a `%`.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from quiver.errors import InvalidIdentifier

# Longest first: the ending of a document's URL decides its format.
EXTENSIONS: tuple[str, ...] = (
    ".csl.json",
    ".jsonld",
    ".html",
    ".trig",
    ".json",
    ".atom",
    ".ttl",
    ".rdf",
    ".bib",
    ".ris",
    ".csv",
    ".tsv",
    ".xml",
    ".txt",
    ".svg",
    ".nt",
    ".nq",
)

_PLAIN = re.compile(r"[A-Za-z0-9. -]*")
_ESCAPES = re.compile(r"(?:~[0-9A-F]{2})+")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What is beyond ASCII and no `ucschar` of RFC 3987, 2.2: private use, specials such as U+FFFD, tags, and the variation
# selectors that some Japanese names carry. One of them in an IRI, and the engine takes none of the file that has it.
NO_IRI_CHARACTERS = re.compile(
    "[\x80-\x9f\ud800-\uf8ff\ufdd0-\ufdef\ufff0-\uffff\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
    + "".join(chr(plane << 16 | low) for plane in range(1, 15) for low in (0xFFFE, 0xFFFF))
    + "]"
)
_ABSOLUTE = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>"{}|\\^`\x7f]+')


def _stands(character: str) -> bool:
    if unicodedata.category(character)[0] not in "LM" and not character.isdecimal():
        return character in "-."
    return not NO_IRI_CHARACTERS.match(character)


def _escape(text: str) -> str:
    return "".join(f"~{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def _guard(segment: str) -> str:
    """*segment* with the last dot before one of our extensions, or in a dot segment, escaped."""
    if segment in (".", ".."):
        return segment.replace(".", "~2E")
    if not segment.endswith(EXTENSIONS):
        return segment
    # The last dot of every extension that fits is the last one of the segment.
    dot = segment.rindex(".")
    return f"{segment[:dot]}~2E{segment[dot + 1 :]}"


def _encode(text: str) -> str:
    # To remember so simple a text takes as long as to encode it.
    return text.replace(" ", "_") if _PLAIN.fullmatch(text) else _encode_each(text)


@lru_cache(maxsize=25_000)
def _encode_each(text: str) -> str:
    return "".join(
        "_" if character == " " else character if _stands(character) else _escape(character) for character in text
    )


def encode_segment(text: str) -> str:
    """*text* as one path segment; empty text is `~`.

    >>> encode_segment("andrew zhao"), encode_segment("c++_~"), encode_segment("")
    ('andrew_zhao', 'c~2B~2B~5F~7E', '~')
    """
    return _guard(_encode(text)) or "~"


def encode_key(text: str) -> str:
    """*text* as a paper's or author's key: like a segment, but `/` stands where it is harmless.

    >>> encode_key("conf/nips/ZhaoWu25"), encode_key("a//b/../c"), encode_key("x.ttl")
    ('conf/nips/ZhaoWu25', 'a~2F~2Fb~2F..~2Fc', 'x~2Ettl')
    """
    if "/" not in text:
        return encode_segment(text)
    pieces = text.split("/")
    encoded = _encode(pieces[0])
    for before, piece in itertools.pairwise(pieces):
        harmless = not {before, piece} & {"", ".", ".."}
        encoded += ("/" if harmless else "~2F") + _encode(piece)
    return _guard(encoded)


def decode_segment(path: str) -> str:
    """The text that `encode_segment` or `encode_key` made *path* of.

    Raises:
        InvalidIdentifier: *path* is of no such making.

    >>> decode_segment("c~2B~2B~5F~7E"), decode_segment("~")
    ('c++_~', '')
    """
    if path == "~":
        return ""
    try:
        text = _ESCAPES.sub(
            lambda match: bytes.fromhex(match[0].replace("~", "")).decode("utf-8", "surrogatepass"),
            path.replace("_", " "),
        )
    except UnicodeDecodeError:
        raise InvalidIdentifier(f"no path of ours: {path!r}", value=path) from None
    if path not in (encode_segment(text), encode_key(text)):
        raise InvalidIdentifier(f"no path of ours: {path!r}", value=path)
    return text


@lru_cache(maxsize=25_000)
def is_absolute_iri(text: str) -> bool:
    """Whether *text* can stand as an IRI in RDF: a scheme, and no character that RFC 3987 forbids.

    >>> is_absolute_iri("https://example.org/a"), is_absolute_iri("https: //example. org"), is_absolute_iri("P18-1")
    (True, False, False)
    """
    if not _ABSOLUTE.fullmatch(text):
        return False
    if not text.isascii() and (
        NO_IRI_CHARACTERS.search(text) or any(unicodedata.category(c) in ("Cn", "Zs", "Zl") for c in text)
    ):
        return False
    if _BROKEN_ESCAPE.search(text):
        return False
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        return False
    if set("[]") & set(parts.path + parts.query + parts.fragment) or text.count("#") > 1:
        return False
    return parts.netloc.count("@") < 2 and (parts.scheme not in ("http", "https") or bool(parts.hostname))


def normalise_base(text: str) -> str:
    """*text* as a base: an http(s) IRI that ends in a slash, without query and fragment.

    Raises:
        InvalidIdentifier: it is none.

    >>> normalise_base("https://kg.example.org/quiver")
    'https://kg.example.org/quiver/'
    """
    base = text.strip()
    if not base.endswith("/"):
        base += "/"
    if not is_absolute_iri(base) or not base.startswith(("http://", "https://")) or set(base) & set("?#%"):
        raise InvalidIdentifier(
            f"no base IRI: {text!r}", value=text, hint="Give an http or https IRI that ends in a slash."
        )
    return base


@dataclass(frozen=True, slots=True)
class Minter:
    """Mints every IRI under one base; the result is that IRI as a string."""

    base: str

    def source(self, slug: str) -> str:
        return f"{self.base}source/{encode_segment(slug)}"

    def source_file(self, slug: str, sha256: str) -> str:
        return f"{self.base}source/{encode_segment(slug)}/{sha256[:12]}"

    def paper(self, slug: str, key: str) -> str:
        return f"{self.base}paper/{encode_segment(slug)}/{encode_key(key)}"

    def author_row(self, slug: str, key: str) -> str:
        return f"{self.base}author/{encode_segment(slug)}/{encode_key(key)}"

    def name_cluster(self, key: str) -> str:
        return f"{self.base}name/{encode_segment(key)}"

    def cluster_page(self, slug: str, key: str) -> str:
        return f"{self.base}page/{encode_segment(slug)}/{encode_segment(key)}"

    def venue_series(self, key: str) -> str:
        return f"{self.base}venue/{encode_segment(key)}"

    def venue_edition(self, key: str, edition: str) -> str:
        return f"{self.base}venue/{encode_segment(key)}/{encode_segment(edition)}"

    def rule(self, name: str) -> str:
        return f"{self.base}rule/{name}"

    def path(self, iri: str) -> str | None:
        """The path of one of our IRIs below the base, without its fragment; None for any other IRI."""
        return iri[len(self.base) :].partition("#")[0] if iri.startswith(self.base) else None
