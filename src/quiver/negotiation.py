"""One table of formats, and the choice among them by Accept (RFC 9110, section 12.5.1) or by file name extension."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["solutions", "boolean", "graph", "dataset", "document", "citation", "problem"]


@dataclass(frozen=True, slots=True)
class Format:
    """One representation: `name` for `format=`, `extension` without its dot, `kinds` of results that it can carry."""

    name: str
    media_type: str
    extension: str
    label: str
    kinds: tuple[Kind, ...]
    aliases: tuple[str, ...] = ()
    charset: str | None = None

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        return f"{self.media_type}; charset={self.charset}" if self.charset else self.media_type

    @property
    def media_types(self) -> tuple[str, ...]:
        """All media types under which a client may ask for it, the registered one first."""
        return (self.media_type, *self.aliases)


HTML: Final = Format("html", "text/html", "html", "HTML", ("document",), ("application/xhtml+xml",), "utf-8")
TEXT: Final = Format("text", "text/plain", "txt", "Plain text", ("document",), (), "utf-8")
TURTLE: Final = Format(
    "turtle", "text/turtle", "ttl", "Turtle", ("graph",), ("application/x-turtle", "text/n3"), "utf-8"
)
NTRIPLES: Final = Format("ntriples", "application/n-triples", "nt", "N-Triples", ("graph",))
NQUADS: Final = Format("nquads", "application/n-quads", "nq", "N-Quads", ("graph", "dataset"), ("text/x-nquads",))
TRIG: Final = Format("trig", "application/trig", "trig", "TriG", ("graph", "dataset"), ("application/x-trig",))
RDFXML: Final = Format("rdfxml", "application/rdf+xml", "rdf", "RDF/XML", ("graph",))
JSONLD: Final = Format("jsonld", "application/ld+json", "jsonld", "JSON-LD", ("graph", "dataset"))
JSON: Final = Format(
    "json",
    "application/sparql-results+json",
    "json",
    "JSON",
    ("solutions", "boolean"),
    ("application/json", "text/json"),
)
XML: Final = Format(
    "xml",
    "application/sparql-results+xml",
    "xml",
    "XML",
    ("solutions", "boolean"),
    ("application/xml", "text/xml"),
)
CSV: Final = Format("csv", "text/csv", "csv", "CSV", ("solutions", "boolean"), (), "utf-8")
TSV: Final = Format("tsv", "text/tab-separated-values", "tsv", "TSV", ("solutions", "boolean"), (), "utf-8")
BIBTEX: Final = Format("bibtex", "application/x-bibtex", "bib", "BibTeX", ("citation",), ("text/x-bibtex",), "utf-8")
RIS: Final = Format(
    "ris",
    "application/x-research-info-systems",
    "ris",
    "RIS",
    ("citation",),
    ("application/ris",),
    "utf-8",
)
CSL: Final = Format("csl", "application/vnd.citationstyles.csl+json", "csl.json", "CSL-JSON", ("citation",))
PROBLEM: Final = Format(
    "problem", "application/problem+json", "problem.json", "Problem details", ("problem",), ("application/json",)
)

FORMATS: Final[tuple[Format, ...]] = (
    HTML, TURTLE, NTRIPLES, NQUADS, TRIG, RDFXML, JSONLD, JSON, XML, CSV, TSV, BIBTEX, RIS, CSL, TEXT, PROBLEM,
)  # fmt: skip

SOLUTIONS: Final[tuple[Format, ...]] = (JSON, XML, CSV, TSV)
GRAPHS: Final[tuple[Format, ...]] = (TURTLE, NTRIPLES, RDFXML, JSONLD, NQUADS, TRIG)
CITATIONS: Final[tuple[Format, ...]] = (BIBTEX, RIS, CSL)

_BY_NAME: Final[Mapping[str, Format]] = {
    name: one for one in reversed(FORMATS) for name in (one.name, one.extension, *one.media_types)
} | {one.name: one for one in FORMATS}
_BY_EXTENSION: Final = sorted(
    ((f".{one.extension}", one) for one in FORMATS), key=lambda row: len(row[0]), reverse=True
)

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf"({_WORD})/({_WORD})\Z")
_PARAMETER = re.compile(rf"({_WORD})\s*=\s*({_WORD}|\"(?:[^\"\\]|\\.)*\")\Z")
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
_QUOTED_OR_SEPARATOR = re.compile(r'"(?:[^"\\]|\\.)*"|[,;]')


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header: `*` for any type or subtype, parameters in lower case, quality 0 to 1."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...]
    quality: float

    def specificity(self, one: Format) -> int:
        """How closely it names *one*: 0 not at all, 1 `*/*`, 2 `text/*`, 3 an alias or the type, more by parameter."""
        if self.type == "*":
            return 1
        if self.subtype == "*":
            return 2 if one.media_type.startswith(self.type + "/") else 0
        if f"{self.type}/{self.subtype}" not in one.media_types:
            return 0
        charset = dict(self.parameters).get("charset")
        if charset not in (None, "utf-8", "utf8", "*"):
            return 0
        # Other parameters (profile, version) name a wish that no format of ours contradicts.
        return 3 + len(self.parameters)


def parse_accept(header: str) -> tuple[MediaRange, ...]:
    """The well-formed media ranges of an Accept header, in its order; malformed ones are left out.

    >>> [(r.subtype, r.quality) for r in parse_accept("text/turtle;q=0.5, nonsense, */*;q=0.1")]
    [('turtle', 0.5), ('*', 0.1)]
    """
    return tuple(one for one in map(_parse_range, _split(header, ",")) if one is not None)


def choose(accept: str | None, offered: Sequence[Format]) -> Format | None:
    """The format of *offered* that Accept likes best, ties by the order offered; None when it takes none of them.

    No Accept, an empty one, and one without a single well-formed range mean any.

    >>> choose("text/csv;q=0.3, text/*;q=0.2", [TURTLE, CSV]).name
    'csv'
    """
    if not offered:
        return None
    ranges = parse_accept(accept or "")
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda one: _quality(one, ranges))  # max keeps the first of equals
    return best if _quality(best, ranges) > 0 else None


def by_name(name: str) -> Format | None:
    """The format called *name*: our name, an extension or a media type, in any letter case; None when there is none.

    >>> by_name("ttl").name, by_name("application/sparql-results+xml").name
    ('turtle', 'xml')
    """
    return _BY_NAME.get(name.strip().lower())


def split_extension(path: str, formats: Iterable[Format] = FORMATS) -> tuple[str, Format | None]:
    """*path* without its extension, and the format this names; the path itself and None when it names none.

    >>> split_extension("paper/acl/x.csl.json")[0], split_extension("paper/acl/2020.x")[1]
    ('paper/acl/x', None)
    """
    allowed = set(formats)
    for extension, one in _BY_EXTENSION:
        if path.endswith(extension) and one in allowed:
            return path[: -len(extension)], one
    return path, None


def _quality(one: Format, ranges: Sequence[MediaRange]) -> float:
    """The quality of the most specific range that matches; the highest among equally specific ones."""
    matches = [(specificity, row.quality) for row in ranges if (specificity := row.specificity(one))]
    return max(matches)[1] if matches else 0.0


def _parse_range(text: str) -> MediaRange | None:
    head, *parts = (part.strip() for part in _split(text, ";"))
    match = _RANGE.match(head)
    if match is None:
        # Java's URLConnection sends a bare star for any type.
        if head != "*":
            return None
        major = minor = "*"
    else:
        major, minor = match.group(1).lower(), match.group(2).lower()
        if major == "*" and minor != "*":
            return None
    parameters: list[tuple[str, str]] = []
    for part in filter(None, parts):
        found = _PARAMETER.match(part)
        if found is None:
            return None
        name, value = found.group(1).lower(), found.group(2)
        if name == "q":
            # What follows q is an extension of Accept, not a parameter of the media type.
            if _QUALITY.match(value) is None:
                return None
            return MediaRange(major, minor, tuple(parameters), float(value))
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parameters.append((name, value.lower()))
    return MediaRange(major, minor, tuple(parameters), 1.0)


def _split(text: str, separator: str) -> list[str]:
    """*text* at each separator that stands outside a quoted string."""
    parts: list[str] = []
    start = 0
    for match in _QUOTED_OR_SEPARATOR.finditer(text):
        if match.group() == separator:
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    return parts
