"""SPARQL text as tokens, the endpoints it would reach, and what the engine is given to read."""

from __future__ import annotations

import itertools

import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import MalformedQuery, QueryRefused, UpdateRefused
from quiver.evaluation.faults import explain_syntax_error
from quiver.evaluation.inspection import Admitted, admit, is_update, service_endpoints
from quiver.evaluation.tokenizer import TokenType, tokenize, unescape

EVIL = "http://127.0.0.1:9/x"


def texts(query: str) -> list[str]:
    return [token.text for token in tokenize(query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * # all\n{?s ?p 1.5e3}", ["SELECT", "*", "{", "?s", "?p", "1.5e3", "}"]),
        ("?a<?b", ["?a", "<", "?b"]),
        ("?a < ?b && ?c > ?d", ["?a", "<", "?b", "&&", "?c", ">", "?d"]),
        ("?a<http://e/#x>", ["?a", "<http://e/#x>"]),
        ("<a\\u003Eb>", ["<a\\u003Eb>"]),
        ("'a\\'b' \"c\\\"d\"", ["'a\\'b'", '"c\\"d"']),
        ("'''a'b''c\nd'''", ["'''a'b''c\nd'''"]),
        ('"""a""\\"""" ', ['"""a""\\""""']),
        ("'' ''''''", ["''", "''''''"]),
        ("ex:a.b.c .", ["ex:a.b.c", "."]),
        ("ex:a.", ["ex:a", "."]),
        ("a.b:c", ["a.b:c"]),
        (":a\\#b:c%20d :", [":a\\#b:c%20d", ":"]),
        ("_:a.b. _:1", ["_:a.b", ".", "_:1"]),
        ("'x'@en-GB 'y'@ar--rtl", ["'x'", "@en-GB", "'y'", "@ar--rtl"]),
        ("'1'^^xsd:integer", ["'1'", "^^", "xsd:integer"]),
        ("?s ex:p/^ex:q|!ex:r*", ["?s", "ex:p", "/", "^", "ex:q", "|", "!", "ex:r", "*"]),
        ("<<( ?s ?p ?o )>> {| ?a ?b |}", ["<<(", "?s", "?p", "?o", ")>>", "{|", "?a", "?b", "|}"]),
        ("1.", ["1", "."]),
        ("?été $π_1", ["?été", "$π_1"]),
        ("# only a comment", []),
    ],
)
def test_terminals(query: str, expected: list[str]) -> None:
    assert texts(query) == expected


