"""A backslash before letters: symbols, styles, accents, fractions, addresses, and commands that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Callable

from quiver.markup import symbols
from quiver.markup.grammar import OPTION, Command, Parser, skip_spaces
from quiver.markup.links import match_link, valid_iri
from quiver.markup.tree import Link, Node, Styled, Text, accented, text_of

_ENVIRONMENT = re.compile(r"\\begin\{(equation|align|gather|multline|displaymath|math)(\*?)\}")
_ENVIRONMENT_WINDOW = 4000


def read_command(parser: Parser, command: Command, out: list[Node]) -> int:
    """Put what *command* stands for into *out*; the index behind it and its arguments."""
    name = command.name
    for table, rule in _TABLES:
        if name in table:
            return rule(parser, command, out)
    if (structure := _STRUCTURES.get(name)) and (
        command.maths or name == "sqrt" or parser.group_end(command.after, command.end) >= 0
    ):
        return structure(parser, command, out)
    if (text := symbols.symbol(name)) is not None:
        return _symbol(parser, command, text, out)
    return _unknown(parser, command, out)


def _symbol(parser: Parser, command: Command, symbol: str, out: list[Node]) -> int:
    text, (name, _, after, end, _) = parser.text, command
    if name in symbols.ABBREVIATIONS:
        if text[after : after + 1] == "." and not text[after + 1 : after + 2].isalnum():
            after += 1
    elif name in symbols.LETTERS:
        letter = skip_spaces(text, after, end)
        after = letter if text[letter : letter + 1].isalpha() else after
    else:
        parser.scriptable = after
    if text.startswith("{}", after):
        after += 2
    out.append(Text(symbol))
    return after


def _styled(parser: Parser, command: Command, out: list[Node]) -> int:
    text, (name, _, after, end, maths) = parser.text, command
    style, mathematical = symbols.STYLES[name]
    if text.startswith("*", after):
        after += 1
    at = skip_spaces(text, after, end)
    if parser.group_end(at, end) < 0 and not (maths or mathematical or text.startswith("\\", at)):
        out.append(Text(f"\\{name}"))
        return command.after
    children, after = parser.argument(after, end, maths=mathematical)
    out.append(Styled(style, tuple(children)))
    parser.scriptable = after
    return after


def _declaration(parser: Parser, command: Command, out: list[Node]) -> int:
    name, _, after, end, maths = command
    style = symbols.DECLARATIONS[name]
    if name in ("left", "right") and parser.text.startswith(".", after):
        return after + 1
    if style != "plain" and parser.group_end(after, end) >= 0:
        children, after = parser.argument(after, end, maths=maths)  # "\it{x}": authors mix the two kinds up
        out.append(Styled(style, tuple(children)))
        return after
    at = skip_spaces(parser.text, after, end)
    if style == "plain" or parser.depth < 2:  # outside of a group it would reach to the end of the abstract
        return at
    out.append(Styled(style, tuple(parser.nodes(at, end, maths=maths))))
    return end


def _accent(parser: Parser, command: Command, out: list[Node]) -> int:
    text, (name, _, after, end, maths) = parser.text, command
    mark = symbols.ACCENTS[name]
    if not (maths or parser.group_end(after, end) >= 0 or (len(name) > 1 and text.startswith("\\", after))):
        letter = text[after + 1 : after + 2]
        composed = accented(letter, mark)
        if text.startswith(" ", after) and letter.isalpha() and len(composed) == 1:
            out.append(Text(composed))
            return after + 2
        out.append(Text(f"\\{name}"))  # a literal "\r", a regular expression
        return after
    children, after = parser.argument(after, end, maths=maths)
    letter = text_of(children).strip()
    out.extend([Text(accented(letter, mark))] if len(letter) == 1 else children)
    parser.scriptable = after
    return after


def _function(parser: Parser, command: Command, out: list[Node]) -> int:
    name, at, after, _, _ = command
    before, following = parser.text[at - 1 : at] if at else "", parser.text[after : after + 1]
    left = " " if before.isalnum() else ""
    right = " " if following.isalnum() or following == "\\" else ""
    out.append(Text(f"{left}{name}{right}"))
    parser.scriptable = after
    return after


def _dropped(parser: Parser, command: Command, out: list[Node]) -> int:
    text, (name, at, after, end, _) = parser.text, command
    if name == "begin" and (match := _ENVIRONMENT.match(text, at, end)):
        closer = f"\\end{{{match[1]}{match[2]}}}"
        close = text.find(closer, match.end(), min(end, match.end() + _ENVIRONMENT_WINDOW))
        if close >= 0:
            parser.formula(match.end(), close, True, out)
            return close + len(closer)
    stop = after
    for _ in range(symbols.DROPPED[name]):
        while option := OPTION.match(text, stop, end):
            stop = option.end()
        close = parser.group_end(stop, end)
        if close < 0:
            out.append(Text(f"\\{name}"))
            return after
        stop = close + 1
    out.append(Text(" "))
    return stop


def _citation(parser: Parser, command: Command, out: list[Node]) -> int:
    after = command.after
    while option := OPTION.match(parser.text, after, command.end):
        after = option.end()
    if parser.group_end(after, command.end) < 0:
        out.append(Text(parser.text[command.start : after]))
        return after
    children, after = parser.argument(after, command.end, maths=False)
    out += (Text("["), *children, Text("]"))
    return after


def _unknown(parser: Parser, command: Command, out: list[Node]) -> int:
    """The text of the arguments of a command of no table; without any, the command as it stands."""
    name, at, after, end, maths = command
    if glued := symbols.split_glued(name):
        return read_command(parser, Command(glued, at, at + 1 + len(glued), end, maths), out)
    groups = 0
    if (option := OPTION.match(parser.text, after, end)) and parser.group_end(option.end(), end) >= 0:
        after = option.end()
        if "=" not in option[1]:  # "width=3cm" is for the typesetter
            out += (Text(option[1]), Text(" "))
    while parser.group_end(after, end) >= 0:
        children, after = parser.argument(after, end, maths=maths)
        if groups and children:
            out.append(Text(" "))
        groups += 1 if children else 0
        out.extend(children)
    if not groups:
        out.append(Text(name if maths else f"\\{name}"))
    return after


def _bracketed(nodes: list[Node]) -> list[Node]:
    text = text_of(nodes).strip()
    return nodes if len(text) == 1 or text.isalnum() else [Text("("), *nodes, Text(")")]


def _fraction(parser: Parser, command: Command, out: list[Node]) -> int:
    upper, after = parser.argument(command.after, command.end, maths=True)
    lower, after = parser.argument(after, command.end, maths=True)
    if not lower:
        out.extend(upper or [Text(f"\\{command.name}")])
    elif command.name == "binom":
        out += (Text("("), *upper, Text(" choose "), *lower, Text(")"))
    else:
        out += (*_bracketed(upper), Text("/"), *_bracketed(lower))
    return after


def _root(parser: Parser, command: Command, out: list[Node]) -> int:
    after = command.after
    if option := OPTION.match(parser.text, after, command.end):
        degree = Text(option[1].strip())
        out.append(Styled("sup", (degree,)) if degree.text.isdigit() else degree)
        after = option.end()
    children, after = parser.argument(after, command.end, maths=True)
    out += (Text("√"), *(_bracketed(children) if children else ()))
    return after


def _address(parser: Parser, command: Command, out: list[Node]) -> int:
    close = parser.group_end(command.after, command.end)
    if close < 0:
        out.append(Text(f"\\{command.name}"))
        return command.after
    raw = parser.text[command.after + 1 : close]
    iri = _iri_of(raw)
    children: list[Node] = [Text(iri or raw)]
    after = close + 1
    if command.name == "href" and parser.group_end(after, command.end) >= 0:
        shown, after = parser.argument(after, command.end, maths=False)
        children = shown or children
    out.append(Link(iri, tuple(children)) if iri else Styled("plain", tuple(children)))
    return after


def _iri_of(raw: str) -> str | None:
    """The IRI in `\\url{...}`, where any space is damage."""
    address = re.sub(r"\s+", "", raw)
    link = match_link(address, 0, len(address))
    return link.iri if link and link.end == len(address) else valid_iri(address)


def _coloured(parser: Parser, command: Command, out: list[Node]) -> int:
    close = parser.group_end(command.after, command.end)
    after = close + 1 if close >= 0 else command.after
    children, after = parser.argument(after, command.end, maths=False)
    out.extend(children)
    return after


def _note(parser: Parser, command: Command, out: list[Node]) -> int:
    children, after = parser.argument(command.after, command.end, maths=False)
    out += (Text(" ("), *children, Text(")"))
    return after


_Rule = Callable[[Parser, Command, list[Node]], int]
_TABLES: tuple[tuple[symbols.Names, _Rule], ...] = (
    (symbols.STYLES, _styled),
    (symbols.DECLARATIONS, _declaration),
    (symbols.ACCENTS, _accent),
    (symbols.FUNCTIONS, _function),
    (symbols.DROPPED, _dropped),
    (symbols.CITATIONS, _citation),
)
_STRUCTURES: dict[str, _Rule] = {
    "frac": _fraction,
    "dfrac": _fraction,
    "tfrac": _fraction,
    "nicefrac": _fraction,
    "binom": _fraction,
    "sqrt": _root,
    "url": _address,
    "path": _address,
    "href": _address,
    "textcolor": _coloured,
    "colorbox": _coloured,
    "footnote": _note,
}
