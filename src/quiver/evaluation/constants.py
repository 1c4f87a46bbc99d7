"""Variables that a query itself makes constants: those to which its VALUES give one string and no other."""

from __future__ import annotations

from collections.abc import Iterator

from quiver.evaluation.tokenizer import Token, TokenType


def constant_string(tokens: tuple[Token, ...], variable: str) -> Token | None:
    """The plain string that every VALUES with *variable* (as `?name`) gives it, in one row; None where there is none.

    >>> from quiver.evaluation.tokenizer import tokenize
    >>> constant_string(tokenize('SELECT * { VALUES (?a ?b) { (<x:y> "z") } }'), "?b").text
    '"z"'
    """
    found: Token | None = None
    for given in _given(tokens, variable):
        if given is None or given.type is not TokenType.STRING or (found is not None and found.text != given.text):
            return None
        found = given
    return found


def _given(tokens: tuple[Token, ...], variable: str) -> Iterator[Token | None]:
    """What each VALUES with the variable gives it: a term of one token; None for other terms and for several rows."""
    for at, token in enumerate(tokens):
        if not token.is_word("VALUES"):
            continue
        head = _until(tokens, at + 1, "{")
        names = [f"?{one.text[1:]}" for one in head if one.type is TokenType.VARIABLE]
        if variable not in names:
            continue
        row = _until(tokens, at + 1 + len(head) + 1, "}")
        if head and head[0].text == "(" and len(row) > 1:
            row = row[1:-1] if row[0].text == "(" and row[-1].text == ")" else []
        # As many tokens as variables: one row, and each term a token of its own.
        yield row[names.index(variable)] if len(row) == len(names) else None


def _until(tokens: tuple[Token, ...], at: int, end: str) -> list[Token]:
    """The tokens from *at* to the next *end*, without it."""
    found = []
    while at < len(tokens) and tokens[at].text != end:
        found.append(tokens[at])
        at += 1
    return found
