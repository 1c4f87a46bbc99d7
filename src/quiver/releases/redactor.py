"""Records without what the list of redactions names: one rule for what is read and for what a release keeps already.

Text is written anew around what is taken out. Addresses and identifiers that hold it are left out, since a made-up one
would lead elsewhere; the keys of papers and authors, which must stay keys, become digests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from quiver.names import split_homonym
from quiver.records import Author, ClusterPage, Item, Record
from quiver.releases.redactions import RedactionList, StringRule, read_list
from quiver.releases.wording import Word, expression, words_of

_TEXTS: Final = ("title", "abstract", "stated_year", "pages")
_TEXT_LISTS: Final = ("venues", "venue_kinds", "types", "statuses", "tracks", "containers")
_ADDRESSES: Final = ("dois", "urls", "pdfs", "links")
_ADDRESS_BEFORE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"{}|^`]*\Z")
_ADDRESS_BEHIND: Final = re.compile(r"[^\s<>\"{}|^`]*[^\s<>\"{}|^`.,;:!?)\]]")
Rules = frozenset[int]


@dataclass(frozen=True, slots=True)
class Match:
    """Where in a text an expression stands that is taken out, and by which rule of the list."""

    start: int
    end: int
    rule: int


class Matcher:
    """Finds the expressions of a list in texts."""

    def __init__(self, kept: RedactionList) -> None:
        self._kept = kept
        self.rules = kept.strings
        self._sought: dict[str, list[int]] = {}
        self._sizes: dict[int, set[int]] = {}
        # What is put in the place of something may contain it: "Ann Lee" becomes "Ann Lee Smith".
        self._stays: dict[int, set[str]] = {}
        for at, rule in enumerate(kept.strings):
            for sought in rule.was:
                self._sought.setdefault(sought.digest, []).append(at)
                self._sizes.setdefault(sought.words, set()).add(sought.characters)
            self.keep(rule.now)
        self.everywhere: Rules = frozenset(at for at, rule in enumerate(kept.strings) if not rule.papers)

    def keep(self, text: str) -> None:
        """Leave the expression *text* as it is, wherever it stands."""
        words = words_of(text)
        if words:
            self._stays.setdefault(len(words), set()).add(expression(words))

    def find(self, text: str, rules: Rules) -> list[Match]:
        """Where in *text* something stands that *rules* take out; from left to right, the longest at each place."""
        if not rules or not text:
            return []
        words = words_of(text)
        found: list[tuple[int, int, int]] = []
        ends: list[int] = [0]
        for word in words:
            ends.append(ends[-1] + len(word.gap) + len(word.text))
        for at in range(len(words)):
            if found and at < found[-1][1]:
                continue
            first = ends[at] + len(words[at].gap)
            for count in sorted(self._sizes, reverse=True):
                if at + count <= len(words) and ends[at + count] - first in self._sizes[count]:
                    rule = self._rule(expression(words[at : at + count]), rules)
                    if rule is not None:
                        found.append((at, at + count, rule))
                        break
        if not found:
            return []
        stays = self._standing(words)
        return [
            Match(words[start].start, words[end - 1].end, rule)
            for start, end, rule in found
            if not any(first <= start and end <= last for first, last in stays)
        ]

    def _standing(self, words: Sequence[Word]) -> list[tuple[int, int]]:
        return [
            (at, at + count)
            for count, texts in self._stays.items()
            for at in range(len(words) - count + 1)
            if expression(words[at : at + count]) in texts
        ]

    def _rule(self, text: str, rules: Rules) -> int | None:
        return next((at for at in self._sought.get(self._kept.digest(text), ()) if at in rules), None)

    def whole(self, name: str, rules: Rules) -> StringRule | None:
        """The rule for names that takes out all of *name*, with or without its homonym number."""
        names = frozenset(at for at in rules if self.rules[at].kind == "name")
        for text in dict.fromkeys((name, split_homonym(name)[0])) if names and name else ():
            words = words_of(text)
            size = sum(len(word.text) + len(word.gap) for word in words) - len(words[0].gap) if words else 0
            if size in self._sizes.get(len(words), ()):
                rule = self._rule(expression(words), names)
                if rule is not None:
                    return self.rules[rule]
        return None


class Redactor:
    """Takes out of items what a list names."""

    def __init__(self, kept: RedactionList) -> None:
        self._kept = kept
        self.matcher = Matcher(kept)
        self._papers = frozenset(kept.papers)
        everywhere = self.matcher.everywhere
        self._scoped: dict[str, Rules] = {}
        for at, rule in enumerate(kept.strings):
            for paper in rule.papers:
                self._scoped[paper] = self._scoped.get(paper, everywhere) | {at}
        self._everywhere = everywhere

    def takes_out(self, source: str, key: str) -> bool:
        """Whether the paper is one that is taken out as a whole."""
        return bool(self._papers) and self._kept.paper_digest(source, key) in self._papers

    def item(self, item: Item, source: str) -> Item | None:
        """*item* without what the list names: itself where it holds nothing of that, None where nothing may be left."""
        return self.record(item, source) if isinstance(item, Record) else self.page(item, source)

    def holds(self, text: str) -> bool:
        """Whether something stands in *text* that is taken out everywhere."""
        return bool(self.matcher.find(text, self._everywhere))

    def text(self, text: str, rules: Rules | None = None) -> str:
        """*text* with what is put in the place of what is taken out."""
        found = self.matcher.find(text, self._everywhere if rules is None else rules)
        spans: dict[tuple[int, int], str] = {}
        for match in found:
            address = _address_around(text, match)
            spans[address or (match.start, match.end)] = "" if address else self.matcher.rules[match.rule].now
        for (start, end), now in reversed(spans.items()):
            text = _put(text, start, end, now)
        return text

    def file_name(self, name: str) -> str:
        """The name of a file as it may be kept."""
        new = self.text(name)
        return new if new == name or new.partition(".")[0].strip() else "redacted" + new.lstrip()

    def _rules(self, paper: str) -> Rules:
        return self._scoped.get(paper, self._everywhere)

    def pseudonym(self, key: str) -> str:
        """What stands in the place of a key that holds what is taken out."""
        return "r-" + self._kept.digest(key)[:16]

    def record(self, record: Record, source: str) -> Record | None:
        """As `item`, for a paper."""
        key = record.local_key()
        paper = self._kept.paper_digest(source, key) if self._papers or self._scoped else ""
        if paper in self._papers:
            return None
        rules = self._rules(paper)
        if not rules:
            return record
        new: dict[str, object] = {name: self.text(getattr(record, name), rules) for name in _TEXTS}
        for name in _TEXT_LISTS:
            new[name] = self._texts(getattr(record, name), rules)
        for name in _ADDRESSES:
            new[name] = self._without(getattr(record, name), rules)
        new["citation_key"] = "" if self._finds(record.citation_key, rules) else record.citation_key
        new["identifiers"] = tuple(pair for pair in record.identifiers if not self._finds(pair[1], rules))
        new["authors"] = tuple(self._author(author, rules) for author in record.authors)
        if record.fields:
            fields = ((self.text(name, rules), self._json(value, rules)) for name, value in record.fields)
            new["fields"] = tuple(sorted(fields))
        if self._finds(record.key, rules):
            new["key"] = self.pseudonym(record.key)
        changed = {name: value for name, value in new.items() if value != getattr(record, name)}
        if not changed:
            return record
        if not str(new["title"]).strip():
            return None
        redacted = msgspec.structs.replace(record, **changed)
        if not record.key and redacted.local_key() != key:
            # The paper keeps its IRI, and pages that list it go on doing so.
            redacted = msgspec.structs.replace(redacted, key=key)
        return redacted

    def page(self, page: ClusterPage, source: str) -> ClusterPage | None:
        """As `item`, for a cluster page."""
        name, lists = page.name, list(page.lists)
        rule = self.matcher.whole(name, self._everywhere)
        if rule is not None:
            name = rule.now
        else:
            name = self.text(name, self._of_kind("text", self._everywhere))
        if self._papers or self._scoped:
            digests = {key: self._kept.paper_digest(source, key) for key in lists}
            lists = [
                key
                for key, digest in digests.items()
                # A page of the former name that lists the paper would say it all over again.
                if digest not in self._papers
                and not self.matcher.whole(page.name, self._rules(digest) - self._everywhere)
            ]
            lists = [self._listed(key, self._rules(digests[key])) for key in lists]
        else:
            lists = [self._listed(key, self._everywhere) for key in lists]
        if not name.strip() or (page.lists and not lists):
            return None
        note = self.text(page.note, self._everywhere)
        if (name, note, tuple(lists)) == (page.name, page.note, page.lists):
            return page
        return msgspec.structs.replace(page, name=name, note=note, lists=tuple(dict.fromkeys(lists)))

    def _listed(self, key: str, rules: Rules) -> str:
        return self.pseudonym(key) if self._finds(key, rules) else key

    def _of_kind(self, kind: str, rules: Rules) -> Rules:
        return frozenset(at for at in rules if self.matcher.rules[at].kind == kind)

    def _finds(self, text: str, rules: Rules) -> bool:
        return bool(text) and bool(self.matcher.find(text, rules))

    def _texts(self, texts: Iterable[str], rules: Rules) -> tuple[str, ...]:
        pairs = [(text, self.text(text, rules)) for text in texts]
        return tuple(dict.fromkeys(new for text, new in pairs if new == text or new.strip()))

    def _without(self, texts: Iterable[str], rules: Rules) -> tuple[str, ...]:
        return tuple(text for text in texts if not self._finds(text, rules))

    def _json(self, text: str, rules: Rules) -> str:
        value = msgspec.json.decode(text)
        new = self._value(value, rules)
        return text if new == value else msgspec.json.encode(new, order="deterministic").decode()

    def _value(self, value: object, rules: Rules) -> object:
        if isinstance(value, str):
            return self.text(value, rules)
        if isinstance(value, list):
            return [self._value(one, rules) for one in value]
        if isinstance(value, dict):
            return {self.text(str(name), rules): self._value(one, rules) for name, one in value.items()}
        return value

    def _author(self, author: Author, rules: Rules) -> Author:
        texts = self._of_kind("text", rules)
        name, given, family = author.name, author.given, author.family
        named = self.matcher.whole(name, rules)
        parted = self.matcher.whole(f"{given} {family}", rules) if given or family else None
        rule = named or parted
        if named is not None:
            name = named.now
        if rule is not None and (given or family):
            given, family = rule.given, rule.family
        identifiers = tuple(pair for pair in author.identifiers if not self._finds(pair[1], rules))
        redacted = Author(
            name=self.text(name, texts),
            id=self.pseudonym(author.id) if self._finds(author.id, rules) else author.id,
            given=self.text(given, texts),
            family=self.text(family, texts),
            variants=self._texts((one for one in author.variants if not self.matcher.whole(one, rules)), texts),
            orcid=author.orcid,
            affiliations=self._texts(author.affiliations, rules) if author.affiliations else (),
            identifiers=identifiers,
        )
        return author if redacted == author else redacted


def _address_around(text: str, match: Match) -> tuple[int, int] | None:
    """Where the web address begins and ends that holds the match, if it stands in one."""
    before = _ADDRESS_BEFORE.search(text, 0, match.start)
    if before is None:
        return None
    behind = _ADDRESS_BEHIND.match(text, match.end)
    return before.start(), behind.end() if behind else match.end


def redactor_of(path: str) -> Redactor | None:
    """The redactor of the list at *path*; None where *path* is empty, or there is no list."""
    kept = read_list(Path(path)) if path else None
    return None if kept is None else Redactor(kept)


def _put(text: str, start: int, end: int, now: str) -> str:
    """*text* with *now* between *start* and *end*; a brace whose other one is in there goes with it."""
    while text[start:end].count("}") > text[start:end].count("{") and text[start - 1 : start] == "{":
        start -= 1
    while text[start:end].count("{") > text[start:end].count("}") and text[end : end + 1] == "}":
        end += 1
    before, after = text[:start], text[end:]
    if not now and (not before or before[-1].isspace()) and (not after or after[0].isspace()):
        return before + after.lstrip() if after else before.rstrip()
    return before + now + after
