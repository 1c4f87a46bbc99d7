"""HTML, JATS and MathML tags in text: which `<...>` are markup, and which end belongs to which start.

`<unk>`, `<s>` and `p<0.05` are words of our field. A tag is markup when its name has the prefix of JATS or MathML, or
when it is one of the names below and stands in a pair (`<br>` stands alone). A pair with nothing but "and" or a
comma inside is talk about tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quiver.markup.tree import Style

STYLES: dict[str, Style] = {
    "i": "emphasis", "em": "emphasis", "italic": "emphasis", "b": "strong", "strong": "strong", "bold": "strong",
    "sub": "sub", "sup": "sup", "tt": "code", "code": "code", "monospace": "code", "kbd": "code", "samp": "code",
    "p": "block", "div": "block", "title": "block", "sec": "block", "abstract": "block", "list": "block",
    "list-item": "block", "ul": "block", "ol": "block", "li": "block", "label": "plain", "h1": "block",
    "h2": "block", "h3": "block", "h4": "block", "disp-formula": "block", "disp-quote": "block",
    "blockquote": "block", "pre": "block", "u": "plain", "underline": "plain", "sc": "plain", "small": "plain",
    "span": "plain", "font": "plain", "roman": "plain", "sans-serif": "plain", "named-content": "plain",
    "styled-content": "plain", "xref": "plain", "inline-formula": "plain", "tex-math": "plain", "big": "plain",
    "alternatives": "plain", "math": "plain", "a": "plain", "ext-link": "plain", "uri": "plain",
}  # fmt: skip
_ALONE = frozenset({"br", "break", "hr"})
_PREFIXES = frozenset({"jats", "mml"})

_TAG = re.compile(
    r"<(?P<close>/?)(?:(?P<prefix>[a-z]{1,8}):)?(?P<name>[A-Za-z][A-Za-z0-9-]{0,20})"
    r"(?P<attributes>\s[^<>]{0,1000})?/?>"
)
_ATTRIBUTE = re.compile(r"""([A-Za-z][\w:-]{0,30})\s{0,3}=\s{0,3}(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))""")
_TALK = re.compile(r"\s*(?:,|/|&|and|or|to|,\s*and|…|\.\.\.)?\s*")


@dataclass(frozen=True, slots=True)
class Tag:
    """A piece of markup: a start tag knows where its end tag begins and ends (both -1 where there is none)."""

    end: int
    name: str
    attributes: str
    inner_end: int = -1
    outer_end: int = -1

    def attribute(self, name: str) -> str | None:
        """The value of the attribute *name* (without its namespace prefix), or None."""
        for match in _ATTRIBUTE.finditer(self.attributes):
            if match[1].rpartition(":")[2].lower() == name:
                return match[2] or match[3] or match[4] or ""
        return None


def without_comments(text: str) -> str:
    """*text* without comments and with CDATA sections unwrapped; one that does not end is text.

    >>> without_comments("a<!-- b --> <![CDATA[c]]> <!-- d")
    'a c <!-- d'
    """
    for opener, closer, keeps in (("<!--", "-->", False), ("<![CDATA[", "]]>", True)):
        parts: list[str] = []
        at = 0
        while (start := text.find(opener, at)) >= 0 and (end := text.find(closer, start + len(opener))) >= 0:
            parts.append(text[at:start])
            if keeps:
                parts.append(text[start + len(opener) : end])
            at = end + len(closer)
        if at:
            text = "".join(parts) + text[at:]
    return text


def find_tags(text: str) -> dict[int, Tag]:
    """Where each piece of markup begins in *text*, and what it is.

    >>> sorted(find_tags("<unk> <i>a</i> p<b and <br>"))
    [6, 10, 23]
    """
    tags: dict[int, Tag] = {}
    if "<" not in text:
        return tags
    open_tags: dict[str, list[re.Match[str]]] = {}
    for match in _TAG.finditer(text):
        prefix = match["prefix"]
        name = match["name"].lower()
        attributes = match["attributes"] or ""
        prefixed = prefix in _PREFIXES
        if (prefix and not prefixed) or (attributes.strip(" /") and "=" not in attributes):
            continue
        if prefixed or name in _ALONE:
            tags[match.start()] = Tag(match.end(), name, attributes)
        elif name not in STYLES:
            continue
        if match[0].endswith("/>"):
            continue
        waiting = open_tags.setdefault(f"{prefix}:{name}", [])
        if not match["close"]:
            waiting.append(match)
        elif waiting:
            start = waiting.pop()
            if not prefixed and name not in ("p", "span") and _TALK.fullmatch(text, start.end(), match.start()):
                continue
            tags[start.start()] = Tag(start.end(), name, start["attributes"] or "", match.start(), match.end())
            tags[match.start()] = Tag(match.end(), name, "")
    return tags
