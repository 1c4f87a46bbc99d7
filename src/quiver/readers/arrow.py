"""The Arrow research search's author-name-cluster page, as text.

The page has a preamble (the words "Author name cluster", the name, a note, stated counts) and the heading "Possible
papers"; then, for each paper, a line of venue, kind, year and type, the title, the byline as a bulleted list, and an
abstract.
Bylines show at most eight names and drop repeated ones, so every byline is marked as possibly cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from quiver.errors import InvalidRecord
from quiver.readers.base import Reader
from quiver.readers.streams import SourceStream
from quiver.records import Author, ClusterPage, Located, Read, Record, RecordError

_CLUSTER = "author name cluster"
_PAPERS = "possible papers"
_BULLET = re.compile(r"\s*[•·∙◦‣*-]\s+(.*\S)\s*")
_COUNT = re.compile(r"([0-9][0-9,. ]*)\s+(papers?|author rows?)", re.IGNORECASE)
_KINDS = "Conference|Journal|Workshop|Symposium|Preprint|Book|Repository|Series|Magazine|Thesis|Proceedings"
_TYPES = (
    "Paper|Article|Chapter|Thesis|Report|Book|Preprint|Abstract|Editorial|Letter|Review|Survey|Tutorial|Demo|Poster"
)
_TYPE = rf"(?P<type>(?:[A-Z]\w*\s+){{0,4}}(?:{_TYPES}))"
# With a year any word may be the kind; without one only a known kind and type tell a heading from a sentence.
_HEADING = re.compile(rf"(?P<venue>\S.*?)\s+(?P<kind>[A-Z]\w*)\s+(?P<year>[0-9]{{4}})\s+{_TYPE}")
_HEADING_WITHOUT_YEAR = re.compile(rf"(?P<venue>\S.*?)\s+(?P<kind>{_KINDS})\s+{_TYPE}")
# Of a heading that a title and a byline follow, any words may be the type.
_HEADING_BY_PLACE = re.compile(
    r"(?P<venue>\S.*?)\s+(?P<kind>[A-Z]\w*)\s+(?P<year>[0-9]{4})\s+(?P<type>[A-Z]\w*(?:\s+[A-Z]\w*)*)"
)
_HEADING_HELP = 'Expected "VENUE Conference 2025 Conference Paper" or the like.'
_MOST_NAME_WORDS = 10
_MOST_NAME_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines of text between blank lines; `line` is the number of the first, from 1."""

    line: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def is_list(self) -> bool:
        return all(_BULLET.fullmatch(line) for line in self.lines)

    @property
    def is_byline(self) -> bool:
        """Whether it is a list of what can be names: short, and no sentences."""
        return self.is_list and all(_can_be_name(item) for item in self.items)

    @property
    def items(self) -> list[str]:
        """The texts of a list without their bullets."""
        return [match[1] for line in self.lines if (match := _BULLET.fullmatch(line))]

    @property
    def is_short_line(self) -> bool:
        return len(self.lines) == 1 and len(self.text) < 200 and not self.text.rstrip().endswith((".", "!", ":", ";"))

    def heading(self, *, followed: bool) -> re.Match[str] | None:
        """The parts of a paper's first line; *followed* where a title and a byline come behind it."""
        if len(self.lines) != 1 or len(self.text) >= 200:
            return None
        line = self.text.strip()
        found = _HEADING.fullmatch(line) or _HEADING_WITHOUT_YEAR.fullmatch(line)
        return found or (_HEADING_BY_PLACE.fullmatch(line) if followed else None)


def _can_be_name(item: str) -> bool:
    words = item.split()
    sentence = item.endswith((".", ";", ":", "!", "?")) and len(words) > 4
    return len(item) <= _MOST_NAME_CHARACTERS and len(words) <= _MOST_NAME_WORDS and not sentence


def _blocks(text: str) -> list[_Block]:
    blocks: list[_Block] = []
    pending: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            # A bulleted list and the text around it are blocks of their own even without a blank line.
            if pending and bool(_BULLET.fullmatch(line)) != bool(_BULLET.fullmatch(pending[-1])):
                blocks.append(_Block(number - len(pending), tuple(pending)))
                pending = []
            pending.append(line.rstrip())
        elif pending:
            blocks.append(_Block(number - len(pending), tuple(pending)))
            pending = []
    return blocks


def _recognises(head: bytes) -> bool:
    start = head[:4096].decode("utf-8", "ignore").lower()
    return any(line.strip().strip("#").strip() == _CLUSTER for line in start.splitlines())


def _plain(block: _Block) -> str:
    return " ".join(line.strip().strip("#").strip() for line in block.lines)


@dataclass(frozen=True, slots=True)
class _Preamble:
    name: str
    line: int
    note: str
    counts: dict[str, int]
    end: int  # index of the first block behind it


