"""Whether a query gives the same result each time it is asked of the same release."""

from __future__ import annotations

from typing import Final

from quiver.errors import MalformedQuery
from quiver.evaluation.inspection import service_endpoints
from quiver.evaluation.text_search import SEARCH
from quiver.evaluation.tokenizer import Token, TokenType, tokenize

# Plain searches before anything is split into tokens: most queries hold none of these, and are asked in microseconds.
_SUSPECT: Final = ("rand", "now", "uuid", "bnode", "service")
_BLANK_NODE_MARKS: Final = ("_:", "[", "(", "<<", "{|", "~")
_FUNCTIONS: Final = ("RAND", "NOW", "UUID", "BNODE")


def is_repeatable(query: str, base: str | None = None) -> bool:
    """Whether nothing in *query*, as far as it shows, makes its result differ from one time to the next.

    That is no function that gives something new, no SERVICE but that of the text index, and no template that makes
    blank nodes: those have new labels each time (measured in pyoxigraph 0.5.13), which is the same graph in other
    bytes. A query that does not split into tokens is not.
    """
    lowered = query.lower()
    may_make_nodes = "construct" in lowered and any(mark in query for mark in _BLANK_NODE_MARKS)
    if not may_make_nodes and not any(word in lowered for word in _SUSPECT):
        return True
    try:
        tokens = tokenize(query)
        if any(token.type is TokenType.WORD and _gives_news(token.text.upper()) for token in tokens):
            return False
        return not _template_has_blank_nodes(tokens) and set(service_endpoints(query, base)) <= {SEARCH}
    except MalformedQuery:
        return False


def _gives_news(word: str) -> bool:
    # The engine takes some keywords without a space between them, so a function may be the end of a longer word.
    return word.endswith(_FUNCTIONS)


def _template_has_blank_nodes(tokens: tuple[Token, ...]) -> bool:
    """Whether the first block in braces after CONSTRUCT has a blank node: the template, or the pattern that is one."""
    start = next((at for at, token in enumerate(tokens) if token.is_word("CONSTRUCT")), None)
    if start is None:
        return False
    depth = 0
    for token in tokens[start:]:
        # A reified triple or an annotation without a name of its own makes one as well.
        if token.type is TokenType.BLANK or token.text in _BLANK_NODE_MARKS:
            return True
        depth += {"{": 1, "}": -1}.get(token.text, 0)
        if token.text == "}" and depth == 0:
            return False
    return False
