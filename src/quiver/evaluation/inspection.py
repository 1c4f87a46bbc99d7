"""What a query asks for beyond the graph, found before it is evaluated; and the text that the engine may see.

The engine parses without tokens and backtracks: where `true` and then `SERVICE` fit, it reads `trueSERVICE:x` so,
and `ex:a.b.SERVICE` as `ex:a.b . SERVICE`; after `?a` it reads `<?b)#>` as an operator, a variable and a comment
(all seen in pyoxigraph 0.5.13, each a way to a SERVICE that SPARQL's own terminals do not show). So a query that
holds the letters "service" reaches it in a form with one reading only: without comments, IRIs with their special
characters escaped, prefixed names that could be split written as IRIs, blocks of SERVICE q:search answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from quiver.errors import BadRequest, MalformedQuery, QueryRefused, UpdateRefused
from quiver.evaluation.prologue import Prologue, read_prologue, write_iri
from quiver.evaluation.text_search import SEARCH, SearchBlock, read_search_block
from quiver.evaluation.tokenizer import Token, TokenType, malformed, tokenize, unescape

_UPDATES: Final = frozenset({"INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH"})
_CODEPOINT_ESCAPE: Final = re.compile(r"\\[uU]")

# What stands for a block of SERVICE q:search in the query, in SPARQL.
AnswerSearch = Callable[[SearchBlock], str]


def no_text_index(_: SearchBlock) -> str:
    """Nothing: the answer to a search where there is no index.

    Raises:
        BadRequest: always.
    """
    raise BadRequest(
        "This release has no text index, so SERVICE q:search cannot be answered.",
        hint='Use FILTER(CONTAINS(LCASE(?label), "word")) instead.',
    )


@dataclass(frozen=True, slots=True)
class Admitted:
    """A query as the engine may see it.

    `written` says what stands in it for each token of the query as it was sent: nothing where that for an earlier one
    says it all. Empty where the text is the query itself.
    """

    text: str
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Service:
    """A SERVICE in a query: where its keyword and its name stand among the tokens, and the endpoint it names."""

    at: int
    name: int
    endpoint: str


def service_endpoints(query: str, base: str | None = None) -> tuple[str, ...]:
    """The endpoint of each SERVICE in *query*, in order: an absolute IRI, or a variable as `?name`.

    Raises:
        MalformedQuery: the query does not split into tokens, or an endpoint's name cannot be resolved.

    >>> service_endpoints("PREFIX e: <http://e/> SELECT * { SERVICE SILENT e:x { ?s ?p 'SERVICE <a:b>' } }")
    ('http://e/x',)
    """
    tokens = tokenize(query)
    return tuple(service.endpoint for service in _services(tokens, read_prologue(tokens, query, base), query))


def is_update(query: str) -> bool:
    """Whether *query* is a SPARQL Update request, by the first word after its prologue."""
    try:
        tokens = tokenize(query)
        head = tokens[read_prologue(tokens, query, "a:").length :]
    except MalformedQuery:
        return False
    return bool(head) and head[0].type is TokenType.WORD and head[0].text.upper() in _UPDATES


def admit(
    query: str, allowed: Collection[str], base: str | None = None, answer_search: AnswerSearch = no_text_index
) -> Admitted:
    """What the engine may see of *query*: the query itself wherever it cannot hold a SERVICE.

    *answer_search* gives what stands for each block of SERVICE q:search.

    Raises:
        QueryRefused: it has a SERVICE whose endpoint is not in *allowed*.
        MalformedQuery: it holds the word, or an escape that might spell it, and does not split into tokens; or a block
            of SERVICE q:search is not as it should be.
    """
    holds_word = "service" in query.lower()
    if not holds_word and ("\\" not in query or _CODEPOINT_ESCAPE.search(query) is None):
        return Admitted(query)
    tokens = tokenize(query)
    if not holds_word:
        return Admitted(query)
    prologue = read_prologue(tokens, query, base)
    services = _services(tokens, prologue, query)
    for service in services:
        # That of the text index never leaves the house, whatever the operator lists.
        if service.endpoint != SEARCH and service.endpoint not in allowed:
            raise QueryRefused(
                f"SERVICE {service.endpoint} is refused: this endpoint does not query other endpoints"
                + (" except those its operator lists." if allowed else "."),
                value=service.endpoint,
                hint="Leave the SERVICE out, or send the query to an endpoint of your own that federates.",
            )
    written = [_unambiguous(at, token, prologue, query) for at, token in enumerate(tokens)]
    for service in services:
        if service.endpoint == SEARCH:
            if tokens[service.at].text.upper() not in ("SERVICE", "SERVICESILENT"):
                raise malformed("SERVICE is not set apart from the word before it", query, tokens[service.at].start)
            block = read_search_block(tokens, service.name + 1, prologue, query)
            written[service.at : block.end] = [answer_search(block), *[""] * (block.end - service.at - 1)]
    return Admitted(_join(tokens, written, query), tuple(written))


def update_refused() -> UpdateRefused:
    """The error for an update, which says where writing is done."""
    return UpdateRefused(
        "This endpoint answers queries; it takes no updates.",
        hint="Writing is done on the server's command line: quiver build, add, replace or remove.",
    )


def _services(tokens: tuple[Token, ...], prologue: Prologue, text: str) -> tuple[_Service, ...]:
    found: list[_Service] = []
    for at, token in enumerate(tokens):
        # The engine needs no space between keywords (SERVICESILENT) nor after `true`; no other word holds the letters.
        if token.type is not TokenType.WORD or "SERVICE" not in token.text.upper():
            continue
        name = at + 1
        if name < len(tokens) and tokens[name].is_word("SILENT"):
            name += 1
        if name >= len(tokens) or tokens[name].type not in (TokenType.IRI, TokenType.PREFIXED, TokenType.VARIABLE):
            raise malformed("SERVICE needs an IRI or a variable", text, token.start)
        is_variable = tokens[name].type is TokenType.VARIABLE
        endpoint = f"?{tokens[name].text[1:]}" if is_variable else prologue.expand(tokens[name], text)
        found.append(_Service(at, name, endpoint))
    return tuple(found)


def _unambiguous(at: int, token: Token, prologue: Prologue, text: str) -> str:
    if token.type is TokenType.IRI:
        return write_iri(unescape(token))
    if token.type is TokenType.PREFIXED and at >= prologue.length:
        return write_iri(prologue.expand(token, text))
    return token.text


def _join(tokens: tuple[Token, ...], written: list[str], text: str) -> str:
    parts: list[str] = []
    position = 0
    for token, piece in zip(tokens, written, strict=True):
        parts += (_blank(text[position : token.start]), piece)
        position = token.end
    return "".join((*parts, _blank(text[position:])))


def _blank(gap: str) -> str:
    """White space and comments as spaces, line breaks kept, so that lines stay what they were."""
    return re.sub(r"[^\n]", " ", gap)
