"""Strategies for HTTP requests: each part from what clients send to what none should."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus, urlencode

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.queries import corpus, sparql

MEDIA_TYPES: Final = (
    "*/*", "text/html", "text/turtle", "application/n-triples", "application/n-quads", "application/trig",
    "application/rdf+xml", "application/ld+json", "application/sparql-results+json", "application/sparql-results+xml",
    "text/csv", "text/tab-separated-values", "application/json", "text/plain", "application/x-bibtex", "image/png",
)  # fmt: skip
_FORMATS: Final = (
    "json", "xml", "csv", "tsv", "turtle", "ntriples", "nquads", "trig", "rdfxml", "jsonld", "ttl", "html", "docx", "",
    "JSON", "\x00",
)  # fmt: skip
_PATHS: Final = (
    "/", "/search", "/search.json", "/suggest", "/sparql", "/name/andrew_zhao", "/name/Andrew%20Zhao",
    "/name/%E6%9D%8E%E4%BC%9F", "/name/~", "/venue/neurips", "/venue/neurips/2025", "/paper/hostile/long",
    "/paper/hostile/hostile/0", "/author/arrow/n-Andrew_Zhao", "/source/arrow", "/page/arrow/andrew_zhao",
    "/rule/exact-name", "/queries", "/queries/name/papers", "/queries/paper/facts", "/queries/release/counts",
    "/queries/example/paper-graph", "/openapi.json", "/dumps/", "/dumps", "/dumps/x/quiver-x.nq.gz", "/releases/x",
    "/ontology", "/shapes", "/ontology/context.jsonld", "/statistics", "/quality", "/health", "/metrics",
    "/sitemap.xml", "/robots.txt", "/opensearch.xml", "/.well-known/void", "/static/quiver.css",
    "/static/../web/graph.py", "/static/", "/favicon.ico", "/compare", "/explore", "*", "//", "/nothing",
)  # fmt: skip
_EXTENSIONS: Final = (
    "",
    "",
    "",
    ".html",
    ".ttl",
    ".nt",
    ".jsonld",
    ".rdf",
    ".bib",
    ".json",
    ".csv",
    ".tsv",
    ".xml",
    ".x",
)
_SEGMENTS: Final = (
    "%00", "%2F", "%FF", "%0d%0aX:y", "..", ".", "%2e%2e", "~2F", "~zz", "~", "%", "%zz", "a" * 3000, "%F0%9F%98%80",
    "%ED%A0%80", "é", "<script>", "%3Cscript%3E", "{{7*7}}", "name", "\\", ";a=b", ":", "@", "%E2%80%AE", " ", "a b",
)  # fmt: skip
_VALUES: Final = (
    "", "0", "1", "2", "-1", "99999999999999999999", "1.5", "٣", "²", "true", "\x00", "\ud7ff", "a" * 5000,
    "andrew zhao", "name/andrew_zhao", "http://evil.example/", "2020-2024", "2025", "paper", "newest",
    '"unclosed', "author:", "a* b*",
    "-x", "(a OR b", "title:zero year:2024", "*", "\U0001f600", "%", "<script>", "../../etc/passwd", "Paper-0", "all",
    "name-papers", "AND OR NOT", "~", "author:*", "year:9999999999", "'", "\\", "NaN", "inf",
    "a" * 200 + " " + "b" * 200,
)  # fmt: skip
_PARAMETERS: Final = (
    "q", "page", "limit", "offset", "year", "kind", "type", "venue", "sort", "open", "names", "part", "v", "cluster",
    "paper", "source", "row", "edition", "format", "timeout", "query", "update", "default-graph-uri", "named-graph-uri",
)  # fmt: skip
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "Accept-Encoding": ("gzip", "gzip;q=0", "zstd, br", "*", "identity;q=0", "gzip;q=x", ",,,", "deflate;q=1;q=2"),
    "If-None-Match": ("*", '"x"', 'W/"x"', "garbage", '"' + "a" * 3000, '"a", "b",'),
    "If-Modified-Since": ("Sun, 06 Nov 1994 08:49:37 GMT", "never", "Thu, 01 Jan 99999 00:00:00 GMT", "0"),
    "If-Match": ("*", '"x"'),
    "If-Range": ('"x"', "Sun, 06 Nov 1994 08:49:37 GMT"),
    "Range": ("bytes=0-", "bytes=0-0", "bytes=-1", "bytes=9999999-", "bytes=0-0,2-2,4-4", "lines=1-2", "bytes=a-b",
              "bytes=" + ",".join("0-0" for _ in range(300))),
    "X-Forwarded-For": ("6.6.6.6", "::1", "a, b, c", "1.1.1.1," * 200, "\x7f"),
    "X-Forwarded-Proto": ("https", "javascript", ""),
    "X-Forwarded-Host": ("evil.example", 'e"><x>', ":::"),
    "X-Forwarded-Prefix": ("/evil", "//evil.example", "/../.."),
    "Forwarded": ("for=6.6.6.6;host=evil.example", 'for="', "for=_x,,;"),
    "Origin": ("http://evil.example", "null"),
    "Access-Control-Request-Headers": ("x-y", "a" * 2000, "é", "a, b"),
    "Access-Control-Request-Method": ("GET", "BREW"),
    "Cookie": ("a=b", "=" * 3000),
    "Referer": ("http://evil.example/", "é"),
    "Expect": ("100-continue", "200-ok"),
    "Accept-Language": ("de", "*;q=x"),
    "Content-Encoding": ("gzip", "x"),
    "Accept-Charset": ("utf-16",),
    "User-Agent": ("x" * 5000, ""),
    "X-HTTP-Method-Override": ("DELETE",),
    "TE": ("trailers",),
    "Upgrade": ("h2c", "websocket"),
    "Server-Timing": ("x",),
}  # fmt: skip
_HOSTS: Final = (
    "localhost",
    "kg.example.org:1",
    'e"><script>',
    "a" * 300,
    "[::1]",
    "",
    "é",
    "e.org:99999",
    "a b",
    "..",
)
_TYPES: Final = (
    "application/x-www-form-urlencoded", "application/sparql-query", "application/sparql-query; charset=utf-16",
    "application/sparql-update", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "", "é",
    "application/x-www-form-urlencoded; charset=utf-7", "application/json",
)  # fmt: skip
_METHODS: Final = ("GET",) * 8 + ("HEAD", "HEAD", "POST", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW",
                                  "get", "PROPFIND")  # fmt: skip
# RFC 3986, 3.3 and 3.4.
_VALID_TARGET: Final = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*|\*")


@dataclass(frozen=True)
class HttpRequest:
    """A request as it goes over the wire; fields in order, names may repeat."""

    method: str
    target: bytes
    fields: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""

    @property
    def is_well_formed(self) -> bool:
        """Whether it is HTTP as RFC 9110 and 9112 have it, so that the service itself must answer."""
        names = [name.lower() for name, _ in self.fields]
        host = {name.lower(): value for name, value in self.fields}.get("host", b"localhost")
        plain = all(byte >= 32 and byte != 127 for _, value in self.fields for byte in value)
        return (
            _VALID_TARGET.fullmatch(self.target) is not None
            and (self.target != b"*" or self.method == "OPTIONS")
            and len(self.target) < 60_000
            and plain
            and "upgrade" not in names
            and re.fullmatch(rb"[A-Za-z0-9.:\[\]-]{1,255}", host) is not None
        )

    def wire(self) -> bytes:
        """The bytes to send; the connection is to be closed after the answer."""
        names = [name.lower() for name, _ in self.fields]
        lines = [self.method.encode() + b" " + self.target + b" HTTP/1.1"]
        if "host" not in names:
            lines.append(b"Host: localhost")
        lines += [name.encode() + b": " + value for name, value in self.fields]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(b"Content-Length: " + str(len(self.body)).encode())
        return b"\r\n".join([*lines, b"Connection: close", b"", self.body])

    def to_text(self) -> str:
        """The request as one word, for `--replay`."""
        parts = [self.method, self.target, [(name, value) for name, value in self.fields], self.body]
        encoded = json.dumps(parts, default=lambda value: value.decode("latin-1"))
        return base64.urlsafe_b64encode(encoded.encode()).decode()

    @classmethod
    def of_text(cls, text: str) -> HttpRequest:
        """The request that `to_text` gave."""
        method, target, fields, body = json.loads(base64.urlsafe_b64decode(text))
        return cls(
            method,
            target.encode("latin-1"),
            tuple((name, value.encode("latin-1")) for name, value in fields),
            body.encode("latin-1"),
        )


@st.composite
def accepts(draw: DrawFn) -> str:
    """An Accept field: lists with weights and parameters, or nonsense."""
    if not draw(st.integers(0, 5)):
        return draw(
            st.sampled_from(["", ",", "*", "text", "/", "text/html;q=2", "a/b;q=0", ";;;", "é/é", '"', "a/b" * 900])
        )
    names = draw(st.lists(st.sampled_from(MEDIA_TYPES), min_size=1, max_size=4))
    weight = st.sampled_from(["", ";q=0.5", ";q=0", ";q=1.000", ";charset=utf-8", ';profile="x,y";q=.3'])
    weights = draw(st.lists(weight, min_size=4, max_size=4))
    return ", ".join(name + weight for name, weight in zip(names, weights, strict=False))


@st.composite
def fields(draw: DrawFn) -> list[tuple[str, bytes]]:
    """Header fields besides those that frame the message."""
    found: list[tuple[str, bytes]] = []
    if draw(st.booleans()):
        found.append(("Accept", draw(accepts()).encode()))
    for name in draw(st.lists(st.sampled_from(sorted(_FIELDS)), max_size=3)):
        found.append((name, draw(st.sampled_from(_FIELDS[name])).encode()))
    if not draw(st.integers(0, 12)):
        found.append(("Host", draw(st.sampled_from(_HOSTS)).encode()))
    return found


@st.composite
def query_strings(draw: DrawFn) -> str:
    """The part behind the question mark."""
    if not draw(st.integers(0, 8)):
        return draw(
            st.sampled_from(["&&&", "=", "a", "%", "%zz=%", "a=b=c", ";", "q=%FF%FE", "q=%ED%A0%80", "?", "q=é"])
        )
    pairs = draw(
        st.lists(
            st.tuples(st.sampled_from(_PARAMETERS), st.one_of(st.sampled_from(_VALUES), st.text(max_size=20))),
            max_size=3,
        )
    )
    return urlencode(pairs, errors="surrogatepass")


@st.composite
def page_requests(draw: DrawFn) -> HttpRequest:
    """A request to any address but the endpoint's queries."""
    path = draw(st.sampled_from(_PATHS)) + draw(st.sampled_from(_EXTENSIONS))
    if not draw(st.integers(0, 3)):
        path += "/" + "/".join(draw(st.lists(st.sampled_from(_SEGMENTS), min_size=1, max_size=3)))
    if not draw(st.integers(0, 15)):
        path = "/" + quote(draw(st.text(max_size=30)), errors="surrogatepass", safe="/~")
    query = draw(query_strings()) if draw(st.booleans()) else ""
    target = (path + ("?" + query if query else "")).encode()
    method = draw(st.sampled_from(_METHODS))
    body = draw(st.sampled_from([b"", b"x" * 10, b"\x00\xff", b"x" * 200_000])) if method in ("POST", "PUT") else b""
    return HttpRequest(method, target, tuple(draw(fields())), body)


