"""What is taken out for good: the file that asks for it, and the list of it that a library keeps, as keyed digests.

The list is there so that a source read again brings nothing back. It holds no string that was taken out, only digests
of expressions (see `wording`) and of papers, under a key of its own, and what is put in their place. Whoever has list
and key can still try names one by one: the file is readable by its owner alone, and is no part of any release.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from quiver.errors import DamagedRelease, InvalidIdentifier, InvalidRedaction
from quiver.identifiers import Minter, decode_segment
from quiver.releases.durability import sync_folder
from quiver.releases.wording import SPACE, Word, expression, words_of

FILE_NAME: Final = "redactions.json"
_FORMAT: Final = 1
_EXAMPLE: Final = (
    "Entries are [[paper]] (iri, or source and key), [[name]] and [[text]] (was, now, papers); see README."
)

Kind = Literal["name", "text"]


class PaperName(msgspec.Struct, frozen=True):
    """A paper of a source, by its local key."""

    source: str
    key: str


class StringEntry(msgspec.Struct, frozen=True):
    """A name or another text that is taken out: its spellings, what comes in its place, and where (empty: everywhere).

    `given` and `family` are the parts of the name in its place.
    """

    kind: Kind
    was: tuple[str, ...]
    now: str = ""
    given: str = ""
    family: str = ""
    papers: tuple[PaperName, ...] = ()

    @property
    def expressions(self) -> tuple[str, ...]:
        """What is looked for: every spelling, and of a name also its other order ("Lee, Ann", "Lee:Ann")."""
        found = dict.fromkeys(expression(words_of(was)) for was in self.was)
        if self.kind == "name":
            for was in self.was:
                found.update(dict.fromkeys(_other_orders(words_of(was))))
        return tuple(found)


class Redactions(msgspec.Struct, frozen=True):
    """All that one file asks for."""

    papers: tuple[PaperName, ...] = ()
    strings: tuple[StringEntry, ...] = ()


def _other_orders(words: Sequence[Word]) -> Iterator[str]:
    gaps = [word.gap for word in words[1:]]
    if all(gap == SPACE for gap in gaps):
        for at in range(1, len(words)):
            for mark in ",:":
                yield f"{expression(words[at:])}{mark}{expression(words[:at])}"
    elif gaps.count(",") == 1 and set(gaps) <= {SPACE, ","}:
        at = gaps.index(",") + 1
        yield f"{expression(words[at:])}{SPACE}{expression(words[:at])}"


class _Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    iri: str = ""
    source: str = ""
    key: str = ""


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    was: str | list[str]
    now: str = ""
    papers: list[str] = []


class _Name(_Text, frozen=True, forbid_unknown_fields=True):
    given: str = ""
    family: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    paper: list[_Paper] = []
    name: list[_Name] = []
    text: list[_Text] = []


def read_redactions(path: Path, base: str) -> Redactions:
    """What the TOML file at *path* asks for; IRIs are of a release with *base*.

    Raises:
        InvalidRedaction: it is no such file; the message names the entry.
        OSError: it cannot be read.
    """
    try:
        asked = msgspec.toml.decode(path.read_bytes(), type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRedaction(f"{path}: {error}", value=str(path), hint=_EXAMPLE) from error
    papers = [_paper(one, base, f"paper {at}") for at, one in enumerate(asked.paper, 1)]
    strings = [_string("name", one, base, f"name {at}") for at, one in enumerate(asked.name, 1)]
    strings += [_string("text", one, base, f"text {at}") for at, one in enumerate(asked.text, 1)]
    if not papers and not strings:
        raise InvalidRedaction(f"{path} asks for nothing", value=str(path), hint=_EXAMPLE)
    return Redactions(tuple(dict.fromkeys(papers)), tuple(strings))


def _paper(asked: _Paper, base: str, what: str) -> PaperName:
    if asked.iri and not (asked.source or asked.key):
        return paper_of(asked.iri, base, what)
    if asked.source and asked.key and not asked.iri:
        return PaperName(asked.source, asked.key)
    raise InvalidRedaction(f"{what} has neither an iri alone, nor source and key", value=what, hint=_EXAMPLE)


def paper_of(iri: str, base: str, what: str) -> PaperName:
    """The paper that *iri* names, which may leave out *base*.

    Raises:
        InvalidRedaction: it names none.
    """
    pieces = iri.removeprefix(base).split("/", 2)
    try:
        if pieces[0] == "paper" and len(pieces) == 3:
            paper = PaperName(decode_segment(pieces[1]), decode_segment(pieces[2]))
            if Minter(base).paper(paper.source, paper.key) == base + "/".join(pieces):
                return paper
    except InvalidIdentifier:
        pass
    raise InvalidRedaction(
        f"{what}: {iri} is no paper's IRI", value=iri, hint=f"They begin with {base}paper/; a page's address is none."
    )


def _string(kind: Kind, asked: _Text, base: str, what: str) -> StringEntry:
    spellings = [asked.was] if isinstance(asked.was, str) else asked.was
    if not spellings or not all(words_of(was) for was in spellings):
        raise InvalidRedaction(f"{what}: was has no letter or digit to look for", value=what, hint=_EXAMPLE)
    parts = (asked.given, asked.family) if isinstance(asked, _Name) else ("", "")
    papers = tuple(paper_of(iri, base, what) for iri in asked.papers)
    entry = StringEntry(kind, tuple(spellings), asked.now, *parts, papers)
    if expression(words_of(asked.now)) in entry.expressions:
        raise InvalidRedaction(
            f"{what}: was and now are the same but for letter case and the like",
            value=what,
            hint="`quiver replace` puts corrected records in the place of others.",
        )
    return entry


class Sought(msgspec.Struct, frozen=True, array_like=True):
    """The digest of an expression, with how many words and characters it has: few others have as many."""

    words: int
    characters: int
    digest: str


class StringRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `StringEntry` without the string; `papers` are digests."""

    kind: Kind
    was: tuple[Sought, ...]
    now: str = ""
    given: str = ""
    family: str = ""
    papers: tuple[str, ...] = ()


