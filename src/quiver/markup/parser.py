"""Titles and abstracts with LaTeX, HTML or JATS in them, parsed to a small tree.

It is no TeX: it knows the commands that authors use in titles and abstracts, and leaves alone what it cannot place,
so that no word is lost. Each character is looked at once; braces and tags are paired beforehand, and nesting has
a limit, below which text stays as it is.
"""

from __future__ import annotations

import re

from quiver.markup import symbols
from quiver.markup.commands import read_command
from quiver.markup.dollars import find_formula
from quiver.markup.escapes import read_escape
from quiver.markup.grammar import Command, skip_spaces
from quiver.markup.links import START as LINK_START
from quiver.markup.links import match_link, valid_iri
from quiver.markup.mathml import mathml_nodes
from quiver.markup.tags import STYLES as TAG_STYLES
from quiver.markup.tags import Tag, find_tags
from quiver.markup.tree import Formula, Link, Node, Style, Styled, Text

_MAX_DEPTH = 40

_IN_TEXT = re.compile(r"\\(?:[A-Za-z]+|.|\Z)|\$+|[{}]|[_^ˆ]|<|~|``|''|[Hh][Tt][Tt][Pp][Ss]?\s{0,2}:|www\.", re.DOTALL)
_IN_MATHS = re.compile(r"\\(?:[A-Za-z]+|.|\Z)|\$+|[{}]|[_^ˆ]|[~&<]", re.DOTALL)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_LETTERS = re.compile(r"[A-Za-z]+")
_WWW = re.compile(r"(?:\\[_#%&~]|[^\s<>\"{}\\])*")
_DRIVE = re.compile(r"[^\s\"'<>{}$]*")
_PROTECTED = re.compile(r"[A-Z0-9][^,;|=<>\"“”‘’{}\\]{0,200}")
_CLOSING_QUOTE = re.compile(r'\\"(?=[\s.,;:!?)\]]|\Z)')
_LINKING = frozenset({"a", "ext-link", "uri"})


def _pair_braces(text: str) -> dict[int, int]:
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    if "{" in text:
        for match in _BRACE.finditer(text):
            if match[0] == "{":
                waiting.append(match.start())
            elif match[0] == "}" and waiting:
                pairs[waiting.pop()] = match.start()
    return pairs


def parse(source: str) -> tuple[Node, ...]:
    """The tree of *source*, which `repairs.repair_source` has seen.

    >>> parse("top-$k$")
    (Text(text='top-'), Formula(source='k', notation='tex', display=False, children=(Text(text='k'),)))
    """
    return tuple(_Parser(source, 0).nodes(0, len(source), maths=False))