@st.composite
def operations(draw: DrawFn) -> HttpRequest:
    """A request to the endpoint with a query, in one of the three ways, or in none that there is."""
    text = draw(sparql())
    data = text.encode("utf-8", "surrogatepass")
    extra: list[tuple[str, str]] = []
    if draw(st.booleans()):
        extra.append(("format", draw(st.sampled_from(_FORMATS))))
    if not draw(st.integers(0, 6)):
        extra.append(("timeout", draw(st.sampled_from(["1", "0.2", "0.001", "1e9", "-1", "nan", "x", ""]))))
    if not draw(st.integers(0, 10)):
        extra.append((draw(st.sampled_from(["default-graph-uri", "named-graph-uri"])), draw(st.sampled_from(
            ["http://127.0.0.1:1/g", "a:g", "no iri", "", "<a:b>", "\x00"]
        ))))  # fmt: skip
    headers = draw(fields())
    query = urlencode(extra)
    encoded = quote_plus(data)
    way = draw(st.integers(0, 6))
    if way <= 1 and len(encoded) < 50_000:
        target = f"/sparql?query={encoded}" + (f"&{query}" if query else "")
        return HttpRequest("GET" if way else draw(st.sampled_from(["GET", "HEAD"])), target.encode(), tuple(headers))
    if way <= 3:
        headers.append(("Content-Type", b"application/x-www-form-urlencoded"))
        body = f"query={encoded}" + (f"&{query}" if query else "")
        return HttpRequest("POST", b"/sparql", tuple(headers), body.encode())
    kind = "application/sparql-query" if way <= 5 else draw(st.sampled_from(_TYPES))
    headers.append(("Content-Type", kind.encode()))
    return HttpRequest("POST", f"/sparql?{query}".encode(), tuple(headers), data)


def requests() -> SearchStrategy[HttpRequest]:
    """Any request; twice as many queries as others."""
    assert corpus()
    return st.one_of(page_requests(), operations(), operations())