@pytest.mark.parametrize(
    ("query", "line", "column"),
    [
        ("SELECT 'abc\n'", 1, 8),
        ("{\n  ?s ?p '''a'' }", 2, 14),  # '' and 'a' and an open '
        ("SELECT \\u0053", 1, 8),
        ("?s ?p 'a\\xb'", 1, 7),
        ("?s ?p '\\uD83D\\uDE00'", 1, 8),
        ("?s ?p <http://e/\\U00110000>", 1, 17),
        ("SELECT \u00a0*", 1, 8),
        ("SELECT *\n\n  \u0000", 3, 3),
        ("'\ud800'", 1, 2),
    ],
)
def test_what_is_no_terminal_is_an_error_with_its_place(query: str, line: int, column: int) -> None:
    with pytest.raises(MalformedQuery) as caught:
        tokenize(query)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_strings_and_iris_say_what_their_escapes_mean() -> None:
    tokens = tokenize("""'a\\n\\u0041\\\\u0042' <http://e/\\U0001F600> '''it's''' ''""")
    assert [unescape(token) for token in tokens] == ["a\nA\\u0042", "http://e/\U0001f600", "it's", ""]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * { ?s ?p ?o } #SERVICE <http://e/>", ()),
        ("SELECT * { ?s ?p 'SERVICE <http://e/> {' }", ()),
        ('SELECT * { ?s ?p """\nSERVICE <http://e/> {""" }', ()),
        ("SELECT * { ?s <http://e/SERVICE> ?service ; ?p ?SERVICE }", ()),
        ("PREFIX service: <http://e/> SELECT * { ?s service:SERVICE service:x }", ()),
        ("SELECT * { _:SERVICE ?p 'x'@service }", ()),
        ("SELECT * { SERVICE <http://e/a> { ?s ?p ?o } }", ("http://e/a",)),
        ("select*{service<http://e/a>{?s ?p ?o}}", ("http://e/a",)),
        ("SELECT * { SeRvIcE sIlEnT <http://e/a> { ?s ?p ?o } }", ("http://e/a",)),
        ("SELECT * { SERVICESILENT<http://e/a> { ?s ?p ?o } }", ("http://e/a",)),
        ("SELECT * { SERVICE#x\n#y\n<http://e/a> { ?s ?p ?o } }", ("http://e/a",)),
        ("SELECT * { { ?a ?b ?c }SERVICE ?where { ?s ?p ?o } }", ("?where",)),
        ("SELECT * { SERVICE $where { ?s ?p ?o } }", ("?where",)),
        ("PREFIX e: <http://e/> SELECT * { SERVICE e:a { ?s ?p ?o } }", ("http://e/a",)),
        ("PREFIX e: <http://e/> PREFIX e: <http://f/> SELECT * { SERVICE e:a { ?s ?p ?o } }", ("http://f/a",)),
        ("BASE <http://e/x/y> SELECT * { SERVICE <../a> { ?s ?p ?o } }", ("http://e/a",)),
        ("BASE <http://e/x/> PREFIX r: <y/> SELECT * { SERVICE r:a { ?s ?p ?o } }", ("http://e/x/y/a",)),
        ("SELECT * { SERVICE <http://\\u0065/a> { ?s ?p ?o } }", ("http://e/a",)),
        (
            "SELECT * { SERVICE <http://e/a> { SERVICE <http://e/b> { ?s ?p ?o } } }",
            ("http://e/a", "http://e/b"),
        ),
        ("SELECT * { FILTER EXISTS { SERVICE <http://e/a> { ?s ?p ?o } } }", ("http://e/a",)),
        ("SELECT * { { SELECT * { OPTIONAL { SERVICE <http://e/a> { ?s ?p ?o } } } } }", ("http://e/a",)),
        ("CONSTRUCT { ?s ?p ?o } WHERE { SERVICE <http://e/a> { ?s ?p ?o } }", ("http://e/a",)),
        # The engine needs no space after `true`.
        ("SELECT * { ?a ?b trueSERVICE<http://e/a>{ ?s ?p ?o } }", ("http://e/a",)),
    ],
)
def test_endpoints(query: str, expected: tuple[str, ...]) -> None:
    assert service_endpoints(query) == expected


# Each is read as a SERVICE by the engine itself, although the terminals of SPARQL show none, or another one.
TRICKS = [
    f"PREFIX : <{EVIL}> SELECT * {{ ?s ?p trueSERVICE:x {{ ?a ?b ?c }} }}",
    f"PREFIX ex: <http://e/> SELECT * {{ ?s ?p ex:a.b.SERVICE<{EVIL}>{{ ?a ?b ?c }} }}",
    f"PREFIX ex: <http://e:80> SELECT * {{ ?s ?p ex:SERVICE <{EVIL}>{{ ?a ?b ?c }} }}",
    f"PREFIX SERVICE: <a:> PREFIX : <{EVIL}> SELECT * {{ SERVICE: {{ ?s ?p ?o }} }}",
    f'SELECT * {{ ?s ?p ?o FILTER(?o<?s)#>"""\n SERVICE <{EVIL}> {{ ?a ?b ?c }} #"""\n}}',
    f"SELECT * {{ ?s ?p ?o FILTER(?o<'>') SERVICE <{EVIL}> {{ ?a ?b ?c }} FILTER(''=''\n) }}",
    f"SELECT * {{ SERVICE <{EVIL}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ VALUES ?z {{ true }} SERVICESILENT<{EVIL}>{{ ?s ?p ?o }} }}",
]


