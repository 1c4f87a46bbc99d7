"""Damage that sources do to text: found cheaply, and repaired where the repair is certain enough.

The guard looks at every title and abstract of a build, so it starts at one set of characters (the fast path of `re`)
and only then looks around.
"""

from __future__ import annotations

import re
from html.entities import html5

from quiver.markup.symbols import is_known, split_glued

FORBIDDEN = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"  # XML 1.0, section 2.2

_GUARD = re.compile(
    rf"[\\{{}}$<&~`.:\x80-\x84\x86-\x9f\xad\ufeff{FORBIDDEN}]"
    rf"(?:(?<=[\\{{}}$\x80-\x84\x86-\x9f\xad\ufeff{FORBIDDEN}])"
    r"|(?<=<)[A-Za-z/!]"
    r"|(?<=&)\#?\w{1,31};"
    r"|(?<=[A-Za-z)\]]~)[A-Za-z(\[]"
    r"|(?<=``)"
    r"|(?<=[0-9]\.) [0-9]"
    r"|(?<=:)(?:\s{1,3}/\s?/|/\s{1,3}/|//\s|//[\w-]{1,63}(?:\.[\w-]{1,63}){0,9}\.\s)"
    r"|(?<=\s:)//"
    r")"
)

_FORBIDDEN = re.compile(f"[{FORBIDDEN}]")
_C1 = re.compile("[\x80-\x84\x86-\x9f]")
_INVISIBLE = re.compile("[\xad\ufeff]")
# A source that read "\alpha" or "\texttt" as an escape sequence left a control character, or nothing, in place of two.
_EATEN_CONTROL = re.compile("([\x07\x08\x0b\x0c])([a-zA-Z]+)")
_EATEN = {"\x07": "a", "\x08": "b", "\x0b": "v", "\x0c": "f"}
_EATEN_TAB = re.compile(r"\t(ext(?:tt|bf|it|sc|rm|sf)?\{|imes\b|heta\b|ilde\{)")
_EATEN_RETURN = re.compile(r"\r(ightarrow)")
_EATEN_WHOLE = re.compile(r"(?<![\\A-Za-z])(?:t?(?=ext(?:tt|bf|it|sc|rm|sf)\{)|(?=(?:url|href)\{\s?http))")
# UTF-8 that was read as Latin-1: each of its characters is at least one control character.
_MISREAD = re.compile("[\xc2-\xdf][\x80-\x9f]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_ENTITY = re.compile(r"&(?:#(?:[0-9]{1,7}|[xX][0-9a-fA-F]{1,6})|[A-Za-z][A-Za-z0-9]{1,31});")


def needs_cleaning(source: str) -> bool:
    """Whether *source* holds anything that looks like markup or damage; white space does not count.

    >>> needs_cleaning("Plain words, p < 0.05 and https://example.org/a."), needs_cleaning("$k$-means")
    (False, True)
    """
    return _GUARD.search(source) is not None


def collapse(text: str) -> str:
    """*text* with each run of white space as one space, trimmed.

    >>> collapse(" a \\n b ")
    'a b'
    """
    # Most texts need nothing: no control characters or odd spaces, and no two spaces.
    if text.isprintable() and "  " not in text and text[:1] != " " and text[-1:] != " ":
        return text
    return " ".join(text.split())


def _eaten_control(match: re.Match[str]) -> str:
    name = _EATEN[match[1]] + match[2]
    return f"\\{name}" if is_known(name) or split_glued(name) else match[0]


def _eaten_whole(match: re.Match[str]) -> str:
    return "\\" if match.string.startswith(("url", "href"), match.end()) else "\\t"


def _misread(match: re.Match[str]) -> str:
    if not _C1.search(match[0]):
        return match[0]
    return match[0].encode("latin-1").decode("utf-8", "ignore") or match[0]


def _windows_1252(match: re.Match[str]) -> str:
    return match[0].encode("latin-1").decode("cp1252", "replace")


def without_controls(source: str) -> str:
    """*source* without characters that XML 1.0 cannot carry: repaired where that is certain, else U+FFFD.

    >>> without_controls("the \\x07lpha of\\x00 it\\x92s")
    'the \\\\alpha of\\ufffd it’s'
    """
    if source.isprintable():
        return source
    text = _EATEN_CONTROL.sub(_eaten_control, source)
    text = _EATEN_RETURN.sub(r"\\r\1", _EATEN_TAB.sub(r"\\t\1", text))
    text = _FORBIDDEN.sub("\ufffd", text)
    text = _MISREAD.sub(_misread, text)
    return _INVISIBLE.sub("", _C1.sub(_windows_1252, text))


def _entity(match: re.Match[str]) -> str:
    body = match[0][1:-1]
    if not body.startswith("#"):
        return html5.get(f"{body};", match[0])
    code = int(body[2:], 16) if body[1] in "xX" else int(body[1:])
    character = chr(code) if code < 0x110000 else "\ufffd"
    return without_controls(character)


def decode_entities(text: str) -> str:
    """*text* with its character references resolved, also those escaped twice; unknown names stay.

    >>> decode_entities("R&amp;D, p &amp;lt; 0.05, AT&T; &nonesuch;")
    'R&D, p < 0.05, AT&T; &nonesuch;'
    """
    for _ in range(2):
        if "&" not in text:
            break
        text = _ENTITY.sub(_entity, text)
    return text


def repair_source(source: str) -> str:
    """*source* ready for the parser: no forbidden characters, no entities, eaten backslashes back in place."""
    text = decode_entities(without_controls(source))
    return _EATEN_WHOLE.sub(_eaten_whole, text) if "{" in text else text
