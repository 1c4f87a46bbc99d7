"""http(s) links in running text: recognised, repaired, and cut where the sentence goes on.

A source may put a space after every colon and full stop ("https: //github. com/LeapLabTHU/MOSS."). A space inside a
host is taken out while the host has no top-level domain yet, or where the next label ends the host with a slash; one
inside a path only where the address was broken already and a file's ending or a query follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quiver.identifiers import is_absolute_iri

# Enough to tell a host from a sentence: generic domains, those of research sites, and countries.
_DOMAINS = frozenset({
    "com", "org", "net", "edu", "gov", "io", "ai", "int", "mil", "info", "dev", "app", "me", "co", "tv", "cc",
    "ly", "gl", "gle", "page", "site", "xyz", "science", "cloud", "tech", "online", "blog", "at", "au", "be",
    "br", "ca", "ch", "cl", "cn", "cz", "de", "dk", "ee", "es", "eu", "fi", "fr", "gr", "hk", "hr", "hu", "ie",
    "il", "in", "ir", "is", "it", "jp", "kr", "lt", "lu", "lv", "mx", "my", "nl", "no", "nz", "pl", "pt", "ro",
    "rs", "ru", "se", "sg", "si", "sk", "th", "tr", "tw", "ua", "uk", "us", "vn", "za",
})  # fmt: skip
_CJK = "\u1100-\u11ff\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef"
START = re.compile(r"https?(?P<gap>\s{0,2}:\s{0,2})(?:\\?/\s?\\?/)(?P<after>\s{0,2})", re.IGNORECASE)
_SCHEME = re.compile(r"[Hh][Tt][Tt][Pp]")
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_MAX_PATH = 1900
_PORT = re.compile(r":[0-9]{1,5}(?![0-9])")
_CHARACTERS = r"""(?:\\[_#%&~/$^-]|[^\s<>"'{}|\\^`\[\]“”„‘’‹›«»，。；：、（）「」『』《》【】…\ufffd]){0,2000}"""
_PATH = re.compile(rf"(?:\\?/|[?#]){_CHARACTERS}")
_PATH_REST = re.compile(_CHARACTERS)
_BROKEN_PATH = re.compile(r"\. (?:git|html?|php|pdf|zip|ipynb|json|txt|md|aspx?|jsp)\b|\? (?=[A-Za-z_]{1,20}=)")
_GLUED_SENTENCE = re.compile(
    r"\.(?:We|Our|The|This|These|In|It|To|For|Demo|Code|Data|Additionally|Furthermore|Moreover|Unlike|However)\Z"
)
_INTO_CJK = re.compile(rf"(?<=[A-Za-z0-9])[{_CJK}]")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class FoundLink:
    """A link that text holds: its IRI, how to show it, and where it ends in the text."""

    iri: str
    shown: str
    end: int


def _host(text: str, start: int, end: int, broken: bool) -> tuple[str, int, bool] | None:
    """The host at *start*, the index behind it, and whether it had spaces; None where there is none."""
    match = _LABEL.match(text, start, end)
    if not match:
        return None
    labels = [match[0]]
    at = match.end()
    while at < end and text[at] == ".":
        spaced = text[at + 1 : at + 2] == " "
        match = _LABEL.match(text, at + 1 + spaced, end)
        if not match or len(labels) > 20:
            break
        if spaced:
            complete = len(labels) > 1 and labels[-1].lower() in _DOMAINS
            if not match[0][0].isdigit() and not match[0].islower():
                break  # a sentence starts here
            if complete and not (match[0] in _DOMAINS and text[match.end() : match.end() + 1] == "/"):
                break
            broken = True
        labels.append(match[0])
        at = match.end()
    if broken and (len(labels) < 2 or (labels[-1].lower() not in _DOMAINS and text[at : at + 1] != "/")):
        return None
    return ".".join(labels), at, broken


def _closes_nothing(address: str) -> int:
    """The index of the first closing bracket that no bracket of *address* opens, or its length."""
    depth = 0
    for at, character in enumerate(address):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth < 0:
                return at
    return len(address)


def _trim(address: str, floor: int) -> str:
    """*address* without what belongs to its sentence; never shorter than *floor*."""
    address = address[: max(floor, _closes_nothing(address))]
    while len(address) > floor:
        if address[-1] in ".,;:!?*":
            address = address[:-1]
        elif match := _GLUED_SENTENCE.search(address, floor):
            address = address[: match.start()]
        else:
            break
    return address


def mentions_link(text: str) -> bool:
    """Whether *text* can hold a link at all."""
    return _SCHEME.search(text) is not None


def valid_iri(address: str) -> str | None:
    """*address* as an http(s) IRI, TeX escapes and stray percent signs mended; None where it is none.

    >>> valid_iri(r"https://youtu.be/u5BBT\\_j1"), valid_iri("javascript:alert(1)")
    ('https://youtu.be/u5BBT_j1', None)
    """
    address = re.sub(r"\\([_#%&~/$^-])", r"\1", address.strip())
    scheme, colon, rest = address.partition(":")
    iri = _BARE_PERCENT.sub("%25", f"{scheme.lower()}{colon}{rest}")
    iri = iri.replace("'", "%27")  # allowed by RFC 3987, but a quote to whoever reads the text
    return iri if iri.startswith(("http://", "https://")) and is_absolute_iri(iri) else None


def match_link(text: str, start: int, end: int) -> FoundLink | None:
    """The link that begins at *start* and ends before *end*; None where there is no valid one."""
    head = START.match(text, start, end)
    if not head:
        return None
    broken = bool(head["gap"].strip() != head["gap"] or head["after"] or "\\" in head[0] or " " in head[0])
    host = _host(text, head.end(), end, broken)
    if host is None:
        return None
    name, at, broken = host
    scheme = head[0][:5].rstrip(": ").lower()
    scheme = "https" if scheme == "https" else "http"
    if port := _PORT.match(text, at, end):
        name += port[0]
        at = port.end()
    if text[at : at + 1] == "@":
        return None
    stem = f"{scheme}://{name}"
    path = _PATH.match(text, at, end)
    tail = path[0] if path else ""
    if len(tail) > _MAX_PATH:
        return None
    if cut := _INTO_CJK.search(tail):
        tail = tail[: cut.start()]
    elif broken and path:
        tail = _longer_path(text, path, end)
    taken = at + len(tail)
    address = _trim(stem + tail, len(stem))
    taken -= len(stem) + len(tail) - len(address)
    iri = valid_iri(address.replace(" ", ""))
    if iri is None:
        return None
    shown = iri if broken or "\\" in address else text[start:taken]
    return FoundLink(iri, shown, taken)


def _longer_path(text: str, path: re.Match[str], end: int) -> str:
    """The path of a broken address with what belongs to it behind a space."""
    stop = path.end()
    while (gap := _BROKEN_PATH.match(text, stop - 1, end)) is not None:
        rest = _PATH_REST.match(text, gap.end(), end)
        stop = rest.end() if rest else gap.end()
    return text[path.start() : stop]