class RedactionList(msgspec.Struct, frozen=True):
    """All that was ever taken out of a library; `key` is that of the digests, in hex.

    It is `pending` while the release without the last of it, and the removal of all others, is under way.
    """

    format: int
    key: str
    papers: tuple[str, ...] = ()
    strings: tuple[StringRule, ...] = ()
    pending: bool = False

    @classmethod
    def empty(cls) -> RedactionList:
        return cls(_FORMAT, secrets.token_hex(16))

    def digest(self, text: str) -> str:
        """The digest of *text* under the list's key, 32 hex digits."""
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=bytes.fromhex(self.key), digest_size=16).hexdigest()

    def paper_digest(self, source: str, key: str) -> str:
        return self.digest(f"{source}\x1f{key}")

    def plus(self, asked: Redactions) -> RedactionList:
        """This list with what *asked* names, each once."""
        papers = (self.paper_digest(one.source, one.key) for one in asked.papers)
        return msgspec.structs.replace(
            self,
            papers=_each_once([*self.papers, *papers]),
            strings=tuple(dict.fromkeys([*self.strings, *map(self.rule, asked.strings)])),
        )

    def rule(self, entry: StringEntry) -> StringRule:
        """*entry* as the list keeps it."""
        was = (Sought(len(words_of(text)), len(text), self.digest(text)) for text in entry.expressions)
        papers = (self.paper_digest(one.source, one.key) for one in entry.papers)
        return StringRule(
            entry.kind, tuple(sorted(was, key=_order)), entry.now, entry.given, entry.family, _each_once(papers)
        )


def _order(sought: Sought) -> tuple[int, int, str]:
    return sought.words, sought.characters, sought.digest


def _each_once(digests: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(digests)))


def list_path(library: Path) -> Path:
    """Where a library keeps its list."""
    return library / FILE_NAME


def read_list(path: Path) -> RedactionList | None:
    """The list at *path*, or None where nothing was ever taken out.

    Raises:
        DamagedRelease: it is none that this version understands; nothing may be added then, since it might bring back
            what was taken out.
    """
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=RedactionList)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise DamagedRelease(
            f"{path}: {error}",
            value=str(path),
            hint="It says what must not come back. Restore it, or run `quiver redact` again with all its files.",
        ) from error
    if kept.format != _FORMAT:
        raise DamagedRelease(f"{path}: format {kept.format}", value=kept.format, hint="Install a newer quiver.")
    return kept


def write_list(kept: RedactionList, path: Path) -> None:
    """Put the list in the place of the one before in one step, readable by its owner alone."""
    pending = path.with_suffix(".new")
    pending.unlink(missing_ok=True)
    with os.fdopen(os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    pending.replace(path)
    sync_folder(path.parent)
