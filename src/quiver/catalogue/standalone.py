"""A query with its parameters bound in its own text, by VALUES blocks made of terms.

pyoxigraph plans a query before it substitutes, so with `substitutions` it does not know that a parameter has one value:
the co-authors of a name with 598 papers took more than 12 s of full scans where the same text with VALUES takes
0.05 s (15 million triples). A parameter stands in each SELECT that hands it outwards, since SPARQL evaluates
subqueries on their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pyoxigraph import Literal, NamedNode

from quiver.namespaces import term

# Enough of the SPARQL grammar for files of our own; IRIs, strings and comments come first, for what they may hold.
_TOKEN: Final = re.compile(
    r"""(?P<iri><[^<>"{}|^`\\\s]*>)
    |(?P<string>\"{3}(?:\"{0,2}(?:[^"\\]|\\.))*\"{3}|'{3}(?:'{0,2}(?:[^'\\]|\\.))*'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<comment>\#[^\n]*)
    |(?P<variable>[?$]\w+)
    |(?P<word>\w[\w.-]*:?[\w.-]*)
    |(?P<sign>\S)""",
    re.VERBOSE | re.DOTALL,
)
_PAGE: Final = re.compile(r"^([ \t]*)LIMIT\s+\d+\s+OFFSET\s+\d+[ \t]*#[ \t]*page[ \t]*$", re.MULTILINE)
_CHOICE: Final = re.compile(
    r"^([ \t]*VALUES\s+\?\w+\s*\{\s*)UNDEF(\s*\})[ \t]*#[ \t]*param\.(\w+)[ \t]*$", re.MULTILINE
)
_INDENT: Final = re.compile(r"\n[ \t]*")
_FORMS: Final = ("SELECT", "CONSTRUCT", "ASK", "DESCRIBE")


@dataclass(frozen=True, slots=True)
class Block:
    """A WHERE block: where its text begins, and the variables that its SELECT hands outwards (None: all)."""

    start: int
    projected: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Subquery:
    """A SELECT in braces: its place in the text, and its words as they would be without layout and comments.

    `clauses` are its own words after the WHERE block, such as HAVING; the query's prefixes end at `prologue_end`.
    """

    start: int
    end: int
    words: str
    clauses: frozenset[str]
    prologue_end: int


def query_form(text: str) -> str:
    """The form of the query: select, construct, ask or describe; empty where *text* holds none."""
    for kind, token, _ in _tokens(text):
        if kind == "word" and token.upper() in _FORMS:
            return token.lower()
    return ""


def page_lines(text: str) -> int:
    """How many lines of *text* are marked as the place of paging: `LIMIT 50 OFFSET 0 # page`."""
    return len(_PAGE.findall(text))


def with_page(text: str, limit: int, offset: int) -> str:
    """*text* with these integers in its line of paging."""
    return _PAGE.sub(lambda match: f"{match[1]}LIMIT {limit:d} OFFSET {offset:d}", text)


def without_page(text: str) -> str:
    """*text* with its line of paging as an ordinary one."""
    return _PAGE.sub(lambda match: match[0].partition("#")[0].rstrip(), text)


def choice_lines(text: str) -> set[str]:
    """The optional parameters that *text* has a place for: `VALUES ?wanted_year { UNDEF } # param.year`."""
    return {match[3] for match in _CHOICE.finditer(text)}


def with_choices(text: str, values: Mapping[str, NamedNode | Literal]) -> str:
    """*text* with these values in the places of optional parameters; UNDEF stays where there is none."""
    return _CHOICE.sub(lambda match: f"{match[1]}{values.get(match[3], 'UNDEF')}{match[2]}", text)


def with_values(text: str, values: Mapping[str, NamedNode | Literal]) -> str:
    """*text* with a VALUES block for *values* at the head of each WHERE that takes part in the parameters."""
    pieces: list[str] = []
    end = 0
    for block in where_blocks(text):
        names = [name for name in values if block.projected is None or name in block.projected]
        if not names:
            continue
        variables = " ".join(f"?{name}" for name in names)
        row = " ".join(str(values[name]) for name in names)
        # Like the line after it, or in the same line where the block is.
        indent = _INDENT.match(text, block.start)
        pieces += (text[end : block.start], indent[0] if indent else " ", f"VALUES ({variables}) {{ ({row}) }}")
        end = block.start
    return "".join(pieces) + text[end:]


def mentioned_iris(text: str) -> set[str]:
    """The IRIs that *text* speaks of, in full or by its prefixes; `a` is one.

    >>> sorted(mentioned_iris('PREFIX ex: <http://x/> SELECT ?s WHERE { ?s ex:title "ex:No" ; <http://y/of> ex:Book }'))
    ['http://x/Book', 'http://x/title', 'http://y/of']
    """
    found: set[str] = set()
    prefixes: dict[str, str] = {}
    tokens = [(kind, word) for kind, word, _ in _tokens(text)]
    for place, (kind, word) in enumerate(tokens):
        if kind == "iri" and tokens[place - 2][1].upper() == "PREFIX":
            prefixes[tokens[place - 1][1]] = word[1:-1]
        elif kind == "iri":
            found.add(word[1:-1])
        elif kind == "word" and word == "a":
            found.add(term("rdf:type"))
        elif kind == "word" and ":" in word and not word.endswith(":"):
            prefix, colon, name = word.partition(":")
            found.add(prefixes[prefix + colon] + name)
    return found


def where_blocks(text: str) -> Iterator[Block]:
    """The blocks after WHERE, in their order; each belongs to the SELECT, ASK, CONSTRUCT or DESCRIBE before it."""
    projected: frozenset[str] | None = None
    tokens = list(_tokens(text))
    for place, (kind, token, _) in enumerate(tokens):
        if kind != "word":
            continue
        word = token.upper()
        if word == "SELECT":
            projected = _projection(tokens[place + 1 :])
        elif word in _FORMS:
            projected = None
        elif word == "WHERE" and place + 1 < len(tokens) and tokens[place + 1][1] == "{":
            yield Block(tokens[place + 1][2] + 1, projected)


def subqueries(text: str) -> Iterator[Subquery]:
    """The subqueries of *text*, outer before inner."""
    tokens = list(_tokens(text))
    first = next((place for kind, word, place in tokens if kind == "word" and word.upper() in _FORMS), 0)
    for number, (_, word, _) in enumerate(tokens[:-1]):
        if word != "{" or tokens[number + 1][1].upper() != "SELECT":
            continue
        depth, clauses = 1, set[str]()
        for last in range(number + 1, len(tokens)):
            kind, inside, place = tokens[last]
            depth += {"{": 1, "}": -1}.get(inside, 0)
            if not depth:
                words = " ".join(word for _, word, _ in tokens[number + 1 : last])
                yield Subquery(tokens[number + 1][2], place, words, frozenset(clauses), first)
                break
            if depth == 1 and kind == "word":
                clauses.add(inside.upper())


def _projection(tokens: list[tuple[str, str, int]]) -> frozenset[str] | None:
    names: set[str] = set()
    depth = 0
    before = ""
    for kind, text, _ in tokens:
        if text == "*" and not depth:
            return None
        if text == "{" or text.upper() == "WHERE":
            break
        depth += {"(": 1, ")": -1}.get(text, 0)
        if kind == "variable" and (not depth or (depth == 1 and before.upper() == "AS")):
            names.add(text[1:])
        before = text
    return frozenset(names)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and place of each token but comments."""
    for match in _TOKEN.finditer(text):
        if match.lastgroup and match.lastgroup != "comment":
            yield match.lastgroup, match[0], match.start()