@pytest.mark.parametrize("query", TRICKS)
def test_the_engine_never_reads_a_service_that_was_not_seen(query: str) -> None:
    store = pyoxigraph.Store()
    store.query(query)  # the engine takes it: nothing below is due to a fault of syntax alone
    try:
        admitted = admit(query, ()).text
    except (QueryRefused, MalformedQuery):
        return
    with pytest.raises(SyntaxError):
        store.query(admitted)


def test_codepoint_escapes_spell_no_keyword() -> None:
    """By SPARQL 1.2, and in the engine, an escape stands for a character in strings and IRIs only."""
    with pytest.raises(MalformedQuery, match="backslash"):
        admit(f"SELECT * {{ \\u0053ERVICE <{EVIL}> {{ ?s ?p ?o }} }}", ())
    # An engine that resolved escapes before it looks for tokens would see two long strings around a SERVICE here.
    answer = pyoxigraph.Store().query('SELECT ("\\u0022" AS ?x) {}')
    assert isinstance(answer, pyoxigraph.QuerySolutions)
    assert str(next(answer)["x"]) == '"\\""'


def test_allowed_endpoints_pass() -> None:
    query = "PREFIX e: <http://e/> SELECT * { SERVICE e:a { ?s ?p ?o } # SERVICE <http://e/b>\n}"
    assert "<http://e/a>" in admit(query, ("http://e/a",)).text
    with pytest.raises(QueryRefused) as caught:
        admit(query, ("http://e/b",))
    assert caught.value.value == "http://e/a"


def test_a_variable_endpoint_is_refused_even_where_some_are_allowed() -> None:
    with pytest.raises(QueryRefused, match="where"):
        admit("SELECT * { VALUES ?where { <http://e/b> } SERVICE ?where { ?s ?p ?o } }", ("http://e/a",))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { ?s ?p ?o }",
        "PREFIX service: <http://e/s#> SELECT ?service { ?s service:p.q ?service # service\n FILTER(?service < 3) }",
        "PREFIX e: <http://e/> SELECT ?n { ?s e:n\\'n ?n ; <service#x> 'service' }",
        "PREFIX e: <http://e/> SELECT ?n { ?s e:p '''it's \"service\" # no comment''' ; e:q \"a\\tb\"@en ; e:r 1.0e0 }",
    ],
)
def test_what_has_no_service_means_the_same_to_the_engine(query: str) -> None:
    store = pyoxigraph.Store()
    for subject, value in ((1, "'''it's \"service\" # no comment'''"), (2, "2")):
        store.load(
            f"@prefix e: <http://e/> . @prefix s: <http://e/s#> . e:{subject} e:p {value} ; e:q 'a\\tb'@en ; "
            f"e:r 1.0e0 ; e:n\\'n 7 ; <http://e/service#x> 'service' ; s:p.q 2 .".encode(),
            pyoxigraph.RdfFormat.TURTLE,
        )
    rows = []
    for text in (query, admit(query, (), "http://e/").text):
        answer = store.query(text, base_iri="http://e/")
        assert isinstance(answer, pyoxigraph.QuerySolutions)
        rows.append([str(row) for row in answer])
    assert rows[0] == rows[1] != []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("INSERT DATA { <a:b> <a:c> 1 }", True),
        ("# SELECT\nPREFIX e: <http://e/>\ndelete where { ?s ?p ?o }", True),
        ("BASE <http://e/> WITH <g> DELETE { ?s ?p ?o } WHERE { ?s ?p ?o }", True),
        ("clear all", True),
        ("SELECT * { ?s ?p 'INSERT DATA' }", False),
        ("PREFIX insert: <http://e/> SELECT * { ?s insert:data ?o }", False),
        ("", False),
        ("INSERT 'unfinished", False),
    ],
)
def test_updates_are_told_by_their_first_word(query: str, expected: bool) -> None:
    assert is_update(query) is expected


