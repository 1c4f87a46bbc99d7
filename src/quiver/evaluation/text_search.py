"""Full text inside SPARQL: a block of SERVICE q:search, read from the tokens of a query, and its answer in SPARQL.

    SERVICE q:search { ?paper a q:Paper ; q:query "reinforcement learning" ; q:score ?score ; q:limit 50 }

The index is asked before the query is evaluated, so what is asked for is a constant. The hits stand in the query
instead of the block, best first; the block may stand wherever any other SERVICE may. A variable that a VALUES of the
query gives one string is as good as that string, so that a query with parameters can search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from quiver.errors import InvalidSearch
from quiver.evaluation.constants import constant_string
from quiver.evaluation.prologue import Prologue, write_iri
from quiver.evaluation.tokenizer import Token, TokenType, malformed, unescape
from quiver.namespaces import term
from quiver.search import SearchHit, SearchIndex

SEARCH: Final = term("q:search")
# How many hits a block has where it does not say, and the most it may ask for unless a setting says otherwise.
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000

_QUERY, _LIKE, _SCORE, _SNIPPET = term("q:query"), term("q:like"), term("q:score"), term("q:snippet")
_LIMIT, _OFFSET, _TYPE = term("q:limit"), term("q:offset"), term("rdf:type")
_KNOWN: Final = "q:query, q:like, q:score, q:snippet, q:limit, q:offset and a"
_KINDS: Final = {term("q:Paper"): "paper", term("q:NameCluster"): "name", term("q:VenueSeries"): "venue"}
_DOUBLE: Final = write_iri(term("xsd:double"))
_INTEGER: Final = re.compile(r"[0-9]{1,18}")
_EXAMPLE: Final = 'For example: SERVICE q:search { ?paper q:query "deep learning" ; q:score ?score ; q:limit 50 }'


@dataclass(frozen=True, slots=True)
class SearchBlock:
    """One search: the text, the variables to bind, and how much is wanted; `place` is where something stands.

    `like`: what is wanted has the words of the text, instead of being asked for in it. `score` and `snippet` are ""
    where they are not asked for; `end` is the place behind the block among the tokens.
    """

    text: str
    place: int
    subject: str
    score: str = ""
    snippet: str = ""
    kind: str | None = None
    limit: int = DEFAULT_LIMIT
    limit_place: int = 0
    offset: int = 0
    end: int = 0
    like: bool = False


def read_search_block(tokens: tuple[Token, ...], at: int, prologue: Prologue, text: str) -> SearchBlock:
    """The search whose opening brace is the token *at* of the query *text*.

    Raises:
        MalformedQuery: the block is anything else than one search, with the place of what is wrong.
    """
    return _Reader(tokens, at, prologue, text).read()


def answer_search_block(
    block: SearchBlock, index: SearchIndex, base: str, text: str, max_limit: int = MAX_LIMIT
) -> str:
    """What stands for *block* in the query *text*: the hits of *index*, as a table whose IRIs begin with *base*.

    Raises:
        MalformedQuery: the text to look for does not parse, or more than *max_limit* hits are asked for.
    """
    if block.limit > max_limit:
        raise malformed(f"q:limit is {max_limit:,} at most", text, block.limit_place, "Page with q:offset.")
    try:
        hits = _find(block, index)
    except InvalidSearch as error:
        raise malformed(
            f"The text of q:{'like' if block.like else 'query'}: {error.message}", text, block.place, error.hint
        ) from None
    variables = " ".join(filter(None, (block.subject, block.score, block.snippet)))
    rows = " ".join(_rows(block, hits, base))
    # Measured in pyoxigraph 0.5.13: beyond 1,000 rows a bare VALUES is walked once for each solution of its neighbours
    # (11 s for 9,478 rows beside 53,189 papers), a sub-select is joined by its keys (0.3 s). The filters keep such
    # text from being valid where a SERVICE is not: after OPTIONAL, before UNION.
    return f"FILTER(true) {{ SELECT {variables} {{ VALUES ({variables}) {{ {rows} }} }} }} FILTER(true)"


def _find(block: SearchBlock, index: SearchIndex) -> tuple[SearchHit, ...]:
    snippets = bool(block.snippet)
    if block.like:
        return index.like(block.text, kind=block.kind, offset=block.offset, limit=block.limit, snippets=snippets)
    return index.search(block.text, kind=block.kind, offset=block.offset, limit=block.limit, snippets=snippets).hits


def _rows(block: SearchBlock, hits: Iterable[SearchHit], base: str) -> Iterable[str]:
    for hit in hits:
        cells = [write_iri(base + hit.path)]
        if block.score:
            cells.append(f'"{hit.score!r}"^^{_DOUBLE}')
        if block.snippet:
            cells.append(_write_string(hit.snippet.text))
        yield f"({' '.join(cells)})"


_ESCAPES: Final[Mapping[int, str]] = {
    **{code: f"\\u{code:04X}" for code in (*range(0x20), 0x7F)},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}


def _write_string(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


@dataclass
class _Reader:
    """Reads one block, token by token; `at` is the next."""

    tokens: tuple[Token, ...]
    at: int
    prologue: Prologue
    text: str
    subject: str = ""
    said: dict[str, Token] = field(default_factory=dict)

    def read(self) -> SearchBlock:
        opening = self._take("A search is a block in braces", "{")
        while not self._is("}"):
            self._read_subject()
            self._read_properties()
            if not self._is("}"):
                self._take("A dot, a semicolon or the end of the block is expected after a value", ".")
        self.at += 1
        if _QUERY not in self.said and _LIKE not in self.said:
            raise self._fault("The search does not say what to look for: q:query is missing", opening)
        if _QUERY in self.said and _LIKE in self.said:
            raise self._fault("A search has either q:query or q:like", self.said[_LIKE])
        return self._block()

    def _block(self) -> SearchBlock:
        query = self.said.get(_QUERY) or self.said[_LIKE]
        variables = [_variable(self.said.get(iri)) for iri in (_SCORE, _SNIPPET)]
        named = [name for name in (self.subject, *variables) if name]
        for iri in (_SCORE, _SNIPPET):
            if iri in self.said and named.count(_variable(self.said[iri])) > 1:
                raise self._fault("This variable is bound by the search already", self.said[iri])
        return SearchBlock(
            text=unescape(query, self.text),
            place=query.start,
            subject=self.subject,
            score=variables[0],
            snippet=variables[1],
            kind=_KINDS[self.prologue.expand(self.said[_TYPE], self.text)] if _TYPE in self.said else None,
            limit=int(self.said[_LIMIT].text) if _LIMIT in self.said else DEFAULT_LIMIT,
            limit_place=self.said[_LIMIT].start if _LIMIT in self.said else 0,
            offset=int(self.said[_OFFSET].text) if _OFFSET in self.said else 0,
            end=self.at,
            like=_LIKE in self.said,
        )

    def _read_subject(self) -> None:
        token = self._next()
        if token.type is not TokenType.VARIABLE:
            raise self._fault("What a search finds is a variable", token)
        if self.subject not in ("", _variable(token)):
            raise self._fault(f"One search has one subject, which is {self.subject} here", token)
        self.subject = _variable(token)

    def _read_properties(self) -> None:
        while True:
            token = self._next()
            name = _TYPE if token.text == "a" else self._iri(token, "A property of a search is expected")
            if name in self.said:
                raise self._fault(f"{token.text} is said twice", token)
            self.said[name] = self._value(name, token)
            if not self._is(";"):
                return
            while self._is(";"):
                self.at += 1
            if self._is(".") or self._is("}"):
                return

    def _value(self, name: str, said: Token) -> Token:
        """The value of a property, which is of the right kind."""
        value = self._next()
        if name in (_QUERY, _LIKE):
            if value.type is TokenType.VARIABLE:
                value = constant_string(self.tokens, _variable(value)) or value
            if value.type is not TokenType.STRING or self._is("^^") or self._peek_type() is TokenType.LANGUAGE:
                raise self._fault(
                    f"{said.text} takes a plain string, or a variable to which VALUES gives one: the text is looked up "
                    "before all else",
                    value,
                )
        elif name in (_SCORE, _SNIPPET):
            if value.type is not TokenType.VARIABLE:
                raise self._fault(f"{said.text} takes a variable, which it binds", value)
        elif name in (_LIMIT, _OFFSET):
            if value.type is not TokenType.NUMBER or not _INTEGER.fullmatch(value.text):
                raise self._fault(f"{said.text} takes an integer from 0", value)
        elif name == _TYPE:
            if self._iri(value, "A class is expected") not in _KINDS:
                raise self._fault("A search finds q:Paper, q:NameCluster or q:VenueSeries", value)
        else:
            raise self._fault(f"A search knows {_KNOWN}; not {said.text}", said)
        return value

    def _iri(self, token: Token, expected: str) -> str:
        if token.type not in (TokenType.IRI, TokenType.PREFIXED):
            raise self._fault(expected, token)
        return self.prologue.expand(token, self.text)

    def _next(self) -> Token:
        if self.at >= len(self.tokens):
            raise malformed("The query ends inside a search", self.text, len(self.text), _EXAMPLE)
        self.at += 1
        return self.tokens[self.at - 1]

    def _take(self, expected: str, punctuation: str) -> Token:
        token = self._next()
        if token.text != punctuation:
            raise self._fault(expected, token)
        return token

    def _is(self, punctuation: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at].text == punctuation

    def _peek_type(self) -> TokenType | None:
        return self.tokens[self.at].type if self.at < len(self.tokens) else None

    def _fault(self, message: str, token: Token) -> Exception:
        return malformed(message, self.text, token.start, _EXAMPLE)


def _variable(token: Token | None) -> str:
    """A variable as `?name`; empty for none."""
    return "" if token is None else f"?{token.text[1:]}"
