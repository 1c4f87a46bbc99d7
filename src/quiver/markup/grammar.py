"""What the parser offers to the rules for commands and escapes, and what they get to see."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from quiver.markup.tree import Node

OPTION = re.compile(r"\s{0,3}\[([^\[\]]{0,200})\]")
_SPACES = re.compile(r"\s*")


class Command(NamedTuple):
    """A backslash and what it begins: its name, where it starts, what follows it, where its text ends."""

    name: str
    start: int
    after: int
    end: int
    maths: bool


class Parser(Protocol):
    """The parser, as the rules see it. Each rule adds nodes to a list and returns the index behind what it took."""

    text: str
    depth: int
    escaped_quotes: bool
    scriptable: int
    """The end of the last piece of mathematics outside dollars, where `_` and `^` are scripts: "\\ell_1"."""

    def nodes(self, start: int, end: int, *, maths: bool) -> list[Node]:
        """The nodes of the text between *start* and *end*."""

    def argument(self, at: int, end: int, *, maths: bool) -> tuple[list[Node], int]:
        """What a command or script at *at* applies to, and the index behind it: a group, a command, a character."""

    def group_end(self, at: int, end: int) -> int:
        """Where the group that opens at *at* closes; -1 where none opens there or it closes behind *end*."""

    def command(self, command: Command, out: list[Node]) -> int:
        """Put what *command* stands for into *out*; the index behind it and its arguments."""

    def backslash(self, match: re.Match[str], end: int, out: list[Node], maths: bool) -> int:
        """Put what the backslash at *match* stands for into *out*; the index behind it."""

    def formula(self, start: int, stop: int, display: bool, out: list[Node]) -> None:
        """Put the formula between *start* and *stop* into *out*."""


def skip_spaces(text: str, at: int, end: int) -> int:
    """The index of the first character from *at* that is no white space, or *end*."""
    match = _SPACES.match(text, at, end)
    return match.end() if match else at
