"""Name keys, homonym numbers and display names.

Three words for three things: a *stated name* is verbatim, a *display name* is what a person reads on a byline, a *name
key* says which name cluster a signature belongs to. None of them says who somebody is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_HOMONYM = re.compile(r"(.*\S) ([0-9]{4})", re.DOTALL)
_JOINERS = "\u200c\u200d"  # ZWNJ and ZWJ change the meaning of words in several scripts


def _drops(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf") and character not in _JOINERS and not character.isspace()


def exact_name(name: str) -> str:
    """*name* in NFC with single spaces, trimmed, without control and format characters; letter case kept.

    >>> exact_name("  Andrew\\tZhao\\u200b")
    'Andrew Zhao'
    """
    # To remember so simple a name takes as long as to make it.
    return " ".join(name.split()) if name.isascii() and name.isprintable() else _exact_name(name)


# 200,000 made mapping 3 % faster, and each of its processes 100 MB larger the more names there were.
@lru_cache(maxsize=25_000)
def _exact_name(name: str) -> str:
    text = unicodedata.normalize("NFC", name)
    text = "".join(character for character in text if not _drops(character))
    # Dropping a character may bring a base and a mark together, so NFC comes again.
    return unicodedata.normalize("NFC", " ".join(text.split()))


def name_key(name: str) -> str:
    """The key by which exact names group "without regard to letter case"; empty for a name without characters.

    NFC, white space, control characters, casefold, NFC again, and nothing else: accents, punctuation and homonym
    numbers stay. Casefold lets "ss" and sharp s meet.

    >>> name_key("Yong-jin  Liu") == name_key("Yong-Jin Liu")
    True
    """
    return key_of_exact(exact_name(name))


def key_of_exact(name: str) -> str:
    """The name key of a name that `exact_name` made."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())


def split_homonym(name: str) -> tuple[str, str | None]:
    """The bare name, and the homonym number that a source put behind it (a space and four digits) or None.

    >>> split_homonym("Haipeng Zhang 0006")
    ('Haipeng Zhang', '0006')
    """
    text = exact_name(name)
    # Most names end in a letter, which is seen faster than a pattern finds nothing.
    match = _HOMONYM.fullmatch(text) if text[-1:].isdecimal() else None
    return (match[1], match[2]) if match else (text, None)


def display_name(name: str) -> str:
    """What pages and exports show of a stated name: no homonym number, no stray white space.

    >>> display_name("Hao Dong 0003")
    'Hao Dong'
    """
    bare, number = split_homonym(name)
    return bare if number is None else display_name(bare)
