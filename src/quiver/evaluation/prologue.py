"""The BASE and PREFIX declarations of a query, and the IRIs that its names stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

import pyoxigraph

from quiver.errors import MalformedQuery
from quiver.evaluation.tokenizer import Token, TokenType, malformed, read_tokens, unescape

_FORMS: Final = frozenset({"SELECT", "ASK", "CONSTRUCT", "DESCRIBE"})
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


def read_prefixes(text: str, base: str | None = None) -> Mapping[str, str]:
    """The prefixes that the query *text* declares, read no further than they go; none of one that is not valid."""
    try:
        head = tuple(takewhile(lambda token: token.text.upper() not in _FORMS, read_tokens(text)))
        return read_prologue(head, text, base).prefixes
    except MalformedQuery:
        return {}


def write_iri(iri: str) -> str:
    """*iri* as a token with one reading only: whatever might end it early, or begin another token, is escaped."""
    return f"<{_PLAIN_IN_IRI.sub(_escape, iri)}>"


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04X}"


def _resolve(iri: str, base: str | None, token: Token, text: str) -> str:
    """*iri* resolved by the engine's own code, so that both know the same endpoint."""
    line = f"{write_iri(iri)} <a:a> <a:a> ."
    try:
        parsed = next(pyoxigraph.parse(line, pyoxigraph.RdfFormat.TURTLE, base_iri=base))
    except (SyntaxError, ValueError):
        raise malformed(f"<{iri}> is no IRI, or a relative one without a base", text, token.start) from None
    assert isinstance(parsed.subject, pyoxigraph.NamedNode)
    return parsed.subject.value


def _types(tokens: tuple[Token, ...], start: int, *types: TokenType) -> bool:
    return tuple(token.type for token in tokens[start : start + len(types)]) == types
