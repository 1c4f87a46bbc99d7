"""SPARQL text as tokens: by the terminals of SPARQL 1.1 (section 19.8) and 1.2, in one pass, without parsing.

Codepoint escapes are known in IRIs and strings only, as SPARQL 1.2 has settled it and the engine reads it;
elsewhere a backslash is an error. Text that no terminal matches is an error as well, never skipped, so that what
is not understood here does not reach the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

import msgspec

from quiver.errors import MalformedQuery


class TokenType(Enum):
    IRI = "an IRI"
    PREFIXED = "a prefixed name"
    VARIABLE = "a variable"
    STRING = "a string"
    LANGUAGE = "a language tag"
    BLANK = "a blank node"
    NUMBER = "a number"
    WORD = "a word"
    PUNCTUATION = "punctuation"


class Token(msgspec.Struct, frozen=True):
    """One terminal as written, and where it starts (characters from 0)."""

    type: TokenType
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def is_word(self, word: str) -> bool:
        """Whether it is the keyword *word* (given in upper case) in any letter case."""
        return self.type is TokenType.WORD and self.text.upper() == word


_BASE = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_START = f"_{_BASE}"
_EXTEND = f"0-9\u00b7\u0300-\u036f\u203f\u2040{_START}"
_NAME = f"{_EXTEND}-"
_PLX = r"%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%]"
_UCHAR = r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
_ESCAPE = rf"\\[tbnrf\"'\\]|{_UCHAR}"
# Bounded, since "a.a.a.a" is tried as one prefix at each of its letters.
_PREFIX = rf"[{_BASE}](?:[{_NAME}]|\.+[{_NAME}]){{0,63}}+"

# Possessive quantifiers: no backtracking, so that hostile text costs time linear in its length.
_TERMINALS: Final = re.compile(
    rf"""
      (?P<SPACE>    (?:[ \t\r\n]++|\#[^\r\n]*+)++)
    | (?P<IRI>      <(?:[^\x00-\x20<>"{{}}|^`\\]|{_UCHAR})*+>)
    | (?P<PREFIXED> (?:{_PREFIX})?+:(?:(?:[{_START}:0-9]|{_PLX})(?:[{_NAME}:]|{_PLX}|\.+(?:[{_NAME}:]|{_PLX}))*+)?+)
    | (?P<VARIABLE> [?$][{_START}0-9][{_EXTEND}]*+)
    | (?P<STRING>   '''(?:'{{0,2}}+(?:[^'\\]|{_ESCAPE}))*+'''
                  | \"\"\"(?:"{{0,2}}+(?:[^"\\]|{_ESCAPE}))*+\"\"\"
                  | '(?:[^'\\\r\n]|{_ESCAPE})*+'
                  | "(?:[^"\\\r\n]|{_ESCAPE})*+")
    | (?P<LANGUAGE> @[A-Za-z]++(?:-[A-Za-z0-9]++)*+(?:--[A-Za-z]++)?+)
    | (?P<BLANK>    _:[{_START}0-9](?:[{_NAME}]|\.+[{_NAME}])*+)
    | (?P<NUMBER>   (?:[0-9]++\.[0-9]*+|\.[0-9]++|[0-9]++)[eE][+-]?[0-9]++|[0-9]*+\.[0-9]++|[0-9]++)
    | (?P<WORD>     [A-Za-z_][A-Za-z0-9_]*+)
    | (?P<PUNCTUATION> <<\(|\)>>|<<|>>|\{{\||\|\}}|\^\^|&&|\|\||!=|<=|>=|[][{{}}(),;.*/|^?+\-!=<>~])
    """,
    re.VERBOSE,
)

_CODEPOINT: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_CHARACTER_ESCAPES: Final = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of *text* in order, without white space and comments.

    Raises:
        MalformedQuery: at the first character that begins no terminal, and for an escape that is no character.
    """
    return tuple(read_tokens(text))


def read_tokens(text: str) -> Iterator[Token]:
    """The tokens of *text* one by one, for who needs only the first of them; raises as `tokenize` does."""
    if lone := _SURROGATE.search(text):
        raise malformed("This character is half of a surrogate pair", text, lone.start())
    position = 0
    while position < len(text):
        match = _TERMINALS.match(text, position)
        if match is None:
            raise malformed(_complaint(text, position), text, position)
        position = match.end()
        group = str(match.lastgroup)
        if group == "SPACE":
            continue
        token = Token(TokenType[group], match.group(), match.start())
        if token.type in (TokenType.IRI, TokenType.STRING) and "\\" in token.text:
            unescape(token, text)
        yield token


def unescape(token: Token, text: str = "") -> str:
    """What an IRI or string token says: without its delimiters, its escapes resolved.

    Raises:
        MalformedQuery: a codepoint escape names a surrogate or lies beyond Unicode; *text* gives the position.
    """
    width = 3 if token.text[:3] in ("'''", '"""') and len(token.text) >= 6 else 1
    body = token.text[width:-width]
    if "\\" not in body:
        return body

    def resolve(match: re.Match[str]) -> str:
        if match.group(3):
            return _CHARACTER_ESCAPES.get(match.group(3), match.group(3))
        code = int(match.group(1) or match.group(2), 16)
        if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            raise malformed(f"{match.group()} is no character", text, token.start + width + match.start())
        return chr(code)

    return _CODEPOINT.sub(resolve, body)


def malformed(message: str, text: str, offset: int, hint: str = "") -> MalformedQuery:
    """The error with the line and column (from 1) of *offset* in *text*."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return MalformedQuery(f"{message} (line {line}, column {column}).", value=text, hint=hint, line=line, column=column)


def _complaint(text: str, position: int) -> str:
    character = text[position]
    if character in "\"'":
        return "This string does not end, or holds an escape that SPARQL does not know"
    if character == "\\":
        return "A backslash may stand only in strings, IRIs and local names"
    return f"Unexpected character {character!r}"
