"""What must hold of every answer, whatever was asked: the faults of one answer, in words."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import pyoxigraph
import zstandard

from quiver import errors
from quiver.errors import QuiverError
from tests.browsing import Page
from tests.fuzz.requests import HttpRequest

# The server errors that are documented: the client's query is at fault, or there is no room for it now.
DOCUMENTED: Final = {
    (502, "service-failed"),
    (503, "overloaded"),
    (503, "query-timeout"),
    (507, "memory-limit"),
}
CODES: Final = (
    {one.code for one in vars(errors).values() if isinstance(one, type) and issubclass(one, QuiverError)}
    | {re.sub(r"[^a-z]+", "-", status.phrase.lower()).strip("-") for status in HTTPStatus}
    | {"request-entity-too-large"}
)


@dataclass(frozen=True)
class Answer:
    """An answer as it came; `fault` says how the connection failed where it did."""

    status: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: str = ""

    @property
    def code(self) -> str:
        """The code of the problem that the answer reports, in whichever form; "" for none."""
        if self.status < 400:
            return ""
        found = re.search(rb'"code": *"([a-z-]+)"', self.content)
        found = found or re.search(rb"\(%d ([a-z-]+)\)" % self.status, self.content)
        found = found or re.search(rb"<li>([a-z-]+)</li></ul></div>", self.content)
        return found[1].decode() if found else ""

    @property
    def content(self) -> bytes:
        """The body without its content coding."""
        coding = self.fields.get("content-encoding") if self.body else None
        if coding == "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(self.body)
        return gzip.decompress(self.body) if coding == "gzip" else self.body


def faults(request: HttpRequest, answer: Answer) -> Iterator[str]:
    """Everything that is wrong with *answer*."""
    if answer.fault:
        # What is no HTTP may be met by the end of the connection.
        if request.is_well_formed or "no answer" in answer.fault:
            yield answer.fault
        return
    status, fields = answer.status, answer.fields
    if request.method == "HEAD":
        if answer.body:
            yield "an answer to HEAD has a body"
        if status >= 500 and status not in {documented for documented, _ in DOCUMENTED}:
            yield f"{status} to HEAD"
        return
    if status >= 400:
        yield from _faults_of_error(request, answer)
        return
    if status in (204, 304):
        if answer.body:
            yield f"a {status} has a body"
        return
    if "content-length" in fields and int(fields["content-length"]) != len(answer.body):
        yield f"Content-Length {fields['content-length']}, but {len(answer.body)} bytes came"
    media_type = fields.get("content-type", "").partition(";")[0]
    if status == 200 and not media_type and answer.body:
        yield "no Content-Type"
    parse = _PARSERS.get(media_type)
    if status == 200 and parse is not None:
        try:
            parse(answer.content)
        except Exception as error:  # noqa: BLE001 - any failure of a parser is the finding
            yield f"{media_type} does not parse: {type(error).__name__} {str(error)[:200]}"


def _faults_of_error(request: HttpRequest, answer: Answer) -> Iterator[str]:
    status, code = answer.status, answer.code
    if status >= 500 and (status, code) not in DOCUMENTED:
        yield f"{status} {code or answer.body[:80]!r}"
        return
    if not code:
        if request.is_well_formed:
            yield f"{status} without a problem document: {answer.body[:80]!r}"
        return
    if code not in CODES:
        yield f"{status} with the unknown code {code}"
    if answer.fields.get("content-type") == "application/problem+json":
        members = json.loads(answer.content)
        if members.get("status") != status:
            yield f"{status}, but the problem says {members.get('status')}"
        if not (members.get("title") and members.get("detail") and members.get("type", "").endswith(code)):
            yield "a problem without title, detail or type"
    elif answer.fields.get("content-type") not in ("text/html; charset=utf-8", "text/plain; charset=utf-8"):
        yield f"an error as {answer.fields.get('content-type')}"
    if status == 405 and "allow" not in answer.fields:
        yield "405 without Allow"
    if status == 503 and "retry-after" not in answer.fields:
        yield "503 without Retry-After"
    if "etag" in answer.fields:
        yield "an error with an ETag"


def _rdf(syntax: pyoxigraph.RdfFormat) -> Callable[[bytes], object]:
    return lambda data: sum(1 for _ in pyoxigraph.parse(data, syntax))


def _results(syntax: pyoxigraph.QueryResultsFormat) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        found = pyoxigraph.parse_query_results(data, syntax)
        return bool(found) if isinstance(found, pyoxigraph.QueryBoolean) else sum(1 for _ in found)

    return parse


def _page(data: bytes) -> None:
    page = Page(data.decode())
    assert not page.unbalanced, page.unbalanced
    assert b"<script>alert" not in data


def _csv(data: bytes) -> None:
    rows = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    assert all(len(row) == len(rows[0]) for row in rows if row)


def _both(one: Callable[[bytes], object], other: Callable[[bytes], object]) -> Callable[[bytes], object]:
    return lambda data: (one(data), other(data))


_XML: Final[Callable[[bytes], object]] = ET.fromstring
_PARSERS: Final[Mapping[str, Callable[[bytes], object]]] = {
    "text/html": _page,
    "application/json": json.loads,
    "application/problem+json": json.loads,
    "application/x-suggestions+json": json.loads,
    "application/schema+json": json.loads,
    "application/xml": _XML,
    "application/opensearchdescription+xml": _XML,
    "text/turtle": _rdf(pyoxigraph.RdfFormat.TURTLE),
    "application/n-triples": _rdf(pyoxigraph.RdfFormat.N_TRIPLES),
    "application/n-quads": _rdf(pyoxigraph.RdfFormat.N_QUADS),
    "application/trig": _rdf(pyoxigraph.RdfFormat.TRIG),
    "application/rdf+xml": _both(_XML, _rdf(pyoxigraph.RdfFormat.RDF_XML)),
    "application/ld+json": _both(json.loads, _rdf(pyoxigraph.RdfFormat.JSON_LD)),
    "application/sparql-results+json": _both(json.loads, _results(pyoxigraph.QueryResultsFormat.JSON)),
    "application/sparql-results+xml": _both(_XML, _results(pyoxigraph.QueryResultsFormat.XML)),
    "text/csv": _csv,
    "text/tab-separated-values": _results(pyoxigraph.QueryResultsFormat.TSV),
}
