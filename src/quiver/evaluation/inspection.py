"""What a query asks for beyond the graph, found before it is evaluated; and the text that the engine may see.

The engine parses without tokens and backtracks: where `true` and then `SERVICE` fit, it reads `trueSERVICE:x` so,
and `ex:a.b.SERVICE` as `ex:a.b . SERVICE`; after `?a` it reads `<?b)#>` as an operator, a variable and a comment
(all seen in pyoxigraph 0.5.13, each a way to a SERVICE that SPARQL's own terminals do not show). So a query that
holds the letters "service" reaches it in a form with one reading only: without comments, IRIs with their special
characters escaped, prefixed names that could be split written as IRIs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import pyoxigraph

from quiver.errors import MalformedQuery, QueryRefused, UpdateRefused
from quiver.evaluation.tokenizer import Token, TokenType, malformed, tokenize, unescape

_UPDATES: Final = frozenset({"INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH"})
_CODEPOINT_ESCAPE: Final = re.compile(r"\\[uU]")
_PLAIN_IN_IRI: Final = re.compile(r"[^A-Za-z0-9:/._~%\u00a0-\U0010ffff-]")


@dataclass(frozen=True, slots=True)
class Prologue:
    """The BASE and PREFIX declarations before a query, resolved; `length` counts their tokens."""

    base: str | None = None
    prefixes: Mapping[str, str] = field(default_factory=dict)
    length: int = 0

    def expand(self, token: Token, text: str) -> str:
        """The IRI that an IRI or prefixed name token stands for.

        Raises:
            MalformedQuery: its prefix is not declared, or it is a relative IRI that cannot be resolved.
        """
        if token.type is TokenType.IRI:
            return _resolve(unescape(token), self.base, token, text)
        prefix, _, local = token.text.partition(":")
        if prefix not in self.prefixes:
            raise malformed(f"The prefix {prefix}: is not declared", text, token.start)
        return self.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local)


def read_prologue(tokens: tuple[Token, ...], text: str, base: str | None = None) -> Prologue:
    """The prologue at the head of *tokens*; *base* is that of the request.

    Raises:
        MalformedQuery: an IRI in it is relative and there is no base.
    """
    prefixes: dict[str, str] = {}
    at = 0
    while at < len(tokens):
        if tokens[at].is_word("BASE") and _types(tokens, at + 1, TokenType.IRI):
            base = _resolve(unescape(tokens[at + 1]), base, tokens[at + 1], text)
            at += 2
        elif tokens[at].is_word("PREFIX") and _types(tokens, at + 1, TokenType.PREFIXED, TokenType.IRI):
            name, iri = tokens[at + 1], tokens[at + 2]
            if not name.text.endswith(":"):
                break
            prefixes[name.text[:-1]] = _resolve(unescape(iri), base, iri, text)
            at += 3
        elif tokens[at].is_word("VERSION") and _types(tokens, at + 1, TokenType.STRING):
            at += 2
        else:
            break
    return Prologue(base, prefixes, at)


def service_endpoints(query: str, base: str | None = None) -> tuple[str, ...]:
    """The endpoint of each SERVICE in *query*, in order: an absolute IRI, or a variable as `?name`.

    Raises:
        MalformedQuery: the query does not split into tokens, or an endpoint's name cannot be resolved.

    >>> service_endpoints("PREFIX e: <http://e/> SELECT * { SERVICE SILENT e:x { ?s ?p 'SERVICE <a:b>' } }")
    ('http://e/x',)
    """
    tokens = tokenize(query)
    return _endpoints(tokens, read_prologue(tokens, query, base), query)


def is_update(query: str) -> bool:
    """Whether *query* is a SPARQL Update request, by the first word after its prologue."""
    try:
        tokens = tokenize(query)
        head = tokens[read_prologue(tokens, query, "a:").length :]
    except MalformedQuery:
        return False
    return bool(head) and head[0].type is TokenType.WORD and head[0].text.upper() in _UPDATES


def admit(query: str, allowed: Collection[str], base: str | None = None) -> str:
    """The text of *query* for the engine; the query itself wherever it cannot hold a SERVICE.

    Raises:
        QueryRefused: it has a SERVICE whose endpoint is not in *allowed*.
        MalformedQuery: it holds the word, or an escape that might spell it, and does not split into tokens.
    """
    holds_word = "service" in query.lower()
    if not holds_word and _CODEPOINT_ESCAPE.search(query) is None:
        return query
    tokens = tokenize(query)
    if not holds_word:
        return query
    prologue = read_prologue(tokens, query, base)
    for endpoint in _endpoints(tokens, prologue, query):
        if endpoint not in allowed:
            raise QueryRefused(
                f"SERVICE {endpoint} is refused: this endpoint does not query other endpoints"
                + (" except those its operator lists." if allowed else "."),
                value=endpoint,
                hint="Leave the SERVICE out, or send the query to an endpoint of your own that federates.",
            )
    return _unambiguous(tokens, prologue, query)


def update_refused() -> UpdateRefused:
    """The error for an update, which says where writing is done."""
    return UpdateRefused(
        "This endpoint answers queries; it takes no updates.",
        hint="Writing is done on the server's command line: quiver build, add, replace or remove.",
    )


def _endpoints(tokens: tuple[Token, ...], prologue: Prologue, text: str) -> tuple[str, ...]:
    found: list[str] = []
    for at, token in enumerate(tokens):
        # The engine needs no space between keywords (SERVICESILENT) nor after `true`; no other word holds the letters.
        if token.type is not TokenType.WORD or "SERVICE" not in token.text.upper():
            continue
        rest = tokens[at + 1 : at + 3]
        if rest and rest[0].is_word("SILENT"):
            rest = rest[1:]
        if not rest or rest[0].type not in (TokenType.IRI, TokenType.PREFIXED, TokenType.VARIABLE):
            raise malformed("SERVICE needs an IRI or a variable", text, token.start)
        name = rest[0]
        is_variable = name.type is TokenType.VARIABLE
        found.append("?" + name.text[1:] if is_variable else prologue.expand(name, text))
    return tuple(found)


def _unambiguous(tokens: tuple[Token, ...], prologue: Prologue, text: str) -> str:
    parts: list[str] = []
    position = 0
    for at, token in enumerate(tokens):
        parts.append(_blank(text[position : token.start]))
        position = token.end
        if token.type is TokenType.IRI:
            parts.append(f"<{_guard(unescape(token))}>")
        elif token.type is TokenType.PREFIXED and at >= prologue.length:
            parts.append(f"<{_guard(prologue.expand(token, text))}>")
        else:
            parts.append(token.text)
    parts.append(_blank(text[position:]))
    return "".join(parts)


def _blank(gap: str) -> str:
    """White space and comments as spaces, line breaks kept, so that lines stay what they were."""
    return re.sub(r"[^\n]", " ", gap)


def _guard(iri: str) -> str:
    return _PLAIN_IN_IRI.sub(lambda match: f"\\u{ord(match.group()):04X}", iri)


def _resolve(iri: str, base: str | None, token: Token, text: str) -> str:
    """*iri* resolved by the engine's own code, so that both know the same endpoint."""
    line = f"<{_guard(iri)}> <a:a> <a:a> ."
    try:
        parsed = next(pyoxigraph.parse(line, pyoxigraph.RdfFormat.TURTLE, base_iri=base))
    except (SyntaxError, ValueError):
        raise malformed(f"<{iri}> is no IRI, or a relative one without a base", text, token.start) from None
    assert isinstance(parsed.subject, pyoxigraph.NamedNode)
    return parsed.subject.value


def _types(tokens: tuple[Token, ...], start: int, *types: TokenType) -> bool:
    return tuple(token.type for token in tokens[start : start + len(types)]) == types
