"""Strategies for SPARQL: queries by the grammar over our vocabulary, mutations of real ones, and what is too deep."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from quiver.config import bundled
from quiver.namespaces import PREFIXES
from tests.browsing import BASE

_W3C: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "conformance" / "w3c-sparql"
_PROLOGUE: Final = f"BASE <{BASE}>\n" + "".join(f"PREFIX {name}: <{PREFIXES[name]}>\n" for name in (
    "q", "rdf", "rdfs", "skos", "dcterms", "dc", "xsd", "foaf", "prov", "fabio"
))  # fmt: skip
CLASSES: Final = ("q:Paper", "q:AuthorSignature", "q:NameCluster", "q:VenueSeries", "q:Source", "fabio:Expression")
PROPERTIES: Final = (
    "a", "rdfs:label", "dcterms:title", "q:year", "q:hasSignature", "q:ordinal", "q:inNameCluster", "q:nameKey",
    "q:venue", "q:paperCount", "skos:prefLabel", "dc:creator", "prov:hadPrimarySource", "q:displayName", "q:none",
)  # fmt: skip
_THINGS: Final = ("<name/andrew_zhao>", "<venue/neurips>", "<paper/hostile/long>", "<name/nobody>", "<>", "<a:b>")
_LITERALS: Final = (
    '"Andrew Zhao"', "'x'@en", '"1"^^xsd:integer', '"x"^^xsd:integer', '""', "2024", "-1", "1e400", "0.0", "true",
    "9223372036854775807", "-9223372036854775808", "99999999999999999999999", '"INF"^^xsd:double', "1.5e-320",
    '"2024-02-30"^^xsd:date', '"9999999999-01-01T00:00:00Z"^^xsd:dateTime', '"P1Y"^^xsd:duration',
    '"\\u0001"', '"\\uFFFE"', '"<&]]>"', "'''a\n\"b'''", '"x"@en--ltr', '"\\U0010FFFF"', '"a\\tb"',
    "<<( <a:a> <a:b> 1 )>>",
)  # fmt: skip
_PATTERNS: Final = ("a", ".*", "(a+)+$", "[", "(?i)z{1000}{1000}", "\\\\p{L}", "(", "\\\\", "x{99999}", "^$")
_UNARY: Final = (
    "STR", "LANG", "DATATYPE", "IRI", "STRLEN", "UCASE", "LCASE", "ENCODE_FOR_URI", "YEAR", "MONTH", "SECONDS",
    "TIMEZONE", "TZ", "ABS", "CEIL", "FLOOR", "ROUND", "isIRI", "isBLANK", "isLITERAL", "isNUMERIC", "MD5", "SHA1",
    "SHA256", "SHA512", "xsd:integer", "xsd:decimal", "xsd:double", "xsd:dateTime", "xsd:boolean", "BNODE", "!", "-",
    "q:unknown", "COUNT", "SUM", "AVG", "MIN", "SAMPLE", "TRIPLE", "SUBJECT", "ADJUST",
)  # fmt: skip
_BINARY: Final = ("=", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "&&", "||")
_FUNCTIONS: Final = ("CONTAINS", "STRSTARTS", "STRENDS", "STRBEFORE", "STRAFTER", "langMatches", "STRLANG", "STRDT")
_PIECES: Final = re.compile(r"<[^>\s]*>|\"[^\"]*\"|'[^']*'|[?$]?\w+|[^\w\s]|\s+")
_STRANGE: Final = (
    "\x00", "\ufeff", "\u202e", "\u00a0", "\ud7ff", "\U0001f600", "\u0301", "#", "\\u0053", "\\uD800", "<", '"', "'''",
    "{", "}", "(", ")", ".", ";", ",", "\r", "%", "|", "^", "!", "?", "_:", "[]", "SERVICE <http://127.0.0.1:1/> {}",
    "LIMIT 0", "UNION", "FROM <http://127.0.0.1:1/>", "INSERT DATA {}", "VALUES", "true", "\x7f", "é" * 300,
)  # fmt: skip

variables = st.sampled_from([f"?v{number}" for number in range(5)])
terms: SearchStrategy[str] = st.one_of(variables, variables, st.sampled_from(_THINGS + CLASSES + _LITERALS))


@lru_cache(maxsize=1)
def corpus() -> tuple[str, ...]:
    """Real queries: the catalogue's, and the W3C's where they are beside the checkout."""
    files = [*sorted(bundled("queries").rglob("*.rq")), *(sorted(_W3C.rglob("*.rq")) if _W3C.is_dir() else ())]
    return tuple(path.read_bytes().decode("utf-8", "replace") for path in files if path.stat().st_size < 4000)


@st.composite
def paths(draw: DrawFn, depth: int = 2) -> str:
    """A property path."""
    simple: str = draw(st.sampled_from((*PROPERTIES, "?v1", "<a:p>")))
    if depth == 0 or draw(st.integers(0, 2)):
        return simple
    inner: str = draw(paths(depth - 1))
    if inner.startswith("?"):
        return simple
    shape = draw(
        st.sampled_from(["{0}/{1}", "{0}|{1}", "({0})*", "({0})+", "({0})?", "^({0})", "!({0})", "({0}/{1})*"])
    )
    return shape.format(inner, simple if not simple.startswith("?") else "a")


@st.composite
def expressions(draw: DrawFn, depth: int = 3) -> str:
    """An expression; some do not make sense."""
    if depth == 0:
        return draw(terms)
    one = draw(expressions(depth - draw(st.integers(1, depth))))
    two = draw(terms)
    pattern = draw(st.sampled_from(_PATTERNS))
    return draw(
        st.sampled_from(
            [
                f"({one} {draw(st.sampled_from(_BINARY))} {two})",
                f"{draw(st.sampled_from(_UNARY))}({one})",
                f"{draw(st.sampled_from(_FUNCTIONS))}({one}, {two})",
                f'REGEX(STR({one}), "{pattern}")',
                f'REPLACE(STR({one}), "{pattern}", "$0$1", "i")',
                f"SUBSTR(STR({one}), {two}, {draw(st.sampled_from(_LITERALS))})",
                f"IF({one}, {two}, {one})",
                f"COALESCE({one}, {two})",
                f"CONCAT({one}, {two}, {one})",
                f"({one} IN ({two}, {one}))",
                f"EXISTS {{ {two} ?e {one if one.startswith('?') else '?e2'} }}",
                draw(st.sampled_from(["RAND()", "NOW()", "UUID()", "STRUUID()", "BNODE()"])),
            ]
        )
    )


@st.composite
def patterns(draw: DrawFn, depth: int = 3) -> str:
    """What stands between the braces of a group."""
    triple = f"{draw(terms)} {draw(paths())} {draw(terms)} ."
    if depth == 0:
        return triple
    inner = draw(patterns(depth - draw(st.integers(1, depth))))
    shape = draw(
        st.sampled_from(
            ["OPTIONAL {{ {0} }}", "{{ {0} }} UNION {{ {1} }}", "MINUS {{ {0} }}", "FILTER {2}", "BIND({2} AS ?b)",
             "VALUES (?v0 ?v1) {{ ({3} UNDEF) (UNDEF {3}) }}", "{{ SELECT * {{ {0} }} ORDER BY ?v0 LIMIT 3 }}",
             "GRAPH ?g {{ {0} }}", "{0}", "FILTER NOT EXISTS {{ {0} }}", "SERVICE <http://127.0.0.1:1/> {{ {0} }}",
             "SERVICE q:search {{ ?v0 q:query {3} ; q:score ?score ; q:limit 5 }}", "LATERAL {{ {0} }}",
             "{{ SELECT ?v0 (COUNT(*) AS ?n) {{ {0} }} GROUP BY ?v0 HAVING (COUNT(*) > 1) }}"]
        )
    )  # fmt: skip
    expression = f"({draw(expressions())})"
    return f"{triple} " + shape.format(inner, triple, expression, draw(st.sampled_from(_LITERALS + _THINGS)))


@st.composite
def grammatical(draw: DrawFn) -> str:
    """A query by the grammar, as far as the generator minds it."""
    # Bound, where a projection asks for them, to a few values.
    bound = draw(st.sampled_from(["", "<name/andrew_zhao> ?v1 ?v0 . OPTIONAL { ?v0 ?v1 ?v2 }"]))
    where = f"{{ {bound} {draw(patterns())} }}"
    form = draw(
        st.sampled_from(
            ["SELECT *", "SELECT *", "SELECT DISTINCT ?v0 ?v1", "SELECT REDUCED *", "SELECT (COUNT(*) AS ?n)", "ASK",
             "ASK", "SELECT ?v0 (SUM(?v1) AS ?s) (GROUP_CONCAT(?v2; separator=', ') AS ?c)", "DESCRIBE ?v0",
             "DESCRIBE <name/andrew_zhao>", f"CONSTRUCT {{ ?v0 {draw(st.sampled_from(PROPERTIES))} ?v1 . [] a ?v2 }}",
             "CONSTRUCT { ?v0 ?v1 ?v2 }", f"SELECT ({draw(expressions())} AS ?x)"]
        )
    )  # fmt: skip
    source = draw(st.sampled_from(["", "", "", "", " FROM <http://127.0.0.1:1/g> ", " FROM NAMED <a:g> "]))
    tail = draw(
        st.sampled_from(
            ["", "", "", "", "LIMIT 10", "LIMIT 10", "LIMIT 0", "ORDER BY ?v0 DESC(?v1) LIMIT 100",
             "GROUP BY ?v0", "OFFSET 5 LIMIT 5", "LIMIT 18446744073709551615",
             "LIMIT 99999999999999999999", "OFFSET 9223372036854775807", "LIMIT -1",
             f"ORDER BY ({draw(terms)})", "VALUES ?v0 { UNDEF }", f"GROUP BY ({draw(terms)} AS ?k) HAVING (?k > 0)"]
        )
    )  # fmt: skip
    return f"{_PROLOGUE}{form}{source} WHERE {where} {tail}"


@st.composite
def mutated(draw: DrawFn) -> str:
    """A real query with tokens deleted, repeated, swapped, or others put in."""
    pieces = _PIECES.findall(draw(st.sampled_from(corpus()))) or [" "]
    donor = _PIECES.findall(draw(st.sampled_from(corpus()))) or [" "]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(pieces) - 1))
        other = draw(st.integers(0, len(pieces) - 1))
        match draw(st.integers(0, 5)):
            case 0 if len(pieces) > 1:
                del pieces[at]
            case 1:
                pieces.insert(at, pieces[other])
            case 2:
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 3:
                pieces[at] = donor[draw(st.integers(0, len(donor) - 1))]
            case 4:
                pieces.insert(at, draw(st.sampled_from(_STRANGE)))
            case _:
                pieces[at] = pieces[at] * draw(st.sampled_from([2, 3, 50]))
    return "".join(pieces)


# Opening, middle and closing of what can stand inside itself.
_NESTS: Final = (
    ("SELECT * {", "{", "?s ?p ?o", "}", "}"),
    ("SELECT * {", "{ SELECT * {", "?s ?p ?o", "} }", "}"),
    ("SELECT * { ?s ?p ?o ", "OPTIONAL { ?s ?p ?o ", "", "}", "}"),
    ("SELECT * { ?s ?p ?o ", "MINUS { ?s ?p ?o ", "", "}", "}"),
    ("ASK { ?s ?p ?o FILTER(", "(", "1", ")", ") }"),
    ("ASK { FILTER(", "!", "true", "", ") }"),
    ("ASK { FILTER(", "-", "1", "", ") }"),
    ("ASK { FILTER(", "1 + ", "1", "", ") }"),
    ("ASK { FILTER(", "true || ", "true", "", ") }"),
    ("ASK { FILTER(", "STR(", "1", ")", ") }"),
    ("ASK { FILTER(", "IF(true, ", "1", ", 2)", ") }"),
    ("ASK { ?s ?p ?o FILTER ", "EXISTS { ?s ?p ?o FILTER ", "(true)", " }", " }"),
    ("ASK { ?s ", "(", "<a:p>", ")", " ?o }"),
    ("ASK { ?s ", "(", "<a:p>", ")*", " ?o }"),
    ("ASK { ?s ", "^", "<a:p>", "", " ?o }"),
    ("ASK { ?s ", "<a:p>/", "<a:p>", "", " ?o }"),
    ("ASK { ?s ", "<a:p>|", "<a:p>", "", " ?o }"),
    ("ASK { ?s ?p ", "[ ?p ", "?o", " ]", " }"),
    ("ASK { ?s ?p ", "( ", "1", " )", " }"),
    ("ASK { ?s ?p ", "<<( ?s ?p ", "1", " )>>", " }"),
    ("ASK { ", "{} UNION ", "{}", "", " }"),
    ("ASK { ", "?s ?p ?o . ", "", "", " }"),
    ("ASK { ?s ?p ", "1, ", "1", "", " }"),
    ("ASK { VALUES ?x { ", "1 ", "", "", " } }"),
    ("ASK { ", "BIND(1 AS ?x) ", "", "", " }"),
    ("ASK { ", "GRAPH ?g { ", "?s ?p ?o", " }", " }"),
    ("ASK { ", "# comment\n", "", "", " }"),
    ("SELECT (COUNT(*) AS ?n) { ", "?s{0} ?p{0} ?o{0} . ", "", "", " }"),
)


@st.composite
def nested(draw: DrawFn) -> str:
    """A construct inside itself many times."""
    head, opening, middle, closing, tail = draw(st.sampled_from(_NESTS))
    depth = draw(st.sampled_from([2, 5, 20, 60, 120, 200, 500, 2000, 8000]))
    opened = "".join(opening.replace("{0}", str(number)) for number in range(depth))
    # Not all are closed.
    closed = draw(st.sampled_from([depth, depth, depth, depth - 1, 0]))
    return f"{head}{opened}{middle}{closing * closed}{tail}"


@st.composite
def stretched(draw: DrawFn) -> str:
    """A query with a part of great length."""
    size = draw(st.sampled_from([100, 3000, 30_000]))
    part = draw(st.sampled_from(["a", "é", "\\\\", '\\"', " ", "\U0001f600", "%41", "0", "_", "a.", "1e"]))
    form = draw(
        st.sampled_from(
            ["ASK {{ ?s ?p '{0}' }}", "ASK {{ <a:{0}> ?p ?o }}", "ASK {{ ?{0} ?p ?o }}", "#{0}\nASK {{}}",
             "PREFIX a{0}: <a:> ASK {{}}", "ASK {{ ?s ?p 1{0} }}", "ASK {{ ?s ?p 'x'@{0} }}", "ASK {{}}{0}", "{0}",
             "ASK {{ ?s ?p ?o FILTER REGEX(STR(?o), '{0}') }}", "BASE <http://e/{0}> ASK {{ <x> ?p ?o }}"]
        )
    )  # fmt: skip
    return form.format(part * (size // len(part)))


def sparql() -> SearchStrategy[str]:
    """Anything that may be sent as a query."""
    return st.one_of(
        grammatical(),
        grammatical(),
        grammatical(),
        mutated(),
        mutated(),
        nested(),
        stretched(),
        st.sampled_from(corpus()),
        st.text(max_size=200),
    )