def _preamble(blocks: list[_Block]) -> _Preamble:
    start = next((at for at, block in enumerate(blocks) if _plain(block).lower() == _CLUSTER), None)
    if start is None:
        raise InvalidRecord('line 1: no heading "Author name cluster"', hint="This is no cluster page of Arrow.")
    end = next((at for at in range(start + 1, len(blocks)) if _plain(blocks[at]).lower() == _PAPERS), None)
    if end is None:
        raise InvalidRecord(f'line {blocks[start].line}: no heading "Possible papers" follows')
    if end == start + 1:
        raise InvalidRecord(f"line {blocks[end].line}: the page gives no name")
    name = blocks[start + 1]
    notes: list[str] = []
    counts: dict[str, int] = {}
    for block in blocks[start + 2 : end]:
        for line in block.lines:
            if match := _COUNT.fullmatch(line.strip()):
                counts[match[2].lower().rstrip("s")] = int(re.sub(r"[^0-9]", "", match[1]))
            else:
                notes.append(line.strip())
    end += 1
    if end < len(blocks) and re.fullmatch(r"[0-9][0-9,. ]*", _plain(blocks[end])):
        counts.setdefault("paper", int(re.sub(r"[^0-9]", "", _plain(blocks[end]))))
        end += 1
    return _Preamble(_plain(name), name.line, " ".join(notes), counts, end)


def _starts(blocks: list[_Block]) -> list[int]:
    """Where papers begin: at a heading; or, where a byline shows that one is missing or broken, before its title."""
    starts: list[int] = []
    title = -1  # the title of the paper that began last is no heading, whatever its words
    for at, block in enumerate(blocks):
        followed = at + 2 < len(blocks) and blocks[at + 2].is_byline and not blocks[at + 1].is_list
        if block.heading(followed=followed) and (at != title or followed):
            starts.append(at)
            title = at + 1
        elif block.is_byline and at > 0 and (not starts or at > starts[-1] + 2) and blocks[at - 1].is_short_line:
            # A list of names, and what stands before it can be a title: a paper whose heading does not parse.
            first = (
                at - 2
                if at >= 2 and blocks[at - 2].is_short_line and at - 2 > (starts[-1] if starts else -1)
                else at - 1
            )
            starts.append(first)
            title = first + 1
    return sorted({0, *starts}) if blocks else []


def _entries(blocks: list[_Block]) -> list[list[_Block]]:
    """The blocks of each paper."""
    starts = _starts(blocks)
    return [blocks[start:end] for start, end in zip(starts, [*starts[1:], len(blocks)], strict=False)]


def _paper(entry: list[_Block]) -> Record:
    heading, rest = entry[0], entry[1:]
    followed = len(rest) > 1 and rest[1].is_byline and not rest[0].is_list
    match = heading.heading(followed=followed)
    if not match:
        raise InvalidRecord(f"no line of venue, year and type: {heading.text[:80]!r}", hint=_HEADING_HELP)
    if not rest or rest[0].is_list:
        raise InvalidRecord("the paper has no title", value=heading.text)
    title = " ".join(line.strip() for line in rest[0].lines)
    names = rest[1].items if followed else []
    abstract = rest[2:] if followed else rest[1:]
    year = match.groupdict().get("year")
    return Record(
        title=title,
        authors=tuple(Author(name=name) for name in names),
        byline_may_be_cut=True,
        abstract="\n\n".join(block.text for block in abstract),
        year=int(year) if year and year[0] != "0" else None,
        stated_year=year if year and year[0] == "0" else "",
        venues=(match["venue"],),
        venue_kinds=(match["kind"],),
        types=(match["type"],),
    )


def _read(stream: SourceStream, max_bytes: int) -> Iterator[Read]:
    content = bytearray()
    for chunk in stream.chunks():
        content += chunk
        if len(content) > max_bytes:
            raise InvalidRecord(
                f"the page is longer than {max_bytes:,} bytes", hint="Raise the setting max_record_bytes."
            )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidRecord(f"line {line}: no valid UTF-8", hint="Save the page as UTF-8 text.") from None
    blocks = _blocks(text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " "))
    preamble = _preamble(blocks)
    listed: list[str] = []
    for entry in _entries(blocks[preamble.end :]):
        locator = str(entry[0].line)
        try:
            paper = _paper(entry)
        except InvalidRecord as error:
            raw = "\n\n".join(block.text for block in entry).encode()
            yield RecordError(stream.name, locator, error.message, hint=error.hint, raw=raw)
            continue
        listed.append(paper.local_key())
        yield Located(paper, locator)
    page = ClusterPage(
        name=preamble.name,
        note=preamble.note,
        paper_count=preamble.counts.get("paper"),
        author_row_count=preamble.counts.get("author row"),
        lists=tuple(dict.fromkeys(listed)),
    )
    yield Located(page, str(preamble.line))


READER = Reader(
    name="arrow",
    title="Arrow research search, author-name-cluster page as text",
    endings=(".txt", ".text", ".md"),
    source="arrow",
    recognises=_recognises,
    read=_read,
)
