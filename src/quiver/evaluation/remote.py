"""A user's query sent on to another engine, by a worker: in a form with one reading, with what is ours kept ours.

Engines read SPARQL differently. Where one resolves codepoint escapes before it looks for tokens (as SPARQL 1.1, 19.2,
has it), a string may hide a SERVICE from us that it finds. So what goes out is written anew from the tokens: IRIs
absolute, strings without such escapes, no comments, no prologue. And it goes only where our own engine's parser has
found a query in it, with our errors where it did not.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

import pyoxigraph

from quiver.engines import EndpointClient, Engine, Target
from quiver.engines.queries import DataSet, Form, asking, cut_off, engine_behind, parsing, read_table, read_triples
from quiver.errors import MalformedQuery, QueryRefused
from quiver.evaluation.faults import explain_syntax_error
from quiver.evaluation.inspection import Admitted, is_update, update_refused
from quiver.evaluation.messages import Ask, Limits
from quiver.evaluation.prologue import read_prologue
from quiver.evaluation.tokenizer import Token, TokenType, malformed, tokenize, unescape

RemoteResult = pyoxigraph.QuerySolutions | pyoxigraph.QueryBoolean | Iterator[pyoxigraph.Triple]

_FORMS: Final[dict[str, Form]] = {
    "SELECT": "solutions",
    "ASK": "boolean",
    "CONSTRUCT": "graph",
    "DESCRIBE": "graph",
}
_NOT_IN_IRI: Final = re.compile(r'[\x00-\x20<>"{}|^`\\]')
_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)
_WORDLIKE: Final = (TokenType.WORD, TokenType.NUMBER, TokenType.VARIABLE, TokenType.PREFIXED, TokenType.BLANK)


class RemoteEngine:
    """The engine at the endpoint of *target*, as one worker asks it."""

    def __init__(self, target: Target, limits: Limits) -> None:
        self._target = target
        self._limits = limits
        # Results are capped where they are written; on their way, in another syntax, they may be longer.
        self._client = EndpointClient(
            target.url, target.credentials, timeout_s=target.timeout_s, max_bytes=8 * limits.max_bytes
        )
        self._engine: Engine | None = None
        # Nothing is in it: what parses there is a query.
        self._parser = pyoxigraph.Store()

    @contextlib.contextmanager
    def answer(self, ask: Ask, admitted: Admitted) -> Iterator[RemoteResult]:
        """The result of *ask* as it comes; *admitted* is its query with its text searches answered.

        Raises:
            MalformedQuery, UpdateRefused: it is no query.
            QueryRefused: it calls what is the engine's own.
            QueryTimeout, ResultTooLarge, EndpointFailed: the engine's answer, or its silence.
        """
        self._parse(ask, admitted)
        timeout_s = max(ask.timeout_s - ask.waited_s, 0.1)
        engine = self._recognise(timeout_s)
        text, form, names_graphs = rewrite(admitted.text, ask.base, engine.own_schemes)
        graphs = DataSet(ask.default_graphs, ask.named_graphs)
        if not (graphs.default or graphs.named or names_graphs):
            release, base = release_of(ask)
            graph = self._target.graph_of(release, base, needed=engine.needs_graph)
            graphs = DataSet((graph,) if graph else ())
        if form == "graph" and engine.cuts_graphs and (probe := count_probe(text)):
            with asking(self._client, probe, "solutions", graphs, timeout_s=timeout_s) as reply:
                if reply.is_cut:
                    raise cut_off(reply)
                reply.read_all()
        with asking(self._client, text, form, graphs, timeout_s=timeout_s) as reply:
            if reply.is_cut:
                raise cut_off(reply)
            with parsing(reply):
                yield read_triples(reply) if form == "graph" else read_table(reply, form)

    def _parse(self, ask: Ask, admitted: Admitted) -> None:
        if "service" in admitted.text.lower():
            # One that the operator allows: our engine would ask it here and now. Then the other one judges alone.
            if is_update(admitted.text):
                raise update_refused()
            return

        def parse(text: str) -> object:
            return self._parser.query(text, base_iri=ask.base)

        try:
            parse(admitted.text)
        except SyntaxError as error:
            raise explain_syntax_error(error, ask.text, admitted, parse, ask.base) from None

    def _recognise(self, timeout_s: float) -> Engine:
        if self._engine is None:
            self._engine = engine_behind(self._client, timeout_s)
        return self._engine


def release_of(ask: Ask) -> tuple[str, str]:
    """The id and the base of the release that is asked; its store's place carries the id."""
    return ask.store.rstrip("/").rpartition("/")[0].rpartition("/")[2], ask.base or ""


def rewrite(query: str, base: str | None, own_schemes: tuple[str, ...] = ()) -> tuple[str, Form, bool]:
    """*query* in a form with one reading, the kind of its result, and whether it names graphs of its own (FROM).

    Raises:
        MalformedQuery, UpdateRefused: it is no query.
        QueryRefused: an IRI in it begins with one of *own_schemes*, by which the engine calls its own functions.

    >>> rewrite("PREFIX e: <http://e/> ASK { ?s e:p 'a\\\\u0022' } # all", None)
    ('ASK { ?s <http://e/p> "a\\\\"" }', 'boolean', False)
    """
    tokens = tokenize(query)
    prologue = read_prologue(tokens, query, base)
    body = tokens[prologue.length :]
    form = _FORMS.get(body[0].text.upper()) if body else None
    if form is None:
        if is_update(query):
            raise update_refused()
        raise malformed("SELECT, ASK, CONSTRUCT or DESCRIBE is expected", query, body[0].start if body else len(query))
    parts: list[str] = []
    before: Token | None = None
    for token in body:
        if before is not None:
            gap = query[before.end : token.start]
            parts.append(" " if gap or (before.type in _WORDLIKE and token.type in _WORDLIKE) else "")
        if token.type in (TokenType.IRI, TokenType.PREFIXED):
            iri = prologue.expand(token, query)
            if iri.lower().startswith(own_schemes):
                raise QueryRefused(f"<{iri[:100]}> is a function of the engine behind this endpoint.", value=iri)
            if _NOT_IN_IRI.search(iri):
                raise malformed(f"{token.text} is no IRI", query, token.start)
            parts.append(f"<{iri}>")
        elif token.type is TokenType.STRING:
            parts.append(f'"{unescape(token, query).translate(_ESCAPES)}"')
        else:
            parts.append(token.text)
        before = token
    return "".join(parts), form, any(token.is_word("FROM") for token in body)


def count_probe(text: str) -> str:
    """A query with a row for each solution that the CONSTRUCT *text* has, to see whether they are all given.

    Empty for a DESCRIBE, and for one that names its graphs.

    >>> count_probe("CONSTRUCT { ?s <a:p> ?o } WHERE { ?s ?p ?o } LIMIT 5")
    'SELECT (1 AS ?one) WHERE { SELECT * WHERE { ?s ?p ?o } LIMIT 5 }'
    """
    try:
        tokens = tokenize(text)
    except MalformedQuery:
        return ""
    if not tokens[0].is_word("CONSTRUCT") or any(token.is_word("FROM") for token in tokens):
        return ""
    rest = tokens[0].end
    if tokens[1].text == "{":
        depth = 0
        for token in tokens[1:]:
            depth += {"{": 1, "}": -1}.get(token.text, 0)
            if not depth:
                rest = token.end
                break
    return f"SELECT (1 AS ?one) WHERE {{ SELECT *{text[rest:]} }}"