class _Parser:
    def __init__(self, text: str, depth: int) -> None:
        self.text = text
        self.depth = depth
        self.escaped_quotes = _CLOSING_QUOTE.search(text) is not None
        self.scriptable = -1
        self._braces = _pair_braces(text)
        self._tags = find_tags(text)
        self._tex_quotes = "``" in text and "''" in text

    def nodes(self, start: int, end: int, *, maths: bool) -> list[Node]:
        if self.depth >= _MAX_DEPTH:
            return [Text(self.text[start:end])]
        self.depth += 1
        out: list[Node] = []
        token = _IN_MATHS if maths else _IN_TEXT
        at = start
        while match := token.search(self.text, at, end):
            if match.start() > at:
                before = self.text[at : match.start()]
                out.append(Text(before.rstrip() if maths and match[0] in "_^ˆ" else before))
            at = self._token(match, end, out, maths)
        if at < end:
            out.append(Text(self.text[at:end]))
        self.depth -= 1
        return out

    def group_end(self, at: int, end: int) -> int:
        close = self._braces.get(at, -1)
        return close if close < end else -1

    def argument(self, at: int, end: int, *, maths: bool) -> tuple[list[Node], int]:
        at = skip_spaces(self.text, at, end)
        close = self.group_end(at, end)
        if close >= 0:
            return self.nodes(at + 1, close, maths=maths), close + 1
        if self.text.startswith("\\", at) and (match := _IN_MATHS.match(self.text, at, end)):
            if self.depth >= _MAX_DEPTH:
                return [Text(match[0])], match.end()
            out: list[Node] = []
            self.depth += 1
            at = self.backslash(match, end, out, maths)
            self.depth -= 1
            return out, at
        stop = min(at + 1, end)
        return [Text(self.text[at:stop])] if at < stop else [], stop

    def command(self, command: Command, out: list[Node]) -> int:
        return read_command(self, command, out)

    def backslash(self, match: re.Match[str], end: int, out: list[Node], maths: bool) -> int:
        at = match.start()
        command = Command(match[0][1:], at, match.end(), end, maths)
        if not (command.name.isascii() and command.name.isalpha()):
            return read_escape(self, command, out)
        if not maths and self._is_path(at) and (path := _DRIVE.match(self.text, at, end)):
            out.append(Text(path[0]))
            return path.end()
        return read_command(self, command, out)

    def formula(self, start: int, stop: int, display: bool, out: list[Node]) -> None:
        source = self.text[start:stop].strip()
        if source in symbols.BARE_NAMES:
            children = [Text(symbols.symbol(source) or source)]
            source = f"\\{source}"
            out.append(Formula(source, "tex", display, tuple(children)))
        else:
            out.append(Formula(source, "tex", display, tuple(self.nodes(start, stop, maths=True))))

    def _is_path(self, at: int) -> bool:
        """Whether the backslash at *at* follows a drive: `C:\\temp`."""
        before = self.text[max(0, at - 3) : at]
        return before[-1:] == ":" and before[-2:-1].isupper() and not before[-3:-2].isalnum()

    def _token(self, match: re.Match[str], end: int, out: list[Node], maths: bool) -> int:
        """Put what stands at *match* into *out*; the index behind it."""
        at = match.start()
        match match[0][0]:
            case "\\":
                return self.backslash(match, end, out, maths)
            case "{":
                return self._group(at, end, out, maths)
            case "_" | "^" | "ˆ":
                return self._script(match, end, out, maths)
            case "<":
                return self._tag(at, end, out, maths)
            case "$":
                return self._dollars(match, end, out, maths)
            case "~":
                out.append(Text(" " if maths or self._is_tie(at) else "~"))
            case "&":
                out.append(Text(" "))
            case "`" if self._tex_quotes:
                out.append(Text("“"))
            case "'" if self._tex_quotes:
                out.append(Text("”"))
            case "w" if address := _WWW.match(self.text, match.end(), end):
                out.append(Text(re.sub(r"\\(.)", r"\1", self.text[at : address.end()])))
                return address.end()
            case "h" | "H" if LINK_START.match(self.text, at, end) and (link := match_link(self.text, at, end)):
                out.append(Link(link.iri, (Text(link.shown),)))
                return link.end
            case _:
                out.append(Text(match[0]))
        return match.end()

    def _is_tie(self, at: int) -> bool:
        """Whether `~` is TeX's space ("translation~(NAT)"), not "about" (~5), a range (A~Z, 1~3) or a home (/~me)."""
        before, after = self.text[max(0, at - 2) : at], self.text[at + 1 : at + 3]
        left, right = before[-1:], after[:1]
        if not (left.isascii() and right.isascii()) or not (left.isalpha() or left in (")", "]", "}")):
            return False
        alone = not before[:-1].strip() and not after[1:].strip()
        return right in ("(", "[", "\\") or (right.isalpha() and not alone)

    def _group(self, at: int, end: int, out: list[Node], maths: bool) -> int:
        close = self.group_end(at, end)
        if close < 0:
            out.append(Text("{"))
            return at + 1
        children = self.nodes(at + 1, close, maths=maths)
        if maths or self._is_markup(at, close):
            out.extend(children)
        else:
            out += (Text("{"), *children, Text("}"))
        if self.text.find("\\", at, close) >= 0:
            self.scriptable = close + 1
        return close + 1

    def _is_markup(self, at: int, close: int) -> bool:
        """Whether braces in running text are TeX's: `{I}nsights`, `{\\it x}`; not `en-{de, fr}` or `{x: 1}`."""
        content = self.text[at + 1 : min(close, at + 300)]
        first = content.lstrip()[:2]
        if first[:1] == "$" or (first[:1] == "\\" and first[1:] not in ("{", "}", "")):
            return True
        if "\\" in content:
            return not set(content) & set(' ;,=|"')
        if _PROTECTED.fullmatch(content):
            return close - at < 300
        before, after = self.text[max(0, at - 1) : at], self.text[close + 1 : close + 2]
        return content.isalpha() and after.isalpha() and (not before or before.isalpha() or before.isspace())

    def _script(self, match: re.Match[str], end: int, out: list[Node], maths: bool) -> int:
        """A subscript or superscript; in running text only one with braces or a command: `F_{1}`, not `CMU_DoG`."""
        at = match.end()
        applies = maths or match.start() == self.scriptable or self.group_end(at, end) >= 0
        if not applies and self.text.startswith("\\", at) and (name := _LETTERS.match(self.text, at + 1, end)):
            applies = symbols.is_known(name[0]) or symbols.split_glued(name[0]) is not None
        if not applies or at >= end:
            out.append(Text(match[0]))
            return at
        children, stop = self.argument(at, end, maths=True)
        style: Style = "sub" if match[0] == "_" else "sup"
        out.append(Styled(style, tuple(children)))
        self.scriptable = stop
        return stop

    def _dollars(self, match: re.Match[str], end: int, out: list[Node], maths: bool) -> int:
        if maths:
            return match.end()  # "\text{if $x$}": what is inside is mathematics anyway
        found = find_formula(self.text, match.start(), end)
        if found is None:
            # Of two dollars that open no formula, the second one may.
            width = len(match[0]) if len(match[0]) > 2 else 1
            out.append(Text(match[0][:width]))
            return match.start() + width
        self.formula(found.start, found.stop, found.display, out)
        return found.end

    def _tag(self, at: int, end: int, out: list[Node], maths: bool) -> int:
        tag = self._tags.get(at)
        if tag is None or tag.end > end:
            out.append(Text("<"))
            return at + 1
        if 0 <= tag.outer_end <= end:
            self._element(at, tag, out, maths)
            return tag.outer_end
        if tag.name in ("br", "break", "hr") or TAG_STYLES.get(tag.name) == "block":
            out.append(Text("\n"))
        return tag.end

    def _element(self, at: int, tag: Tag, out: list[Node], maths: bool) -> None:
        if tag.name == "tex-math":
            return self._tex_math(self.text[tag.end : tag.inner_end], out)
        if tag.name == "alternatives" and (found := self._tex_of(tag)):
            return self._element(*found, out, maths)
        if tag.name == "math":
            source = self.text[at : tag.outer_end]
            mathematics = mathml_nodes(source)
            if mathematics is not None:
                out.append(Formula(source, "mathml", tag.attribute("display") == "block", mathematics))
                return None
        children = tuple(self.nodes(tag.end, tag.inner_end, maths=maths))
        iri = valid_iri(tag.attribute("href") or "") if tag.name in _LINKING else None
        out.append(Link(iri, children) if iri else Styled(TAG_STYLES.get(tag.name, "plain"), children))
        return None

    def _tex_of(self, alternatives: Tag) -> tuple[int, Tag] | None:
        """The TeX among the forms of one formula that JATS gives side by side."""
        at = self.text.find("tex-math", alternatives.end, alternatives.inner_end)
        start = self.text.rfind("<", alternatives.end, at) if at >= 0 else -1
        tag = self._tags.get(start)
        return (start, tag) if tag and 0 <= tag.outer_end <= alternatives.inner_end else None

    def _tex_math(self, inner: str, out: list[Node]) -> None:
        body = inner.partition("\\begin{document}")[2] or inner
        source = body.partition("\\end{document}")[0].strip().strip("$").strip()
        children = _Parser(source, self.depth).nodes(0, len(source), maths=True)
        out.append(Formula(source, "tex", False, tuple(children)))
