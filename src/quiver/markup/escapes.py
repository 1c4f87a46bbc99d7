"""A backslash before a character that is no letter: escapes, spaces, accents, line breaks, `\\(...\\)`.

Not every such backslash is TeX's: sources escape quotes and slashes (`it\\'s`, `\\"so\\"`, `and\\/or`), and double
backslashes.
"""

from __future__ import annotations

import re

from quiver.markup import symbols
from quiver.markup.grammar import OPTION, Command, Parser
from quiver.markup.tree import Node, Text, accented, text_of

_WORD = re.compile(r"\\[A-Za-z]{2,}")
_CONTRACTION = re.compile(r"(?:s|re|ve|ll|d|m|t)\b")
_LENGTH = re.compile(r"-?[\d.]{1,9}\s?[a-z]{2}")
_LITERALS = frozenset("%&_#${})]")
_SPACING = {" ": " ", ",": " ", ";": " ", ":": " ", ">": " ", "!": "", "\n": " ", "\t": " "}
_DELIMITED_WINDOW = 2000


def read_escape(parser: Parser, command: Command, out: list[Node]) -> int:
    """Put what the control symbol *command* stands for into *out*; the index behind it."""
    name, _, after, _, maths = command
    if name in symbols.ACCENTS and not maths:
        return _accent(parser, command, out)
    if name == "\\":
        return _double(parser, command, out)
    if name in ("(", "["):
        return _delimited(parser, command, out)
    text = parser.text
    if name in _LITERALS:
        shown = name
    elif name in _SPACING:
        shown = _SPACING[name]
    elif name == "/":
        shown = "" if text[after : after + 1] == "}" else "/"
    elif name == "-":
        inside = text[command.start - 1 : command.start].isalpha() and text[after : after + 1].isalpha()
        shown = "" if inside else "-"
    elif name == "|" and maths:
        shown = "‖"
    else:
        shown = text[command.start : after]
    out.append(Text(shown))
    return after


def _double(parser: Parser, command: Command, out: list[Node]) -> int:
    """A line break of TeX, or the backslash of a command that a source has escaped (`\\\\textit{x}`)."""
    text, (_, at, after, end, maths) = parser.text, command
    word = _WORD.match(text, at + 1, end)
    if word and not maths and symbols.is_known(word[0][1:]):
        return parser.backslash(word, end, out, maths)
    before = text[at - 1] if at else " "
    if not maths and text[after : after + 1].isalnum() and before.isspace():
        out.append(Text("\\\\"))  # "\\server\share"
        return after
    out.append(Text(" "))
    option = OPTION.match(text, after, end)
    return option.end() if option and _LENGTH.fullmatch(option[1]) else after


def _delimited(parser: Parser, command: Command, out: list[Node]) -> int:
    name, _, after, end, maths = command
    closer = "\\)" if name == "(" else "\\]"
    close = parser.text.find(closer, after, min(end, after + _DELIMITED_WINDOW))
    if close < 0 or maths:
        out.append(Text(name))
        return after
    parser.formula(after, close, name == "[", out)
    return close + 2


def _accent(parser: Parser, command: Command, out: list[Node]) -> int:
    text, (name, at, after, end, _) = parser.text, command
    before, following = text[at - 1] if at else "", text[after : after + 1]
    mark = symbols.ACCENTS[name]
    if parser.group_end(after, end) >= 0 or following == "\\":
        children, stop = parser.argument(after, end, maths=False)
        letter = text_of(children).strip()
        if letter:
            out.extend([Text(accented(letter, mark))] if len(letter) == 1 and letter.isalpha() else children)
        else:
            out.append(Text(name))  # "\\~{}" is a tilde
        return stop
    if following.isascii() and following.isalpha():
        contraction = name == "'" and before.isalpha() and _CONTRACTION.match(text, after, end)
        quote = name == '"' and parser.escaped_quotes and not before.isalpha()
        composed = accented(following, mark)
        if not contraction and not quote and len(composed) == 1:
            out.append(Text(composed))
            return after + 1
    out.append(Text(name if name in "'\"" else f"\\{name}"))
    return after
