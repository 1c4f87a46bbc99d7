"""What goes wrong in a query, as errors of Quiver: the engine's own messages read, located and put plainly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final

from quiver.errors import (
    DamagedRelease,
    MalformedQuery,
    MemoryLimit,
    NotAcceptable,
    QuiverError,
    ServiceFailed,
    UnsupportedFunction,
    UpdateRefused,
)
from quiver.evaluation.inspection import Admitted, is_update, update_refused
from quiver.evaluation.prologue import read_prologue
from quiver.evaluation.tokenizer import Token, TokenType, malformed, tokenize

_SYNTAX_ERROR: Final = re.compile(r"error at (\d+):(\d+): expected (?:one of )?(.*)\Z", re.DOTALL)
_SENTENCE: Final = re.compile(r"[A-Z][A-Za-z]* [A-Za-z].*")
# What a serialiser says of a graph that its syntax cannot carry; also an OSError in pyoxigraph 0.5.13.
_UNWRITABLE: Final = re.compile(r"does not support RDF 1\.2|reserved (?:syntax )?term|is not allowed as a predicate")
_FUNCTION: Final = re.compile(
    r"The custom (?:aggregate )?function <([^>]*)> "
    r"(?:is not supported|requires between (\d+) and (\d+) arguments?, but (\d+) .*)"
)
# Longer than any keyword of SPARQL.
_GAP: Final = " " * 40


def explain_failure(error: Exception, query: str) -> QuiverError:
    """The error to report for what the engine raised while it evaluated *query* or wrote its result."""
    if isinstance(error, QuiverError):
        return error
    if isinstance(error, MemoryError):
        return MemoryLimit("The query needs more memory than one query may use.")
    if isinstance(error, OSError):
        if _UNWRITABLE.search(str(error)):
            return NotAcceptable(
                f"The result does not fit this format: {error}.",
                value=str(error),
                hint="Ask for Turtle or N-Triples, which carry every graph.",
            )
        if "service" in query.lower():
            return ServiceFailed(f"A remote endpoint of the query did not answer: {error}", value=str(error))
        return DamagedRelease(f"The store cannot be read: {error}", value=str(error))
    if called := _FUNCTION.fullmatch(str(error)):
        return _wrong_call(called, query)
    return QuiverError(f"The engine failed: {error}", value=type(error).__name__)


def _wrong_call(called: re.Match[str], query: str) -> MalformedQuery:
    """The error for a call of what is no function, or with too few or many arguments, which the engine notices late."""
    iri, least, most, given = called.groups()
    message = f"There is no function <{iri}>"
    if least:
        takes = least if least == most else f"{least} to {most}"
        message = f"<{iri}> takes {takes} argument{'' if takes == '1' else 's'}, not {given}"
    try:
        calls = _calls(iri, query)
    except MalformedQuery:
        calls = []  # Of a relative name only the engine knows what it stands for.
    # Of several calls one may have the right arguments.
    is_placed = bool(calls) and (len(calls) == 1 or not least)
    error = malformed(message, query, calls[0].start) if is_placed else MalformedQuery(f"{message}.", value=query)
    if least:
        return error
    return UnsupportedFunction(
        error.message,
        value=query,
        line=error.line,
        column=error.column,
        hint="The functions are those of SPARQL 1.1, section 17.4, and the casts of XML Schema.",
    )


def _calls(iri: str, query: str) -> list[Token]:
    """The names of *iri* in the query that stand before a parenthesis."""
    tokens = tokenize(query)
    prologue = read_prologue(tokens, query)
    return [
        token
        for token, after in pairwise(tokens)
        if after.text == "(" and token.type in (TokenType.IRI, TokenType.PREFIXED)
        if prologue.expand(token, query) == iri
    ]


def explain_syntax_error(
    error: SyntaxError, query: str, admitted: Admitted, parse: Callable[[str], object], base: str | None = None
) -> MalformedQuery | UpdateRefused:
    """The error with the place of the token that the engine stumbled over, in the query as it was sent.

    *admitted* is the form that `admit` gave to *query*. The engine names the furthest place that it has looked at,
    which is up to a keyword's length behind the fault. So *parse* is asked once more for the same tokens with gaps
    between them that are wider than any keyword.
    """
    if is_update(query):
        return update_refused()
    try:
        tokens = tokenize(query)
        starts, spaced = _spread(admitted.written or (token.text for token in tokens))
        try:
            parse(spaced)
        except SyntaxError as second:
            error = second
        place = _SYNTAX_ERROR.match(str(error))
        if place is None:
            return MalformedQuery(f"The query is not valid: {error}.", value=query)
        offset = _offset(spaced, int(place.group(1)), int(place.group(2)))
        at = sum(1 for start in starts if start <= offset) - 1 if offset < len(spaced) else len(tokens)
        return _describe(tokens, max(at, 0), place.group(3), query, base)
    except MalformedQuery as plainer:
        return plainer


def _describe(tokens: tuple[Token, ...], at: int, expected: str, query: str, base: str | None) -> MalformedQuery:
    sentences = [one for one in expected.split(", ") if _SENTENCE.match(one)]
    if sentences:
        return MalformedQuery(f"{sentences[0].rstrip('.')}.", value=query)
    if at >= len(tokens):
        if expected == "[_]" and tokens:
            # The engine names neither place nor reason when a rule about the whole is broken.
            return MalformedQuery(
                "The query breaks a rule of SPARQL beyond its syntax: a variable assigned twice, for example, "
                "or a blank node used in two groups.",
                value=query,
            )
        return malformed("The query ends where more is expected", query, len(query))
    fault = tokens[at]
    if fault.type in (TokenType.IRI, TokenType.PREFIXED):
        read_prologue(tokens, query, base).expand(fault, query)
    return malformed(f"Unexpected {_shown(fault)}", query, fault.start)


def _spread(pieces: Iterable[str]) -> tuple[list[int], str]:
    """Where each piece of a query starts in the text of all pieces with wide gaps, and this text."""
    starts: list[int] = []
    parts: list[str] = []
    position = 0
    for piece in pieces:
        starts.append(position)
        parts.append(piece + _GAP)
        position += len(parts[-1])
    return starts, "".join(parts)


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return min(start + column - 1, len(text))


def _shown(token: Token) -> str:
    text = token.text if len(token.text) <= 60 else token.text[:60] + "..."
    return text if token.type in (TokenType.STRING, TokenType.IRI) else f'"{text}"'
