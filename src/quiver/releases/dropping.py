"""Taking a source's records out of the tallies: the step of a removal that runs in worker processes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from quiver.derive import Tally
from quiver.identifiers import Minter
from quiver.mapping import map_paper
from quiver.releases.deriving import write_tally
from quiver.releases.settled import SettledTable, pages_folder, papers_folder
from quiver.releases.stages import count_paper, page_of, record_of, settle
from quiver.releases.steps import Making, Plan, by_number
from quiver.releases.workers import Workers


class DropTask(msgspec.Struct, frozen=True):
    """Take out one share of the papers of *source* as *parent* holds them, and with the first share its pages."""

    source: str
    share: int
    derived_shares: int
    base: str
    checksums: tuple[str, ...]
    folder: str
    parent: str


class DropDone(msgspec.Struct, frozen=True):
    """How much there was, the tally of what is no more, and the paths whose documents are not."""

    papers: int
    pages: int
    signatures: int
    tally_path: str
    pieces: tuple[tuple[int, int], ...]
    unindexed: tuple[str, ...]


def drop_share(task: DropTask) -> DropDone:
    """Count what one share of a source had contributed, as a tally below zero."""
    minter = Minter(task.base)
    former = Tally()
    papers = signatures = pages = 0
    unindexed = []
    for key, settled in SettledTable(papers_folder(Path(task.parent), task.source)).entries(task.share):
        if not settled.versions:
            continue
        kept, _, _ = settle(settled.frames(key), task.checksums)
        mapped = map_paper(
            record_of(kept),
            source=task.source,
            key=key,
            files=(),
            locator="",
            listed_by=settled.listed_by,
            minter=minter,
        )
        count_paper(former, task.source, mapped, settled.listed_by)
        papers += 1
        signatures += len(mapped.signatures)
        unindexed.append(minter.path(mapped.iri) or "")
    if task.share == 0:
        for key, settled in SettledTable(pages_folder(Path(task.parent), task.source)).entries():
            former.add_page(key, page_of(settle(settled.frames(key), task.checksums)[0]).name)
            pages += 1
    tally = Tally()
    tally.subtract(former.with_bare_names())
    path = Path(task.folder) / "tallies" / "dropped" / f"{task.source}-{task.share:06d}"
    return DropDone(
        papers, pages, signatures, str(path), write_tally(tally, task.derived_shares, path), tuple(unindexed)
    )


def dropped_bytes(making: Making) -> int:
    """How much the parent keeps of the records that are dropped, in bytes."""
    if making.parent is None:
        return 0
    folders = [papers_folder(making.parent.path, slug) for slug in making.dropped]
    return sum(file.stat().st_size for folder in folders if folder.is_dir() for file in folder.iterdir())


def drop_sources(plan: Plan, making: Making, workers: Workers) -> None:
    """Take out what the parent holds of the sources that are dropped."""
    parent = making.parent
    if parent is None or not making.dropped:
        return
    checksums = by_number(parent.manifest.inputs, lambda one: one.sha256)
    tasks = [
        DropTask(slug, share, plan.derived_shares, making.minter.base, checksums, str(making.folder), str(parent.path))
        for slug in making.dropped
        # A source may have pages alone.
        for share in range(max(1, SettledTable(papers_folder(parent.path, slug)).shares))
    ]
    done: list[DropDone] = workers.run("drop", drop_share, tasks)
    for result in done:
        making.tallies.append((result.tally_path, result.pieces))
        making.unindexed.extend(result.unindexed)
        making.add("papers", -result.papers)
        making.add("signatures", -result.signatures)
        if result.pages:
            making.add("cluster_pages", -result.pages)
    making.seconds["drop"] = workers.seconds