@pytest.mark.parametrize(
    ("query", "place", "words"),
    [
        ("SELECT * {?s ?p ?o} LIMIT", (1, 26), "ends where more"),
        ("SELECT *\n{ ?s ?p ?o . FILTER(?x &&) }", (2, 26), '")"'),
        ("SELECT * WHERE { ?s ?p }", (1, 24), '"}"'),
        ("SELEKT * {}", (1, 1), '"SELEKT"'),
        ("SELECT ?x { x:a ?b ?c }", (1, 13), "prefix x: is not declared"),
        ("SELECT * { <a> ?p ?o }", (1, 12), "relative"),
        ("SELECT * { ?s ?p 'é' . ?s ?p 'abc\n' }", (1, 30), "string does not end"),
        ("PREFIX e: <http://e#> SELECT * # service\n{ ?s e:service ?o , }", (2, 21), '"}"'),
        ("SELECT (SUM(?x) AS ?y) ?z { ?x ?z ?u }", (None, None), "unbound"),
    ],
)
def test_a_syntax_error_names_the_token_at_fault(query: str, place: tuple[int | None, int | None], words: str) -> None:
    store = pyoxigraph.Store()
    try:
        admitted = admit(query, ())
    except MalformedQuery as early:
        error = early
    else:
        with pytest.raises(SyntaxError) as caught:
            store.query(admitted.text)
        late = explain_syntax_error(caught.value, query, admitted, store.query)
        assert isinstance(late, MalformedQuery)
        error = late
    assert (error.line, error.column) == place
    assert words in error.message
    assert "expected one of" not in error.message
    assert "[_]" not in error.message


def test_an_update_that_the_engine_rejects_is_called_an_update() -> None:
    query = "INSERT DATA { <a:b> <a:c> 1 }"
    with pytest.raises(SyntaxError) as caught:
        pyoxigraph.Store().query(query)
    assert isinstance(explain_syntax_error(caught.value, query, Admitted(query), str), UpdateRefused)


@given(st.text(alphabet="<>'\"#\\u0053{}:.?a SERVICE\n@_^|&-1%é", max_size=60))
def test_any_text_is_tokens_without_a_gap_or_an_error(query: str) -> None:
    try:
        tokens = tokenize(query)
    except MalformedQuery:
        return
    for token in tokens:
        assert query[token.start : token.end] == token.text
    for before, after in itertools.pairwise(tokens):
        gap = query[before.end : after.start]
        assert before.end <= after.start
        assert not gap.strip(" \t\r\n") or "#" in gap


PIECES = (
    *("SERVICE", "true", "ex:a", "ex:a.b.", ":", "x", "<", ">", "'", '"""', "#", "\n", " ", "{", "}", "?v"),
    *(f"<{EVIL}>", "{?s ?p ?o}", "\\u0027", "FILTER(", ")", "1", "=", ".", "SILENT", "service:"),
)


@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=14,
    )
)
def test_no_mixture_reaches_the_network(pieces: list[str]) -> None:
    """Whatever the engine accepts after `admit` has no SERVICE: it would fail on the port, which it never tries."""
    query = f"PREFIX ex: <http://e:80> PREFIX : <{EVIL}> PREFIX service: <{EVIL}> SELECT * {{ " + "".join(pieces) + " }"
    store = pyoxigraph.Store()
    store.add(pyoxigraph.Quad(*[pyoxigraph.NamedNode("http://e/a")] * 3))
    try:
        answer = store.query(admit(query, ()).text)
    except (MalformedQuery, QueryRefused, SyntaxError):
        return
    assert isinstance(answer, pyoxigraph.QuerySolutions)
    for _ in answer:
        pass  # a SERVICE raises OSError here


@pytest.mark.parametrize("piece", ["(?o<", "'", "a.", "a..", "1.e", "<", "'''a", "@a-", ":.", "{"])
def test_long_hostile_text_is_split_or_refused(piece: str) -> None:
    """At this length anything worse than linear would be noticed by whoever waits for the tests."""
    text = piece * (400_000 // len(piece))
    try:
        tokens = tokenize(text)
    except MalformedQuery:
        return
    assert tokens[-1].end == len(text)
    assert all(before.end <= after.start for before, after in itertools.pairwise(tokens))


def test_token_types() -> None:
    types = [token.type for token in tokenize("<a> a:b ?c 'd' @e _:f 1 g .")]
    assert types == list(TokenType)
