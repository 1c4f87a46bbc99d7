"""Cluster pages on their way: which of one key stands, whom it lists, and its statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quiver.derive import Tally, share_of
from quiver.dumps import PartWriter
from quiver.identifiers import Minter
from quiver.manifest import SourceCounts
from quiver.mapping import map_cluster_page
from quiver.releases.deriving import write_tally
from quiver.releases.rejects import RejectWriter
from quiver.releases.settled import (
    Settled,
    SettledTable,
    SettledWriter,
    pages_folder,
    papers_folder,
    settled_of,
)
from quiver.releases.spool import Frame, FrameWriter, read_frames
from quiver.releases.stages import LISTINGS, NO_LISTING, Kept, decode_item, frames_path, page_of, part_path, settle
from quiver.releases.steps import Making, Plan
from quiver.releases.tables import table_path


class _Listings:
    """Tells the shares of a source's papers who lists them; a file exists only where a share is told something."""

    def __init__(self, folder: Path, source: str, shares: int) -> None:
        self._folder, self._source, self._shares = folder, source, shares
        self._writers: dict[int, FrameWriter] = {}

    def write(self, paper: str, page: str, name: bytes) -> None:
        """Say that *page* lists *paper* by *name*, or that it does no longer: `NO_LISTING`."""
        share = share_of(paper, self._shares)
        writer = self._writers.get(share)
        if writer is None:
            path = frames_path(self._folder, self._source, share) / LISTINGS
            writer = self._writers[share] = FrameWriter(path)
        writer.write(Frame(paper, b"", 0, page, name))

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


@dataclass(slots=True)
class SettledPages:
    """By source and key, the pages of the new files' keys: the one that stands, and the one that stood, if any."""

    now: dict[str, dict[str, Kept]]
    before: dict[str, dict[str, Kept]]


def settle_pages(plan: Plan, making: Making) -> SettledPages:
    """Decide between pages of one key, and tell the shares which papers the pages that stand list."""
    checksums, names = making.checksums, making.names
    pages = SettledPages({}, {})
    for slug, shares in plan.shares.items():
        came: dict[str, list[Frame]] = {}
        folder = frames_path(making.folder, slug, -1)
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            for frame in read_frames(file):
                came.setdefault(frame.key, []).append(frame)
        if not came:
            continue
        parent = making.parent_of(slug)
        known = SettledTable(pages_folder(parent, slug)).get(came) if parent else {}
        keeper = SettledWriter(table_path(pages_folder(making.folder, slug), making.generation, 0, 1))
        rejects = RejectWriter(making.folder / "rejects", slug, "pages")
        listings = _Listings(making.folder, slug, shares)
        tally, former = Tally(), Tally()
        now = pages.now.setdefault(slug, {})
        before = pages.before.setdefault(slug, {})
        for key in sorted(came):
            old = known.get(key) or Settled()
            frames = old.frames(key) + came[key]
            keeper.write(key, settled_of(frames))
            kept, losers, equal = settle(frames, checksums)
            now[key] = kept
            page = page_of(kept)
            counts = SourceCounts(0, 1, equal, len(losers), 1)
            tally.add_page(key, page.name)
            if old.versions:
                before[key], fell, same = settle(old.frames(key), checksums)
                counts = counts.minus(SourceCounts(0, 1, same, len(fell), 1))
                former.add_page(key, page_of(before[key]).name)
                if fell:
                    making.conflicts.setdefault((slug, "cluster-page"), set()).add(key)
                for paper in page_of(before[key]).lists:
                    listings.write(paper, key, NO_LISTING)
            making.count(slug, counts)
            making.add("cluster_pages", counts.pages)
            new = {frame.input for frame in came[key]}
            making.taken = making.taken or not new.isdisjoint(kept.inputs)
            for frame in losers:
                stands = f"{names[kept.frame.input]}:{kept.locator}"
                message = rejects.write_conflict(frame, names[frame.input], decode_item(frame.body), stands)
                making.messages.append(message)
            for paper in page.lists:
                listings.write(paper, key, page.name.encode())
        for closing in (listings, rejects, keeper):
            closing.close()
        path = making.folder / "tallies" / "pages" / slug
        tally.with_bare_names()
        tally.subtract(former.with_bare_names())
        making.tallies.append((str(path), write_tally(tally, plan.derived_shares, path)))
    return pages


def map_pages(plan: Plan, making: Making, pages: SettledPages) -> None:
    """Map the pages that came, and those that list a paper which is new."""
    checksums = making.checksums
    for slug in plan.shares:
        mapper = _Mapper(slug, making.minter, checksums)
        found = making.listings.get(slug, {})
        now = dict(pages.now.get(slug, {}))
        parent = making.parent_of(slug)
        if parent is None:
            documents = mapper.documents(now, found)
            former: dict[str, list[str]] = {}
        else:
            before = dict(pages.before.get(slug, {}))
            others = SettledTable(pages_folder(parent, slug)).get(found.keys() - now.keys())
            for key, settled in others.items():
                now[key] = before[key] = settle(settled.frames(key), checksums)[0]
            was, there = _present(making, slug, now, before)
            documents = mapper.documents(now, dict.fromkeys(now, there))
            former = mapper.documents(before, dict.fromkeys(before, was))
        writer = PartWriter(making.folder, part_path(slug, "pages", making.generation))
        making.put(slug, writer, former, documents)
        making.keep(writer.close())


def _present(making: Making, slug: str, now: dict[str, Kept], before: dict[str, Kept]) -> tuple[set[str], set[str]]:
    """Which of the papers that pages list the parent has, and which the release in the making."""
    listed = {paper for kept in (*now.values(), *before.values()) for paper in page_of(kept).lists}
    parent = making.parent_of(slug)
    assert parent is not None
    was = SettledTable(papers_folder(parent, slug)).get(listed)
    known = {**was, **SettledTable(papers_folder(making.folder, slug)).get(listed)}
    return ({key for key, one in was.items() if one.versions}, {key for key, one in known.items() if one.versions})


@dataclass(slots=True)
class _Mapper:
    """Maps pages of one source."""

    source: str
    minter: Minter
    checksums: tuple[str, ...]

    def documents(self, pages: dict[str, Kept], found: Mapping[str, set[str]]) -> dict[str, list[str]]:
        """The statements of each page, by its IRI; *found* are, by page, papers that there are."""
        return {
            self.minter.cluster_page(self.source, key): map_cluster_page(
                page_of(kept),
                source=self.source,
                key=key,
                found=found.get(key, set()),
                files=[self.minter.source_file(self.source, self.checksums[index]) for index in kept.inputs],
                locator=kept.locator,
                minter=self.minter,
            )
            for key, kept in sorted(pages.items())
        }
